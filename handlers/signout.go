package handlers

import (
	"errors"
	"net/http"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/middleware"
	"github.com/usherkit/usher/problem"
	"github.com/usherkit/usher/token"
)

// signOutBearer ends the session of the bearer token.
func (h *Handlers) signOutBearer(w http.ResponseWriter, r *http.Request) error {
	claims, _ := middleware.Claims(r.Context())
	return h.signOut(w, r, &claims)
}

// signOutRefused goes on where there is no valid bearer token: with the cookie
// if there is no bearer token at all, and with what the body has if the token's
// session has ended.
func (h *Handlers) signOutRefused(w http.ResponseWriter, r *http.Request, refusal middleware.Refusal) {
	ended := errors.Is(refusal.Err, token.ErrExpired) || errors.Is(refusal.Err, token.ErrRevoked)
	switch {
	case refusal.Code == problem.NotSignedIn && h.cfg.Cookies != nil:
		h.answer(h.signOutCookie).ServeHTTP(w, r)
	case refusal.Code == problem.NotSignedIn || ended:
		h.answer(func(w http.ResponseWriter, r *http.Request) error { return h.signOut(w, r, nil) }).ServeHTTP(w, r)
	default:
		h.refuse(w, r, refusal)
	}
}

// signOut ends the session of the claims, if there are any, and that of the
// refresh token in the body.
func (h *Handlers) signOut(w http.ResponseWriter, r *http.Request, claims *token.Claims) error {
	in, err := decodeOptional(w, r)
	if err != nil {
		return err
	}
	c := h.client(w, r)
	if h.cfg.Cookies == nil {
		raw := in.secret("refreshToken")
		if err := in.err(); err != nil {
			return err
		}
		if err := h.signOutRefresh(r, raw, claims, c); err != nil {
			return err
		}
	}
	if err := h.auth.SignOut(r.Context(), claims, c); err != nil {
		return err
	}
	write(w, http.StatusOK, jsonType, empty{})
	return nil
}

// signOutRefresh ends the session of a refresh token, if it is another than
// that of the claims. A token that does not verify has none.
func (h *Handlers) signOutRefresh(r *http.Request, raw usher.Secret, claims *token.Claims, c usher.Client) error {
	if raw == "" {
		return nil
	}
	refresh, err := h.auth.ValidateRefresh(r.Context(), raw)
	switch {
	case errors.Is(err, usher.ErrUnavailable):
		return err
	case err != nil, claims != nil && claims.SessionID == refresh.SessionID:
		return nil
	}
	return h.auth.SignOut(r.Context(), refresh, c)
}

// signOutCookie ends the session of the cookies.
func (h *Handlers) signOutCookie(w http.ResponseWriter, r *http.Request) error {
	if _, err := decodeOptional(w, r); err != nil {
		return err
	}
	if err := h.endCookieSession(w, r); err != nil {
		return err
	}
	write(w, http.StatusOK, jsonType, empty{})
	return nil
}

// endCookieSession ends the session of the cookies, if there are any, and takes
// them away. While the store is out of reach they stay: the session lives.
func (h *Handlers) endCookieSession(w http.ResponseWriter, r *http.Request) error {
	pair, present := h.cfg.Cookies.Tokens(r)
	if !present {
		return nil
	}
	if err := h.origins.CheckCookie(r); err != nil {
		return err
	}
	c := h.client(w, r)
	claims, err := h.auth.ValidateRefresh(r.Context(), pair.Refresh)
	if err != nil {
		// A jar may keep the session token alone.
		claims, err = h.auth.ValidateSession(r.Context(), pair.Session.Reveal())
	}
	if err != nil && !errors.Is(err, token.ErrInvalid) {
		return err
	}
	if err := h.auth.SignOut(r.Context(), claims, c); err != nil {
		return err
	}
	h.forget(w, r)
	return nil
}

// forget makes the browser drop the session, and what pages stored for it.
func (h *Handlers) forget(w http.ResponseWriter, r *http.Request) {
	h.cfg.Cookies.ClearTokens(w, r)
	w.Header().Set("Clear-Site-Data", `"cookies", "storage"`)
}

func (h *Handlers) signOutEverywhere(w http.ResponseWriter, r *http.Request, claims *token.Claims) error {
	if _, err := decodeOptional(w, r); err != nil {
		return err
	}
	if err := h.auth.SignOutEverywhere(r.Context(), claims, h.client(w, r)); err != nil {
		return err
	}
	if middleware.Source(r.Context()) == middleware.SourceCookie {
		h.forget(w, r)
	}
	write(w, http.StatusOK, jsonType, empty{})
	return nil
}
