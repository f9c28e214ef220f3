package usher_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/internal/testhash"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/memory"
	"github.com/usherkit/usher/token"
)

const (
	secret  = usher.Secret("wLyp7cFmXo2Qk9vTtB4eRzN1uHsG6dJa")
	secret2 = usher.Secret("a8Zq0WkErT5yUiOp3LmNbVcXsDfGhJk7")

	goodPassword  = "vast otter sings low"
	otherPassword = "calm heron reads maps"
	thirdPassword = "brisk walrus bakes pie"
)

var ctx = context.Background()

// kit is a Service together with the store, the mailbox, the events and the log that
// tests inspect.
type kit struct {
	*usher.Service
	t      *testing.T
	store  store.Store
	clock  *clock
	mail   *mailbox
	events *recorder
	cfg    usher.Config
}

// newKit returns a Service on an empty store in memory, with a clock that stands
// still and a hash that costs nearly nothing.
func newKit(t *testing.T, change ...func(*usher.Config)) *kit {
	t.Helper()
	return newKitOn(t, memory.New(), newClock(), change...)
}

// newKitOn is newKit with a store and a clock that other kits may share.
func newKitOn(t *testing.T, store store.Store, c *clock, change ...func(*usher.Config)) *kit {
	t.Helper()
	k := &kit{t: t, store: store, clock: c, mail: newMailbox(), events: &recorder{}}
	k.cfg = usher.Config{
		Secret:  secret,
		BaseURL: "https://app.example",
		Mailer:  k.mail,
		Hashing: testhash.Config(),
		OnEvent: k.events.hook,
		Logger:  slog.New(slog.NewTextHandler(io.Discard, nil)),
		Now:     c.now,
	}
	for _, f := range change {
		f(&k.cfg)
	}
	s, err := usher.New(ctx, store, k.cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(ctx) })
	k.Service = s
	k.events.reset()
	return k
}

// The methods below shadow those of the Service. They check that Next agrees with the
// Authentication, and return the latter.

func (k *kit) SignUp(ctx context.Context, in usher.SignUpParams, c usher.Client) (*usher.Authentication, error) {
	return k.authentication(k.Service.SignUp(ctx, in, c))
}

func (k *kit) SignIn(ctx context.Context, in usher.SignInParams, c usher.Client) (*usher.Authentication, error) {
	return k.authentication(k.Service.SignIn(ctx, in, c))
}

func (k *kit) UpdatePassword(ctx context.Context, claims *token.Claims, in usher.UpdatePasswordParams, c usher.Client) (*usher.Authentication, error) {
	return k.authentication(k.Service.UpdatePassword(ctx, claims, in, c))
}

func (k *kit) ReplacePassword(ctx context.Context, in usher.ReplacePasswordParams, c usher.Client) (*usher.Authentication, error) {
	return k.authentication(k.Service.ReplacePassword(ctx, in, c))
}

func (k *kit) ResetPassword(ctx context.Context, in usher.ResetPasswordParams, c usher.Client) (*usher.Authentication, error) {
	return k.authentication(k.Service.ResetPassword(ctx, in, c))
}

func (k *kit) authentication(r usher.Result, err error) (*usher.Authentication, error) {
	switch {
	case err != nil && r != (usher.Result{}):
		k.t.Errorf("a Result beside the error %v: %+v", err, r)
	case err == nil && (r.Next == usher.NextSignedIn) != (r.Authentication != nil), err == nil && r.Next == "":
		k.t.Errorf("next is %q, and the Authentication %+v", r.Next, r.Authentication)
	}
	return r.Authentication, err
}

// signOutByRefreshToken signs out as a client does that has the refresh token alone.
func (k *kit) signOutByRefreshToken(refresh usher.Secret) error {
	claims, err := k.ValidateRefresh(ctx, refresh)
	if errors.Is(err, usher.ErrInvalidSession) {
		return nil
	}
	if err != nil {
		return err
	}
	return k.SignOut(ctx, claims, home)
}

