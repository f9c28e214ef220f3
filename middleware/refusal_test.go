package middleware_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/usherkit/usher/internal/signing"
	"github.com/usherkit/usher/middleware"
	"github.com/usherkit/usher/problem"
	"github.com/usherkit/usher/token"
)

func dump(t *testing.T, h http.Handler, r *http.Request) string {
	t.Helper()
	b, err := httputil.DumpResponse(do(h, r).Result(), true)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestTV15_NoHintWhichCheckFailed(t *testing.T) {
	w := newWorld(t)
	guarded := w.middleware(nil).Require(whoami)
	h := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("X-Request-Id", "same")
		guarded.ServeHTTP(rw, r)
	})
	good := w.issue(nil)
	bad := map[string]token.Secret{
		"expired":        w.expired(),
		"signature":      good[:len(good)-6] + "AAAAAA",
		"wrong audience": w.issue(func(i *signing.Claims) { i.Audience = []string{"https://other.example.com"} }),
		"wrong issuer":   w.issue(func(i *signing.Claims) { i.Issuer = "https://other.example.com" }),
		"refresh token":  w.issue(func(i *signing.Claims) { i.Type = token.TypeRefresh }),
		"revoked":        w.issue(func(i *signing.Claims) { i.SessionID = "ended" }),
		"not a token":    "x",
		"five parts":     "a.b.c.d.e",
		"too long":       token.Secret(strings.Repeat("a", 9000)),
	}
	w.revoked.Add("ended", start.Add(time.Hour))
	want := dump(t, h, request("GET", "/", bearer("a.b.c")))
	if !strings.Contains(want, "HTTP/1.1 401") || !strings.Contains(want, `Www-Authenticate: Bearer realm="session", error="invalid_token"`) {
		t.Fatal(want)
	}
	for name, raw := range bad {
		if diff := cmp.Diff(want, dump(t, h, request("GET", "/", bearer(raw)))); diff != "" {
			t.Errorf("%s by bearer: %s", name, diff)
		}
		inCookie := func(r *http.Request) { r.AddCookie(cookieFor(raw, "")) }
		if diff := cmp.Diff(want, dump(t, h, request("GET", "/", inCookie))); diff != "" {
			t.Errorf("%s by cookie: %s", name, diff)
		}
	}
}

func TestTV15_Challenges(t *testing.T) {
	w := newWorld(t)
	m := w.middleware(func(c *middleware.Config) { c.Realm = "shop" })
	old := w.issue(func(i *signing.Claims) { i.AuthTime = start.Add(-time.Hour) })
	down := w.middleware(func(c *middleware.Config) {
		c.Validator = validatorFunc(func(context.Context, string) (*token.Claims, error) { return nil, token.ErrUnavailable })
	})
	rejects := w.middleware(func(c *middleware.Config) {
		c.Validator = validatorFunc(func(context.Context, string) (*token.Claims, error) { return nil, rejection{token.ErrUnavailable} })
	})
	for name, c := range map[string]struct {
		h         http.Handler
		raw       token.Secret
		status    int
		code      string
		challenge string
	}{
		"no credentials": {m.Require(whoami), "", 401, "not_signed_in", `Bearer realm="shop"`},
		"bad token":      {m.Require(whoami), "a.b.c", 401, "invalid_session", `Bearer realm="shop", error="invalid_token"`},
		"no right":       {m.RequirePermission("p")(whoami), old, 403, "forbidden", `Bearer realm="shop", error="insufficient_scope"`},
		"old sign-in": {m.RequireRecent(5 * time.Minute)(whoami), old, 401, "recent_sign_in_required",
			`Bearer realm="shop", error="insufficient_user_authentication", max_age=300`},
		"not verified": {m.RequireVerifiedEmail(whoami), old, 403, "email_not_verified", ""},
		"outage":       {down.Require(whoami), old, 503, "unavailable", ""},
		"rejected":     {rejects.Require(whoami), old, 422, "rejected", ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := do(c.h, request("GET", "/", func(r *http.Request) {
				if c.raw != "" {
					bearer(c.raw)(r)
				}
			}))
			if got.Code != c.status || code(t, got) != c.code || got.Header().Get("WWW-Authenticate") != c.challenge {
				t.Fatalf("got %d %v %s", got.Code, got.Header(), got.Body)
			}
			if got.Header().Get("Cache-Control") != "no-store" || got.Header().Get("X-Content-Type-Options") != "nosniff" {
				t.Fatalf("headers %v", got.Header())
			}
			var p map[string]any
			if err := json.Unmarshal(got.Body.Bytes(), &p); err != nil || p["type"] != "https://github.com/usherkit/usher/blob/main/docs/errors/"+c.code+".md" ||
				(p["detail"] == "Pay first.") != (name == "rejected") || p["status"] != float64(c.status) || p["title"] != problem.Code(c.code).Title() || p["detail"] == "" ||
				p["requestId"] == "" || p["requestId"] != got.Header().Get("X-Request-Id") {
				t.Fatalf("problem %v", p)
			}
		})
	}
}

