package middleware_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usherkit/usher/internal/signing"
	"github.com/usherkit/usher/middleware"
	"github.com/usherkit/usher/token"
)

// refreshing returns a Middleware whose Refresher returns a new session token.
func (w *world) refreshing(r *refresher, change func(*middleware.Config)) *middleware.Middleware {
	fresh := w.issue(func(i *signing.Claims) { i.ID = "token-2" })
	if r.f == nil {
		r.f = func(context.Context, string) (token.Pair, error) {
			return token.Pair{Session: fresh, Refresh: "refresh-2"}, nil
		}
	}
	return w.middleware(func(c *middleware.Config) {
		c.Refresher = r
		if change != nil {
			change(c)
		}
	})
}

func withCookie(session, refresh token.Secret) func(*http.Request) {
	return func(r *http.Request) { r.AddCookie(cookieFor(session, refresh)) }
}

func TestRefreshInPassing(t *testing.T) {
	w := newWorld(t)
	good := w.issue(nil)
	for name, c := range map[string]struct {
		method           string
		session, refresh token.Secret
		change           func(*http.Request)
		status, calls    int
		set              string
	}{
		"valid":                  {"GET", good, "refresh-1", nil, 200, 0, ""},
		"expired":                {"GET", w.expired(), "refresh-1", nil, 200, 1, "refresh-2"},
		"missing":                {"GET", "", "refresh-1", nil, 200, 1, "refresh-2"},
		"expired, same origin":   {"POST", w.expired(), "refresh-1", func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-origin") }, 200, 1, "refresh-2"},
		"expired, cross-origin":  {"POST", w.expired(), "refresh-1", func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }, 403, 0, ""},
		"expired, no refresh":    {"GET", w.expired(), "", nil, 401, 0, ""},
		"forged":                 {"GET", good[:len(good)-6] + "AAAAAA", "refresh-1", nil, 401, 0, ""},
		"expired and forged":     {"GET", w.expired()[:100] + "AAAAAA", "refresh-1", nil, 401, 0, ""},
		"cookie that is damaged": {"GET", "", "", nil, 401, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			counter := &refresher{}
			h := w.refreshing(counter, nil).Require(whoami)
			r := request(c.method, "/", withCookie(c.session, c.refresh))
			if c.change != nil {
				c.change(r)
			}
			got := do(h, r)
			if got.Code != c.status || counter.calls != c.calls {
				t.Fatalf("%d with %d calls: %s", got.Code, counter.calls, got.Body)
			}
			if set := got.Header().Get("Set-Cookie"); !strings.HasSuffix(set, c.set) || (set == "") != (c.set == "") {
				t.Fatalf("Set-Cookie: %s", set)
			}
			if c.status == 200 && !strings.Contains(got.Body.String(), `"kind":"cookie","ok":true,"subject":"user-1"`) {
				t.Fatal(got.Body)
			}
		})
	}
}

// No cache may store a response that sets cookies.
func TestRefreshIsNotStored(t *testing.T) {
	w := newWorld(t)
	good, expired := w.issue(nil), w.expired()
	for name, c := range map[string]struct {
		session token.Secret
		err     error
		own     string
		want    string
	}{
		"refreshed":                    {expired, nil, "", "no-store"},
		"refused, the cookie cleared":  {expired, token.ErrInvalid, "", "no-store"},
		"refreshed, the handler's own": {expired, nil, "private, max-age=5", "private, max-age=5"},
		"valid":                        {good, nil, "", "no-store"},
		"outage":                       {expired, errors.New("database is gone"), "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := &refresher{}
			m := w.refreshing(r, nil)
			if c.err != nil {
				r.f = func(context.Context, string) (token.Pair, error) { return token.Pair{}, c.err }
			}
			page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if c.own != "" {
					w.Header().Set("Cache-Control", c.own)
				}
			})
			got := do(m.Optional(page), request("GET", "/", func(r *http.Request) {
				withCookie(c.session, "refresh-1")(r)
				r.Header.Set("Sec-Fetch-Mode", "navigate")
			}))
			if control := got.Header().Get("Cache-Control"); got.Code != 200 || control != c.want {
				t.Fatalf("%d, Cache-Control: %q, want %q", got.Code, control, c.want)
			}
		})
	}
}

// A bearer token is never refreshed, even if the request has cookies too.
func TestRefreshIsForCookiesOnly(t *testing.T) {
	w := newWorld(t)
	counter := &refresher{}
	h := w.refreshing(counter, nil).Require(whoami)
	got := do(h, request("GET", "/", func(r *http.Request) { bearer(w.expired())(r); withCookie(w.expired(), "refresh-1")(r) }))
	if got.Code != 401 || counter.calls != 0 {
		t.Fatalf("%d with %d calls", got.Code, counter.calls)
	}
}

