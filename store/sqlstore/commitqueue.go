package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"

	"github.com/usherkit/usher/store"
)

// maxBatch is how many steps share one transaction at most. It bounds how long
// another process waits for the database.
const maxBatch = 64

// errRolledBack is the error of a step whose transaction was rolled back because
// another step failed. The step runs again.
var errRolledBack = errors.New("the transaction was rolled back")

// commitQueue holds the steps of this process that wait for SQLite's only writer, in
// the order in which they arrived. The first step is the leader of a batch: its
// goroutine opens a transaction, runs the leader and all steps that wait at that
// moment, each within a savepoint of its own, and commits. Only the commit syncs the
// disk, so a batch costs one sync. No step returns before the commit.
type commitQueue struct {
	mu        sync.Mutex
	hasLeader bool
	waiting   []*step
}

// step is one method of the store on its way through the queue.
type step struct {
	run       func(t *tx) error
	exclusive bool // shares its transaction with no other step
	callsHook bool // calls the hook, so the context of the call may cancel the transaction
	// unsynced means that the commit need not wait for the disk. The commit of a batch
	// waits for the disk unless all of its steps are unsynced.
	unsynced bool

	lead     chan struct{} // closed when the step becomes the leader
	done     chan struct{} // closed when a leader has run the step
	err      error
	panicked any // what run panicked with, for the goroutine of the caller
}

// join adds a step to the queue. It returns true if the step is the leader at once.
func (q *commitQueue) join(st *step) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.hasLeader {
		q.hasLeader = true
		return true
	}
	st.lead, st.done = make(chan struct{}), make(chan struct{})
	q.waiting = append(q.waiting, st)
	return false
}

// leave removes a step that still waits. It returns false if the step has left the
// queue already.
func (q *commitQueue) leave(st *step) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	at := slices.Index(q.waiting, st)
	if at < 0 {
		return false
	}
	q.waiting = slices.Delete(q.waiting, at, at+1)
	return true
}

// takeFollowers removes from the queue the steps that run in the leader's transaction.
// It stops at the first step that is exclusive, or that needs a sync if the transaction
// is unsynced.
func (q *commitQueue) takeFollowers(unsynced bool) []*step {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := 0
	for n < len(q.waiting) && n < maxBatch-1 && !q.waiting[n].exclusive && (q.waiting[n].unsynced || !unsynced) {
		n++
	}
	followers := slices.Clone(q.waiting[:n])
	q.waiting = slices.Delete(q.waiting, 0, n)
	return followers
}

// urgent reports whether any waiting step needs a sync of the disk.
func (q *commitQueue) urgent() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.ContainsFunc(q.waiting, func(st *step) bool { return !st.unsynced })
}

// passLead makes the next step in the queue the leader.
func (q *commitQueue) passLead() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 {
		q.hasLeader = false
		return
	}
	next := q.waiting[0]
	q.waiting = slices.Delete(q.waiting, 0, 1)
	close(next.lead)
}

// enqueue runs a step when its turn has come. ctx can end the wait, but not a step
// that has begun: its caller gets its result.
func (s *Store) enqueue(ctx context.Context, st *step) error {
	if !s.queue.join(st) {
		select {
		case <-st.lead:
		case <-st.done:
			return st.result()
		case <-ctx.Done():
			if s.queue.leave(st) {
				return ctx.Err()
			}
			select {
			case <-st.lead: // leadBatch finds that ctx has ended
			case <-st.done:
				return st.result()
			}
		}
	}
	defer s.queue.passLead()
	s.leadBatch(ctx, st)
	return st.result()
}

// result returns the error of the step, or panics as the step did.
func (st *step) result() error {
	if st.panicked != nil {
		panic(st.panicked)
	}
	return st.err
}

