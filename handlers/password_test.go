package handlers_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/handlers"
	. "github.com/usherkit/usher/internal/webtest"
	"github.com/usherkit/usher/middleware"
)

// passwordOutcomes are the outcomes of the routes about passwords.
var passwordOutcomes = []outcome{
	// POST /signup
	{
		name: "sign-up", prepare: plain(Post("/signup", `{"loginId":"Ann@Example.com","password":"vast otter sings low","user":{"name":"Ann"}}`)),
		status: 201, events: "user_created session_created", mails: "verify_email",
		check: func(t *testing.T, k *Kit, a *Reply) {
			if a.Text("user.loginId") != "Ann@Example.com" || a.Text("user.email") != "Ann@Example.com" || a.Text("user.name") != "Ann" || a.Text("session.id") == "" {
				t.Errorf("body is %s", a.Body)
			}
			if got := (a.Text("refreshToken") != ""); got != (k.Mode == InBodies) {
				t.Errorf("CK-04: refresh token in the body is %t", got)
			}
			if got := strings.Contains(a.Header.Get("Set-Cookie"), "__Host-"); got != (k.Mode == InCookies) {
				t.Errorf("cookies are set: %t", got)
			}
		},
	},
	{
		name: "sign-up, taken", prepare: func(k *Kit) Request {
			k.SignUp(Ann)
			return Post("/signup", SignUpBody("ANN@example.com", OtherPassword))
		},
		status: 409, code: "login_id_taken", events: "user_create_fail:login_id_taken",
	},
	{
		name: "sign-up, weak", prepare: plain(Post("/signup", SignUpBody(Ann, WeakPassword))),
		status: 400, code: "password_policy", fields: "password:common",
	},
	{
		name: "sign-up, short", prepare: plain(Post("/signup", SignUpBody(Ann, "vast otter sin"))),
		status: 400, code: "password_policy", fields: "password:too_short",
	},
	{
		name: "sign-up, no login id", prepare: plain(Post("/signup", Object("password", GoodPassword))),
		status: 400, code: "invalid_request", fields: "loginId:required",
	},
	{
		name: "sign-up, other address", prepare: plain(Post("/signup", `{"loginId":"ann@example.com","password":"vast otter sings low","user":{"email":"eve@example.com"}}`)),
		status: 400, code: "invalid_request", fields: "user.email:not_allowed",
	},
	{
		name: "sign-up, long name", prepare: plain(Post("/signup", `{"loginId":"ann@example.com","password":"vast otter sings low","user":{"name":"`+strings.Repeat("x", 257)+`"}}`)),
		status: 400, code: "invalid_request", fields: "user.name:too_long",
	},
	{
		name: "sign-up, several", prepare: plain(Post("/signup", `{"loginId":"no address@","password":"short","user":{"name":"a\u0000","email":"x"}}`)),
		status: 400, code: "invalid_request",
		fields: "loginId:invalid user.email:invalid user.name:invalid password:too_short",
	},
	{
		name: "replace, several", prepare: plain(Post("/password/replace", Object("loginId", "no address@"))),
		status: 400, code: "invalid_request", fields: "loginId:invalid oldPassword:required newPassword:required",
	},
	{
		name: "complete, several", prepare: plain(Post("/password/reset/complete", "{}")),
		status: 400, code: "invalid_request", fields: "token:required newPassword:required",
	},
	{
		name: "sign-up, closed", service: func(c *usher.Config) { c.SignUpClosed = true }, prepare: plain(Post("/signup", SignUpBody(Ann, GoodPassword))),
		status: 403, code: "sign_up_closed",
	},
	{
		name: "sign-up, unseen", service: func(c *usher.Config) { c.ConfirmFirst = true }, prepare: plain(Post("/signup", SignUpBody(Ann, GoodPassword))),
		status: 202, events: "user_created", mails: "verify_email", check: noCookie,
	},
	{
		name: "sign-up, unseen, taken", service: func(c *usher.Config) { c.ConfirmFirst = true },
		prepare: func(k *Kit) Request {
			k.Do(Post("/signup", SignUpBody(Ann, GoodPassword)))
			k.Do(Post("/email/verify", Object("token", k.MailedToken(), "password", GoodPassword)))
			return Post("/signup", SignUpBody(Ann, OtherPassword))
		},
		status: 202, events: "user_create_fail:login_id_taken", mails: "already_registered", check: noCookie,
	},
	// POST /signin
	{
		name: "sign-in", prepare: func(k *Kit) Request { k.SignUp(Ann); return Post("/signin", SignUpBody(Ann, GoodPassword)) },
		status: 200, events: "authn_login_success session_created authn_login_newdevice",
	},
	{
		name: "sign-in, wrong", prepare: func(k *Kit) Request { k.SignUp(Ann); return Post("/signin", SignUpBody(Ann, OtherPassword)) },
		status: 401, code: "invalid_credentials", events: "authn_login_fail:wrong_password", check: noCookie,
	},
	{
		name: "sign-in, unknown", prepare: plain(Post("/signin", SignUpBody(Ann, OtherPassword))),
		status: 401, code: "invalid_credentials", events: "authn_login_fail:unknown_login_id", check: noCookie,
	},
	{
		name: "sign-in, disabled", prepare: func(k *Kit) Request {
			k.SignUp(Ann)
			_ = k.Service.Operator("test").Disable(context.Background(), k.UserID(Ann))
			return Post("/signin", SignUpBody(Ann, GoodPassword))
		},
		status: 403, code: "user_disabled", events: "authn_login_fail:disabled", check: noCookie,
	},
	{
		name: "sign-in, expired", prepare: func(k *Kit) Request {
			k.SignUp(Ann)
			_ = k.Service.Operator("test").ExpirePassword(context.Background(), k.UserID(Ann))
			return Post("/signin", SignUpBody(Ann, GoodPassword))
		},
		status: 403, code: "password_expired", events: "authn_password_expired:expired", check: noCookie,
	},
	{
		name: "sign-in, throttled", prepare: func(k *Kit) Request {
			k.SignUp(Ann)
			for range 5 {
				k.Do(Post("/signin", SignUpBody(Ann, OtherPassword))).Want(k.T, 401, "invalid_credentials")
			}
			return Post("/signin", SignUpBody(Ann, GoodPassword))
		},
		status: 429, code: "too_many_requests", events: "excess_rate_limit_exceeded:login_id",
		check: func(t *testing.T, _ *Kit, a *Reply) {
			if got := a.Header.Get("Retry-After"); got != "30" {
				t.Errorf("Retry-After is %q, want 30", got)
			}
		},
	},
	{
		name: "sign-in, malformed", prepare: plain(Post("/signin", SignUpBody(`"A" <a@b.c>`, GoodPassword))),
		status: 400, code: "invalid_request", fields: "loginId:invalid",
	},
	// POST /password/update
	{
		name: "update", prepare: asAnn(Post("/password/update", Object("newPassword", OtherPassword))),
		status: 200, events: "session_created:update authn_password_change:update session_ended:password_changed", mails: "password_changed",
	},
	{
		name: "update, ends others", prepare: func(k *Kit) Request {
			u := k.SignUpVerified(Ann)
			k.SignIn(Ann, GoodPassword)
			return k.As(u, Post("/password/update", Object("newPassword", OtherPassword, "loginId", Ann)))
		},
		status: 200, events: "session_created:update authn_password_change:update session_ended:password_changed session_ended:password_changed", mails: "password_changed",
	},
	{
		name: "update, not signed in", prepare: plain(Post("/password/update", Object("newPassword", OtherPassword))),
		status: 401, code: "not_signed_in", check: challenged(`Bearer realm="session"`),
	},
	{
		name: "update, old sign-in", prepare: func(k *Kit) Request {
			u := k.SignUp(Ann)
			k.Clock.Add(6 * time.Minute)
			return k.As(u, Post("/password/update", Object("newPassword", OtherPassword)))
		},
		status: 401, code: "recent_sign_in_required", check: challenged(`Bearer realm="session", error="insufficient_user_authentication"`),
	},
	{
		name: "update, old sign-in, current password", prepare: func(k *Kit) Request {
			u := k.SignUp(Ann)
			k.Clock.Add(6 * time.Minute)
			return k.As(u, Post("/password/update", Object("newPassword", OtherPassword, "currentPassword", GoodPassword)))
		},
		status: 200, events: "session_created:update authn_password_change:update session_ended:password_changed", mails: "password_changed",
	},
	{
		name: "update, wrong current password", prepare: asAnn(Post("/password/update", Object("newPassword", OtherPassword, "currentPassword", ThirdPassword))),
		status: 401, code: "invalid_credentials", events: "authn_login_fail:wrong_password", check: noCookie,
	},
	{
		name: "update, weak", prepare: asAnn(Post("/password/update", Object("newPassword", WeakPassword))),
		status: 400, code: "password_policy", fields: "newPassword:common",
	},
	{
		name: "update, login id of another", prepare: func(k *Kit) Request {
			k.SignUp(Bob)
			return k.As(k.SignUpVerified(Ann), Post("/password/update", Object("newPassword", OtherPassword, "loginId", Bob)))
		},
		status: 403, code: "forbidden", events: "authz_fail:login_id_of_another",
	},
	// POST /password/replace
	{
		name: "replace", prepare: func(k *Kit) Request {
			k.SignUpVerified(Ann)
			return Post("/password/replace", Object("loginId", Ann, "oldPassword", GoodPassword, "newPassword", OtherPassword))
		},
		status: 200, events: "session_created authn_password_change:replace session_ended:password_changed", mails: "password_changed",
	},
	{
		name: "replace, wrong", prepare: func(k *Kit) Request {
			k.SignUpVerified(Ann)
			return Post("/password/replace", Object("loginId", Ann, "oldPassword", ThirdPassword, "newPassword", WeakPassword))
		},
		status: 401, code: "invalid_credentials", events: "authn_login_fail:wrong_password", check: noCookie,
	},
	{
		name: "replace, weak", prepare: func(k *Kit) Request {
			k.SignUpVerified(Ann)
			return Post("/password/replace", Object("loginId", Ann, "oldPassword", GoodPassword, "newPassword", WeakPassword))
		},
		status: 400, code: "password_policy", fields: "newPassword:common", check: noCookie,
	},
	// POST /password/reset
	{
		name: "reset", prepare: func(k *Kit) Request { k.SignUpVerified(Ann); return Post("/password/reset", Object("loginId", Ann)) },
		status: 202, events: "authn_password_reset_request", mails: "reset_password",
	},
	{
		name: "reset, redirect", prepare: func(k *Kit) Request {
			k.SignUpVerified(Ann)
			return Post("/password/reset", Object("loginId", Ann, "redirectUrl", "https://good.test/cb/x"))
		},
		status: 202, events: "authn_password_reset_request", mails: "reset_password",
	},
	{
		name: "reset, redirect not allowed", prepare: func(k *Kit) Request {
			k.SignUpVerified(Ann)
			return Post("/password/reset", Object("loginId", Ann, "redirectUrl", "https://evil.test/cb"))
		},
		status: 400, code: "invalid_request", fields: "redirectUrl:not_allowed",
	},
	{
		name: "reset, unknown", prepare: plain(Post("/password/reset", Object("loginId", Ann))),
		status: 202, events: "authn_password_reset_request:unknown_login_id",
	},
	// POST /password/reset/complete
	{
		name: "complete", prepare: func(k *Kit) Request {
			k.SignUpVerified(Ann)
			return Post("/password/reset/complete", Object("token", k.ResetToken(Ann), "newPassword", OtherPassword))
		},
		status: 200, events: "authn_password_reset:reset authn_password_change:reset session_ended:password_changed", mails: "password_changed", check: deviceOnly,
	},
	{
		name: "complete, signs in", service: func(c *usher.Config) { c.ResetSignsIn = true },
		prepare: func(k *Kit) Request {
			k.SignUpVerified(Ann)
			return Post("/password/reset/complete", Object("token", k.ResetToken(Ann), "newPassword", OtherPassword))
		},
		status: 200, mails: "password_changed",
		events: "authn_password_reset:reset authn_password_change:reset session_created:reset session_ended:password_changed",
	},
	{
		name: "complete, weak", prepare: func(k *Kit) Request {
			k.SignUpVerified(Ann)
			return Post("/password/reset/complete", Object("token", k.ResetToken(Ann), "newPassword", WeakPassword))
		},
		status: 400, code: "password_policy", fields: "newPassword:common",
	},
	{
		name: "complete, random", prepare: plain(Post("/password/reset/complete", Object("token", "x", "newPassword", OtherPassword))),
		status: 400, code: "invalid_token", events: "authn_token_refused:one_time_token",
	},
	// POST /password/reset/verify
	{
		name: "reset/verify", prepare: func(k *Kit) Request {
			k.SignUpVerified(Ann)
			return Post("/password/reset/verify", Object("token", k.ResetToken(Ann)))
		},
		status: 200, events: "authn_password_reset_link:reset", check: noCookie,
	},
	{
		name: "reset/verify, random", prepare: plain(Post("/password/reset/verify", Object("token", "x"))),
		status: 400, code: "invalid_token", events: "authn_token_refused:one_time_token",
	},
	// GET /password/policy
	{
		name: "policy", prepare: plain(Get("/password/policy")), status: 200,
		check: func(t *testing.T, _ *Kit, a *Reply) {
			want := `{"minLength":15,"maxLength":256,"lowercase":false,"uppercase":false,"number":false,"nonAlphanumeric":false,"expiration":0,"reuseAmount":0,"lockAttempts":100}` + "\n"
			if string(a.Body) != want {
				t.Errorf("body is %s", a.Body)
			}
		},
	},
}

