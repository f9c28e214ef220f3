package webtest

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/cookies"
	"github.com/usherkit/usher/handlers"
	"github.com/usherkit/usher/internal/testhash"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/memory"
)

// The credentials of the tests.
const (
	Secret        = usher.Secret("wLyp7cFmXo2Qk9vTtB4eRzN1uHsG6dJa")
	GoodPassword  = "vast otter sings low"
	OtherPassword = "calm heron reads maps"
	ThirdPassword = "brisk walrus bakes pie"
	WeakPassword  = "passwordpassword"
	Ann, Bob      = "ann@example.com", "bob@example.com"
)

// Mode is how a mount delivers tokens.
type Mode bool

// The two modes.
const (
	InCookies Mode = true
	InBodies  Mode = false
)

// String returns "cookies" or "bodies".
func (m Mode) String() string {
	if m {
		return "cookies"
	}
	return "bodies"
}

// Kit has handlers and all their parts, so that a test can inspect them.
type Kit struct {
	T        *testing.T
	Mode     Mode
	Store    store.Store
	Service  *usher.Service
	Jar      *cookies.Jar
	Handlers *handlers.Handlers
	Server   http.Handler
	Clock    *Clock
	Mailbox  *Mailbox
	Events   *Recorder
	Logs     *Log
}

// Setup changes the defaults of a Kit.
type Setup struct {
	Store   store.Store
	Service func(*usher.Config)
	Config  func(*handlers.Config)
	Jar     func(*cookies.Config)
}

// HSTS is the Strict-Transport-Security that the kits configure.
const HSTS = "max-age=31536000; includeSubDomains"

// NewKit mounts handlers at /auth, on a store in memory, with a clock that stands
// still, the cheapest hash that is allowed, and a log of everything.
func NewKit(t testing.TB, m Mode, s Setup) *Kit {
	t.Helper()
	k := &Kit{Mode: m, Store: s.Store, Clock: NewClock(), Mailbox: &Mailbox{}, Events: &Recorder{}, Logs: &Log{}}
	k.T, _ = t.(*testing.T)
	if k.Store == nil {
		k.Store = memory.New()
	}
	logger := slog.New(slog.NewJSONHandler(k.Logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	cfg := usher.Config{
		Secret: Secret, BaseURL: "https://app.example", Mailer: k.Mailbox,
		Redirects: []string{"https://good.test/cb"},
		Hashing:   testhash.Config(),
		OnEvent:   k.Events.Hook, Logger: logger, Now: k.Clock.Now,
	}
	if s.Service != nil {
		s.Service(&cfg)
	}
	must := func(err error) {
		if err != nil {
			t.Helper()
			t.Fatal(err)
		}
	}
	var err error
	k.Service, err = usher.New(context.Background(), k.Store, cfg)
	must(err)
	t.Cleanup(func() { k.Service.Close(context.Background()) })
	hc := handlers.Config{Logger: logger, Now: k.Clock.Now, HSTS: HSTS}
	if m == InCookies {
		jc := cookies.Config{Secret: Secret, Logger: logger, Now: k.Clock.Now}
		if s.Jar != nil {
			s.Jar(&jc)
		}
		k.Jar, err = cookies.New(jc)
		must(err)
		hc.Cookies = k.Jar
	}
	if s.Config != nil {
		s.Config(&hc)
	}
	k.Handlers, err = handlers.New(k.Service, hc)
	must(err)
	mux := http.NewServeMux()
	mux.Handle("/auth/", http.StripPrefix("/auth", k.Handlers))
	mux.Handle("/protected", k.Handlers.Require(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "in")
	})))
	k.Server = mux
	k.ClearRecords()
	return k
}

// BothModes runs a test for both ways to deliver tokens.
func BothModes(t *testing.T, test func(t *testing.T, m Mode)) {
	for _, m := range []Mode{InCookies, InBodies} {
		t.Run(m.String(), func(t *testing.T) {
			t.Parallel()
			test(t, m)
		})
	}
}

// SignUp signs up a user that does not exist yet.
func (k *Kit) SignUp(loginID string) Tokens {
	k.T.Helper()
	return k.Do(Post("/signup", SignUpBody(loginID, GoodPassword))).Want(k.T, 201, "").Keep(Tokens{})
}

// SignUpVerified signs up a user and confirms the address.
func (k *Kit) SignUpVerified(loginID string) Tokens {
	k.T.Helper()
	k.Inbox() // emails are sent concurrently: wait for earlier ones
	u := k.SignUp(loginID)
	u = k.Do(k.As(u, Post("/email/verify", Object("token", k.tokenOf(usher.MessageVerifyEmail))))).Want(k.T, 200, "").Keep(u)
	k.ClearRecords()
	return u
}

// SignIn signs a user in.
func (k *Kit) SignIn(loginID, pw string) Tokens {
	k.T.Helper()
	return k.Do(Post("/signin", SignUpBody(loginID, pw))).Want(k.T, 200, "").Keep(Tokens{})
}

