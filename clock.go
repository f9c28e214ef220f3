package usher

import (
	"context"
	"fmt"
	"time"

	"github.com/usherkit/usher/store"
)

const (
	// clockInterval is how often the clocks are compared.
	clockInterval = time.Minute
	// clockAlarm is the difference above which this instance logs an error. It equals
	// the leeway of verifiers: other instances may refuse what this one signs.
	clockAlarm = 5 * time.Second
	// clockLimit is the difference above which this instance serves no requests: it
	// would end sessions early or late, and count attempts wrongly.
	clockLimit = time.Minute
)

// errClock means that this instance must not serve.
var errClock = fmt.Errorf("%w: the clock of this instance is wrong", ErrUnavailable)

// clockDifference returns the minimum by which the clock of this instance is ahead of
// the store's. It is negative if the clock is behind, and zero if the difference could
// be the round trip to the store.
func (s *Service) clockDifference(ctx context.Context) (time.Duration, error) {
	clock, ok := store.Find[store.Clock](s.store)
	if !ok {
		return 0, nil
	}
	sent := s.cfg.Now()
	at, err := clock.Time(ctx)
	if err != nil {
		return 0, s.storeError(err)
	}
	received := s.cfg.Now()
	switch {
	case at.Before(sent):
		return sent.Sub(at), nil
	case at.After(received):
		return -at.Sub(received), nil
	}
	return 0, nil
}

// checkClock compares the clocks, and logs a difference.
func (s *Service) checkClock(ctx context.Context) error {
	off, err := s.clockDifference(ctx)
	if err != nil {
		return err
	}
	s.clockAhead.Store(int64(off))
	if off.Abs() > clockAlarm {
		s.cfg.Logger.Error("usher: the clock of this instance differs from the store's: other instances refuse what it signs", "ahead", off)
	}
	return nil
}

// clockUsable returns an error while the clock is too wrong to serve.
func (s *Service) clockUsable() error {
	if off := time.Duration(s.clockAhead.Load()); off.Abs() > clockLimit {
		return fmt.Errorf("%w: it is ahead of the store's by %s", errClock, off.Round(time.Second))
	}
	return nil
}
