package usher_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/memory"
)

// storeWithClock is a store with a clock that is always right.
type storeWithClock struct{ store.Store }

func (storeWithClock) Time(context.Context) (time.Time, error) { return time.Now(), nil }

func TestInstanceWithAWrongClockDoesNotStart(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	for off, refused := range map[time.Duration]bool{
		3 * time.Second: false, -3 * time.Second: false, 30 * time.Second: false,
		10 * time.Minute: true, -10 * time.Minute: true,
	} {
		cfg := k.cfg
		cfg.Now = func() time.Time { return time.Now().Add(off) }
		s, err := usher.New(ctx, storeWithClock{memory.New()}, cfg)
		if err == nil {
			s.Close(ctx)
		}
		if refused != (err != nil) || refused && !strings.Contains(err.Error(), "clock") {
			t.Errorf("off by %s: %v", off, err)
		}
	}
}

func TestAClockThatGoesWrongIsNoticed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &clock{} // how far it is ahead
		k, log := followed(t, storeWithClock{memory.New()}, func(cfg *usher.Config) {
			cfg.Now = func() time.Time { return time.Now().Add(c.now().Sub(time.Time{})) }
		})
		for _, step := range []struct {
			ahead, silent bool
			by            time.Duration
		}{{silent: true}, {by: 3 * time.Second, silent: true}, {by: 10 * time.Second}, {by: 10 * time.Minute, ahead: true}} {
			c.add(time.Time{}.Add(step.by).Sub(c.now()))
			log.Reset()
			time.Sleep(61 * time.Second)
			if err := k.Ping(ctx); (err != nil) != step.ahead {
				t.Errorf("ahead by %s: Ping says %v", step.by, err)
			}
			if logged := strings.Contains(log.String(), "clock of this instance"); logged == step.silent {
				t.Errorf("ahead by %s: logged is %v", step.by, logged)
			}
		}
		c.add(time.Time{}.Sub(c.now()))
		time.Sleep(61 * time.Second)
		if err := k.Ping(ctx); err != nil {
			t.Errorf("the clock is right again: %v", err)
		}
	})
}

// maintainedStore counts what an instance changes by its clock.
type maintainedStore struct {
	storeWithClock
	cleaned, rotated atomic.Int64
}

func (s *maintainedStore) DeleteExpired(ctx context.Context, x store.Expiry) (int, error) {
	s.cleaned.Add(1)
	if off := time.Until(x.Now).Abs(); off > time.Second {
		return 0, fmt.Errorf("cleaned by a clock that is off by %s", off)
	}
	return s.storeWithClock.DeleteExpired(ctx, x)
}

func (s *maintainedStore) SaveSigningKeys(ctx context.Context, k store.SigningKeys, fx store.Effects) error {
	s.rotated.Add(1)
	return s.storeWithClock.SaveSigningKeys(ctx, k, fx)
}

// What an instance removes or replaces by a wrong clock is lost for all instances.
func TestFB05_AWrongClockRemovesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &clock{} // how far it is ahead
		st := &maintainedStore{storeWithClock: storeWithClock{memory.New()}}
		k, log := followed(t, st, func(cfg *usher.Config) {
			cfg.Now = func() time.Time { return time.Now().Add(c.now().Sub(time.Time{})) }
		})
		a := k.signUp("ann@example.com")
		if err := k.SignOut(ctx, k.claims(a), home); err != nil {
			t.Fatal(err)
		}
		for _, step := range []struct {
			ahead  time.Duration
			cleans bool
		}{{0, true}, {30 * time.Second, true}, {401 * 24 * time.Hour, false}, {0, true}, {-2 * time.Hour, false}, {0, true}} {
			c.add(time.Time{}.Add(step.ahead).Sub(c.now()))
			st.cleaned.Store(0)
			rotated := st.rotated.Load()
			log.Reset()
			time.Sleep(3 * time.Minute)
			if cleans := st.cleaned.Load() > 0; cleans != step.cleans {
				t.Errorf("ahead by %s: cleans is %v", step.ahead, cleans)
			}
			if n := st.rotated.Load() - rotated; n != 0 {
				t.Errorf("ahead by %s: %d rotations", step.ahead, n)
			}
			if logged := strings.Contains(log.String(), "the clock of this instance is wrong"); logged == step.cleans {
				t.Errorf("ahead by %s: logged is %v:\n%s", step.ahead, logged, log)
			}
			if strings.Contains(log.String(), "cleaned by a clock") {
				t.Error(log)
			}
			if k.isLive(a) {
				t.Fatalf("ahead by %s: the session that was signed out is valid again", step.ahead)
			}
		}
	})
}

// An instance whose clock is wrong delivers no email: it would give up links that are
// valid, and ignore the waits and the leases of the others.
func TestFB05_AWrongClockGivesUpNoEmail(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st, ahead := storeWithClock{memory.New()}, &clock{}
		sender := newInstance(t, st, func(c *usher.Config) {
			c.Now = func() time.Time { return time.Now().Add(ahead.now().Sub(time.Time{})) }
		})
		writer := newInstance(t, st, func(c *usher.Config) { c.NoBackground = true })
		for _, off := range []time.Duration{25 * time.Hour, -2 * time.Hour} {
			ahead.add(time.Time{}.Add(off).Sub(ahead.now()))
			writer.signUp(fmt.Sprintf("ann%d@example.com", int(off.Hours())+3))
			time.Sleep(time.Minute)
			if n := usher.Must(st.EmailCount(ctx)); n != 1 || sender.events.count(usher.EventEmailGivenUp) != 0 {
				t.Errorf("ahead by %s: %d emails wait, events %s", off, n, sender.events.take())
			}
			ahead.add(time.Time{}.Sub(ahead.now()))
			time.Sleep(10 * time.Second)
			sender.wantEmails("verify_email")
		}
	})
}

// A link that was made by a clock that ran ahead is not valid until that time comes.
func TestFB05_ALinkFromTheFutureIsRefused(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.signUpVerified(ann)
	for ahead, refused := range map[time.Duration]bool{time.Minute: false, 365 * 24 * time.Hour: true} {
		k.clock.add(ahead)
		if err := k.SendPasswordReset(ctx, usher.SendPasswordResetParams{LoginID: ann}, home); err != nil {
			t.Fatal(err)
		}
		m := k.lastEmail(usher.MessageResetPassword)
		usher.Must(k.Operator("test").Invite(ctx, usher.InviteParams{Email: "bob@example.com"}))
		invitation := k.lastEmail(usher.MessageInvitation)
		k.clock.add(-ahead)
		if err := errOf(k.InvitationLink(ctx, tokenIn(t, invitation), home)); refused != errors.Is(err, usher.ErrInvalidToken) || !refused && err != nil {
			t.Errorf("ahead by %s, the invitation: %v", ahead, err)
		}
		if err := errOf(k.ResetLink(ctx, tokenIn(t, m), home)); refused != errors.Is(err, usher.ErrInvalidToken) || !refused && err != nil {
			t.Errorf("ahead by %s, the link: %v", ahead, err)
		}
		err := errOf(k.ResetPassword(ctx, usher.ResetPasswordParams{LoginID: ann, Code: m.Code, NewPassword: otherPassword}, home))
		if refused != errors.Is(err, usher.ErrInvalidCode) || !refused && err != nil {
			t.Errorf("ahead by %s, the code: %v", ahead, err)
		}
	}
}
