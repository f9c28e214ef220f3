package handlers_test

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/usherkit/usher"
	. "github.com/usherkit/usher/internal/webtest"
	"github.com/usherkit/usher/middleware"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/token"
)

// serveGuards adds a page for each guard of the program to the server of a kit.
func serveGuards(k *Kit) {
	claims := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, _ := middleware.Claims(r.Context())
		fmt.Fprintf(w, "%t %v %v", c.EmailVerified, c.Roles, c.Permissions)
	})
	mux := http.NewServeMux()
	mux.Handle("/", k.Server)
	mux.Handle("/confirmed", k.Handlers.RequireVerifiedEmail(claims))
	mux.Handle("/admin", k.Handlers.RequireRole("admin")(claims))
	mux.Handle("/writer", k.Handlers.RequirePermission("write")(claims))
	mux.Handle("/all", k.Handlers.RequireVerifiedEmail(k.Handlers.RequireRole("admin")(k.Handlers.RequirePermission("write")(claims))))
	k.Server = mux
}

// The session token of the browser still says the contrary.
func TestEV08_WhatTheTokenDoesNotSayYetCountsAtOnce(t *testing.T) {
	t.Parallel()
	BothModes(t, func(t *testing.T, m Mode) {
		faults := NewFaults()
		k := NewKit(t, m, Setup{Store: faults})
		serveGuards(k)
		u := k.SignUp(Ann)
		link := k.MailedToken()
		for _, path := range []string{"~/admin", "~/writer", "~/all"} {
			if a := k.Do(k.As(u, Get(path))); a.Status != 403 {
				t.Errorf("%s is %d, want 403", path, a.Status)
			}
		}
		k.Do(k.As(u, Get("~/confirmed"))).Want(t, 403, "email_not_verified")
		// The address is confirmed in another browser, and an operator grants rights.
		k.Do(Post("/email/verify", Object("token", link, "password", GoodPassword))).Want(t, 200, "")
		_, err := k.Service.Operator("ops:test").UpdateUser(t.Context(), k.UserID(Ann), usher.UpdateUserParams{
			Roles: &[]string{"admin"}, Permissions: &[]string{"write"},
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{"~/confirmed", "~/admin", "~/writer", "~/all"} {
			if a := k.Do(k.As(u, Get(path))); a.Status != 200 || string(a.Body) != "true [admin] [write]" {
				t.Errorf("%s is %d %s", path, a.Status, a.Body)
			}
		}
		// The guards of one request read the user and the session once.
		faults.Arm(0, nil)
		k.Do(k.As(u, Get("~/all"))).Want(t, 200, "")
		if n := faults.CallCount(); n != 2 {
			t.Errorf("%d calls of the store, want 2", n)
		}
		// An outage is no reason to refuse the user.
		faults.Fail(errors.New("gone"))
		k.Do(k.As(u, Get("~/confirmed"))).Want(t, 503, "unavailable")
		k.Do(k.As(u, Get("~/protected"))).Want(t, 200, "")
		faults.Fail(nil)
		// A session that has ended in the store alone is over.
		if _, err := k.Store.EndUserSessions(t.Context(), k.UserID(Ann), store.SessionEnd{}, store.Effects{}); err != nil {
			t.Fatal(err)
		}
		k.Do(k.As(u, Get("~/confirmed"))).Want(t, 401, "invalid_session")
	})
}

// A user who was added to a tenant gets in at once. One who was removed gets in until the
// session token expires.
func TestTN06_ANewTenantCountsAtOnce(t *testing.T) {
	t.Parallel()
	BothModes(t, func(t *testing.T, m Mode) {
		k := NewKit(t, m, Setup{})
		inPath := func(r *http.Request) string { return r.PathValue("tenant") }
		claims := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c, _ := middleware.Claims(r.Context())
			fmt.Fprintf(w, "%v", c.Tenants)
		})
		mux := http.NewServeMux()
		mux.Handle("/", k.Server)
		mux.Handle("/t/{tenant}", k.Handlers.RequireTenant(inPath)(claims))
		mux.Handle("/t/{tenant}/owner", k.Handlers.RequireTenantRole(inPath, "owner")(claims))
		k.Server = mux
		u := k.SignUp(Ann)
		become := func(tenants map[string]token.Tenant) {
			t.Helper()
			if _, err := k.Service.Operator("ops:test").UpdateUser(t.Context(), k.UserID(Ann), usher.UpdateUserParams{Tenants: &tenants}); err != nil {
				t.Fatal(err)
			}
		}
		k.Do(k.As(u, Get("~/t/acme"))).Want(t, 403, "forbidden")
		become(map[string]token.Tenant{"acme": {Roles: []string{"owner"}}})
		for path, status := range map[string]int{"~/t/acme": 200, "~/t/acme/owner": 200, "~/t/other": 403, "~/t/other/owner": 403} {
			if a := k.Do(k.As(u, Get(path))); a.Status != status {
				t.Errorf("%s is %d, want %d", path, a.Status, status)
			}
		}
		u = k.Do(k.Refresh(u)).Want(t, 200, "").Keep(u)
		become(nil)
		k.Do(k.As(u, Get("~/t/acme"))).Want(t, 200, "")
		k.Clock.Add(11 * time.Minute)
		u = k.Do(k.Refresh(u)).Want(t, 200, "").Keep(u)
		k.Do(k.As(u, Get("~/t/acme"))).Want(t, 403, "forbidden")
	})
}

