package handlers_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/handlers"
	. "github.com/usherkit/usher/internal/webtest"
	"github.com/usherkit/usher/middleware"
	"github.com/usherkit/usher/pages"
	"github.com/usherkit/usher/problem"
	"github.com/usherkit/usher/token"
)

// addSupport adds the routes of a support desk. /finish leaves the answer to the kit, and
// /token answers by itself.
func addSupport(k *Kit) {
	mux := k.Server.(*http.ServeMux)
	act := func(w http.ResponseWriter, r *http.Request) {
		a, err := k.Service.Operator("ops:alice").Impersonate(r.Context(), r.FormValue("user"), k.Handlers.Client(w, r))
		switch {
		case err != nil:
			k.Handlers.Fail(w, r, err)
		case r.URL.Path == "/finish":
			k.Handlers.Finish(w, r, a)
		default:
			_ = json.NewEncoder(w).Encode(map[string]string{"sessionToken": a.Tokens.Session.Reveal()})
		}
	}
	mux.HandleFunc("POST /finish", act)
	mux.HandleFunc("POST /token", act)
	mux.Handle("/actor", k.Handlers.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, middleware.Actor(r.Context()))
	})))
}

// The browser of the operator keeps its cookies, and sends the token beside them.
func TestOP14_TheSessionOfTheOperatorGoesOn(t *testing.T) {
	t.Parallel()
	BothModes(t, func(t *testing.T, m Mode) {
		k := NewKit(t, m, Setup{})
		addSupport(k)
		k.SignUpVerified(Ann)
		k.SignUpVerified(Bob)
		operator := k.SignUpVerified("desk@example.com")
		for _, user := range []string{Ann, Bob} {
			a := k.Do(k.As(operator, Post("~/token?user="+k.UserID(user), ""))).Want(t, 200, "")
			if a.Header["Set-Cookie"] != nil {
				t.Errorf("the cookies changed: %q", a.Header["Set-Cookie"])
			}
			acting := func(q Request) Request {
				if m == InCookies {
					q = k.As(operator, q)
				}
				return q.With("Authorization", "Bearer "+a.Text("sessionToken"))
			}
			if me := k.Do(acting(Get("/me"))).Want(t, 200, ""); me.Text("user.loginId") != user {
				t.Errorf("acts as %s", me.Body)
			}
			if actor := k.Do(acting(Get("~/actor"))).Body; string(actor) != "ops:alice" {
				t.Errorf("the actor is %q", actor)
			}
			for _, q := range []Request{Get("/sessions"), Get("/account/data"), Post("/account/delete", Object("currentPassword", GoodPassword)), Post("/signout/all", ""), Post("/session/confirm", Object("password", GoodPassword)), Post("/email/change", Object("newEmail", "x@example.com"))} {
				k.Do(acting(q)).Want(t, 403, "forbidden")
			}
			if out := k.Do(acting(Post("/signout", ""))).Want(t, 200, ""); out.Header["Set-Cookie"] != nil {
				t.Errorf("the sign-out changed cookies: %q", out.Header["Set-Cookie"])
			}
			k.Do(acting(Get("/me"))).Want(t, 401, "invalid_session")
			if !k.IsSignedIn(operator) {
				t.Fatal("the operator is signed out")
			}
		}
		if actor := k.Do(k.As(operator, Get("~/actor"))).Body; len(actor) != 0 {
			t.Errorf("the actor of a user is %q", actor)
		}
	})
}

