package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/sqlstore"
)

// crowd blocks the writer while other steps arrive, so that they share a transaction.
type crowd struct {
	open    chan struct{}     // closed to unblock the first step
	after   func(n int) error // decides about the n-th statement of the others
	first   sync.WaitGroup
	waiting sync.WaitGroup
}

// hold begins a step that blocks within its transaction.
func hold(t *testing.T, s *sqlstore.Store, f *faults) *crowd {
	t.Helper()
	c := &crowd{open: make(chan struct{})}
	entered, done := make(chan struct{}), false
	f.arm(func(n int) error {
		switch {
		case done && c.after != nil:
			return c.after(n)
		case done:
		case n == 2: // after BEGIN
			close(entered)
			<-c.open
		case f.last == "COMMIT":
			done, f.n = true, 0
		}
		return nil
	})
	c.first.Go(func() {
		if err := s.Record(context.Background(), effects("first")); err != nil {
			t.Errorf("the step that held the writer: %v", err)
		}
	})
	<-entered
	return c
}

// add starts a step, which must use the context it gets, and waits until it is queued.
func (c *crowd) add(ctx context.Context, run func(ctx context.Context)) {
	w := &watched{Context: ctx, waits: make(chan struct{})}
	c.waiting.Go(func() { run(w) })
	<-w.waits
}

// watched is a context that reports when a caller begins to wait for its end.
type watched struct {
	context.Context
	once  sync.Once
	waits chan struct{}
}

func (w *watched) Done() <-chan struct{} {
	w.once.Do(func() { close(w.waits) })
	return w.Context.Done()
}

// release unblocks the steps and waits for them.
func (c *crowd) release(after func(n int) error) {
	c.after = after
	close(c.open)
	c.first.Wait()
	c.waiting.Wait()
}

func TestWaitingStepsShareOneCommit(t *testing.T) {
	ctx := context.Background()
	var f faults
	s, db := openFaulty(t, &f, nil)
	const clients = 64
	for n := range clients {
		must(t, errOf(s.CreateUser(ctx, creation(fmt.Sprint("u", n)))))
	}
	f.count = map[string]int{}
	c := hold(t, s, &f)
	for n := range clients - 1 {
		c.add(ctx, func(ctx context.Context) {
			id := fmt.Sprint("u", n)
			r, err := s.SwapRefresh(ctx, refresh(id+"-s1", id+"-next"))
			if err != nil || r.Outcome != store.RefreshSwapped {
				t.Errorf("client %d: outcome %d, %v", n, r.Outcome, err)
			}
		})
	}
	c.release(nil)
	if got := f.count["COMMIT"]; got != 2 {
		t.Errorf("%d steps made %d commits, want that of the first and one for all others", clients, got)
	}
	if got := column(t, db, `SELECT id FROM usher_events WHERE id LIKE 'swapped-%'`); len(got) != clients-1 {
		t.Errorf("%d of %d refreshes are in the database", len(got), clients-1)
	}
}

// end runs the n-th of three steps, which happens whole or not at all.
func end(ctx context.Context, s *sqlstore.Store, n int) error {
	id := fmt.Sprint(n)
	return s.EndSession(ctx, "u"+id, "u"+id+"-s1", store.SessionEnd{}, effects("x"+id))
}

// whole reports whether the n-th step happened. The test fails if only a part did.
func whole(t *testing.T, db *sql.DB, n int) bool {
	t.Helper()
	gone := len(column(t, db, fmt.Sprintf(`SELECT id FROM usher_sessions WHERE id = 'u%d-s1'`, n))) == 0
	for _, query := range []string{
		`SELECT session_id FROM usher_revocations WHERE session_id = 'u%d-s1'`,
		`SELECT id FROM usher_events WHERE id = 'x%d'`,
		`SELECT id FROM usher_outbox WHERE id = 'x%d'`,
	} {
		if (len(column(t, db, fmt.Sprintf(query, n))) == 1) != gone {
			t.Errorf("step %d is there in part", n)
		}
	}
	return gone
}

func together(t *testing.T, fail func(f *faults) func(n int) error) (errs [3]error, there [3]bool, statements int) {
	t.Helper()
	var f faults
	s, db := openFaulty(t, &f, nil)
	for n := range 3 {
		must(t, errOf(s.CreateUser(context.Background(), creation(fmt.Sprint("u", n)))))
	}
	c := hold(t, s, &f)
	for n := range 3 {
		c.add(context.Background(), func(ctx context.Context) { errs[n] = end(ctx, s, n) })
	}
	c.release(fail(&f))
	statements = f.n
	f.arm(nil)
	for n := range 3 {
		there[n] = whole(t, db, n)
	}
	return errs, there, statements
}

