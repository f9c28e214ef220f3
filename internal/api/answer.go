package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/usherkit/usher"
)

const jsonType = "application/json; charset=utf-8"

// writeJSON answers with a JSON body.
func writeJSON(w http.ResponseWriter, status int, body any) {
	b, err := json.Marshal(body)
	if err != nil {
		// Text, numbers and times can always be encoded.
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

func newUserJSON(u usher.User) userJSON {
	return userJSON{u.ID, u.LoginID(), u.Email, u.EmailVerified, u.Name, u.Picture}
}

// sessionJSON is a session as its owner sees it.
type sessionJSON struct {
	ID         string    `json:"id"`
	CreatedAt  time.Time `json:"createdAt"`
	LastSeenAt time.Time `json:"lastSeenAt"`
	ExpiresAt  time.Time `json:"expiresAt"`
	Current    bool      `json:"current"`
	UserAgent  string    `json:"userAgent"`
	Address    string    `json:"address"`
}

func newSessionJSON(s usher.Session, current string) sessionJSON {
	return sessionJSON{s.ID, s.CreatedAt, s.LastSeenAt, s.ExpiresAt, s.ID == current, s.UserAgent, s.Address}
}

// authenticationJSON is what the documentation of the routes calls "the session".
type authenticationJSON struct {
	User    userJSON    `json:"user"`
	Session sessionJSON `json:"session"`
	*tokensJSON
}

// tokensJSON is the part of authenticationJSON that only a mount without cookies sends.
type tokensJSON struct {
	SessionToken string `json:"sessionToken"`
	// RefreshToken is empty in a session of Operator.Impersonate, and after POST
	// /session/confirm without one.
	RefreshToken string `json:"refreshToken,omitempty"`
	ExpiresIn    int64  `json:"expiresIn"`
	// DeviceToken is empty after a refresh, which makes no device known.
	DeviceToken string `json:"deviceToken,omitempty"`
}

// writeSession answers with a session. The tokens are in the body if the mount has no
// cookies.
func (api *API) writeSession(w http.ResponseWriter, status int, a *usher.Authentication) {
	api.writeTokens(w, status, a, api.visits.Cookies == nil)
}

// writeTokens answers with a session, and with its tokens if inBody is true.
func (api *API) writeTokens(w http.ResponseWriter, status int, a *usher.Authentication, inBody bool) {
	body := authenticationJSON{User: newUserJSON(a.User), Session: newSessionJSON(a.Session, a.Session.ID)}
	if inBody {
		body.tokensJSON = &tokensJSON{
			a.Tokens.Session.Reveal(), a.Tokens.Refresh.Reveal(), api.secondsUntil(a.Tokens.SessionExpiresAt), a.Device.Reveal(),
		}
	}
	writeJSON(w, status, body)
}

// writeResult answers with the result of the Service: the session, with the given
// status; or a notice that an email was sent; or, if the user has to sign in next, the
// device token alone, in the body if the mount has no cookies; or that an invited user has
// an account.
func (api *API) writeResult(w http.ResponseWriter, status int, result usher.Result) error {
	switch result.Next {
	case usher.NextSignedIn:
		api.writeSession(w, status, result.Authentication)
		return nil
	case usher.NextConfirmEmail:
		writeJSON(w, http.StatusAccepted, notice{"An email is on its way. Follow its link to go on."})
		return nil
	case usher.NextSignIn:
		var body struct {
			DeviceToken string `json:"deviceToken,omitempty"`
		}
		if api.visits.Cookies == nil {
			body.DeviceToken = result.Device.Reveal()
		}
		writeJSON(w, http.StatusOK, body)
		return nil
	case usher.NextHasAccount:
		writeJSON(w, http.StatusOK, struct {
			HasAccount bool `json:"hasAccount"`
		}{true})
		return nil
	}
	return fmt.Errorf("api: unknown next step %q", result.Next)
}

// secondsUntil returns the number of seconds from now until that time, at least 0.
func (api *API) secondsUntil(t time.Time) int64 {
	return max(0, int64(t.Sub(api.now()).Round(time.Second)/time.Second))
}