func TestSI01_RetryAfterIsCorrectInWholeSeconds(t *testing.T) {
	t.Parallel()
	BothModes(t, func(t *testing.T, m Mode) {
		k := NewKit(t, m, Setup{})
		k.SignUp(Ann)
		hashes := k.Service.Hashes()
		for range 5 {
			k.Do(Post("/signin", SignUpBody(Ann, OtherPassword))).Want(t, 401, "invalid_credentials")
		}
		k.Clock.Add(400 * time.Millisecond)
		a := k.Do(Post("/signin", SignUpBody(Ann, GoodPassword))).Want(t, 429, "too_many_requests")
		if got := a.Header.Get("Retry-After"); !regexp.MustCompile(`^[0-9]+$`).MatchString(got) || got != "30" {
			t.Errorf("Retry-After is %q, want 30: 29.6 rounded up", got)
		}
		if n := k.Service.Hashes() - hashes; n != 5 {
			t.Errorf("%d hashes were computed, want 5", n)
		}
		k.Clock.Add(29600*time.Millisecond - time.Microsecond)
		if a := k.Do(Post("/signin", SignUpBody(Ann, GoodPassword))).Want(t, 429, "too_many_requests"); a.Header.Get("Retry-After") != "1" {
			t.Errorf("Retry-After is %q, want 1", a.Header.Get("Retry-After"))
		}
		k.Clock.Add(time.Microsecond)
		k.Do(Post("/signin", SignUpBody(Ann, GoodPassword))).Want(t, 200, "")
	})
}

