package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/usherkit/usher"
)

const jsonType = "application/json; charset=utf-8"

// write answers with JSON.
func write(w http.ResponseWriter, status int, body any) {
	b, err := json.Marshal(body)
	if err != nil {
		// Every body is made of text, numbers and times.
		panic("api: " + err.Error())
	}
	w.Header().Set("Content-Type", jsonType)
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n'))
}

// notice is the body of an answer that is the same for every client.
type notice struct {
	Detail string `json:"detail"`
}

type empty struct{}

// userJSON is a user as its owner sees it.
type userJSON struct {
	ID            string `json:"id"`
	LoginID       string `json:"loginId"`
	Email         string `json:"email"`
	EmailVerified bool   `json:"emailVerified"`
	Name          string `json:"name"`
	Picture       string `json:"picture"`
}

func userOf(u usher.User) userJSON {
	return userJSON{u.ID, u.LoginID(), u.Email, u.EmailVerified, u.Name, u.Picture}
}

// deviceJSON is a session as its owner sees it.
type deviceJSON struct {
	ID         string    `json:"id"`
	CreatedAt  time.Time `json:"createdAt"`
	LastSeenAt time.Time `json:"lastSeenAt"`
	ExpiresAt  time.Time `json:"expiresAt"`
	Current    bool      `json:"current"`
	UserAgent  string    `json:"userAgent"`
	Address    string    `json:"address"`
}

func deviceOf(s usher.Session, current string) deviceJSON {
	return deviceJSON{s.ID, s.CreatedAt, s.LastSeenAt, s.ExpiresAt, s.ID == current, s.UserAgent, s.Address}
}

// sessionJSON is "the session" in the documentation of the routes.
type sessionJSON struct {
	User    userJSON   `json:"user"`
	Session deviceJSON `json:"session"`
	*tokensJSON
}

// tokensJSON is added to it on a mount without cookies.
type tokensJSON struct {
	SessionToken string `json:"sessionToken"`
	RefreshToken string `json:"refreshToken"`
	ExpiresIn    int64  `json:"expiresIn"`
}

// deliver answers with a session. Its tokens are in cookies or in the body, as the
// mount has it.
func (api *API) deliver(w http.ResponseWriter, r *http.Request, status int, a *usher.Authentication) error {
	body := sessionJSON{User: userOf(a.User), Session: deviceOf(a.Session, a.Session.ID)}
	if api.visits.Cookies == nil {
		body.tokensJSON = &tokensJSON{a.Tokens.Session.Reveal(), a.Tokens.Refresh.Reveal(), api.seconds(a.Tokens.SessionExpiresAt)}
	} else if err := api.visits.SetTokens(w, r, a); err != nil {
		return err
	}
	write(w, status, body)
	return nil
}

// next answers with what follows a step: the session with that status, a notice that
// an email was sent, or an empty object if the user has to sign in.
func (api *API) next(w http.ResponseWriter, r *http.Request, status int, result usher.Result) error {
	switch result.Next {
	case usher.NextSignedIn:
		return api.deliver(w, r, status, result.Authentication)
	case usher.NextConfirmEmail:
		write(w, http.StatusAccepted, notice{"An email is on its way. Follow its link to go on."})
		return nil
	case usher.NextSignIn:
		write(w, http.StatusOK, empty{})
		return nil
	}
	return fmt.Errorf("api: unknown next step %q", result.Next)
}

// seconds returns how long it is until then.
func (api *API) seconds(until time.Time) int64 {
	return max(0, int64(until.Sub(api.now()).Round(time.Second)/time.Second))
}
