// Package sqlite opens a [store.Store] in an SQLite file, with a driver written
// in Go (modernc.org/sqlite, no cgo):
//
//	store, err := sqlite.Open(ctx, "usher.db")
//
// One file, and one process that writes to it, carry a program a long way. Many
// machines need package postgres; the code that uses the store stays the same.
//
// # Durability
//
// The database runs in WAL mode with synchronous=FULL: what a method of the
// store has acknowledged is on the disk, whether the process or the machine
// dies. Counters of limits alone get there with the next step that does: they
// outlive the process at once, and a loss of power may take the last of them.
//
// One connection writes and a pool of others reads, so readers never
// wait for the writer, and writers queue in the process instead of being
// refused with "database is locked". Other processes may open the same file on
// the same machine; a writer waits 5 seconds for theirs. A network file system
// cannot carry WAL and must not be used.
//
// # The file
//
// Open makes the file, with mode 0600, in a folder that exists. The files
// -wal and -shm beside it get the same mode. If they are there already and
// others than their owner may open them, Open takes that permission away.
//
// For a backup of a running store use VACUUM INTO, or sqlite3's .backup; a copy
// of the file alone misses what is still in -wal.
package sqlite
