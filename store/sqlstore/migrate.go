package sqlstore

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"
)

//go:embed migrations
var migrations embed.FS

// Migrations returns the numbered SQL files that create the tables, for programs that
// run migrations with their own tool and set [Options.SkipMigrations]. It panics if the
// dialect is unknown.
//
// Each migration leaves the tables usable by the version before it: it adds tables,
// columns with a default, and indexes. What no version uses any more is removed one
// version later, by a migration whose first line is "-- usable-from: " and the number
// of the last migration of the oldest version that can run on the new tables.
func Migrations(d Dialect) fs.FS {
	if !d.known() {
		panic(fmt.Sprintf("sqlstore: unknown dialect %q", string(d)))
	}
	sub, err := fs.Sub(migrations, "migrations/"+string(d))
	if err != nil {
		panic(err) // cannot happen: the name is a constant
	}
	return sub
}

type migration struct {
	version int64
	// usableFrom is the last migration of the oldest version that can run on the tables
	// after this one.
	usableFrom     int64
	name, checksum string
	text           string
}

// strictMigrations is how many migrations there were before older versions could run on
// newer tables.
const strictMigrations = 3

// usableFrom returns what the first line of a migration says, or the version before it.
func usableFrom(version int64, text string) (int64, error) {
	line, _, _ := strings.Cut(text, "\n")
	given, found := strings.CutPrefix(line, "-- usable-from: ")
	switch {
	case found:
		return strconv.ParseInt(strings.TrimSpace(given), 10, 64)
	case version <= strictMigrations:
		return version, nil
	}
	return version - 1, nil
}

// readMigrations returns the files in order. Their numbers must have no gaps.
func readMigrations(files fs.FS) ([]migration, error) {
	names, err := fs.Glob(files, "*.sql")
	if err != nil {
		return nil, err
	}
	var out []migration
	for i, name := range names {
		number, _, _ := strings.Cut(name, "_")
		version, err := strconv.ParseInt(number, 10, 64)
		if err != nil || version != int64(i+1) {
			return nil, fmt.Errorf("file %s: its number should be %04d", name, i+1)
		}
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		from, err := usableFrom(version, string(text))
		if err != nil || from > version {
			return nil, fmt.Errorf("file %s: usable-from must be the number of a migration, at most its own", name)
		}
		sum := sha256.Sum256(text)
		out = append(out, migration{version, from, name, hex.EncodeToString(sum[:]), string(text)})
	}
	return out, nil
}

// advisoryLock is the key of the PostgreSQL lock that instances wait for.
const advisoryLock = 0x7573686572 // "usher"

// migrate runs the files that have not run yet, in one transaction and under a lock: of
// several processes that start together, one runs them.
func migrate(ctx context.Context, db *sql.DB, d Dialect) error {
	files, err := readMigrations(Migrations(d))
	if err != nil {
		return err
	}
	return migrateWith(ctx, db, d, files)
}

func migrateWith(ctx context.Context, db *sql.DB, d Dialect, files []migration) (err error) {
	// One connection, because BEGIN IMMEDIATE is not database/sql's Begin.
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()

	begin := "BEGIN"
	if d == SQLite {
		begin = "BEGIN IMMEDIATE"
	}
	if _, err := conn.ExecContext(ctx, begin); err != nil {
		return err
	}
	done := false
	defer func() {
		if !done {
			// ctx may be what ended the work.
			_, rollbackErr := conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
			err = errors.Join(err, rollbackErr)
		}
	}()
	if d == Postgres {
		// Held until the transaction ends, so it also works through a pooler.
		if _, err := conn.ExecContext(ctx, "SELECT pg_advisory_xact_lock($1)", int64(advisoryLock)); err != nil {
			return err
		}
	}
	if err := runMigrations(ctx, runner{conn: conn, dialect: d}, files); err != nil {
		return err
	}
	if _, err := conn.ExecContext(ctx, "COMMIT"); err != nil {
		return err
	}
	done = true
	return nil
}

func runMigrations(ctx context.Context, r runner, files []migration) error {
	if err := createMigrationsTable(ctx, r); err != nil {
		return err
	}
	applied, err := appliedMigrations(ctx, r)
	if err != nil {
		return err
	}
	for i, got := range applied {
		if i >= len(files) {
			if got.usableFrom > int64(len(files)) {
				return fmt.Errorf("the database is newer than this program: after %s it needs a program with migration %d, this one has %d",
					got.name, got.usableFrom, len(files))
			}
			continue
		}
		if got.version != files[i].version || got.checksum != files[i].checksum {
			return fmt.Errorf("migration %d is not the one that ran on this database (%s there, %s here)",
				files[i].version, got.name, files[i].name)
		}
	}
	for _, m := range files[min(len(applied), len(files)):] {
		// Without parameters, both drivers accept several statements at once.
		if _, err := r.conn.ExecContext(ctx, m.text); err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		if _, err := r.exec(ctx, `INSERT INTO usher_migrations (version, name, checksum, applied_at, usable_from) VALUES (?, ?, ?, ?, ?)`,
			m.version, m.name, m.checksum, time.Now(), m.usableFrom); err != nil {
			return err
		}
	}
	return nil
}

// createMigrationsTable creates the table of the migrations that have run, and adds to
// an older one the column for the versions that can run on the tables.
func createMigrationsTable(ctx context.Context, r runner) error {
	if _, err := r.exec(ctx, `
		CREATE TABLE IF NOT EXISTS usher_migrations (
			version     BIGINT PRIMARY KEY,
			name        TEXT NOT NULL,
			checksum    TEXT NOT NULL,
			applied_at  BIGINT NOT NULL,
			usable_from BIGINT
		)`); err != nil {
		return err
	}
	columns := `SELECT name FROM pragma_table_info('usher_migrations') WHERE name = 'usable_from'`
	if r.dialect == Postgres {
		columns = `SELECT attname::text FROM pg_attribute WHERE attrelid = 'usher_migrations'::regclass AND attname = 'usable_from'`
	}
	found, err := readColumn[string](ctx, r, columns)
	if err == nil && len(found) == 0 {
		_, err = r.exec(ctx, `ALTER TABLE usher_migrations ADD COLUMN usable_from BIGINT`)
	}
	return err
}

func appliedMigrations(ctx context.Context, r runner) (out []migration, err error) {
	err = r.query(ctx, func(row scanner) error {
		var m migration
		if err := row.Scan(&m.version, &m.name, &m.checksum, &m.usableFrom); err != nil {
			return err
		}
		out = append(out, m)
		return nil
	}, `SELECT version, name, checksum, COALESCE(usable_from, version) FROM usher_migrations ORDER BY version`)
	return out, err
}
