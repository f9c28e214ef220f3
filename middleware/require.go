package middleware

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/usherkit/usher/internal/nostore"
	"github.com/usherkit/usher/problem"
	"github.com/usherkit/usher/token"
)

// Require allows only requests with a valid session. If several Require… methods
// of one Middleware are nested, only the outermost validates the session; the
// others read the claims from the context. The response has Cache-Control:
// no-store, unless the handler sets another value.
//
// If the session ends while the handler runs, the context of the request is canceled with
// the cause [ErrSessionEnded]: within two seconds of a sign-out on any instance, if the
// Validator is a [SessionWatcher], and within the lifetime of a session token after the
// session has expired. If the Validator is not a [ClaimsReader], the request is canceled
// when its token expires, but never in the first minute of the request. The request that
// ends the session itself is not canceled. A handler that streams returns when the context
// is done; a connection taken over from the server is closed by [context.AfterFunc].
func (m *Middleware) Require(next http.Handler) http.Handler {
	return m.guard(next, 0, func(*http.Request, *token.Claims) problem.Code { return "" })
}

// RequireFunc is [Middleware.Require] for a function.
func (m *Middleware) RequireFunc(next http.HandlerFunc) http.Handler { return m.Require(next) }

// Optional allows every request. The context contains claims only if the request
// has a valid session; an invalid token is treated like none. It refuses one kind of request: a
// browser that opens a page, or sends a form, after the session in which an operator acted as
// a user has ended gets the refusal [problem.ImpersonationEnded].
func (m *Middleware) Optional(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		cookies := false
		if m.validatedSession(r) == nil {
			p := new(protected)
			p.addVary(w.Header(), m.vary)
			s, refusal := m.authenticate(w, r, p)
			cookies = p.addedCookies
			if refusal != nil && refusal.Code == problem.ImpersonationEnded && IsNavigation(r) {
				m.refuse(w, r, refusal, 0, cookies)
				return
			}
			if refusal != nil {
				m.logRefusal(w, r, refusal)
				r = r.WithContext(withoutSession(r.Context()))
			} else {
				p.noStore(w.Header())
				ctx := p.watchedContext(r.Context(), s)
				defer ctx.StopWatch()
				r = r.WithContext(ctx)
			}
		}
		serveRefreshed(next, w, r, cookies)
	})
}

// RequireRole allows users with any of the roles. Roles within a tenant do not
// count. Without a role it refuses every request. To require several roles, nest
// several RequireRole. Before it refuses a user, it reads the current roles, if the
// Validator is a [ClaimsReader].
func (m *Middleware) RequireRole(anyOf ...string) func(http.Handler) http.Handler {
	anyOf = slices.Clone(anyOf)
	return func(next http.Handler) http.Handler {
		return m.guard(next, 0, func(_ *http.Request, c *token.Claims) problem.Code {
			if slices.ContainsFunc(anyOf, c.HasRole) {
				return ""
			}
			return problem.Forbidden
		})
	}
}

// RequirePermission allows users with the permission. Permissions within a tenant
// do not count. Before it refuses a user, it reads the current permissions, if the
// Validator is a [ClaimsReader].
func (m *Middleware) RequirePermission(permission string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return m.guard(next, 0, func(_ *http.Request, c *token.Claims) problem.Code {
			if c.HasPermission(permission) {
				return ""
			}
			return problem.Forbidden
		})
	}
}

// A TenantOf returns the id of the tenant that a request is about, such as a value of its
// path. The id may be any text of the client: the guards compare it with the tenants of the
// user.
type TenantOf func(*http.Request) string

// RequireTenant allows users who are in the tenant of the request, with or without roles
// in it. tenant returns its id; nil means the tenant that the user has selected in the
// session ([token.Claims.Tenant]). An empty id refuses the request. Before it refuses a
// user, it reads the current tenants, if the Validator is a [ClaimsReader].
func (m *Middleware) RequireTenant(tenant TenantOf) func(http.Handler) http.Handler {
	return m.requireInTenant(tenant, (*token.Claims).InTenant)
}

// RequireTenantRole allows users with any of the roles within the tenant of the request,
// which is found as in [Middleware.RequireTenant]. Roles outside of any tenant, and those in
// other tenants, do not count. Without a role it refuses every request.
func (m *Middleware) RequireTenantRole(tenant TenantOf, anyOf ...string) func(http.Handler) http.Handler {
	anyOf = slices.Clone(anyOf)
	return m.requireInTenant(tenant, func(c *token.Claims, id string) bool {
		return slices.ContainsFunc(anyOf, func(role string) bool { return c.HasTenantRole(id, role) })
	})
}

// RequireTenantPermission allows users with the permission within the tenant of the request,
// which is found as in [Middleware.RequireTenant]. Permissions outside of any tenant, and
// those in other tenants, do not count.
func (m *Middleware) RequireTenantPermission(tenant TenantOf, permission string) func(http.Handler) http.Handler {
	return m.requireInTenant(tenant, func(c *token.Claims, id string) bool { return c.HasTenantPermission(id, permission) })
}

func (m *Middleware) requireInTenant(tenant TenantOf, allowed func(c *token.Claims, id string) bool) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return m.guard(next, 0, func(r *http.Request, c *token.Claims) problem.Code {
			id := c.Tenant
			if tenant != nil {
				id = tenant(r)
			}
			if allowed(c, id) {
				return ""
			}
			return problem.Forbidden
		})
	}
}

