package handlers_test

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/cookies"
	. "github.com/usherkit/usher/internal/webtest"
	"github.com/usherkit/usher/middleware"
	"github.com/usherkit/usher/pages"
)

const (
	desk                = "desk@example.com"
	impersonationCookie = "__Host-session-as"
)

// inBothJars runs a test with sealed cookies, and with plain tokens in cookies.
func inBothJars(t *testing.T, s Setup, test func(t *testing.T, k *Kit, operator *Browser)) {
	for name, jar := range map[string]func(*cookies.Config){"sealed": nil, "plain": func(c *cookies.Config) {
		c.Plain, c.SessionName, c.RefreshName = true, "__Host-session", "__Host-refresh"
	}} {
		s := s // for each jar, because the tests are parallel
		s.Jar = jar
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k, operator := NewPages(t, pages.Config{}, s)
			addSupport(k)
			for _, loginID := range []string{Ann, Bob} {
				k.Browser(t).SignUp(loginID)
			}
			operator.SignUp(desk)
			test(t, k, operator)
		})
	}
}

// act begins to act as the user in the browser of the operator.
func act(t *testing.T, b *Browser, loginID string) {
	t.Helper()
	b.Do(http.MethodPost, "/finish", Form("user", b.K.UserID(loginID), "return_to", "/protected")).WantRedirect(t, "/protected")
}

// script sends a request as a script of a page does, and returns the answer.
func script(b *Browser, method, path, body string) View {
	return b.Do(method, path, body, "Sec-Fetch-Mode", "cors", "Accept", "application/json", "Content-Type", "application/json")
}

// wantUser fails the test unless the browser acts as that user.
func wantUser(t *testing.T, b *Browser, loginID, actor string) {
	t.Helper()
	me := script(b, http.MethodGet, "/auth/me", "")
	if me.Status != 200 || !strings.Contains(me.Body, `"loginId":"`+loginID+`"`) || strings.Contains(me.Body, `"actor":"`+actor+`"`) != (actor != "") {
		t.Errorf("not %s by %q: %d %s", loginID, actor, me.Status, me.Body)
	}
	if by := b.Open("/actor").Body; by != actor {
		t.Errorf("the actor is %q, want %q", by, actor)
	}
}

// names returns the names of the users, to see whom a request has changed.
func names(t *testing.T, k *Kit) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, loginID := range []string{Ann, Bob, desk} {
		all[loginID] = usher.Must(k.Service.Operator("test").UserByLoginID(t.Context(), loginID)).Name
	}
	return all
}

// sessionID returns the id of the session of the browser.
func sessionID(t *testing.T, b *Browser) string {
	t.Helper()
	var me struct{ Session struct{ ID string } }
	if err := json.Unmarshal([]byte(script(b, http.MethodGet, "/auth/me", "").Body), &me); err != nil {
		t.Fatal(err)
	}
	return me.Session.ID
}

// wantEvents fails the test unless the session has caused these events, oldest first, and all
// of them name the operator.
func wantEvents(t *testing.T, k *Kit, user, session string, want ...usher.EventName) {
	t.Helper()
	var got []usher.EventName
	for _, e := range usher.Must(k.Service.Operator("test").Events(t.Context(), usher.EventQuery{UserID: k.UserID(user)})).Events {
		if e.SessionID != session {
			continue
		}
		if e.Actor != "ops:alice" {
			t.Errorf("%s has the actor %q", e.Name, e.Actor)
		}
		got = append([]usher.EventName{e.Name}, got...)
	}
	if !slices.Equal(got, want) {
		t.Errorf("the events are %v, want %v", got, want)
	}
}

