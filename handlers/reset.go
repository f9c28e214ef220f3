package handlers

import (
	"net/http"

	"github.com/usherkit/usher"
)

func (h *Handlers) sendPasswordReset(w http.ResponseWriter, r *http.Request) error {
	in, err := decode(w, r)
	if err != nil {
		return err
	}
	request := usher.SendPasswordReset{LoginID: in.text("loginId"), RedirectURL: in.text("redirectUrl")}
	if err := in.err(); err != nil {
		return err
	}
	if err := h.auth.SendPasswordReset(r.Context(), request, h.client(w, r)); err != nil {
		return err
	}
	write(w, http.StatusAccepted, jsonType, notice{"If somebody has this login id, a mail is on its way."})
	return nil
}

func (h *Handlers) resetPassword(w http.ResponseWriter, r *http.Request) error {
	in, err := decode(w, r)
	if err != nil {
		return err
	}
	request := usher.ResetPassword{Token: in.secret("token"), NewPassword: in.secret("newPassword")}
	if err := in.err(); err != nil {
		return err
	}
	a, err := h.auth.ResetPassword(r.Context(), request, h.newcomer(w, r))
	if err != nil {
		return err
	}
	return h.deliverAny(w, r, a)
}

func (h *Handlers) verifyReset(w http.ResponseWriter, r *http.Request) error {
	in, err := decode(w, r)
	if err != nil {
		return err
	}
	raw := in.secret("token")
	if err := in.err(); err != nil {
		return err
	}
	s, err := h.auth.VerifyReset(r.Context(), raw, h.client(w, r))
	if err != nil {
		return err
	}
	write(w, http.StatusOK, jsonType, struct {
		ResetToken string `json:"resetToken"`
		ExpiresIn  int64  `json:"expiresIn"`
	}{s.Token.Reveal(), h.seconds(s.ExpiresAt)})
	return nil
}
