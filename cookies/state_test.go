package cookies_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher/cookies"
	"github.com/usherkit/usher/token"
)

func TestDevice(t *testing.T) {
	clock := start
	for name, change := range map[string]func(*cookies.Config){"sealed": nil, "plain tokens": func(c *cookies.Config) { c.Plain = true }} {
		clock = start
		jar := newJar(t, func(c *cookies.Config) {
			c.Now = func() time.Time { return clock }
			if change != nil {
				change(c)
			}
		})
		if got := jar.Device(request()); got != "" {
			t.Fatalf("%s: %q without a cookie", name, got.Reveal())
		}
		w := httptest.NewRecorder()
		if err := jar.SetDevice(w, request(), "device-token", false); err != nil {
			t.Fatal(err)
		}
		c := w.Result().Cookies()[0]
		if c.Name != "__Host-device" || c.SameSite != http.SameSiteLaxMode || strings.Contains(c.Value, "device") {
			t.Fatalf("%s: %s", name, c.Raw)
		}
		clock = start.AddDate(0, 0, 179)
		if got := jar.Device(request(c)); got != "device-token" {
			t.Errorf("%s: %q", name, got.Reveal())
		}
		jar.ClearTokens(w, request(c))
		for _, c := range w.Result().Cookies()[1:] {
			if c.Name == "__Host-device" {
				t.Errorf("%s: signing out forgets the device", name)
			}
		}
		// A client may keep a cookie after its expiry.
		clock = start.AddDate(0, 0, 181)
		if got := jar.Device(request(c)); got != "" {
			t.Errorf("%s: reads after its expiry", name)
		}
		damaged := *c
		damaged.Value = damaged.Value[1:]
		if jar.Device(request(&damaged)) != "" || jar.Device(request(c, c)) != "" {
			t.Errorf("%s: damaged or doubled reads", name)
		}
	}
}

func TestFlashIsReadOnce(t *testing.T) {
	clock := start
	jar := newJar(t, func(c *cookies.Config) { c.Now = func() time.Time { return clock } })
	w := httptest.NewRecorder()
	if got := jar.Flash(w, request()); got != "" || len(w.Header()) != 0 {
		t.Fatalf("%q, %v", got, w.Header())
	}
	if err := jar.SetFlash(w, request(), "password_changed"); err != nil {
		t.Fatal(err)
	}
	c := w.Result().Cookies()[0]
	if c.Name != "__Host-flash" {
		t.Fatalf("%s", c.Raw)
	}
	w = httptest.NewRecorder()
	if got := jar.Flash(w, request(c)); got != "password_changed" {
		t.Fatalf("%q", got)
	}
	if cleared := w.Result().Cookies(); len(cleared) != 1 || cleared[0].Name != "__Host-flash" || cleared[0].MaxAge >= 0 {
		t.Fatalf("%v", cleared)
	}
	clock = start.Add(11 * time.Minute)
	if got := jar.Flash(httptest.NewRecorder(), request(c)); got != "" {
		t.Fatal("reads after its expiry")
	}
	for _, bad := range []string{"", "Your password was changed", "<b>", "a\r\nb", strings.Repeat("a", 65)} {
		w := httptest.NewRecorder()
		if err := jar.SetFlash(w, request(), bad); err == nil || len(w.Header()) != 0 {
			t.Errorf("flash %q", bad)
		}
	}
	if err := jar.SetNote(httptest.NewRecorder(), request(), "next", token.Secret("/"+strings.Repeat("a", 2047)), 10*time.Minute); err != nil {
		t.Errorf("a note of 2,048 bytes: %v", err)
	}
}

func TestCF03_PlainHTTPIsForLoopback(t *testing.T) {
	jar := newJar(t, func(c *cookies.Config) { c.InsecureLoopback = true })
	p := issue(t, "s1", 1)
	for host, ok := range map[string]bool{
		"localhost": true, "localhost:8080": true, "127.0.0.1:8080": true, "127.8.8.8": true, "[::1]:8080": true, "[::1]": true,
		"app.example.com": false, "0.0.0.0:8080": false, "192.168.0.7": false, "localhost.evil.test": false, "": false, "[::]": false, "localhost:8080:1": false,
	} {
		r, w := request(), httptest.NewRecorder()
		r.Host = host
		for i, err := range []error{jar.SetTokens(w, r, p), jar.SetDevice(w, r, "d", false), jar.SetFlash(w, r, "c"), jar.SetNote(w, r, "next", "/", 10*time.Minute)} {
			if (err == nil) != ok {
				t.Errorf("%s, %d: %v", host, i, err)
			}
		}
		if cs := w.Result().Cookies(); !ok && len(cs) != 0 {
			t.Errorf("%s: %v", host, cs)
		} else if ok && (len(cs) != 4 || cs[0].Name != "session" || cs[0].Secure || !cs[0].HttpOnly || cs[1].Name != "device") {
			t.Errorf("%s: %v", host, cs)
		}
	}
	for _, header := range []string{"X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Real-IP", "Forwarded", "Via"} {
		r := request()
		r.Host = "127.0.0.1:8080" // what a proxy sends by default
		r.Header.Set(header, "x")
		if err := jar.SetTokens(httptest.NewRecorder(), r, p); !errors.Is(err, cookies.ErrNotLoopback) {
			t.Errorf("forwarded with %s: %v", header, err)
		}
	}
	plain := newJar(t, func(c *cookies.Config) { c.InsecureLoopback, c.Plain = true, true })
	w := httptest.NewRecorder()
	if err := plain.SetTokens(w, request(), token.Pair{}); err == nil || len(w.Header()) != 0 {
		t.Errorf("plain tokens: %v", err)
	}
}