func TestOP14_TheOperatorGetsTheSameSessionBack(t *testing.T) {
	t.Parallel()
	s := Setup{Service: func(c *usher.Config) { c.Sessions.Max = 3 }}
	inBothJars(t, s, func(t *testing.T, k *Kit, b *Browser) {
		devices := map[string][]Tokens{}
		for _, user := range []string{Ann, Bob} {
			devices[user] = []Tokens{k.SignIn(user, GoodPassword), k.SignIn(user, GoodPassword)} // Sessions.Max, with that of the sign-up
		}
		k.ClearRecords()
		before, own := maps.Clone(b.Cookies), script(b, http.MethodGet, "/auth/me", "").Body
		if before["__Host-session"].MaxAge == 0 {
			t.Fatal("the operator does not stay signed in")
		}
		for _, user := range []string{Ann, Bob} {
			act(t, b, user)
			c := b.Cookies[impersonationCookie]
			if c == nil || !c.HttpOnly || !c.Secure || c.Path != "/" || c.Domain != "" || c.MaxAge != 0 || c.SameSite != before["__Host-session"].SameSite || strings.Contains(c.Value, "eyJ") {
				t.Fatalf("the cookie is %v", c)
			}
			wantUser(t, b, user, "ops:alice")
			acting := sessionID(t, b)
			b.Open("/auth/account").WantPage(t, 200, "acting as "+user, `action="/auth/signout"`)
			b.Send("/account/name", "name", "By the desk").WantRedirect(t, "/auth/account")
			if user == Ann {
				b.Send("/signout").WantRedirect(t, "/auth/account")
				b.Open("/auth/account").WantPage(t, 200, "act as yourself again", desk)
			} else if out := script(b, http.MethodPost, "/auth/signout", ""); out.Status != 200 {
				t.Errorf("sign-out: %d %s", out.Status, out.Body)
			}
			if b.Cookies[impersonationCookie] != nil {
				t.Error("the cookie stays after the sign-out")
			}
			wantEvents(t, k, user, acting, usher.EventSessionCreated, usher.EventUserUpdated, usher.EventSignOut, usher.EventSessionEnded)
			for name, c := range before {
				if got := b.Cookies[name]; got == nil || got.String() != c.String() {
					t.Errorf("%s is %v, was %v", name, got, c)
				}
			}
			wantUser(t, b, desk, "")
			if me := script(b, http.MethodGet, "/auth/me", "").Body; me != own {
				t.Errorf("the session of the operator changed from %s to %s", own, me)
			}
			for i, device := range devices[user] {
				if !k.IsSignedIn(device) {
					t.Errorf("device %d of %s is signed out", i, user)
				}
			}
		}
		if got := names(t, k); got[Ann] != "By the desk" || got[Bob] != "By the desk" || got[desk] != "Ann" {
			t.Errorf("the names are %v", got)
		}
		b.Send("/signout").WantRedirect(t, "/auth/signin")
		if b.Cookies["__Host-session"] != nil {
			t.Error("another sign-out does not sign the operator out")
		}
	})
}

// Nothing moves the end of the session of 15 minutes, while that of the operator is refreshed.
func TestOP14_NoRefreshGoesPastTheCap(t *testing.T) {
	t.Parallel()
	inBothJars(t, Setup{}, func(t *testing.T, k *Kit, b *Browser) {
		k.Inbox()
		act(t, b, Ann)
		acting := b.Cookies[impersonationCookie].Value
		for range 2 {
			k.Clock.Add(7 * time.Minute)
			wantUser(t, b, Ann, "ops:alice")
			if refresh := script(b, http.MethodPost, "/auth/session/refresh", ""); refresh.Status != 403 {
				t.Errorf("refresh: %d %s", refresh.Status, refresh.Body)
			}
		}
		k.Clock.Add(time.Minute)
		b.Cookies[impersonationCookie] = &http.Cookie{Name: impersonationCookie, Value: acting} // as a client may keep it
		for range 2 {
			if late := script(b, http.MethodPatch, "/auth/me", `{"name":"late"}`); late.Status != 401 || !strings.Contains(late.Body, "impersonation_ended") {
				t.Errorf("after 15 minutes: %d %s", late.Status, late.Body)
			}
		}
		if got := names(t, k); got[Ann] != "Ann" || got[desk] != "Ann" {
			t.Errorf("the names are %v", got)
		}
	})
}

