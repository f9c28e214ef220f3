package usher

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/usherkit/usher/internal/background"
	"github.com/usherkit/usher/internal/revocation"
	"github.com/usherkit/usher/store"
)

// startTimeout is the maximum duration of New.
const startTimeout = 30 * time.Second

// start reads what the instance needs from the store and starts the background
// work.
func (s *Service) start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := errors.Join(s.checkClock(ctx), s.clockUsable()); err != nil {
		return err
	}
	readKeys := s.keys.Rotate
	if s.cfg.NoBackground {
		readKeys = s.keys.Load
	}
	if err := readKeys(ctx); err != nil {
		return fmt.Errorf("usher: signing keys: %w", err)
	}
	notifier, _ := store.Find[store.Notifier](s.store)
	s.follower = revocation.NewFollower(revocation.Config{
		Store: s.store, Notifier: notifier, List: s.revocations, Logger: s.cfg.Logger, Now: s.now,
		Until: func() time.Time { return s.revokedUntil(s.now()) },
	})
	if err := s.follower.Poll(ctx); err != nil {
		return fmt.Errorf("usher: revocations: %w", err)
	}
	if err := s.settings.read(ctx); err != nil {
		return fmt.Errorf("usher: password settings: %w", err)
	}
	if s.cfg.NoBackground {
		return nil
	}
	s.background.Every("follow password settings", settingsInterval, s.settings.read)
	s.follower.Follow(s.background)
	s.background.Every("rotate keys", keysInterval, s.rotateKeys)
	more := make(chan struct{}, 1)
	s.background.EveryOrWoken("remove expired rows", cleanInterval, more, func(ctx context.Context) error {
		left, err := s.deleteExpired(ctx)
		if left {
			select {
			case more <- struct{}{}:
			default: // a run is due already
			}
		}
		return err
	})
	s.background.Every("compare clocks", clockInterval, s.checkClock)
	s.background.RunQueue()
	s.outbox.Deliver(s.background)
	return nil
}

// Close ends the background work and waits for it, at most until ctx ends. Emails
// that were not sent stay in the outbox. Close does not close the Store, which
// belongs to the caller.
//
// Errors: the error of ctx.
func (s *Service) Close(ctx context.Context) error { return s.background.Close(ctx) }

// How often the background work runs.
const (
	keysInterval     = 5 * time.Second
	settingsInterval = time.Second
	cleanInterval    = time.Minute
	// cleanSlice bounds one run. If expired rows are left, the next run follows at once.
	cleanSlice = 5 * time.Second
)

// enqueue runs do in the background, soon after the call returns. With
// Config.NoBackground it runs do at once.
func (s *Service) enqueue(ctx context.Context, name string, do func(context.Context) error) {
	if !s.cfg.NoBackground {
		s.background.Enqueue(name, do)
		return
	}
	if err := background.Guard(func() error { return do(ctx) }); err != nil {
		s.cfg.Logger.Error("usher: queued work fails", "work", name, "error", err)
	}
}

// RunBackground does the background work that is due now, and returns when it is done: it
// reads new revocations and settings, rotates keys, sends emails and removes expired rows.
// Tests call it after they moved [Config.Now]. With [Config.NoBackground] a program whose
// process is stopped between requests calls it before the first one and at intervals: the
// first call on an empty store makes the signing key. It may run beside the work that [New]
// starts.
//
// Errors: [ErrUnavailable]; the error of ctx. It does all other work first.
func (s *Service) RunBackground(ctx context.Context) error {
	errs := []error{s.checkClock(ctx), s.follower.Poll(ctx), s.settings.read(ctx), s.rotateKeys(ctx)}
	errs = append(errs, background.Guard(func() error { s.outbox.DeliverDue(ctx); return nil }))
	for left := true; left && ctx.Err() == nil; {
		var err error
		left, err = s.deleteExpired(ctx)
		errs = append(errs, err)
	}
	err := errors.Join(append(errs, ctx.Err())...)
	if err != nil && ctx.Err() == nil {
		return s.storeError(err)
	}
	return err
}

// deleteExpired removes what has expired by the store's clock, in transactions so small
// that they delay no other caller noticeably. left means that cleanSlice was too short to
// remove all of it.
func (s *Service) deleteExpired(ctx context.Context) (left bool, err error) {
	now, err := s.timeToMaintain(ctx)
	if err != nil {
		return false, err
	}
	s.revocations.Prune(now)
	x := store.Expiry{Now: now, EventsBefore: now.Add(-s.cfg.EventRetention), NamedEventsBefore: map[EventName]time.Time{}, Max: 1000}
	for name, kept := range s.cfg.EventRetentionByName {
		x.NamedEventsBefore[name] = now.Add(-kept)
	}
	for began := time.Now(); time.Since(began) < cleanSlice; {
		n, err := s.store.DeleteExpired(ctx, x)
		if err != nil || n < x.Max {
			return false, err
		}
	}
	return true, nil
}
