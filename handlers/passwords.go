package handlers

import (
	"context"
	"net/http"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/token"
)

// orReset judges the bearer tokens of the one route that takes reset sessions.
type orReset struct{ auth *usher.Service }

// ValidateSession returns the claims of a session token, or else of a reset
// token. What it says of a token that is neither is said of a session token.
func (o orReset) ValidateSession(ctx context.Context, raw string) (*token.Claims, error) {
	claims, err := o.auth.ValidateSession(ctx, raw)
	if err == nil {
		return claims, nil
	}
	if reset, resetErr := o.auth.ValidateReset(ctx, raw); resetErr == nil {
		return reset, nil
	}
	return nil, err
}

func (h *Handlers) updatePassword(w http.ResponseWriter, r *http.Request, claims *token.Claims) error {
	in, err := decode(w, r)
	if err != nil {
		return err
	}
	request := usher.UpdatePassword{
		LoginID: in.text("loginId"), NewPassword: in.secret("newPassword"), CurrentPassword: in.secret("currentPassword"),
	}
	if err := in.err(); err != nil {
		return err
	}
	a, err := h.auth.UpdatePassword(r.Context(), claims, request, h.client(w, r))
	if err != nil {
		return err
	}
	return h.deliverAny(w, r, a)
}

// deliverAny is deliver where there may be no session.
func (h *Handlers) deliverAny(w http.ResponseWriter, r *http.Request, a *usher.Authentication) error {
	if a == nil {
		write(w, http.StatusOK, jsonType, empty{})
		return nil
	}
	return h.deliver(w, r, http.StatusOK, a)
}

func (h *Handlers) replacePassword(w http.ResponseWriter, r *http.Request) error {
	in, err := decode(w, r)
	if err != nil {
		return err
	}
	request := usher.ReplacePassword{
		LoginID: in.text("loginId"), OldPassword: in.secret("oldPassword"), NewPassword: in.secret("newPassword"),
	}
	if err := in.err(); err != nil {
		return err
	}
	a, err := h.auth.ReplacePassword(r.Context(), request, h.newcomer(w, r))
	if err != nil {
		return err
	}
	return h.deliver(w, r, http.StatusOK, a)
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

func (h *Handlers) passwordPolicy(w http.ResponseWriter, _ *http.Request) error {
	p := h.auth.PasswordPolicy()
	write(w, http.StatusOK, jsonType, policyJSON{
		p.MinLength, p.MaxLength, p.Lowercase, p.Uppercase, p.Number, p.NonAlphanumeric,
		int64(p.Expiration / time.Second), p.ReuseAmount, p.LockAttempts,
	})
	return nil
}
