package handlers_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/sessions"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/cookies"
	"github.com/usherkit/usher/handlers"
	. "github.com/usherkit/usher/internal/webtest"
	"github.com/usherkit/usher/pages"
	"github.com/usherkit/usher/store/sqlite"
	"github.com/usherkit/usher/store/sqlstore"
)

const canaryError = "canary-sql: SELECT * FROM users at /var/db/canary.db"

// storeRequests are requests that succeed if the store does. Each function prepares what its
// request needs, on a kit in which ann is signed in.
var storeRequests = []struct {
	name  string
	build func(k *Kit) Request
}{
	{"sign-up", func(*Kit) Request { return Post("/signup", SignUpBody(Bob, GoodPassword)) }},
	{"sign-in", func(*Kit) Request { return Post("/signin", SignUpBody(Ann, GoodPassword)) }},
	{"replace", func(*Kit) Request {
		return Post("/password/replace", Object("loginId", Ann, "oldPassword", GoodPassword, "newPassword", OtherPassword))
	}},
	{"update", func(k *Kit) Request {
		return k.As(k.SignIn(Ann, GoodPassword), Post("/password/update", Object("newPassword", OtherPassword, "currentPassword", GoodPassword)))
	}},
	{"reset", func(*Kit) Request { return Post("/password/reset", Object("loginId", Ann)) }},
	{"complete", func(k *Kit) Request {
		return Post("/password/reset/complete", Object("token", k.ResetToken(Ann), "newPassword", OtherPassword))
	}},
	{"invitation/accept", func(k *Kit) Request {
		return Post("/invitation/accept", Object("token", k.Invite(Bob), "newPassword", OtherPassword))
	}},
	{"reset/verify", func(k *Kit) Request { return Post("/password/reset/verify", Object("token", k.ResetToken(Ann))) }},
	{"verify/send", func(k *Kit) Request { return k.As(k.SignUp(Bob), Post("/email/verify/send", "")) }},
	{"verify", func(k *Kit) Request {
		k.SignUp(Bob)
		return Post("/email/verify", Object("token", k.MailedToken(), "password", GoodPassword))
	}},
	{"verify, signed in", func(k *Kit) Request {
		return k.As(k.SignUp(Bob), Post("/email/verify", Object("token", k.MailedToken())))
	}},
	{"change", func(k *Kit) Request {
		return k.As(k.SignIn(Ann, GoodPassword), Post("/email/change", Object("newEmail", "new@example.com", "currentPassword", GoodPassword)))
	}},
	{"cancel", func(k *Kit) Request {
		u := k.SignIn(Ann, GoodPassword)
		k.Do(k.As(u, Post("/email/change", Object("newEmail", "new@example.com", "currentPassword", GoodPassword))))
		return k.As(u, Request{Method: http.MethodDelete, Path: "/email/change"})
	}},
	{"delete account", func(k *Kit) Request {
		return k.As(k.SignIn(Ann, GoodPassword), Post("/account/delete", Object("currentPassword", GoodPassword)))
	}},
	{"account data", func(k *Kit) Request { return k.As(k.SignIn(Ann, GoodPassword), Get("/account/data")) }},
	{"refresh", func(k *Kit) Request { return k.Refresh(k.SignIn(Ann, GoodPassword)) }},
	{"me", func(k *Kit) Request { return k.As(k.SignIn(Ann, GoodPassword), Get("/me")) }},
	{"me, patched", func(k *Kit) Request {
		return k.As(k.SignIn(Ann, GoodPassword), Request{Method: http.MethodPatch, Path: "/me", Body: `{"name":"x"}`})
	}},
	{"sessions", func(k *Kit) Request { return k.As(k.SignIn(Ann, GoodPassword), Get("/sessions")) }},
	{"revoke", func(k *Kit) Request {
		u := k.SignIn(Ann, GoodPassword)
		return k.As(u, Request{Method: http.MethodDelete, Path: "/sessions/" + u.ID})
	}},
	{"sign-out", func(k *Kit) Request { return k.As(k.SignIn(Ann, GoodPassword), Post("/signout", "")) }},
	{"sign-out everywhere", func(k *Kit) Request { return k.As(k.SignIn(Ann, GoodPassword), Post("/signout/all", "")) }},
}

