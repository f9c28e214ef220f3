// Package postgres opens a [store.Store] in a PostgreSQL database (13 or
// later), with the driver pgx:
//
//	store, err := postgres.Open(ctx, os.Getenv("DATABASE_URL"))
//
// Any number of machines may open the same database, and PostgreSQL does what
// is distributed about that: whatever may happen once happens once because a
// row is locked, and nothing else decides. The tables are in the first schema
// of the connection's search_path, and their names begin with usher_. Open
// makes them, or brings them up to date, under a lock. No extension and no
// setting of the server is needed; the default isolation, READ COMMITTED, is
// enough. A program with a pool of its own passes it to [New] or [FromPool].
//
// # Revocations
//
// Who ends a session notifies all machines (NOTIFY), so that they read the list
// of revocations at once instead of within their second. The store keeps one
// connection beside its pool for that (LISTEN). It may break: the list is read
// every second all the same, and is the truth.
//
// # Privileges
//
// The role that serves needs no right to create anything. Let the role that
// owns the schema call [Migrate] before a new version starts, and grant the
// serving role what [Grants] returns; it opens the store with
// Options.SkipMigrations.
//
// # Poolers
//
// Behind a pooler that hands out connections by transaction (PgBouncer), Open
// notices that the server's process is not the one it was promised, and then
// prepares no statements, which another connection would not know; an explicit
// default_query_exec_mode in the URL is left as it is. Such a pooler cannot
// carry notifications: name the server itself in Options.ListenURL, or do with
// the poll.
//
// # Failover
//
// The URL may name several servers, of which the one that takes writes is used:
//
//	postgres://app@one.example,two.example/app?target_session_attrs=read-write
//
// A connection to a server that has become a standby is not used again.
package postgres