func TestFB02_AStepThatFailsAmongOthersIsTheOnlyOneThatFails(t *testing.T) {
	sawOneFail, sawAllFail := false, false
	for at := 1; ; at++ {
		errs, there, statements := together(t, func(*faults) func(int) error { return failAt(at) })
		failed := 0
		for n, err := range errs {
			if err != nil {
				failed++
				if !errors.Is(err, errInjected) {
					t.Errorf("statement %d: step %d got %v", at, n, err)
				}
			}
			if (err == nil) != there[n] {
				t.Errorf("statement %d: step %d got %v, and whether it is there is %v", at, n, err, there[n])
			}
		}
		sawOneFail, sawAllFail = sawOneFail || failed == 1, sawAllFail || failed == 3
		if failed == 0 && at > statements {
			break
		}
		if failed != 1 && failed != 3 {
			t.Errorf("statement %d: %d steps failed, want the one, or all for want of a commit", at, failed)
		}
	}
	if !sawOneFail || !sawAllFail {
		t.Errorf("one failed alone: %v; all failed with the commit: %v", sawOneFail, sawAllFail)
	}
}

// A step that fails because of what another step wrote must run again if that is rolled
// back.
func TestFB02_NoAnswerRestsOnWhatIsLost(t *testing.T) {
	ctx := context.Background()
	var f faults
	s, db := openFaulty(t, &f, nil)
	c := hold(t, s, &f)
	var lost, other error
	c.add(ctx, func(ctx context.Context) { lost = errOf(s.CreateUser(ctx, creation("u"))) })
	c.add(ctx, func(ctx context.Context) {
		same := creation("u")
		same.User.ID, same.Session, same.Token, same.Effects = "other", nil, nil, effects("up-other")
		other = errOf(s.CreateUser(ctx, same))
	})
	failed := false
	c.release(func(int) error {
		if f.last == "COMMIT" && !failed {
			failed = true
			return errInjected
		}
		return nil
	})
	f.arm(nil)
	if !errors.Is(lost, errInjected) || other != nil {
		t.Errorf("the first got %v, the second %v", lost, other)
	}
	if got := column(t, db, `SELECT id FROM usher_users`); strings.Join(got, " ") != "other" {
		t.Errorf("users %q", got)
	}
}

// SQLite rolls back the whole transaction when the disk is full. The other steps of the
// batch run again.
func TestFB02_ATransactionThatIsGoneCostsTheOthersNothing(t *testing.T) {
	for at := 2; at <= 20; at++ {
		errs, there, _ := together(t, func(f *faults) func(int) error {
			return func(n int) error {
				if n == at && f.last != "COMMIT" {
					return errRolledBack
				}
				return nil
			}
		})
		failed := 0
		for n, err := range errs {
			if err != nil {
				failed++
			}
			if (err == nil) != there[n] {
				t.Errorf("statement %d: step %d got %v, and whether it is there is %v", at, n, err, there[n])
			}
		}
		if failed > 1 {
			t.Errorf("statement %d: %v", at, errs)
		}
	}
}

// panicking is a value whose encoding panics.
type panicking struct{}

func (panicking) MarshalJSON() ([]byte, error) { panic("boom") }

func TestFB03_APanicInAStepIsItsCallersAlone(t *testing.T) {
	ctx := context.Background()
	var f faults
	s, db := openFaulty(t, &f, nil)
	c := hold(t, s, &f)
	c.add(ctx, func(ctx context.Context) { must(t, s.Record(ctx, effects("a"))) })
	c.add(ctx, func(ctx context.Context) {
		defer func() {
			if p := fmt.Sprint(recover()); !strings.HasPrefix(p, "boom") {
				t.Errorf("the caller saw %q", p)
			}
		}()
		u := creation("u")
		u.User.Attributes = map[string]any{"x": panicking{}}
		t.Errorf("no panic but %v", errOf(s.CreateUser(ctx, u)))
	})
	c.add(ctx, func(ctx context.Context) { must(t, s.Record(ctx, effects("b"))) })
	c.release(nil)
	must(t, s.Record(ctx, effects("c")))
	if got := column(t, db, `SELECT id FROM usher_events ORDER BY id`); strings.Join(got, " ") != "a b c first" {
		t.Errorf("events %q", got)
	}
}