// The store fails, hangs or panics at each call in turn. Nobody gets a session, and
// the same request succeeds afterwards: nothing was half done, no link was spent, and
// no email was sent.
func TestFB01_FB02_FB03_EachCallOfTheStoreFails(t *testing.T) {
	t.Parallel()
	hang := func(c Ctx) error {
		if _, bounded := c.Deadline(); !bounded {
			t.Error("a call of the store may last for ever")
			return errors.New(canaryError)
		}
		<-c.Done()
		return c.Err()
	}
	for _, act := range storeRequests {
		t.Run(act.name, func(t *testing.T) {
			t.Parallel()
			faults := NewFaults()
			k := NewKit(t, InBodies, Setup{Store: faults, Service: Unlimited})
			quick, err := handlers.New(k.Service, handlers.Config{Timeout: 150 * time.Millisecond, Now: k.Clock.Now, HSTS: HSTS})
			if err != nil {
				t.Fatal(err)
			}
			patient := k.Server
			impatient := http.NewServeMux()
			impatient.Handle("/auth/", quick)
			k.SignUpVerified(Ann)
			q := act.build(k)
			k.ClearRecords()

			// attempt reports whether the request reached call n.
			attempt := func(n int, kind string, do func(Ctx) error, server http.Handler, status int) bool {
				t.Helper()
				k.Server = server
				faults.Arm(n, do)
				began := time.Now()
				a := k.Do(q)
				took, hit := time.Since(began), faults.CallCount() >= n
				faults.Fail(nil)
				k.Server = patient
				if !hit {
					// On a busy computer the time may be over before call n.
					if a.Status >= 300 && !(kind == "hang" && a.Status == 503) {
						t.Errorf("without a fault: %d %s", a.Status, a.Body)
					}
					return false
				}
				if a.Status != status {
					t.Errorf("%s at call %d: %d %s, want %d", kind, n, a.Status, a.Body, status)
				}
				if strings.Contains(string(a.Body), "canary") || strings.Contains(string(a.Body), ".go") {
					t.Errorf("%s at call %d: the answer names the cause: %s", kind, n, a.Body)
				}
				if took > 4*time.Second {
					t.Errorf("%s at call %d: took %s", kind, n, took)
				}
				if got := k.EmailKinds(); got != "" {
					t.Errorf("%s at call %d: mails are %q, want none", kind, n, got)
				}
				return !t.Failed()
			}
			calls := 0
			for attempt(calls+1, "error", func(Ctx) error { return errors.New(canaryError) }, patient, 503) {
				calls++
				attempt(calls, "panic", func(Ctx) error { panic(canaryError) }, patient, 500)
				attempt(calls, "hang", hang, impatient, 503)
			}
			if calls == 0 {
				t.Error("the store was never asked")
			}
			if log := k.Logs.String(); !strings.Contains(log, "canary-sql") || !strings.Contains(log, "request_id") {
				t.Error("the log does not name the cause")
			}
		})
	}
}

// Without the store, each route that needs it answers 503.
func TestFB01_NoStore(t *testing.T) {
	t.Parallel()
	BothModes(t, func(t *testing.T, m Mode) {
		faults := NewFaults()
		k := NewKit(t, m, Setup{Store: faults, Service: Unlimited})
		u := k.SignUpVerified(Ann)
		faults.Fail(errors.New(canaryError))
		for _, q := range []Request{
			Post("/signup", SignUpBody(Bob, GoodPassword)), Post("/signin", SignUpBody(Ann, GoodPassword)), Post("/signin", SignUpBody(Bob, GoodPassword)),
			Post("/password/replace", Object("loginId", Ann, "oldPassword", GoodPassword, "newPassword", OtherPassword)),
			Post("/password/reset", Object("loginId", Ann)), Post("/password/reset/complete", Object("token", "x", "newPassword", OtherPassword)),
			Post("/password/reset/verify", Object("token", "x")), Post("/email/verify", Object("token", "x")),
			k.As(u, Post("/password/update", Object("newPassword", OtherPassword))), k.As(u, Post("/email/verify/send", "")),
			k.As(u, Post("/email/change", Object("newEmail", "new@example.com", "currentPassword", GoodPassword))), k.Refresh(u), k.As(u, Get("/me")),
			k.As(u, Request{Method: http.MethodPatch, Path: "/me", Body: "{}"}), k.As(u, Get("/sessions")), k.As(u, Request{Method: http.MethodDelete, Path: "/sessions/" + u.ID}),
			k.As(u, Post("/signout", "")), k.As(u, Post("/signout/all", "")),
		} {
			a := k.Do(q)
			if a.Status != 503 || a.Code() != "unavailable" || len(a.Header["Set-Cookie"]) > 0 || strings.Contains(string(a.Body), "canary") {
				t.Errorf("%s: %d %v %s, want 503", q.Path, a.Status, a.Header["Set-Cookie"], a.Body)
			}
		}
		faults.Fail(nil)
		if !k.IsSignedIn(u) {
			t.Error("an outage signed a user out")
		}
	})
}