func TestRefreshThatFails(t *testing.T) {
	w := newWorld(t)
	expired := w.expired()
	for name, c := range map[string]struct {
		err          error
		fail         error
		status       int
		code, cookie string
	}{
		"refused":         {fmt.Errorf("over: %w", token.ErrInvalid), nil, 401, "invalid_session", "s=; Max-Age=0"},
		"outage":          {errors.New("database is gone"), nil, 503, "unavailable", ""},
		"keys missing":    {token.ErrUnavailable, nil, 503, "unavailable", ""},
		"cookie too big":  {nil, errors.New("too large"), 500, "internal", ""},
		"time limit over": {context.DeadlineExceeded, nil, 503, "unavailable", ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := &refresher{}
			m := w.refreshing(r, func(cfg *middleware.Config) { cfg.Cookies = fakeCookies{fail: c.fail} })
			if c.err != nil {
				r.f = func(context.Context, string) (token.Pair, error) { return token.Pair{}, c.err }
			}
			script := do(m.Require(whoami), request("GET", "/", withCookie(expired, "refresh-1")))
			if script.Code != c.status || script.Header().Get("Set-Cookie") != "" {
				t.Fatalf("a script: %d %v", script.Code, script.Header())
			}
			page := func(r *http.Request) {
				withCookie(expired, "refresh-1")(r)
				r.Header.Set("Sec-Fetch-Mode", "navigate")
			}
			got := do(m.Require(whoami), request("GET", "/", page))
			if got.Code != c.status || code(t, got) != c.code || got.Header().Get("Set-Cookie") != c.cookie {
				t.Fatalf("%d %v %s", got.Code, got.Header(), got.Body)
			}
			got = do(m.Optional(whoami), request("GET", "/", page))
			if got.Code != 200 || !strings.Contains(got.Body.String(), `"ok":false`) || got.Header().Get("Set-Cookie") != c.cookie {
				t.Fatalf("optional: %d %v %s", got.Code, got.Header(), got.Body)
			}
		})
	}
}

// The old refresh token is used up, so the browser gets the new one even if the new
// session token cannot be validated.
func TestRefreshKeepsTheNewTokensInAnOutage(t *testing.T) {
	w := newWorld(t)
	h := w.refreshing(&refresher{}, func(c *middleware.Config) {
		inner, calls := c.Validator, 0
		c.Validator = validatorFunc(func(ctx context.Context, raw string) (*token.Claims, error) {
			if calls++; calls > 1 {
				return nil, token.ErrUnavailable
			}
			return inner.ValidateSession(ctx, token.Secret(raw))
		})
	}).Require(whoami)
	got := do(h, request("GET", "/", withCookie(w.expired(), "refresh-1")))
	if got.Code != 503 || !strings.HasSuffix(got.Header().Get("Set-Cookie"), "refresh-2") {
		t.Fatalf("%d %v", got.Code, got.Header())
	}
}

func TestRefreshPassesTheClient(t *testing.T) {
	w := newWorld(t)
	var address netip.Addr
	var agent string
	h := w.middleware(func(c *middleware.Config) {
		c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
		c.Refresher = refresherFunc(func(_ context.Context, _ string, a netip.Addr, ua string) (token.Pair, error) {
			address, agent = a, ua
			return token.Pair{}, token.ErrInvalid
		})
	}).Require(whoami)
	do(h, request("GET", "/", func(r *http.Request) {
		withCookie("", "refresh-1")(r)
		r.RemoteAddr = "10.1.2.3:99"
		r.Header.Set("X-Forwarded-For", "198.51.100.7")
		r.Header.Set("User-Agent", "Browser/1")
	}))
	if address.String() != "198.51.100.7" || agent != "Browser/1" {
		t.Fatalf("%s %q", address, agent)
	}
}

type refresherFunc func(context.Context, string, netip.Addr, string) (token.Pair, error)

func (f refresherFunc) RefreshTokens(ctx context.Context, refresh token.Secret, a netip.Addr, ua string) (token.Pair, error) {
	return f(ctx, refresh.Reveal(), a, ua)
}

func (f refresherFunc) SessionToken(ctx context.Context, refresh token.Secret, a netip.Addr, ua string) (token.Secret, error) {
	pair, err := f(ctx, refresh.Reveal(), a, ua)
	return pair.Session, err
}

