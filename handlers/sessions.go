package handlers

import (
	"net/http"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/middleware"
	"github.com/usherkit/usher/token"
)

func (h *Handlers) refresh(w http.ResponseWriter, r *http.Request) error {
	in, err := decodeOptional(w, r)
	if err != nil {
		return err
	}
	raw, err := h.refreshToken(r, in)
	if err != nil {
		return err
	}
	a, err := h.auth.RefreshSession(r.Context(), raw, h.client(w, r))
	if err != nil {
		return err
	}
	return h.deliver(w, r, http.StatusOK, a)
}

// refreshToken is where the mount has it: in the cookies, or in the body.
func (h *Handlers) refreshToken(r *http.Request, in object) (usher.Secret, error) {
	if h.cfg.Cookies == nil {
		raw := in.secret("refreshToken")
		if err := in.err(); err != nil {
			return "", err
		}
		if raw == "" {
			return "", errNotSignedIn
		}
		return raw, nil
	}
	pair, present := h.cfg.Cookies.Tokens(r)
	if !present {
		return "", errNotSignedIn
	}
	if err := h.origins.CheckCookie(r); err != nil {
		return "", err
	}
	if pair.Refresh == "" {
		return "", usher.ErrInvalidSession
	}
	return pair.Refresh, nil
}

func (h *Handlers) sessions(w http.ResponseWriter, r *http.Request, claims *token.Claims) error {
	list, err := h.auth.Sessions(r.Context(), claims)
	if err != nil {
		return err
	}
	body := struct {
		Sessions []deviceJSON `json:"sessions"`
	}{make([]deviceJSON, len(list))}
	for i, s := range list {
		body.Sessions[i] = deviceOf(s, claims.SessionID)
	}
	write(w, http.StatusOK, jsonType, body)
	return nil
}

func (h *Handlers) revokeSession(w http.ResponseWriter, r *http.Request, claims *token.Claims) error {
	id := r.PathValue("id")
	if err := h.auth.RevokeSession(r.Context(), claims, id, h.client(w, r)); err != nil {
		return err
	}
	if id == claims.SessionID && middleware.Source(r.Context()) == middleware.SourceCookie {
		h.cfg.Cookies.ClearTokens(w, r)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
