package model

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/internal/revocation"
	"github.com/usherkit/usher/internal/testhash"
	"github.com/usherkit/usher/password"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/token"
)

var ctx = context.Background()

// clock is the clock of both instances. It moves only by add.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// world is two instances on one store, and a program that has only the keys and the list
// of revocations.
type world struct {
	store     *crashing
	clock     *clock
	instances [2]*usher.Service
	mail      *mailbox
	leaks     leaks
	remote    *token.Verifier
	follower  *revocation.Follower
}

const baseURL = "https://app.example"

// newWorld opens the instances. The caller provides the clock, because rows of an earlier
// check in the same store must not lie in the future.
func newWorld(t reporter, st store.Store, c *clock) *world {
	w := &world{store: &crashing{Store: st, t: t}, clock: c, mail: &mailbox{}}
	w.deliver(t) // a Service with background work makes the signing keys
	for i := range w.instances {
		w.restart(t, i)
	}
	keys, err := token.ParseKeys(w.instances[0].JWKS())
	check(t, err)
	set, err := token.NewKeySet(keys...)
	check(t, err)
	list := token.NewRevocations()
	w.remote, err = token.NewVerifier(token.VerifierConfig{
		Issuers:     []token.Issuer{{URL: baseURL, Audiences: []string{baseURL}, Keys: set}},
		Revocations: list, Now: c.now,
	})
	check(t, err)
	w.follower = revocation.NewFollower(revocation.Config{
		Store: w.store, List: list, Logger: quiet, Now: c.now,
		Until: func() time.Time { return c.now().Add(tokenLifetime + revocation.Retention) },
	})
	return w
}

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

func (w *world) config() usher.Config {
	return usher.Config{
		Secret:  "wLyp7cFmXo2Qk9vTtB4eRzN1uHsG6dJa",
		BaseURL: baseURL,
		Mailer:  w.mail,
		Hashing: testhash.Config(),
		Limits: usher.LimitConfig{
			FreeFailures: 100, NetworkFailures: 100000, NetworkAttempts: 100000, SignUps: 100000, ResetEmails: 100, ResetRequests: 100000, Emails: 1000,
		},
		Rotation:     usher.Rotation{Every: 290 * 365 * 24 * time.Hour},
		Logger:       quiet,
		Now:          w.clock.now,
		NoBackground: true,

		Password:         password.Policy{Breached: &w.leaks},
		BreachedAtSignIn: usher.BreachedReplaced,
	}
}

// restart replaces an instance by one that starts, and so reads the list of revocations.
func (w *world) restart(t reporter, i int) {
	s, err := usher.New(ctx, w.store, w.config())
	check(t, err)
	w.instances[i] = s
}

// deliver starts an instance that only does the background work, until the outbox is
// empty. The others have none, so that nothing happens between two steps.
func (w *world) deliver(t reporter) {
	cfg := w.config()
	cfg.NoBackground = false
	s, err := usher.New(ctx, w.store, cfg)
	check(t, err)
	defer func() { check(t, s.Close(ctx)) }()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		n, err := w.store.EmailCount(ctx)
		check(t, err)
		if n == 0 {
			return
		}
	}
	t.Fatalf("the outbox was not emptied")
}

// emails delivers what is queued, and returns it.
func (w *world) emails(t reporter) []usher.Message {
	n, err := w.store.EmailCount(ctx)
	check(t, err)
	if n > 0 {
		w.deliver(t)
	}
	w.mail.mu.Lock()
	defer w.mail.mu.Unlock()
	all := w.mail.all
	w.mail.all = nil
	return all
}

// leaks is a list of leaked passwords. While it is true, it has every password.
type leaks struct{ atomic.Bool }

func (l *leaks) Breached(context.Context, [20]byte) (bool, error) { return l.Load(), nil }

// mailbox is a Mailer that keeps the messages.
type mailbox struct {
	mu  sync.Mutex
	all []usher.Message
}

func (m *mailbox) Send(_ context.Context, msg usher.Message) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.all = append(m.all, msg)
	return nil
}

// tokenOf returns the one-time token of a link, or "".
func tokenOf(m usher.Message) string {
	u, err := url.Parse(m.Link.Reveal())
	if err != nil {
		return ""
	}
	return u.Query().Get("token")
}

// reporter is a *testing.T or a *rapid.T.
type reporter interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Logf(format string, args ...any)
}

func check(t reporter, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("setting up: %v", err)
	}
}

func client(actor string) usher.Client {
	addresses := map[string]string{"ann": "192.0.2.1", "bob": "198.51.100.1", "mal": "203.0.113.1"}
	return usher.Client{Address: netip.MustParseAddr(addresses[actor]), UserAgent: actor}
}

var errCrash = errors.New("the instance was killed")

// crashing is a store that fails at the next change, before or after its commit, as if the
// instance had been killed. Its optional interfaces are hidden: the clock of the test is
// not that of a database.
type crashing struct {
	store.Store
	t    reporter
	mu   sync.Mutex
	mode string // "", "before" or "after"
	hit  bool
	race atomic.Pointer[meeting] // of the two instances, or nil
}

