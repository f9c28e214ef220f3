// Command mattn measures our statements over github.com/mattn/go-sqlite3, which is
// SQLite in C: it needs cgo and a C compiler.
package main

import (
	"database/sql"

	_ "github.com/mattn/go-sqlite3" // the driver "sqlite3"

	"github.com/usherkit/usher/proof/bench/statements"
)

func main() {
	statements.Main(func(path string, conns int, writer bool) (*sql.DB, error) {
		name := "file:" + path + "?_busy_timeout=5000&_foreign_keys=1"
		if writer {
			name += "&_txlock=immediate&_journal_mode=WAL&_synchronous=FULL"
		} else {
			name += "&_query_only=1"
		}
		db, err := sql.Open("sqlite3", name)
		if err != nil {
			return nil, err
		}
		db.SetMaxOpenConns(conns)
		db.SetMaxIdleConns(conns)
		return db, nil
	})
}
