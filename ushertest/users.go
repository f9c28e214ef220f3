package ushertest

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"

	"github.com/usherkit/usher"
)

// Password is the password of every user that an [App] creates.
const Password = usher.Secret("vast otter sings low")

// User returns the user with that login id, whom it creates if there is none: with
// [Password], and with a confirmed address if the login id is an email address. If roles are
// given, the user has exactly these.
func (a *App) User(loginID string, roles ...string) usher.User {
	a.t.Helper()
	a.users.Lock()
	defer a.users.Unlock()
	operator := a.Service.Operator("ushertest")
	u, err := operator.UserByLoginID(a.t.Context(), loginID)
	switch {
	case errors.Is(err, usher.ErrNotFound):
		u, err = operator.ImportUser(a.t.Context(), usher.ImportUserParams{
			LoginIDs: []string{loginID}, EmailVerified: strings.Contains(loginID, "@"), Password: Password, Roles: roles,
		})
	case err == nil && len(roles) > 0 && !slices.Equal(u.Roles, roles):
		u, err = operator.UpdateUser(a.t.Context(), u.ID, usher.UpdateUserParams{Roles: &roles})
	}
	if err != nil {
		a.t.Fatalf("ushertest: user %s: %v", loginID, err)
	}
	return u
}

// Request returns a request of the user for httptest.ResponseRecorder and
// http.Handler.ServeHTTP: in its Authorization header it has the token of a new session. A
// body that is not nil is JSON. With an empty loginID the request has no session. [App.User]
// describes the user. The path may have a query.
func (a *App) Request(loginID, method, path string, body io.Reader) *http.Request {
	a.t.Helper()
	r := httptest.NewRequestWithContext(a.t.Context(), method, a.URL+path, body)
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if loginID != "" {
		r.Header.Set("Authorization", "Bearer "+a.session(loginID).Tokens.Session.Reveal())
	}
	return r
}

// session signs the user in, without the program.
func (a *App) session(loginID string, roles ...string) *usher.Authentication {
	a.t.Helper()
	a.User(loginID, roles...)
	got, err := a.Service.SignIn(a.t.Context(), usher.SignInParams{LoginID: loginID, Password: Password}, usher.Client{})
	if err != nil {
		a.t.Fatalf("ushertest: sign-in of %s: %v", loginID, err)
	}
	return got.Authentication
}
