// Package storetest tests that a [store.Store] keeps its contract.
//
// The author of a store runs the suite in one test:
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) store.Store {
//			db := openEmptyDatabase(t)
//			t.Cleanup(func() { db.Close() })
//			return newStore(db)
//		})
//	}
//
// The function is called once for each case. It returns an empty store and registers its
// own cleanup.
//
// The suite tests only what the comments of [store.Store] promise. Acts that can happen
// only once are tried by 64 concurrent callers, so run it with the race detector too.
package storetest
