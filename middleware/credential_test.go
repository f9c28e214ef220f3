package middleware_test

import (
	"context"
	"log/slog"
	"math"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher/middleware"
	"github.com/usherkit/usher/token"
)

func TestTV13_OnePlaceForTheToken(t *testing.T) {
	w := newWorld(t)
	good := w.issue(nil)
	h := w.middleware(nil).Require(whoami)
	auth := func(values ...string) func(*http.Request) {
		return func(r *http.Request) { r.Header["Authorization"] = values }
	}
	withCookie := func(values ...string) func(*http.Request) {
		return func(r *http.Request) {
			r.AddCookie(cookieFor(good, ""))
			if values != nil {
				r.Header["Authorization"] = values
			}
		}
	}
	raw := good.Reveal()
	for name, c := range map[string]struct {
		change func(*http.Request)
		status int
		want   string
	}{
		"bearer":                   {auth("Bearer " + raw), 200, "bearer"},
		"lower case":               {auth("bearer " + raw), 200, "bearer"},
		"upper case, spaces":       {auth("BEARER   " + raw), 200, "bearer"},
		"cookie":                   {withCookie(), 200, "cookie"},
		"both good":                {withCookie("Bearer " + raw), 200, "bearer"},
		"another scheme, cookie":   {withCookie("Basic eDp5"), 200, "cookie"},
		"another scheme alone":     {auth("Basic eDp5"), 401, "not_signed_in"},
		"nothing":                  {nil, 401, "not_signed_in"},
		"two headers":              {auth("Bearer "+raw, "Bearer "+raw), 401, "invalid_session"},
		"two schemes, two headers": {auth("Basic eDp5", "Bearer "+raw), 401, "invalid_session"},
		"bad bearer, good cookie":  {withCookie("Bearer x.y.z"), 401, "invalid_session"},
		"no token, good cookie":    {withCookie("Bearer"), 401, "invalid_session"},
		"empty, good cookie":       {withCookie("Bearer "), 401, "invalid_session"},
		"empty header, cookie":     {withCookie(""), 401, "invalid_session"},
		"tab, good cookie":         {withCookie("Bearer\t" + raw), 401, "invalid_session"},
		"merged, good cookie":      {withCookie("Bearer " + raw + ", Bearer " + raw), 401, "invalid_session"},
		"trailing word":            {auth("Bearer " + raw + " x"), 401, "invalid_session"},
		"no space":                 {withCookie("Bearer:" + raw), 401, "invalid_session"},
		"bare token":               {auth(raw), 401, "not_signed_in"},
	} {
		t.Run(name, func(t *testing.T) {
			got := do(h, request("GET", "/", c.change))
			if got.Code != c.status || !strings.Contains(got.Body.String(), `"`+c.want+`"`) {
				t.Fatalf("got %d %s, want %d %s", got.Code, got.Body, c.status, c.want)
			}
		})
	}
}

// A longer name is another scheme.
func TestTV13_OnlyBearerIsBearer(t *testing.T) {
	w := newWorld(t)
	h := w.middleware(nil).Require(whoami)
	for _, more := range strings.Split("a z A Z 0 9 - _", " ") {
		for _, scheme := range []string{"Bearer" + more, more} {
			got := do(h, request("GET", "/", func(r *http.Request) { withCookie(w.issue(nil), "")(r); r.Header.Set("Authorization", scheme+" x") }))
			if got.Code != 200 {
				t.Errorf("%s: %d", scheme, got.Code)
			}
		}
	}
}

// A text that is no token is refused before the Validator is called, because a Validator
// may be less strict.
func TestTV13_TheValidatorGetsWholeTokensOnly(t *testing.T) {
	var asked []string
	m := newWorld(t).middleware(func(c *middleware.Config) {
		c.Validator = validatorFunc(func(_ context.Context, raw string) (*token.Claims, error) {
			asked = append(asked, raw)
			return &token.Claims{Subject: "user-1"}, nil
		})
	})
	for _, value := range []string{
		"Bearer", "Bearer ", "Bearer:a", "Bearer\ta", "Bearer \ta", "Bearer a\tb", "Bearer a b", "Bearer ,a", "Bearer a,b", "",
		"Bearer " + strings.Repeat("a", token.MaxSize+1),
	} {
		got := do(m.Require(whoami), request("GET", "/", func(r *http.Request) { r.Header["Authorization"] = []string{value} }))
		if got.Code != 401 || code(t, got) != "invalid_session" || asked != nil {
			t.Errorf("%.20q: %d, and the Validator was asked about %.20q", value, got.Code, asked)
		}
	}
	for _, raw := range []string{"a", strings.Repeat("a", token.MaxSize)} {
		if got := do(m.Require(whoami), request("GET", "/", bearer(token.Secret(raw)))); got.Code != 200 {
			t.Errorf("%d bytes: %d", len(raw), got.Code)
		}
	}
}

