package storetest_test

import (
	"testing"

	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/memory"
	"github.com/usherkit/usher/store/storetest"
)

// A store of one's own proves itself with one test. The function returns an
// empty store each time, and closes it with t.Cleanup.
func ExampleRun() {
	test := func(t *testing.T) { // named TestStore, in the store's package
		storetest.Run(t, func(t *testing.T) store.Store {
			store := memory.New() // instead: the store of one's own
			t.Cleanup(func() { store.Close() })
			return store
		})
	}
	_ = test
}
