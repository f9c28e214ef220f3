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

// tx is a transaction in which a method of the store runs.
type tx struct {
	runner
	raw  *sql.Tx
	hook Hook
}

const (
	maxAttempts = 6
	firstWait   = 4 * time.Millisecond
)

// transact runs f in a transaction, and again as a whole if the transaction lost
// against another one. On SQLite f may share the transaction with other steps. name
// is for errors.
func (s *Store) transact(ctx context.Context, name string, f func(t *tx) error) error {
	return s.retry(ctx, name, step{run: f})
}

// transactUnsynced is transact for the counters of limits, whose commit need not wait
// for the disk. The outcome of an attempt is stored afterwards, and that commit syncs
// the counters too. A power failure can lose the counts of attempts without a stored
// outcome.
func (s *Store) transactUnsynced(ctx context.Context, name string, f func(t *tx) error) error {
	return s.retry(ctx, name, step{run: f, unsynced: true})
}

// transactWithHook is transact for changes that the hook takes part in. With a hook,
// the step shares its transaction with no other step: the program's statements may
// take long, or their context may cancel them, which rolls back a whole transaction
// of SQLite.
func (s *Store) transactWithHook(ctx context.Context, name string, f func(t *tx) error) error {
	return s.retry(ctx, name, step{run: f, exclusive: s.hook != nil, callsHook: s.hook != nil})
}

// retry runs a step until it succeeds, or fails for another reason than a lost
// transaction.
func (s *Store) retry(ctx context.Context, name string, st step) error {
	wait := firstWait
	for attempt := 1; ; attempt++ {
		copied := st
		err := s.runOnce(ctx, &copied)
		if err == nil {
			return nil
		}
		st.exclusive = st.exclusive || errors.Is(err, errRolledBack) // no batch can fail it twice
		if attempt == maxAttempts || !errors.Is(err, errRolledBack) && !s.dialect.retryable(err) {
			return wrapErr(name, err)
		}
		select {
		case <-ctx.Done():
			return wrapErr(name, ctx.Err())
		case <-time.After(wait/2 + rand.N(wait)):
			wait *= 2
		}
	}
}

// runOnce runs a step in a transaction.
func (s *Store) runOnce(ctx context.Context, st *step) error {
	if s.closed.Load() {
		return errClosed
	}
	if s.queue != nil {
		return s.enqueue(ctx, st)
	}
	raw, err := s.writeDB.BeginTx(ctx, s.dialect.txOptions())
	if err != nil {
		return err
	}
	// After a commit this does nothing; it also ends the transaction if a hook panics.
	defer raw.Rollback()
	if err := st.run(s.newTx(raw, false)); err != nil {
		return err
	}
	return raw.Commit()
}

// newTx returns the transaction that a step runs in.
func (s *Store) newTx(raw *sql.Tx, uncancelable bool) *tx {
	return &tx{runner: runner{conn: raw, dialect: s.dialect, prepared: s.writeStatements, tx: raw, uncancelable: uncancelable}, raw: raw, hook: s.hook}
}

// reader runs single reads outside of any transaction.
func (s *Store) reader() runner {
	return runner{conn: s.readDB, dialect: s.dialect, prepared: s.readStatements}
}

// read runs a read that needs no transaction.
func (s *Store) read(ctx context.Context, name string, f func(r runner) error) error {
	if s.closed.Load() {
		return wrapErr(name, errClosed)
	}
	return wrapErr(name, f(s.reader()))
}

// wrapErr adds the name of the method, except to the errors that callers compare.
func wrapErr(name string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrConflict), errors.Is(err, store.ErrLoginIDTaken):
		return err
	default:
		return fmt.Errorf("sqlstore: %s: %w", name, err)
	}
}
