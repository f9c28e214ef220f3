package handlers

import (
	"net/http"

	"github.com/usherkit/usher/token"
)

func (h *Handlers) me(w http.ResponseWriter, r *http.Request, claims *token.Claims) error {
	u, s, err := h.auth.Me(r.Context(), claims)
	if err != nil {
		return err
	}
	pending, err := h.auth.PendingEmail(r.Context(), u.ID)
	if err != nil {
		return err
	}
	write(w, http.StatusOK, jsonType, struct {
		sessionJSON
		PendingEmail string `json:"pendingEmail,omitempty"`
	}{sessionJSON{User: userOf(u), Session: deviceOf(s, s.ID)}, pending.Address})
	return nil
}

func (h *Handlers) updateMe(w http.ResponseWriter, r *http.Request, claims *token.Claims) error {
	in, err := decode(w, r)
	if err != nil {
		return err
	}
	profile := in.profile()
	if err := in.err(); err != nil {
		return err
	}
	u, err := h.auth.UpdateProfile(r.Context(), claims, profile, h.client(w, r))
	if err != nil {
		return err
	}
	write(w, http.StatusOK, jsonType, struct {
		User userJSON `json:"user"`
	}{userOf(u)})
	return nil
}
