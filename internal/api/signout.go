package api

import (
	"errors"
	"net/http"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/middleware"
	"github.com/usherkit/usher/problem"
	"github.com/usherkit/usher/token"
)

// SignOutBearer answers POST /signout for a request with a valid bearer token: it
// ends the session of that token.
func (api *API) SignOutBearer(w http.ResponseWriter, r *http.Request) error {
	claims, _ := middleware.Claims(r.Context())
	return api.signOut(w, r, &claims, false)
}

// SignOutWithoutBearer answers POST /signout for a request without a valid bearer token.
// It ends the session of the cookie or of the refresh token in the body. If the bearer
// token has expired and there is neither, the answer is 401, because the session of that
// token may go on.
func (api *API) SignOutWithoutBearer(w http.ResponseWriter, r *http.Request, refusal middleware.Refusal) {
	expired := errors.Is(refusal.Err, token.ErrExpired)
	proceed := refusal.Code == problem.NotSignedIn || expired || errors.Is(refusal.Err, token.ErrRevoked)
	if proceed && expired && api.visits.Cookies != nil {
		_, proceed = api.visits.Cookies.Tokens(r)
	}
	switch {
	case !proceed:
		api.chain.Refuse(w, r, refusal)
	case api.visits.Cookies != nil:
		api.chain.Action(api.signOutCookie).ServeHTTP(w, r)
	default:
		api.chain.Action(func(w http.ResponseWriter, r *http.Request) error {
			return api.signOut(w, r, nil, expired)
		}).ServeHTTP(w, r)
	}
}

// signOut ends the session of the claims, if there are any, and that of the
// refresh token in the body, which the client must send if required is true.
func (api *API) signOut(w http.ResponseWriter, r *http.Request, claims *token.Claims, required bool) error {
	in, err := decodeOptional(w, r)
	if err != nil {
		return err
	}
	c := api.visits.Client(w, r)
	if api.visits.Cookies == nil {
		raw := in.secret("refreshToken")
		if err := in.err(); err != nil {
			return err
		}
		if required && raw == "" {
			return usher.ErrInvalidSession
		}
		if err := api.signOutRefreshToken(r, raw, claims, c); err != nil {
			return err
		}
	}
	if err := api.service.SignOut(r.Context(), claims, c); err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, empty{})
	return nil
}

// signOutRefreshToken ends the session of a refresh token, except if it is the
// session of the claims. An invalid token is ignored.
func (api *API) signOutRefreshToken(r *http.Request, raw usher.Secret, claims *token.Claims, c usher.Client) error {
	if raw == "" {
		return nil
	}
	refresh, err := api.service.ValidateRefresh(r.Context(), raw)
	switch {
	case errors.Is(err, usher.ErrUnavailable):
		return err
	case err != nil, claims != nil && claims.SessionID == refresh.SessionID:
		return nil
	}
	return api.service.SignOut(r.Context(), refresh, c)
}

// signOutCookie ends the session of the cookies, or that of an operator who acts as a user
// alone.
func (api *API) signOutCookie(w http.ResponseWriter, r *http.Request) error {
	if _, err := decodeOptional(w, r); err != nil {
		return err
	}
	if _, err := api.visits.EndCookieSession(w, r); err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, empty{})
	return nil
}

// SignOutEverywhere answers POST /signout/all.
func (api *API) SignOutEverywhere(w http.ResponseWriter, r *http.Request, claims *token.Claims) error {
	if _, err := decodeOptional(w, r); err != nil {
		return err
	}
	if err := api.service.SignOutEverywhere(r.Context(), claims, api.visits.Client(w, r)); err != nil {
		return err
	}
	if middleware.Source(r.Context()) == middleware.SourceCookie {
		api.visits.ForgetUser(w, r)
	}
	writeJSON(w, http.StatusOK, empty{})
	return nil
}
