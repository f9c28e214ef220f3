package ushertest_test

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/handlers"
	"github.com/usherkit/usher/middleware"
	"github.com/usherkit/usher/pages"
	"github.com/usherkit/usher/token"
	"github.com/usherkit/usher/ushertest"
)

const ann = "ann@example.com"

// withPages is a program with pages and cookies; withTokens one with tokens in the bodies.
func withPages(s *usher.Service) http.Handler {
	return program(s, handlers.Config{Pages: &pages.Config{}})
}
func withTokens(s *usher.Service) http.Handler { return program(s, handlers.Config{}) }

func program(s *usher.Service, cfg handlers.Config) http.Handler {
	cfg.Logger = slog.New(slog.DiscardHandler)
	auth, err := handlers.New(s, cfg)
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/auth/", http.StripPrefix("/auth", auth))
	mux.Handle("/dashboard", auth.RequireFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "hello %s", middleware.Subject(r.Context()))
	}))
	mux.Handle("/admin", auth.RequireRole("admin")(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "admin")
	})))
	return mux
}

var programs = map[string]func(*usher.Service) http.Handler{"cookies": withPages, "tokens": withTokens}

// get returns the status and the body of an answer.
func get(t *testing.T, c *http.Client, url string) (int, string) {
	t.Helper()
	r, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, string(body)
}

func TestSignedIn(t *testing.T) {
	t.Parallel()
	for name, p := range programs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			app := ushertest.New(t, ushertest.Config{Program: p})
			client := app.SignedIn(ann)
			if status, body := get(t, client, app.URL+"/dashboard"); status != 200 || body != "hello "+app.User(ann).ID {
				t.Errorf("the dashboard answers %d %q", status, body)
			}
			if status, _ := get(t, client, app.URL+"/admin"); status != 403 {
				t.Errorf("a user without the role gets %d", status)
			}
			if status, _ := get(t, app.SignedIn("boss", "admin"), app.URL+"/admin"); status != 200 {
				t.Errorf("an admin gets %d", status)
			}
			if status, body := get(t, app.Client(), app.URL+"/dashboard"); strings.Contains(body, "hello") {
				t.Errorf("a client without a session gets %d %q", status, body)
			}
			w := httptest.NewRecorder()
			app.Handler().ServeHTTP(w, app.Request(ann, "GET", "/dashboard?page=2", nil))
			if w.Code != 200 {
				t.Errorf("a request of the user gets %d", w.Code)
			}
		})
	}
}

// A session lasts while it is refreshed, and ends by the clock of the App, which keys and
// rows follow at once.
func TestClockEndsSessions(t *testing.T) {
	t.Parallel()
	for name, p := range programs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			app := ushertest.New(t, ushertest.Config{Program: p})
			client, idle := app.SignedIn(ann), app.SignedIn(ann)
			for range 4 { // 28 days, past the idle end of the other one
				app.Clock.Add(7 * 24 * time.Hour)
				if status, body := get(t, client, app.URL+"/dashboard"); status != 200 || !strings.Contains(body, "hello") {
					t.Fatalf("a session in use ends: %d", status)
				}
			}
			if _, body := get(t, idle, app.URL+"/dashboard"); strings.Contains(body, "hello") {
				t.Error("a session that was idle for 28 days goes on")
			}
			app.Clock.Add(3 * 24 * time.Hour)
			if _, body := get(t, client, app.URL+"/dashboard"); strings.Contains(body, "hello") {
				t.Error("a session goes on for 31 days")
			}
			before := string(app.Service.JWKS())
			app.Clock.Add(90 * 24 * time.Hour)
			if string(app.Service.JWKS()) == before {
				t.Error("no key was rotated in 90 days")
			}
		})
	}
}

func TestMailboxWaits(t *testing.T) {
	t.Parallel()
	app := ushertest.New(t, ushertest.Config{Program: withPages})
	app.User(ann)
	reset := func() usher.Message {
		t.Helper()
		r, err := app.Client().Post(app.URL+"/auth/password/reset", "application/json", strings.NewReader(`{"loginId":"`+ann+`"}`))
		if err != nil || r.StatusCode != http.StatusAccepted {
			t.Fatal(r, err)
		}
		r.Body.Close()
		return app.Mailbox.Next(ann, usher.MessageResetPassword)
	}
	app.Mailbox.Fail(errors.New("the mail server is down"))
	go func() { time.Sleep(50 * time.Millisecond); app.Mailbox.Fail(nil); app.Clock.Add(time.Minute) }()
	first := reset()
	if second := reset(); second.Link == first.Link {
		t.Error("the same email twice")
	}
	if got := app.Mailbox.String(); !strings.Contains(got, ann) || strings.Contains(got, first.Link.Reveal()) {
		t.Errorf("the list of emails is %s", got)
	}
	if status, body := get(t, app.Client(), first.Link.Reveal()); status != 200 || !strings.Contains(body, "password") {
		t.Errorf("the link leads to %d", status)
	}
}

// Two instances share users, sessions, clock and mailbox; a sign-out on one holds on the
// other as soon as it has read it.
func TestInstances(t *testing.T) {
	t.Parallel()
	app := ushertest.New(t, ushertest.Config{Program: withTokens})
	two := app.Instances(2)
	client := two[0].SignedIn(ann)
	request := two[1].Request(ann, "GET", "/dashboard", nil)
	serve := func() int {
		w := httptest.NewRecorder()
		two[0].Handler().ServeHTTP(w, request)
		return w.Code
	}
	if got := serve(); got != 200 {
		t.Fatalf("the other instance answers %d", got)
	}
	if r, err := client.Post(app.URL+"/auth/signout/all", "application/json", strings.NewReader("{}")); err != nil || r.StatusCode >= 300 {
		t.Fatal(r, err)
	}
	app.Clock.Add(0)
	w := httptest.NewRecorder()
	two[1].Handler().ServeHTTP(w, request)
	if w.Code != 401 {
		t.Errorf("the other instance answers %d after the sign-out", w.Code)
	}
}

