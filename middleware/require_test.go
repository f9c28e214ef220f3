package middleware_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/justinas/alice"

	"github.com/usherkit/usher/internal/signing"
	"github.com/usherkit/usher/middleware"
	"github.com/usherkit/usher/token"
)

func TestTV16_OptionalShowsNoClaimsOfABadToken(t *testing.T) {
	w := newWorld(t)
	m := w.middleware(nil)
	h := m.Optional(whoami)
	good := w.issue(nil)
	for name, c := range map[string]struct {
		change func(*http.Request)
		ok     bool
	}{
		"none":         {nil, false},
		"good":         {bearer(good), true},
		"good cookie":  {func(r *http.Request) { r.AddCookie(cookieFor(good, "")) }, true},
		"expired":      {bearer(w.expired()), false},
		"damaged":      {bearer(good[:len(good)-6] + "AAAAAA"), false},
		"two headers":  {func(r *http.Request) { bearer(good)(r); r.Header.Add("Authorization", "Bearer x") }, false},
		"bad and good": {func(r *http.Request) { bearer("x")(r); r.AddCookie(cookieFor(good, "")) }, false},
		"cross-origin": {func(r *http.Request) {
			r.Method = "POST"
			r.AddCookie(cookieFor(good, ""))
			r.Header.Set("Sec-Fetch-Site", "cross-site")
		}, false},
	} {
		got := do(h, request("GET", "/", c.change))
		if got.Code != 200 || strings.Contains(got.Body.String(), `"ok":true`) != c.ok {
			t.Errorf("%s: %d %s", name, got.Code, got.Body)
		}
	}
}

func TestTV16_InboundIdentityHeadersAreNotBelieved(t *testing.T) {
	w := newWorld(t)
	for name, h := range map[string]http.Handler{"require": w.middleware(nil).Require(whoami), "role": w.middleware(nil).RequireRole("admin")(whoami)} {
		got := do(h, request("GET", "/", func(r *http.Request) {
			for _, k := range []string{"X-User-Id", "X-Forwarded-User", "Remote-User", "X-Auth-Subject", "X-Roles"} {
				r.Header.Set(k, "admin")
			}
		}))
		if got.Code != 401 {
			t.Errorf("%s: %d", name, got.Code)
		}
	}
}

func TestTV16_MalformedRightsAreNone(t *testing.T) {
	w := newWorld(t)
	m := w.middleware(nil)
	for name, value := range map[string]any{
		"string": "admin", "number": 7, "null": nil, "object": map[string]any{"admin": true},
		"nested": []any{[]any{"admin"}}, "mixed": []any{1, "admin"}, "bool": true,
	} {
		raw := token.Secret(w.sign(map[string]any{"roles": value, "permissions": value, "tenants": value, "email_verified": "true"}))
		for kind, h := range map[string]http.Handler{
			"role": m.RequireRole("admin")(whoami), "permission": m.RequirePermission("admin")(whoami), "verified": m.RequireVerifiedEmail(whoami),
		} {
			if got := do(h, request("GET", "/", bearer(raw))); got.Code != 403 && got.Code != 401 {
				t.Errorf("%s, %s: %d %s", name, kind, got.Code, got.Body)
			}
		}
	}
}