func TestNoteIsSealedAndExpiresAfterTenMinutes(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	jar, err := cookies.New(cookies.Config{
		Secret: token.Secret(strings.Repeat("k-", 16)),
		Now:    func() time.Time { return now },
	})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	if err := jar.SetNote(w, httptest.NewRequest("GET", "/", nil), "reset", "the-token", 10*time.Minute); err != nil {
		t.Fatal(err)
	}
	set := w.Result().Cookies()
	if len(set) != 1 || set[0].Name != "__Host-note_reset" || !set[0].HttpOnly || !set[0].Secure ||
		set[0].SameSite != http.SameSiteLaxMode || set[0].MaxAge != 600 {
		t.Fatalf("cookie %+v", set)
	}
	if strings.Contains(set[0].Value, "the-token") {
		t.Error("the note can be read in the cookie")
	}
	back := httptest.NewRequest("GET", "/", nil)
	back.AddCookie(set[0])
	if got := jar.Note(back, "reset").Reveal(); got != "the-token" {
		t.Errorf("note is %q", got)
	}
	if got := jar.Note(back, "verify").Reveal(); got != "" {
		t.Errorf("another note is %q", got)
	}
	w = httptest.NewRecorder()
	jar.ClearNote(w, back, "reset")
	if c := w.Result().Cookies(); len(c) != 1 || c[0].MaxAge >= 0 {
		t.Errorf("deleted with %+v", c)
	}
	now = now.Add(10*time.Minute + time.Second)
	if got := jar.Note(back, "reset").Reveal(); got != "" {
		t.Errorf("after ten minutes the note is %q", got)
	}
	if jar.SetNote(w, back, "Not a name", "x", 10*time.Minute) == nil {
		t.Error("a bad name is no error")
	}
}

func TestNoteWithoutALifetimeIsDeleted(t *testing.T) {
	jar := newJar(t, nil)
	w := httptest.NewRecorder()
	if err := jar.SetNote(w, request(), "next", "/", 0); err != nil {
		t.Fatal(err)
	}
	if c := w.Result().Cookies(); len(c) != 1 || c[0].MaxAge >= 0 || !c[0].Expires.Before(start) {
		t.Errorf("the cookies are %v", c)
	}
}

// Whatever a Cookie header contains, Note, Device and Flash return only texts that
// the jar sealed.
func FuzzFB04_State(f *testing.F) {
	jar := newJar(f, nil)
	w := httptest.NewRecorder()
	if err := jar.SetNote(w, request(), "typed", "a text", 10*time.Minute); err != nil {
		f.Fatal(err)
	}
	var good string
	for _, c := range w.Result().Cookies() {
		good = c.Name + "=" + c.Value
		f.Add(good)
		f.Add(c.Name + "=" + c.Value[:len(c.Value)/2])
		f.Add(c.Name + "=x; " + good)
		f.Add("__Host-session=" + c.Value) // sealed for another use
	}
	f.Add("")
	f.Add("__Host-device=x; __Host-flash=\"\"")
	f.Fuzz(func(t *testing.T, header string) {
		r := request()
		r.Header["Cookie"] = []string{header}
		w := httptest.NewRecorder()
		if note := jar.Note(r, "typed"); note != "" && note != "a text" {
			t.Fatalf("%q gives another note", header)
		}
		if jar.Note(r, "another") != "" || jar.Device(r) != "" || jar.Flash(w, r) != "" {
			t.Fatalf("%q gives a text that was never set", header)
		}
		if pair, _ := jar.Tokens(r); pair.Session != "" || pair.Refresh != "" {
			t.Fatalf("%q gives tokens", header)
		}
	})
}
