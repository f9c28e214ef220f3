package visit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/cookies"
	"github.com/usherkit/usher/middleware"
	"github.com/usherkit/usher/token"
)

// Start is Renew for a sign-in or a reset, which also ends every other session that the
// request has. The transaction ends that of the client; see endReplaced for the others.
func (v *Visits) Start(w http.ResponseWriter, r *http.Request, c usher.Client, start func(usher.Client) (usher.Result, error)) (usher.Result, error) {
	had, _ := v.allTokens(r) // the jar may forget them when it sets the new ones; it logs a failure
	except := []string{c.SessionID}
	result, err := v.Renew(w, r, c, start)
	if err != nil {
		return result, err
	}
	switch result.Next {
	case usher.NextSignedIn:
		except = append(except, result.Authentication.Session.ID)
	case usher.NextSignIn:
	default:
		return result, nil
	}
	v.clearImpersonation(w, r)
	// The request has succeeded, so a failure is only logged.
	if err := v.endReplaced(r, had, c, except...); err != nil {
		v.Logger.WarnContext(r.Context(), "handlers: further sessions that the client had could not be ended", "error", err)
	}
	return result, nil
}

// Renew calls renew, which may start or renew a session for the client, and sets the
// cookies of that session. They are made before the session is stored. So if they cannot
// be set, renew fails, and has ended and stored nothing.
//
// If the user has to sign in next, as after a reset, the session that the client had has
// ended, even that of another user, and its cookies are removed.
func (v *Visits) Renew(w http.ResponseWriter, r *http.Request, c usher.Client, renew func(usher.Client) (usher.Result, error)) (usher.Result, error) {
	if v.Cookies == nil {
		return renew(c)
	}
	var delivery *cookies.Delivery
	c.PrepareDelivery = func(tokens token.Pair) (err error) {
		delivery, err = v.Cookies.Prepare(r, tokens)
		return asUnavailable(err)
	}
	result, err := renew(c)
	if err == nil && result.Next == usher.NextSignIn {
		v.ClearTokens(w, r)
		v.setDevice(w, r, result.Device, false)
	}
	switch {
	case delivery == nil:
		return result, err
	case err != nil:
		delivery.Discard()
		return result, err
	}
	if err := delivery.Set(w); err != nil {
		return usher.Result{}, asUnavailable(err)
	}
	v.setDevice(w, r, result.Authentication.Device, result.Authentication.Session.EndsWithBrowser)
	return result, nil
}

// Reauthenticate checks the password of the signed-in user again. If the claims are those
// of the cookies, it sets the cookies with the new tokens.
func (v *Visits) Reauthenticate(w http.ResponseWriter, r *http.Request, claims *token.Claims, in usher.ReauthenticateParams, c usher.Client) (usher.Result, error) {
	if middleware.Source(r.Context()) != middleware.SourceCookie {
		return v.Service.Reauthenticate(r.Context(), claims, in, c)
	}
	pair, _, err := v.Cookies.ReadTokens(r)
	if err != nil {
		return usher.Result{}, asUnavailable(err)
	}
	in.RefreshToken = pair.Refresh
	return v.Renew(w, r, c, func(c usher.Client) (usher.Result, error) {
		return v.Service.Reauthenticate(r.Context(), claims, in, c)
	})
}

// CheckDelivery returns a PrepareDelivery that fails if the tokens could not be set as
// cookies, and keeps nothing. It returns nil without cookies.
func (v *Visits) CheckDelivery(r *http.Request) func(token.Pair) error {
	if v.Cookies == nil {
		return nil
	}
	return func(tokens token.Pair) error {
		delivery, err := v.Cookies.Prepare(r, tokens)
		if err == nil {
			delivery.Discard()
		}
		return asUnavailable(err)
	}
}

// asUnavailable returns the error of a jar, which is an outage if the store of the cookies
// has failed.
func asUnavailable(err error) error {
	if errors.Is(err, cookies.ErrStore) {
		return fmt.Errorf("%w: %w", usher.ErrUnavailable, err)
	}
	return err
}

