package api

import (
	"net/http"

	"github.com/usherkit/usher"
)

// SendPasswordReset answers POST /password/reset.
func (api *API) SendPasswordReset(w http.ResponseWriter, r *http.Request) error {
	in, err := decode(w, r)
	if err != nil {
		return err
	}
	request := usher.SendPasswordResetParams{LoginID: in.text("loginId"), RedirectURL: in.text("redirectUrl")}
	client := api.withDevice(api.visits.Client(w, r), in)
	if err := in.err(); err != nil {
		return err
	}
	if err := api.service.SendPasswordReset(r.Context(), request, client); err != nil {
		return err
	}
	writeJSON(w, http.StatusAccepted, notice{"If an account has this login id, an email is on its way."})
	return nil
}

// ResetPassword answers POST /password/reset/complete.
func (api *API) ResetPassword(w http.ResponseWriter, r *http.Request) error {
	in, err := decode(w, r)
	if err != nil {
		return err
	}
	request := usher.ResetPasswordParams{
		Token: in.secret("token"), LoginID: in.text("loginId"), Code: in.secret("code"), NewPassword: in.secret("newPassword"),
	}
	client := api.withDevice(api.visits.ClientSigningIn(w, r), in)
	if err := in.err(); err != nil {
		return err
	}
	result, err := api.visits.Start(w, r, client, func(c usher.Client) (usher.Result, error) {
		return api.service.ResetPassword(r.Context(), request, c)
	})
	if err != nil {
		return err
	}
	return api.writeResult(w, http.StatusOK, result)
}

// VerifyReset answers POST /password/reset/verify.
func (api *API) VerifyReset(w http.ResponseWriter, r *http.Request) error {
	in, err := decode(w, r)
	if err != nil {
		return err
	}
	raw := in.secret("token")
	if err := in.err(); err != nil {
		return err
	}
	s, err := api.service.VerifyReset(r.Context(), raw, api.visits.Client(w, r))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, struct {
		ResetToken string `json:"resetToken"`
		ExpiresIn  int64  `json:"expiresIn"`
	}{s.Token.Reveal(), api.secondsUntil(s.ExpiresAt)})
	return nil
}