func TestACanceledWaitLeavesNoTrace(t *testing.T) {
	var f faults
	s, db := openFaulty(t, &f, nil)
	c := hold(t, s, &f)
	ctx, cancel := context.WithCancel(context.Background())
	gone := make(chan error, 1)
	c.add(ctx, func(ctx context.Context) { gone <- s.Record(ctx, effects("gone")) })
	c.add(context.Background(), func(ctx context.Context) { must(t, s.Record(ctx, effects("stays"))) })
	cancel()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	c.release(nil)
	if got := column(t, db, `SELECT id FROM usher_events ORDER BY id`); strings.Join(got, " ") != "first stays" {
		t.Errorf("events %q", got)
	}
}

// An error after the step has begun could hide that it happened.
func TestFB02_AStepThatHasBegunRunsToItsEnd(t *testing.T) {
	var f faults
	s, db := openFaulty(t, &f, nil)
	ctx, cancel := context.WithCancel(context.Background())
	f.arm(func(n int) error {
		if n == 2 {
			cancel()
		}
		return nil
	})
	if err := s.Record(ctx, effects("x")); err != nil {
		t.Errorf("got %v", err)
	}
	f.arm(nil)
	if got := column(t, db, `SELECT id FROM usher_events`); len(got) != 1 {
		t.Errorf("events %q", got)
	}
}

func TestAStepWithAHookSharesNoTransaction(t *testing.T) {
	ctx := context.Background()
	var f faults
	s, db := openFaulty(t, &f, func(ctx context.Context, _ *sql.Tx, c sqlstore.Change) error {
		if ctx.Value(refusal{}) != nil {
			return errInjected
		}
		return nil
	})
	f.count = map[string]int{}
	c := hold(t, s, &f)
	c.add(ctx, func(ctx context.Context) { must(t, s.Record(ctx, effects("a"))) })
	c.add(ctx, func(ctx context.Context) { must(t, s.Record(ctx, effects("b"))) })
	c.add(ctx, func(ctx context.Context) { must(t, errOf(s.CreateUser(ctx, creation("u")))) })
	c.add(ctx, func(ctx context.Context) {
		if _, err := s.CreateUser(context.WithValue(ctx, refusal{}, true), creation("v")); !errors.Is(err, errInjected) {
			t.Errorf("got %v", err)
		}
	})
	c.add(ctx, func(ctx context.Context) { must(t, s.Record(ctx, effects("c"))) })
	c.release(nil)
	if got := f.count["COMMIT"]; got != 4 {
		t.Errorf("%d commits, want those of the first, of a and b, of the user, and of c", got)
	}
	if got := column(t, db, `SELECT id FROM usher_events ORDER BY id`); strings.Join(got, " ") != "a b c first up-u" {
		t.Errorf("events %q", got)
	}
}

type refusal struct{}

// The program holds the only connection, and the store has no readers of its own.
func TestFB01_WaitsForTheDatabaseEndWithTheirContext(t *testing.T) {
	db, err := sql.Open("sqlite", "file:"+filepath.Join(t.TempDir(), "usher.db")+"?_pragma=journal_mode(WAL)&_txlock=immediate")
	must(t, err)
	t.Cleanup(func() { db.Close() })
	db.SetMaxOpenConns(1)
	s, err := sqlstore.New(t.Context(), db, sqlstore.SQLite)
	must(t, err)
	tx, err := db.Begin()
	must(t, err)
	long, cancel := context.WithCancel(context.Background())
	var waiting sync.WaitGroup
	for range 4 {
		waiting.Go(func() { _, _ = s.Account(long, "u") })
	}
	for range 4 {
		short, done := context.WithTimeout(context.Background(), 20*time.Millisecond)
		if _, err := s.UserSessions(short, "u", now); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a read: %v", err)
		}
		done()
		short, done = context.WithTimeout(context.Background(), 20*time.Millisecond)
		if err := s.Record(short, effects("x")); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a step: %v", err)
		}
		done()
	}
	must(t, s.Close())
	cancel()
	waiting.Wait()
	must(t, tx.Rollback())
	if _, err := s.Account(context.Background(), "u"); err == nil || errors.Is(err, store.ErrNotFound) {
		t.Errorf("a closed store answers %v", err)
	}
}