func TestSI08_TheAddressIsTheConnections(t *testing.T) {
	t.Parallel()
	k := NewKit(t, InBodies, Setup{})
	k.SignUp(Ann)
	for i := range 7 {
		claimed := fmt.Sprintf("198.51.100.%d", i)
		header := map[string]string{"Forwarded": "for=" + claimed}
		for _, name := range []string{"X-Forwarded-For", "X-Real-IP", "True-Client-IP", "X-Client-IP"} {
			header[name] = claimed
		}
		want := map[bool]int{true: 401, false: 429}[i < 5]
		if got := k.FailSignInFrom("203.0.113.9:1000", header); got != want {
			t.Errorf("attempt %d: %d, want %d", i+1, got, want)
		}
	}
	k = NewKit(t, InBodies, Setup{})
	k.SignUp(Ann)
	for i := range 7 {
		want := map[bool]int{true: 401, false: 429}[i < 5]
		if got := k.FailSignInFrom(fmt.Sprintf("[2001:db8:1:2:%x::1]:1000", i), nil); got != want {
			t.Errorf("one /64, attempt %d: %d, want %d", i+1, got, want)
		}
	}
}

func TestSI08_ATrustedProxyNamesTheClient(t *testing.T) {
	t.Parallel()
	k := NewKit(t, InBodies, Setup{Config: func(c *handlers.Config) {
		c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	}})
	k.SignUp(Ann)
	for i := range 7 {
		// The part that the client wrote is on the left.
		chain := fmt.Sprintf("198.51.100.%d, 203.0.113.9, 10.1.1.1", i)
		want := map[bool]int{true: 401, false: 429}[i < 5]
		if got := k.FailSignInFrom("10.0.0.1:1000", map[string]string{"X-Forwarded-For": chain}); got != want {
			t.Errorf("attempt %d: %d, want %d", i+1, got, want)
		}
	}
	if got := k.FailSignInFrom("10.0.0.1:1000", map[string]string{"X-Forwarded-For": "203.0.113.10"}); got != 401 {
		t.Errorf("another client behind the proxy: %d, want 401", got)
	}
	page, err := k.Service.Operator("test").Events(t.Context(), usher.EventQuery{Name: usher.EventSignInFailed})
	if err != nil || len(page.Events) == 0 || page.Events[0].Address != "203.0.113.10" {
		t.Errorf("page.Events are %v, %v", page.Events, err)
	}
}

