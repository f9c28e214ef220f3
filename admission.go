package usher

import (
	"context"
	"errors"
	"time"

	"github.com/usherkit/usher/password"
)

// maxConcurrentAttempts is how many tries to prove a password are looked up and counted at the
// same time. A store does more than a thousand a second, and no machine hashes as
// many, so nobody waits here but in a storm.
const maxConcurrentAttempts = 32

// admit looks a try to prove a password up and counts it by work. In a storm of them
// the rest waits in the order in which it came, and whoever could not be hashed in
// time is told so before anything is looked up or written: the answer is the same as
// from the queue of the hashes, and it says nothing of the login id. A try that is
// refused here was not judged, and is not counted.
//
// Nothing but the store is waited for with a place: a hook or a log that hangs holds
// up who is refused, and nobody else.
func (s *Service) admit(ctx context.Context, c Client, work func() (*refusal, error)) error {
	refused, err := s.withPlace(ctx, work)
	var busy *password.BusyError
	switch {
	case errors.As(err, &busy):
		return s.hashing(ctx, err, c)
	case err != nil && !errors.Is(err, ErrUnavailable):
		return s.outage(err)
	case err != nil:
		return err
	case refused != nil:
		return s.refuse(ctx, refused, c)
	}
	return nil
}

// inside does the work in one of the places.
func (s *Service) withPlace(ctx context.Context, work func() (*refusal, error)) (*refusal, error) {
	select {
	case s.admission <- struct{}{}:
	default:
		if err := s.waitForAdmission(ctx); err != nil {
			return nil, err
		}
	}
	defer func() { <-s.admission }()
	if err := s.hasher.Busy(); err != nil {
		return nil, err
	}
	return work()
}

// waitForAdmission waits as long as for a hash.
func (s *Service) waitForAdmission(ctx context.Context) error {
	timer := time.NewTimer(s.cfg.Hashing.QueueWait)
	defer timer.Stop()
	select {
	case s.admission <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return &password.BusyError{RetryAfter: time.Second}
	}
}