func (c *crashing) change(do func() error) error {
	if first := c.race.Load(); first != nil {
		first.arrive()
	}
	c.mu.Lock()
	mode := c.mode
	if mode != "" {
		c.mode, c.hit = "", true
	}
	c.mu.Unlock()
	if mode == "before" {
		return errCrash
	}
	err := do()
	if mode == "after" {
		return errCrash
	}
	return err
}

func result[T any](c *crashing, do func() (T, error)) (out T, err error) {
	err = c.change(func() (err error) { out, err = do(); return err })
	if err != nil {
		var none T
		return none, err
	}
	return out, nil
}

func (c *crashing) CreateUser(ctx context.Context, in store.UserCreation) ([]store.Event, error) {
	return result(c, func() ([]store.Event, error) { return c.Store.CreateUser(ctx, in) })
}

func (c *crashing) UpdateUser(ctx context.Context, in store.UserUpdate) (u store.User, ended []store.Event, err error) {
	err = c.change(func() (err error) { u, ended, err = c.Store.UpdateUser(ctx, in); return err })
	return u, ended, err
}

func (c *crashing) DeleteUser(ctx context.Context, in store.UserDeletion) ([]store.Event, error) {
	return result(c, func() ([]store.Event, error) { return c.Store.DeleteUser(ctx, in) })
}

func (c *crashing) ChangePassword(ctx context.Context, in store.PasswordChange) ([]store.Event, error) {
	return result(c, func() ([]store.Event, error) { return c.Store.ChangePassword(ctx, in) })
}

func (c *crashing) StartSession(ctx context.Context, in store.SessionStart) ([]store.Event, error) {
	return result(c, func() ([]store.Event, error) { return c.Store.StartSession(ctx, in) })
}

func (c *crashing) SwapRefresh(ctx context.Context, in store.RefreshSwap) (store.RefreshResult, error) {
	return result(c, func() (store.RefreshResult, error) { return c.Store.SwapRefresh(ctx, in) })
}

func (c *crashing) EndSession(ctx context.Context, user, id string, end store.SessionEnd, fx store.Effects) error {
	return c.change(func() error { return c.Store.EndSession(ctx, user, id, end, fx) })
}

func (c *crashing) EndUserSessions(ctx context.Context, user string, end store.SessionEnd, fx store.Effects) ([]store.Event, error) {
	return result(c, func() ([]store.Event, error) { return c.Store.EndUserSessions(ctx, user, end, fx) })
}

func (c *crashing) AddOneTimeToken(ctx context.Context, in store.TokenAddition) error {
	return c.change(func() error { return c.Store.AddOneTimeToken(ctx, in) })
}

func (c *crashing) DropTokens(ctx context.Context, user string, p store.Purpose, now time.Time, fx store.Effects) error {
	return c.change(func() error { return c.Store.DropTokens(ctx, user, p, now, fx) })
}

func (c *crashing) ResetPassword(ctx context.Context, s store.TokenSpend, in store.PasswordChange) ([]store.Event, error) {
	return result(c, func() ([]store.Event, error) { return c.Store.ResetPassword(ctx, s, in) })
}

func (c *crashing) StartResetSession(ctx context.Context, s store.TokenSpend, r store.SessionRecord, end store.SessionEnd, fx store.Effects) ([]store.Event, error) {
	return result(c, func() ([]store.Event, error) { return c.Store.StartResetSession(ctx, s, r, end, fx) })
}

func (c *crashing) VerifyEmail(ctx context.Context, s store.TokenSpend, fx store.Effects) (store.User, error) {
	return result(c, func() (store.User, error) { return c.Store.VerifyEmail(ctx, s, fx) })
}

func (c *crashing) ChangeEmail(ctx context.Context, s store.TokenSpend, old, next string, fx store.Effects) (store.User, error) {
	return result(c, func() (store.User, error) { return c.Store.ChangeEmail(ctx, s, old, next, fx) })
}

func (c *crashing) ClaimUser(ctx context.Context, in store.UserClaim) (u store.User, ended []store.Event, err error) {
	err = c.change(func() (err error) { u, ended, err = c.Store.ClaimUser(ctx, in); return err })
	return u, ended, err
}

func (c *crashing) PutInvitation(ctx context.Context, i store.Invitation, replaced store.Event, fx store.Effects) ([]store.Event, error) {
	return result(c, func() ([]store.Event, error) { return c.Store.PutInvitation(ctx, i, replaced, fx) })
}

func (c *crashing) WithdrawInvitation(ctx context.Context, hash []byte, now time.Time, fx store.Effects) error {
	return c.change(func() error { return c.Store.WithdrawInvitation(ctx, hash, now, fx) })
}

func (c *crashing) AcceptInvitation(ctx context.Context, in store.InvitationAcceptance) (store.User, error) {
	return result(c, func() (store.User, error) { return c.Store.AcceptInvitation(ctx, in) })
}

// TakeLimits checks that no counter was below zero.
func (c *crashing) TakeLimits(ctx context.Context, now time.Time, limits []store.Limit) (store.LimitResult, error) {
	r, err := c.Store.TakeLimits(ctx, now, limits)
	if slices.ContainsFunc(r.Counts, func(n int) bool { return n < 1 }) {
		c.t.Errorf("a counter was below zero: %v", r.Counts)
	}
	return r, err
}
