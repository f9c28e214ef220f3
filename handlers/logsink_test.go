package handlers_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/cookies"
	"github.com/usherkit/usher/handlers"
)

// withLog makes everything of a kit write to that handler.
func withLog(h slog.Handler) setup {
	logger := slog.New(h)
	return setup{
		service: func(c *usher.Config) { unlimited(c); c.Logger = logger },
		config:  func(c *handlers.Config) { c.Logger = logger },
		jar:     func(c *cookies.Config) { c.Logger = logger },
	}
}

// Nothing that strangers send breaks a line of the log, or makes one of its own.
func TestLG03_ALineStaysOneLine(t *testing.T) {
	t.Parallel()
	debug := &slog.HandlerOptions{Level: slog.LevelDebug}
	for name, format := range map[string]struct {
		handler func(w *lockedWriter) slog.Handler
		line    *regexp.Regexp
	}{
		"JSON": {func(w *lockedWriter) slog.Handler { return slog.NewJSONHandler(w, debug) }, regexp.MustCompile(`^{"time":".*}$`)},
		"text": {func(w *lockedWriter) slog.Handler { return slog.NewTextHandler(w, debug) }, regexp.MustCompile(`^time=.* level=(DEBUG|INFO|WARN|ERROR) msg=`)},
	} {
		for _, m := range []mode{inCookies, inBodies} {
			t.Run(name+"/"+m.String(), func(t *testing.T) {
				t.Parallel()
				var log bytes.Buffer
				k := newKit(t, m, withLog(format.handler(&lockedWriter{w: &log})))
				k.t = nil // odd headers make odd answers
				u := k.do(post("/signup", signUpBody(ann, goodPassword))).keep(who{})
				for _, evil := range []string{
					"x\r\ntime=2026 level=INFO msg=forged", "x\u2028y", "x\u2029y", "x\u0085y", "\x1b[2Jx", "\x00x",
					`"} {"level":"INFO","msg":"forged"}`, "\r\n{\"level\":\"INFO\",\"msg\":\"forged\"}\r\n", "\xff\xfe", "\u202ex",
				} {
					q := signUpBody("ann"+evil+"@example.com", goodPassword)
					header := []string{
						"User-Agent", evil, "X-Request-Id", evil, "Referer", evil, "Accept-Language", evil, "X-Forwarded-For", evil,
						"Sec-Fetch-Mode", evil, "Content-Encoding", "",
					}
					for _, q := range []request{
						post("/signin", q), post("/signup", q), post("/password/reset", q), post("/signin", signUpBody(ann, evil)),
						post("/signin", signUpBody(ann, goodPassword)), post("/signin", evil), post("/email/verify", object("token", evil)),
						get("/me", "Authorization", evil), get("/me", "Authorization", "Bearer "+evil), get("/me", "Cookie", "__Host-session="+evil),
						k.as(u, request{http.MethodPatch, "/me", object("name", evil), nil}), k.as(u, request{http.MethodDelete, "/sessions/x", "", nil}),
						post("/signin", q, "Origin", evil), post("/signin", q, "Sec-Fetch-Site", evil), post("/signin", q, "Content-Type", evil),
						{"EVIL", "/signin", evil, nil},
					} {
						k.do(q.with(header...))
					}
				}
				if log.Len() == 0 {
					t.Fatal("nothing was logged")
				}
				for _, b := range strings.Split(strings.TrimSuffix(log.String(), "\n"), "\n") {
					if !format.line.MatchString(b) || strings.ContainsAny(b, "\r\x1b\x00\u2028\u2029\u0085") || strings.HasPrefix(b, `{"level"`) {
						t.Errorf("a line is %q", b)
					}
				}
				if name == "JSON" {
					for _, l := range lines(t, log.Bytes()) {
						if l.Message == "forged" {
							t.Error("a line is forged")
						}
					}
				}
			})
		}
	}
}

