// Package sqlstore implements [store.Store] in an SQL database, SQLite or PostgreSQL,
// over database/sql.
//
// It imports no driver. Most programs open their store with package sqlite or package
// postgres. A program that has a database already passes it to [New]. The tables, whose
// names begin with usher_, are created beside its own:
//
//	store, err := sqlstore.New(ctx, db, sqlstore.Postgres)
//
// # Settings of the database
//
// On SQLite, the given pool should have a single connection with foreign keys on, a busy
// timeout, journal_mode=WAL, synchronous=FULL, and transactions that begin as IMMEDIATE.
// [Options.ReadDB] may then be a pool of readers. Package sqlite does all of this.
//
// The database must have the encoding UTF-8.
//
// PostgreSQL needs no settings: every transaction asks for READ COMMITTED, whatever the
// default of the database is, and a pooler may hand out connections by transaction. Only
// bytea_output must have its default where the driver reads results as text.
//
// # Transactions
//
// Every method that writes is one transaction, and it is durable when the method
// returns. A transaction that loses against another one (a deadlock, a busy database)
// is run again as a whole. There are at most six attempts, and none after its context
// has ended.
//
// SQLite has one writer. Methods that wait for it at the same time share one transaction,
// each within a savepoint of its own, and so one sync of the disk. A context ends the
// wait, but not a method that has begun to write.
//
// Methods that only change the counters of limits do not wait for the disk: their
// transaction has synchronous_commit=off on PostgreSQL and synchronous=NORMAL on SQLite,
// if there is a write-ahead log. The next other transaction makes them durable. A killed
// process loses no count; a power failure can lose the last ones.
//
// # Hooks
//
// A [Hook] writes rows of the program in the transactions that create, change and delete
// users. Either both changes are stored or neither is. On SQLite a hook that ignores the error
// of a statement which has rolled back the transaction makes the method fail.
//
// # Migrations
//
// [New] brings the tables up to date, in one transaction and under a lock, so any number
// of instances may start at once. The table usher_migrations records each file with its
// checksum, and the oldest version that can run on the tables after it. A file that was
// changed later is refused. The tables of a newer version are accepted if they are usable
// by this one: each migration keeps them usable by the version before it. [Migrations]
// returns the files for other tools.
//
// # What is stored
//
// Times are integers: microseconds since 1970 in UTC. Lists and maps are JSON text. Text
// that is not UTF-8 or has a zero byte is refused, because PostgreSQL cannot store it.
// Tokens are stored as hashes; signing keys and queued emails are sealed by the Service.
package sqlstore