// RequireRecent allows users who signed in at most maxAge ago, by the claim
// auth_time, which a refresh does not change. Other users must sign in again, or confirm
// the password in their session (usher.Service.Reauthenticate; RFC 9470).
func (m *Middleware) RequireRecent(maxAge time.Duration) func(http.Handler) http.Handler {
	// A sign-in up to this far in the future is a difference between clocks.
	const tolerance = time.Minute
	return func(next http.Handler) http.Handler {
		return m.guard(next, maxAge, func(_ *http.Request, c *token.Claims) problem.Code {
			age := m.cfg.Now().Sub(c.AuthTime)
			if c.AuthTime.IsZero() || age > maxAge || age < -tolerance {
				return problem.RecentSignInRequired
			}
			return ""
		})
	}
}

// RequireVerifiedEmail allows users who have confirmed their email address, by the
// claim email_verified. Before it refuses a user, it reads whether the address is
// confirmed by now, if the Validator is a [ClaimsReader].
func (m *Middleware) RequireVerifiedEmail(next http.Handler) http.Handler {
	return m.guard(next, 0, func(_ *http.Request, c *token.Claims) problem.Code {
		if c.EmailVerified {
			return ""
		}
		return problem.EmailNotVerified
	})
}

// guard validates the session, unless an outer guard has, and calls next if check
// returns "". Otherwise it refuses the request with the code of check.
func (m *Middleware) guard(next http.Handler, maxAge time.Duration, check func(*http.Request, *token.Claims) problem.Code) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, cookies := m.validatedSession(r), false
		if s == nil {
			p := new(protected)
			p.addVary(w.Header(), m.vary)
			authenticated, refusal := m.authenticate(w, r, p)
			cookies = p.addedCookies
			if refusal != nil {
				m.refuse(w, r, refusal, maxAge, cookies)
				return
			}
			p.noStore(w.Header())
			ctx := p.watchedContext(r.Context(), authenticated)
			defer ctx.StopWatch()
			r, s = r.WithContext(ctx), &ctx.session
		}
		if code := check(r, s.claims); code != "" {
			current, refusal := m.currentClaims(r.Context(), s, code)
			if refusal == nil && check(r, current) != "" {
				refusal = newRefusal(code, nil)
			}
			if refusal != nil {
				m.refuse(w, r, refusal, maxAge, cookies)
				return
			}
			r = r.WithContext(&sessionContext{Context: r.Context(), session: session{current, s.operator, s.validatedBy, s.bearer, true}})
		}
		serveRefreshed(next, w, r, cookies)
	})
}

// currentTimeout limits one call of a ClaimsReader, because the program's own routes
// may have no deadline.
const currentTimeout = 5 * time.Second

// currentClaims returns the claims of the session as they are now, if the Validator can
// read them, and otherwise as they are in the token. code is the reason for which a
// request would be refused.
func (m *Middleware) currentClaims(ctx context.Context, s *session, code problem.Code) (*token.Claims, *Refusal) {
	reader, ok := m.cfg.Validator.(ClaimsReader)
	// The time of the sign-in is in the token alone. Claims of WithClaims need not be those of
	// a session.
	if !ok || s.current || s.validatedBy == nil || code == problem.RecentSignInRequired {
		return s.claims, nil
	}
	ctx, cancel := context.WithTimeout(ctx, currentTimeout)
	defer cancel()
	current, err := reader.CurrentClaims(ctx, s.claims)
	if err != nil {
		return nil, refusalFor(err)
	}
	return current, nil
}

// validatedSession returns the session in the request's context if this Middleware or
// WithClaims put it there. A session validated by another Middleware does not
// count, because that one may trust other issuers.
func (m *Middleware) validatedSession(r *http.Request) *session {
	if s := fromContext(r.Context()); s != nil && (s.validatedBy == m || s.validatedBy == nil) {
		return s
	}
	return nil
}

// protected holds what a request with a session needs, in one allocation: its context, and
// the values of two headers of its response. It refers to nothing of the request.
type protected struct {
	sessionContext
	// addedCookies means that the Middleware has added cookies to the response.
	addedCookies       bool
	vary, cacheControl [1]string
}

// watchedContext returns the context of a request with the session s.
func (p *protected) watchedContext(parent context.Context, s session) *sessionContext {
	p.Context, p.session, p.watched = parent, s, true
	return &p.sessionContext
}

// addVary adds names to the Vary header, so that no cache serves the response of
// one user to another.
func (p *protected) addVary(h http.Header, names string) {
	switch have := h["Vary"]; {
	case len(have) == 0:
		p.vary[0] = names
		h["Vary"] = p.vary[:]
	case !slices.Contains(have, names):
		h["Vary"] = append(have, names)
	}
}

// cookiesAdded forbids caches to store the response, which Set-Cookie alone does not (RFC
// 9111 §7.3). Whatever adds cookies to the response calls it.
func (p *protected) cookiesAdded(w http.ResponseWriter) {
	p.addedCookies = true
	nostore.Set(w.Header())
}

// noStore forbids browsers to keep the response, so that the back button does not show
// it after the sign-out. A handler may set another Cache-Control later.
func (p *protected) noStore(h http.Header) {
	p.cacheControl[0] = "no-store"
	h["Cache-Control"] = p.cacheControl[:]
}
