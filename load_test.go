package usher_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/metrics"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/internal/testhash"
	"github.com/usherkit/usher/store/memory"
)

// The tests of this file measure memory and time, so none of them is parallel.

// liveHeap returns the bytes of the objects that the last garbage collection found in
// use. Garbage is not measured: how much of it the collector tolerates is the operator's
// choice (GOGC, GOMEMLIMIT), and by default depends on what the earlier tests left.
func liveHeap() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

// peak returns by how much the live heap grows at most while do runs.
func peak(do func()) uint64 {
	runtime.GC()
	base := liveHeap()
	var highest uint64
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for {
			highest = max(highest, liveHeap())
			select {
			case <-tick.C:
			case <-stop:
				return
			}
		}
	}()
	do()
	close(stop)
	<-stopped
	return max(highest, base) - base
}

func TestLM02_FiveHundredSignInsAtOnce(t *testing.T) {
	const slots = 2
	k := newKit(t, withRealHash, func(c *usher.Config) { c.Hashing.Slots, c.Hashing.QueueWait = slots, 0 })
	a := k.signUp("ann@example.com")
	raw := a.Tokens.Session.Reveal()

	var judged, busy atomic.Int64
	var checks []time.Duration
	used := peak(func() {
		done := make(chan struct{})
		go func() {
			defer close(done)
			concurrently(500, func(i int) {
				err := k.trySignIn(fmt.Sprintf("u%d@example.com", i), otherPassword, nth(i))
				var l *usher.LimitError
				switch {
				case errors.Is(err, usher.ErrInvalidCredentials):
					judged.Add(1)
				case errors.As(err, &l) && l.Limit == "hashing" && l.RetryAfter >= time.Second:
					busy.Add(1)
				default:
					t.Error(err)
				}
			})
		}()
		for tick := time.NewTicker(5 * time.Millisecond); ; {
			begin := time.Now()
			if _, err := k.ValidateSession(ctx, usher.Secret(raw)); err != nil {
				t.Error(err)
			}
			checks = append(checks, time.Since(begin))
			select {
			case <-tick.C:
				continue
			case <-done:
				tick.Stop()
			}
			break
		}
	})
	if most := uint64(slots*19456<<10 + 32<<20); used > most {
		t.Errorf("%d MiB above the base, want at most %d", used>>20, most>>20)
	}
	if judged.Load()+busy.Load() != 500 || busy.Load() == 0 {
		t.Errorf("%d checked, %d refused", judged.Load(), busy.Load())
	}
	slices.Sort(checks)
	if high := checks[len(checks)*9/10]; high > 50*time.Millisecond {
		t.Errorf("a tenth of the token checks took more than %s, want 50ms", high)
	}
}

// Clients that hang up free their places in the queue.
func TestLM02_ClientsWhoHangUpFreeTheirPlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKitOn(t, memory.New(), newClock(), func(c *usher.Config) { c.Hashing.Slots, c.Hashing.QueueWait = 1, time.Minute })
		k.signUp(ann)
		hashes, release := k.Hashes(), testhash.Hold(t)
		gone, cancel := context.WithCancel(ctx)
		var left sync.WaitGroup
		for i := range 500 {
			left.Go(func() {
				_, err := k.SignIn(gone, usher.SignInParams{LoginID: fmt.Sprintf("u%d@example.com", i), Password: otherPassword}, nth(i))
				if !errors.Is(err, usher.ErrUnavailable) && !errors.Is(err, usher.ErrInvalidCredentials) {
					t.Error(err)
				}
			})
		}
		synctest.Wait() // one has the slot, and the others the places in the queue
		cancel()
		synctest.Wait()
		release()
		begin := time.Now()
		if k.signIn(ann, goodPassword, home); time.Since(begin) > time.Second {
			t.Errorf("a sign-in after them took %s", time.Since(begin))
		}
		left.Wait()
		if n := k.Hashes() - hashes; n != 2 {
			t.Errorf("%d hashes, want that of the slot and that of the sign-in after it", n)
		}
	})
}

// A throttled client is refused at once, even while every slot is taken.
func TestLM02_RefusedAttemptsTakeNoSlot(t *testing.T) {
	k := newKit(t, withRealHash, func(c *usher.Config) { c.Hashing.Slots = 1 })
	for range 5 {
		k.failSignIn("ann@example.com", home)
	}
	release := make(chan struct{})
	go func() {
		defer close(release)
		concurrently(20, func(i int) { k.failSignIn(fmt.Sprintf("u%d@example.com", i), nth(i)) })
	}()
	hashes := k.Hashes()
	for range 20 {
		if l := wantLimit(t, k.trySignIn("ann@example.com", goodPassword, home)); l.Limit != "login_id" {
			t.Errorf("the limit is %s, want login_id", l.Limit)
		}
	}
	<-release
	if n := k.Hashes() - hashes; n > 20 {
		t.Errorf("%d hashes, want the 20 of the others", n)
	}
}