// leadBatch runs the leader and its followers in one transaction.
func (s *Store) leadBatch(ctx context.Context, leader *step) {
	unsynced := leader.unsynced && !s.queue.urgent()
	raw, end, err := s.begin(ctx, leader.callsHook, unsynced)
	if err != nil {
		leader.err = err
		return
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), prepareWait)
		defer cancel()
		s.writeStatements.prepareRequested(ctx)
	}()
	defer end()
	// After a commit this does nothing.
	defer raw.Rollback()
	if leader.exclusive {
		if leader.err = leader.run(s.newTx(raw, !leader.callsHook)); leader.err == nil {
			leader.err = raw.Commit()
		}
		return
	}
	followers := s.queue.takeFollowers(unsynced)
	defer func() {
		for _, f := range followers {
			close(f.done)
		}
	}()
	batch(s.newTx(raw, true), append([]*step{leader}, followers...))
}

// begin opens the transaction. The caller must call end when it is over. ctx ends the
// wait for the database; it ends the transaction only for a step with a hook.
func (s *Store) begin(ctx context.Context, hooked, unsynced bool) (raw *sql.Tx, end func(), err error) {
	if hooked {
		raw, err = s.writeDB.BeginTx(ctx, s.dialect.txOptions())
		return raw, func() {}, err
	}
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	detached, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, cancel)
	if unsynced {
		raw, end, err = s.beginUnsynced(detached)
	} else {
		raw, err = s.writeDB.BeginTx(detached, s.dialect.txOptions())
		end = func() {}
	}
	if !stop() && err == nil {
		err = errors.Join(ctx.Err(), raw.Rollback())
		end()
	}
	if err != nil {
		cancel()
		return nil, nil, cmp.Or(ctx.Err(), err)
	}
	return raw, end, nil
}

// batch runs steps in one transaction and commits it. A step that fails is rolled back
// alone.
func batch(t *tx, steps []*step) {
	for _, st := range steps {
		st.err = errRolledBack
	}
	results := make([]error, len(steps))
	// sawOthers[i] is whether step i could read what an earlier step wrote.
	sawOthers := make([]bool, len(steps))
	written := false
	for i, st := range steps {
		alive := false
		sawOthers[i] = written
		if results[i], alive = t.runInSavepoint(st, len(steps) > 1); !alive {
			if !sawOthers[i] || !dependsOnData(results[i]) {
				st.err = results[i]
			}
			return // the other steps run again
		}
		written = written || results[i] == nil
	}
	var committed error
	if written {
		committed = t.raw.Commit()
	}
	for i, st := range steps {
		switch {
		case results[i] == nil:
			st.err = committed
		case committed == nil || !sawOthers[i] || !dependsOnData(results[i]):
			st.err = results[i]
		}
	}
}

// dependsOnData reports whether err is a result of the data that a step read. If
// another step of the batch wrote that data and was rolled back, the step has to run
// again.
func dependsOnData(err error) bool {
	return errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrConflict) ||
		errors.Is(err, store.ErrLoginIDTaken) || errors.Is(err, errRefused)
}

// runInSavepoint runs a step, within a savepoint if others share the transaction. It
// returns alive false if the transaction is lost: SQLite rolls back the whole
// transaction after some errors, such as a full disk.
func (t *tx) runInSavepoint(st *step, shared bool) (err error, alive bool) {
	if !shared {
		return st.runRecovered(t), true
	}
	if err := t.execSavepoint("SAVEPOINT usher_step"); err != nil {
		return err, false
	}
	err = st.runRecovered(t)
	if err != nil {
		if t.execSavepoint("ROLLBACK TO usher_step") != nil {
			return err, false
		}
	}
	if released := t.execSavepoint("RELEASE usher_step"); released != nil {
		return errors.Join(err, released), false
	}
	return err, true
}

func (t *tx) execSavepoint(statement string) error {
	_, err := t.exec(context.Background(), statement)
	return err
}

// runRecovered runs a step and keeps a panic for the goroutine of its caller.
func (st *step) runRecovered(t *tx) (err error) {
	defer func() {
		if p := recover(); p != nil {
			st.panicked = fmt.Sprintf("%v\n\n%s", p, debug.Stack())
			err = errRolledBack
		}
	}()
	return st.run(t)
}
