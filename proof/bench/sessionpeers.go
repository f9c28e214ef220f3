package main

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/aarondl/authboss/v3"
	_ "github.com/aarondl/authboss/v3/auth" // the module that signs in
	"github.com/aarondl/authboss/v3/defaults"
	"github.com/alexedwards/scs/v2"
	pkgz "github.com/go-pkgz/auth/v2"
	"github.com/go-pkgz/auth/v2/avatar"
	pkgztoken "github.com/go-pkgz/auth/v2/token"
	"github.com/gorilla/sessions"
	"golang.org/x/crypto/argon2"
)

const (
	peerSCS      = "alexedwards/scs v2, memory store"
	peerGorilla  = "gorilla/sessions v1, encrypted cookie"
	peerPkgz     = "go-pkgz/auth v2, HS256 token in a cookie"
	peerAuthboss = "authboss v3, encrypted cookie and a user in memory"
)

// The hash that everybody computes at a sign-in: Usher's default.
const (
	hashMemory = 64 << 10
	hashTime   = 3
	hashLanes  = 4
)

var hashSalt = []byte("sixteen bytes...")

func argon(pw string) []byte {
	return argon2.IDKey([]byte(pw), hashSalt, hashTime, hashMemory, hashLanes, 32)
}

// passwords is the table of users of the peers that have none of their own.
type passwords map[string][]byte

func (p passwords) check(login, pw string) bool {
	return subtle.ConstantTimeCompare(p[login], argon(pw)) == 1
}

// peer is a library with sign-in and session.
type peer struct {
	name    string
	note    string
	signIn  http.Handler
	body    string
	kind    string // Content-Type
	path    string
	protect func(http.Handler) http.Handler
	subject func(*http.Request) string
	want    string
}

func sessionPeers() ([]peer, error) {
	users := passwords{loginID: argon(password)}
	ab, err := newAuthboss(users)
	if err != nil {
		return nil, err
	}
	return []peer{newSCS(users), newGorilla(users), newPkgz(users), ab}, nil
}

func (p peer) signInRequest() *http.Request {
	r := httptest.NewRequest("POST", issuerURL+p.path, strings.NewReader(p.body))
	r.Header.Set("Content-Type", p.kind)
	return r
}

// signedIn signs in once and returns a request with what came of it.
func (p peer) signedIn() (*http.Request, error) {
	rec := httptest.NewRecorder()
	p.signIn.ServeHTTP(rec, p.signInRequest())
	if rec.Code >= 400 || len(rec.Result().Cookies()) == 0 {
		return nil, fmt.Errorf("%s: sign-in answers %d: %s", p.name, rec.Code, rec.Body)
	}
	return get(func(r *http.Request) {
		for _, c := range rec.Result().Cookies() {
			r.AddCookie(c)
			if c.Name == "XSRF-TOKEN" {
				r.Header.Set("X-Xsrf-Token", c.Value)
			}
		}
	}), nil
}

func (p peer) protectedJob() (job, error) {
	r, err := p.signedIn()
	if err != nil {
		return job{}, err
	}
	return job{name: p.name, note: p.note, run: serve(p.protect(reached(p.subject, p.want)), r, true)}, nil
}

// decodeSignIn is what a program does by hand where its library has no sign-in.
func decodeSignIn(users passwords, r *http.Request) bool {
	var in struct {
		LoginID  string `json:"loginId"`
		Password string `json:"password"`
	}
	return json.NewDecoder(r.Body).Decode(&in) == nil && users.check(in.LoginID, in.Password)
}

const jsonBody = `{"loginId":"` + loginID + `","password":"` + password + `"}`

func newSCS(users passwords) peer {
	m := scs.New()
	m.Lifetime = 24 * time.Hour
	signIn := m.LoadAndSave(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if !decodeSignIn(users, r) || m.RenewToken(r.Context()) != nil {
			unauthorized(rw)
			return
		}
		m.Put(r.Context(), "userID", userID)
	}))
	return peer{
		name: peerSCS, note: "one look-up in a map; the state is on the server",
		signIn: signIn, body: jsonBody, kind: "application/json", path: "/signin", protect: m.LoadAndSave,
		subject: func(r *http.Request) string { return m.GetString(r.Context(), "userID") }, want: userID,
	}
}

func newGorilla(users passwords) peer {
	store := sessions.NewCookieStore([]byte(strings.Repeat("h", 32)), []byte(strings.Repeat("b", 32)))
	signIn := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		s, _ := store.Get(r, "session")
		if !decodeSignIn(users, r) {
			unauthorized(rw)
			return
		}
		s.Values["userID"] = userID
		if err := s.Save(r, rw); err != nil {
			http.Error(rw, err.Error(), http.StatusInternalServerError)
		}
	})
	return peer{
		name: peerGorilla, note: "the user's id alone is in the cookie; nothing is revocable",
		signIn: signIn, body: jsonBody, kind: "application/json", path: "/signin",
		protect: func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				if s, err := store.Get(r, "session"); err != nil || s.Values["userID"] == nil {
					unauthorized(rw)
					return
				}
				next.ServeHTTP(rw, r)
			})
		},
		subject: func(r *http.Request) string {
			s, err := store.Get(r, "session")
			if err != nil {
				return ""
			}
			id, _ := s.Values["userID"].(string)
			return id
		},
		want: userID,
	}
}

