package postgres_test

import (
	"database/sql/driver"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/usherkit/usher/internal/pgtest"
	"github.com/usherkit/usher/internal/sqltrace"
	"github.com/usherkit/usher/store/postgres"
	"github.com/usherkit/usher/store/sqlstore"
)

func TestST07_TheVersionBeforeRunsOnTheNewTables(t *testing.T) {
	sqltrace.TestRecordedVersions(t, engine())
}

func TestAD02_APageOfUsersReadsNoWholeTable(t *testing.T) {
	sqltrace.TestUserPlans(t, engine())
}

func engine() sqltrace.Engine {
	return sqltrace.Engine{
		Dialect: sqlstore.Postgres, Begin: "BEGIN",
		Empty: func(t *testing.T) driver.Connector {
			config, err := pgx.ParseConfig(pgtest.Schema(t))
			if err != nil {
				t.Fatal(err)
			}
			return stdlib.GetConnector(*config)
		},
	}
}

func TestST07_AnOlderProgramStartsOnTablesThatItCanUse(t *testing.T) {
	dsn := pgtest.Schema(t)
	newer := open(t, dsn)
	for _, statement := range []string{
		`ALTER TABLE usher_sessions ADD COLUMN later TEXT NOT NULL DEFAULT ''`,
		`INSERT INTO usher_migrations (version, name, checksum, applied_at, usable_from)
			SELECT max(version) + 1, 'later.sql', 'x', 0, max(version) FROM usher_migrations`,
	} {
		if _, err := newer.DB().Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	works(t, open(t, dsn))
	if _, err := newer.DB().Exec(`UPDATE usher_migrations SET usable_from = version WHERE name = 'later.sql'`); err != nil {
		t.Fatal(err)
	}
	if s, err := postgres.Open(t.Context(), dsn); err == nil || !strings.Contains(err.Error(), "newer than this program") {
		t.Errorf("tables that this program cannot use: %v", err)
		if err == nil {
			s.Close()
		}
	}
}
