package ushertest

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/internal/testhash"
	"github.com/usherkit/usher/internal/testonly"
	"github.com/usherkit/usher/password"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/memory"
)

// DefaultBaseURL is the BaseURL of an [App], unless Config.Service has another one.
const DefaultBaseURL = "https://app.example.com"

// Config configures an [App]. The zero Config is a Service without a program.
type Config struct {
	// Service is the configuration of the program under test. Secret, BaseURL
	// ([DefaultBaseURL]), Mailer (the [Mailbox]), Hashing ([Hashing]) and Logger (the log of
	// the test) are set if they are zero. Now must be zero, because it is the [Clock].
	Service usher.Config
	// Store is where the Service keeps everything, such as a database of the test's own.
	// Defaults to a new [memory.Store].
	Store store.Store
	// Program returns the program under test, with its routes and the mount of Usher. It is
	// called once for each instance. Defaults to a program that has no routes.
	Program func(*usher.Service) http.Handler
	// Path is where the program mounts the handlers. Defaults to usher.Config.PagesPath,
	// "/auth".
	Path string
	// Limits keeps the limits on attempts and emails. Defaults to false: a test can sign in
	// as often as it likes.
	Limits bool
}

// App is a program under test, with the parts that a test needs.
type App struct {
	// URL is the address of the program, usher.Config.BaseURL, without a slash at its end.
	// Only the clients of the App find the program there.
	URL     string
	Service *usher.Service
	Store   store.Store
	Clock   *Clock
	Mailbox *Mailbox

	t       testing.TB
	cfg     Config
	handler http.Handler
	server  func() *httptest.Server // starts it the first time
	users   *sync.Mutex             // one user is created once
}

// New starts an App, which ends with the test. A wrong Config fails the test. It panics
// outside of "go test", because an App has a public secret and no limits.
func New(t testing.TB, cfg Config) *App {
	t.Helper()
	if !testing.Testing() {
		panic("ushertest: an App is used outside of a test")
	}
	if cfg.Store == nil {
		cfg.Store = memory.New()
	}
	mailbox, clock := newMailbox(t), &Clock{t: t}
	s := &cfg.Service
	cfg.Path = strings.TrimRight(cmp.Or(cfg.Path, s.PagesPath, "/auth"), "/")
	s.Secret = cmp.Or(s.Secret, usher.Secret("a secret of ushertest, for tests alone"))
	s.BaseURL = cmp.Or(s.BaseURL, DefaultBaseURL)
	s.Logger = cmp.Or(s.Logger, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if !cfg.Limits {
		testonly.AllowNoThrottle()
		s.InsecureNoThrottle = true
	}
	if s.Hashing.Params == (password.Params{}) {
		s.Hashing = Hashing()
	}
	if s.Mailer == nil {
		s.Mailer = mailbox
	}
	if s.Now != nil {
		t.Fatalf("ushertest: Config.Service.Now is set: the clock of an App is App.Clock")
	}
	s.Now = clock.Now
	return start(t, cfg, clock, mailbox, new(sync.Mutex))
}

// Hashing returns the configuration of a password hash that costs some 50 microseconds. It
// panics outside of "go test", and package password accepts its cost nowhere else.
func Hashing() password.HasherConfig { return testhash.Config() }

// start starts one instance.
func start(t testing.TB, cfg Config, clock *Clock, mailbox *Mailbox, users *sync.Mutex) *App {
	t.Helper()
	service, err := usher.New(t.Context(), clockedStore{cfg.Store, clock}, cfg.Service)
	if err != nil {
		t.Fatalf("ushertest: %v", err)
	}
	a := &App{
		URL: service.BaseURL(), Service: service, Store: cfg.Store, Clock: clock, Mailbox: mailbox,
		t: t, cfg: cfg, users: users, handler: http.NotFoundHandler(),
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := service.Close(ctx); err != nil {
			t.Errorf("ushertest: the background work of the Service did not end: %v", err)
		}
	})
	if cfg.Program != nil {
		a.handler = cfg.Program(service)
	}
	a.server = sync.OnceValue(func() *httptest.Server { return serve(a) })
	clock.add(service)
	return a
}

// Instances returns n instances of the program that share the store, the clock and the
// mailbox, as behind a load balancer. The App itself is the first one.
func (a *App) Instances(n int) []*App {
	a.t.Helper()
	all := []*App{a}
	for len(all) < n {
		all = append(all, start(a.t, a.cfg, a.Clock, a.Mailbox, a.users))
	}
	return all
}