// expiry removes what has expired at now, and no events.
func expiry(now time.Time) store.Expiry { return store.Expiry{Now: now, Max: 1000} }

// clock is a clock that only add moves.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)} }

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

// mailbox is a Mailer that keeps the messages.
type mailbox struct {
	mu   sync.Mutex
	cond *sync.Cond
	all  []usher.Message
	fail error
}

func newMailbox() *mailbox {
	m := &mailbox{}
	m.cond = sync.NewCond(&m.mu)
	return m
}

func (m *mailbox) Send(_ context.Context, msg usher.Message) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return m.fail
	}
	m.all = append(m.all, msg)
	m.cond.Broadcast()
	return nil
}

// inbox returns the messages delivered so far, once the outbox of k is empty.
func (k *kit) inbox() []usher.Message {
	k.t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for time.Now().Before(deadline) {
		n, err := k.store.EmailCount(ctx)
		if err != nil {
			k.t.Fatal(err)
		}
		if n == 0 {
			k.mail.mu.Lock()
			defer k.mail.mu.Unlock()
			return slices.Clone(k.mail.all)
		}
		time.Sleep(time.Millisecond)
	}
	k.t.Fatal("the outbox was not emptied within 10 s")
	return nil
}

// lastEmail returns the newest message of that kind. Messages that were queued at the same
// time are delivered in any order.
func (k *kit) lastEmail(kind usher.MessageKind) usher.Message {
	k.t.Helper()
	all := k.inbox()
	for _, m := range slices.Backward(all) {
		if m.Kind == kind {
			return m
		}
	}
	k.t.Fatalf("no email is %s: %s", kind, kinds(all))
	return usher.Message{}
}

// emailKinds returns the kinds of all messages so far, in order of kind.
func (k *kit) emailKinds() string { return kinds(k.inbox()) }

func kinds(all []usher.Message) string {
	names := make([]string, len(all))
	for i, m := range all {
		names[i] = string(m.Kind)
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// tokenIn returns the one-time token of an emailed link.
func tokenIn(t *testing.T, m usher.Message) usher.Secret {
	t.Helper()
	u, err := url.Parse(m.Link.Reveal())
	if err != nil || u.Query().Get("token") == "" {
		t.Fatalf("no token in the link of a %s email", m.Kind)
	}
	return usher.Secret(u.Query().Get("token"))
}

// recorder keeps the events.
type recorder struct {
	mu  sync.Mutex
	all []usher.Event
}

func (r *recorder) hook(_ context.Context, e usher.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, e)
}

func (r *recorder) reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = nil
}

// take returns the names of the events since the last take, with reasons, in
// order.
func (r *recorder) take() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var names []string
	for _, e := range r.all {
		n := string(e.Name)
		if e.Reason != "" {
			n += ":" + e.Reason
		}
		names = append(names, n)
	}
	r.all = nil
	return strings.Join(names, " ")
}

// count returns how many events of that name there were since the last take.
func (r *recorder) count(name usher.EventName) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, e := range r.all {
		if e.Name == name {
			n++
		}
	}
	return n
}

// from returns a client with that address.
func from(address string) usher.Client {
	return usher.Client{Address: netip.MustParseAddr(address), UserAgent: "test"}
}

// nth returns the i-th of many clients, each in its own network.
func nth(i int) usher.Client { return from(fmt.Sprintf("10.%d.%d.1", i/250, i%250)) }

var home = from("192.0.2.1")

// signUp creates a user, which must not exist.
func (k *kit) signUp(loginID string) *usher.Authentication {
	k.t.Helper()
	a, err := k.SignUp(ctx, usher.SignUpParams{LoginID: loginID, Password: goodPassword}, home)
	if err != nil {
		k.t.Fatalf("SignUp: %v", err)
	}
	return a
}