// Until a page has said so, no request of the browser counts as one of the operator: it may
// come from a page that shows the user.
func TestOP16_TheEndIsShownBeforeTheOperatorActs(t *testing.T) {
	t.Parallel()
	inBothJars(t, Setup{}, func(t *testing.T, k *Kit, b *Browser) {
		for name, late := range map[string]func() View{
			"form":    func() View { return b.Send("/account/name", "name", "late") },
			"page":    func() View { return b.Open("/protected") },
			"open":    func() View { return b.Open("/auth/signin") }, // Optional
			"account": func() View { return b.Open("/auth/account") },
		} {
			act(t, b, Ann)
			if err := k.Service.Operator("ops:bob").SignOutUser(t.Context(), k.UserID(Ann)); err != nil {
				t.Fatal(err)
			}
			for _, hidden := range [][]string{{"Sec-Fetch-Mode", "cors"}, {"Sec-Purpose", "prefetch"}, {"Sec-Fetch-Dest", "iframe"}} {
				if v := b.Open("/protected", hidden...); v.Status != 401 || b.Cookies[impersonationCookie] == nil {
					t.Errorf("%s, %v: %d, cookie %v", name, hidden, v.Status, b.Cookies[impersonationCookie])
				}
			}
			if v := script(b, http.MethodPost, "/auth/email/verify", `{"token":"x"}`); v.Status != 400 { // Optional: anonymous
				t.Errorf("%s: %d %s", name, v.Status, v.Body)
			}
			late().WantPage(t, 401, "Acting as another user has ended")
			if got := names(t, k); got[Ann] != "Ann" || got[desk] != "Ann" {
				t.Errorf("%s: the names are %v", name, got)
			}
			wantUser(t, b, desk, "")
		}
	})
}

func TestOP15_ItEndsWithTheSessionOfTheOperator(t *testing.T) {
	t.Parallel()
	inBothJars(t, Setup{}, func(t *testing.T, k *Kit, b *Browser) {
		act(t, b, Ann)
		other := k.Browser(t) // the session of another user, or none, beside the cookie
		other.SignUp("eve@example.com")
		other.Cookies[impersonationCookie] = b.Cookies[impersonationCookie]
		if v := script(other, http.MethodGet, "/auth/me", ""); v.Status != 401 || !strings.Contains(v.Body, "impersonation_ended") {
			t.Errorf("beside another session: %d %s", v.Status, v.Body)
		}
		alone := k.Browser(t)
		alone.Cookies[impersonationCookie] = b.Cookies[impersonationCookie]
		if v := script(alone, http.MethodGet, "/auth/me", ""); v.Status != 401 {
			t.Errorf("without a session: %d %s", v.Status, v.Body)
		}
		wantUser(t, b, Ann, "ops:alice")
		for _, end := range []func(id string) error{
			func(id string) error { return k.Service.Operator("ops:bob").SignOutUser(t.Context(), id) },
			func(id string) error { return k.Service.Operator("ops:bob").Disable(t.Context(), id) },
		} {
			if err := end(k.UserID(desk)); err != nil {
				t.Fatal(err)
			}
			if v := script(b, http.MethodGet, "/auth/me", ""); v.Status != 401 || !strings.Contains(v.Body, "impersonation_ended") {
				t.Errorf("after the end of the operator's session: %d %s", v.Status, v.Body)
			}
			b.Open("/protected").WantPage(t, 401, "Acting as another user has ended")
			b.Open("/protected").WantRedirect(t, "/auth/signin?return_to=%2Fprotected")
			if b.Cookies[impersonationCookie] != nil {
				t.Error("the cookie stays")
			}
			b.Send("/signin", "loginId", desk, "password", GoodPassword)
			if b.Cookies["__Host-session"] == nil {
				break
			}
			act(t, b, Ann)
		}
	})
}

// Two instances share a store. The end of either session on one of them is seen on the other.
func TestOP13_TheCookieEndsOnEveryInstance(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(k *Kit, acting string) error{
		"EndSession": func(k *Kit, acting string) error {
			return k.Service.Operator("ops:bob").EndSession(k.T.Context(), k.UserID(Ann), acting)
		},
		"the operator's sessions": func(k *Kit, _ string) error {
			return k.Service.Operator("ops:bob").SignOutUser(k.T.Context(), k.UserID(desk))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := Setup{Service: func(c *usher.Config) { c.Now = time.Now }, Jar: func(c *cookies.Config) { c.Now = time.Now }}
				k, b := NewPages(t, pages.Config{}, s)
				s.Store = k.Store
				other, _ := NewPages(t, pages.Config{}, s)
				addSupport(k)
				addSupport(other)
				k.Browser(t).SignUp(Ann)
				b.SignUp(desk)
				act(t, b, Ann)
				b.K = other
				wantUser(t, b, Ann, "ops:alice")
				if err := end(k, sessionID(t, b)); err != nil {
					t.Fatal(err)
				}
				if name == "EndSession" { // the store knows before the other instance does
					if v := script(b, http.MethodGet, "/auth/me", ""); v.Status != 401 || !strings.Contains(v.Body, "impersonation_ended") {
						t.Errorf("at once: %d %s", v.Status, v.Body)
					}
					b.Open("/auth/account").WantPage(t, 401, "Acting as another user has ended")
				}
				time.Sleep(1100 * time.Millisecond) // the bubble's clock
				for _, b.K = range []*Kit{k, other} {
					if v := script(b, http.MethodPatch, "/auth/me", `{"name":"late"}`); v.Status != 401 || !strings.Contains(v.Body, "impersonation_ended") {
						t.Errorf("%d %s", v.Status, v.Body)
					}
				}
			})
		})
	}
}

