package handlers_test

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// sessionOutcomes are those of the other routes.
var sessionOutcomes = []outcome{
	// POST /email/…
	{
		name: "verify/send", prepare: func(k *kit) request { return k.as(k.signUp(ann), post("/email/verify/send", "")) },
		status: 202, events: "user_email_verify_request", mails: "verify_email",
	},
	{
		name: "verify/send, verified", prepare: asAnn(post("/email/verify/send", "{}")), status: 202,
	},
	{
		name: "verify/send, too often", prepare: func(k *kit) request {
			u := k.signUp(ann)
			for range 3 {
				k.do(k.as(u, post("/email/verify/send", ""))).want(k.t, 202, "")
			}
			return k.as(u, post("/email/verify/send", ""))
		},
		status: 429, code: "too_many_requests", events: "excess_rate_limit_exceeded:links",
		check: func(t *testing.T, _ *kit, a *reply) {
			if got := a.header.Get("Retry-After"); got != "3600" {
				t.Errorf("Retry-After is %q", got)
			}
		},
	},
	{
		name: "verify", prepare: func(k *kit) request {
			return k.as(k.signUp(ann), post("/email/verify", object("token", k.mailedToken())))
		},
		status: 200, events: "user_email_verify", check: bodyIs(`{"emailVerified":true}`),
	},
	{
		name: "verify, by password", prepare: func(k *kit) request {
			k.signUp(ann)
			return post("/email/verify", object("token", k.mailedToken(), "password", goodPassword))
		},
		status: 200, events: "user_email_verify", check: bodyIs(`{"emailVerified":true}`),
	},
	{
		name: "verify, by the link alone", prepare: func(k *kit) request { k.signUp(ann); return post("/email/verify", object("token", k.mailedToken())) },
		status: 403, code: "password_required", check: noCookie,
	},
	{
		name: "verify, wrong password", prepare: func(k *kit) request {
			k.signUp(ann)
			return post("/email/verify", object("token", k.mailedToken(), "password", otherPassword))
		},
		status: 401, code: "invalid_credentials", events: "authn_login_fail:wrong_password", check: noCookie,
	},
	{
		name: "verify, password of another type", prepare: plain(post("/email/verify", `{"token":"x","password":1}`)),
		status: 400, code: "invalid_request", fields: "password:invalid",
	},
	{
		name: "verify, random", prepare: plain(post("/email/verify", object("token", "x"))),
		status: 400, code: "invalid_token", events: "authn_token_refused:one_time_token",
	},
	{
		name: "verify, nothing", prepare: plain(post("/email/verify", "{}")),
		status: 400, code: "invalid_request", fields: "token:required",
	},
	{
		name: "change", prepare: asAnn(post("/email/change", object("newEmail", "ann@new.example", "currentPassword", goodPassword))),
		status: 202, events: "user_email_change_request", mails: "change_email email_changing",
	},
	{
		name: "change, no password", prepare: asAnn(post("/email/change", object("newEmail", "ann@new.example"))),
		status: 401, code: "recent_sign_in_required", check: challenged(`Bearer realm="session", error="insufficient_user_authentication"`),
	},
	{
		name: "change, no address", prepare: asAnn(post("/email/change", object("newEmail", "ann", "currentPassword", goodPassword))),
		status: 400, code: "invalid_request", fields: "newEmail:invalid",
	},
	{
		name: "change, present address", prepare: asAnn(post("/email/change", object("newEmail", ann, "currentPassword", goodPassword))),
		status: 400, code: "invalid_request", fields: "newEmail:not_allowed",
	},
	// DELETE /email/change
	{
		name: "cancel", prepare: func(k *kit) request {
			u := k.signUpVerified(ann)
			k.do(k.as(u, post("/email/change", object("newEmail", "ann@new.example", "currentPassword", goodPassword)))).want(k.t, 202, "")
			if a := k.do(k.as(u, get("/me"))).want(k.t, 200, ""); a.text("pendingEmail") != "ann@new.example" {
				k.t.Errorf("me is %s", a.body)
			}
			k.inbox()
			return k.as(u, request{http.MethodDelete, "/email/change", "", nil})
		},
		status: 204, events: "user_email_change_cancel",
	},
	{
		name: "cancel, nothing", prepare: asAnn(request{http.MethodDelete, "/email/change", "", nil}), status: 404, code: "not_found",
	},
	// POST /session/refresh
	{
		name: "refresh", prepare: func(k *kit) request { return k.refresh(k.signUpVerified(ann)) },
		status: 200, events: "session_renewed",
	},
	{name: "refresh, nothing", prepare: plain(post("/session/refresh", "")), status: 401, code: "not_signed_in"},
	{
		name: "refresh, ended", prepare: func(k *kit) request {
			u := k.signUpVerified(ann)
			k.do(k.as(u, post("/signout/all", "")))
			return k.refresh(u)
		},
		status: 401, code: "invalid_session", events: "authn_token_refused:session_ended", check: cookieCleared,
	},
	{
		name: "refresh, reused", prepare: func(k *kit) request {
			u := k.signUpVerified(ann)
			k.do(k.refresh(u)).want(k.t, 200, "")
			k.clock.add(11 * time.Second)
			return k.refresh(u)
		},
		status: 401, code: "invalid_session", events: "authn_token_reuse", check: cookieCleared,
	},
	// /me and /sessions
	{
		name: "me", prepare: asAnn(get("/me")), status: 200,
		check: func(t *testing.T, _ *kit, a *reply) {
			s, _ := a.json["session"].(map[string]any)
			if a.text("user.loginId") != ann || s["current"] != true {
				t.Errorf("body is %s", a.body)
			}
		},
	},
	{name: "me, nobody", prepare: plain(get("/me")), status: 401, code: "not_signed_in"},
	{
		name: "me, patched", prepare: asAnn(request{http.MethodPatch, "/me", `{"name":"Ann","picture":null,"roles":["admin"]}`, nil}),
		status: 200, events: "user_updated:profile",
		check: func(t *testing.T, _ *kit, a *reply) {
			if a.text("user.name") != "Ann" {
				t.Errorf("body is %s", a.body)
			}
		},
	},
	{
		name: "me, bad picture", prepare: asAnn(request{http.MethodPatch, "/me", `{"picture":"javascript:1"}`, nil}),
		status: 400, code: "invalid_request", fields: "picture:invalid",
	},
	{
		name: "sessions", prepare: func(k *kit) request {
			u := k.signUpVerified(ann)
			k.signIn(ann, goodPassword)
			return k.as(u, get("/sessions"))
		},
		status: 200, check: func(t *testing.T, _ *kit, a *reply) {
			list, _ := a.json["sessions"].([]any)
			if len(list) != 2 || strings.Count(string(a.body), `"current":true`) != 1 {
				t.Errorf("body is %s", a.body)
			}
		},
	},
	{
		name: "revoke", prepare: func(k *kit) request {
			u := k.signUpVerified(ann)
			other := k.signIn(ann, goodPassword)
			return k.as(u, request{http.MethodDelete, "/sessions/" + other.id, "", nil})
		},
		status: 204, events: "session_ended:revoked", check: noCookie,
	},
	{
		name: "revoke oneself", prepare: func(k *kit) request {
			u := k.signUpVerified(ann)
			return k.as(u, request{http.MethodDelete, "/sessions/" + u.id, "", nil})
		},
		status: 204, events: "session_ended:revoked", check: cookieCleared,
	},
	{
		name: "revoke another's", prepare: func(k *kit) request {
			other := k.signUp(bob)
			return k.as(k.signUpVerified(ann), request{http.MethodDelete, "/sessions/" + other.id, "", nil})
		},
		status: 404, code: "not_found",
	},
	// POST /signout
	{
		name: "sign-out", prepare: asAnn(post("/signout", "")), status: 200, events: "authn_logout", check: cookieCleared,
	},
	{name: "sign-out, nobody", prepare: plain(post("/signout", "")), status: 200, check: noCookie},
	{
		name: "sign-out, twice", prepare: func(k *kit) request {
			u := k.signUpVerified(ann)
			k.do(k.as(u, post("/signout", "null"))).want(k.t, 200, "")
			return k.as(u, post("/signout", "{}"))
		},
		status: 200, check: cookieCleared,
	},
	{
		name: "sign-out everywhere", prepare: func(k *kit) request {
			u := k.signUpVerified(ann)
			k.signIn(ann, goodPassword)
			return k.as(u, post("/signout/all", ""))
		},
		status: 200, events: "authn_logout:everywhere", check: cookieCleared,
	},
	{name: "sign-out everywhere, nobody", prepare: plain(post("/signout/all", "")), status: 401, code: "not_signed_in"},
	// GET /keys
	{name: "keys", prepare: plain(get("/keys")), status: 200},
	// No such route
	{name: "nothing there", prepare: plain(get("/forgot")), status: 404, code: "not_found"},
}
