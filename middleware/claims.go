package middleware

import (
	"context"

	"github.com/usherkit/usher/token"
)

// Kind says how a request proved its session.
type Kind string

// The kinds of credential.
const (
	// None means that the context has no claims, or that they came by
	// [WithClaims].
	None Kind = ""
	// Bearer is the Authorization header (RFC 6750 §2.1).
	Bearer Kind = "bearer"
	// Cookie is the session cookie, which a browser sends along unasked.
	Cookie Kind = "cookie"
)

type contextKey struct{ name string }

var sessionKey = &contextKey{"session"}

// session is what a context holds. It is never changed.
type session struct {
	claims *token.Claims
	kind   Kind
	// by is the Middleware that validated it, nil after WithClaims.
	by *Middleware
}

// Claims returns the verified claims of the request's session, as a copy that
// the caller may change. It is false where there is no valid session.
func Claims(ctx context.Context) (token.Claims, bool) {
	if s := fromContext(ctx); s != nil {
		return s.claims.Clone(), true
	}
	return token.Claims{}, false
}

// Subject returns the id of the signed-in user, the claim sub, or "" where
// there is no valid session.
func Subject(ctx context.Context) string {
	if s := fromContext(ctx); s != nil {
		return s.claims.Subject
	}
	return ""
}

// Claim returns the session's custom claim called name as a T. It is false
// where there is no valid session, or the claim is absent, null, or no T. See
// [token.Claim].
func Claim[T any](ctx context.Context, name string) (T, bool) {
	if s := fromContext(ctx); s != nil {
		return token.Claim[T](s.claims, name)
	}
	var zero T
	return zero, false
}

// Credential returns how the request proved its session.
func Credential(ctx context.Context) Kind {
	if s := fromContext(ctx); s != nil {
		return s.kind
	}
	return None
}

// WithClaims returns a context that holds the claims, as if they had been
// validated; nil takes them away. It is for tests, and for transports other
// than net/http that did the validation themselves: every Middleware takes
// such claims for granted. The claims are copied.
func WithClaims(ctx context.Context, claims *token.Claims) context.Context {
	if claims == nil {
		return withoutSession(ctx)
	}
	own := claims.Clone()
	return &sessionContext{ctx, session{claims: &own}}
}

// sessionContext is a context that holds a session: what context.WithValue makes,
// and its value.
type sessionContext struct {
	context.Context
	session session
}

// Value implements context.Context.
func (c *sessionContext) Value(key any) any {
	if key == sessionKey {
		return &c.session
	}
	return c.Context.Value(key)
}

// withoutSession hides the session of the context, if it has one.
func withoutSession(ctx context.Context) context.Context {
	return context.WithValue(ctx, sessionKey, (*session)(nil))
}

func fromContext(ctx context.Context) *session {
	s, _ := ctx.Value(sessionKey).(*session)
	return s
}
