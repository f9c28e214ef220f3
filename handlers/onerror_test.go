package handlers_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/handlers"
	. "github.com/usherkit/usher/internal/webtest"
	"github.com/usherkit/usher/middleware"
	"github.com/usherkit/usher/pages"
	"github.com/usherkit/usher/problem"
	"github.com/usherkit/usher/store"
)

// ownErrors writes errors in a format of the program.
func ownErrors(c *handlers.Config) {
	c.OnError = func(w http.ResponseWriter, _ *http.Request, p problem.Problem) {
		w.Header().Set("Content-Type", "application/vnd.own+json")
		w.WriteHeader(p.Status)
		_ = json.NewEncoder(w).Encode(p)
	}
}

// One hook writes the errors of the routes, of their middleware and of the program's
// own routes. They are complete, and the headers of the error are set.
func TestOnErrorWritesEveryError(t *testing.T) {
	t.Parallel()
	k := NewKit(t, InBodies, Setup{Config: ownErrors})
	in := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	mux := http.NewServeMux()
	mux.Handle("/", k.Server)
	mux.Handle("/admin", k.Handlers.RequireRole("admin")(in))
	mux.Handle("/confirmed", k.Handlers.RequireVerifiedEmail(in))
	mux.Handle("/recent", k.Handlers.RequireRecent(time.Nanosecond)(in))
	k.Server = mux
	k.T = nil // the answers are no problem documents
	u := k.Do(Post("/signup", SignUpBody(Ann, GoodPassword))).Keep(Tokens{})
	k.Clock.Add(time.Second)
	for name, c := range map[string]struct {
		request   Request
		code      problem.Code
		challenge string
	}{
		"no route":      {Get("/nothing"), problem.NotFound, ""},
		"no method":     {Get("/signup"), problem.MethodNotAllowed, ""},
		"bad body":      {Post("/signup", "{"), problem.InvalidRequest, ""},
		"wrong":         {Post("/signin", SignUpBody(Ann, OtherPassword)), problem.InvalidCredentials, ""},
		"not signed in": {Get("/me"), problem.NotSignedIn, "Bearer"},
		"own route":     {Get("~/protected"), problem.NotSignedIn, "Bearer"},
		"bad token":     {Get("~/protected", "Authorization", "Bearer x"), problem.InvalidSession, "invalid_token"},
		"another site":  {Post("/signup", "{}", "Sec-Fetch-Site", "cross-site"), problem.CrossOrigin, ""},
		"no role":       {k.As(u, Get("~/admin")), problem.Forbidden, "insufficient_scope"},
		"not confirmed": {k.As(u, Get("~/confirmed")), problem.EmailNotVerified, ""},
		"not recent":    {k.As(u, Get("~/recent")), problem.RecentSignInRequired, "max_age"},
	} {
		a := k.Do(c.request.With("Accept-Language", "de"))
		if a.Status != c.code.Status() || a.Header.Get("Content-Type") != "application/vnd.own+json" {
			t.Errorf("%s: %d %s %s", name, a.Status, a.Header.Get("Content-Type"), a.Body)
		}
		var p problem.Problem
		if err := json.Unmarshal(a.Body, &p); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if p.Code != c.code || p.Type != c.code.Type() || p.Title == "" || p.Title == c.code.Title() || p.Detail == "" ||
			p.RequestID == "" || p.RequestID != a.Header.Get("X-Request-Id") {
			t.Errorf("%s: the problem is %+v", name, p)
		}
		if got := a.Header.Get("WWW-Authenticate"); !strings.Contains(got, c.challenge) || c.challenge == "" && got != "" {
			t.Errorf("%s: WWW-Authenticate is %q", name, got)
		}
	}
}

// With pages, the hook replaces the pages about an error. Browsers still go to the
// sign-in page, and forms are shown again.
func TestOnErrorBesidePages(t *testing.T) {
	t.Parallel()
	k, b := NewPages(t, pages.Config{}, Setup{Config: ownErrors})
	b.Open("/protected").WantRedirect(t, "/auth/signin?return_to=%2Fprotected")
	b.Open("/auth/account").WantRedirect(t, "/auth/signin?return_to=%2Fauth%2Faccount")
	b.Send("/signin", "loginId", Ann, "password", GoodPassword).WantPage(t, 401)
	k.T = nil
	r := k.Do(Get("/nothing", "Accept", "text/html", "Sec-Fetch-Mode", "navigate"))
	if r.Status != 404 || r.Header.Get("Content-Type") != "application/vnd.own+json" {
		t.Errorf("a page that does not exist: %d %s", r.Status, r.Body)
	}
	for _, header := range []string{"", "Bearer x"} {
		if r := k.Do(Get("~/protected", "Authorization", header)); r.Status != 401 || r.Header.Get("Content-Type") != "application/vnd.own+json" {
			t.Errorf("a program without a session: %d %s", r.Status, r.Body)
		}
	}
}

// RequireUser passes the user as the store has it, so that a page can greet by name. It
// refuses as Require does.
func TestRequireUser(t *testing.T) {
	t.Parallel()
	BothModes(t, func(t *testing.T, m Mode) {
		faults := NewFaults()
		k := NewKit(t, m, Setup{Store: faults})
		mux := http.NewServeMux()
		mux.Handle("/auth/", k.Server)
		mux.Handle("/greeting", k.Handlers.RequireUser(func(w http.ResponseWriter, r *http.Request, user usher.User) {
			fmt.Fprint(w, "hello, ", user.Name, " ", user.LoginID(), " ", user.ID == middleware.Subject(r.Context()))
		}))
		k.Server = mux
		u := k.SignUp(Ann)
		k.Do(k.As(u, Request{Method: "PATCH", Path: "/me", Body: Object("name", "Ann Lindqvist")})).Want(t, 200, "")
		greeting := k.As(u, Get("~/greeting"))
		if a := k.Do(greeting).Want(t, 200, ""); string(a.Body) != "hello, Ann Lindqvist ann@example.com true" {
			t.Errorf("%s", a.Body)
		}
		k.Do(Get("~/greeting")).Want(t, 401, "not_signed_in")
		faults.Fail(errors.New("gone"))
		k.Do(greeting).Want(t, 503, "unavailable")
		faults.Fail(store.ErrNotFound) // the session has ended; this instance does not know yet
		a := k.Do(greeting).Want(t, 401, "invalid_session")
		if a.Header.Get("Cache-Control") != "no-store" || !strings.Contains(a.Header.Get("WWW-Authenticate"), "invalid_token") {
			t.Errorf("headers are %v", a.Header)
		}
	})
}
