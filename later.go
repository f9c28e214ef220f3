package usher

import "context"

// laterQueue is how much may wait until its answer is out.
const laterQueue = 256

// deferred is work that must not show in the time of an answer.
type deferred struct {
	name string
	do   func(context.Context) error
}

// soon runs do beside the requests. It is for what a person can ask for again:
// what finds the queue full, or the process at its end, is dropped.
func (s *Service) soon(name string, do func(context.Context) error) {
	select {
	case s.later <- deferred{name, do}:
	default:
		s.cfg.Logger.Warn("usher: dropped, too much is waiting", "work", name)
	}
}

// doLater does what was given to soon until ctx ends.
func (s *Service) doLater(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case d := <-s.later:
			call, cancel := context.WithTimeout(ctx, storeTimeout)
			if err := s.guard(func() error { return d.do(call) }); err != nil {
				s.cfg.Logger.Error("usher: background work fails", "work", d.name, "error", err)
			}
			cancel()
		}
	}
}
