// Package revocation copies the store's list of revocations into an instance, so
// that a session token is refused there without asking the database.
package revocation

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/usherkit/usher/internal/background"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/token"
)

const (
	// pollInterval is how often the store is asked for new revocations.
	pollInterval = time.Second
	// pollTimeout bounds one poll: the next one may find a connection that works.
	pollTimeout = 3 * time.Second
	// overlap is how far back each poll reads again, because a transaction of
	// another instance may become visible after a later one. It is longer than any
	// transaction may take, and also how often the whole list is read.
	overlap = 30 * time.Second
)

// Retention is how much longer than the last session token of its session a
// revocation is kept: the leeway of verifiers plus the difference of the clocks.
const Retention = 2 * time.Minute

// Config holds what a Follower works with. Notifier may be nil; everything else is
// required.
type Config struct {
	Store    store.SessionStore
	Notifier store.Notifier
	List     *token.Revocations // receives the revocations
	// Until returns when the last session token issued by now expires, plus
	// Retention.
	Until  func() time.Time
	Logger *slog.Logger
	Now    func() time.Time
}

// Follower copies revocations. It reads by id, not by time, so that no clock matters
// except its own. It is safe for concurrent use.
type Follower struct {
	cfg Config

	mu sync.Mutex // one Poll at a time
	// checkpoints are the highest ids read at several times, oldest first.
	checkpoints []checkpoint
	// fullReadAt is when the whole list was last read.
	fullReadAt time.Time
	// newest is the revocation with the highest id so far.
	newest store.Revocation
}

type checkpoint struct {
	at time.Time
	id int64
}

// NewFollower returns a Follower that has read nothing yet.
func NewFollower(cfg Config) *Follower { return &Follower{cfg: cfg} }

// Follow polls in the group until it ends: every second, and when the store notifies
// of new revocations.
func (f *Follower) Follow(g *background.Group) {
	wake := make(chan struct{}, 1)
	if f.cfg.Notifier != nil {
		g.Go(func(ctx context.Context) {
			f.listen(ctx, func() {
				select {
				case wake <- struct{}{}:
				default: // the poll that is due reads this one as well
				}
			})
		})
	}
	g.EveryOrWoken("follow revocations", pollInterval, wake, f.Poll)
}

// Poll reads what is new, plus the overlap. It reads the whole list the first time,
// after a failure, and once per overlap, because the store may have become a standby
// or a restored backup, whose next ids are below those already read.
func (f *Follower) Poll(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pollTimeout)
	defer cancel()
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now() // the monotonic clock: the wall clock may jump
	after := f.readFrom(now)
	list, err := f.cfg.Store.Revocations(ctx, after)
	if err != nil {
		f.checkpoints = nil
		return err
	}
	highest := after
	for _, r := range list {
		f.add(r)
		highest = max(highest, r.ID)
	}
	if after == 0 {
		f.checkFullList(now, highest)
	}
	if n := len(list); n > 0 && list[n-1].ID >= f.newest.ID {
		f.newest = list[n-1]
	}
	if n := len(f.checkpoints); n > 0 {
		highest = max(highest, f.checkpoints[n-1].id) // rows that were removed have been read, too
	}
	f.checkpoints = append(f.checkpoints, checkpoint{now, highest})
	return nil
}

// readFrom returns the id above which to read. Zero reads the whole list.
func (f *Follower) readFrom(now time.Time) int64 {
	for len(f.checkpoints) > 1 && now.Sub(f.checkpoints[1].at) > overlap {
		f.checkpoints = f.checkpoints[1:]
	}
	if len(f.checkpoints) == 0 || now.Sub(f.fullReadAt) >= overlap || now.Sub(f.checkpoints[0].at) <= overlap {
		return 0
	}
	return f.checkpoints[0].id
}

// add puts a session on the list for as long as a token of it may be valid by the
// clock of this instance: the clock of the instance that wrote r may be slow.
func (f *Follower) add(r store.Revocation) {
	if f.cfg.List.Revoked(r.SessionID) {
		return
	}
	until := f.cfg.Until()
	if r.Until.After(until) {
		until = r.Until
	}
	f.cfg.List.Add(r.SessionID, until)
}

// checkFullList compares a full list with what was read before. If its highest id is
// lower, rows have expired or the store is an older copy of itself, so it discards the
// checkpoints. If the newest row known before cannot have expired, acknowledged writes
// were lost, and it logs an error.
func (f *Follower) checkFullList(now time.Time, highest int64) {
	f.fullReadAt = now
	if highest >= f.newest.ID {
		return
	}
	f.checkpoints = nil
	if f.cfg.Now().Add(Retention).Before(f.newest.Until) {
		f.cfg.Logger.Error("usher: the store has lost revocations: it is an older copy of itself, and its old sessions, passwords and one-time tokens are valid again",
			"highest_before", f.newest.ID, "highest_now", highest)
	}
	f.newest = store.Revocation{}
}
