package cookies_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/gorilla/sessions"

	"github.com/usherkit/usher/cookies"
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
