package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/aarondl/authboss/v3"
	"github.com/aarondl/authboss/v3/defaults"
	"github.com/alexedwards/scs/v2"
	"github.com/gorilla/sessions"
)

const (
	peerSCS      = "alexedwards/scs v2, memory store"
	peerAuthboss = "authboss v3, encrypted cookie and a user in memory"
)

// sessionPeer is a library that keeps sessions in cookies.
type sessionPeer struct {
	name, note string
	signIn     http.Handler // starts a session of userID
	protect    func(http.Handler) http.Handler
	subject    func(*http.Request) string
}

func sessionPeers() ([]benchmark, error) {
	ab, err := newAuthboss()
	if err != nil {
		return nil, err
	}
	var list []benchmark
	for _, p := range []sessionPeer{newSCS(), ab} {
		rec := httptest.NewRecorder()
		p.signIn.ServeHTTP(rec, newRequest())
		if rec.Code != http.StatusOK || len(rec.Result().Cookies()) == 0 {
			return nil, fmt.Errorf("%s: the sign-in answers %d: %s", p.name, rec.Code, rec.Body)
		}
		h := p.protect(protectedHandler(p.subject, userID))
		list = append(list, benchmark{name: p.name, note: p.note, run: serveRepeatedly(h, signedInBy(rec), true)})
	}
	return list, nil
}

func newSCS() sessionPeer {
	m := scs.New()
	m.Lifetime = 24 * time.Hour
	return sessionPeer{
		name: peerSCS, note: "state on the server; one look-up in a map", protect: m.LoadAndSave,
		signIn: m.LoadAndSave(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			m.Put(r.Context(), "userID", userID)
		})),
		subject: func(r *http.Request) string { return m.GetString(r.Context(), "userID") },
	}
}

func newAuthboss() (sessionPeer, error) {
	store := sessions.NewCookieStore([]byte(strings.Repeat("h", 32)), []byte(strings.Repeat("b", 32)))
	ab := authboss.New()
	ab.Config.Storage.Server = authbossUsers{}
	ab.Config.Storage.SessionState = authbossState{store, "ab_session"}
	ab.Config.Storage.CookieState = authbossState{store, "ab_cookie"}
	ab.Config.Paths.Mount, ab.Config.Paths.RootURL = "/auth", issuerURL
	ab.Config.Core.ViewRenderer = defaults.JSONRenderer{}
	defaults.SetCore(&ab.Config, true, false)
	if err := ab.Init(); err != nil {
		return sessionPeer{}, fmt.Errorf("authboss: %w", err)
	}
	return sessionPeer{
		name: peerAuthboss,
		signIn: ab.LoadClientStateMiddleware(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
			authboss.PutSession(rw, authboss.SessionKey, userID)
			rw.WriteHeader(http.StatusOK)
		})),
		protect: func(next http.Handler) http.Handler {
			return ab.LoadClientStateMiddleware(authboss.Middleware2(ab, authboss.RequireNone, authboss.RespondUnauthorized)(next))
		},
		subject: func(r *http.Request) string {
			id, err := ab.CurrentUserID(r)
			if err != nil {
				return ""
			}
			return id
		},
	}, nil
}

type authbossUser struct{ pid string }

func (u *authbossUser) GetPID() string  { return u.pid }
func (u *authbossUser) PutPID(s string) { u.pid = s }

type authbossUsers struct{}

func (authbossUsers) Load(_ context.Context, key string) (authboss.User, error) {
	if key != userID {
		return nil, authboss.ErrUserNotFound
	}
	return &authbossUser{key}, nil
}

func (authbossUsers) Save(context.Context, authboss.User) error { return nil }

// authbossState keeps authboss's state in a gorilla session, as authboss's own sample
// does.
type authbossState struct {
	store *sessions.CookieStore
	name  string
}

type authbossValues struct {
	r *http.Request
	s *sessions.Session
}

func (v authbossValues) Get(key string) (string, bool) {
	s, ok := v.s.Values[key].(string)
	return s, ok
}

func (a authbossState) ReadState(r *http.Request) (authboss.ClientState, error) {
	s, err := a.store.Get(r, a.name)
	if s == nil {
		return nil, err
	}
	return authbossValues{r, s}, nil
}

func (a authbossState) WriteState(rw http.ResponseWriter, state authboss.ClientState, events []authboss.ClientStateEvent) error {
	v, ok := state.(authbossValues)
	if !ok {
		return errors.New("no state was read")
	}
	for _, e := range events {
		if e.Kind == authboss.ClientStateEventPut {
			v.s.Values[e.Key] = e.Value
		}
	}
	return v.s.Save(v.r, rw)
}
