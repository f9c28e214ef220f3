package api

import (
	"net/http"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/token"
)

// SendEmailVerification answers POST /email/verify/send.
func (api *API) SendEmailVerification(w http.ResponseWriter, r *http.Request, claims *token.Claims) error {
	if _, err := decodeOptional(w, r); err != nil {
		return err
	}
	if err := api.service.SendEmailVerification(r.Context(), claims, api.visits.Client(w, r)); err != nil {
		return err
	}
	writeJSON(w, http.StatusAccepted, notice{"If the address is not confirmed yet, an email is on its way."})
	return nil
}

// VerifyEmail answers POST /email/verify.
func (api *API) VerifyEmail(w http.ResponseWriter, r *http.Request, claims *token.Claims) error {
	in, err := decode(w, r)
	if err != nil {
		return err
	}
	request := usher.VerifyEmailParams{Token: in.secret("token"), Password: in.secret("password")}
	if err := in.err(); err != nil {
		return err
	}
	u, err := api.service.VerifyEmail(r.Context(), claims, request, api.visits.Client(w, r))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, struct {
		EmailVerified bool `json:"emailVerified"`
	}{u.EmailVerified})
	return nil
}

// ChangeEmail answers POST /email/change.
func (api *API) ChangeEmail(w http.ResponseWriter, r *http.Request, claims *token.Claims) error {
	in, err := decode(w, r)
	if err != nil {
		return err
	}
	request := usher.ChangeEmailParams{NewEmail: in.text("newEmail"), CurrentPassword: in.secret("currentPassword")}
	if err := in.err(); err != nil {
		return err
	}
	if err := api.service.ChangeEmail(r.Context(), claims, request, api.visits.Client(w, r)); err != nil {
		return err
	}
	writeJSON(w, http.StatusAccepted, notice{"An email is on its way to the new address. Follow its link to go on."})
	return nil
}

// CancelEmailChange answers DELETE /email/change.
func (api *API) CancelEmailChange(w http.ResponseWriter, r *http.Request, claims *token.Claims) error {
	if err := api.service.CancelEmailChange(r.Context(), claims, api.visits.Client(w, r)); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
