package sqlstore

import (
	"database/sql"
	"errors"
	"strconv"
	"strings"
)

// Dialect names a database engine.
type Dialect string

// The supported engines.
const (
	// SQLite is SQLite 3.37 or later.
	SQLite Dialect = "sqlite"
	// Postgres is PostgreSQL 13 or later.
	Postgres Dialect = "postgres"
)

func (d Dialect) known() bool { return d == SQLite || d == Postgres }

// withoutRowLocks removes row locks, which SQLite does not have: a transaction that
// writes locks the whole database.
var withoutRowLocks = strings.NewReplacer(" FOR UPDATE SKIP LOCKED", "", " FOR UPDATE", "")

// sql translates a statement from the common form, with ? for parameters and with row
// locks, to the engine's own.
func (d Dialect) sql(q string) string {
	if d == SQLite {
		return withoutRowLocks.Replace(q)
	}
	var b strings.Builder
	b.Grow(len(q) + 16)
	n := 0
	for {
		before, after, found := strings.Cut(q, "?")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		n++
		b.WriteByte('$')
		b.WriteString(strconv.Itoa(n))
		q = after
	}
}

// txOptions returns the options of every transaction. The statements lock the rows that
// they decide by, and after the wait for a lock they must see what was committed
// meanwhile. That is READ COMMITTED, whatever the default of the database is.
func (d Dialect) txOptions() *sql.TxOptions {
	if d == Postgres {
		return &sql.TxOptions{Isolation: sql.LevelReadCommitted}
	}
	return nil
}

// lower returns an expression for a text with its ASCII letters in lower case, compared
// byte by byte.
func (d Dialect) lower(column string) string {
	if d == Postgres {
		return `lower(` + column + ` COLLATE "C")`
	}
	return `lower(` + column + `)`
}

// usersOf returns a FROM clause that reads the user u of each row of a subquery k by its id,
// even if the planner estimates a wrong number of rows.
func (d Dialect) usersOf(subquery string) string {
	if d == Postgres {
		return subquery + ` k CROSS JOIN LATERAL (SELECT * FROM usher_users WHERE id = k.id OFFSET 0) u`
	}
	return subquery + ` k CROSS JOIN usher_users u WHERE u.id = k.id`
}

// unsynced returns an expression for a SELECT or RETURNING list. On PostgreSQL it
// switches off, until the transaction ends, the wait of the commit for the disk. On
// SQLite it has no effect, and beginUnsynced does the same.
func (d Dialect) unsynced() string {
	if d == Postgres {
		return `set_config('synchronous_commit', 'off', true)`
	}
	return `''`
}

// Methods of the drivers' errors. This package recognizes the errors by them, so that
// it links no driver.
type (
	sqliteError   interface{ Code() int }
	postgresError interface{ SQLState() string }
)

// The result codes of SQLite and the SQLSTATEs of PostgreSQL that mean that the
// transaction did nothing and can be tried again.
const (
	sqliteBusy   = 5
	sqliteLocked = 6

	pgSerialization = "40001"
	pgDeadlock      = "40P01"
	pgLockTimeout   = "55P03"
)

// retryable reports whether the transaction was rolled back because of another one and
// can be tried again as a whole.
func (d Dialect) retryable(err error) bool {
	switch d {
	case SQLite:
		var e sqliteError
		if !errors.As(err, &e) {
			return false
		}
		code := e.Code() & 0xff // the rest of the code names the lock
		return code == sqliteBusy || code == sqliteLocked
	case Postgres:
		var e postgresError
		if !errors.As(err, &e) {
			return false
		}
		switch e.SQLState() {
		case pgSerialization, pgDeadlock, pgLockTimeout:
			return true
		}
	}
	return false
}