// IsSignedIn reports whether the session is valid, by its session token and in the
// store.
func (k *Kit) IsSignedIn(u Tokens) bool {
	k.T.Helper()
	return k.Do(k.As(u, Get("~/protected"))).Status == 200 && k.Do(k.As(u, Get("/me"))).Status == 200
}

// UserID returns the id of the user with that login id.
func (k *Kit) UserID(loginID string) string {
	k.T.Helper()
	u, err := k.Service.Operator("test").UserByLoginID(context.Background(), loginID)
	if err != nil {
		k.T.Fatal(err)
	}
	return u.ID
}

// ResetToken asks for a reset and returns the token that was emailed.
func (k *Kit) ResetToken(loginID string) string {
	k.T.Helper()
	k.Do(Post("/password/reset", Object("loginId", loginID))).Want(k.T, 202, "")
	return k.tokenOf(usher.MessageResetPassword, usher.MessageConfirmAndReset)
}

// Invite invites an address and returns the token that was emailed.
func (k *Kit) Invite(email string) string {
	k.T.Helper()
	if _, err := k.Service.Operator("test").Invite(context.Background(), usher.InviteParams{Email: email, Roles: []string{"invited"}}); err != nil {
		k.T.Fatal(err)
	}
	return k.tokenOf(usher.MessageInvitation)
}

// Inbox returns the messages since the last ClearRecords, once the outbox is empty.
func (k *Kit) Inbox() []usher.Message {
	deadline := time.Now().Add(10 * time.Second)
	for time.Now().Before(deadline) {
		if n, err := k.Store.EmailCount(context.Background()); err == nil && n == 0 {
			return k.Mailbox.Messages()
		}
		time.Sleep(time.Millisecond)
	}
	k.T.Fatal("the outbox was not emptied within 10 s")
	return nil
}

// EmailKinds returns the kinds of the messages, sorted.
func (k *Kit) EmailKinds() string {
	var kinds []string
	for _, m := range k.Inbox() {
		kinds = append(kinds, string(m.Kind))
	}
	slices.Sort(kinds)
	return strings.Join(kinds, " ")
}

// MailedToken returns the token of the newest link.
func (k *Kit) MailedToken() string {
	k.T.Helper()
	return k.tokenOf()
}

// tokenOf returns the token of the newest link in an email of those kinds, or of any
// kind. Emails that were queued at the same time are delivered in any order.
func (k *Kit) tokenOf(kinds ...usher.MessageKind) string {
	k.T.Helper()
	for _, m := range slices.Backward(k.Inbox()) {
		if len(kinds) > 0 && !slices.Contains(kinds, m.Kind) {
			continue
		}
		if u, err := url.Parse(m.Link.Reveal()); err == nil && m.Link != "" {
			return u.Query().Get("token")
		}
	}
	k.T.Fatal("no email has a link")
	return ""
}

// MailedCode returns the code in the newest email, or "".
func (k *Kit) MailedCode() string {
	k.T.Helper()
	all := k.Inbox()
	if len(all) == 0 {
		k.T.Fatal("no email")
	}
	return all[len(all)-1].Code.Reveal()
}

// WrongCode returns a code that is in none of the emails.
func (k *Kit) WrongCode() string {
	for n := 0; ; n++ {
		code := fmt.Sprintf("%06d", n)
		if !slices.ContainsFunc(k.Inbox(), func(m usher.Message) bool { return m.Code.Reveal() == code }) {
			return code
		}
	}
}

// ClearRecords waits until the outbox is empty and drops the recorded messages and
// events.
func (k *Kit) ClearRecords() {
	k.Inbox()
	k.Mailbox.Reset()
	k.Events.Take()
}

// LinkToken returns the one-time token of an emailed link.
func LinkToken(t *testing.T, m usher.Message) string {
	t.Helper()
	u, err := url.Parse(m.Link.Reveal())
	if err != nil || u.Query().Get("token") == "" {
		t.Fatalf("no token in the link of the email %s", m.Kind)
	}
	return u.Query().Get("token")
}

// Unlimited raises the limits, so that a test may send many requests that fail.
func Unlimited(c *usher.Config) {
	c.Limits.FreeFailures, c.Limits.NetworkFailures, c.Limits.SignUps = 100, 1_000_000, 1_000_000
	c.Limits.ResetEmails, c.Limits.ResetRequests, c.Limits.Emails = 100, 1_000_000, 1000
}

// FailSignInFrom sends a sign-in with a wrong password from an address, and returns the
// status of the answer.
func (k *Kit) FailSignInFrom(remote string, header map[string]string) int {
	r := httptest.NewRequest(http.MethodPost, "https://app.example/auth/signin", strings.NewReader(SignUpBody(Ann, OtherPassword)))
	r.RemoteAddr = remote
	r.Header.Set("Content-Type", "application/json")
	for name, value := range header {
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	k.Server.ServeHTTP(w, r)
	return w.Code
}

// Revocations asks for the revocation list.
func (k *Kit) Revocations(header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, "/revocations", nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	k.Handlers.ServeHTTP(w, r)
	return w
}
