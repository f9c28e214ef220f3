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

// Migrations returns the numbered SQL files that make the tables, for programs
// which run migrations with a tool of their own. Such a program sets
// [Options.SkipMigrations]. It panics if there is no such dialect.
func Migrations(d Dialect) fs.FS {
	if !d.known() {
		panic(fmt.Sprintf("sqlstore: unknown dialect %q", string(d)))
	}
	sub, err := fs.Sub(migrations, "migrations/"+string(d))
	if err != nil {
		panic(err) // the name is a constant
	}
	return sub
}

type migration struct {
	version        int64
	name, checksum string
	text           string
}

// readMigrations returns the files in their order, which has no gaps.
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
		sum := sha256.Sum256(text)
		out = append(out, migration{version, name, hex.EncodeToString(sum[:]), string(text)})
	}
	return out, nil
}

// advisoryLock is the number under which machines wait for each other.
const advisoryLock = 0x7573686572 // "usher"

// migrate runs what has not run yet, all in one transaction under a lock: of
// any number of processes that start together one works and the others find
// the work done.
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
	if _, err := r.exec(ctx, `
		CREATE TABLE IF NOT EXISTS usher_migrations (
			version    BIGINT PRIMARY KEY,
			name       TEXT NOT NULL,
			checksum   TEXT NOT NULL,
			applied_at BIGINT NOT NULL
		)`); err != nil {
		return err
	}
	applied, err := appliedMigrations(ctx, r)
	if err != nil {
		return err
	}
	if len(applied) > len(files) {
		return fmt.Errorf("the database is newer than this program: it has migration %d, the program knows %d",
			len(applied), len(files))
	}
	for i, was := range applied {
		if was.version != files[i].version || was.checksum != files[i].checksum {
			return fmt.Errorf("migration %d is not the one that ran on this database (%s there, %s here)",
				files[i].version, was.name, files[i].name)
		}
	}
	for _, m := range files[len(applied):] {
		// Without parameters, both drivers take many statements at once.
		if _, err := r.conn.ExecContext(ctx, m.text); err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		if _, err := r.exec(ctx, `INSERT INTO usher_migrations (version, name, checksum, applied_at) VALUES (?, ?, ?, ?)`,
			m.version, m.name, m.checksum, time.Now()); err != nil {
			return err
		}
	}
	return nil
}

func appliedMigrations(ctx context.Context, r runner) (out []migration, err error) {
	err = r.query(ctx, func(row scanner) error {
		var m migration
		if err := row.Scan(&m.version, &m.name, &m.checksum); err != nil {
			return err
		}
		out = append(out, m)
		return nil
	}, `SELECT version, name, checksum FROM usher_migrations ORDER BY version`)
	return out, err
}
