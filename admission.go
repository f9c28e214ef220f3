package usher

import (
	"context"
	"time"

	"github.com/usherkit/usher/password"
)

// admitted is how many tries to prove a password are looked up and counted at the
// same time. A store does more than a thousand a second, and no machine hashes as
// many, so nobody waits here but in a storm.
const admitted = 32

// admit lets a try to prove a password come before the store, and returns what to
// call when it is counted. In a storm of them the rest waits in the order in which
// it came, and whoever could not be hashed in time is told so before anything is
// looked up or written: the answer is the same as from the queue of the hashes, and
// it says nothing of the login id. A try that is refused here was not judged, and
// is not counted.
func (s *Service) admit(ctx context.Context, c Client) (leave func(), err error) {
	select {
	case s.admission <- struct{}{}:
	default:
		if err := s.waitForAdmission(ctx); err != nil {
			return nil, s.hashing(ctx, err, c)
		}
	}
	if err := s.hasher.Busy(); err != nil {
		<-s.admission
		return nil, s.hashing(ctx, err, c)
	}
	return func() { <-s.admission }, nil
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