func TestLM03_LongInputCostsNothing(t *testing.T) {
	k := newKit(t)
	for name, id := range map[string]string{
		"comments":        "a" + strings.Repeat("(", 500_000) + strings.Repeat(")", 500_000) + "@b.c",
		"domain literals": "a@" + strings.Repeat("[", 1_000_000),
		"phrases":         strings.Repeat("a ", 500_000) + "<a@b.c>",
		"dots":            "a@" + strings.Repeat("a.", 500_000),
		"not ASCII":       "a@" + strings.Repeat("\u00fc", 500_000),
	} {
		begin := time.Now()
		for _, err := range []error{
			k.trySignIn(id, goodPassword, home),
			k.trySignUp(id, goodPassword),
			k.SendPasswordReset(ctx, usher.SendPasswordResetParams{LoginID: id}, home),
			errOf(k.SignUp(ctx, usher.SignUpParams{LoginID: "bob", Email: id, Password: goodPassword}, home)),
		} {
			var f *usher.FieldError
			if !errors.As(err, &f) || f.Code != "too_long" {
				t.Errorf("%s: %v, want a *FieldError that says too long", name, err)
			}
		}
		if took := time.Since(begin); took > 40*time.Millisecond {
			t.Errorf("%s: four calls took %s, want 10ms each at most", name, took)
		}
	}
}

// A million made-up ids may take 64 MiB, so a quarter of a million may take a
// quarter of that. One goroutine signs in, so with the race detector, which makes it several
// times as slow, it does so a tenth as often.
func TestLM04_MadeUpLoginIDsDoNotFillTheMemory(t *testing.T) {
	k := newKit(t, func(c *usher.Config) { c.OnEvent = nil })
	attacker := from("198.51.100.1")
	for range 5 {
		k.failSignIn("ann@example.com", attacker)
	}
	for i := range 15 {
		k.failSignIn(fmt.Sprintf("u%d@example.com", i), attacker)
	}
	attempts := 250_000
	if raceDetector() {
		attempts /= 10
	}
	var l *usher.LimitError
	runtime.GC()
	before := liveHeap()
	used := peak(func() {
		for i := range attempts {
			if i%(attempts/10) == 0 {
				k.clock.add(time.Second)
			}
			in := usher.SignInParams{LoginID: fmt.Sprintf("m%d@example.com", i), Password: otherPassword}
			if _, err := k.SignIn(ctx, in, attacker); !errors.As(err, &l) {
				t.Fatal(err)
			}
		}
	})
	// What is allocated during a collection counts as in use, so only this last one, with
	// nothing beside it, is exact.
	runtime.GC()
	if kept := max(liveHeap(), before) - before; kept > 16<<20 || used > 64<<20 {
		t.Errorf("%d MiB are kept, %d at the most, want at most 16 and 64", kept>>20, used>>20)
	}
	k.clock.add(10 * time.Second)
	wantLimit(t, k.trySignIn("ann@example.com", goodPassword, attacker))
	k.clock.add(5 * time.Minute) // the limits of the network and of the account have passed
	k.failSignIn("ann@example.com", attacker)
	if l := wantLimit(t, k.trySignIn("ann@example.com", goodPassword, attacker)); l.RetryAfter != time.Minute || l.Limit != "login_id" {
		t.Errorf("wait %s for %s: the counter of the attacked account is gone", l.RetryAfter, l.Limit)
	}
}

// One refusal a minute reaches the audit table, all reach the hook.
func TestLM04_RefusalsDoNotFloodTheAuditTable(t *testing.T) {
	k := newKit(t)
	for range 5 {
		k.failSignIn("ann@example.com", home)
	}
	k.events.reset()
	for range 25 {
		wantLimit(t, k.trySignIn("ann@example.com", goodPassword, home))
		k.clock.add(time.Second)
	}
	page, err := k.Operator("test").Events(ctx, usher.EventQuery{Name: usher.EventThrottled})
	if err != nil || len(page.Events) != 1 || k.events.count(usher.EventThrottled) != 25 {
		t.Errorf("%d rows, %v, %d events in the hook, want 1 and 25", len(page.Events), err, k.events.count(usher.EventThrottled))
	}
}

