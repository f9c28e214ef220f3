package handlers_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/cookies"
	"github.com/usherkit/usher/handlers"
	"github.com/usherkit/usher/internal/testhash"
	. "github.com/usherkit/usher/internal/webtest"
	"github.com/usherkit/usher/pages"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/memory"
)

// serviceAt returns a Service on st with that address and those secrets, newest
// first, and what it and its handlers log.
func serviceAt(t *testing.T, st store.Store, baseURL string, secrets ...usher.Secret) (*usher.Service, *handlers.Handlers, *strings.Builder) {
	t.Helper()
	log := &strings.Builder{}
	logger := slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelWarn}))
	service, err := usher.New(t.Context(), st, usher.Config{
		Secret: secrets[0], OldSecrets: secrets[1:], BaseURL: baseURL, Mailer: &Mailbox{}, Logger: logger, Hashing: testhash.Config(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { service.Close(context.Background()) })
	h, err := handlers.New(service, handlers.Config{Pages: &pages.Config{}, Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	return service, h, log
}

// signUpAt signs a user up at the origin, Ann by default, and returns the session cookie.
func signUpAt(t *testing.T, h *handlers.Handlers, origin string, loginID ...string) *http.Cookie {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, origin+"/auth/signup", strings.NewReader(SignUpBody(append(loginID, Ann)[0], GoodPassword)))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	for _, c := range w.Result().Cookies() {
		if strings.HasSuffix(c.Name, "session") {
			return c
		}
	}
	t.Fatalf("no session cookie: %d %s", w.Code, w.Body)
	return nil
}

// The jar that the pages make has the log of the program.
func TestCK09_TheJarOfThePagesSaysWhyNoCookieCounts(t *testing.T) {
	t.Parallel()
	_, h, log := serviceAt(t, memory.New(), "https://app.example", Secret)
	one, other := signUpAt(t, h, "https://app.example", Ann), signUpAt(t, h, "https://app.example", Bob)
	for range 3 {
		r := httptest.NewRequest(http.MethodGet, "https://app.example/auth/account", nil)
		r.AddCookie(one)
		r.AddCookie(other)
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
	if n := strings.Count(log.String(), "several session cookies belong to different sessions"); n != 1 {
		t.Errorf("the log says so %d times, want once: %s", n, log)
	}
}

func TestCK01_CF03_PagesMakeTheirJar(t *testing.T) {
	t.Parallel()
	for origin, want := range map[string]struct {
		name     string
		secure   bool
		warnings int
	}{
		"https://app.example":   {"__Host-session", true, 0},
		"http://localhost:8080": {"session", false, 1},
		"HTTP://127.0.0.1:8080": {"session", false, 1},
	} {
		_, h, log := serviceAt(t, memory.New(), origin, Secret)
		c := signUpAt(t, h, strings.ToLower(origin[:5])+origin[5:])
		if c.Name != want.name || c.Secure != want.secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Domain != "" {
			t.Errorf("%s: the cookie is %s", origin, c)
		}
		if got := strings.Count(log.String(), "level=WARN"); got != want.warnings {
			t.Errorf("%s: %d warnings, want %d:\n%s", origin, got, want.warnings, log)
		}
	}
}

// A change of the secret keeps the cookies of the pages, as long as the old one is in
// OldSecrets. A jar of the program opens them, too.
func TestCK05_TheJarOfThePagesFollowsTheSecret(t *testing.T) {
	t.Parallel()
	const next = usher.Secret("p3Vn8sKe5WqYz2LdXf7TbUj4RcGmHa9N")
	st := memory.New()
	_, before, _ := serviceAt(t, st, "https://app.example", Secret)
	c := signUpAt(t, before, "https://app.example")
	open := func(h *handlers.Handlers) int {
		r := httptest.NewRequest(http.MethodGet, "https://app.example/auth/me", nil)
		r.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value})
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code
	}
	service, after, _ := serviceAt(t, st, "https://app.example", next, Secret)
	if got := open(after); got != http.StatusOK {
		t.Errorf("under the next secret: %d", got)
	}
	secrets := service.CookieSecrets()
	jar, err := cookies.New(cookies.Config{Secret: secrets[0], OldSecrets: secrets[1:]})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodGet, "https://app.example/", nil)
	r.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value})
	if pair, _ := jar.Tokens(r); pair.Session == "" {
		t.Error("a jar with the same secrets does not open the cookie")
	}
	_, last, _ := serviceAt(t, st, "https://app.example", next)
	if got := open(last); got != http.StatusUnauthorized {
		t.Errorf("without the old secret: %d", got)
	}
}

// Without pages, and with a jar of the program, handlers.New makes none.
func TestNoJarIsMadeUnasked(t *testing.T) {
	t.Parallel()
	k := NewKit(t, InBodies, Setup{})
	if u := k.Do(Post("/signup", SignUpBody(Ann, GoodPassword))).Want(t, 201, ""); u.Text("sessionToken") == "" || u.Header["Set-Cookie"] != nil {
		t.Errorf("a mount without pages sets %v", u.Header["Set-Cookie"])
	}
	k, _ = NewPages(t, pages.Config{}, Setup{Jar: func(c *cookies.Config) { c.Name = "__Host-own" }})
	if u := k.Do(Post("/signup", SignUpBody(Ann, GoodPassword))).Want(t, 201, ""); !strings.HasPrefix(strings.Join(u.Header["Set-Cookie"], "\n"), "__Host-own=") {
		t.Errorf("a mount with a jar sets %v", u.Header["Set-Cookie"])
	}
}
