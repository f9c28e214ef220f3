package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/usherkit/usher/store"
)

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
// against another one. On SQLite it may share the transaction with other steps.
func (s *Store) step(ctx context.Context, name string, f func(t *tx) error) error {
	return s.persist(ctx, name, member{run: f})
}

// countStep is step for counters of limits. Its commit need not wait for the disk:
// the answer to a try is written after it, and brings it along. What a loss of power
// can take is counts of tries that nobody was answered to, and of what is counted
// without a write to follow, such as looks at mailed links.
func (s *Store) countStep(ctx context.Context, name string, f func(t *tx) error) error {
	return s.persist(ctx, name, member{run: f, unsynced: true})
}

// userStep is step for what the hook takes part in. The program's own
// statements may take their time, or be broken off by its context, which ends a
// whole transaction on SQLite: such a step shares with nobody.
func (s *Store) userStep(ctx context.Context, name string, f func(t *tx) error) error {
	return s.persist(ctx, name, member{run: f, alone: s.hook != nil, hooked: s.hook != nil})
}

func (s *Store) persist(ctx context.Context, name string, m member) error {
	wait := firstWait
	for try := 1; ; try++ {
		again := m
		err := s.once(ctx, &again)
		if err == nil {
			return nil
		}
		m.alone = m.alone || errors.Is(err, errBroken) // once is enough
		if try == tries || !errors.Is(err, errBroken) && !s.dialect.again(err) {
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

// once runs a step in a transaction, and tells how it ended.
func (s *Store) once(ctx context.Context, m *member) error {
	if s.closed.Load() {
		return errClosed
	}
	if s.line != nil {
		return s.inLine(ctx, m)
	}
	raw, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	// After a commit this does nothing; it also ends a step whose hook panics.
	defer raw.Rollback()
	if err := m.run(s.at(raw, false)); err != nil {
		return err
	}
	return raw.Commit()
}

// at returns what a step works with in a transaction.
func (s *Store) at(raw *sql.Tx, whole bool) *tx {
	return &tx{runner: runner{conn: raw, dialect: s.dialect, prepared: s.writes, tx: raw, whole: whole}, raw: raw, hook: s.hook}
}

// reader sends single reads, outside of any transaction.
func (s *Store) reader() runner { return runner{conn: s.read, dialect: s.dialect, prepared: s.reads} }

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
	case errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrConflict), errors.Is(err, store.ErrLoginIDTaken):
		return err
	default:
		return fmt.Errorf("sqlstore: %s: %w", step, err)
	}
}
