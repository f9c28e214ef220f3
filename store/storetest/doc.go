// Package storetest proves that a [store.Store] keeps its contract, and has a
// store in memory for tests.
//
// Whoever writes a store runs the whole suite against it in one test. open is
// called once for each case and returns an empty store; it registers its own
// clean-up:
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) store.Store {
//			db := openEmptyDatabase(t)
//			t.Cleanup(func() { db.Close() })
//			return newStore(db)
//		})
//	}
//
// The suite tests what the comments of [store.Store] promise, never how a
// store does it. Acts that may happen once are tried by 64 callers at the same
// time, so run it with the race detector too.
//
// [NewMemory] returns a store that has passed the suite. Tests of programs use
// it where they would otherwise need a database; production must not, because
// it forgets.
package storetest