// With a token of the operator and no cookie there is nothing to which Finish could bind the
// cookie of the impersonation.
func TestOP14_FinishNeedsTheCookieOfTheOperator(t *testing.T) {
	t.Parallel()
	BothModes(t, func(t *testing.T, m Mode) {
		k := NewKit(t, m, Setup{})
		addSupport(k)
		ann := k.SignUpVerified(Ann)
		operator := k.SignUpVerified("desk@example.com")
		act := Post("~/finish?user="+k.UserID(Ann), "")
		if m == InBodies {
			a := k.Do(k.As(operator, act)).Want(t, 200, "")
			if a.Text("sessionToken") == "" || a.JSON["refreshToken"] != nil || a.Text("user.loginId") != Ann {
				t.Errorf("the answer is %s", a.Body)
			}
			return
		}
		bearer := usher.Must(k.Service.StartSession(t.Context(), k.UserID("desk@example.com"), usher.Proof{Methods: []string{"otp"}, At: k.Clock.Now()}, usher.Client{}))
		for name, q := range map[string]Request{
			"no session": act, "bearer": act.With("Authorization", "Bearer "+bearer.Tokens.Session.Reveal()),
			"bearer and cookie": k.As(operator, act).With("Authorization", "Bearer "+bearer.Tokens.Session.Reveal()),
		} {
			k.Logs.Take()
			a := k.Do(q).Want(t, 500, "internal")
			if a.Header["Set-Cookie"] != nil || !strings.Contains(k.Logs.String(), "Authorization header") {
				t.Errorf("%s: cookies %q, log %s", name, a.Header["Set-Cookie"], k.Logs)
			}
		}
		if ended := string(k.Service.Revocations()); strings.Count(ended, `"sid"`) != 3 {
			t.Errorf("a session that was not delivered goes on: %s", ended)
		}
		if !k.IsSignedIn(operator) || !k.IsSignedIn(ann) {
			t.Error("another session ended")
		}
	})
}

// With two cookies of the name that open, none counts, and both are removed.
func TestOP14_TwoCookies(t *testing.T) {
	t.Parallel()
	inBothJars(t, Setup{}, func(t *testing.T, k *Kit, b *Browser) {
		act(t, b, Ann)
		first := b.Cookies[impersonationCookie].Value
		b.Send("/signout")
		act(t, b, Bob)
		var line []string
		for _, c := range b.Cookies {
			line = append(line, c.Name+"="+c.Value)
		}
		twice := strings.Join(append(line, impersonationCookie+"="+first), "; ")
		if v := b.Open("/protected", "Cookie", twice, "Sec-Fetch-Mode", "cors"); v.Status != 401 {
			t.Errorf("%d %s", v.Status, v.Body)
		}
	})
}

// The token of a user in the cookie is not that of an operator who acts.
func TestOP14_ATokenWithoutAnActorIsNoImpersonation(t *testing.T) {
	t.Parallel()
	inBothJars(t, Setup{}, func(t *testing.T, k *Kit, b *Browser) {
		ann := usher.Must(k.Service.StartSession(t.Context(), k.UserID(Ann), usher.Proof{Methods: []string{"otp"}, At: k.Clock.Now()}, usher.Client{}))
		w := httptest.NewRecorder()
		if err := k.Jar.SetImpersonation(w, httptest.NewRequest("GET", "https://app.example/", nil), ann.Tokens.Session, ann.Tokens.SessionExpiresAt, sessionID(t, b)); err != nil {
			t.Fatal(err)
		}
		b.Cookies[impersonationCookie] = w.Result().Cookies()[0]
		if v := script(b, http.MethodGet, "/auth/me", ""); v.Status != 401 || !strings.Contains(v.Body, "impersonation_ended") {
			t.Errorf("%d %s", v.Status, v.Body)
		}
	})
}

// A program that writes its own errors gets this one, too, and no redirect hides it.
func TestOP16_OnErrorGetsTheEnd(t *testing.T) {
	t.Parallel()
	var got problem.Code
	s := Setup{Config: func(c *handlers.Config) {
		c.OnError = func(w http.ResponseWriter, _ *http.Request, p problem.Problem) {
			got = p.Code
			w.WriteHeader(p.Status)
		}
	}}
	k, b := NewPages(t, pages.Config{}, s)
	addSupport(k)
	k.Browser(t).SignUp(Ann)
	b.SignUp(desk)
	act(t, b, Ann)
	if err := k.Service.Operator("ops:bob").SignOutUser(t.Context(), k.UserID(Ann)); err != nil {
		t.Fatal(err)
	}
	if v := b.Open("/protected"); v.Status != 401 || got != problem.ImpersonationEnded || b.Cookies[impersonationCookie] != nil {
		t.Errorf("%d %q %v", v.Status, got, b.Cookies[impersonationCookie])
	}
}

