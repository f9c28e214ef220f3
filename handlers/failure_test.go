package handlers_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/handlers"
)

const canaryError = "canary-sql: SELECT * FROM users at /var/db/canary.db"

// unlimited lets a test fail as often as it likes.
func unlimited(c *usher.Config) {
	c.Limits.FreeFailures, c.Limits.NetworkFailures, c.Limits.SignUps = 100, 1_000_000, 1_000_000
	c.Limits.ResetMails, c.Limits.ResetRequests, c.Limits.Mails = 100, 1_000_000, 1000
}

// acts are requests that use the store, and succeed when it does. Each is built
// anew, with what it needs, on a kit in which ann is signed in.
var acts = []struct {
	name  string
	build func(k *kit) request
}{
	{"sign-up", func(*kit) request { return post("/signup", signUpBody(bob, goodPassword)) }},
	{"sign-in", func(*kit) request { return post("/signin", signUpBody(ann, goodPassword)) }},
	{"replace", func(*kit) request {
		return post("/password/replace", object("loginId", ann, "oldPassword", goodPassword, "newPassword", otherPassword))
	}},
	{"update", func(k *kit) request {
		return k.as(k.signIn(ann, goodPassword), post("/password/update", object("newPassword", otherPassword, "currentPassword", goodPassword)))
	}},
	{"reset", func(*kit) request { return post("/password/reset", object("loginId", ann)) }},
	{"complete", func(k *kit) request {
		return post("/password/reset/complete", object("token", k.resetToken(ann), "newPassword", otherPassword))
	}},
	{"reset/verify", func(k *kit) request { return post("/password/reset/verify", object("token", k.resetToken(ann))) }},
	{"verify/send", func(k *kit) request { return k.as(k.signUp(bob), post("/email/verify/send", "")) }},
	{"verify", func(k *kit) request {
		k.signUp(bob)
		return post("/email/verify", object("token", k.mailedToken(), "password", goodPassword))
	}},
	{"verify, signed in", func(k *kit) request {
		return k.as(k.signUp(bob), post("/email/verify", object("token", k.mailedToken())))
	}},
	{"change", func(k *kit) request {
		return k.as(k.signIn(ann, goodPassword), post("/email/change", object("newEmail", "new@example.com", "currentPassword", goodPassword)))
	}},
	{"cancel", func(k *kit) request {
		u := k.signIn(ann, goodPassword)
		k.do(k.as(u, post("/email/change", object("newEmail", "new@example.com", "currentPassword", goodPassword))))
		return k.as(u, request{http.MethodDelete, "/email/change", "", nil})
	}},
	{"refresh", func(k *kit) request { return k.refresh(k.signIn(ann, goodPassword)) }},
	{"me", func(k *kit) request { return k.as(k.signIn(ann, goodPassword), get("/me")) }},
	{"me, patched", func(k *kit) request {
		return k.as(k.signIn(ann, goodPassword), request{http.MethodPatch, "/me", `{"name":"x"}`, nil})
	}},
	{"sessions", func(k *kit) request { return k.as(k.signIn(ann, goodPassword), get("/sessions")) }},
	{"revoke", func(k *kit) request {
		u := k.signIn(ann, goodPassword)
		return k.as(u, request{http.MethodDelete, "/sessions/" + u.id, "", nil})
	}},
	{"sign-out", func(k *kit) request { return k.as(k.signIn(ann, goodPassword), post("/signout", "")) }},
	{"sign-out everywhere", func(k *kit) request { return k.as(k.signIn(ann, goodPassword), post("/signout/all", "")) }},
}

// An erring, hanging or panicking store at each call in turn lets nobody in,
// and the same request succeeds afterwards: nothing was half done, no link was
// spent, no mail was sent.
func TestFB01_FB02_FB03_EachCallOfTheStoreFails(t *testing.T) {
	t.Parallel()
	hang := func(c ctx) error {
		if _, bounded := c.Deadline(); !bounded {
			t.Error("a call of the store may last for ever")
			return errors.New(canaryError)
		}
		<-c.Done()
		return c.Err()
	}
	for _, act := range acts {
		t.Run(act.name, func(t *testing.T) {
			t.Parallel()
			faults := newFaults()
			k := newKit(t, inBodies, setup{store: faults, service: unlimited})
			quick, err := handlers.New(k.svc, handlers.Config{Timeout: 150 * time.Millisecond, Now: k.clock.now})
			if err != nil {
				t.Fatal(err)
			}
			patient := k.server
			impatient := http.NewServeMux()
			impatient.Handle("/auth/", quick)
			k.signUpVerified(ann)
			q := act.build(k)
			k.forget()

			// try reports whether the request got as far as call n.
			try := func(n int, kind string, do func(ctx) error, server http.Handler, status int) bool {
				t.Helper()
				k.server = server
				faults.arm(n, do)
				began := time.Now()
				a := k.do(q)
				took, hit := time.Since(began), faults.made() >= n
				faults.fail(nil)
				k.server = patient
				if !hit {
					// A busy machine may use up the time before call n.
					if a.status >= 300 && !(kind == "hang" && a.status == 503) {
						t.Errorf("without a fault: %d %s", a.status, a.body)
					}
					return false
				}
				if a.status != status {
					t.Errorf("%s at call %d: %d %s, want %d", kind, n, a.status, a.body, status)
				}
				if strings.Contains(string(a.body), "canary") || strings.Contains(string(a.body), ".go") {
					t.Errorf("%s at call %d: the answer tells of the cause: %s", kind, n, a.body)
				}
				if took > 4*time.Second {
					t.Errorf("%s at call %d: took %s", kind, n, took)
				}
				if got := k.mails(); got != "" {
					t.Errorf("%s at call %d: mails are %q, want none", kind, n, got)
				}
				return !t.Failed()
			}
			calls := 0
			for try(calls+1, "error", func(ctx) error { return errors.New(canaryError) }, patient, 503) {
				calls++
				try(calls, "panic", func(ctx) error { panic(canaryError) }, patient, 500)
				try(calls, "hang", hang, impatient, 503)
			}
			if calls == 0 {
				t.Error("the store was never asked")
			}
			if log := k.logs.String(); !strings.Contains(log, "canary-sql") || !strings.Contains(log, "request_id") {
				t.Error("the log does not tell of the cause")
			}
		})
	}
}