// signUpVerified creates a user with a verified address, and discards the emails and
// events of that.
func (k *kit) signUpVerified(loginID string) *usher.Authentication {
	k.t.Helper()
	k.inbox() // emails are sent concurrently: an earlier one could arrive after this one
	a := k.signUp(loginID)
	in := usher.VerifyEmailParams{Token: tokenIn(k.t, k.lastEmail(usher.MessageVerifyEmail))}
	if _, err := k.VerifyEmail(ctx, k.claims(a), in, home); err != nil {
		k.t.Fatalf("VerifyEmail: %v", err)
	}
	k.mail.mu.Lock()
	k.mail.all = nil
	k.mail.mu.Unlock()
	k.events.reset()
	return a
}

// confirm follows a verification link without a session, and gives the password
// that signUp has set.
func (k *kit) confirm(raw usher.Secret, c usher.Client) (usher.User, error) {
	return k.VerifyEmail(ctx, nil, usher.VerifyEmailParams{Token: raw, Password: goodPassword}, c)
}

// signIn signs in and fails the test on an error.
func (k *kit) signIn(loginID string, pw usher.Secret, c usher.Client) *usher.Authentication {
	k.t.Helper()
	a, err := k.SignIn(ctx, usher.SignInParams{LoginID: loginID, Password: pw}, c)
	if err != nil {
		k.t.Fatalf("SignIn: %v", err)
	}
	return a
}

// resetToken requests a reset and returns the emailed token.
func (k *kit) resetToken(loginID string, kind usher.MessageKind) usher.Secret {
	k.t.Helper()
	if err := k.SendPasswordReset(ctx, usher.SendPasswordResetParams{LoginID: loginID}, home); err != nil {
		k.t.Fatalf("SendPasswordReset: %v", err)
	}
	return tokenIn(k.t, k.lastEmail(kind))
}

// isLive reports whether the session token of a is valid and the session is in the
// store. It does not exchange the refresh token.
func (k *kit) isLive(a *usher.Authentication) bool {
	k.t.Helper()
	claims, err := k.ValidateSession(ctx, a.Tokens.Session)
	if err != nil {
		return false
	}
	_, _, err = k.Me(ctx, claims)
	return err == nil
}

// concurrently runs do in n goroutines that start at the same time.
func concurrently(n int, do func(i int)) {
	var begin, done sync.WaitGroup
	begin.Add(1)
	for i := range n {
		done.Go(func() {
			begin.Wait()
			do(i)
		})
	}
	begin.Done()
	done.Wait()
}

// signUpConfirmed is signUpVerified for a Service with ConfirmFirst.
func (k *kit) signUpConfirmed(loginID string) *usher.Authentication {
	k.t.Helper()
	usher.Must(k.SignUp(ctx, usher.SignUpParams{LoginID: loginID, Password: goodPassword}, home))
	usher.Must(k.confirm(tokenIn(k.t, k.wantEmails("verify_email")[0]), home))
	return k.signIn(loginID, goodPassword, home)
}

// twoInstances returns two Services on one store. Within synctest.Test they use the
// clock of the bubble, and their background work runs.
func twoInstances(t *testing.T, change ...func(*usher.Config)) (a, b *kit) {
	t.Helper()
	store := memory.New()
	return newInstance(t, store, change...), newInstance(t, store, change...)
}

// newInstance returns a Service on that store that uses time.Now.
func newInstance(t *testing.T, store store.Store, change ...func(*usher.Config)) *kit {
	t.Helper()
	real := func(c *usher.Config) { c.Now = time.Now }
	return newKitOn(t, store, newClock(), append([]func(*usher.Config){real}, change...)...)
}

// secondInstance returns another instance with the settings, the store and the clock of k.
func (k *kit) secondInstance() *kit {
	k.t.Helper()
	return newKitOn(k.t, k.store, k.clock, func(c *usher.Config) { *c = k.cfg })
}

const mallory = "mallory@example.com"
