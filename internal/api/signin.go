package api

import (
	"net/http"

	"github.com/usherkit/usher"
)

// SignIn answers POST /signin.
func (api *API) SignIn(w http.ResponseWriter, r *http.Request) error {
	in, err := decode(w, r)
	if err != nil {
		return err
	}
	request := usher.SignInParams{LoginID: in.text("loginId"), Password: in.secret("password")}
	client := api.withDevice(api.visits.ClientSigningIn(w, r), in)
	client.EndWithBrowser = in.endWithBrowser(client.EndWithBrowser)
	if err := in.err(); err != nil {
		return err
	}
	result, err := api.visits.Start(w, r, client, func(c usher.Client) (usher.Result, error) {
		return api.service.SignIn(r.Context(), request, c)
	})
	if err != nil {
		return err
	}
	return api.writeResult(w, http.StatusOK, result)
}

// Finish answers a request to a route of the program that has started a session.
func (api *API) Finish(w http.ResponseWriter, auth *usher.Authentication) {
	api.writeSession(w, http.StatusOK, auth)
}
