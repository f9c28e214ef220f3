package usher

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/usherkit/usher/store"
)

const (
	// clockEvery is how often the clocks are compared.
	clockEvery = time.Minute
	// clockAlarm is where others begin to refuse what this machine signs: their
	// leeway.
	clockAlarm = 5 * time.Second
	// clockLimit is where this machine would do harm: it ends sessions early or
	// late, and counts tries wrongly.
	clockLimit = time.Minute
)

// errClock says that this machine must not serve.
var errClock = errors.New("usher: the clock of this machine is wrong")

// clockOff returns by how much the clock of this machine is ahead of the store's,
// as far as can be known: the way there and back is given to the machine.
func (s *Service) clockOff(ctx context.Context) (time.Duration, error) {
	clock, ok := store.Find[store.Clock](s.store)
	if !ok {
		return 0, nil
	}
	sent := s.cfg.Now()
	at, err := clock.Time(ctx)
	if err != nil {
		return 0, s.outage(err)
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

// checkClock compares the clocks, and says so where they differ.
func (s *Service) checkClock(ctx context.Context) error {
	off, err := s.clockOff(ctx)
	if err != nil {
		return err
	}
	s.offBy.Store(int64(off))
	if off.Abs() > clockAlarm {
		s.cfg.Logger.Error("usher: the clock of this machine differs from the store's: other machines refuse what it signs", "ahead", off)
	}
	return nil
}

// clockFit is an error while the clock is too wrong to serve.
func (s *Service) clockFit() error {
	if off := time.Duration(s.offBy.Load()); off.Abs() > clockLimit {
		return fmt.Errorf("%w: it is ahead of the store's by %s", errClock, off.Round(time.Second))
	}
	return nil
}
