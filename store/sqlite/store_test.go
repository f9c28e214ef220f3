package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/sqlite"
	"github.com/usherkit/usher/store/storetest"
)

func open(t testing.TB, path string) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func openNew(t testing.TB) *sqlite.Store {
	t.Helper()
	return open(t, filepath.Join(t.TempDir(), "usher.db"))
}

func TestST04_SQLiteKeepsTheContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store { return openNew(t) })
}
