package sqlstore

import (
	"errors"
	"strconv"
	"strings"
)

// Dialect names a database engine. Everything that the engines do differently
// is in this file, in the migrations, or in migrate.go.
type Dialect string

// The engines that the SQL of this package is written for and tested on.
const (
	// SQLite is SQLite 3.37 or later.
	SQLite Dialect = "sqlite"
	// Postgres is PostgreSQL 13 or later.
	Postgres Dialect = "postgres"
)

func (d Dialect) known() bool { return d == SQLite || d == Postgres }

// sqliteWords are what SQLite needs no words for: it has one writer, and a
// transaction that writes has locked everything.
var sqliteWords = strings.NewReplacer(" FOR UPDATE SKIP LOCKED", "", " FOR UPDATE", "")

// sql turns the common form of a statement, with ? for its parameters and row
// locks where a second writer could come between, into the engine's own.
func (d Dialect) sql(q string) string {
	if d == SQLite {
		return sqliteWords.Replace(q)
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

// unsynced is a value whose reading makes the commit of its transaction not wait for
// the disk. On SQLite that is said when the transaction begins.
func (d Dialect) unsynced() string {
	if d == Postgres {
		return `set_config('synchronous_commit', 'off', true)`
	}
	return `''`
}

// The two drivers' errors are told by what they can say, so that neither
// driver is linked by this package.
type (
	sqliteError   interface{ Code() int }
	postgresError interface{ SQLState() string }
)

// The primary result codes of SQLite and the SQLSTATEs that mean "nothing was
// done, try again".
const (
	sqliteBusy   = 5
	sqliteLocked = 6

	pgSerialization = "40001"
	pgDeadlock      = "40P01"
	pgLockTimeout   = "55P03"
)

// again reports whether err says that the transaction lost against another
// one, was taken back, and may be tried again as a whole.
func (d Dialect) again(err error) bool {
	switch d {
	case SQLite:
		var e sqliteError
		if !errors.As(err, &e) {
			return false
		}
		code := e.Code() & 0xff // the extended part says which lock it was
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
