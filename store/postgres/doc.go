// Package postgres opens a [store.Store] in a PostgreSQL database (13 or later), with the
// driver pgx:
//
//	store, err := postgres.Open(ctx, os.Getenv("DATABASE_URL"))
//
// Any number of instances may open the same database. The tables are in the first schema
// of the connection's search_path, and their names begin with usher_. [Open] creates
// them, or brings them up to date, under a lock. It needs no extension and no setting of
// the server, and does not depend on its default isolation level. A program with a
// pool of its own passes it to [New] or [FromPool].
//
// # Revocations
//
// A transaction that ends a session notifies all instances (NOTIFY), so that they read
// the list of revocations at once. The store keeps one connection beside its pool for
// that (LISTEN). If it breaks, the list is still read every second.
//
// # Privileges
//
// The role that serves needs no right to create tables. Let the role that owns the schema
// call [Migrate] before a new version starts, and grant the serving role what [Grants]
// returns. The serving role opens the store with [Options.SkipMigrations].
//
// # Poolers
//
// Open detects a pooler that hands out connections by transaction (PgBouncer), and then
// prepares no statements, because they would be unknown on the next connection. A
// default_query_exec_mode in the URL takes precedence. Such a pooler cannot deliver
// notifications: set [Options.ListenURL] to the server itself, or rely on polling.
//
// # Failover
//
// The URL may name several servers, of which the one that accepts writes is used:
//
//	postgres://app@one.example,two.example/app?target_session_attrs=read-write
//
// A connection to a server that has become a standby is not used again, and no new one is made
// to a standby or to a server that accepts no writes, because what it returns may be old.
package postgres
