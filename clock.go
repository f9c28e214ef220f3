package usher

import (
	"context"
	"errors"
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

// compareClocks notes by how much the clock of this instance is ahead of the store's.
func (s *Service) compareClocks(ctx context.Context) (time.Duration, error) {
	off, err := s.clockDifference(ctx)
	if err == nil {
		s.clockAhead.Store(int64(off))
	}
	return off, err
}

// checkClock compares the clocks, and logs a difference.
func (s *Service) checkClock(ctx context.Context) error {
	off, err := s.compareClocks(ctx)
	if err != nil {
		return err
	}
	if off.Abs() > clockAlarm {
		s.cfg.Logger.Error("usher: the clock of this instance differs from the store's: other instances refuse what it signs", "ahead", off)
	}
	return nil
}

// clockUsable returns an error while the clock is too wrong to serve.
func (s *Service) clockUsable() error {
	if off := time.Duration(s.clockAhead.Load()); off.Abs() > clockLimit {
		return fmt.Errorf("%w: it is ahead of the store's by %s", ErrClock, off.Round(time.Second))
	}
	return nil
}

// clockFits returns an error while the clock of this instance differs too much from that
// of the store.
func (s *Service) clockFits(ctx context.Context) error {
	if _, err := s.compareClocks(ctx); err != nil {
		return err
	}
	return s.clockUsable()
}

// fromTheFuture reports whether createdAt, the time at which a link was made, is later than
// the current time by more than the clocks of two instances may differ. The clock that made
// such a link ran ahead, and the link would be valid for longer than its lifetime.
func (s *Service) fromTheFuture(createdAt time.Time) bool {
	return createdAt.After(s.now().Add(2 * clockLimit))
}

// timeToMaintain returns the time by which rows expire and keys are due: the time of the
// store's clock, which it compares with its own first. It returns an error while the clock
// of this instance is too wrong to serve. Without a clock in the store it also returns an
// error for an hour after the wall clock of this computer has jumped.
func (s *Service) timeToMaintain(ctx context.Context) (time.Time, error) {
	off, err := s.compareClocks(ctx)
	if err != nil {
		return time.Time{}, err
	}
	if err := s.clockUsable(); err != nil {
		return time.Time{}, err
	}
	if s.jumps != nil {
		if by := s.jumps.Jump(); by != 0 {
			return time.Time{}, fmt.Errorf("%w: it has jumped by %s within the last hour", ErrClock, by.Round(time.Second))
		}
	}
	return s.now().Add(-off), nil
}

// rotateKeys reads the signing keys, and changes them as planned unless the clock is
// wrong.
func (s *Service) rotateKeys(ctx context.Context) error {
	if _, err := s.timeToMaintain(ctx); err != nil {
		return errors.Join(err, s.keys.Load(ctx))
	}
	return s.keys.Rotate(ctx)
}
