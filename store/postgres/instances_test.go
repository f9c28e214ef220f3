package postgres_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/internal/pgtest"
	"github.com/usherkit/usher/internal/testhash"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/postgres"
)

const (
	secret       = usher.Secret("wLyp7cFmXo2Qk9vTtB4eRzN1uHsG6dJa")
	nextSecret   = usher.Secret("a8Zq0WkErT5yUiOp3LmNbVcXsDfGhJk7")
	goodPassword = usher.Secret("vast otter sings low")
	newPassword  = usher.Secret("calm heron reads maps")
)

// fleet is several instances on one database.
type fleet struct {
	t         *testing.T
	url       string
	instances []*instance
	mail      *mailbox
	ahead     atomic.Int64 // added to the clock of all instances, in nanoseconds
	counted   *barrier     // callers wait here until all attempts are counted; nil for none
	n         atomic.Int64
}

// instance is one instance, with its own connections.
type instance struct {
	*usher.Service
	store *postgres.Store
}

// newFleet starts instances with the cheapest password hash that is allowed.
func newFleet(t *testing.T, instances int, change ...func(*usher.Config)) *fleet {
	t.Helper()
	f := &fleet{t: t, url: pgtest.Schema(t), mail: &mailbox{sent: map[string]usher.Message{}}}
	for range instances {
		f.add(change...)
	}
	return f
}

// add starts one more instance.
func (f *fleet) add(change ...func(*usher.Config)) *instance {
	f.t.Helper()
	return f.addOn(postgres.Options{}, change...)
}

func (f *fleet) addOn(opts postgres.Options, change ...func(*usher.Config)) *instance {
	f.t.Helper()
	if opts.MaxConns == 0 {
		opts.MaxConns = 16 // so that callers are concurrent in the server
	}
	store, err := postgres.Open(f.t.Context(), f.url, opts)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { store.Close() })
	cfg := usher.Config{
		Secret: secret, BaseURL: "https://app.example", Mailer: f.mail, Now: f.now,
		Hashing: testhash.Config(),
		Logger:  slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
	for _, c := range change {
		c(&cfg)
	}
	service, err := usher.New(context.Background(), gate{store, f}, cfg)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { service.Close(context.Background()) })
	m := &instance{service, store}
	f.instances = append(f.instances, m)
	return m
}

// gate is a store whose callers meet where the fleet says so.
type gate struct {
	*postgres.Store
	f *fleet
}

func (g gate) TakeLimits(ctx context.Context, now time.Time, limits []store.Limit) (store.LimitResult, error) {
	r, err := g.Store.TakeLimits(ctx, now, limits)
	if b := g.f.counted; b != nil {
		b.coming.Done()
	}
	return r, err
}

// StartSession waits, for it clears what was counted.
func (g gate) StartSession(ctx context.Context, in store.SessionStart) ([]store.Event, error) {
	if b := g.f.counted; b != nil {
		b.coming.Wait()
	}
	return g.Store.StartSession(ctx, in)
}

// barrier lets callers go on when all have come.
type barrier struct{ coming sync.WaitGroup }

func newBarrier(n int) *barrier {
	b := &barrier{}
	b.coming.Add(n)
	return b
}

func (f *fleet) now() time.Time { return time.Now().Add(time.Duration(f.ahead.Load())) }

// at returns the instance for the i-th caller.
func (f *fleet) at(i int) *instance { return f.instances[i%len(f.instances)] }

// client is one from a network of its own.
func (f *fleet) client() usher.Client {
	n := f.n.Add(1)
	return usher.Client{
		Address:   netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}),
		UserAgent: "test",
	}
}

// signUp signs a new user up on the first instance.
func (f *fleet) signUp() (string, *usher.Authentication) {
	f.t.Helper()
	id := fmt.Sprintf("p%d@example.com", f.n.Add(1))
	a, err := f.at(0).SignUp(f.t.Context(), usher.SignUpParams{LoginID: id, Password: goodPassword}, f.client())
	if err != nil {
		f.t.Fatal(err)
	}
	return id, a.Authentication
}

// verification returns the input that confirms the address of a user.
func (f *fleet) verification(id string) usher.VerifyEmailParams {
	f.t.Helper()
	return usher.VerifyEmailParams{Token: f.mail.token(f.t, id, usher.MessageVerifyEmail), Password: goodPassword}
}

// signIn signs in on an instance and fails the test on an error.
func (f *fleet) signIn(m *instance, id string, pw usher.Secret) *usher.Authentication {
	f.t.Helper()
	a, err := m.SignIn(f.t.Context(), usher.SignInParams{LoginID: id, Password: pw}, f.client())
	if err != nil {
		f.t.Fatal(err)
	}
	return a.Authentication
}

// together runs n callers, released at one instant, and returns what became of
// each.
func together(n int, call func(i int) error) []error {
	errs := make([]error, n)
	release := make(chan struct{})
	var ready, done sync.WaitGroup
	for i := range n {
		ready.Add(1)
		done.Go(func() {
			ready.Done()
			<-release
			errs[i] = call(i)
		})
	}
	ready.Wait()
	close(release)
	done.Wait()
	return errs
}

// winners returns who succeeded, and fails the test unless every other error is
// one of those that may be.
func winners(t *testing.T, errs []error, mayBe ...error) (won []int) {
	t.Helper()
next:
	for i, err := range errs {
		if err == nil {
			won = append(won, i)
			continue
		}
		for _, m := range mayBe {
			if errors.Is(err, m) {
				continue next
			}
		}
		t.Fatalf("caller %d: %v", i, err)
	}
	return won
}

// overInstances runs a test over two and over five instances.
func overInstances(t *testing.T, run func(t *testing.T, f *fleet), change ...func(*usher.Config)) {
	for _, n := range []int{2, 5} {
		t.Run(fmt.Sprintf("%d instances", n), func(t *testing.T) { run(t, newFleet(t, n, change...)) })
	}
}

// mailbox keeps the last message to each address.
type mailbox struct {
	mu   sync.Mutex
	sent map[string]usher.Message
}

func (m *mailbox) Send(_ context.Context, msg usher.Message) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if msg.Link != "" {
		m.sent[msg.To] = msg
	}
	return nil
}

// token waits for a link of that kind to that address, takes it, and returns its
// token.
func (m *mailbox) token(t *testing.T, to string, kind usher.MessageKind) usher.Secret {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		m.mu.Lock()
		msg, ok := m.sent[to]
		if ok && msg.Kind == kind {
			delete(m.sent, to)
		}
		m.mu.Unlock()
		if ok && msg.Kind == kind {
			u, err := url.Parse(msg.Link.Reveal())
			if err != nil {
				t.Fatal("the link does not parse")
			}
			return usher.Secret(u.Query().Get("token"))
		}
	}
	t.Fatalf("no %s mail came", kind)
	return ""
}

// headerOf is the first part of a token, decoded.
func headerOf(t *testing.T, raw string) []byte {
	t.Helper()
	first, _, _ := strings.Cut(raw, ".")
	text, err := base64.RawURLEncoding.DecodeString(first)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
