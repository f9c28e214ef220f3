package handlers_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gorilla/sessions"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/cookies"
	. "github.com/usherkit/usher/internal/webtest"
	"github.com/usherkit/usher/store"
)

// keptStore keeps sessions outside of the cookie. While full is set, it saves none.
type keptStore struct {
	*sessions.CookieStore
	kept map[string]string
	full bool
}

func (s *keptStore) Save(r *http.Request, w http.ResponseWriter, session *sessions.Session) error {
	switch {
	case session.Options.MaxAge < 0:
		delete(s.kept, session.ID)
		return nil
	case s.full && strings.HasSuffix(session.Name(), "session"):
		return errors.New("full")
	case session.ID == "":
		session.ID = rand.Text()
	}
	recorder := httptest.NewRecorder()
	if err := s.CookieStore.Save(r, recorder, session); err != nil {
		return err
	}
	s.kept[session.ID] = recorder.Result().Cookies()[0].Value
	http.SetCookie(w, &http.Cookie{Name: session.Name(), Value: session.ID})
	return nil
}

func (s *keptStore) New(r *http.Request, name string) (*sessions.Session, error) {
	session := sessions.NewSession(s, name)
	session.IsNew = true
	c, err := r.Cookie(name)
	if err != nil || s.kept[c.Value] == "" {
		return session, nil
	}
	inner := r.Clone(r.Context())
	inner.Header = http.Header{"Cookie": {name + "=" + s.kept[c.Value]}}
	session, err = s.CookieStore.New(inner, name)
	session.ID = c.Value
	return session, err
}

// A browser is signed in. The claims of the next session do not fit into a cookie, or
// the jar's store is full. Then the call has no effect: the session of the browser goes
// on, and the same call succeeds later.
func TestSE14_NothingEndsIfTheNewSessionCannotBeDelivered(t *testing.T) {
	t.Parallel()
	noise := ""
	for len(noise) < 4000 { // random text, which cannot be compressed
		noise += rand.Text()
	}
	for kind, change := range map[string]func(*cookies.Config){
		"sealed": nil,
		"plain":  func(c *cookies.Config) { c.Plain, c.SessionName, c.RefreshName = true, "__Host-DS", "__Host-DSR" },
		"stored": func(c *cookies.Config) {
			c.Secret, c.Store = "", &keptStore{CookieStore: sessions.NewCookieStore([]byte(Secret)), kept: map[string]string{}}
		},
	} {
		for call, body := range map[string]func(k *Kit) string{
			"/signin":                 func(*Kit) string { return SignUpBody(Ann, GoodPassword) },
			"/signin of another user": func(*Kit) string { return SignUpBody(Bob, GoodPassword) },
			"/signup":                 func(*Kit) string { return SignUpBody("new@example.com", GoodPassword) },
			"/password/replace": func(*Kit) string {
				return Object("loginId", Ann, "oldPassword", GoodPassword, "newPassword", OtherPassword)
			},
			"/password/reset/complete": func(k *Kit) string { return Object("token", k.ResetToken(Ann), "newPassword", OtherPassword) },
			"/password/update":         func(*Kit) string { return Object("newPassword", OtherPassword) },
			"/session/refresh":         func(*Kit) string { return "" },
			"/session/confirm":         func(*Kit) string { return Object("password", GoodPassword) },
		} {
			if kind == "stored" && strings.HasPrefix(call, "/session/") {
				continue // its tokens replace those of the same session in the jar's store, afterwards
			}
			t.Run(kind+", "+call, func(t *testing.T) {
				t.Parallel()
				large := false
				var kept *keptStore
				k := NewKit(t, InCookies, Setup{
					Service: func(c *usher.Config) {
						c.ResetSignsIn = true
						c.Claims = func(Ctx, usher.User) (map[string]any, error) {
							if large {
								return map[string]any{"x": noise}, nil
							}
							return nil, nil
						}
					},
					Jar: func(c *cookies.Config) {
						if change != nil {
							change(c)
						}
						kept, _ = c.Store.(*keptStore)
					},
				})
				k.SignUpVerified(Bob)
				u := k.SignUpVerified(Ann)
				path, _, _ := strings.Cut(call, " ")
				q := k.As(u, Post(path, body(k)))
				k.ClearRecords()
				before := stored(t, k)
				status, code := 500, "internal"
				if kept != nil {
					kept.full, status, code = true, 503, "unavailable"
				} else {
					large = true
				}
				a := k.Do(q).Want(t, status, code)
				if set := strings.Join(a.Header["Set-Cookie"], "\n"); strings.Contains(set, "session=") || strings.Contains(set, "DS=") {
					t.Errorf("the answer changes the session cookie: %s", set)
				}
				if !k.IsSignedIn(u) {
					t.Error("the session of the browser has ended")
				}
				if after := stored(t, k); after != before && call != "/session/refresh" {
					t.Errorf("the store has %s, want %s", after, before)
				}
				if events := k.Events.Take(); call != "/session/refresh" && len(events) > 0 {
					t.Errorf("events report what did not happen: %s", events)
				}
				large = false
				if kept != nil {
					kept.full = false
				}
				if a := k.Do(q); a.Status >= 300 {
					t.Errorf("the same call later is %d %s", a.Status, a.Body)
				}
			})
		}
	}
}

// stored describes the users, sessions and emails in the store.
func stored(t *testing.T, k *Kit) string {
	t.Helper()
	out := ""
	for _, loginID := range []string{Ann, Bob, "new@example.com"} {
		account, err := k.Store.AccountByLoginID(t.Context(), loginID)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			t.Fatal(err)
		}
		list, err := k.Store.UserSessions(t.Context(), account.User.ID, k.Clock.Now())
		if err != nil {
			t.Fatal(err)
		}
		out += fmt.Sprintln(account.User.ID, account.Password.Version, list)
	}
	return out
}

// What a call has saved in the jar's store is removed if the session is not stored.
func TestSE14_ARefusedSignUpLeavesNothingInTheStoreOfTheJar(t *testing.T) {
	t.Parallel()
	kept := &keptStore{CookieStore: sessions.NewCookieStore([]byte(Secret)), kept: map[string]string{}}
	k := NewKit(t, InCookies, Setup{Jar: func(c *cookies.Config) { c.Secret, c.Store = "", kept }})
	k.SignUp(Ann)
	before := len(kept.kept)
	k.Do(Post("/signup", SignUpBody(Ann, GoodPassword))).Want(t, 409, "login_id_taken")
	if len(kept.kept) != before {
		t.Errorf("%d sessions are kept, want %d", len(kept.kept), before)
	}
}
