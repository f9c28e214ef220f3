// Command modernc measures our statements over modernc.org/sqlite.
package main

import (
	"database/sql"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/usherkit/usher/proof/bench/statements"
)

func main() {
	statements.Main(func(path string, conns int, writer bool) (*sql.DB, error) {
		name := "file:" + path + "?_pragma=busy_timeout(5000)&_pragma=foreign_keys(1)"
		if writer {
			name += "&_txlock=immediate&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)"
		} else {
			name += "&_pragma=query_only(1)"
		}
		db, err := sql.Open("sqlite", name)
		if err != nil {
			return nil, err
		}
		db.SetMaxOpenConns(conns)
		db.SetMaxIdleConns(conns)
		return db, nil
	})
}
