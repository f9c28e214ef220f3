package usher_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/memory"
	"github.com/usherkit/usher/token"
)

// Whichever store call fails, no client is authenticated and nothing is changed: the
// same request, repeated, succeeds.
func TestFB01_FB02_EveryCallOfTheStoreFailsOnce(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"fail", "panic"} {
		for name, act := range flows {
			t.Run(mode+" "+name, func(t *testing.T) {
				for n := int64(1); ; n++ {
					s := newScene(t, mode).prepare(name)
					before := storedExceptLimits(s)
					s.store.at = n
					in, err := recovered(func() (bool, error) { return act(countedContext(ctx), s) })
					if len(s.store.hit) == 0 {
						if err != nil || n == 1 {
							t.Fatalf("without a fault: %v after %d calls", err, n-1)
						}
						return
					}
					s.store.at = 0
					hit := s.store.hit[0]
					// A download is refused without its event.
					if slices.Contains(mayFail, hit) && mode == "fail" && name != "account data" {
						if err != nil {
							t.Fatalf("call %d, %s: %v", n, hit, err)
						}
						continue
					}
					if in || err == nil {
						t.Fatalf("call %d, %s: a client was authenticated: %v", n, hit, err)
					}
					if mode == "fail" {
						wantErr(t, err, usher.ErrUnavailable)
						if !errors.Is(err, token.ErrUnavailable) {
							t.Fatalf("%v is no token.ErrUnavailable", err)
						}
					}
					if !slices.Contains(mayFail, hit) && storedExceptLimits(s) != before {
						t.Fatalf("call %d, %s: something was written", n, hit)
					}
					s.wantEvents("")
					if _, err := act(countedContext(ctx), s); err != nil && !slices.Contains(mayFail, hit) {
						t.Fatalf("call %d, %s: the act repeated: %v", n, hit, err)
					}
				}
			})
		}
	}
}

// However often a call of the store fails, no retry is one too many, and the email is
// sent when the store works again.
func TestFB06_AnOutageIsNeverALimit(t *testing.T) {
	t.Parallel()
	for name, act := range flows {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for n := int64(1); ; n++ {
				s := newScene(t, "fail").prepare(name)
				var err error
				for range 12 {
					s.store.calls.Store(0)
					s.store.at, s.store.hit = n, nil
					_, err = act(countedContext(ctx), s)
					if len(s.store.hit) == 0 {
						return
					}
					if err == nil {
						break // the call may fail
					}
					wantErr(t, err, usher.ErrUnavailable)
				}
				if err == nil {
					continue
				}
				hit := s.store.hit[0]
				s.store.at = 0
				s.events.reset()
				if _, err := act(countedContext(ctx), s); err != nil {
					t.Errorf("call %d, %s: after twelve failures: %v", n, hit, err)
				}
				if n := s.events.count(usher.EventEmailDropped); n > 0 {
					t.Errorf("call %d, %s: after twelve failures %d emails were dropped", n, hit, n)
				}
			}
		})
	}
}

// A store that hangs delays a caller little beyond its deadline, and authenticates
// no client.
func TestFB01_StoreHangs(t *testing.T) {
	t.Parallel()
	for name, act := range flows {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for n := int64(1); ; n++ {
				done := false
				synctest.Test(t, func(t *testing.T) {
					s := newScene(t, "hang").prepare(name)
					s.store.at, s.store.rest = n, true
					begin := time.Now()
					call, cancel := context.WithTimeout(countedContext(ctx), 5*time.Second)
					defer cancel()
					in, err := act(call, s)
					if done = len(s.store.hit) == 0; done {
						return
					}
					hit := s.store.hit[0]
					if took := time.Since(begin); took > 12*time.Second {
						t.Fatalf("call %d, %s: it took %s", n, hit, took)
					}
					if slices.Contains(mayFail, hit) && err == nil {
						return
					}
					if in || !errors.Is(err, usher.ErrUnavailable) {
						t.Fatalf("call %d, %s: %v, %v", n, hit, in, err)
					}
				})
				if done {
					return
				}
			}
		})
	}
}

// A transaction that committed although its result was lost authenticates no client
// either, and leaves no email without its token.
func TestFB02_AnswerOfTheStoreIsLost(t *testing.T) {
	t.Parallel()
	for name, act := range flows {
		t.Run(name, func(t *testing.T) {
			for n := int64(1); ; n++ {
				s := newScene(t, "unsure").prepare(name)
				s.store.at = n
				in, err := act(countedContext(ctx), s)
				if len(s.store.hit) == 0 {
					return
				}
				hit := s.store.hit[0]
				if slices.Contains(mayFail, hit) {
					continue
				}
				if in || !errors.Is(err, usher.ErrUnavailable) {
					t.Fatalf("call %d, %s: %v, %v", n, hit, in, err)
				}
				for _, m := range s.queued(t) {
					if m.Link == "" {
						continue
					}
					_, err := s.store.Store.OneTimeToken(ctx, hashed(tokenIn(t, m)), s.clock.now())
					if err != nil {
						t.Fatalf("call %d, %s: a %s email without its token", n, hit, m.Kind)
					}
				}
			}
		})
	}
}

