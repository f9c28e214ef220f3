package api

import (
	"net/http"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/token"
)

// UpdatePassword answers POST /password/update.
func (api *API) UpdatePassword(w http.ResponseWriter, r *http.Request, claims *token.Claims) error {
	in, err := decode(w, r)
	if err != nil {
		return err
	}
	request := usher.UpdatePasswordParams{
		LoginID: in.text("loginId"), NewPassword: in.secret("newPassword"), CurrentPassword: in.secret("currentPassword"),
	}
	client := api.withDevice(api.visits.ClientSigningIn(w, r), in)
	if err := in.err(); err != nil {
		return err
	}
	result, err := api.visits.Renew(w, r, client, func(c usher.Client) (usher.Result, error) {
		return api.service.UpdatePassword(r.Context(), claims, request, c)
	})
	if err != nil {
		return err
	}
	return api.writeResult(w, http.StatusOK, result)
}

// ReplacePassword answers POST /password/replace.
func (api *API) ReplacePassword(w http.ResponseWriter, r *http.Request) error {
	in, err := decode(w, r)
	if err != nil {
		return err
	}
	request := usher.ReplacePasswordParams{
		LoginID: in.text("loginId"), OldPassword: in.secret("oldPassword"), NewPassword: in.secret("newPassword"),
	}
	client := api.withDevice(api.visits.ClientSigningIn(w, r), in)
	client.EndWithBrowser = in.endWithBrowser(client.EndWithBrowser)
	if err := in.err(); err != nil {
		return err
	}
	result, err := api.visits.Start(w, r, client, func(c usher.Client) (usher.Result, error) {
		return api.service.ReplacePassword(r.Context(), request, c)
	})
	if err != nil {
		return err
	}
	return api.writeResult(w, http.StatusOK, result)
}

// policyJSON is the policy for new passwords. Zero means that the rule is off.
type policyJSON struct {
	MinLength       int   `json:"minLength"`
	MaxLength       int   `json:"maxLength"`
	Lowercase       bool  `json:"lowercase"`
	Uppercase       bool  `json:"uppercase"`
	Number          bool  `json:"number"`
	NonAlphanumeric bool  `json:"nonAlphanumeric"`
	Expiration      int64 `json:"expiration"` // seconds
	ReuseAmount     int   `json:"reuseAmount"`
	LockAttempts    int   `json:"lockAttempts"`
}

// PasswordPolicy answers GET /password/policy.
func (api *API) PasswordPolicy(w http.ResponseWriter, _ *http.Request) error {
	p := api.service.PasswordPolicy()
	writeJSON(w, http.StatusOK, policyJSON{
		p.MinLength, p.MaxLength, p.Lowercase, p.Uppercase, p.Number, p.NonAlphanumeric,
		int64(p.Expiration / time.Second), p.ReuseAmount, p.LockAttempts,
	})
	return nil
}
