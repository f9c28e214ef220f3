package handlers_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/cookies"
	"github.com/usherkit/usher/handlers"
	. "github.com/usherkit/usher/internal/webtest"
)

// line is one line of the log. Audit are the attributes of an event.
type line struct {
	Message   string `json:"msg"`
	Refusal   string `json:"refusal"`
	Reason    string `json:"reason"`
	Network   string `json:"network"`
	RequestID string `json:"request_id"`
	At        string `json:"at"`
	Audit     struct {
		Event, At, Result, Reason, Network, Session string
		UserID                                      string `json:"user_id"`
		RequestID                                   string `json:"request_id"`
	} `json:"audit"`
}

// lines returns the lines of a JSON log. Each must be one object.
func lines(t *testing.T, log string) []line {
	t.Helper()
	var all []line
	for b := range strings.Lines(log) {
		var l line
		if err := json.Unmarshal([]byte(b), &l); err != nil {
			t.Errorf("LG-03: a line is not one JSON object: %v: %q", err, b)
		}
		all = append(all, l)
	}
	return all
}

func TestLG01_EachActIsOneStructuredLine(t *testing.T) {
	t.Parallel()
	const failure, success = "failure", "success"
	for _, act := range []struct {
		event          usher.EventName
		result, reason string
		nobody         bool // no user is named, because none is known
		operator       bool // no client is named, because there is none
		do             func(k *Kit, id string)
	}{
		{event: usher.EventUserCreated, result: success, do: func(k *Kit, id string) {
			k.Do(Post("/signup", SignUpBody(Bob, GoodPassword), "X-Request-Id", id)).Want(k.T, 201, "")
		}},
		{event: usher.EventSignUpRefused, result: failure, reason: "login_id_taken", nobody: true, do: func(k *Kit, id string) {
			k.Do(Post("/signup", SignUpBody(Ann, GoodPassword), "X-Request-Id", id)).Want(k.T, 409, "login_id_taken")
		}},
		{event: usher.EventSignIn, result: success, do: func(k *Kit, id string) {
			k.Do(Post("/signin", SignUpBody(Ann, GoodPassword), "X-Request-Id", id)).Want(k.T, 200, "")
		}},
		{event: usher.EventSignInFailed, result: failure, reason: "wrong_password", do: func(k *Kit, id string) {
			k.Do(Post("/signin", SignUpBody(Ann, OtherPassword), "X-Request-Id", id)).Want(k.T, 401, "invalid_credentials")
		}},
		{event: usher.EventSignInFailed, result: failure, reason: "unknown_login_id", nobody: true, do: func(k *Kit, id string) {
			k.Do(Post("/signin", SignUpBody(Bob, OtherPassword), "X-Request-Id", id)).Want(k.T, 401, "invalid_credentials")
		}},
		{event: usher.EventThrottled, result: failure, nobody: true, do: func(k *Kit, id string) {
			for range 5 {
				k.Do(Post("/signin", SignUpBody(Bob, OtherPassword)))
			}
			k.Do(Post("/signin", SignUpBody(Bob, OtherPassword), "X-Request-Id", id)).Want(k.T, 429, "too_many_requests")
		}},
		{event: usher.EventPasswordLocked, result: failure, do: func(k *Kit, id string) {
			for range 3 {
				k.Do(Post("/signin", SignUpBody(Ann, OtherPassword), "X-Request-Id", id))
			}
		}},
		{event: usher.EventPasswordChanged, result: success, do: func(k *Kit, id string) {
			k.Do(Post("/password/replace", Object("loginId", Ann, "oldPassword", GoodPassword, "newPassword", OtherPassword), "X-Request-Id", id)).Want(k.T, 200, "")
		}},
		{event: usher.EventResetRequested, result: success, do: func(k *Kit, id string) {
			k.Do(Post("/password/reset", Object("loginId", Ann), "X-Request-Id", id)).Want(k.T, 202, "")
		}},
		{event: usher.EventPasswordReset, result: success, do: func(k *Kit, id string) {
			k.Do(Post("/password/reset/complete", Object("token", k.ResetToken(Ann), "newPassword", OtherPassword), "X-Request-Id", id)).Want(k.T, 200, "")
		}},
		{event: usher.EventTokenRefused, result: failure, reason: "one_time_token", nobody: true, do: func(k *Kit, id string) {
			k.Do(Post("/email/verify", Object("token", "x"), "X-Request-Id", id)).Want(k.T, 400, "invalid_token")
		}},
		{event: usher.EventEmailVerified, result: success, do: func(k *Kit, id string) {
			k.SignUp(Bob)
			k.Do(Post("/email/verify", Object("token", k.MailedToken(), "password", GoodPassword), "X-Request-Id", id)).Want(k.T, 200, "")
		}},
		{event: usher.EventEmailChangeRequested, result: success, do: func(k *Kit, id string) {
			k.Do(k.As(k.SignIn(Ann, GoodPassword), Post("/email/change", Object("newEmail", Bob, "currentPassword", GoodPassword), "X-Request-Id", id))).Want(k.T, 202, "")
		}},
		{event: usher.EventSessionRenewed, result: success, do: func(k *Kit, id string) {
			k.Do(k.Refresh(k.SignIn(Ann, GoodPassword)).With("X-Request-Id", id)).Want(k.T, 200, "")
		}},
		{event: usher.EventTokenReused, result: failure, do: func(k *Kit, id string) {
			u := k.SignIn(Ann, GoodPassword)
			k.Do(k.Refresh(k.Do(k.Refresh(u)).Want(k.T, 200, "").Keep(u))).Want(k.T, 200, "") // the successor is used
			k.Clock.Add(11 * time.Second)
			k.Do(k.Refresh(u).With("X-Request-Id", id)).Want(k.T, 401, "invalid_session")
		}},
		{event: usher.EventSignOut, result: success, do: func(k *Kit, id string) {
			k.Do(k.As(k.SignIn(Ann, GoodPassword), Post("/signout", "", "X-Request-Id", id))).Want(k.T, 200, "")
		}},
		{event: usher.EventSessionEnded, result: success, do: func(k *Kit, id string) {
			u := k.SignIn(Ann, GoodPassword)
			k.Do(k.As(u, Request{Method: http.MethodDelete, Path: "/sessions/" + u.ID, Header: []string{"X-Request-Id", id}})).Want(k.T, 204, "")
		}},
		{event: usher.EventUserDisabled, result: success, reason: "operator", operator: true, do: func(k *Kit, _ string) {
			if err := k.Service.Operator("test").Disable(context.Background(), k.UserID(Ann)); err != nil {
				k.T.Fatal(err)
			}
		}},
		{event: usher.EventPasswordChanged, result: success, reason: "expired_by_operator", operator: true, do: func(k *Kit, _ string) {
			if err := k.Service.Operator("test").ExpirePassword(context.Background(), k.UserID(Ann)); err != nil {
				k.T.Fatal(err)
			}
		}},
	} {
		t.Run(string(act.event)+" "+act.reason, func(t *testing.T) {
			t.Parallel()
			k := NewKit(t, InBodies, Setup{Service: func(c *usher.Config) { c.Password.LockAttempts = 3 }})
			k.T = t
			k.SignUpVerified(Ann)
			k.Logs.Take()
			const id = "lg01-the-request"
			act.do(k, id)
			found := 0
			for _, l := range lines(t, k.Logs.String()) {
				if l.Audit.Event != string(act.event) || !act.operator && l.Audit.RequestID != id {
					continue
				}
				found++
				at, err := time.Parse(time.RFC3339Nano, l.Audit.At)
				if err != nil || !strings.HasSuffix(l.Audit.At, "Z") || !at.Equal(k.Clock.Now()) {
					t.Errorf("the time is %q, want %s", l.Audit.At, k.Clock.Now())
				}
				if l.Audit.Result != act.result || act.reason != "" && l.Audit.Reason != act.reason {
					t.Errorf("result %q, reason %q, want %q, %q", l.Audit.Result, l.Audit.Reason, act.result, act.reason)
				}
				if act.nobody != (l.Audit.UserID == "") || act.operator != (l.Audit.Network != "192.0.2.0/24") {
					t.Errorf("user %q, network %q", l.Audit.UserID, l.Audit.Network)
				}
			}
			if found != 1 {
				t.Errorf("%d lines, want 1:\n%s", found, k.Logs)
			}
		})
	}
}