// A refresh whose response was lost may be repeated with the same token.
func TestFB02_LostRefreshIsRepeated(t *testing.T) {
	t.Parallel()
	s := newScene(t, "unsure").withTokens()
	for n := int64(1); n <= 4; n++ { // clients repeat up to four times
		s.store.calls.Store(0)
		s.store.at = 1 // SwapRefresh is the first call
		_, err := s.RefreshSession(countedContext(ctx), s.auth.Tokens.Refresh, home)
		wantErr(t, err, usher.ErrUnavailable)
	}
	s.store.at = 0
	if a := usher.Must(s.RefreshSession(ctx, s.auth.Tokens.Refresh, home)); !s.isLive(a) {
		t.Fatal("the session ended")
	}
}

// The text of a store error does not reach users: callers answer with the sentinel
// error that wraps it.
func TestFB03_ErrorsAreGeneric(t *testing.T) {
	t.Parallel()
	s := newScene(t, "fail")
	s.store.at = 1
	_, err := s.SignIn(countedContext(ctx), usher.SignInParams{LoginID: "bob@example.com", Password: goodPassword}, home)
	if !strings.HasPrefix(err.Error(), usher.ErrUnavailable.Error()) || errors.Is(err, usher.ErrInvalidCredentials) {
		t.Fatalf("the error is %v", err)
	}
}

// A panic in an event hook is logged and has no other effect.
func TestFB03_HookPanics(t *testing.T) {
	t.Parallel()
	var log syncBuffer
	k := newKit(t, func(c *usher.Config) {
		c.OnEvent = func(context.Context, usher.Event) { panic("hook") }
		c.Logger = slog.New(slog.NewTextHandler(&log, nil))
	})
	a := k.signUp(ann)
	if b := k.signIn(ann, goodPassword, home); !k.isLive(a) || !k.isLive(b) {
		t.Fatal("a panic of the hook ended a session")
	}
	if !strings.Contains(log.String(), "Config.OnEvent") {
		t.Fatal("the log says nothing of it")
	}
}

// syncBuffer is a strings.Builder for many writers.
type syncBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

var _ io.Writer = (*syncBuffer)(nil)

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) Reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.b.Reset()
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// panickingStore is a store whose background calls panic while it is broken.
type panickingStore struct {
	store.Store
	now atomic.Bool
}

func (b *panickingStore) check() {
	if b.now.Load() {
		panic("the store is broken")
	}
}

func (b *panickingStore) Revocations(ctx context.Context, after int64) ([]store.Revocation, error) {
	b.check()
	return b.Store.Revocations(ctx, after)
}

func (b *panickingStore) SigningKeys(ctx context.Context) (store.SigningKeys, error) {
	b.check()
	return b.Store.SigningKeys(ctx)
}

func (b *panickingStore) ClaimEmails(ctx context.Context, now time.Time, lease time.Duration, n int) ([]store.QueuedEmail, error) {
	b.check()
	return b.Store.ClaimEmails(ctx, now, lease, n)
}

func (b *panickingStore) FinishEmail(ctx context.Context, id string, fx store.Effects) error {
	b.check()
	return b.Store.FinishEmail(ctx, id, fx)
}

func (b *panickingStore) DeleteExpired(ctx context.Context, x store.Expiry) (int, error) {
	b.check()
	return b.Store.DeleteExpired(ctx, x)
}

// Background work survives a store that panics, and continues when the store works
// again. Meanwhile sessions are validated.
func TestFB03_BackgroundSurvivesPanics(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		mem := memory.New()
		b := &panickingStore{Store: mem}
		k, other := newInstance(t, b), newInstance(t, mem)
		a := k.signUpVerified(ann)
		gone := k.signIn(ann, goodPassword, home)
		other.Close(ctx) // so that only k sends emails
		b.now.Store(true)
		if err := other.SignOut(ctx, other.claims(gone), home); err != nil {
			t.Fatal(err)
		}
		k.requestReset(ann, home)
		time.Sleep(3 * time.Minute) // the bubble's clock
		if !k.isLive(a) {
			t.Fatal("an outage of the background ended a session")
		}
		b.now.Store(false)
		time.Sleep(10 * time.Second)
		if _, err := k.ValidateSession(ctx, gone.Tokens.Session); !errors.Is(err, token.ErrRevoked) {
			t.Fatalf("revocations are followed no more: %v", err)
		}
		k.wantEmails("reset_password")
	})
}

// An instance does not start before it has read the revocations and the keys.
func TestFB01_StartNeedsTheStore(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	for name, store := range map[string]store.Store{
		"keys":        &keyWatchDown{Store: k.store},
		"revocations": &noRevocations{Store: k.store},
	} {
		if s, err := usher.New(ctx, store, k.cfg); s != nil || !errors.Is(err, errFault) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := usher.New(ctx, nil, k.cfg); err == nil || !strings.Contains(err.Error(), "Store") {
		t.Errorf("no store: %v", err)
	}
}

type keyWatchDown struct{ store.Store }

func (*keyWatchDown) SigningKeys(context.Context) (store.SigningKeys, error) {
	return store.SigningKeys{}, errFault
}

type noRevocations struct{ store.Store }

func (*noRevocations) Revocations(context.Context, int64) ([]store.Revocation, error) {
	return nil, errFault
}
