package handlers

import (
	"net/http"
	"slices"

	"github.com/usherkit/usher"
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
	input := inputOf(err)
	if input == nil {
		return err
	}
	ofUser := []string{"email", "name", "givenName", "middleName", "familyName", "phone", "picture"}
	for i, f := range input.fields {
		switch {
		case f.name == "newPassword":
			input.fields[i].name = "password"
		case slices.Contains(ofUser, f.name):
			input.fields[i].name = "user." + f.name
		}
	}
	return input
}
