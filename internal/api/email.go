package api

import (
	"net/http"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/middleware"
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
	request := usher.VerifyEmailParams{
		Token: in.secret("token"), LoginID: in.text("loginId"), Code: in.secret("code"), Password: in.secret("password"),
	}
	client := api.withDevice(api.visits.Client(w, r), in)
	if err := in.err(); err != nil {
		return err
	}
	u, err := api.service.VerifyEmail(r.Context(), claims, request, client)
	if err != nil {
		return err
	}
	body := struct {
		EmailVerified bool   `json:"emailVerified"`
		SessionToken  string `json:"sessionToken,omitempty"`
		ExpiresIn     int64  `json:"expiresIn,omitempty"`
	}{EmailVerified: u.EmailVerified}
	switch signedIn := claims != nil && claims.Subject == u.ID; {
	case signedIn && api.visits.Cookies == nil:
		// The link is spent, so a failure is only logged. The next refresh has the
		// same effect.
		raw, err := api.service.ReissueSessionToken(r.Context(), claims, u)
		if err != nil {
			api.visits.Logger.InfoContext(r.Context(), "handlers: no session token was issued after a verification", "error", err)
			break
		}
		body.SessionToken, body.ExpiresIn = raw.Reveal(), api.secondsUntil(claims.ExpiresAt)
	case signedIn && middleware.Source(r.Context()) == middleware.SourceCookie:
		api.visits.RefreshCookies(w, r, u.ID)
	}
	writeJSON(w, http.StatusOK, body)
	return nil
}

// ChangeEmail answers POST /email/change.
func (api *API) ChangeEmail(w http.ResponseWriter, r *http.Request, claims *token.Claims) error {
	in, err := decode(w, r)
	if err != nil {
		return err
	}
	request := usher.ChangeEmailParams{NewEmail: in.text("newEmail"), CurrentPassword: in.secret("currentPassword")}
	client := api.withDevice(api.visits.Client(w, r), in)
	if err := in.err(); err != nil {
		return err
	}
	if err := api.service.ChangeEmail(r.Context(), claims, request, client); err != nil {
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
