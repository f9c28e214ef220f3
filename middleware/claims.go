package middleware

import (
	"context"
	"sync/atomic"

	"github.com/usherkit/usher/internal/watch"
	"github.com/usherkit/usher/token"
)

// CredentialSource is where the session token of a request was. See [Source].
type CredentialSource string

const (
	// SourceNone means that the request has no valid session, or that its claims
	// were set by [WithClaims].
	SourceNone CredentialSource = ""
	// SourceBearer is the Authorization header (RFC 6750 §2.1).
	SourceBearer CredentialSource = "bearer"
	// SourceCookie is the session cookie. Browsers send it with every request,
	// also with those that a page of another site causes.
	SourceCookie CredentialSource = "cookie"
)

type contextKey struct{ name string }

var sessionKey = &contextKey{"session"}

// session is the session in a context. It is never modified.
type session struct {
	claims *token.Claims
	// operator are the claims of the operator's own session, if an operator acts as the user
	// by a cookie; otherwise nil.
	operator *token.Claims
	// validatedBy is the Middleware that validated the session, nil after WithClaims.
	validatedBy *Middleware
	// bearer means that the token was in the Authorization header, not in a cookie.
	bearer bool
	// current means that a ClaimsReader has read the claims during this request.
	current bool
}

// Claims returns a copy of the verified claims of the request's session. It
// returns false if the request has no valid session.
func Claims(ctx context.Context) (token.Claims, bool) {
	if s := fromContext(ctx); s != nil {
		return s.claims.Clone(), true
	}
	return token.Claims{}, false
}

// Subject returns the id of the signed-in user, which is the claim sub, or "" if
// the request has no valid session.
func Subject(ctx context.Context) string {
	if s := fromContext(ctx); s != nil {
		return s.claims.Subject
	}
	return ""
}

// Actor returns the name of the operator who acts as the user of the request's session
// (usher.Operator.Impersonate), or "" if the user acts or the request has no valid session.
func Actor(ctx context.Context) string {
	if s := fromContext(ctx); s != nil {
		return s.claims.Actor
	}
	return ""
}

// Claim returns the custom claim with the given name as a T. It returns false if
// the request has no valid session, or if the claim is absent, null, or not a T.
// See [token.Claim].
func Claim[T any](ctx context.Context, name string) (T, bool) {
	if s := fromContext(ctx); s != nil {
		return token.Claim[T](s.claims, name)
	}
	var zero T
	return zero, false
}

// Source returns where the session token of the request was.
func Source(ctx context.Context) CredentialSource {
	switch s := fromContext(ctx); {
	case s == nil || s.validatedBy == nil:
		return SourceNone
	case s.bearer:
		return SourceBearer
	}
	return SourceCookie
}

// WithClaims returns a context with a copy of claims, which every Middleware
// accepts as validated. With nil it returns a context without a session. It is for
// tests, and for programs that validate sessions of other transports than net/http
// themselves.
func WithClaims(ctx context.Context, claims *token.Claims) context.Context {
	if claims == nil {
		return withoutSession(ctx)
	}
	own := claims.Clone()
	return &sessionContext{Context: ctx, session: session{claims: &own}}
}

// sessionContext is a context with a session, which may be canceled when the session
// ends. It saves the second allocation of context.WithValue. It refers to nothing of the
// request, because a program may keep the context for work that goes on after the
// response.
type sessionContext struct {
	context.Context
	session session
	// watched means that the end of the session cancels the context.
	watched bool
	running atomic.Pointer[sessionWatch]
}

// Value implements [context.Context].
func (c *sessionContext) Value(key any) any {
	switch {
	case key == sessionKey:
		return &c.session
	case key == watch.Key && c.watched:
		return c
	}
	return c.context().Value(key)
}

// Done implements [context.Context].
func (c *sessionContext) Done() <-chan struct{} {
	if w := c.watch(); w != nil {
		return w.Done()
	}
	return c.Context.Done()
}

// Err implements [context.Context].
func (c *sessionContext) Err() error {
	if w := c.watch(); w != nil {
		return w.Err()
	}
	return c.Context.Err()
}

// withoutSession returns a context that hides the session of ctx.
func withoutSession(ctx context.Context) context.Context {
	return context.WithValue(ctx, sessionKey, (*session)(nil))
}

func fromContext(ctx context.Context) *session {
	s, _ := ctx.Value(sessionKey).(*session)
	return s
}