// A handler that hijacks the connection writes a response without the cookies.
func TestSE16_AProtocolUpgradeExchangesNothing(t *testing.T) {
	w := newWorld(t)
	header := func(pairs ...string) func(*http.Request) {
		return func(r *http.Request) {
			for n := 0; n < len(pairs); n += 2 {
				r.Header.Add(pairs[n], pairs[n+1])
			}
		}
	}
	for name, c := range map[string]struct {
		method  string
		header  func(*http.Request)
		upgrade bool
	}{
		"WebSocket":             {"GET", header("Connection", "Upgrade", "Upgrade", "websocket"), true},
		"Firefox":               {"GET", header("Connection", "keep-alive, Upgrade", "Upgrade", "websocket"), true},
		"two headers":           {"GET", header("Connection", "keep-alive", "Connection", "upgrade", "Upgrade", "WebSocket"), true},
		"another protocol":      {"POST", header("Connection", "Upgrade", "Upgrade", "connect-udp"), true},
		"HTTP/2":                {"CONNECT", header(":protocol", "websocket"), true},
		"no upgrade":            {"GET", header(), false},
		"a proxy's fixed value": {"GET", header("Connection", "upgrade"), false},
		"hop by hop elsewhere":  {"GET", header("Connection", "keep-alive", "Upgrade", "h2c"), false},
	} {
		t.Run(name, func(t *testing.T) {
			for err, status := range map[error]int{nil: 200, token.ErrInvalid: 401, errors.New("database is gone"): 503} {
				counter := &refresher{}
				h := w.refreshing(counter, nil).Require(whoami)
				if err != nil {
					counter.f = func(context.Context, string) (token.Pair, error) { return token.Pair{}, err }
				}
				got := do(h, request(c.method, "/", func(r *http.Request) {
					withCookie(w.expired(), "refresh-1")(r)
					r.Header.Set("Sec-Fetch-Site", "same-origin")
					c.header(r)
				}))
				if got.Code != status || (counter.calls == 0) != c.upgrade {
					t.Fatalf("%d after %d exchanges: %s", got.Code, counter.calls, got.Body)
				}
				set := got.Header().Get("Set-Cookie")
				if want := err == nil && !c.upgrade; (set != "") != want {
					t.Fatalf("%v: Set-Cookie: %q", err, set)
				}
				if err == nil && !strings.Contains(got.Body.String(), `"kind":"cookie","ok":true,"subject":"user-1"`) {
					t.Fatal(got.Body)
				}
			}
		})
	}
}

func TestSE08_TwentyRequestsOfOnePageRefreshOnce(t *testing.T) {
	w := newWorld(t)
	fresh := w.issue(func(i *signing.Claims) { i.ID = "token-2" })
	synctest.Test(t, func(t *testing.T) {
		counter := &refresher{f: func(context.Context, string) (token.Pair, error) {
			time.Sleep(time.Second) // virtual time, in which the others arrive
			return token.Pair{Session: fresh, Refresh: "refresh-2"}, nil
		}}
		h := w.refreshing(counter, nil).Require(whoami)
		var wg sync.WaitGroup
		for n := range 20 {
			wg.Go(func() {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if n == 0 { // possibly the request that makes the exchange
					go func() { time.Sleep(time.Millisecond); cancel() }()
				}
				got := do(h, request("GET", "/", withCookie(w.expired(), "refresh-1")).WithContext(ctx))
				if n == 0 {
					return
				}
				if got.Code != 200 || !strings.HasSuffix(got.Header().Get("Set-Cookie"), "refresh-2") {
					t.Errorf("%d %v", got.Code, got.Header())
				}
			})
		}
		wg.Wait()
		if counter.calls != 1 {
			t.Fatalf("%d calls", counter.calls)
		}
		// Another session and a later request make exchanges of their own.
		do(h, request("GET", "/", withCookie(w.expired(), "refresh-other")))
		do(h, request("GET", "/", withCookie(w.expired(), "refresh-1")))
		if counter.calls != 3 {
			t.Fatalf("%d calls", counter.calls)
		}
	})
}

func TestRefreshSurvivesAClientThatLeaves(t *testing.T) {
	w := newWorld(t)
	synctest.Test(t, func(t *testing.T) {
		ctx, leave := context.WithCancel(t.Context())
		r := &refresher{f: func(ctx context.Context, _ string) (token.Pair, error) {
			leave()
			if err := ctx.Err(); err != nil {
				t.Error("the exchange ended with its request")
			}
			if _, ok := ctx.Deadline(); !ok {
				t.Error("the exchange has no time limit")
			}
			<-ctx.Done()
			return token.Pair{}, ctx.Err()
		}}
		got := do(w.refreshing(r, nil).Require(whoami), request("GET", "/", withCookie(w.expired(), "refresh-1")).WithContext(ctx))
		if got.Code != 503 || got.Header().Get("Set-Cookie") != "" {
			t.Fatalf("%d %v", got.Code, got.Header())
		}
	})
}

func TestRefreshThatPanicsLeavesNobodyWaiting(t *testing.T) {
	w := newWorld(t)
	synctest.Test(t, func(t *testing.T) {
		r := &refresher{f: func(context.Context, string) (token.Pair, error) {
			time.Sleep(time.Second)
			panic("refresher")
		}}
		h := w.refreshing(r, nil).Require(whoami)
		codes := make(chan int, 2)
		for range 2 {
			go func() {
				rec := httptest.NewRecorder()
				defer func() {
					if recover() != nil {
						rec.Code = 500
					}
					codes <- rec.Code
				}()
				h.ServeHTTP(rec, request("GET", "/", withCookie(w.expired(), "refresh-1")))
			}()
		}
		if a, b := <-codes, <-codes; a+b != 500+503 {
			t.Fatalf("%d and %d", a, b)
		}
	})
}