// Deliver ends the sessions that the client had, and sets the cookies of the new one, if
// there are cookies. A session of Operator.Impersonate gets a cookie beside that of the
// operator, whose session goes on. If it returns an error, it has ended the new session.
func (v *Visits) Deliver(w http.ResponseWriter, r *http.Request, a *usher.Authentication) error {
	ctx := context.WithoutCancel(r.Context())
	var err error
	switch impersonated := a.Session.Kind == usher.SessionImpersonated; {
	case impersonated && v.Cookies != nil:
		err = v.startImpersonation(w, r, a)
	case !impersonated:
		had, _ := v.allTokens(r) // the jar logs a failure
		err = v.endReplaced(r, had, v.Client(w, r), a.Session.ID)
		if err == nil && v.Cookies != nil {
			err = v.Cookies.SetTokens(w, r, a.Tokens)
			v.clearImpersonation(w, r)
		}
	}
	if err != nil {
		if claims, invalid := v.Service.ValidateSession(ctx, a.Tokens.Session); invalid == nil {
			err = errors.Join(err, v.Service.SignOut(ctx, claims, v.Client(w, r)))
		}
		return asUnavailable(err)
	}
	if v.Cookies != nil {
		v.setDevice(w, r, a.Device, a.Session.EndsWithBrowser)
	}
	return nil
}

// setDevice makes the browser known, at most as long as it keeps the session. A sign-in
// needs no device cookie. Without it, the next sign-in counts as one from an unknown
// browser.
func (v *Visits) setDevice(w http.ResponseWriter, r *http.Request, device usher.Secret, endsWithBrowser bool) {
	if device == "" {
		return
	}
	if err := v.Cookies.SetDevice(w, r, device, endsWithBrowser); err != nil {
		v.Logger.WarnContext(r.Context(), "handlers: the device cookie could not be set", "error", err)
	}
}

// RefreshToken returns the refresh token in the cookies. Cookies of different sessions
// have none: their sessions end, and they are removed. An operator who acts as a user has
// none, because that session cannot be refreshed and the answer shows the user of the session.
func (v *Visits) RefreshToken(w http.ResponseWriter, r *http.Request) (usher.Secret, error) {
	pair, present, failed := v.Cookies.ReadTokens(r)
	if !present {
		return "", ErrNotSignedIn
	}
	if err := v.Origins.CheckCookie(r); err != nil {
		return "", err
	}
	if failed != nil {
		return "", asUnavailable(failed)
	}
	if v.isImpersonating(r) {
		return "", usher.ErrForbidden
	}
	if pair.Refresh == "" {
		_, err := v.rejectConflict(w, r)
		return "", cmp.Or(err, usher.ErrInvalidSession)
	}
	return pair.Refresh, nil
}

// RefreshCookies exchanges the refresh token in the cookies, if they are those of a
// session of the user, so that the new session token has the claims that the user has
// now. A failure is only logged: the next refresh has the same effect.
func (v *Visits) RefreshCookies(w http.ResponseWriter, r *http.Request, userID string) {
	if v.Cookies == nil {
		return
	}
	pair, _ := v.Cookies.Tokens(r)
	own, err := v.Service.ValidateRefresh(r.Context(), pair.Refresh)
	if err != nil || own.Subject != userID {
		return
	}
	a, err := v.Service.RefreshSession(r.Context(), pair.Refresh, v.Client(w, r))
	if err == nil {
		err = v.Cookies.SetTokens(w, r, a.Tokens)
	}
	if err != nil {
		v.Logger.InfoContext(r.Context(), "handlers: the session was not refreshed after a verification", "error", err)
	}
}

// ClearEndedSession removes the cookies if err means that their session has ended and the
// user opens a page, so that the browser stops sending them. The answer to a script may
// arrive after a sign-in in another tab, whose cookies it would remove. If the store is
// unavailable, they stay.
//
// If an operator acts as a user, the session of the user has ended. ClearEndedSession then
// returns [ErrImpersonationEnded], and removes no cookie: package middleware does that at the
// next request. Otherwise it returns err.
func (v *Visits) ClearEndedSession(w http.ResponseWriter, r *http.Request, err error) error {
	switch {
	case !errors.Is(err, usher.ErrInvalidSession) || len(r.Header["Authorization"]) > 0:
	case v.isImpersonating(r):
		return ErrImpersonationEnded
	case middleware.IsNavigation(r):
		v.ClearTokens(w, r)
	}
	return err
}

// ClearTokens removes the cookies with the tokens, if the request has them.
func (v *Visits) ClearTokens(w http.ResponseWriter, r *http.Request) {
	if v.Cookies == nil {
		return
	}
	if _, present := v.Cookies.Tokens(r); present {
		v.Cookies.ClearTokens(w, r)
	}
}
