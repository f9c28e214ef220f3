// Package calls has the calls of Descope's SDK for Go whose signatures are the same in all
// releases, so that several modules run them, each with its own release.
package calls

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	sdk "github.com/descope/go-sdk/descope"
	"github.com/descope/go-sdk/descope/client"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/cookies"
	"github.com/usherkit/usher/descope"
	"github.com/usherkit/usher/internal/pgtest"
	"github.com/usherkit/usher/internal/testhash"
	"github.com/usherkit/usher/internal/webtest"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/postgres"
	"github.com/usherkit/usher/store/sqlite"
)

// The names and passwords of the calls.
const (
	Project       = "P2shop"
	ManagementKey = "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a6978"

	Ann, Bob = "ann@example.com", "bob@example.com"
	First    = "vast otter sings low"
	Second   = "calm heron reads maps"
	Third    = "brisk walrus bakes pie"
)

// Mode is how an instance is configured.
type Mode struct {
	// Store opens an empty store.
	Store func(t testing.TB) store.Store
	// Cookies keeps the refresh token in a cookie, and not in the body.
	Cookies bool
	// Keep switches off the rotation of refresh tokens.
	Keep bool
	// Config changes the settings of the Service, and Calls those of the calls.
	Config func(*usher.Config)
	Calls  func(*descope.Config)
}

// SQLite opens an empty store in a file.
func SQLite(t testing.TB) store.Store {
	s, err := sqlite.Open(context.Background(), t.TempDir()+"/usher.db")
	must(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

// Postgres opens an empty store on a server of its own.
func Postgres(t testing.TB) store.Store {
	s, err := postgres.Open(context.Background(), pgtest.Schema(t))
	must(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

// World is an instance, a client of it, and what the instance has sent.
type World struct {
	T       *testing.T
	Service *usher.Service
	Client  *client.DescopeClient
	URL     string
	Mode    Mode

	store store.Store
	inbox *webtest.Mailbox
	mu    sync.Mutex
	// answer replaces the next answers of the instance.
	answer []int
	paths  []string
}

// NewWorld starts an instance and returns a client whose base URL is that of the instance.
func NewWorld(t *testing.T, m Mode) *World {
	t.Helper()
	w := &World{T: t, Mode: m, store: m.Store(t), inbox: &webtest.Mailbox{}}
	logger := slog.New(slog.DiscardHandler)
	cfg := usher.Config{
		Secret: webtest.Secret, BaseURL: "https://auth.example.com", Issuer: "https://auth.example.com/" + Project,
		Redirects: []string{"https://shop.example.com/reset"}, Mailer: w.inbox, Hashing: testhash.Config(), Logger: logger,
	}
	webtest.Unlimited(&cfg)
	cfg.Sessions.KeepRefreshToken = m.Keep
	if m.Config != nil {
		m.Config(&cfg)
	}
	var err error
	w.Service, err = usher.New(context.Background(), w.store, cfg)
	must(t, err)
	t.Cleanup(func() { w.Service.Close(context.Background()) })
	dc := descope.Config{ProjectID: Project, ManagementKey: ManagementKey, Logger: logger}
	if m.Cookies {
		dc.Cookies, err = cookies.New(cookies.Config{Secret: webtest.Secret, Plain: true, Logger: logger})
		must(t, err)
	}
	if m.Calls != nil {
		m.Calls(&dc)
	}
	handler, err := descope.New(w.Service, dc)
	must(t, err)
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		w.paths = append(w.paths, r.Method+" "+r.URL.Path)
		status := 0
		if len(w.answer) > 0 {
			status, w.answer = w.answer[0], w.answer[1:]
		}
		w.mu.Unlock()
		switch {
		case status < 0: // the answer is lost after the work
			handler.ServeHTTP(httptest.NewRecorder(), r)
			rw.WriteHeader(-status)
		case status > 0:
			rw.WriteHeader(status)
		default:
			handler.ServeHTTP(rw, r)
		}
	}))
	t.Cleanup(server.Close)
	w.URL = server.URL
	w.Client = w.NewClient(client.Config{})
	return w
}

// NewClient returns a client of the instance.
func (w *World) NewClient(c client.Config) *client.DescopeClient {
	w.T.Helper()
	c.ProjectID, c.DescopeBaseURL = Project, w.URL
	d, err := client.NewWithConfig(&c)
	must(w.T, err)
	return d
}

// Answer makes the instance answer its next requests with these statuses; a negative one
// after it has done the work.
func (w *World) Answer(statuses ...int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answer, w.paths = statuses, nil
}

// Requests returns how many requests the instance got since Answer.
func (w *World) Requests() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.paths)
}

// Link returns the newest emailed link that begins with an address.
func (w *World) Link(address string) *url.URL {
	w.T.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		for _, m := range slices.Backward(w.inbox.Messages()) {
			if strings.HasPrefix(m.Link.Reveal(), address) {
				u, err := url.Parse(m.Link.Reveal())
				must(w.T, err)
				w.inbox.Reset()
				return u
			}
		}
	}
	w.T.Fatalf("no email has a link to %s", address)
	return nil
}

// Verified makes an address proven.
func (w *World) Verified(email string) {
	w.T.Helper()
	op := w.Service.Operator("test")
	u, err := op.UserByLoginID(context.Background(), email)
	must(w.T, err)
	_, err = op.UpdateUser(context.Background(), u.ID, usher.UpdateUserParams{Email: &usher.EmailAddress{Address: email, Verified: true}})
	must(w.T, err)
}

// Browser is the application's user: it keeps the cookies that the SDK sets.
type Browser map[string]*http.Cookie

// Keep keeps the cookies of an answer of the application.
func (b Browser) Keep(w *httptest.ResponseRecorder) {
	for _, c := range w.Result().Cookies() {
		if b[c.Name] = c; c.MaxAge < 0 || c.Value == "" || !c.Expires.IsZero() && c.Expires.Before(time.Now()) {
			delete(b, c.Name)
		}
	}
}

// Request returns a request to the application.
func (b Browser) Request() *http.Request {
	r := httptest.NewRequest(http.MethodGet, "https://shop.example.com/", nil)
	for _, c := range b {
		r.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value})
	}
	return r
}

// WithTokens returns a request with these tokens in cookies.
func WithTokens(session, refresh string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "https://shop.example.com/", nil)
	if session != "" {
		r.AddCookie(&http.Cookie{Name: sdk.SessionCookieName, Value: session})
	}
	if refresh != "" {
		r.AddCookie(&http.Cookie{Name: sdk.RefreshCookieName, Value: refresh})
	}
	return r
}

// WantCode fails the test unless err is the error of the SDK with that code and status.
func WantCode(t testing.TB, err error, code string, status int) *sdk.Error {
	t.Helper()
	var e *sdk.Error
	if !errors.As(err, &e) || e.Code != code || e.Info[sdk.ErrorInfoKeys.HTTPResponseStatusCode] != status {
		t.Fatalf("got %v, want %s with status %d", err, code, status)
	}
	return e
}

func must(t testing.TB, err error) {
	if err != nil {
		t.Helper()
		t.Fatal(err)
	}
}

// firstKey returns the first key of the key set, as the SDKs take it from their
// configuration.
func (w *World) firstKey() string {
	set := w.Service.JWKS()
	from, to := bytes.Index(set, []byte("[")), bytes.LastIndex(set, []byte("]"))
	key, _, _ := strings.Cut(string(set[from+1:to]), "},")
	return strings.TrimSuffix(key, "}") + "}"
}
