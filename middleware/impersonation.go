package middleware

import (
	"errors"
	"net/http"

	"github.com/usherkit/usher/problem"
	"github.com/usherkit/usher/token"
)

var (
	errNoOperator = errors.New("middleware: the session of the operator who acts as the user has ended, or is another one")
	errNoActor    = errors.New("middleware: the token in the cookie of an operator who acts as a user has no claim act")
)

// impersonationCookies is an interface that Config.Cookies may implement. cookies.Jar does.
type impersonationCookies interface {
	// Impersonation returns the session token with which an operator acts as a user, and
	// the id of the operator's own session. present reports whether the request has a
	// cookie for that; the token is empty if that cookie is invalid.
	Impersonation(r *http.Request) (session token.Secret, operatorSession string, present bool)
	// ClearImpersonation adds cookies to the response that delete that cookie.
	ClearImpersonation(w http.ResponseWriter, r *http.Request)
}

// impersonationCookie is the result of impersonationCookies.Impersonation.
type impersonationCookie struct {
	session         token.Secret
	operatorSession string
	present         bool
}

// authenticateImpersonation validates the session in which an operator acts as a user. own and
// refusal are the result for the operator's own session, which must be the one in which the
// operator began.
//
// If one of the two sessions has ended, the request is refused and does not count as one of
// the operator, because it may come from a page that was shown as the user. A browser that opens a page
// or sends a form shows that refusal, so the cookie is deleted then. Others keep it: a page
// that a script has loaded may still show the user.
func (m *Middleware) authenticateImpersonation(w http.ResponseWriter, r *http.Request, p *protected, acting impersonationCookie, own *token.Claims, refusal *Refusal) (session, *Refusal) {
	err := errNoOperator
	switch {
	case refusal != nil && refusal.Code != problem.InvalidSession:
		return session{}, refusal
	case refusal == nil && own.SessionID == acting.operatorSession:
		var claims *token.Claims
		claims, err = m.validate(r, acting.session.Reveal())
		switch {
		case err == nil && claims.Actor != "":
			return session{claims: claims, operator: own, validatedBy: m}, nil
		case err == nil:
			err = errNoActor
		case !errors.Is(err, token.ErrInvalid):
			return session{}, refusalFor(err)
		}
	}
	if showsAnswer(r) {
		m.impersonation.ClearImpersonation(w, r)
		p.cookiesAdded(w)
	}
	return session{}, newRefusal(problem.ImpersonationEnded, err)
}

// showsAnswer reports whether the user will see the answer to the request: the browser opens a
// page or sends a form ([IsNavigation]), in a window of its own and not in advance.
func showsAnswer(r *http.Request) bool {
	h := r.Header
	dest := h.Get("Sec-Fetch-Dest")
	return IsNavigation(r) && r.Method != http.MethodHead && h["Sec-Purpose"] == nil && h["Purpose"] == nil &&
		(dest == "" || dest == "document")
}