// No address of a person or a client is in the log in full, and no session's id:
// after a whole life, at the most talkative level.
func TestLG04_NoPersonalDataInTheLog(t *testing.T) {
	t.Parallel()
	bothModes(t, func(t *testing.T, m mode) {
		j := newJourney(t, m)
		j.live()
		sessions := map[string]bool{}
		events, err := j.svc.Events(t.Context(), usher.EventQuery{Limit: 1000})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			sessions[e.SessionID] = true
		}
		delete(sessions, "")
		log := j.logs.String()
		if len(sessions) < 3 || !strings.Contains(log, `"network":"127.0.0.0/24"`) || !strings.Contains(log, `"session":"`) {
			t.Fatalf("%d sessions, and the log does not tell of them", len(sessions))
		}
		for id := range sessions {
			if strings.Contains(log, id) {
				t.Error("the id of a session is in the log")
			}
		}
		for name, full := range map[string]*regexp.Regexp{
			"mail address":        regexp.MustCompile(`[\w.+-]+@[\w-]+\.\w+`),
			"address of a client": regexp.MustCompile(`\b127\.0\.0\.[1-9]\d*\b`),
		} {
			if found := full.FindString(log); found != "" {
				t.Errorf("a %s is in the log: %s", name, found)
			}
		}
	})
}

// The id of a request is the client's if it is harmless, and else a new one.
func TestLG04_RequestIDs(t *testing.T) {
	t.Parallel()
	k := newKit(t, inBodies, setup{service: unlimited})
	harmless := regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)
	for _, id := range []string{
		strings.Repeat("a", 1<<20), strings.Repeat("a", 65), "a b", "a/b", "ä", `{"a":1}`, "a\tb", "<b>", "%0d%0a", "a=b", "a;b", "a,b",
	} {
		k.logs.Reset()
		a := k.do(post("/signin", signUpBody(ann, goodPassword), "X-Request-Id", id)).want(t, 401, "invalid_credentials")
		got := a.header.Get("X-Request-Id")
		if got == id || !harmless.MatchString(got) || a.text("requestId") != got {
			t.Errorf("%.40q: the answer has %.40q", id, got)
		}
		if log := k.logs.String(); strings.Contains(log, id) || !strings.Contains(log, got) {
			t.Errorf("%.40q: the log has %.200q", id, log)
		}
	}
	if got := k.do(get("/me", "X-Request-Id", "A-z_0.9")).header.Get("X-Request-Id"); got != "A-z_0.9" {
		t.Errorf("a harmless id becomes %q", got)
	}
}

// brokenSink is a handler that writes nothing.
type brokenSink struct{ handle func(context.Context) error }

func (brokenSink) Enabled(context.Context, slog.Level) bool        { return true }
func (b brokenSink) WithAttrs([]slog.Attr) slog.Handler            { return b }
func (b brokenSink) WithGroup(string) slog.Handler                 { return b }
func (b brokenSink) Handle(c context.Context, _ slog.Record) error { return b.handle(c) }

// A log handler that fails or panics changes no response.
func TestLG05_ABrokenLogDecidesNothing(t *testing.T) {
	t.Parallel()
	for name, handle := range map[string]func(context.Context) error{
		"errs":   func(context.Context) error { return errors.New("disk full") },
		"panics": func(context.Context) error { panic("sink") },
	} {
		for _, m := range []mode{inCookies, inBodies} {
			t.Run(fmt.Sprint(name, "/", m), func(t *testing.T) {
				t.Parallel()
				k := newKit(t, m, withLog(brokenSink{handle}))
				u := k.signUp(ann)
				for range 5 {
					for _, c := range []struct {
						q      request
						status int
						code   string
					}{
						{post("/signin", signUpBody(ann, goodPassword)), 200, ""},
						{post("/signin", signUpBody(ann, otherPassword)), 401, "invalid_credentials"},
						{post("/signin", signUpBody(bob, goodPassword)), 401, "invalid_credentials"},
						{k.as(u, get("/me")), 200, ""},
						{get("/me", "Authorization", "Bearer x"), 401, "invalid_session"},
						{post("/signin", signUpBody(ann, goodPassword), "Sec-Fetch-Site", "cross-site"), 403, "cross_origin"},
					} {
						k.do(c.q).want(t, c.status, c.code)
					}
				}
			})
		}
	}
}
