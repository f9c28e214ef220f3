package usher

import (
	"context"
	"time"

	"github.com/usherkit/usher/store"
)

// overlap is how far back each poll reads again: a step on another machine may
// become visible only after a later one. It is longer than any step may last.
// As often everything is read.
const overlap = 30 * time.Second

// pollPatience is how long a poll waits for an answer: the next may find a
// connection that is not dead.
const pollPatience = 3 * time.Second

// follower brings the store's revocations into the process. It reads by id,
// not by time, so that no clock matters but its own.
type follower struct {
	s *Service
	// marks remember which id was the highest when, oldest first.
	marks []mark
	// whole is when everything was last read.
	whole time.Time
	// top is the revocation with the highest id so far.
	top store.Revocation
}

type mark struct {
	at time.Time
	id int64
}

// poll reads what is new and the overlap. The first poll reads everything, and
// so does the first after a failure, and one in each overlap: what answers then
// may be a standby or a backup, whose ids begin anew below those that were read.
func (f *follower) poll(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pollPatience)
	defer cancel()
	now := time.Now() // the monotonic clock: no jump of the wall clock counts
	after := f.from(now)
	list, err := f.s.store.Revocations(ctx, after)
	if err != nil {
		f.marks = nil
		return err
	}
	highest := after
	for _, r := range list {
		f.add(r)
		highest = max(highest, r.ID)
	}
	if after == 0 {
		f.compare(now, highest)
	}
	if n := len(list); n > 0 && list[n-1].ID >= f.top.ID {
		f.top = list[n-1]
	}
	if n := len(f.marks); n > 0 {
		highest = max(highest, f.marks[n-1].id) // what was removed has been read, too
	}
	f.marks = append(f.marks, mark{now, highest})
	return nil
}

// from is the id above which to read; zero is everything.
func (f *follower) from(now time.Time) int64 {
	for len(f.marks) > 1 && now.Sub(f.marks[1].at) > overlap {
		f.marks = f.marks[1:]
	}
	if len(f.marks) == 0 || now.Sub(f.whole) >= overlap || now.Sub(f.marks[0].at) <= overlap {
		return 0
	}
	return f.marks[0].id
}

// add puts a session on the list of this process, for as long as a token of it
// may pass by this machine's clock: the one that wrote r may be slow.
func (f *follower) add(r store.Revocation) {
	if f.s.revocations.Revoked(r.SessionID) {
		return
	}
	until := f.s.revokedUntil(f.s.now())
	if r.Until.After(until) {
		until = r.Until
	}
	f.s.revocations.Add(r.SessionID, until)
}

// compare looks at what was read of everything. Ids below those that were read
// before begin anew, so that nothing remembered of them counts any more. Where the
// list should be longer, the store is an older copy of itself, and what was
// acknowledged since is lost.
func (f *follower) compare(now time.Time, highest int64) {
	f.whole = now
	if highest >= f.top.ID {
		return
	}
	f.marks = nil
	if f.s.now().Add(afterlife).Before(f.top.Until) { // no machine may have removed it yet
		f.s.cfg.Logger.Error("usher: the store has forgotten revocations that it had: it is an older copy of itself, and sessions, passwords and one-time tokens of then are back",
			"highest_before", f.top.ID, "highest_now", highest)
	}
	f.top = store.Revocation{}
}

// listen is told by the store when to poll, if the store can tell, until ctx
// ends. While it cannot, the polls go on in their time.
func (s *Service) listen(ctx context.Context, n store.Notifier, wake func()) {
	const first, most = time.Second, time.Minute
	pause, failing := first, false
	for {
		err := s.guard(func() error {
			return n.NotifyRevocations(ctx, func() {
				if failing {
					s.cfg.Logger.Info("usher: the store tells of revocations again")
				}
				pause, failing = first, false
				wake()
			})
		})
		if ctx.Err() != nil {
			return
		}
		if !failing {
			s.cfg.Logger.Warn("usher: the store does not tell of revocations; they are found within a second", "error", err)
			failing = true
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
			pause = min(2*pause, most)
		}
	}
}

// follow keeps the list of revocations of this process like the store's, until
// ctx ends.
func (s *Service) follow(ctx context.Context, f *follower) {
	wake := make(chan struct{}, 1)
	if n, ok := store.Find[store.Notifier](s.store); ok {
		s.done.Go(func() {
			s.listen(ctx, n, func() {
				select {
				case wake <- struct{}{}:
				default: // it will read what this one is about, too
				}
			})
		})
	}
	s.onEvery(ctx, "follow revocations", pollEvery, wake, f.poll)
}

// Revocations returns, as JSON, which sessions ended before their tokens did:
// what other programs need beside [Service.JWKS] to refuse a session as soon as
// this one does. It asks no database. See [token.Revocations.JSON].
func (s *Service) Revocations() []byte { return s.revocations.JSON() }
