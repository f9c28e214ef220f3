package cookies_test

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/gorilla/securecookie"
	"github.com/gorilla/sessions"

	"github.com/usherkit/usher/cookies"
	"github.com/usherkit/usher/token"
)

func fileStore(t testing.TB) *sessions.FilesystemStore {
	return sessions.NewFilesystemStore(t.TempDir(), []byte(strings.Repeat("h", 32)))
}

// storeFunc is a store that fails to read and saves with the function.
type storeFunc func(*http.Request, http.ResponseWriter, *sessions.Session) error

func (f storeFunc) Get(*http.Request, string) (*sessions.Session, error) {
	return nil, errors.New("connection refused")
}

func (f storeFunc) New(*http.Request, string) (*sessions.Session, error) {
	return nil, errors.New("connection refused")
}

func (f storeFunc) Save(r *http.Request, w http.ResponseWriter, s *sessions.Session) error {
	return f(r, w, s)
}

// emptyStore has no session, and returns a new one for each id, as stores over a network
// do, with the error if it has one.
type emptyStore struct {
	storeFunc
	err  error
	read map[string]int
}

func (s emptyStore) New(_ *http.Request, name string) (*sessions.Session, error) {
	s.read[name]++
	made := sessions.NewSession(s, name)
	made.Values["s"], made.Values["se"], made.IsNew = "planted", "9999999999", s.err == nil
	return made, s.err
}

