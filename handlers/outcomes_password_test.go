package handlers_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher"
)

// passwordOutcomes are those of the routes that take a password.
var passwordOutcomes = []outcome{
	// POST /signup
	{
		name: "sign-up", prepare: plain(post("/signup", `{"loginId":"Ann@Example.com","password":"vast otter sings low","user":{"name":"Ann"}}`)),
		status: 201, events: "user_created session_created", mails: "verify_email",
		check: func(t *testing.T, k *kit, a *reply) {
			if a.text("user.loginId") != "Ann@Example.com" || a.text("user.email") != "Ann@Example.com" || a.text("user.name") != "Ann" || a.text("session.id") == "" {
				t.Errorf("body is %s", a.body)
			}
			if got := (a.text("refreshToken") != ""); got != (k.mode == inBodies) {
				t.Errorf("CK-04: refresh token in the body is %t", got)
			}
			if got := strings.Contains(a.header.Get("Set-Cookie"), "__Host-"); got != (k.mode == inCookies) {
				t.Errorf("cookies are set: %t", got)
			}
		},
	},
	{
		name: "sign-up, taken", prepare: func(k *kit) request {
			k.signUp(ann)
			return post("/signup", signUpBody("ANN@example.com", otherPassword))
		},
		status: 409, code: "login_id_taken", events: "user_create_fail:login_id_taken",
	},
	{
		name: "sign-up, weak", prepare: plain(post("/signup", signUpBody(ann, weakPassword))),
		status: 400, code: "password_policy", fields: "password:common",
	},
	{
		name: "sign-up, short", prepare: plain(post("/signup", signUpBody(ann, "vast otter sin"))),
		status: 400, code: "password_policy", fields: "password:too_short",
	},
	{
		name: "sign-up, no login id", prepare: plain(post("/signup", object("password", goodPassword))),
		status: 400, code: "invalid_request", fields: "loginId:required",
	},
	{
		name: "sign-up, other address", prepare: plain(post("/signup", `{"loginId":"ann@example.com","password":"vast otter sings low","user":{"email":"eve@example.com"}}`)),
		status: 400, code: "invalid_request", fields: "user.email:not_allowed",
	},
	{
		name: "sign-up, long name", prepare: plain(post("/signup", `{"loginId":"ann@example.com","password":"vast otter sings low","user":{"name":"`+strings.Repeat("x", 257)+`"}}`)),
		status: 400, code: "invalid_request", fields: "user.name:too_long",
	},
	{
		name: "sign-up, several", prepare: plain(post("/signup", `{"loginId":"no address@","password":"short","user":{"name":"a\u0000","email":"x"}}`)),
		status: 400, code: "invalid_request",
		fields: "loginId:invalid user.email:invalid user.name:invalid password:too_short",
	},
	{
		name: "replace, several", prepare: plain(post("/password/replace", object("loginId", "no address@"))),
		status: 400, code: "invalid_request", fields: "loginId:invalid oldPassword:required newPassword:required",
	},
	{
		name: "complete, several", prepare: plain(post("/password/reset/complete", "{}")),
		status: 400, code: "invalid_request", fields: "token:required newPassword:required",
	},
	{
		name: "sign-up, closed", service: func(c *usher.Config) { c.SignUpClosed = true }, prepare: plain(post("/signup", signUpBody(ann, goodPassword))),
		status: 403, code: "sign_up_closed",
	},
	{
		name: "sign-up, unseen", service: func(c *usher.Config) { c.ConfirmFirst = true }, prepare: plain(post("/signup", signUpBody(ann, goodPassword))),
		status: 202, events: "user_created", mails: "verify_email", check: noCookie,
	},
	{
		name: "sign-up, unseen, taken", service: func(c *usher.Config) { c.ConfirmFirst = true },
		prepare: func(k *kit) request {
			k.do(post("/signup", signUpBody(ann, goodPassword)))
			k.do(post("/email/verify", object("token", k.mailedToken(), "password", goodPassword)))
			return post("/signup", signUpBody(ann, otherPassword))
		},
		status: 202, events: "user_create_fail:login_id_taken", mails: "already_registered", check: noCookie,
	},
	// POST /signin
	{
		name: "sign-in", prepare: func(k *kit) request { k.signUp(ann); return post("/signin", signUpBody(ann, goodPassword)) },
		status: 200, events: "authn_login_success session_created authn_login_newdevice",
	},
	{
		name: "sign-in, wrong", prepare: func(k *kit) request { k.signUp(ann); return post("/signin", signUpBody(ann, otherPassword)) },
		status: 401, code: "invalid_credentials", events: "authn_login_fail:wrong_password", check: noCookie,
	},
	{
		name: "sign-in, unknown", prepare: plain(post("/signin", signUpBody(ann, otherPassword))),
		status: 401, code: "invalid_credentials", events: "authn_login_fail:unknown_login_id", check: noCookie,
	},
	{
		name: "sign-in, disabled", prepare: func(k *kit) request {
			k.signUp(ann)
			_ = k.svc.DisableUser(context.Background(), k.userID(ann))
			return post("/signin", signUpBody(ann, goodPassword))
		},
		status: 403, code: "user_disabled", events: "authn_login_fail:disabled", check: noCookie,
	},
	{
		name: "sign-in, expired", prepare: func(k *kit) request {
			k.signUp(ann)
			_ = k.svc.ExpirePassword(context.Background(), k.userID(ann))
			return post("/signin", signUpBody(ann, goodPassword))
		},
		status: 403, code: "password_expired", events: "authn_password_expired:expired", check: noCookie,
	},
	{
		name: "sign-in, throttled", prepare: func(k *kit) request {
			k.signUp(ann)
			for range 5 {
				k.do(post("/signin", signUpBody(ann, otherPassword))).want(k.t, 401, "invalid_credentials")
			}
			return post("/signin", signUpBody(ann, goodPassword))
		},
		status: 429, code: "too_many_requests", events: "excess_rate_limit_exceeded:login_id",
		check: func(t *testing.T, _ *kit, a *reply) {
			if got := a.header.Get("Retry-After"); got != "30" {
				t.Errorf("Retry-After is %q, want 30", got)
			}
		},
	},
	{
		name: "sign-in, malformed", prepare: plain(post("/signin", signUpBody(`"A" <a@b.c>`, goodPassword))),
		status: 400, code: "invalid_request", fields: "loginId:invalid",
	},
	// POST /password/update
	{
		name: "update", prepare: asAnn(post("/password/update", object("newPassword", otherPassword))),
		status: 200, events: "authn_password_change:update", mails: "password_changed",
	},
	{
		name: "update, ends others", prepare: func(k *kit) request {
			u := k.signUpVerified(ann)
			k.signIn(ann, goodPassword)
			return k.as(u, post("/password/update", object("newPassword", otherPassword, "loginId", ann)))
		},
		status: 200, events: "authn_password_change:update session_ended:password_changed", mails: "password_changed",
	},
	{
		name: "update, not signed in", prepare: plain(post("/password/update", object("newPassword", otherPassword))),
		status: 401, code: "not_signed_in", check: challenged(`Bearer realm="session"`),
	},
	{
		name: "update, old sign-in", prepare: func(k *kit) request {
			u := k.signUp(ann)
			k.clock.add(6 * time.Minute)
			return k.as(u, post("/password/update", object("newPassword", otherPassword)))
		},
		status: 401, code: "recent_sign_in_required", check: challenged(`Bearer realm="session", error="insufficient_user_authentication"`),
	},
	{
		name: "update, old sign-in, current password", prepare: func(k *kit) request {
			u := k.signUp(ann)
			k.clock.add(6 * time.Minute)
			return k.as(u, post("/password/update", object("newPassword", otherPassword, "currentPassword", goodPassword)))
		},
		status: 200, events: "authn_password_change:update", mails: "password_changed",
	},
	{
		name: "update, wrong current password", prepare: asAnn(post("/password/update", object("newPassword", otherPassword, "currentPassword", thirdPassword))),
		status: 401, code: "invalid_credentials", events: "authn_login_fail:wrong_password", check: noCookie,
	},
	{
		name: "update, weak", prepare: asAnn(post("/password/update", object("newPassword", weakPassword))),
		status: 400, code: "password_policy", fields: "newPassword:common",
	},
	{
		name: "update, login id of another", prepare: func(k *kit) request {
			k.signUp(bob)
			return k.as(k.signUpVerified(ann), post("/password/update", object("newPassword", otherPassword, "loginId", bob)))
		},
		status: 403, code: "forbidden", events: "authz_fail:login_id_of_another",
	},
	// POST /password/replace
	{
		name: "replace", prepare: func(k *kit) request {
			k.signUpVerified(ann)
			return post("/password/replace", object("loginId", ann, "oldPassword", goodPassword, "newPassword", otherPassword))
		},
		status: 200, events: "session_created authn_password_change:replace session_ended:password_changed", mails: "password_changed",
	},
	{
		name: "replace, wrong", prepare: func(k *kit) request {
			k.signUpVerified(ann)
			return post("/password/replace", object("loginId", ann, "oldPassword", thirdPassword, "newPassword", weakPassword))
		},
		status: 401, code: "invalid_credentials", events: "authn_login_fail:wrong_password", check: noCookie,
	},
	{
		name: "replace, weak", prepare: func(k *kit) request {
			k.signUpVerified(ann)
			return post("/password/replace", object("loginId", ann, "oldPassword", goodPassword, "newPassword", weakPassword))
		},
		status: 400, code: "password_policy", fields: "newPassword:common", check: noCookie,
	},
	// POST /password/reset
	{
		name: "reset", prepare: func(k *kit) request { k.signUpVerified(ann); return post("/password/reset", object("loginId", ann)) },
		status: 202, events: "authn_password_reset_request", mails: "reset_password",
	},
	{
		name: "reset, redirect", prepare: func(k *kit) request {
			k.signUpVerified(ann)
			return post("/password/reset", object("loginId", ann, "redirectUrl", "https://good.test/cb/x"))
		},
		status: 202, events: "authn_password_reset_request", mails: "reset_password",
	},
	{
		name: "reset, redirect not allowed", prepare: func(k *kit) request {
			k.signUpVerified(ann)
			return post("/password/reset", object("loginId", ann, "redirectUrl", "https://evil.test/cb"))
		},
		status: 400, code: "invalid_request", fields: "redirectUrl:not_allowed",
	},
	{
		name: "reset, unknown", prepare: plain(post("/password/reset", object("loginId", ann))),
		status: 202, events: "authn_password_reset_request:unknown_login_id",
	},
	// POST /password/reset/complete
	{
		name: "complete", prepare: func(k *kit) request {
			k.signUpVerified(ann)
			return post("/password/reset/complete", object("token", k.resetToken(ann), "newPassword", otherPassword))
		},
		status: 200, events: "authn_password_reset:reset authn_password_change:reset session_ended:password_changed", mails: "password_changed", check: noCookie,
	},
	{
		name: "complete, signs in", service: func(c *usher.Config) { c.ResetSignsIn = true },
		prepare: func(k *kit) request {
			k.signUpVerified(ann)
			return post("/password/reset/complete", object("token", k.resetToken(ann), "newPassword", otherPassword))
		},
		status: 200, mails: "password_changed",
		events: "authn_password_reset:reset authn_password_change:reset session_created:reset session_ended:password_changed",
	},
	{
		name: "complete, weak", prepare: func(k *kit) request {
			k.signUpVerified(ann)
			return post("/password/reset/complete", object("token", k.resetToken(ann), "newPassword", weakPassword))
		},
		status: 400, code: "password_policy", fields: "newPassword:common",
	},
	{
		name: "complete, random", prepare: plain(post("/password/reset/complete", object("token", "x", "newPassword", otherPassword))),
		status: 400, code: "invalid_token", events: "authn_token_refused:one_time_token",
	},
	// POST /password/reset/verify
	{
		name: "reset/verify", prepare: func(k *kit) request {
			k.signUpVerified(ann)
			return post("/password/reset/verify", object("token", k.resetToken(ann)))
		},
		status: 200, events: "authn_password_reset_link:reset", check: noCookie,
	},
	{
		name: "reset/verify, random", prepare: plain(post("/password/reset/verify", object("token", "x"))),
		status: 400, code: "invalid_token", events: "authn_token_refused:one_time_token",
	},
	// GET /password/policy
	{
		name: "policy", prepare: plain(get("/password/policy")), status: 200,
		check: func(t *testing.T, _ *kit, a *reply) {
			want := `{"minLength":15,"maxLength":256,"lowercase":false,"uppercase":false,"number":false,"nonAlphanumeric":false,"expiration":0,"reuseAmount":0,"lockAttempts":100}` + "\n"
			if string(a.body) != want {
				t.Errorf("body is %s", a.body)
			}
		},
	},
}