// Behind a proxy that is not trusted all clients count as one network, and the log says
// so once. A proxy that connects by a Unix socket is trusted by name.
func TestSI08_AProxyMustBeTrusted(t *testing.T) {
	t.Parallel()
	loopback := netip.MustParsePrefix("127.0.0.0/8")
	for _, c := range []struct {
		network, address string
		trusted          netip.Prefix
		last, warnings   int
	}{
		{"unix", filepath.Join(t.TempDir(), "s"), middleware.UnixSocket, 401, 0},
		{"unix", filepath.Join(t.TempDir(), "s"), loopback, 429, 1},
		{"tcp", "127.0.0.1:0", loopback, 401, 0},
		{"tcp", "127.0.0.1:0", middleware.UnixSocket, 429, 1},
	} {
		k := NewKit(t, InBodies, Setup{Config: func(h *handlers.Config) { h.TrustedProxies = []netip.Prefix{c.trusted} }})
		l := usher.Must(net.Listen(c.network, c.address))
		server := httptest.Server{Listener: l, Config: &http.Server{Handler: k.Server}}
		server.Start()
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(context.Context, string, string) (net.Conn, error) {
			return net.Dial(c.network, l.Addr().String())
		}}}
		for i := range 7 {
			r := usher.Must(http.NewRequest("POST", "http://app.example/auth/signin", strings.NewReader(SignUpBody(Ann, OtherPassword))))
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("X-Forwarded-For", fmt.Sprintf("203.0.113.%d", i))
			response := usher.Must(client.Do(r))
			if response.Body.Close(); i == 6 && response.StatusCode != c.last {
				t.Errorf("%s, trusting %s: %d, want %d", c.network, c.trusted, response.StatusCode, c.last)
			}
		}
		server.Close()
		if n := strings.Count(k.Logs.String(), "count as one network"); n != c.warnings {
			t.Errorf("%s, trusting %s: %d warnings, want %d", c.network, c.trusted, n, c.warnings)
		}
	}
}