// A request that is refused before its user is known is in the log, with the reason.
func TestLG01_RefusalsAreOneStructuredLine(t *testing.T) {
	t.Parallel()
	BothModes(t, func(t *testing.T, m Mode) {
		k := NewKit(t, m, Setup{})
		u := k.SignUp(Ann)
		other := NewKit(t, InBodies, Setup{Service: func(c *usher.Config) { c.BaseURL = "https://other.example" }}).SignUp(Ann)
		ended, err := k.Service.SignIn(t.Context(), usher.SignInParams{LoginID: Ann, Password: GoodPassword}, usher.Client{})
		if err != nil {
			t.Fatal(err)
		}
		old := ended.Authentication.Tokens.Session.Reveal()
		bearer := func(raw string) Request { return Get("/me", "Authorization", "Bearer "+raw) }
		const id = "lg01-the-refusal"
		check := func(name, refusal, reason string, q Request) {
			t.Helper()
			k.Logs.Take()
			k.Do(q.With("X-Request-Id", id))
			found := 0
			for _, l := range lines(t, k.Logs.String()) {
				if l.Refusal == "" && !strings.Contains(l.Message, "refused") || l.RequestID != id {
					continue
				}
				if refusal != "" && (l.Refusal != refusal || l.Reason != reason) {
					continue
				}
				if found++; l.Network != "192.0.2.0/24" || !strings.HasSuffix(l.At, "Z") {
					t.Errorf("%s: network %q, time %q", name, l.Network, l.At)
				}
			}
			if found != 1 {
				t.Errorf("%s: %d lines, want 1:\n%s", name, found, k.Logs)
			}
		}
		check("rubbish", "invalid_session", "malformed", bearer("x"))
		check("another issuer's", "invalid_session", "issuer", bearer(other.Bearer))
		check("signature", "invalid_session", "signature", bearer(old[:len(old)-8]+"AAAAAAAA"))
		check("own route of the program", "invalid_session", "malformed", Get("~/protected", "Authorization", "Bearer x"))
		check("cross-site", "", "", Post("/signin", SignUpBody(Ann, GoodPassword), "Sec-Fetch-Site", "cross-site"))
		if m == InCookies {
			check("cookie without a header", "cross_origin", "", Post("/signout/all", "", "Cookie", u.Cookie))
		}
		k.Clock.Add(11 * time.Minute)
		check("expired", "invalid_session", "expired", bearer(old))
	})
}

