package visit

import (
	"context"
	"errors"
	"net/http"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/middleware"
	"github.com/usherkit/usher/token"
)

// ErrImpersonationEnded means that the request comes from a browser in which an operator
// acted as a user, and that session has ended.
var ErrImpersonationEnded = errors.New("handlers: the session in which an operator acted as a user has ended")

var errNoOperator = errors.New("handlers: Finish puts a session of Operator.Impersonate into a cookie beside the session of the operator, and the cookies of the request have none: answer with Tokens.Session, and let the client send it in an Authorization header")

// isImpersonating reports whether the request has the cookie of an operator who acts as a user.
func (v *Visits) isImpersonating(r *http.Request) bool {
	if v.Cookies == nil {
		return false
	}
	_, _, acting := v.Cookies.Impersonation(r)
	return acting
}

// startImpersonation keeps a session of Operator.Impersonate in a cookie, bound to the session of the
// operator in the cookies of the request. It ends the one that the browser had before.
func (v *Visits) startImpersonation(w http.ResponseWriter, r *http.Request, a *usher.Authentication) error {
	operator := v.cookieClaims(r)
	if _, bearer := middleware.Claims(r.Context()); bearer || operator == nil {
		return errNoOperator
	}
	had := v.impersonationTokens(r)
	if err := v.Cookies.SetImpersonation(w, r, a.Tokens.Session, a.Tokens.SessionExpiresAt, operator.SessionID); err != nil {
		return err
	}
	return v.endSessions(context.WithoutCancel(r.Context()), had, v.Client(w, r))
}

// stopImpersonation ends the session in which an operator acts as a user, and removes its cookie.
// The operator's own session goes on. It reports whether there was such a cookie; one that
// does not open counts as none.
func (v *Visits) stopImpersonation(w http.ResponseWriter, r *http.Request) (stopped bool, err error) {
	had := v.impersonationTokens(r)
	if len(had) == 0 {
		return false, nil
	}
	if err := v.endSessions(r.Context(), had, v.Client(w, r)); err != nil {
		return false, err
	}
	v.Cookies.ClearImpersonation(w, r)
	return true, nil
}

// clearImpersonation removes the cookie of an operator who acts as a user, if the request has it.
func (v *Visits) clearImpersonation(w http.ResponseWriter, r *http.Request) {
	if v.isImpersonating(r) {
		v.Cookies.ClearImpersonation(w, r)
	}
}

// impersonationTokens returns the token of an operator who acts as a user, or none.
func (v *Visits) impersonationTokens(r *http.Request) []token.Pair {
	if session, _, _ := v.Cookies.Impersonation(r); session != "" {
		return []token.Pair{{Session: session}}
	}
	return nil
}
