package middleware

import (
	"net/http"
	"slices"
	"time"

	"github.com/usherkit/usher/token"
)

// Require lets only requests with a valid session through. It and every other
// Require… do the validation once: one that stands inside another of the same
// Middleware reads the claims from the context.
func (m *Middleware) Require(next http.Handler) http.Handler {
	return m.guard(next, 0, func(*token.Claims) RefusalKind { return "" })
}

// Optional lets every request through. Only with a valid session does next find
// claims in the context; a token that does not count is as good as none.
func (m *Middleware) Optional(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if m.known(r) == nil {
			var own piece
			own.addVary(w.Header(), m.vary)
			if s, refusal := m.authenticate(w, r); refusal != nil {
				m.log(w, r, refusal)
				r = r.WithContext(withoutSession(r.Context()))
			} else {
				r = own.with(r, s)
			}
		}
		next.ServeHTTP(w, r)
	})
}

// RequireRole lets through who has at least one of the roles, outside of any
// tenant. Without a role it lets nobody through. To demand several, put one
// RequireRole inside the other.
func (m *Middleware) RequireRole(anyOf ...string) func(http.Handler) http.Handler {
	anyOf = slices.Clone(anyOf)
	return func(next http.Handler) http.Handler {
		return m.guard(next, 0, func(c *token.Claims) RefusalKind {
			if slices.ContainsFunc(anyOf, c.HasRole) {
				return ""
			}
			return Forbidden
		})
	}
}

// RequirePermission lets through who has the permission, outside of any tenant.
func (m *Middleware) RequirePermission(permission string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return m.guard(next, 0, func(c *token.Claims) RefusalKind {
			if c.HasPermission(permission) {
				return ""
			}
			return Forbidden
		})
	}
}

// RequireRecent lets through who entered the password at most d ago (the claim
// auth_time): refreshing tokens does not count. Others are told to sign in again
// as RFC 9470 has it.
func (m *Middleware) RequireRecent(d time.Duration) func(http.Handler) http.Handler {
	// A sign-in that seems to lie ahead is a clock that differs, or none at all.
	const ahead = time.Minute
	return func(next http.Handler) http.Handler {
		return m.guard(next, d, func(c *token.Claims) RefusalKind {
			age := m.cfg.Now().Sub(c.AuthTime)
			if c.AuthTime.IsZero() || age > d || age < -ahead {
				return RecentSignInRequired
			}
			return ""
		})
	}
}

// RequireVerifiedEmail lets through who has confirmed the e-mail address (the
// claim email_verified).
func (m *Middleware) RequireVerifiedEmail(next http.Handler) http.Handler {
	return m.guard(next, 0, func(c *token.Claims) RefusalKind {
		if c.EmailVerified {
			return ""
		}
		return EmailNotVerified
	})
}

// guard authenticates, unless that is done already, and then asks allow.
func (m *Middleware) guard(next http.Handler, maxAge time.Duration, allow func(*token.Claims) RefusalKind) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var claims *token.Claims
		if s := m.known(r); s != nil {
			claims = s.claims
		} else {
			var own piece
			own.addVary(w.Header(), m.vary)
			s, refusal := m.authenticate(w, r)
			if refusal != nil {
				m.refuse(w, r, refusal, maxAge)
				return
			}
			r = own.with(r, s)
			claims = s.claims
		}
		if kind := allow(claims); kind != "" {
			m.refuse(w, r, newRefusal(kind, nil), maxAge)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// known returns the session in the request's context if this Middleware put it
// there. Another one may trust other issuers, so its word does not count.
func (m *Middleware) known(r *http.Request) *session {
	if s := fromContext(r.Context()); s != nil && (s.by == m || s.by == nil) {
		return s
	}
	return nil
}
