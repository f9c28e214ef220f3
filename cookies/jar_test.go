package cookies_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gorilla/sessions"

	"github.com/usherkit/usher/cookies"
	"github.com/usherkit/usher/token"
)

func TestTokensRoundTrip(t *testing.T) {
	for name, change := range map[string]func(*cookies.Config){
		"secret": nil,
		"key pairs": func(c *cookies.Config) {
			c.Secret = ""
			c.KeyPairs = []cookies.KeyPair{{Hash: token.Secret(strings.Repeat("h-", 32)), Block: token.Secret(strings.Repeat("b-", 16))}}
		},
		"file store": func(c *cookies.Config) { c.Secret, c.Store = "", fileStore(t) },
	} {
		t.Run(name, func(t *testing.T) {
			jar, want := newJar(t, change), issue(t, "s1", 3)
			got, present := jar.Tokens(request(set(t, jar, request(), want)...))
			if diff := cmp.Diff(want, got, cmp.Transformer("reveal", token.Secret.Reveal)); diff != "" || !present {
				t.Fatal(present, diff)
			}
			if got, present := jar.Tokens(request()); got != (token.Pair{}) || present {
				t.Fatalf("without a cookie: %v %t", got, present)
			}
		})
	}
}

func TestCK01_CK02_Attributes(t *testing.T) {
	for name, change := range map[string]func(*cookies.Config){
		"sealed": nil,
		"strict": func(c *cookies.Config) { c.SameSite = http.SameSiteStrictMode },
		// gorilla's own defaults: SameSite=None, no HttpOnly, 30 days.
		"gorilla's cookie store": func(c *cookies.Config) {
			c.Secret, c.Store = "", sessions.NewCookieStore([]byte(strings.Repeat("h", 32)), []byte(strings.Repeat("b", 32)))
		},
		"file store": func(c *cookies.Config) { c.Secret, c.Store = "", fileStore(t) },
		"hostile store": func(c *cookies.Config) {
			c.Secret, c.Store = "", storeFunc(func(_ *http.Request, w http.ResponseWriter, s *sessions.Session) error {
				w.Header().Add("Set-Cookie", "other=x")
				w.Header().Add("Set-Cookie", s.Name()+"=abc; Domain=example.com; SameSite=None; Path=/x")
				return nil
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			jar := newJar(t, change)
			w, r := httptest.NewRecorder(), request()
			for i, err := range []error{
				jar.SetTokens(w, r, issue(t, "s1", 1)), jar.SetDevice(w, r, "device", false), jar.SetFlash(w, r, "code"), jar.SetNote(w, r, "next", "/", 10*time.Minute),
			} {
				if err != nil {
					t.Fatal(i, err)
				}
			}
			lines := w.Header()["Set-Cookie"]
			if len(lines) != 4 {
				t.Fatalf("%d cookies: %q", len(lines), lines)
			}
			want := map[string]time.Duration{"__Host-session": 14 * 24 * time.Hour, "__Host-device": 180 * 24 * time.Hour, "__Host-flash": 10 * time.Minute, "__Host-note_next": 10 * time.Minute}
			for _, line := range lines {
				c, err := http.ParseSetCookie(line)
				if err != nil {
					t.Fatal(err)
				}
				if name == "hostile store" && c.Value != "abc" {
					t.Errorf("the value of another cookie: %s", line)
				}
				if !c.Secure || !c.HttpOnly || c.Path != "/" || c.Domain != "" || c.SameSite != http.SameSiteLaxMode && c.SameSite != http.SameSiteStrictMode {
					t.Errorf("%s", line)
				}
				if life := want[c.Name]; life == 0 || c.MaxAge != int(life/time.Second) || !c.Expires.Equal(start.Add(life)) {
					t.Errorf("%s expires after %d s, at %s", c.Name, c.MaxAge, c.Expires)
				}
			}
		})
	}
}

func TestCK05_SealedAndRotating(t *testing.T) {
	pair := issue(t, "session-of-user", 1)
	first := newJar(t, nil)
	cs := set(t, first, request(), pair)
	raw, err := base64.URLEncoding.DecodeString(cs[0].Value)
	if err != nil {
		t.Fatal(err)
	}
	parts := bytes.SplitN(raw, []byte("|"), 3)
	inner, err := base64.URLEncoding.DecodeString(string(parts[1]))
	if err != nil {
		t.Fatal(err)
	}
	payload, _, _ := strings.Cut(pair.Session.Reveal()[strings.IndexByte(pair.Session.Reveal(), '.')+1:], ".")
	for _, bad := range []string{"session-of-user", "01980c6e", payload, pair.Session.Reveal()[:20], issuerURL} {
		if bytes.Contains(raw, []byte(bad)) || bytes.Contains(inner, []byte(bad)) || strings.Contains(cs[0].Value, bad) {
			t.Errorf("%q is readable", bad)
		}
	}
	again := set(t, first, request(), pair)
	if again[0].Value == cs[0].Value {
		t.Error("sealing twice gives the same value")
	}
	for name, c := range map[string]struct {
		change func(*cookies.Config)
		reads  bool
	}{
		"same":     {nil, true},
		"previous": {func(c *cookies.Config) { c.Secret, c.OldSecrets = secret2, []token.Secret{secret} }, true},
		"oldest":   {func(c *cookies.Config) { c.Secret, c.OldSecrets = secret2, []token.Secret{secret3, secret} }, true},
		"removed":  {func(c *cookies.Config) { c.Secret, c.OldSecrets = secret2, []token.Secret{secret3} }, false},
	} {
		got, present := newJar(t, c.change).Tokens(request(cs...))
		if !present || (got.Session == pair.Session) != c.reads || !c.reads && got != (token.Pair{}) {
			t.Errorf("%s: reads %t", name, got.Session != "")
		}
	}
	// A value sealed for one cookie does not open as another cookie.
	moved := *cs[0]
	moved.Name = "__Host-device"
	if got := first.Device(request(&moved)); got != "" {
		t.Error("a session cookie was accepted as a device cookie")
	}
}

func TestCK06_CK09_ForgedDamagedDoubled(t *testing.T) {
	for store, change := range map[string]func(*cookies.Config){
		"sealed": nil,
		"files":  func(c *cookies.Config) { c.Secret, c.Store = "", fileStore(t) },
	} {
		jar := newJar(t, change)
		good := set(t, jar, request(), issue(t, "s1", 1))[0]
		flipped := []byte(good.Value)
		flipped[len(flipped)/2] ^= 1
		n := "__Host-session="
		for name, header := range map[string][]string{
			"flipped bit":    {n + string(flipped)},
			"cut":            {n + good.Value[:40]},
			"5,000 bytes":    {n + strings.Repeat("a", 5000)},
			"5,000 padding":  {n + good.Value + strings.Repeat("=", 5000)},
			"empty":          {n},
			"no value":       {"__Host-session"},
			"not base64":     {n + "%%%"},
			"damaged, twice": {n + string(flipped) + "; " + n + string(flipped)},
		} {
			r := request()
			r.Header["Cookie"] = header
			if got, present := jar.Tokens(r); got != (token.Pair{}) || !present {
				t.Errorf("%s, %s: present %t, session %t", store, name, present, got.Session != "")
			}
		}
		for name, header := range map[string][]string{
			"tossed before":   {n + "evil; " + n + good.Value},
			"tossed after":    {n + good.Value + "; " + n + "evil"},
			"same twice":      {n + good.Value + "; " + n + good.Value},
			"unreadable twin": {n + `e"vil; ` + n + good.Value},
			"twin, no value":  {"__Host-session; " + n + good.Value},
			"two headers":     {n + good.Value, n + "evil"},
			"empty pairs":     {";;" + n + good.Value + ";=;"},
			"spaces":          {n + good.Value + ";   __Host-session =evil"},
		} {
			r := request()
			r.Header["Cookie"] = header
			if got, present := jar.Tokens(r); got.Session == "" || !present {
				t.Errorf("%s, %s: the cookie that opens does not count", store, name)
			}
		}
		r := request()
		r.Header["Cookie"] = []string{"x__Host-session=evil; __host-session=evil; a=__Host-session=x; " + n + good.Value}
		if got, _ := jar.Tokens(r); got.Session == "" {
			t.Errorf("%s: cookies of other names count", store)
		}
	}
}

func TestCK07_TooLargeIsAnErrorAndSetsNothing(t *testing.T) {
	for name, change := range map[string]func(*cookies.Config){
		"sealed": nil, "plain": func(c *cookies.Config) { c.Plain = true },
		"gorilla's": func(c *cookies.Config) {
			s := sessions.NewCookieStore([]byte(strings.Repeat("h", 32)), []byte(strings.Repeat("b", 32)))
			c.Secret, c.Store = "", s
		},
	} {
		w := httptest.NewRecorder()
		w.Header().Add("Set-Cookie", "mine=1")
		err := newJar(t, change).SetTokens(w, request(), issue(t, "s1", 250))
		if err == nil || name != "gorilla's" && !errors.Is(err, cookies.ErrTooLarge) {
			t.Errorf("%s: %v", name, err)
		}
		if got := w.Header()["Set-Cookie"]; len(got) != 1 || got[0] != "mine=1" {
			t.Errorf("%s: set %q", name, got)
		}
	}
	jar := newJar(t, nil)
	c := set(t, jar, request(), issue(t, "01980c6e-1b1b-7c3c-9f55-0d3c2b1a0f00", 60))[0]
	if size := len(c.Name) + len(c.Value); size > 4096 {
		t.Errorf("60 permissions make %d bytes", size)
	}
	// To the byte, name and value together.
	plain := newJar(t, func(c *cookies.Config) { c.Plain = true })
	for size, ok := range map[int]bool{4096: true, 4097: false} {
		p := issue(t, "s1", 0)
		p.Session = token.Secret(strings.Repeat("a", size-len("DS")))
		if err := plain.SetTokens(httptest.NewRecorder(), request(), p); errors.Is(err, cookies.ErrTooLarge) == ok {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

func TestCK08_ClearsTheSameCookie(t *testing.T) {
	for name, change := range map[string]func(*cookies.Config){
		"sealed": nil,
		"domain": func(c *cookies.Config) { c.Name, c.Domain = "__Secure-session", "example.com" },
		"plain":  func(c *cookies.Config) { c.Plain, c.Domain = true, "example.com" },
		"files":  func(c *cookies.Config) { c.Secret, c.Store = "", fileStore(t) },
	} {
		jar := newJar(t, change)
		made := set(t, jar, request(), issue(t, "s1", 1))
		w := httptest.NewRecorder()
		jar.ClearTokens(w, request(made...))
		for _, m := range made {
			// The last line for a cookie decides.
			var c *http.Cookie
			for _, one := range w.Result().Cookies() {
				if one.Name == m.Name {
					c = one
				}
			}
			if c == nil {
				t.Fatalf("%s: %s is not cleared", name, m.Name)
			}
			if c.Name != m.Name || c.Path != m.Path || c.Domain != m.Domain || c.MaxAge >= 0 || !c.Expires.Before(start) || c.Value != "" {
				t.Errorf("%s: %s", name, c.Raw)
			}
			if !c.Secure || !c.HttpOnly || c.SameSite != m.SameSite {
				t.Errorf("%s: %s", name, c.Raw)
			}
		}
	}
}

// A response that refreshes and then signs out sets the cookie once.
func TestLastValueOfACookieWins(t *testing.T) {
	jar := newJar(t, nil)
	w, r := httptest.NewRecorder(), request()
	w.Header().Add("Set-Cookie", "__Host-session-theme=dark")
	if err := jar.SetTokens(w, r, issue(t, "s1", 1)); err != nil {
		t.Fatal(err)
	}
	if err := jar.SetFlash(w, r, "signed_out"); err != nil {
		t.Fatal(err)
	}
	jar.ClearTokens(w, r)
	var names []string
	for _, c := range w.Result().Cookies() {
		names = append(names, fmt.Sprint(c.Name, c.MaxAge < 0))
	}
	if diff := cmp.Diff([]string{"__Host-session-themefalse", "__Host-flashfalse", "__Host-sessiontrue", "__Host-endedfalse", "__Host-endedtrue"}, names); diff != "" {
		t.Fatal(diff)
	}
}

func TestSetTokensRefusesExpiredTokens(t *testing.T) {
	for name, change := range map[string]func(*cookies.Config){"sealed": nil, "plain": func(c *cookies.Config) { c.Plain = true }} {
		jar := newJar(t, change)
		live := issue(t, "s1", 1)
		live.SessionExpiresAt, live.RefreshExpiresAt = start.Add(time.Second), start.Add(time.Second)
		if err := jar.SetTokens(httptest.NewRecorder(), request(), live); err != nil {
			t.Errorf("%s: tokens that live for a second: %v", name, err)
		}
		expired, missing, half := live, live, live
		expired.SessionExpiresAt, expired.RefreshExpiresAt = start.Add(-time.Hour), start
		missing.Session = ""
		half.RefreshExpiresAt = start.Add(time.Second - 1)
		bad := []token.Pair{{}, expired, missing, half}
		if name == "plain" { // each has a cookie
			half = live
			half.SessionExpiresAt = start.Add(time.Second - 1)
			bad = append(bad, half)
		}
		for _, p := range bad {
			w := httptest.NewRecorder()
			if err := jar.SetTokens(w, request(), p); !errors.Is(err, cookies.ErrExpired) || len(w.Header()) != 0 {
				t.Errorf("%s: %v, %v", name, err, w.Header())
			}
		}
	}
}

// The cookie expires with the refresh token, not after the 30 days of gorilla's
// codec.
func TestSessionCookieOutlivesSecurecookiesAge(t *testing.T) {
	p := issue(t, "s1", 1)
	synctest.Test(t, func(t *testing.T) {
		jar := newJar(t, func(c *cookies.Config) { c.Now = time.Now })
		p.RefreshExpiresAt = time.Now().AddDate(0, 0, 90)
		c := set(t, jar, request(), p)[0]
		if days := c.MaxAge / 86400; days != 90 {
			t.Fatalf("expires after %d days", days)
		}
		time.Sleep(89 * 24 * time.Hour) // of the bubble
		if got, _ := jar.Tokens(request(c)); got.Session != p.Session {
			t.Fatal("does not read")
		}
	})
}

func TestJarLeavesTheRequestAlone(t *testing.T) {
	jar := newJar(t, func(c *cookies.Config) { c.Secret, c.Store = "", registryStore{fileStore(t)} })
	r := request(set(t, jar, request(), issue(t, "s1", 1))...)
	ctx := r.Context()
	if p, _ := jar.Tokens(r); p.Session == "" {
		t.Fatal("does not read")
	}
	set(t, jar, r, issue(t, "s1", 2))
	if r.Context() != ctx {
		t.Fatal("the request was given another context")
	}
}

// registryStore reads with Get, which changes the request.
type registryStore struct{ sessions.Store }

func (s registryStore) New(r *http.Request, name string) (*sessions.Session, error) {
	return sessions.GetRegistry(r).Get(s.Store, name)
}

func TestLogHasNoSecret(t *testing.T) {
	var log bytes.Buffer
	jar := newJar(t, func(c *cookies.Config) {
		c.Logger = slog.New(slog.NewTextHandler(&log, nil))
		c.Secret, c.Store = "", storeFunc(func(*http.Request, http.ResponseWriter, *sessions.Session) error {
			return errors.New("connection refused")
		})
	})
	read := func(value string) {
		if _, present := jar.Tokens(request(&http.Cookie{Name: "__Host-session", Value: value})); !present {
			t.Error("not present")
		}
	}
	if read(strings.Repeat("a", 5000)); log.Len() != 0 {
		t.Error("the store got a cookie that is larger than browsers keep")
	}
	if read(strings.Repeat("a", 4097-len("__Host-session"))); log.Len() != 0 {
		t.Error("the store got a cookie of 4,097 bytes")
	}
	if read(strings.Repeat("a", 4096-len("__Host-session"))); log.Len() == 0 {
		t.Error("the store did not get a cookie of 4,096 bytes")
	}
	log.Reset()
	read("canary")
	if !strings.Contains(log.String(), "connection refused") || strings.Contains(log.String(), "canary") {
		t.Fatal(log.String())
	}
	if err := jar.SetTokens(httptest.NewRecorder(), request(), issue(t, "s1", 1)); err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Fatal(err)
	}
}