// A user is in tenant a without roles, in b with rights, and has rights outside of any tenant.
// Nobody else passes a guard of a tenant, whatever the list of roles is.
func TestTN06_GuardsOfATenantLetOnlyItsUsersIn(t *testing.T) {
	w := newWorld(t)
	m := w.middleware(nil)
	inPath := func(r *http.Request) string { return strings.Trim(r.URL.Path, "/") }
	guards := func(of middleware.TenantOf) map[string]http.Handler {
		return map[string]http.Handler{
			"member": m.RequireTenant(of)(whoami), "no role": m.RequireTenantRole(of)(whoami), "empty role": m.RequireTenantRole(of, "")(whoami),
			"editor": m.RequireTenantRole(of, "editor")(whoami), "second of two": m.RequireTenantRole(of, "none", "owner")(whoami),
			"top role": m.RequireTenantRole(of, "admin")(whoami), "write": m.RequireTenantPermission(of, "write")(whoami),
			"top permission": m.RequireTenantPermission(of, "all")(whoami), "empty permission": m.RequireTenantPermission(of, "")(whoami),
		}
	}
	rights := map[string]token.Tenant{"a": {}, "b": {Roles: []string{"owner", "editor", ""}, Permissions: []string{"write", ""}}, "": {Roles: []string{"editor"}}}
	allowed := map[string]string{"a": "member", "b": "member editor, second of two, write"}
	for _, selected := range []string{"", "a", "b", "c"} {
		raw := w.issue(func(c *signing.Claims) {
			c.Roles, c.Permissions, c.Tenants, c.Tenant = []string{"admin"}, []string{"all"}, rights, selected
		})
		for _, tenant := range []string{"a", "b", "B", "c", ""} {
			for name, h := range guards(inPath) {
				want := 403
				if strings.Contains(allowed[tenant], name) {
					want = 200
				}
				if got := do(h, request("GET", "/"+tenant, bearer(raw))); got.Code != want {
					t.Errorf("tenant %q, guard %q, selected %q: %d, want %d", tenant, name, selected, got.Code, want)
				}
				if got := do(h, request("GET", "/"+tenant, nil)); got.Code != 401 {
					t.Errorf("tenant %q, guard %q, without a session: %d", tenant, name, got.Code)
				}
			}
		}
		for name, h := range guards(nil) {
			want := 403
			if strings.Contains(allowed[selected], name) {
				want = 200
			}
			got := do(h, request("GET", "/b", bearer(raw)))
			if got.Code != want || want == 403 && !strings.Contains(got.Body.String(), `"forbidden"`) {
				t.Errorf("selected %q, guard %q: %d %s, want %d", selected, name, got.Code, got.Body, want)
			}
		}
	}
	none := w.issue(nil) // a user in no tenant
	for _, of := range []middleware.TenantOf{nil, inPath} {
		for name, h := range guards(of) {
			if got := do(h, request("GET", "/a", bearer(none))); got.Code != 403 {
				t.Errorf("in no tenant, guard %q: %d", name, got.Code)
			}
		}
	}
}

func TestRoles(t *testing.T) {
	w := newWorld(t)
	m := w.middleware(nil)
	raw := w.issue(func(i *signing.Claims) {
		i.Roles, i.Permissions = []string{"editor", "author"}, []string{"article.write"}
		i.Tenants = map[string]token.Tenant{"t1": {Roles: []string{"admin"}, Permissions: []string{"all"}}}
	})
	for name, c := range map[string]struct {
		h      http.Handler
		status int
	}{
		"has it":                {m.RequireRole("editor")(whoami), 200},
		"has one of them":       {m.RequireRole("admin", "author")(whoami), 200},
		"has both":              {m.RequireRole("editor")(m.RequireRole("author")(whoami)), 200},
		"lacks the second":      {m.RequireRole("editor")(m.RequireRole("admin")(whoami)), 403},
		"in a tenant only":      {m.RequireRole("admin")(whoami), 403},
		"no role named":         {m.RequireRole()(whoami), 403},
		"empty role":            {m.RequireRole("")(whoami), 403},
		"other case":            {m.RequireRole("Editor")(whoami), 403},
		"permission":            {m.RequirePermission("article.write")(whoami), 200},
		"permission of tenant":  {m.RequirePermission("all")(whoami), 403},
		"role is no permission": {m.RequirePermission("editor")(whoami), 403},
		"after Require":         {alice.New(m.Require, m.RequireRole("editor"), m.RequirePermission("article.write")).Then(whoami), 200},
	} {
		if got := do(c.h, request("GET", "/", bearer(raw))); got.Code != c.status {
			t.Errorf("%s: %d, want %d", name, got.Code, c.status)
		}
		if got := do(c.h, request("GET", "/", nil)); got.Code != 401 {
			t.Errorf("%s without a session: %d", name, got.Code)
		}
	}
}

