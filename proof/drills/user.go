package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"time"
)

// user is one user of a load. Only one goroutine uses it at a time.
type user struct {
	load             *load
	n                int
	id               string
	passwords        []string // the acknowledged password, and one that may have been set
	session, refresh string   // the tokens; "" is signed out
	unansweredSince  time.Time
	ended            []endedSession
	next             int // the instance of the next request
}

// endedSession is a session whose end an instance acknowledged.
type endedSession struct {
	session, refresh string
	at               time.Time
}

// reply is an answer. Status 0 means that there was none.
type reply struct {
	status       int
	SessionToken string `json:"sessionToken"`
	RefreshToken string `json:"refreshToken"`
	Code         string `json:"code"`
}

// outcomeUnknown reports whether the client cannot know if the request had an effect.
func (r reply) outcomeUnknown() bool { return r.status == 0 || r.status >= 500 || r.status == 429 }

// request sends a request, each to another instance than the one before.
func (u *user) request(method, path, bearer string, body map[string]string) reply {
	u.next++
	return u.requestTo(u.load.instances[u.next%len(u.load.instances)], method, path, bearer, body)
}

func (u *user) requestTo(instance, method, path, bearer string, body map[string]string) (r reply) {
	text, err := json.Marshal(body)
	if err != nil {
		panic(err) // a map of strings has an encoding
	}
	req, err := http.NewRequest(method, instance+path, bytes.NewReader(text))
	if err != nil {
		panic(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	start := time.Now()
	resp, err := u.load.client.Do(req)
	took := time.Since(start)
	if err == nil {
		defer resp.Body.Close()
		r.status = resp.StatusCode
		answer, readErr := io.ReadAll(resp.Body)
		if readErr != nil {
			r.status = 0
		}
		_ = json.Unmarshal(answer, &r) // /api/me answers with plain text
	}
	u.load.count(r, took, path)
	return r
}

// signUp must succeed, because it runs before the fault.
func (u *user) signUp() error {
	password := fmt.Sprintf("first password of user %d", u.n)
	r := u.request("POST", "/api/auth/signup", "", map[string]string{"loginId": u.id, "password": password})
	if r.status != http.StatusCreated {
		return fmt.Errorf("sign-up of %s: %d %s", u.id, r.status, r.Code)
	}
	u.passwords, u.session, u.refresh = []string{password}, r.SessionToken, r.RefreshToken
	return nil
}

// act uses the instances until ctx ends.
func (u *user) act(ctx context.Context) {
	for ctx.Err() == nil {
		switch d := rand.IntN(100); {
		case u.refresh == "":
			u.signIn()
		case !u.unansweredSince.IsZero() || d < 40:
			u.refreshSession()
		case d < 70:
			u.validate()
		case d < 78:
			u.guessPassword()
		case d < 86:
			u.useEndedSession()
		case d < 94:
			u.signOut()
		default:
			u.replacePassword()
		}
		time.Sleep(time.Duration(20+rand.IntN(40)) * time.Millisecond)
	}
}

func (u *user) signIn() {
	for i, password := range u.passwords {
		r := u.request("POST", "/api/auth/signin", "", map[string]string{"loginId": u.id, "password": password})
		switch {
		case r.outcomeUnknown():
			return
		case r.status == http.StatusOK:
			u.passwords, u.session, u.refresh = []string{password}, r.SessionToken, r.RefreshToken
			return
		case i == len(u.passwords)-1:
			u.load.violation(&u.load.out.lost, "%s cannot sign in: %d %s", u.id, r.status, r.Code)
		}
	}
}

// refreshSession refreshes. If the answer is lost, the next call sends the same token
// again, as a client should.
func (u *user) refreshSession() {
	r := u.request("POST", "/api/auth/session/refresh", "", map[string]string{"refreshToken": u.refresh})
	switch {
	case r.outcomeUnknown():
		if u.unansweredSince.IsZero() {
			u.unansweredSince = time.Now()
		}
	case r.status == http.StatusOK:
		u.session, u.refresh, u.unansweredSince = r.SessionToken, r.RefreshToken, time.Time{}
	default:
		after := ""
		if !u.unansweredSince.IsZero() {
			after = fmt.Sprintf(", %s after a lost answer", time.Since(u.unansweredSince).Round(time.Millisecond))
		}
		u.load.violation(&u.load.out.signedOut, "%s was signed out by %d %s%s", u.id, r.status, r.Code, after)
		u.session, u.refresh, u.unansweredSince = "", "", time.Time{}
	}
}

func (u *user) validate() {
	if r := u.request("GET", "/api/me", u.session, nil); !r.outcomeUnknown() && r.status != http.StatusOK {
		u.load.violation(&u.load.out.signedOut, "the session of %s was refused: %d", u.id, r.status)
	}
}

func (u *user) guessPassword() {
	r := u.request("POST", "/api/auth/signin", "", map[string]string{"loginId": u.id, "password": "not the password at all"})
	if r.status < 300 && r.status != 0 {
		u.load.violation(&u.load.out.accepted, "%s could sign in with a wrong password", u.id)
	}
}

// useEndedSession tries the tokens of a session that has ended.
func (u *user) useEndedSession() {
	if len(u.ended) == 0 {
		return
	}
	e := u.ended[rand.IntN(len(u.ended))]
	sent := time.Now()
	if r := u.request("GET", "/api/me", e.session, nil); r.status == http.StatusOK && sent.Sub(e.at) > revocationDelay {
		u.load.violation(&u.load.out.accepted, "a session of %s was accepted %s after its end", u.id, sent.Sub(e.at).Round(time.Millisecond))
	}
	if r := u.request("POST", "/api/auth/session/refresh", "", map[string]string{"refreshToken": e.refresh}); r.status == http.StatusOK {
		u.load.violation(&u.load.out.accepted, "an ended session of %s was refreshed", u.id)
	}
}

func (u *user) signOut() {
	r := u.request("POST", "/api/auth/signout", u.session, map[string]string{"refreshToken": u.refresh})
	switch {
	case r.status == http.StatusOK:
		u.recordEnd()
	case !r.outcomeUnknown():
		u.load.violation(&u.load.out.signedOut, "%s could not sign out: %d %s", u.id, r.status, r.Code)
	}
	// The client forgets the tokens, whatever the answer.
	u.session, u.refresh, u.unansweredSince = "", "", time.Time{}
}

// recordEnd remembers that the current session has ended.
func (u *user) recordEnd() {
	u.ended = append(u.ended, endedSession{u.session, u.refresh, time.Now()})
	if len(u.ended) > 20 {
		u.ended = u.ended[1:]
	}
}

// replacePassword changes the password, which ends all sessions and starts a new one.
func (u *user) replacePassword() {
	if len(u.passwords) > 1 {
		u.refresh = "" // the next sign-in finds out which password is set
		return
	}
	password := fmt.Sprintf("password %d of user %d", rand.Int64(), u.n)
	r := u.request("POST", "/api/auth/password/replace", "",
		map[string]string{"loginId": u.id, "oldPassword": u.passwords[0], "newPassword": password})
	switch {
	case r.status == http.StatusOK:
		u.recordEnd()
		u.passwords, u.session, u.refresh, u.unansweredSince = []string{password}, r.SessionToken, r.RefreshToken, time.Time{}
	case r.outcomeUnknown():
		u.passwords = []string{u.passwords[0], password}
		u.session, u.refresh, u.unansweredSince = "", "", time.Time{}
	default:
		u.load.violation(&u.load.out.lost, "%s cannot replace the password: %d %s", u.id, r.status, r.Code)
	}
}

// checkAtEnd checks on every instance, after the repair, that everything acknowledged
// is there and that no ended session is accepted.
func (u *user) checkAtEnd() {
	if u.refresh != "" {
		u.refreshSession()
		if !u.unansweredSince.IsZero() {
			u.load.violation(nil, "%s gets no answer", u.id)
		}
	}
	u.useEndedSession()
	possible := len(u.passwords)
	u.signIn()
	if u.refresh == "" || possible > 1 && len(u.passwords) > 1 {
		u.load.violation(nil, "%s cannot sign in", u.id)
	}
	for _, instance := range u.load.instances {
		if r := u.requestTo(instance, "GET", "/api/me", u.session, nil); r.status != http.StatusOK {
			u.load.violation(&u.load.out.signedOut, "%s refuses a valid session: %d", instance, r.status)
		}
		for _, e := range u.ended {
			if r := u.requestTo(instance, "GET", "/api/me", e.session, nil); r.status == http.StatusOK && time.Since(e.at) > revocationDelay {
				u.load.violation(&u.load.out.accepted, "%s accepts a session that has ended", instance)
			}
		}
	}
}