// Apps are independent: 64 at once, each with its own users, limits, clock and mailbox.
func TestAppsAreIndependent(t *testing.T) {
	t.Parallel()
	var all sync.WaitGroup
	for i := range 64 {
		all.Go(func() {
			app := ushertest.New(t, ushertest.Config{Program: withPages, Limits: true})
			client := app.SignedIn(ann)
			if i%2 == 0 {
				app.Clock.Add(31 * 24 * time.Hour)
			}
			if _, body := get(t, client, app.URL+"/dashboard"); strings.Contains(body, "hello") != (i%2 == 1) {
				t.Errorf("app %d: signed in is wrong: %s", i, body)
			}
			if n := len(app.Mailbox.All()); n > 1 {
				t.Errorf("app %d has %d emails", i, n)
			}
		})
	}
	all.Wait()
}

// In a bubble of synctest, sleeping moves the clock and the timers of the program.
func TestInABubble(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		app := ushertest.New(t, ushertest.Config{Program: withTokens})
		r := app.Request(ann, "GET", "/dashboard", nil)
		time.Sleep(time.Hour)
		w := httptest.NewRecorder()
		app.Handler().ServeHTTP(w, r)
		if w.Code != 401 {
			t.Errorf("a token of an hour ago gets %d", w.Code)
		}
	})
}

func TestLimits(t *testing.T) {
	t.Parallel()
	refused := func(cfg ushertest.Config) (n int) {
		app := ushertest.New(t, cfg)
		app.User(ann)
		for range 40 {
			_, err := app.Service.SignIn(t.Context(), usher.SignInParams{LoginID: ann, Password: "wrong wrong wrong"}, usher.Client{})
			if limit := (*usher.LimitError)(nil); errors.As(err, &limit) {
				n++
			}
		}
		return n
	}
	if n := refused(ushertest.Config{}); n != 0 {
		t.Errorf("%d of 40 attempts are refused by a limit", n)
	}
	if n := refused(ushertest.Config{Limits: true}); n == 0 {
		t.Error("with Limits no attempt is refused")
	}
}

// fatal is a testing.TB whose Fatalf ends the goroutine and keeps the text.
type fatal struct {
	testing.TB
	text string
}

func (f *fatal) Helper() {}
func (f *fatal) Fatalf(format string, args ...any) {
	f.text = fmt.Sprintf(format, args...)
	panic(f)
}

// failure returns the text with which do fails its test.
func failure(t *testing.T, do func(t testing.TB)) string {
	f := &fatal{TB: t}
	func() {
		defer func() {
			if p := recover(); p != nil && p != any(f) {
				panic(p)
			}
		}()
		do(f)
	}()
	return f.text
}

// A failure names the user, the route and what is in the mailbox.
func TestFailuresNameTheCause(t *testing.T) {
	t.Parallel()
	for want, do := range map[string]func(t testing.TB){
		"ann@example.com at POST /api/auth/signin: 404": func(t testing.TB) {
			ushertest.New(t, ushertest.Config{Program: withPages, Path: "/api/auth"}).SignedIn(ann)
		},
		"BaseURL": func(t testing.TB) {
			ushertest.New(t, ushertest.Config{Service: usher.Config{BaseURL: "ftp://app.example"}})
		},
		`no email of kind "reset_password" to bob@example.com`: func(t testing.TB) {
			app := ushertest.New(t, ushertest.Config{Program: withPages})
			if _, err := app.Service.SignUp(t.Context(), usher.SignUpParams{LoginID: ann, Password: ushertest.Password}, usher.Client{}); err != nil {
				t.Fatalf("%v", err)
			}
			app.Mailbox.Next("bob@example.com", usher.MessageResetPassword)
		},
	} {
		got := failure(t, do)
		if !strings.Contains(got, want) || strings.Contains(want, "no email") && !strings.Contains(got, "verify_email to "+ann) {
			t.Errorf("the test fails with %q, want %q in it", got, want)
		}
	}
}

// A program that uses the hash for tests, or an App, which has no limits, does not start.
func TestHashingAndNewRefuseToRunInAProgram(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"cheap", "app"} {
		dir := filepath.Join("testdata", name)
		out, err := exec.CommandContext(t.Context(), "go", "run", "./"+dir).CombinedOutput()
		if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || !strings.Contains(string(out), "used outside of a test") {
			t.Errorf("go run ./%s: %v\n%s", dir, err, out)
		}
		if _, err := os.Stat(dir); err != nil {
			t.Error(err)
		}
	}
}

// Every Middleware accepts the claims of WithClaims, so a test of one handler needs no App.
func TestWithClaims(t *testing.T) {
	t.Parallel()
	app := ushertest.New(t, ushertest.Config{Program: withTokens})
	r := httptest.NewRequest("GET", "/dashboard", nil)
	r = r.WithContext(middleware.WithClaims(r.Context(), &token.Claims{Subject: "user-1"}))
	w := httptest.NewRecorder()
	app.Handler().ServeHTTP(w, r)
	if w.Body.String() != "hello user-1" {
		t.Errorf("got %d %q", w.Code, w.Body)
	}
}

// The client finds other hosts where they are.
func TestClientReachesOtherHosts(t *testing.T) {
	t.Parallel()
	other := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "other") }))
	defer other.Close()
	app := ushertest.New(t, ushertest.Config{Program: withPages})
	u, _ := url.Parse(other.URL)
	if _, body := get(t, app.Client(), "https://"+u.Host); body != "other" {
		t.Errorf("got %q", body)
	}
}
