package revocation

import (
	"context"
	"time"

	"github.com/usherkit/usher/internal/background"
)

// The pause between two attempts to listen grows from the first to the second.
const (
	firstPause = time.Second
	maxPause   = time.Minute
)

// listen calls wake at each notification of the store, until ctx ends. While the
// store does not notify, polling continues.
func (f *Follower) listen(ctx context.Context, wake func()) {
	pause, failing := firstPause, false
	for {
		err := background.Guard(func() error {
			return f.cfg.Notifier.NotifyRevocations(ctx, func() {
				if failing {
					f.cfg.Logger.Info("usher: the store notifies of revocations again")
				}
				pause, failing = firstPause, false
				wake()
			})
		})
		if ctx.Err() != nil {
			return
		}
		if !failing {
			f.cfg.Logger.Warn("usher: the store does not notify of revocations; polling finds them within a second", "error", err)
			failing = true
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
			pause = min(2*pause, maxPause)
		}
	}
}