func newPkgz(users passwords) peer {
	s := pkgz.NewService(pkgz.Opts{
		SecretReader:  pkgztoken.SecretFunc(func(string) (string, error) { return "a secret for measurements", nil }),
		TokenDuration: time.Hour, CookieDuration: 24 * time.Hour, Issuer: "bench", URL: issuerURL,
		AvatarStore: avatar.NewNoOp(),
	})
	s.AddDirectProvider("local", checker(users.check))
	signIn, _ := s.Handlers()
	m := s.Middleware()
	return peer{
		name: peerPkgz, note: "symmetric key",
		signIn: signIn, body: `{"user":"` + loginID + `","passwd":"` + password + `"}`, kind: "application/json", path: "/auth/local/login",
		protect: m.Auth,
		subject: func(r *http.Request) string {
			u, err := pkgztoken.GetUserInfo(r)
			if err != nil {
				return ""
			}
			return u.Name
		},
		want: loginID,
	}
}

type checker func(login, pw string) bool

func (c checker) Check(login, pw string) (bool, error) { return c(login, pw), nil }

func newAuthboss(users passwords) (peer, error) {
	store := sessions.NewCookieStore([]byte(strings.Repeat("h", 32)), []byte(strings.Repeat("b", 32)))
	ab := authboss.New()
	ab.Config.Storage.Server = abUsers(users)
	ab.Config.Storage.SessionState = abState{store, "ab_session"}
	ab.Config.Storage.CookieState = abState{store, "ab_cookie"}
	ab.Config.Paths.Mount = "/auth"
	ab.Config.Paths.RootURL = issuerURL
	ab.Config.Core.ViewRenderer = defaults.JSONRenderer{}
	defaults.SetCore(&ab.Config, true, false)
	ab.Config.Core.Logger = abQuiet{}
	ab.Config.Core.ErrorHandler = defaults.NewErrorHandler(abQuiet{})
	ab.Config.Core.Hasher = abHasher{}
	if err := ab.Init(); err != nil {
		return peer{}, fmt.Errorf("authboss: %w", err)
	}
	return peer{
		name: peerAuthboss, note: "with Usher's Argon2id as its Hasher",
		signIn: ab.LoadClientStateMiddleware(http.StripPrefix("/auth", ab.Config.Core.Router)),
		body:   `{"email":"` + loginID + `","password":"` + password + `"}`, kind: "application/json", path: "/auth/login",
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
		want: loginID,
	}, nil
}

type abUser struct{ pid, hash string }

func (u *abUser) GetPID() string       { return u.pid }
func (u *abUser) PutPID(s string)      { u.pid = s }
func (u *abUser) GetPassword() string  { return u.hash }
func (u *abUser) PutPassword(s string) { u.hash = s }

type abUsers passwords

func (s abUsers) Load(_ context.Context, key string) (authboss.User, error) {
	hash, ok := s[key]
	if !ok {
		return nil, authboss.ErrUserNotFound
	}
	return &abUser{key, string(hash)}, nil
}

func (s abUsers) Save(context.Context, authboss.User) error { return nil }

type abHasher struct{}

func (abHasher) GenerateHash(pw string) (string, error) { return string(argon(pw)), nil }

func (abHasher) CompareHashAndPassword(hash, pw string) error {
	if subtle.ConstantTimeCompare([]byte(hash), argon(pw)) != 1 {
		return errMismatch
	}
	return nil
}

type abQuiet struct{}

func (abQuiet) Info(string)  {}
func (abQuiet) Error(string) {}

// abState keeps authboss's state in a gorilla session, as its sample does.
type abState struct {
	store *sessions.CookieStore
	name  string
}

type abValues struct {
	r *http.Request
	s *sessions.Session
}

func (v abValues) Get(key string) (string, bool) {
	s, ok := v.s.Values[key].(string)
	return s, ok
}

func (a abState) ReadState(r *http.Request) (authboss.ClientState, error) {
	s, err := a.store.Get(r, a.name)
	if s == nil {
		return nil, err
	}
	return abValues{r, s}, nil
}

func (a abState) WriteState(rw http.ResponseWriter, state authboss.ClientState, events []authboss.ClientStateEvent) error {
	v, ok := state.(abValues)
	if !ok {
		return errors.New("no state was read")
	}
	for _, e := range events {
		switch e.Kind {
		case authboss.ClientStateEventPut:
			v.s.Values[e.Key] = e.Value
		case authboss.ClientStateEventDel:
			delete(v.s.Values, e.Key)
		case authboss.ClientStateEventDelAll:
			clear(v.s.Values)
		}
	}
	return v.s.Save(v.r, rw)
}