func TestRequireRecent(t *testing.T) {
	w := newWorld(t)
	h := w.middleware(nil).RequireRecent(5 * time.Minute)(whoami)
	for name, c := range map[string]struct {
		at     time.Time
		status int
	}{
		"now":            {start, 200},
		"at the limit":   {start.Add(-5 * time.Minute), 200},
		"past it":        {start.Add(-5*time.Minute - time.Second), 401},
		"unknown":        {time.Time{}, 401},
		"a bit ahead":    {start.Add(30 * time.Second), 200},
		"a minute ahead": {start.Add(time.Minute), 200},
		"and a bit more": {start.Add(time.Minute + 1), 401},
		"a year ahead":   {start.Add(365 * 24 * time.Hour), 401},
		"two min ahead":  {start.Add(2 * time.Minute), 401},
	} {
		// WithClaims, because a verifier may refuse some of these claims.
		ctx := middleware.WithClaims(t.Context(), &token.Claims{Subject: "u", AuthTime: c.at, IssuedAt: start})
		if got := do(h, request("GET", "/", nil).WithContext(ctx)); got.Code != c.status {
			t.Errorf("%s: %d, want %d", name, got.Code, c.status)
		}
	}
	whenever := w.middleware(nil).RequireRecent(math.MaxInt64)(whoami)
	ctx := middleware.WithClaims(t.Context(), &token.Claims{Subject: "u"})
	if got := do(whenever, request("GET", "/", nil).WithContext(ctx)); got.Code != 401 {
		t.Errorf("a sign-in without a time: %d", got.Code)
	}
}

func TestEV02_UnverifiedEmailIsRefused(t *testing.T) {
	w := newWorld(t)
	h := w.middleware(nil).RequireVerifiedEmail(whoami)
	for verified, status := range map[bool]int{false: 403, true: 200} {
		raw := w.issue(func(i *signing.Claims) { i.EmailVerified = verified })
		if got := do(h, request("GET", "/", bearer(raw))); got.Code != status {
			t.Errorf("%t: %d, want %d", verified, got.Code, status)
		}
	}
}

// reader is a Validator that knows the current claims.
type reader struct {
	*world
	current func() (*token.Claims, error)
	calls   int
}

func (r *reader) CurrentClaims(_ context.Context, c *token.Claims) (*token.Claims, error) {
	if r.calls++; c.Subject != "user-1" || c.SessionID != "session-1" {
		r.t.Errorf("asked for %s %s", c.Subject, c.SessionID)
	}
	return r.current()
}

func TestEV08_AGuardReadsTheClaimsOnceBeforeItRefuses(t *testing.T) {
	confirmed := &token.Claims{Subject: "user-1", SessionID: "session-1", EmailVerified: true, Roles: []string{"a"}, Permissions: []string{"p"}}
	for name, test := range map[string]struct {
		claims *token.Claims
		err    error
		guards func(m *middleware.Middleware) http.Handler
		status int
		calls  int
	}{
		"confirmed":          {confirmed, nil, func(m *middleware.Middleware) http.Handler { return m.RequireVerifiedEmail(whoami) }, 200, 1},
		"role":               {confirmed, nil, func(m *middleware.Middleware) http.Handler { return m.RequireRole("b", "a")(whoami) }, 200, 1},
		"permission":         {confirmed, nil, func(m *middleware.Middleware) http.Handler { return m.RequirePermission("p")(whoami) }, 200, 1},
		"another role":       {confirmed, nil, func(m *middleware.Middleware) http.Handler { return m.RequireRole("b")(whoami) }, 403, 1},
		"two guards":         {confirmed, nil, func(m *middleware.Middleware) http.Handler { return m.RequireVerifiedEmail(m.RequireRole("a")(whoami)) }, 200, 1},
		"the second refuses": {confirmed, nil, func(m *middleware.Middleware) http.Handler { return m.RequireVerifiedEmail(m.RequireRole("b")(whoami)) }, 403, 1},
		"ended":              {nil, token.ErrInvalid, func(m *middleware.Middleware) http.Handler { return m.RequireVerifiedEmail(whoami) }, 401, 1},
		"outage":             {nil, errors.New("gone"), func(m *middleware.Middleware) http.Handler { return m.RequireVerifiedEmail(whoami) }, 503, 1},
		"nothing to refuse":  {nil, errors.New("gone"), func(m *middleware.Middleware) http.Handler { return m.Require(m.Optional(whoami)) }, 200, 0},
		"time of sign-in":    {confirmed, nil, func(m *middleware.Middleware) http.Handler { return m.RequireRecent(-time.Hour)(whoami) }, 401, 0},
	} {
		r := &reader{world: newWorld(t), current: func() (*token.Claims, error) { return test.claims, test.err }}
		m := r.middleware(func(c *middleware.Config) { c.Validator = r })
		got := do(test.guards(m), request("GET", "/", bearer(r.issue(nil))))
		if got.Code != test.status || r.calls != test.calls {
			t.Errorf("%s: %d after %d calls, want %d after %d", name, got.Code, r.calls, test.status, test.calls)
		}
	}
	// Claims that the program has set are what they are.
	r := &reader{world: newWorld(t)}
	h := r.middleware(func(c *middleware.Config) { c.Validator = r }).RequireVerifiedEmail(whoami)
	q := request("GET", "/", nil)
	if got := do(h, q.WithContext(middleware.WithClaims(q.Context(), &token.Claims{Subject: "x"}))); got.Code != 403 || r.calls != 0 {
		t.Errorf("WithClaims: %d after %d calls", got.Code, r.calls)
	}
}

