package handlers_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher"
	. "github.com/usherkit/usher/internal/webtest"
)

// outcome is one answer that a route may give.
type outcome struct {
	name    string
	service func(*usher.Config)
	// prepare sets up the kit, and returns the request.
	prepare func(k *Kit) Request
	status  int
	code    string
	fields  string
	// events and mails are all events and emails that the request causes.
	events, mails string
	// renewsCookies means that a mount with cookies also renews the session.
	renewsCookies bool
	// check makes further checks.
	check func(t *testing.T, k *Kit, a *Reply)
}

func plain(q Request) func(*Kit) Request { return func(*Kit) Request { return q } }

// asAnn returns a request of a user who has just signed up and confirmed the address.
func asAnn(q Request) func(*Kit) Request {
	return func(k *Kit) Request { return k.As(k.SignUpVerified(Ann), q) }
}

func TestRoutes(t *testing.T) {
	for _, o := range slices.Concat(passwordOutcomes, sessionOutcomes) {
		t.Run(o.name, func(t *testing.T) {
			t.Parallel()
			for _, m := range []Mode{InCookies, InBodies} {
				k := NewKit(t, m, Setup{Service: o.service})
				q := o.prepare(k)
				k.ClearRecords()
				a := k.Do(q)
				if a.Status != o.status || a.Code() != o.code || a.InputErrors() != o.fields {
					t.Errorf("%s: answer is %d %q %q, want %d %q %q: %s", m, a.Status, a.Code(), a.InputErrors(), o.status, o.code, o.fields, a.Body)
				}
				want := o.events
				if o.renewsCookies && m == InCookies {
					want += " session_renewed"
				}
				if got := k.Events.Take(); got != want {
					t.Errorf("%s: events are %q, want %q", m, got, want)
				}
				if got := k.EmailKinds(); got != o.mails {
					t.Errorf("%s: mails are %q, want %q", m, got, o.mails)
				}
				if o.check != nil {
					o.check(t, k, a)
				}
			}
		})
	}
}

// noCookie fails the test if the answer sets or clears the session cookie.
func noCookie(t *testing.T, _ *Kit, a *Reply) {
	t.Helper()
	if len(a.Header["Set-Cookie"]) > 0 || a.Text("sessionToken") != "" {
		t.Error("the answer has tokens, or touches cookies")
	}
}

// deviceOnly fails the test unless the answer makes the browser known, and starts no
// session.
func deviceOnly(t *testing.T, k *Kit, a *Reply) {
	t.Helper()
	if k.Mode == InBodies {
		if a.Text("deviceToken") == "" || a.Text("sessionToken") != "" {
			t.Errorf("body is %s, want a device token alone", a.Body)
		}
		return
	}
	for _, line := range a.Header["Set-Cookie"] {
		if name, value, _ := strings.Cut(line, "="); name != "__Host-device" && !strings.HasPrefix(value, ";") {
			t.Errorf("Set-Cookie is %q", line)
		}
	}
	if !strings.Contains(strings.Join(a.Header["Set-Cookie"], "\n"), "__Host-device=") {
		t.Error("the browser is not known")
	}
}

// cookieCleared fails the test unless the answer clears the session cookie.
func cookieCleared(t *testing.T, k *Kit, a *Reply) {
	t.Helper()
	lines := strings.Join(a.Header["Set-Cookie"], "\n")
	if k.Mode == InCookies && !(strings.HasPrefix(lines, "__Host-session=;") && strings.Contains(lines, "Max-Age=0")) {
		t.Errorf("CK-08: Set-Cookie is %q", lines)
	}
}

func bodyIs(want string) func(*testing.T, *Kit, *Reply) {
	return func(t *testing.T, _ *Kit, a *Reply) {
		t.Helper()
		if strings.TrimSpace(string(a.Body)) != want {
			t.Errorf("body is %s, want %s", a.Body, want)
		}
	}
}

func challenged(want string) func(*testing.T, *Kit, *Reply) {
	return func(t *testing.T, _ *Kit, a *Reply) {
		t.Helper()
		if got := a.Header.Get("WWW-Authenticate"); got != want {
			t.Errorf("WWW-Authenticate is %q, want %q", got, want)
		}
	}
}

