package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/usherkit/usher/internal/webtest"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/sqlite"
	"github.com/usherkit/usher/store/sqlstore"
)

// overTwoInstances runs a test of two instances on one file, with cookies and without.
func overTwoInstances(t *testing.T, test func(t *testing.T, m webtest.Mode, open func(sqlstore.Hook) store.Store, exec func(string), rows func(string) int)) {
	webtest.BothModes(t, func(t *testing.T, m webtest.Mode) {
		path := filepath.Join(t.TempDir(), "usher.db")
		var db *sqlite.Store
		test(t, m, func(hook sqlstore.Hook) store.Store {
			s, err := sqlite.Open(t.Context(), path, sqlite.Options{Hook: hook})
			must(t, err)
			t.Cleanup(func() { s.Close() })
			db = s
			return s
		}, func(query string) {
			_, err := db.DB().Exec(query)
			must(t, err)
		}, func(query string) (n int) {
			must(t, db.DB().QueryRow(query).Scan(&n))
			return n
		})
	})
}

func TestAC01_ADeletedAccountEndsOnAllInstances(t *testing.T) {
	overTwoInstances(t, webtest.TestAccountDeletion)
}

func TestSF02_TheHookStoresTheFieldsOfASignUp(t *testing.T) {
	overTwoInstances(t, webtest.TestSignUpFields)
}

func TestAT01_OfManyWritersOfAttributesOneSucceeds(t *testing.T) {
	overTwoInstances(t, webtest.TestAttributes)
}