// Work that follows a decision does not change it if it fails.
func TestFB01_ALimitThatCannotBeClearedDoesNotShutOut(t *testing.T) {
	t.Parallel()
	faults := NewFaults()
	k := NewKit(t, InBodies, Setup{Store: faults})
	u := k.SignUp(Ann)
	faults.CleanupErr = errors.New("gone")
	k.Do(k.As(u, Post("/password/update", Object("newPassword", OtherPassword, "currentPassword", GoodPassword)))).Want(t, 200, "")
}

func TestFB03_PanicsAreAnswered(t *testing.T) {
	t.Parallel()
	k := NewKit(t, InBodies, Setup{Service: func(c *usher.Config) {
		hook := c.OnEvent
		c.OnEvent = func(ctx Ctx, e usher.Event) {
			hook(ctx, e)
			if e.Name == usher.EventSignIn {
				panic("canary")
			}
		}
		c.Claims = func(_ Ctx, u usher.User) (map[string]any, error) {
			if u.Email == Bob {
				panic("canary")
			}
			return nil, nil
		}
	}})
	k.SignUp(Ann)
	k.SignIn(Ann, GoodPassword) // a hook that panics changes no answer
	a := k.Do(Post("/signup", SignUpBody(Bob, GoodPassword))).Want(t, 500, "internal")
	if strings.Contains(string(a.Body), "canary") || !strings.Contains(k.Logs.String(), a.Text("requestId")) {
		t.Errorf("body is %s", a.Body)
	}
	k.SignIn(Ann, GoodPassword)
}

func TestAnAbortedAnswerStaysAborted(t *testing.T) {
	t.Parallel()
	k := NewKit(t, InCookies, Setup{Jar: withStore(func(string) error { panic(http.ErrAbortHandler) })})
	u := usher.SignUpParams{LoginID: Ann, Password: GoodPassword}
	if _, err := k.Service.SignUp(t.Context(), u, usher.Client{}); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if p := recover(); p != http.ErrAbortHandler { //nolint:errorlint // as net/http compares it.
			t.Errorf("panic is %v, want http.ErrAbortHandler", p)
		}
	}()
	r := httptest.NewRequest(http.MethodPost, "https://app.example/auth/signin", strings.NewReader(SignUpBody(Ann, GoodPassword)))
	r.Header.Set("Content-Type", "application/json")
	k.Server.ServeHTTP(httptest.NewRecorder(), r)
	t.Error("the answer was not aborted")
}

// A body that breaks off is an error of the client.
func TestABrokenBody(t *testing.T) {
	t.Parallel()
	k := NewKit(t, InBodies, Setup{})
	r := httptest.NewRequest(http.MethodPost, "https://app.example/auth/signin", brokenReader{})
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	k.Server.ServeHTTP(w, r)
	if w.Code != 400 || !strings.Contains(w.Body.String(), "invalid_request") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, fmt.Errorf("unexpected end") }

// The program's own code, a hook of the store or Config.Claims, refuses with a code, a
// field and a sentence of its own. Its other errors are outages.
func TestFB07_TheProgramRefuses(t *testing.T) {
	t.Parallel()
	var refusal, claimsError error
	refused := &usher.Rejection{Code: "not_invited", Field: "loginId", Message: "Ask a colleague for an invitation."}
	st, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "usher.db"), sqlite.Options{
		Hook: func(context.Context, *sql.Tx, sqlstore.Change) error { return refusal },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	k := NewKit(t, InBodies, Setup{Store: st, Service: func(c *usher.Config) {
		Unlimited(c)
		c.Claims = func(context.Context, usher.User) (map[string]any, error) { return nil, claimsError }
	}})
	ann := k.SignUpVerified(Ann)
	k.SignIn(Ann, GoodPassword)
	patch := Request{Method: http.MethodPatch, Path: "/me", Body: `{"name":"x"}`}
	update := Post("/password/update", Object("newPassword", OtherPassword, "currentPassword", GoodPassword))
	replace := Post("/password/replace", Object("loginId", Ann, "oldPassword", GoodPassword, "newPassword", OtherPassword))
	complete := Post("/password/reset/complete", Object("token", k.ResetToken(Ann), "newPassword", OtherPassword))
	for name, c := range map[string]struct {
		q    Request
		hook bool // the hook takes part
		jwt  bool // tokens are issued
	}{
		"sign-up": {Post("/signup", SignUpBody(Bob, GoodPassword)), true, true},
		"sign-in": {Post("/signin", SignUpBody(Ann, GoodPassword)), false, true},
		"refresh": {k.Refresh(ann), false, true},
		"profile": {k.As(ann, patch), true, false},
		"update":  {k.As(ann, update), true, true},
		"replace": {replace, true, true},
		"reset":   {complete, true, false},
	} {
		for cause, set := range map[string]func(error){"hook": func(err error) { refusal = err }, "claims": func(err error) { claimsError = err }} {
			if cause == "hook" && !c.hook || cause == "claims" && !c.jwt {
				continue
			}
			set(fmt.Errorf("the program: %w", refused))
			a := k.Do(c.q).Want(t, 422, "rejected")
			if a.Text("detail") != refused.Message || !strings.Contains(string(a.Body), `"fields":[{"field":"loginId","code":"not_invited","detail":"Ask a colleague`) {
				t.Errorf("%s, refused by the %s: %s", name, cause, a.Body)
			}
			set(errors.New(canaryError))
			if a := k.Do(c.q); a.Status < 500 || strings.Contains(string(a.Body), "canary") || cause == "hook" && a.Status != 503 {
				t.Errorf("%s, a failure of the %s: %d %s", name, cause, a.Status, a.Body)
			}
			set(nil)
		}
	}
	refusal = refused
	if err := k.Service.Operator("test").Delete(t.Context(), k.UserID(Ann)); !errors.As(err, new(*usher.Rejection)) || errors.Is(err, usher.ErrUnavailable) {
		t.Errorf("a deletion: %v", err)
	}
	refusal = nil
	if !k.IsSignedIn(ann) {
		t.Error("a refusal signed the user out")
	}
	k.SignUp(Bob) // nothing was left behind
	if events := k.Events.Take(); !strings.Contains(events, "user_create_fail:rejected") {
		t.Errorf("events are %q", events)
	}
}