// sessionOutcomes are the outcomes of the other routes.
var sessionOutcomes = []outcome{
	// POST /email/…
	{
		name: "verify/send", prepare: func(k *Kit) Request { return k.As(k.SignUp(Ann), Post("/email/verify/send", "")) },
		status: 202, events: "user_email_verify_request", mails: "verify_email",
	},
	{
		name: "verify/send, verified", prepare: asAnn(Post("/email/verify/send", "{}")), status: 202,
	},
	{
		name: "verify/send, too often", prepare: func(k *Kit) Request {
			u := k.SignUp(Ann)
			for range 3 {
				k.Do(k.As(u, Post("/email/verify/send", ""))).Want(k.T, 202, "")
			}
			return k.As(u, Post("/email/verify/send", ""))
		},
		status: 429, code: "too_many_requests", events: "excess_rate_limit_exceeded:links",
		check: func(t *testing.T, _ *Kit, a *Reply) {
			if got := a.Header.Get("Retry-After"); got != "3600" {
				t.Errorf("Retry-After is %q", got)
			}
		},
	},
	{
		name: "verify", prepare: func(k *Kit) Request {
			return k.As(k.SignUp(Ann), Post("/email/verify", Object("token", k.MailedToken())))
		},
		status: 200, events: "user_email_verify", renewsCookies: true, check: func(t *testing.T, k *Kit, a *Reply) {
			want := `{"emailVerified":true}`
			if k.Mode == InBodies {
				want = `{"emailVerified":true,"sessionToken":"` + a.Text("sessionToken") + `","expiresIn":600}`
			}
			bodyIs(want)(t, k, a)
		},
	},
	{
		name: "verify, by password", prepare: func(k *Kit) Request {
			k.SignUp(Ann)
			return Post("/email/verify", Object("token", k.MailedToken(), "password", GoodPassword))
		},
		status: 200, events: "user_email_verify", check: bodyIs(`{"emailVerified":true}`),
	},
	{
		name: "verify, by the link alone", prepare: func(k *Kit) Request { k.SignUp(Ann); return Post("/email/verify", Object("token", k.MailedToken())) },
		status: 403, code: "password_required", check: noCookie,
	},
	{
		name: "verify, wrong password", prepare: func(k *Kit) Request {
			k.SignUp(Ann)
			return Post("/email/verify", Object("token", k.MailedToken(), "password", OtherPassword))
		},
		status: 401, code: "invalid_credentials", events: "authn_login_fail:wrong_password", check: noCookie,
	},
	{
		name: "verify, password of another type", prepare: plain(Post("/email/verify", `{"token":"x","password":1}`)),
		status: 400, code: "invalid_request", fields: "password:invalid",
	},
	{
		name: "verify, random", prepare: plain(Post("/email/verify", Object("token", "x"))),
		status: 400, code: "invalid_token", events: "authn_token_refused:one_time_token",
	},
	{
		name: "verify, nothing", prepare: plain(Post("/email/verify", "{}")),
		status: 400, code: "invalid_request", fields: "token:required",
	},
	{
		name: "change", prepare: asAnn(Post("/email/change", Object("newEmail", "ann@new.example", "currentPassword", GoodPassword))),
		status: 202, events: "user_email_change_request", mails: "change_email email_changing",
	},
	{
		name: "change, no password", prepare: asAnn(Post("/email/change", Object("newEmail", "ann@new.example"))),
		status: 400, code: "invalid_request", fields: "currentPassword:required",
	},
	{
		name: "change, no address", prepare: asAnn(Post("/email/change", Object("newEmail", "ann", "currentPassword", GoodPassword))),
		status: 400, code: "invalid_request", fields: "newEmail:invalid",
	},
	{
		name: "change, present address", prepare: asAnn(Post("/email/change", Object("newEmail", Ann, "currentPassword", GoodPassword))),
		status: 400, code: "invalid_request", fields: "newEmail:not_allowed",
	},
	// /account/…
	{
		name: "delete", prepare: asAnn(Post("/account/delete", Object("currentPassword", GoodPassword))),
		status: 204, events: "user_deleted session_ended:user_deleted", mails: "account_deleted", check: cookieCleared,
	},
	{
		name: "delete, no password", prepare: asAnn(Post("/account/delete", "")), status: 400, code: "invalid_request", fields: "currentPassword:required", check: noCookie,
	},
	{
		name: "delete, wrong password", prepare: asAnn(Post("/account/delete", Object("currentPassword", OtherPassword))),
		status: 401, code: "invalid_credentials", events: "authn_login_fail:wrong_password", check: noCookie,
	},
	{
		name: "data", prepare: asAnn(Get("/account/data")), status: 200, events: "data_downloaded", check: func(t *testing.T, k *Kit, a *Reply) {
			if got := a.Header.Get("Content-Disposition"); got != `attachment; filename="account-data.json"` {
				t.Errorf("Content-Disposition is %q", got)
			}
			list, _ := a.JSON["events"].([]any)
			ids, _ := a.JSON["user"].(map[string]any)["loginIds"].([]any)
			if a.Text("user.id") != k.UserID(Ann) || len(ids) != 1 || ids[0] != Ann || len(list) < 3 || strings.Contains(string(a.Body), "argon2") {
				t.Errorf("the data are %s", a.Body)
			}
		},
	},
	// DELETE /email/change
	{
		name: "cancel", prepare: func(k *Kit) Request {
			u := k.SignUpVerified(Ann)
			k.Do(k.As(u, Post("/email/change", Object("newEmail", "ann@new.example", "currentPassword", GoodPassword)))).Want(k.T, 202, "")
			if a := k.Do(k.As(u, Get("/me"))).Want(k.T, 200, ""); a.Text("pendingEmail") != "ann@new.example" {
				k.T.Errorf("me is %s", a.Body)
			}
			k.Inbox()
			return k.As(u, Request{Method: http.MethodDelete, Path: "/email/change"})
		},
		status: 204, events: "user_email_change_cancel",
	},
	{
		name: "cancel, nothing", prepare: asAnn(Request{Method: http.MethodDelete, Path: "/email/change"}), status: 404, code: "not_found",
	},
	// POST /session/refresh
	{
		name: "refresh", prepare: func(k *Kit) Request { return k.Refresh(k.SignUpVerified(Ann)) },
		status: 200, events: "session_renewed",
	},
	{name: "refresh, nothing", prepare: plain(Post("/session/refresh", "")), status: 401, code: "not_signed_in"},
	{
		name: "refresh, ended", prepare: func(k *Kit) Request {
			u := k.SignUpVerified(Ann)
			k.Do(k.As(u, Post("/signout/all", "")))
			return k.Refresh(u)
		},
		status: 401, code: "invalid_session", events: "authn_token_refused:session_ended", check: noCookie,
	},
	{
		name: "refresh, reused", prepare: func(k *Kit) Request {
			u := k.SignUpVerified(Ann)
			k.Do(k.Refresh(k.Do(k.Refresh(u)).Want(k.T, 200, "").Keep(u))).Want(k.T, 200, "") // the successor is used
			k.Clock.Add(11 * time.Second)
			return k.Refresh(u)
		},
		status: 401, code: "invalid_session", events: "authn_token_reuse session_ended:token_reused", check: noCookie,
	},
	// POST /session/confirm
	{
		name: "confirm", prepare: asAnn(Post("/session/confirm", Object("password", GoodPassword))),
		status: 200, events: "authn_reauthenticate",
	},
	{
		name: "confirm, wrong", prepare: asAnn(Post("/session/confirm", Object("password", OtherPassword))),
		status: 401, code: "invalid_credentials", events: "authn_login_fail:wrong_password", check: noCookie,
	},
	{
		name: "confirm, nothing", prepare: asAnn(Post("/session/confirm", "{}")), status: 400, code: "invalid_request", fields: "password:required",
	},
	{name: "confirm, nobody", prepare: plain(Post("/session/confirm", Object("password", GoodPassword))), status: 401, code: "not_signed_in"},
	// /me and /sessions
	{
		name: "me", prepare: asAnn(Get("/me")), status: 200,
		check: func(t *testing.T, _ *Kit, a *Reply) {
			s, _ := a.JSON["session"].(map[string]any)
			if a.Text("user.loginId") != Ann || s["current"] != true {
				t.Errorf("body is %s", a.Body)
			}
		},
	},
	{name: "me, nobody", prepare: plain(Get("/me")), status: 401, code: "not_signed_in"},
	{
		name: "me, patched", prepare: asAnn(Request{Method: http.MethodPatch, Path: "/me", Body: `{"name":"Ann","picture":null,"roles":["admin"]}`}),
		status: 200, events: "user_updated:profile",
		check: func(t *testing.T, _ *Kit, a *Reply) {
			if a.Text("user.name") != "Ann" {
				t.Errorf("body is %s", a.Body)
			}
		},
	},
	{
		name: "me, bad picture", prepare: asAnn(Request{Method: http.MethodPatch, Path: "/me", Body: `{"picture":"javascript:1"}`}),
		status: 400, code: "invalid_request", fields: "picture:invalid",
	},
	{
		name: "sessions", prepare: func(k *Kit) Request {
			u := k.SignUpVerified(Ann)
			k.SignIn(Ann, GoodPassword)
			return k.As(u, Get("/sessions"))
		},
		status: 200, check: func(t *testing.T, _ *Kit, a *Reply) {
			list, _ := a.JSON["sessions"].([]any)
			if len(list) != 2 || strings.Count(string(a.Body), `"current":true`) != 1 {
				t.Errorf("body is %s", a.Body)
			}
		},
	},
	{
		name: "revoke", prepare: func(k *Kit) Request {
			u := k.SignUpVerified(Ann)
			other := k.SignIn(Ann, GoodPassword)
			return k.As(u, Request{Method: http.MethodDelete, Path: "/sessions/" + other.ID})
		},
		status: 204, events: "session_ended:revoked", check: noCookie,
	},
	{
		name: "revoke oneself", prepare: func(k *Kit) Request {
			u := k.SignUpVerified(Ann)
			return k.As(u, Request{Method: http.MethodDelete, Path: "/sessions/" + u.ID})
		},
		status: 204, events: "session_ended:revoked", check: cookieCleared,
	},
	{
		name: "revoke another's", prepare: func(k *Kit) Request {
			other := k.SignUp(Bob)
			return k.As(k.SignUpVerified(Ann), Request{Method: http.MethodDelete, Path: "/sessions/" + other.ID})
		},
		status: 404, code: "not_found",
	},
	// POST /signout
	{
		name: "sign-out", prepare: asAnn(Post("/signout", "")), status: 200, events: "authn_logout session_ended:signed_out", check: cookieCleared,
	},
	{name: "sign-out, nobody", prepare: plain(Post("/signout", "")), status: 200, check: noCookie},
	{
		name: "sign-out, twice", prepare: func(k *Kit) Request {
			u := k.SignUpVerified(Ann)
			k.Do(k.As(u, Post("/signout", "null"))).Want(k.T, 200, "")
			return k.As(u, Post("/signout", "{}"))
		},
		status: 200, check: cookieCleared,
	},
	{
		name: "sign-out everywhere", prepare: func(k *Kit) Request {
			u := k.SignUpVerified(Ann)
			k.SignIn(Ann, GoodPassword)
			return k.As(u, Post("/signout/all", ""))
		},
		status: 200, events: "authn_logout:everywhere session_ended:signed_out session_ended:signed_out", check: cookieCleared,
	},
	{name: "sign-out everywhere, nobody", prepare: plain(Post("/signout/all", "")), status: 401, code: "not_signed_in"},
	// GET /keys
	{name: "keys", prepare: plain(Get("/keys")), status: 200},
	// No such route
	{name: "nothing there", prepare: plain(Get("/forgot")), status: 404, code: "not_found"},
}