// withLog makes all parts of a kit log to that handler.
func withLog(h slog.Handler) Setup {
	logger := slog.New(h)
	return Setup{
		Service: func(c *usher.Config) { Unlimited(c); c.Logger = logger },
		Config:  func(c *handlers.Config) { c.Logger = logger },
		Jar:     func(c *cookies.Config) { c.Logger = logger },
	}
}

// No input of a client breaks a line of the log or adds one.
func TestLG03_ALineStaysOneLine(t *testing.T) {
	t.Parallel()
	debug := &slog.HandlerOptions{Level: slog.LevelDebug}
	for name, format := range map[string]struct {
		handler func(w *Log) slog.Handler
		line    *regexp.Regexp
	}{
		"JSON": {func(w *Log) slog.Handler { return slog.NewJSONHandler(w, debug) }, regexp.MustCompile(`^{"time":".*}$`)},
		"text": {func(w *Log) slog.Handler { return slog.NewTextHandler(w, debug) }, regexp.MustCompile(`^time=.* level=(DEBUG|INFO|WARN|ERROR) msg=`)},
	} {
		for _, m := range []Mode{InCookies, InBodies} {
			t.Run(name+"/"+m.String(), func(t *testing.T) {
				t.Parallel()
				var log Log
				k := NewKit(t, m, withLog(format.handler(&log)))
				k.T = nil // odd headers may break the checks for every answer
				u := k.Do(Post("/signup", SignUpBody(Ann, GoodPassword))).Keep(Tokens{})
				for _, evil := range []string{
					"x\r\ntime=2026 level=INFO msg=forged", "x\u2028y", "x\u2029y", "x\u0085y", "\x1b[2Jx", "\x00x",
					`"} {"level":"INFO","msg":"forged"}`, "\r\n{\"level\":\"INFO\",\"msg\":\"forged\"}\r\n", "\xff\xfe", "\u202ex",
				} {
					q := SignUpBody("ann"+evil+"@example.com", GoodPassword)
					header := []string{
						"User-Agent", evil, "X-Request-Id", evil, "Referer", evil, "Accept-Language", evil, "X-Forwarded-For", evil,
						"Sec-Fetch-Mode", evil, "Content-Encoding", "",
					}
					for _, q := range []Request{
						Post("/signin", q), Post("/signup", q), Post("/password/reset", q), Post("/signin", SignUpBody(Ann, evil)),
						Post("/signin", SignUpBody(Ann, GoodPassword)), Post("/signin", evil), Post("/email/verify", Object("token", evil)),
						Get("/me", "Authorization", evil), Get("/me", "Authorization", "Bearer "+evil), Get("/me", "Cookie", "__Host-session="+evil),
						k.As(u, Request{Method: http.MethodPatch, Path: "/me", Body: Object("name", evil)}), k.As(u, Request{Method: http.MethodDelete, Path: "/sessions/x"}),
						Post("/signin", q, "Origin", evil), Post("/signin", q, "Sec-Fetch-Site", evil), Post("/signin", q, "Content-Type", evil),
						{Method: "EVIL", Path: "/signin", Body: evil},
					} {
						k.Do(q.With(header...))
					}
				}
				if log.String() == "" {
					t.Fatal("nothing was logged")
				}
				for _, b := range strings.Split(strings.TrimSuffix(log.String(), "\n"), "\n") {
					if !format.line.MatchString(b) || strings.ContainsAny(b, "\r\x1b\x00\u2028\u2029\u0085") || strings.HasPrefix(b, `{"level"`) {
						t.Errorf("a line is %q", b)
					}
				}
				if name == "JSON" {
					for _, l := range lines(t, log.String()) {
						if l.Message == "forged" {
							t.Error("a line is forged")
						}
					}
				}
			})
		}
	}
}