// The route is the one of docs/users.md.
func TestOP12_OP14_TheRoutesOfASupportDesk(t *testing.T) {
	t.Parallel()
	k := NewKit(t, InBodies, Setup{})
	h, service := k.Handlers, k.Service
	k.Server.(*http.ServeMux).Handle("POST /support/act", h.RequireRole("support")(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		operator := service.Operator("ops:" + middleware.Subject(r.Context()))
		user, err := operator.User(r.Context(), r.FormValue("user"))
		rights := len(user.Roles) + len(user.Permissions) + len(user.Tenants)
		if err == nil && (rights > 0 || middleware.Actor(r.Context()) != "") {
			err = usher.ErrForbidden
		}
		var a *usher.Authentication
		if err == nil {
			a, err = operator.Impersonate(r.Context(), user.ID, h.Client(w, r))
		}
		if err != nil {
			h.Fail(w, r, err)
			return
		}
		h.Finish(w, r, a)
	})))
	page, err := os.ReadFile("../docs/users.md")
	if err != nil || !strings.Contains(string(page), "\trights := len(user.Roles) + len(user.Permissions) + len(user.Tenants)\n\tif err == nil && (rights > 0 || middleware.Actor(r.Context()) != \"\") {") {
		t.Errorf("the page has another route: %v", err)
	}
	k.SignUpVerified(Ann)
	operator := k.SignUpVerified("desk@example.com")
	set := func(loginID string, in usher.UpdateUserParams) {
		usher.Must(service.Operator("test").UpdateUser(t.Context(), k.UserID(loginID), in))
	}
	rights, none, tenants, noTenants := []string{"support"}, []string{}, map[string]token.Tenant{"t": {}}, map[string]token.Tenant{}
	set("desk@example.com", usher.UpdateUserParams{Roles: &rights})
	act := k.As(operator, Post("~/support/act?user="+k.UserID(Ann), ""))
	for _, in := range []usher.UpdateUserParams{{Roles: &rights}, {Permissions: &rights}, {Tenants: &tenants}} {
		set(Ann, usher.UpdateUserParams{Roles: &none, Permissions: &none, Tenants: &noTenants})
		set(Ann, in)
		k.Do(act).Want(t, 403, "forbidden")
	}
	set(Ann, usher.UpdateUserParams{Tenants: &noTenants})
	a := k.Do(act).Want(t, 200, "")
	id, bearer := a.Text("session.id"), a.Text("sessionToken")

	k.Do(Post("/signin", Object("loginId", Ann, "password", GoodPassword), "Authorization", "Bearer "+bearer)).Want(t, 200, "")
	events := usher.Must(service.Operator("test").Events(t.Context(), usher.EventQuery{Name: usher.EventSessionEnded})).Events
	if len(events) != 1 || events[0].SessionID != id || events[0].Reason != "replaced" || events[0].Actor != "ops:"+k.UserID("desk@example.com") {
		t.Errorf("the events are %+v", events)
	}
}

// A cookie that another host of the domain has set locks no user out, and a sign-out signs out.
func TestOP21_JunkLocksNobodyOut(t *testing.T) {
	t.Parallel()
	inBothJars(t, Setup{}, func(t *testing.T, k *Kit, b *Browser) {
		forged := &http.Cookie{Name: impersonationCookie, Value: b.Cookies["__Host-session"].Value}
		b.Cookies[impersonationCookie] = forged
		wantUser(t, b, desk, "")
		if v := script(b, http.MethodPost, "/auth/session/refresh", ""); v.Status != 200 {
			t.Errorf("refresh: %d %s", v.Status, v.Body)
		}
		b.Send("/signout").WantRedirect(t, "/auth/signin")
		if b.Cookies["__Host-session"] != nil {
			t.Error("signed in after the sign-out")
		}
		b.Send("/signin", "loginId", desk, "password", GoodPassword).WantRedirect(t, "/")
		wantUser(t, b, desk, "")

		// A cookie that was set for this session counts even if it does not open.
		act(t, b, Ann)
		value := b.Cookies[impersonationCookie].Value
		b.Cookies[impersonationCookie] = &http.Cookie{Name: impersonationCookie, Value: value[:len(value)-9]}
		for _, path := range []string{"/auth/me", "/protected"} {
			if v := script(b, http.MethodGet, path, ""); v.Status != 401 || !strings.Contains(v.Body, "impersonation_ended") {
				t.Errorf("%s: %d %s", path, v.Status, v.Body)
			}
		}
		b.Send("/account/name", "name", "late").WantPage(t, 401, "Acting as another user has ended")
		if got := names(t, k); got[Ann] != "Ann" || got[desk] != "Ann" {
			t.Errorf("the names are %v", got)
		}
		wantUser(t, b, desk, "")
	})
}
