package storetest_test

import (
	"testing"

	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/memory"
	"github.com/usherkit/usher/store/storetest"
)

// One test runs the suite against another store. The function returns an empty store each
// time, and closes it with t.Cleanup.
func ExampleRun() {
	test := func(t *testing.T) { // TestStore in the package of the store
		storetest.Run(t, func(t *testing.T) store.Store {
			store := memory.New() // here: the store under test
			t.Cleanup(func() { store.Close() })
			return store
		})
	}
	_ = test
}
