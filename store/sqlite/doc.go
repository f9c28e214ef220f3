// Package sqlite opens a [store.Store] in an SQLite file, with a driver written in Go
// (modernc.org/sqlite, no cgo):
//
//	store, err := sqlite.Open(ctx, "usher.db")
//
// One file serves one instance, which is enough for many programs. Several instances need
// package postgres. The code that uses the store is the same.
//
// # Durability
//
// The database has a write-ahead log (WAL) and synchronous=FULL: when a method of the
// store returns, its effect is on the disk, and survives a killed process and a power
// failure. Only the counters of limits are synced with the next other write: a killed
// process loses none, but a power failure can lose the last ones.
//
// One connection writes and a pool of others reads. Readers do not wait for the writer.
// Writers queue in the process instead of failing with "database is locked", and those
// that wait at the same time share one sync of the disk. Other processes on the same
// computer may open the same file: a writer waits up to 5 seconds for them. A network
// file system cannot have a WAL and must not be used.
//
// # The file
//
// [Open] creates the file with mode 0600, in a folder that exists. The files -wal and
// -shm beside it get the same mode. If one of them exists with wider permissions, Open
// removes the permissions of group and others.
//
// To back up a store in use, run VACUUM INTO, or .backup of the sqlite3 shell. A copy of
// the file alone misses the data that is still in -wal.
//
// A program must not open the file itself while the store is open, for example with os.Open:
// closing it removes the locks of SQLite (POSIX advisory locks belong to the process), and
// another process may then delete -wal, with commits that are lost.
package sqlite