// What a store makes for an unknown id, or returns beside an error, is not the session
// of the cookie. Only a failure is logged.
func TestFB01_OnlyASessionOfTheStoreCounts(t *testing.T) {
	var log bytes.Buffer
	for name, c := range map[string]struct {
		err  error
		logs int
	}{
		"unknown":                    {nil, 0},
		"deleted":                    {fs.ErrNotExist, 0},
		"forged":                     {securecookie.MultiError{errNotDecoded(t)}, 0},
		"failed":                     {errors.New("connection refused"), 1},
		"failed, by its own cookies": {errNotEncoded(t), 1},
	} {
		log.Reset()
		store := emptyStore{err: c.err, read: map[string]int{}}
		jar := newJar(t, func(cfg *cookies.Config) {
			cfg.Secret, cfg.Store, cfg.Logger = "", store, slog.New(slog.NewTextHandler(&log, nil))
		})
		one := &http.Cookie{Name: "__Host-session", Value: "x"}
		for n, r := range []*http.Request{request(one), request(one, one)} {
			failed := c.logs > 0
			if p, present, err := jar.ReadTokens(r); p != (token.Pair{}) || !present || errors.Is(err, cookies.ErrStore) != failed || errors.Is(err, token.ErrUnavailable) != failed {
				t.Errorf("%s, cookie %d: %v, %v", name, n, p, err)
			}
			if all, err := jar.AllTokens(r); len(all) > 0 || errors.Is(err, cookies.ErrStore) != failed {
				t.Errorf("%s, cookie %d: all tokens are %v, %v", name, n, all, err)
			}
		}
		log.Reset()
		if p, present := jar.Tokens(request(one)); p != (token.Pair{}) || !present {
			t.Errorf("%s: %v", name, p)
		}
		if n := strings.Count(log.String(), "store failed"); n != c.logs {
			t.Errorf("%s: %d lines, want %d:\n%s", name, n, c.logs, log.String())
		}
	}
	log.Reset()
	sealed := newJar(t, func(c *cookies.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	sealed.Tokens(request(&http.Cookie{Name: "__Host-session", Value: "x"}))
	if log.Len() > 0 {
		t.Errorf("without a store:\n%s", log.String())
	}
}

// errNotDecoded returns the error of a cookie that was not made with the keys.
func errNotDecoded(t *testing.T) error {
	t.Helper()
	var to string
	err := securecookie.New([]byte(strings.Repeat("h", 32)), nil).Decode("a", "x", &to)
	if err == nil {
		t.Fatal("decoded")
	}
	return err
}

// errNotEncoded returns another error of the same package.
func errNotEncoded(t *testing.T) error {
	t.Helper()
	_, err := securecookie.New([]byte(strings.Repeat("h", 32)), nil).Encode("a", func() {})
	if err == nil {
		t.Fatal("encoded")
	}
	return err
}

// One cookie is no conflict, so the store is not read.
func TestCK09_OneCookieIsNotReadForAConflict(t *testing.T) {
	store := emptyStore{read: map[string]int{}}
	jar := newJar(t, func(c *cookies.Config) { c.Secret, c.Store = "", store })
	r := request(&http.Cookie{Name: "__Host-session", Value: "x"})
	if jar.RecentConflict(r) || jar.RejectConflict(httptest.NewRecorder(), r) || store.read["__Host-session"] > 0 {
		t.Errorf("the store was read: %v", store.read)
	}
}

// files returns a jar over a directory, and a function that counts its sessions.
func files(t *testing.T) (*cookies.Jar, func() int) {
	t.Helper()
	dir := t.TempDir()
	store := sessions.NewFilesystemStore(dir, []byte(strings.Repeat("h", 32)))
	jar := newJar(t, func(c *cookies.Config) { c.Secret, c.Store = "", store })
	return jar, func() int {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
}

// A planted id must not become the id of a later sign-in (session fixation).
func TestSE02_SignInNeverAdoptsAStoredID(t *testing.T) {
	jar, count := files(t)
	planted := set(t, jar, request(), issue(t, "attackers", 1))
	after := set(t, jar, request(planted...), issue(t, "victims", 1))
	if after[0].Value == planted[0].Value {
		t.Fatal("the planted id was adopted")
	}
	if got, _ := jar.Tokens(request(planted...)); got.Session != "" {
		t.Fatal("the planted cookie still reads")
	}
	if got, _ := jar.Tokens(request(after...)); got.Session == "" {
		t.Fatal("the new cookie does not read")
	}
	if n := count(); n != 1 {
		t.Fatalf("%d sessions are stored", n)
	}
}

// Concurrent requests of the page still have the earlier cookie.
func TestRefreshKeepsTheStoredID(t *testing.T) {
	jar, count := files(t)
	before := set(t, jar, request(), issue(t, "s1", 1))
	next := issue(t, "s1", 2)
	after := set(t, jar, request(before...), next)
	for name, cs := range map[string][]*http.Cookie{"old": before, "new": after} {
		if got, _ := jar.Tokens(request(cs...)); got.Session != next.Session {
			t.Errorf("the %s cookie has other tokens", name)
		}
	}
	if n := count(); n != 1 {
		t.Fatalf("%d sessions are stored", n)
	}
}

// The browser has lost the id, so a session that stays in the store is only logged.
func TestOnlyAFailureToEraseIsLogged(t *testing.T) {
	var log bytes.Buffer
	dir := t.TempDir()
	jar := newJar(t, func(c *cookies.Config) {
		c.Secret, c.Store = "", sessions.NewFilesystemStore(dir, []byte(strings.Repeat("h", 32)))
		c.Logger = slog.New(slog.NewTextHandler(&log, nil))
	})
	jar.ClearTokens(httptest.NewRecorder(), request(set(t, jar, request(), issue(t, "s1", 1))...))
	if log.Len() > 0 {
		t.Errorf("a session that was erased:\n%s", log.String())
	}
	jar = newJar(t, func(c *cookies.Config) {
		c.Secret, c.Store, c.Logger = "", storeWithoutErase{fileStore(t)}, slog.New(slog.NewTextHandler(&log, nil))
	})
	jar.ClearTokens(httptest.NewRecorder(), request(set(t, jar, request(), issue(t, "s1", 1))...))
	if strings.Count(log.String(), "failed to delete a session") != 1 {
		t.Errorf("a session that was not erased:\n%s", log.String())
	}
}

// storeWithoutErase deletes no session.
type storeWithoutErase struct{ sessions.Store }

func (s storeWithoutErase) Save(r *http.Request, w http.ResponseWriter, one *sessions.Session) error {
	if one.Options.MaxAge < 0 {
		return errors.New("read-only")
	}
	return s.Store.Save(r, w, one)
}

func TestClearErasesTheStoredSession(t *testing.T) {
	jar, count := files(t)
	made := set(t, jar, request(), issue(t, "s1", 1))
	w := httptest.NewRecorder()
	if err := jar.SetFlash(w, request(), "code"); err != nil {
		t.Fatal(err)
	}
	made = append(made, w.Result().Cookies()...)
	jar.ClearTokens(httptest.NewRecorder(), request(made...))
	if got := jar.Flash(httptest.NewRecorder(), request(made...)); got != "code" {
		t.Fatalf("flash %q", got)
	}
	if n := count(); n != 0 {
		t.Fatalf("%d sessions are stored", n)
	}
	if got, present := jar.Tokens(request(made...)); got.Session != "" || !present {
		t.Fatal("the erased session reads")
	}
}