// Requests that a signed-in user can repeat at no cost do not fill the audit trail.
func TestLM04_RepeatedRequestsDoNotFloodTheAuditTrail(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	a := k.signUp(mallory)
	claims := k.claims(a)
	for i := range 100 {
		err := k.SendEmailVerification(ctx, claims, home)
		if i < 3 && err != nil {
			t.Fatal(err)
		} else if i >= 3 {
			wantLimit(t, err)
		}
		_, err = k.UpdatePassword(ctx, claims, usher.UpdatePasswordParams{LoginID: ann, NewPassword: otherPassword}, home)
		wantErr(t, err, usher.ErrForbidden)
	}
	if n := len(usher.Must(k.Operator("test").Events(ctx, usher.EventQuery{Limit: 1000})).Events); n > 12 {
		t.Errorf("%d rows", n)
	}
	if n := k.events.count(usher.EventForbidden); n != 100 {
		t.Errorf("the hook heard of %d refusals, want each", n)
	}
}

// Known browsers of ten accounts sign in from one address over 16 connections, as fast
// as they are answered. A user elsewhere does not wait for all of them, with a known browser or
// with an unknown one.
func TestLM08_OneNetworkLeavesTheOthersTheirSignIns(t *testing.T) {
	t.Parallel()
	k := newKit(t, withRealHash, func(c *usher.Config) {
		c.Hashing.Slots, c.Limits.NetworkAttempts, c.Limits.SignUps = 1, 1_000_000, 100
	})
	known := nth(100)
	known.Device = k.signUp(ann).Device
	id := func(i int) string { return fmt.Sprintf("mallory%d@example.com", i%10) }
	attackers := make([]usher.Client, 10)
	for i := range attackers {
		attackers[i] = home
		attackers[i].Device = k.signUp(id(i)).Device
	}
	var served atomic.Int64
	stop := make(chan struct{})
	var attack sync.WaitGroup
	for i := range 16 {
		attack.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					if err := k.trySignIn(id(i), goodPassword, attackers[i%10]); err != nil {
						t.Error(err)
						return
					}
					served.Add(1)
				}
			}
		})
	}
	defer attack.Wait()
	defer close(stop)
	for served.Load() < 32 { // the queue is full
		time.Sleep(time.Millisecond)
	}
	const signIns = 8
	for name, c := range map[string]usher.Client{"a known browser": known, "an unknown browser": nth(100)} {
		before := served.Load()
		for range signIns {
			k.signIn(ann, goodPassword, c)
		}
		// Without turns each of them waits for the 15 others in the queue.
		if n := float64(served.Load()-before) / signIns; n > 8 {
			t.Errorf("%.1f sign-ins of one network were served during each of %s of another, want about 2", n, name)
		}
	}
}

// A botnet has more networks than hashes fit into the queue. It delays neither the first
// attempts of users elsewhere nor the known browser of the attacked account.
func TestLM08_ABotnetLeavesTheOthersTheirSignIns(t *testing.T) {
	t.Parallel()
	for name, attack := range map[string]usher.Secret{"guesses": otherPassword, "right passwords": goodPassword} {
		t.Run(name, func(t *testing.T) {
			k := newKit(t, withRealHash, func(c *usher.Config) { c.Hashing.Slots = 1 })
			owner := home
			owner.Device = k.signUp(ann).Device
			const signIns = 4
			for i := range signIns {
				k.signUp(fmt.Sprintf("u%d@example.com", i))
			}
			var served atomic.Int64
			stop := make(chan struct{})
			var bots sync.WaitGroup
			for bot := range 16 {
				bots.Go(func() {
					for i := bot; ; i += 16 {
						select {
						case <-stop:
							return
						default:
							if err := k.trySignIn(ann, attack, nth(i)); err != nil && !errors.Is(err, usher.ErrInvalidCredentials) {
								t.Error(err)
								return
							}
							served.Add(1)
						}
					}
				})
			}
			defer bots.Wait()
			defer close(stop)
			for served.Load() < 32 { // the first attempts of the botnet are over
				time.Sleep(time.Millisecond)
			}
			before := served.Load()
			for i := range signIns {
				k.signIn(fmt.Sprintf("u%d@example.com", i), goodPassword, nth(6000+i))
				k.signIn(ann, goodPassword, owner)
			}
			if n := float64(served.Load()-before) / (2 * signIns); n > 8 {
				t.Errorf("%.1f attempts of the botnet were served during each sign-in elsewhere, want about 2", n)
			}
		})
	}
}

// The limit of an account does not add up over the accounts of one client.
func TestLM08_TheKnownBrowsersOfANetworkHaveALimitTogether(t *testing.T) {
	t.Parallel()
	k := newKit(t, withNetworkAttempts(4))
	passed := 0
	for i := range 10 {
		id := fmt.Sprintf("mallory%d@example.com", i)
		a := k.signUp(id)
		for range 4 {
			c := home
			c.Device = a.Device
			if err := k.trySignIn(id, goodPassword, c); err == nil {
				passed++
			} else {
				wantLimit(t, err)
			}
		}
	}
	if passed != 20 {
		t.Errorf("%d sign-ins of known browsers of one network, want five times its 4", passed)
	}
}
