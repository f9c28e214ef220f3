// Package sqlstore keeps users, sessions and all the rest of a [usher.Service]
// in an SQL database, SQLite or PostgreSQL, over database/sql.
//
// It imports no driver. Most programs open their store with package sqlite or
// package postgres. A program that has a database already hands it over, and
// the tables, whose names all begin with usher_, live beside its own:
//
//	store, err := sqlstore.New(ctx, db, sqlstore.Postgres)
//
// # Settings of the database
//
// On SQLite the given pool should have a single connection, opened with
// foreign keys on, a busy timeout, journal_mode=WAL, synchronous=FULL, and
// transactions that begin as IMMEDIATE; [Options.ReadDB] may then be a pool of
// readers. Package sqlite does all that. On PostgreSQL nothing is needed: the
// default isolation, READ COMMITTED, is enough, and so is a pooler that hands
// out connections by transaction.
//
// # Steps
//
// Every method of the store that writes is one atomic step: all of it is there
// or nothing, and it is durable before the method returns. A step that loses
// against another (a deadlock, a busy database) is run again as a whole, a few
// times, for as long as its context allows. On PostgreSQL each step is a
// transaction. On SQLite, which has one writer, the steps of a process write in
// the order in which they came, and those that wait at the same time share one
// transaction, each within a savepoint of its own, and so one sync of the disk;
// the end of a context ends the wait, and not a step that has begun. A [Hook] puts the program's own
// rows into the steps that make, change and delete users, so that they exist
// if and only if the user does.
//
// What does nothing but count for limits is the exception: it need not wait for the
// disk, which it reaches with the next step that does. On PostgreSQL
// synchronous_commit is off for such a transaction, and on SQLite synchronous is
// NORMAL meanwhile, if there is a write-ahead log. The process may die then; a loss
// of power may take the last counts.
//
// # Migrations
//
// [New] brings the tables up to date, in one transaction and under a lock, so
// any number of machines may start at once. What has run is noted in the table
// usher_migrations with its checksum: a file that was changed later is refused,
// and so is a database from a newer program. [Migrations] hands out the files
// for other tools.
//
// # What is stored
//
// Times are integers, microseconds since 1970 in UTC. Lists and maps are JSON
// texts. Text that is not UTF-8 or has a zero byte in it is refused, because
// PostgreSQL cannot keep it. Tokens are stored as hashes only; signing keys and
// queued mail arrive sealed.
package sqlstore
