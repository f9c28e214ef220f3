package api

import (
	"errors"
	"net/http"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/token"
)

// Me answers GET /me.
func (api *API) Me(w http.ResponseWriter, r *http.Request, claims *token.Claims) error {
	u, s, err := api.service.Me(r.Context(), claims)
	if err != nil {
		return err
	}
	hasPassword, err := api.service.HasPassword(r.Context(), u.ID)
	if errors.Is(err, usher.ErrNotFound) { // deleted meanwhile
		return usher.ErrInvalidSession
	}
	if err != nil {
		return err
	}
	pending, err := api.service.PendingEmail(r.Context(), u.ID)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, struct {
		authenticationJSON
		HasPassword  bool   `json:"hasPassword"`
		PendingEmail string `json:"pendingEmail,omitempty"`
		Actor        string `json:"actor,omitempty"`
	}{authenticationJSON{User: newUserJSON(u), Session: newSessionJSON(s, s.ID)}, hasPassword, pending.Address, claims.Actor})
	return nil
}

// UpdateMe answers PATCH /me.
func (api *API) UpdateMe(w http.ResponseWriter, r *http.Request, claims *token.Claims) error {
	in, err := decode(w, r)
	if err != nil {
		return err
	}
	profile := in.profile()
	if err := in.err(); err != nil {
		return err
	}
	u, err := api.service.UpdateProfile(r.Context(), claims, profile, api.visits.Client(w, r))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, struct {
		User userJSON `json:"user"`
	}{newUserJSON(u)})
	return nil
}