// conflicting are cookies of which a request may have several, with the text "twice".
type conflicting struct {
	fakeCookies
	asked *int
}

func (c conflicting) Tokens(r *http.Request) (token.Pair, bool) {
	if _, err := r.Cookie("twice"); err == nil {
		return token.Pair{}, true
	}
	return c.fakeCookies.Tokens(r)
}

func (c conflicting) RejectConflict(w http.ResponseWriter, r *http.Request) bool {
	*c.asked++
	_, err := r.Cookie("twice")
	if err == nil {
		c.ClearTokens(w, r)
	}
	return err == nil
}

func TestCK09_CookiesOfSeveralSessionsAreRejected(t *testing.T) {
	w, asked := newWorld(t), 0
	h := w.middleware(func(c *middleware.Config) { c.Cookies = conflicting{asked: &asked} }).Require(whoami)
	got := do(h, request("GET", "/", func(r *http.Request) { r.AddCookie(&http.Cookie{Name: "twice", Value: "1"}) }))
	if got.Code != 401 || code(t, got) != "invalid_session" || got.Header().Get("Set-Cookie") == "" || got.Header().Get("Cache-Control") != "no-store" || asked != 1 {
		t.Errorf("%d %v", got.Code, got.Header())
	}
	// If the cookies have one pair of tokens, no conflict is looked for.
	if got := do(h, request("GET", "/", withCookie(w.issue(nil), ""))); got.Code != 200 || asked != 1 {
		t.Errorf("%d, asked %d times", got.Code, asked)
	}
}

// Tokens in URLs would end up in logs, and any page can send a form.
func TestTV13_QueryAndFormAreNotRead(t *testing.T) {
	w := newWorld(t)
	h := w.middleware(nil).Require(whoami)
	raw := w.issue(nil).Reveal()
	form := url.Values{"access_token": {raw}, "token": {raw}}.Encode()
	post, err := http.NewRequest("POST", "/", strings.NewReader(form))
	if err != nil {
		t.Fatal(err)
	}
	post.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for name, r := range map[string]*http.Request{
		"query": request("GET", "/?"+form, nil),
		"form":  post,
	} {
		if got := do(h, r); got.Code != 401 || code(t, got) != "not_signed_in" {
			t.Errorf("%s: %d %s", name, got.Code, got.Body)
		}
	}
}

func TestTV14_HugeTokenCostsNothing(t *testing.T) {
	w := newWorld(t)
	h := w.middleware(nil).Require(whoami)
	r := request("GET", "/", func(r *http.Request) {
		r.Header.Set("Authorization", "Bearer "+strings.Repeat(".", 1<<20))
	})
	fastest, least := time.Hour, uint64(math.MaxUint64)
	for range 20 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		began := time.Now()
		got := do(h, r)
		fastest = min(fastest, time.Since(began))
		runtime.ReadMemStats(&after)
		least = min(least, after.TotalAlloc-before.TotalAlloc)
		if got.Code != 401 {
			t.Fatal(got.Code)
		}
	}
	if least > 64<<10 || fastest > time.Millisecond {
		t.Fatalf("%d bytes, %s", least, fastest)
	}
}

func FuzzAuthorization(f *testing.F) {
	w := newWorld(f)
	var asked string
	m, err := middleware.New(middleware.Config{Cookies: fakeCookies{}, Logger: slog.New(slog.DiscardHandler), Validator: validatorFunc(
		func(_ context.Context, raw string) (*token.Claims, error) {
			asked = raw
			return nil, token.ErrInvalid
		})})
	if err != nil {
		f.Fatal(err)
	}
	h := m.Require(whoami)
	for _, s := range []string{"", "Bearer", "Bearer ", "bearer a", "Basic eDp5", "Bearer a,b", "Bearer\x00a", "Bearer:a", "Bearer\ta", "Bearer " + w.issue(nil).Reveal()} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, value string) {
		asked = ""
		r := request("GET", "/", func(r *http.Request) { r.Header["Authorization"] = []string{value} })
		if got := do(h, r); got.Code != 401 {
			t.Fatalf("%q: %d", value, got.Code)
		}
		if strings.ContainsAny(asked, " \t,") || len(asked) > token.MaxSize {
			t.Fatalf("%q: asked about %q", value, asked)
		}
		if asked != "" && (!strings.HasSuffix(value, asked) || !strings.EqualFold(value[:7], "Bearer ")) {
			t.Fatalf("%q: asked about %q", value, asked)
		}
	})
}