// A refusal by Config.Claims in a refresh on the way to a protected route is no outage.
func TestFB07_TheProgramRefusesARefreshInPassing(t *testing.T) {
	t.Parallel()
	var refusal error
	k := NewKit(t, InCookies, Setup{Service: func(c *usher.Config) {
		c.Claims = func(context.Context, usher.User) (map[string]any, error) { return nil, refusal }
	}})
	u := k.SignUp(Ann)
	k.Clock.Add(11 * time.Minute) // the session token has expired
	refusal = &usher.Rejection{Code: "unpaid", Message: "Pay the bill first."}
	for _, path := range []string{"/me", "~/protected"} {
		a := k.Do(k.As(u, Get(path))).Want(t, 422, "rejected")
		if a.Text("detail") != "Pay the bill first." || !strings.Contains(string(a.Body), `"code":"unpaid"`) {
			t.Errorf("%s: %s", path, a.Body)
		}
	}
	refusal = nil
	k.Do(k.As(u, Get("/me"))).Want(t, 200, "")
}

// keptCookies is a cookies.Config.Store that may be down.
type keptCookies struct {
	sessions.Store
	down bool
}

func (s *keptCookies) New(r *http.Request, name string) (*sessions.Session, error) {
	if s.down {
		return sessions.NewSession(s, name), errors.New(canaryError)
	}
	return s.Store.New(r, name)
}

func (s *keptCookies) Save(r *http.Request, w http.ResponseWriter, one *sessions.Session) error {
	if s.down {
		return errors.New(canaryError)
	}
	return s.Store.Save(r, w, one)
}

// While the store of the cookies is down, no request counts as signed out, and a sign-out does
// not succeed.
func TestFB06_AnOutageOfTheStoreOfCookiesEndsNoSession(t *testing.T) {
	t.Parallel()
	kept := &keptCookies{Store: sessions.NewFilesystemStore(t.TempDir(), []byte(Secret))}
	k, _ := NewPages(t, pages.Config{}, Setup{Jar: func(c *cookies.Config) { c.Secret, c.Store = "", kept }})
	u := k.SignUp(Ann)
	kept.down = true
	for name, q := range map[string]Request{
		"me":         k.As(u, Get("/me")),
		"refresh":    k.Refresh(u),
		"sign-out":   k.As(u, Post("/signout", "")),
		"everywhere": k.As(u, Post("/signout/all", "")),
		"sign-in":    Post("/signin", SignUpBody(Ann, GoodPassword)),
		"a page":     k.As(u, Get("~/auth/account", "Sec-Fetch-Mode", "navigate", "Accept", "text/html")),
		"two":        Get("/me", "Cookie", u.Cookie, "Cookie", u.Cookie),
	} {
		if a := k.Do(q); a.Status != 503 || len(a.Header["Set-Cookie"]) > 0 || strings.Contains(string(a.Body), "canary") {
			t.Errorf("%s: %d %q %s", name, a.Status, a.Header["Set-Cookie"], a.Body)
		}
	}
	kept.down = false
	k.Do(k.As(u, Get("/me"))).Want(t, 200, "")
	k.Do(k.As(u, Post("/signout", ""))).Want(t, 200, "")
	k.Do(k.As(u, Get("/me"))).Want(t, 401, "invalid_session")
}
