package handlers

import (
	"net/http"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/token"
)

func (h *Handlers) sendEmailVerification(w http.ResponseWriter, r *http.Request, claims *token.Claims) error {
	if _, err := decodeOptional(w, r); err != nil {
		return err
	}
	if err := h.auth.SendEmailVerification(r.Context(), claims, h.client(w, r)); err != nil {
		return err
	}
	write(w, http.StatusAccepted, jsonType, notice{"If the address is not confirmed yet, a mail is on its way."})
	return nil
}

func (h *Handlers) verifyEmail(w http.ResponseWriter, r *http.Request, claims *token.Claims) error {
	in, err := decode(w, r)
	if err != nil {
		return err
	}
	request := usher.VerifyEmail{Token: in.secret("token"), Password: in.secret("password")}
	if err := in.err(); err != nil {
		return err
	}
	u, err := h.auth.VerifyEmail(r.Context(), claims, request, h.client(w, r))
	if err != nil {
		return err
	}
	write(w, http.StatusOK, jsonType, struct {
		EmailVerified bool `json:"emailVerified"`
	}{u.EmailVerified})
	return nil
}

func (h *Handlers) changeEmail(w http.ResponseWriter, r *http.Request, claims *token.Claims) error {
	in, err := decode(w, r)
	if err != nil {
		return err
	}
	request := usher.ChangeEmail{NewEmail: in.text("newEmail"), CurrentPassword: in.secret("currentPassword")}
	if err := in.err(); err != nil {
		return err
	}
	if err := h.auth.ChangeEmail(r.Context(), claims, request, h.client(w, r)); err != nil {
		return err
	}
	write(w, http.StatusAccepted, jsonType, notice{"A mail is on its way to the new address. Follow its link to go on."})
	return nil
}

func (h *Handlers) cancelEmailChange(w http.ResponseWriter, r *http.Request, claims *token.Claims) error {
	if err := h.auth.CancelEmailChange(r.Context(), claims, h.client(w, r)); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