// verifierOnly hides the other interfaces of a Service, as a remote verifier lacks them.
type verifierOnly struct{ middleware.Validator }

func TestEV08_TheAnswerToAVerificationRenewsTheSession(t *testing.T) {
	t.Parallel()
	BothModes(t, func(t *testing.T, m Mode) {
		k := NewKit(t, m, Setup{})
		u, other := k.SignUp(Ann), k.SignIn(Ann, GoodPassword)
		link := k.MailedToken()
		verified := func(u Tokens) bool {
			t.Helper()
			cfg := middleware.Config{Validator: verifierOnly{k.Service}, Now: k.Clock.Now}
			if m == InCookies {
				cfg.Cookies = k.Jar
			}
			guard, err := middleware.New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			before := k.Server
			defer func() { k.Server = before }()
			k.Server = guard.RequireVerifiedEmail(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
			return k.Do(k.As(u, Get("~/"))).Status == 200
		}
		k.Clock.Add(3 * time.Minute)
		a := k.Do(k.As(u, Post("/email/verify", Object("token", link)))).Want(t, 200, "")
		if m == InBodies && a.JSON["expiresIn"] != float64(7*60) {
			t.Errorf("the new token expires after %v s, want when the old one does", a.JSON["expiresIn"])
		}
		after := a.Keep(u)
		if !verified(after) || verified(u) || verified(other) {
			t.Error("the new token does not say that the address is confirmed, or an old one does")
		}
		if got := a.Text("sessionToken"); (got != "") != (m == InBodies) || a.Text("refreshToken") != "" {
			t.Errorf("the answer is %s", a.Body)
		}
		if !k.IsSignedIn(after) || !k.IsSignedIn(other) {
			t.Error("a session has ended")
		}
		k.Do(k.Refresh(after)).Want(t, 200, "")
		if list, err := k.Store.UserSessions(t.Context(), k.UserID(Ann), k.Clock.Now()); err != nil || len(list) != 2 {
			t.Errorf("%d sessions, %v", len(list), err)
		}

		// Without a session of the user there is nothing to renew.
		bob := k.SignUp(Bob)
		k.ClearRecords()
		carl := k.SignUp("carl@example.com")
		link = k.MailedToken()
		a = k.Do(k.As(bob, Post("/email/verify", Object("token", link, "password", GoodPassword)))).Want(t, 200, "")
		if a.Text("sessionToken") != "" || len(a.Header["Set-Cookie"]) > 0 || verified(bob) || verified(carl) {
			t.Errorf("the answer beside a session of another user is %v %s", a.Header["Set-Cookie"], a.Body)
		}
	})
}
