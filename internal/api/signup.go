package api

import (
	"net/http"
	"slices"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/internal/route"
)

// SignUp answers POST /signup.
func (api *API) SignUp(w http.ResponseWriter, r *http.Request) error {
	in, err := decode(w, r)
	if err != nil {
		return err
	}
	user := in.object("user")
	request := usher.SignUpParams{
		LoginID: in.text("loginId"), Password: in.secret("password"),
		Email: user.text("email"), Profile: user.profile(), Fields: in.fields("fields"),
	}
	client := api.visits.ClientSigningIn(w, r)
	client.EndWithBrowser = in.endWithBrowser(client.EndWithBrowser)
	if err := in.err(); err != nil {
		return err
	}
	result, err := api.visits.Start(w, r, client, func(c usher.Client) (usher.Result, error) {
		return api.service.SignUp(r.Context(), request, c)
	})
	if err != nil {
		return api.signUpError(err)
	}
	return api.writeResult(w, http.StatusCreated, result)
}

// signUpError changes the names of inputs in an error to the names in the body of
// this route.
func (api *API) signUpError(err error) error {
	input := route.AsInputError(err)
	if input == nil {
		return err
	}
	ofUser := []string{"email", "name", "givenName", "middleName", "familyName", "phone", "picture"}
	for i, f := range input.Fields {
		switch {
		case f.Name == "newPassword":
			input.Fields[i].Name = "password"
		case slices.Contains(ofUser, f.Name):
			input.Fields[i].Name = "user." + f.Name
		case slices.ContainsFunc(api.service.SignUpFields(), func(own usher.SignUpField) bool { return own.Name == f.Name }):
			input.Fields[i].Name = "fields." + f.Name
		}
	}
	return input
}
