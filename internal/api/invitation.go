package api

import (
	"net/http"

	"github.com/usherkit/usher"
)

// AcceptInvitation answers POST /invitation/accept.
func (api *API) AcceptInvitation(w http.ResponseWriter, r *http.Request) error {
	in, err := decode(w, r)
	if err != nil {
		return err
	}
	request := usher.AcceptInvitationParams{Token: in.secret("token"), NewPassword: in.secret("newPassword")}
	if err := in.err(); err != nil {
		return err
	}
	result, err := api.visits.Start(w, r, api.visits.ClientSigningIn(w, r), func(c usher.Client) (usher.Result, error) {
		return api.service.AcceptInvitation(r.Context(), request, c)
	})
	if err != nil {
		return err
	}
	return api.writeResult(w, http.StatusOK, result)
}