// A chain of one Middleware validates once, and does not accept the claims that
// another Middleware validated.
func TestChainValidatesOnceEach(t *testing.T) {
	w := newWorld(t)
	calls := 0
	count := func(c *middleware.Config) {
		c.Validator = validatorFunc(func(ctx context.Context, raw string) (*token.Claims, error) {
			calls++
			return w.ValidateSession(ctx, token.Secret(raw))
		})
	}
	m := w.middleware(count)
	raw := w.issue(func(i *signing.Claims) { i.Roles = []string{"a"} })
	got := do(m.Optional(m.Require(m.RequireRole("a")(whoami))), request("GET", "/", bearer(raw)))
	if got.Code != 200 || calls != 1 || len(got.Header().Values("Vary")) != 1 {
		t.Fatalf("%d, %d calls, Vary %q", got.Code, calls, got.Header().Values("Vary"))
	}
	strict := w.middleware(func(c *middleware.Config) {
		c.Validator = validatorFunc(func(context.Context, string) (*token.Claims, error) { return nil, token.ErrInvalid })
	})
	if got := do(m.Require(strict.Require(whoami)), request("GET", "/", bearer(raw))); got.Code != 401 {
		t.Fatalf("the claims of another Middleware were accepted: %d", got.Code)
	}
	if got := do(m.Require(strict.Optional(whoami)), request("GET", "/", bearer(raw))); !strings.Contains(got.Body.String(), `"ok":false`) {
		t.Fatalf("the claims of another Middleware were accepted: %s", got.Body)
	}
}

func TestFB01_FB06_NothingJudgedMeansNothingServed(t *testing.T) {
	w := newWorld(t)
	for name, f := range map[string]validatorFunc{
		"unavailable": func(context.Context, string) (*token.Claims, error) { return nil, token.ErrUnavailable },
		"other error": func(context.Context, string) (*token.Claims, error) { return nil, errors.New("boom") },
		"both nil":    func(context.Context, string) (*token.Claims, error) { return nil, nil },
	} {
		m := w.middleware(func(c *middleware.Config) { c.Validator = f })
		r := request("GET", "/", func(r *http.Request) { r.AddCookie(cookieFor("x", "y")) })
		got := do(m.Require(whoami), r)
		if got.Code != 503 || code(t, got) != "unavailable" || len(got.Result().Cookies()) != 0 || got.Header().Get("Retry-After") != "5" {
			t.Errorf("%s: %d %v", name, got.Code, got.Header())
		}
		if got := do(m.Optional(whoami), r); !strings.Contains(got.Body.String(), `"ok":false`) {
			t.Errorf("%s, optional: %s", name, got.Body)
		}
	}
	// The cookies cannot be read, or the refreshed tokens cannot be kept in them.
	for name, cookies := range map[string]middleware.TokenCookies{
		"read": unreadCookies{}, "set": fakeCookies{fmt.Errorf("disk full: %w", token.ErrUnavailable)},
	} {
		m := w.middleware(func(c *middleware.Config) {
			c.Cookies = cookies
			c.Refresher = &refresher{f: func(context.Context, string) (token.Pair, error) { return token.Pair{Session: w.issue(nil)}, nil }}
		})
		got := do(m.Require(whoami), request("GET", "/", func(r *http.Request) { r.AddCookie(cookieFor("", "y")) }))
		if got.Code != 503 || code(t, got) != "unavailable" || len(got.Result().Cookies()) != 0 || got.Header().Get("Retry-After") != "5" {
			t.Errorf("%s: %d %v", name, got.Code, got.Header())
		}
	}
}

// unreadCookies are kept in a store that is down.
type unreadCookies struct{ fakeCookies }

func (unreadCookies) ReadTokens(*http.Request) (token.Pair, bool, error) {
	return token.Pair{}, true, errors.New("connection refused")
}