// The log contains no email address, no full IP address and no session id, at the
// level Debug, over the lifecycle of an account.
func TestLG04_NoPersonalDataInTheLog(t *testing.T) {
	t.Parallel()
	BothModes(t, func(t *testing.T, m Mode) {
		j := newTestServer(t, m)
		j.runLifecycle()
		sessions := map[string]bool{}
		page, err := j.Service.Operator("test").Events(t.Context(), usher.EventQuery{Limit: 1000})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Events {
			sessions[e.SessionID] = true
		}
		delete(sessions, "")
		log := j.Logs.String()
		if len(sessions) < 3 || !strings.Contains(log, `"network":"127.0.0.0/24"`) || !strings.Contains(log, `"session":"`) {
			t.Fatalf("%d sessions, and the log does not mention them", len(sessions))
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

// The id of a request is the client's if it is harmless, or else a new one.
func TestLG04_RequestIDs(t *testing.T) {
	t.Parallel()
	k := NewKit(t, InBodies, Setup{Service: Unlimited})
	harmless := regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)
	for _, id := range []string{
		strings.Repeat("a", 1<<20), strings.Repeat("a", 65), "a b", "a/b", "ä", `{"a":1}`, "a\tb", "<b>", "%0d%0a", "a=b", "a;b", "a,b",
	} {
		k.Logs.Take()
		a := k.Do(Post("/signin", SignUpBody(Ann, GoodPassword), "X-Request-Id", id)).Want(t, 401, "invalid_credentials")
		got := a.Header.Get("X-Request-Id")
		if got == id || !harmless.MatchString(got) || a.Text("requestId") != got {
			t.Errorf("%.40q: the answer has %.40q", id, got)
		}
		if log := k.Logs.String(); strings.Contains(log, id) || !strings.Contains(log, got) {
			t.Errorf("%.40q: the log has %.200q", id, log)
		}
	}
	if got := k.Do(Get("/me", "X-Request-Id", "A-z_0.9")).Header.Get("X-Request-Id"); got != "A-z_0.9" {
		t.Errorf("a harmless id becomes %q", got)
	}
}

// brokenSink is a log handler that fails.
type brokenSink struct{ handle func(context.Context) error }

func (brokenSink) Enabled(context.Context, slog.Level) bool        { return true }
func (b brokenSink) WithAttrs([]slog.Attr) slog.Handler            { return b }
func (b brokenSink) WithGroup(string) slog.Handler                 { return b }
func (b brokenSink) Handle(c context.Context, _ slog.Record) error { return b.handle(c) }

// A log handler that fails or panics changes no response.
func TestLG05_ABrokenLogChangesNoResponse(t *testing.T) {
	t.Parallel()
	for name, handle := range map[string]func(context.Context) error{
		"errs":   func(context.Context) error { return errors.New("disk full") },
		"panics": func(context.Context) error { panic("sink") },
	} {
		for _, m := range []Mode{InCookies, InBodies} {
			t.Run(fmt.Sprint(name, "/", m), func(t *testing.T) {
				t.Parallel()
				k := NewKit(t, m, withLog(brokenSink{handle}))
				u := k.SignUp(Ann)
				for range 5 {
					for _, c := range []struct {
						q      Request
						status int
						code   string
					}{
						{Post("/signin", SignUpBody(Ann, GoodPassword)), 200, ""},
						{Post("/signin", SignUpBody(Ann, OtherPassword)), 401, "invalid_credentials"},
						{Post("/signin", SignUpBody(Bob, GoodPassword)), 401, "invalid_credentials"},
						{k.As(u, Get("/me")), 200, ""},
						{Get("/me", "Authorization", "Bearer x"), 401, "invalid_session"},
						{Post("/signin", SignUpBody(Ann, GoodPassword), "Sec-Fetch-Site", "cross-site"), 403, "cross_origin"},
					} {
						k.Do(c.q).Want(t, c.status, c.code)
					}
				}
			})
		}
	}
}