// The store is gone for good: everything that needs it says so.
func TestFB01_NoStore(t *testing.T) {
	t.Parallel()
	bothModes(t, func(t *testing.T, m mode) {
		faults := newFaults()
		k := newKit(t, m, setup{store: faults, service: unlimited})
		u := k.signUpVerified(ann)
		faults.fail(errors.New(canaryError))
		for _, q := range []request{
			post("/signup", signUpBody(bob, goodPassword)), post("/signin", signUpBody(ann, goodPassword)), post("/signin", signUpBody(bob, goodPassword)),
			post("/password/replace", object("loginId", ann, "oldPassword", goodPassword, "newPassword", otherPassword)),
			post("/password/reset", object("loginId", ann)), post("/password/reset/complete", object("token", "x", "newPassword", otherPassword)),
			post("/password/reset/verify", object("token", "x")), post("/email/verify", object("token", "x")),
			k.as(u, post("/password/update", object("newPassword", otherPassword))), k.as(u, post("/email/verify/send", "")),
			k.as(u, post("/email/change", object("newEmail", "new@example.com", "currentPassword", goodPassword))), k.refresh(u), k.as(u, get("/me")),
			k.as(u, request{http.MethodPatch, "/me", "{}", nil}), k.as(u, get("/sessions")), k.as(u, request{http.MethodDelete, "/sessions/" + u.id, "", nil}),
			k.as(u, post("/signout", "")), k.as(u, post("/signout/all", "")),
		} {
			a := k.do(q)
			if a.status != 503 || a.code() != "unavailable" || len(a.header["Set-Cookie"]) > 0 || strings.Contains(string(a.body), "canary") {
				t.Errorf("%s: %d %v %s, want 503", q.path, a.status, a.header["Set-Cookie"], a.body)
			}
		}
		faults.fail(nil)
		if !k.alive(u) {
			t.Error("an outage signed somebody out")
		}
	})
}

// What only tidies up after a decision does not change it.
func TestFB01_ALimitThatCannotBeClearedDoesNotShutOut(t *testing.T) {
	t.Parallel()
	faults := newFaults()
	k := newKit(t, inBodies, setup{store: faults})
	u := k.signUp(ann)
	faults.tidying = errors.New("gone")
	k.do(k.as(u, post("/password/update", object("newPassword", otherPassword, "currentPassword", goodPassword)))).want(t, 200, "")
}

func TestFB03_PanicsAreAnswered(t *testing.T) {
	t.Parallel()
	k := newKit(t, inBodies, setup{service: func(c *usher.Config) {
		hook := c.OnEvent
		c.OnEvent = func(ctx ctx, e usher.Event) {
			hook(ctx, e)
			if e.Name == usher.EventSignIn {
				panic("canary")
			}
		}
		c.Claims = func(_ ctx, u usher.User) (map[string]any, error) {
			if u.Email == bob {
				panic("canary")
			}
			return nil, nil
		}
	}})
	k.signUp(ann)
	k.signIn(ann, goodPassword) // a hook that panics changes nothing
	a := k.do(post("/signup", signUpBody(bob, goodPassword))).want(t, 500, "internal")
	if strings.Contains(string(a.body), "canary") || !strings.Contains(k.logs.String(), a.text("requestId")) {
		t.Errorf("body is %s", a.body)
	}
	k.signIn(ann, goodPassword)
}

// abortingJar aborts the answer, as net/http lets handlers do.
type abortingJar struct{ handlers.Cookies }

func (abortingJar) Device(*http.Request) usher.Secret { panic(http.ErrAbortHandler) }

func TestAnAbortedAnswerStaysAborted(t *testing.T) {
	t.Parallel()
	k := newKit(t, inCookies, setup{config: func(c *handlers.Config) { c.Cookies = abortingJar{c.Cookies} }})
	defer func() {
		if p := recover(); p != http.ErrAbortHandler { //nolint:errorlint // as net/http compares it.
			t.Errorf("panic is %v, want http.ErrAbortHandler", p)
		}
	}()
	r := httptest.NewRequest(http.MethodPost, "https://app.example/auth/signin", strings.NewReader(signUpBody(ann, goodPassword)))
	r.Header.Set("Content-Type", "application/json")
	k.server.ServeHTTP(httptest.NewRecorder(), r)
	t.Error("the answer was not aborted")
}

// A client that breaks off in the middle of its body is no failure of ours.
func TestABrokenBody(t *testing.T) {
	t.Parallel()
	k := newKit(t, inBodies, setup{})
	r := httptest.NewRequest(http.MethodPost, "https://app.example/auth/signin", brokenReader{})
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	k.server.ServeHTTP(w, r)
	if w.Code != 400 || !strings.Contains(w.Body.String(), "invalid_request") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, fmt.Errorf("unexpected end") }