func TestRefusalCarriesTheRequestID(t *testing.T) {
	w := newWorld(t)
	h := w.middleware(nil).Require(whoami)
	for id, want := range map[string]string{"abc-1": "abc-1", `a"b`: ""} {
		outer := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			rw.Header().Set("X-Request-Id", id)
			h.ServeHTTP(rw, r)
		})
		var p struct{ RequestID string }
		got := do(outer, request("GET", "/", nil))
		err := json.Unmarshal(got.Body.Bytes(), &p)
		if err != nil || p.RequestID == "" || p.RequestID == id != (want == id) || p.RequestID != got.Header().Get("X-Request-Id") {
			t.Errorf("%q: %v, %v", id, p, err)
		}
	}
}

// The text of a cause reaches the client only if the program has rejected the request.
func TestOnlyARejectionIsShown(t *testing.T) {
	for code, shown := range map[problem.Code]bool{problem.Rejected: true, problem.InvalidSession: false, problem.Unavailable: false} {
		w := httptest.NewRecorder()
		middleware.WriteRefusal(w, request("GET", "/", nil), middleware.Refusal{Code: code, Err: rejection{token.ErrInvalid}})
		if strings.Contains(w.Body.String(), "Pay first.") != shown {
			t.Errorf("%s: %s", code, w.Body)
		}
	}
}

func TestOnRefusalSeesTheCause(t *testing.T) {
	w := newWorld(t)
	var seen middleware.Refusal
	h := w.middleware(func(c *middleware.Config) {
		c.OnRefusal = func(rw http.ResponseWriter, _ *http.Request, r middleware.Refusal) {
			seen = r
			rw.WriteHeader(r.Code.Status())
		}
	}).Require(whoami)
	if got := do(h, request("GET", "/", bearer(w.expired()))); got.Code != 401 || got.Body.Len() != 0 {
		t.Fatalf("got %d %s", got.Code, got.Body)
	}
	if seen.Code != problem.InvalidSession || !errors.Is(seen.Err, token.ErrExpired) || seen.Challenge == "" {
		t.Fatalf("refusal %+v", seen)
	}
}

func TestLG02_LogNamesTheClassAndNoSecret(t *testing.T) {
	w := newWorld(t)
	var log bytes.Buffer
	h := w.middleware(func(c *middleware.Config) {
		c.Logger = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}).Require(whoami)
	raw := w.expired()
	do(h, request("GET", "/reset/canary?token=canary", func(r *http.Request) {
		bearer(raw)(r)
		r.RemoteAddr = "203.0.113.77:4000"
		r.Header.Set("User-Agent", "canary")
	}))
	line := log.String()
	if strings.Count(line, "\n") != 1 {
		t.Fatalf("want one line, got %q", line)
	}
	for _, want := range []string{`"refusal":"invalid_session"`, `"reason":"expired"`, `"network":"203.0.113.0/24"`} {
		if !strings.Contains(line, want) {
			t.Errorf("no %s in %s", want, line)
		}
	}
	for _, secret := range []string{raw.Reveal(), "canary", "203.0.113.77"} {
		if strings.Contains(line, secret) {
			t.Errorf("%s is in %s", secret, line)
		}
	}
}

// rejection stands for a usher.Rejection.
type rejection struct{ error }

func (rejection) Rejection() (code, field, message string) { return "unpaid", "", "Pay first." }
