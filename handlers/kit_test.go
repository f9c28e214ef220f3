package handlers_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/cookies"
	"github.com/usherkit/usher/handlers"
	"github.com/usherkit/usher/password"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/memory"
)

const (
	secret        = usher.Secret("wLyp7cFmXo2Qk9vTtB4eRzN1uHsG6dJa")
	goodPassword  = "vast otter sings low"
	otherPassword = "calm heron reads maps"
	thirdPassword = "brisk walrus bakes pie"
	weakPassword  = "passwordpassword"
	ann, bob      = "ann@example.com", "bob@example.com"
)

// mode is how a mount delivers tokens.
type mode bool

const (
	inCookies mode = true
	inBodies  mode = false
)

func (m mode) String() string {
	if m {
		return "cookies"
	}
	return "bodies"
}

// kit is the handlers with everything around them that a test looks at.
type kit struct {
	t      *testing.T
	mode   mode
	store  store.Store
	svc    *usher.Service
	jar    *cookies.Jar
	h      *handlers.Handlers
	server http.Handler
	clock  *clock
	mail   *mailbox
	events *recorder
	logs   *bytes.Buffer
}

// setup changes how a kit is made.
type setup struct {
	store   store.Store
	service func(*usher.Config)
	config  func(*handlers.Config)
	jar     func(*cookies.Config)
}

// newKit mounts handlers at /auth, on a store in memory, with a clock that
// stands still, the cheapest hash that is allowed, and a log of everything.
func newKit(t testing.TB, m mode, s setup) *kit {
	t.Helper()
	k := &kit{mode: m, store: s.store, clock: newClock(), mail: &mailbox{}, events: &recorder{}, logs: &bytes.Buffer{}}
	k.t, _ = t.(*testing.T)
	if k.store == nil {
		k.store = memory.New()
	}
	logger := slog.New(slog.NewJSONHandler(&lockedWriter{w: k.logs}, &slog.HandlerOptions{Level: slog.LevelDebug}))
	cfg := usher.Config{
		Secret: secret, BaseURL: "https://app.example", Mailer: k.mail,
		Redirects: []string{"https://good.test/cb"},
		Hashing:   password.HasherConfig{Params: password.Params{Memory: 19456, Time: 2, Threads: 1}, QueueWait: time.Minute},
		OnEvent:   k.events.hook, Logger: logger, Now: k.clock.now,
	}
	if s.service != nil {
		s.service(&cfg)
	}
	must := func(err error) {
		if err != nil {
			t.Helper()
			t.Fatal(err)
		}
	}
	var err error
	k.svc, err = usher.New(context.Background(), k.store, cfg)
	must(err)
	t.Cleanup(func() { k.svc.Close(context.Background()) })
	hc := handlers.Config{Logger: logger, Now: k.clock.now}
	if m == inCookies {
		jc := cookies.Config{Secret: secret, Logger: logger, Now: k.clock.now}
		if s.jar != nil {
			s.jar(&jc)
		}
		k.jar, err = cookies.New(jc)
		must(err)
		hc.Cookies = k.jar
	}
	if s.config != nil {
		s.config(&hc)
	}
	k.h, err = handlers.New(k.svc, hc)
	must(err)
	mux := http.NewServeMux()
	mux.Handle("/auth/", http.StripPrefix("/auth", k.h))
	mux.Handle("/protected", k.h.Require(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "in")
	})))
	k.server = mux
	k.forget()
	return k
}

// bothModes runs a test for both ways to deliver tokens.
func bothModes(t *testing.T, test func(t *testing.T, m mode)) {
	for _, m := range []mode{inCookies, inBodies} {
		t.Run(m.String(), func(t *testing.T) {
			t.Parallel()
			test(t, m)
		})
	}
}

// signUp makes a user that must not exist yet.
func (k *kit) signUp(loginID string) who {
	k.t.Helper()
	return k.do(post("/signup", signUpBody(loginID, goodPassword))).want(k.t, 201, "").keep(who{})
}

// signUpVerified makes a user whose address is proven.
func (k *kit) signUpVerified(loginID string) who {
	k.t.Helper()
	k.inbox() // several senders: another's mail could else come after this one's
	u := k.signUp(loginID)
	k.do(k.as(u, post("/email/verify", object("token", k.mailedToken())))).want(k.t, 200, "")
	k.forget()
	return u
}

func (k *kit) signIn(loginID, pw string) who {
	k.t.Helper()
	return k.do(post("/signin", signUpBody(loginID, pw))).want(k.t, 200, "").keep(who{})
}

// alive reports whether the session still serves, by its session token and in
// the store.
func (k *kit) alive(u who) bool {
	k.t.Helper()
	return k.do(k.as(u, get("~/protected"))).status == 200 && k.do(k.as(u, get("/me"))).status == 200
}

// userID is the id of the user with that login id.
func (k *kit) userID(loginID string) string {
	k.t.Helper()
	u, err := k.svc.UserByLoginID(context.Background(), loginID)
	if err != nil {
		k.t.Fatal(err)
	}
	return u.ID
}

// resetToken asks for a reset and returns the token that was mailed.
func (k *kit) resetToken(loginID string) string {
	k.t.Helper()
	k.do(post("/password/reset", object("loginId", loginID))).want(k.t, 202, "")
	return k.mailedToken()
}

// inbox returns the messages since the last forget, once the outbox is empty.
func (k *kit) inbox() []usher.Message {
	deadline := time.Now().Add(10 * time.Second)
	for time.Now().Before(deadline) {
		if n, err := k.store.MailCount(context.Background()); err == nil && n == 0 {
			return k.mail.messages()
		}
		time.Sleep(time.Millisecond)
	}
	k.t.Fatal("the outbox was not emptied within 10 s")
	return nil
}

// mails returns the kinds of the messages, sorted.
func (k *kit) mails() string {
	var kinds []string
	for _, m := range k.inbox() {
		kinds = append(kinds, string(m.Kind))
	}
	slices.Sort(kinds)
	return strings.Join(kinds, " ")
}

// mailedToken returns the token of the newest link.
func (k *kit) mailedToken() string {
	k.t.Helper()
	all := k.inbox()
	for _, m := range slices.Backward(all) {
		if u, err := url.Parse(m.Link.Reveal()); err == nil && m.Link != "" {
			return u.Query().Get("token")
		}
	}
	k.t.Fatal("no mail has a link")
	return ""
}

// forget drops the events and mails so far.
func (k *kit) forget() {
	k.inbox()
	k.mail.reset()
	k.events.take()
}

// linkToken is the one-time token of a mailed link.
func linkToken(t *testing.T, m usher.Message) string {
	t.Helper()
	u, err := url.Parse(m.Link.Reveal())
	if err != nil || u.Query().Get("token") == "" {
		t.Fatalf("no token in the link of a %s mail", m.Kind)
	}
	return u.Query().Get("token")
}
