package usher

import (
	"context"
	"time"
)

// overlap is how far back each poll reads again: a step on another machine may
// become visible only after a later one. It is longer than any step may last.
const overlap = 30 * time.Second

// follower brings the store's revocations into the process. It reads by id,
// not by time, so that no clock matters but its own.
type follower struct {
	s *Service
	// marks remember which id was the highest when, oldest first.
	marks []mark
}

type mark struct {
	at time.Time
	id int64
}

// poll reads what is new and the overlap. The first poll reads everything.
func (f *follower) poll(ctx context.Context) error {
	now := time.Now() // the monotonic clock: no jump of the wall clock counts
	var after, highest int64
	for len(f.marks) > 1 && now.Sub(f.marks[1].at) > overlap {
		f.marks = f.marks[1:]
	}
	if len(f.marks) > 0 {
		highest = f.marks[len(f.marks)-1].id
		if now.Sub(f.marks[0].at) > overlap {
			after = f.marks[0].id
		}
	}
	list, err := f.s.store.Revocations(ctx, after)
	if err != nil {
		return err
	}
	for _, r := range list {
		f.s.revocations.Add(r.SessionID, r.Until)
		highest = max(highest, r.ID)
	}
	f.marks = append(f.marks, mark{now, highest})
	return nil
}