func TestOP14_AFreshSignInEndsIt(t *testing.T) {
	t.Parallel()
	inBothJars(t, Setup{}, func(t *testing.T, k *Kit, b *Browser) {
		act(t, b, Ann)
		acting := sessionID(t, b)
		b.Send("/signin", "loginId", desk, "password", OtherPassword).WantPage(t, 401)
		wantUser(t, b, Ann, "ops:alice")
		b.Send("/signin", "loginId", Bob, "password", GoodPassword).WantRedirect(t, "/")
		if b.Cookies[impersonationCookie] != nil {
			t.Error("the cookie stays after a sign-in")
		}
		wantUser(t, b, Bob, "")
		wantEvents(t, k, Ann, acting, usher.EventSessionCreated, usher.EventSignOut, usher.EventSessionEnded)
	})
}

func TestOP17_WhatTheOperatorMayNotDo(t *testing.T) {
	t.Parallel()
	inBothJars(t, Setup{}, func(t *testing.T, k *Kit, b *Browser) {
		act(t, b, Ann)
		for _, path := range []string{"/account/email", "/account/password", "/account/delete", "/session/confirm"} {
			b.Open("/auth"+path).WantPage(t, 403, "acting as "+Ann)
		}
		account := b.Open("/auth/account").WantPage(t, 200, "acting as "+Ann)
		for _, path := range []string{"/account/email", "/account/password", "/account/delete", "/account/data", "/account/signout", "/email/verify", "/password/reset"} {
			if strings.Contains(account.Body, `"/auth`+path) {
				t.Errorf("the account page leads to %s", path)
			}
		}
		for path, form := range map[string][]string{
			"/email/change": {"newEmail", "x@example.com", "currentPassword", GoodPassword}, "/account/delete": {"currentPassword", GoodPassword},
			"/password/update": {"currentPassword", GoodPassword, "newPassword", OtherPassword}, "/signout/all": nil,
			"/session/confirm": {"password", GoodPassword}, "/email/verify/send": nil, "/account/email/cancel": nil,
		} {
			b.Send(path, form...).WantPage(t, 403)
		}
		wantEvents(t, k, Ann, sessionID(t, b), usher.EventSessionCreated, usher.EventForbidden)
		wantUser(t, b, Ann, "ops:alice")
	})
}

// A stream of the operator as the user ends with either session.
func TestOP15_AStreamEndsWithTheSessionOfTheOperator(t *testing.T) {
	t.Parallel()
	for _, who := range []string{Ann, desk} {
		k, b := NewPages(t, pages.Config{}, Setup{})
		addSupport(k)
		k.Server.(*http.ServeMux).Handle("/stream", k.Handlers.RequireFunc(func(w http.ResponseWriter, r *http.Request) {
			done := r.Context().Done()
			if err := k.Service.Operator("ops:bob").SignOutUser(t.Context(), k.UserID(who)); err != nil {
				t.Error(err)
			}
			select {
			case <-done:
				_, _ = io.WriteString(w, middleware.Subject(r.Context()))
			case <-time.After(5 * time.Second):
				t.Errorf("the stream goes on after the end of the session of %s", who)
			}
		}))
		k.Browser(t).SignUp(Ann)
		b.SignUp(desk)
		act(t, b, Ann)
		if got := b.Open("/stream").Body; got != k.UserID(Ann) {
			t.Errorf("the stream is of %q", got)
		}
	}
}
