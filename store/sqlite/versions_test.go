package sqlite_test

import (
	"context"
	"database/sql/driver"
	"path/filepath"
	"testing"

	driverpkg "modernc.org/sqlite"

	"github.com/usherkit/usher/internal/sqltrace"
	"github.com/usherkit/usher/store/sqlstore"
)

// connector opens connections as Open does.
type connector struct{ dsn string }

func (c connector) Driver() driver.Driver                        { return &driverpkg.Driver{} }
func (c connector) Connect(context.Context) (driver.Conn, error) { return c.Driver().Open(c.dsn) }

func TestST07_TheVersionBeforeRunsOnTheNewTables(t *testing.T) {
	sqltrace.TestRecordedVersions(t, engine())
}

func TestAD02_APageOfUsersReadsNoWholeTable(t *testing.T) {
	sqltrace.TestUserPlans(t, engine())
}

func engine() sqltrace.Engine {
	return sqltrace.Engine{
		Dialect: sqlstore.SQLite, Begin: "BEGIN IMMEDIATE",
		Empty: func(t *testing.T) driver.Connector {
			return connector{"file:" + filepath.Join(t.TempDir(), "usher.db") +
				"?_pragma=busy_timeout(30000)&_pragma=foreign_keys(1)&_pragma=journal_mode(WAL)&_txlock=immediate"}
		},
	}
}
