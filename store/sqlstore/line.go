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

// maxTogether is how many steps share one transaction at most. It bounds how
// long another process has to wait for the database.
const maxTogether = 64

// errBroken is what a step gets that did nothing wrong, but whose transaction
// another step has cost it. It runs again.
var errBroken = errors.New("the transaction was taken back")

// line is where the steps of this process wait for the one writer of SQLite, in
// the order in which they came. The first of them leads: it opens a transaction,
// runs its own step and those that wait by then, each within a savepoint of its
// own, and commits. What syncs the disk is the commit, so that many steps cost
// one sync, and none is acknowledged before it.
type line struct {
	mu      sync.Mutex
	led     bool // somebody leads
	waiting []*member
}

// member is a step in line.
type member struct {
	run    func(t *tx) error
	alone  bool // shares its transaction with nobody
	hooked bool // runs statements of the program, which its context may break off
	// unsynced says that the commit need not wait for the disk. It does if one of
	// the companions must be there.
	unsynced bool

	leads chan struct{} // closed when it has to lead
	done  chan struct{} // closed when somebody else has run it
	err   error
	crash any // what run panicked with, for its own goroutine
}

// enter reports whether m leads at once; else it has to wait.
func (l *line) enter(m *member) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.led {
		l.led = true
		return true
	}
	m.leads, m.done = make(chan struct{}), make(chan struct{})
	l.waiting = append(l.waiting, m)
	return false
}

// leave reports whether m was still waiting, and is no more.
func (l *line) leave(m *member) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := slices.Index(l.waiting, m)
	if at < 0 {
		return false
	}
	l.waiting = slices.Delete(l.waiting, at, at+1)
	return true
}

// companions takes those that wait out of the line, up to the first that wants to be
// alone, or on the disk where the transaction will not be.
func (l *line) companions(unsynced bool) []*member {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for n < len(l.waiting) && n < maxTogether-1 && !l.waiting[n].alone && (l.waiting[n].unsynced || !unsynced) {
		n++
	}
	group := slices.Clone(l.waiting[:n])
	l.waiting = slices.Delete(l.waiting, 0, n)
	return group
}

// hurried reports whether all that wait can do without the disk.
func (l *line) hurried() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !slices.ContainsFunc(l.waiting, func(m *member) bool { return !m.unsynced })
}

// handOn lets the next in line lead.
func (l *line) handOn() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.waiting) == 0 {
		l.led = false
		return
	}
	next := l.waiting[0]
	l.waiting = slices.Delete(l.waiting, 0, 1)
	close(next.leads)
}

// inLine runs a step when its turn has come. Until then the caller may go away;
// once the step has begun, it is told how it ended.
func (s *Store) inLine(ctx context.Context, m *member) error {
	if !s.line.enter(m) {
		select {
		case <-m.leads:
		case <-m.done:
			return m.result()
		case <-ctx.Done():
			if s.line.leave(m) {
				return ctx.Err()
			}
			select {
			case <-m.leads: // lead finds out that the caller has gone
			case <-m.done:
				return m.result()
			}
		}
	}
	defer s.line.handOn()
	s.lead(ctx, m)
	return m.result()
}

// result ends the caller's wait as run ended.
func (m *member) result() error {
	if m.crash != nil {
		panic(m.crash)
	}
	return m.err
}

// lead runs m, and whoever else may share its transaction.
func (s *Store) lead(ctx context.Context, m *member) {
	unsynced := m.unsynced && s.line.hurried()
	raw, end, err := s.begin(ctx, m.hooked, unsynced)
	if err != nil {
		m.err = err
		return
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), prepareWait)
		defer cancel()
		s.writes.prepareWanted(ctx)
	}()
	defer end()
	// After a commit this does nothing.
	defer raw.Rollback()
	if m.alone {
		if m.err = m.run(s.at(raw, !m.hooked)); m.err == nil {
			m.err = raw.Commit()
		}
		return
	}
	companions := s.line.companions(unsynced)
	defer func() {
		for _, c := range companions {
			close(c.done)
		}
	}()
	together(s.at(raw, true), append([]*member{m}, companions...))
}

// begin opens the transaction, and returns what to call when it is over. The wait
// for the database ends with ctx; the transaction itself does so only for a step of
// the program's.
func (s *Store) begin(ctx context.Context, hooked, unsynced bool) (raw *sql.Tx, end func(), err error) {
	if hooked {
		raw, err = s.write.BeginTx(ctx, nil)
		return raw, func() {}, err
	}
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	whole, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, cancel)
	if unsynced {
		raw, end, err = s.beginUnsynced(whole)
	} else {
		raw, err = s.write.BeginTx(whole, nil)
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

// together runs the members in one transaction and commits what they did. A
// member that fails leaves no trace and takes nothing of the others with it.
func together(t *tx, group []*member) {
	for _, m := range group {
		m.err = errBroken
	}
	ran := make([]error, len(group))
	saw := make([]bool, len(group)) // what others had done
	some := false
	for i, m := range group {
		alive := false
		saw[i] = some
		if ran[i], alive = t.within(m, len(group) > 1); !alive {
			if !saw[i] || !judged(ran[i]) {
				m.err = ran[i]
			}
			return // the others run again
		}
		some = some || ran[i] == nil
	}
	var committed error
	if some {
		committed = t.raw.Commit()
	}
	for i, m := range group {
		switch {
		case ran[i] == nil:
			m.err = committed
		case committed == nil || !saw[i] || !judged(ran[i]):
			m.err = ran[i]
		}
	}
}

// judged reports whether err says what a step found in the database. Where that may
// have been another's work, which is lost, the step has to look again.
func judged(err error) bool {
	return errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrConflict) ||
		errors.Is(err, store.ErrLoginIDTaken) || errors.Is(err, errRefused)
}

// within runs a member, in a savepoint if it is not the only one, and reports
// whether the transaction is still there for others. Some errors of SQLite take
// it back as a whole (a full disk, for one).
func (t *tx) within(m *member, savepoint bool) (err error, alive bool) {
	if !savepoint {
		return m.guarded(t), true
	}
	if err := t.control("SAVEPOINT usher_step"); err != nil {
		return err, false
	}
	err = m.guarded(t)
	if err != nil {
		if t.control("ROLLBACK TO usher_step") != nil {
			return err, false
		}
	}
	if released := t.control("RELEASE usher_step"); released != nil {
		return errors.Join(err, released), false
	}
	return err, true
}

func (t *tx) control(statement string) error {
	_, err := t.exec(context.Background(), statement)
	return err
}

// guarded keeps a panic for the goroutine whose step it is.
func (m *member) guarded(t *tx) (err error) {
	defer func() {
		if p := recover(); p != nil {
			m.crash = fmt.Sprintf("%v\n\n%s", p, debug.Stack())
			err = errBroken
		}
	}()
	return m.run(t)
}
