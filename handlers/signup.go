package handlers

import (
	"errors"
	"net/http"
	"slices"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/password"
)

func (h *Handlers) signUp(w http.ResponseWriter, r *http.Request) error {
	in, err := decode(w, r)
	if err != nil {
		return err
	}
	user := in.object("user")
	request := usher.SignUp{
		LoginID: in.text("loginId"), Password: in.secret("password"),
		Email: user.text("email"), Profile: user.profile(),
	}
	if err := in.err(); err != nil {
		return err
	}
	a, err := h.auth.SignUp(r.Context(), request, h.newcomer(w, r))
	if err != nil {
		return signUpError(err)
	}
	if a.User.ID == "" {
		write(w, http.StatusAccepted, jsonType, notice{"A mail is on its way. Follow its link to go on."})
		return nil
	}
	return h.deliver(w, r, http.StatusCreated, a)
}

// signUpError gives the inputs the names that they have in this route.
func signUpError(err error) error {
	var policy *password.PolicyError
	if errors.As(err, &policy) {
		return weak("password", policy)
	}
	var f *usher.FieldError
	ofUser := []string{"email", "name", "givenName", "middleName", "familyName", "phone", "picture"}
	if errors.As(err, &f) && slices.Contains(ofUser, f.Field) {
		return &usher.FieldError{Field: "user." + f.Field, Code: f.Code, Detail: f.Detail}
	}
	return err
}
