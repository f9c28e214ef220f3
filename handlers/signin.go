package handlers

import (
	"net/http"

	"github.com/usherkit/usher"
)

func (h *Handlers) signIn(w http.ResponseWriter, r *http.Request) error {
	in, err := decode(w, r)
	if err != nil {
		return err
	}
	request := usher.SignIn{LoginID: in.text("loginId"), Password: in.secret("password")}
	if err := in.err(); err != nil {
		return err
	}
	a, err := h.auth.SignIn(r.Context(), request, h.newcomer(w, r))
	if err != nil {
		return err
	}
	return h.deliver(w, r, http.StatusOK, a)
}
