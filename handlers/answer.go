package handlers

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/token"
)

const jsonType = "application/json; charset=utf-8"

// write answers with JSON. It is the only place that does.
func write(w http.ResponseWriter, status int, contentType string, body any) {
	b, err := json.Marshal(body)
	if err != nil {
		// Every body is made of text, numbers and times.
		panic("handlers: " + err.Error())
	}
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n'))
}

// notice is the body of answers that must not differ.
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

// sessionJSON is "the session" of the routes.
type sessionJSON struct {
	User    userJSON   `json:"user"`
	Session deviceJSON `json:"session"`
	*tokensJSON
}

// tokensJSON is what a mount without cookies adds to it.
type tokensJSON struct {
	SessionToken string `json:"sessionToken"`
	RefreshToken string `json:"refreshToken"`
	ExpiresIn    int64  `json:"expiresIn"`
}

// deliver hands the tokens of a session out and answers with it.
func (h *Handlers) deliver(w http.ResponseWriter, r *http.Request, status int, a *usher.Authentication) error {
	body := sessionJSON{User: userOf(a.User), Session: deviceOf(a.Session, a.Session.ID)}
	if h.cfg.Cookies == nil {
		body.tokensJSON = &tokensJSON{a.Tokens.Session.Reveal(), a.Tokens.Refresh.Reveal(), h.seconds(a.Tokens.SessionExpiresAt)}
	} else if err := h.keep(w, r, a); err != nil {
		return err
	}
	write(w, status, jsonType, body)
	return nil
}

// keep puts the tokens into the cookies. A session that the browser cannot keep
// ends at once, for nobody could end it later.
func (h *Handlers) keep(w http.ResponseWriter, r *http.Request, a *usher.Authentication) error {
	if err := h.cfg.Cookies.SetTokens(w, r, a.Tokens); err != nil {
		claims := &token.Claims{Subject: a.User.ID, SessionID: a.Session.ID}
		if end := h.auth.SignOut(r.Context(), claims, h.client(w, r)); end != nil {
			h.cfg.Logger.ErrorContext(r.Context(), "handlers: a session without cookies could not be ended", "error", end)
		}
		return err
	}
	if a.Device == "" {
		return nil
	}
	// The person is signed in without it: next time it counts as a stranger.
	if err := h.cfg.Cookies.SetDevice(w, r, a.Device); err != nil {
		h.cfg.Logger.WarnContext(r.Context(), "handlers: the device cookie could not be set", "error", err)
	}
	return nil
}

// seconds is how long until then.
func (h *Handlers) seconds(until time.Time) int64 {
	return max(0, int64(until.Sub(h.cfg.Now()).Round(time.Second)/time.Second))
}
