package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/usherkit/usher"
)

// runner sends statements in their common form over a pool or a transaction.
type runner struct {
	conn interface {
		ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
		QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	}
	dialect Dialect
}

// exec runs a statement and returns how many rows it changed.
func (r runner) exec(ctx context.Context, query string, args ...any) (int64, error) {
	bound, err := bind(args)
	if err != nil {
		return 0, err
	}
	res, err := r.conn.ExecContext(ctx, r.dialect.sql(query), bound...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// query calls scan for each row, after the statement has run to its end.
func (r runner) query(ctx context.Context, scan func(row scanner) error, query string, args ...any) error {
	bound, err := bind(args)
	if err != nil {
		return err
	}
	rows, err := r.conn.QueryContext(ctx, r.dialect.sql(query), bound...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return errors.Join(rows.Err(), rows.Close())
}

type scanner interface{ Scan(dest ...any) error }

// get reads one row. usher.ErrNotFound if there is none, also because what is
// asked for could never have been stored.
func (r runner) get(ctx context.Context, dest []any, query string, args ...any) error {
	found := false
	err := r.query(ctx, func(row scanner) error {
		found = true
		return row.Scan(dest...)
	}, query, args...)
	if errors.Is(err, errText) || err == nil && !found {
		return usher.ErrNotFound
	}
	return err
}

// list reads one column of all rows.
func list[T any](ctx context.Context, r runner, query string, args ...any) (out []T, err error) {
	err = r.query(ctx, func(row scanner) error {
		var v T
		if err := row.Scan(&v); err != nil {
			return err
		}
		out = append(out, v)
		return nil
	}, query, args...)
	return out, err
}

// tx is one step of the domain at work.
type tx struct {
	runner
	raw  *sql.Tx
	hook Hook
}

const (
	tries     = 6
	firstWait = 4 * time.Millisecond
)

// step runs f in a transaction, and again as a whole if the transaction lost
// against another one.
func (s *Store) step(ctx context.Context, name string, f func(t *tx) error) error {
	wait := firstWait
	for try := 1; ; try++ {
		err := s.once(ctx, f)
		if err == nil {
			return nil
		}
		if try == tries || !s.dialect.again(err) {
			return named(name, err)
		}
		select {
		case <-ctx.Done():
			return named(name, ctx.Err())
		case <-time.After(wait/2 + rand.N(wait)):
			wait *= 2
		}
	}
}

func (s *Store) once(ctx context.Context, f func(t *tx) error) error {
	if s.closed.Load() {
		return errClosed
	}
	if s.turn != nil {
		select {
		case s.turn <- struct{}{}:
			defer func() { <-s.turn }()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	raw, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	// After a commit this does nothing; it also ends a step whose hook panics.
	defer raw.Rollback()
	if err := f(&tx{runner: runner{raw, s.dialect}, raw: raw, hook: s.hook}); err != nil {
		return err
	}
	return raw.Commit()
}

// reader sends single reads, outside of any transaction.
func (s *Store) reader() runner { return runner{s.read, s.dialect} }

// see runs a read that needs no transaction.
func (s *Store) see(ctx context.Context, name string, f func(r runner) error) error {
	if s.closed.Load() {
		return named(name, errClosed)
	}
	return named(name, f(s.reader()))
}

// named says which step failed, except for the errors that callers know.
func named(step string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, usher.ErrNotFound), errors.Is(err, usher.ErrConflict), errors.Is(err, usher.ErrLoginIDTaken):
		return err
	default:
		return fmt.Errorf("sqlstore: %s: %w", step, err)
	}
}
