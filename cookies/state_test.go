package cookies_test

import (
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
		if err := jar.SetDevice(w, request(), "device-token"); err != nil {
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
		// A client may keep a cookie longer than it was told.
		clock = start.AddDate(0, 0, 181)
		if got := jar.Device(request(c)); got != "" {
			t.Errorf("%s: reads after its end", name)
		}
		damaged := *c
		damaged.Value = damaged.Value[1:]
		if jar.Device(request(&damaged)) != "" || jar.Device(request(c, c)) != "" {
			t.Errorf("%s: damaged or doubled reads", name)
		}
	}
}

func TestFlashAndReturnToAreReadOnce(t *testing.T) {
	clock := start
	jar := newJar(t, func(c *cookies.Config) { c.Now = func() time.Time { return clock } })
	for name, f := range map[string]struct {
		set  func(http.ResponseWriter, *http.Request, string) error
		take func(http.ResponseWriter, *http.Request) string
		text string
	}{
		"__Host-flash":     {jar.SetFlash, jar.Flash, "password_changed"},
		"__Host-return_to": {jar.SetReturnTo, jar.ReturnTo, "/a/b?c=d"},
	} {
		clock = start
		w := httptest.NewRecorder()
		if got := f.take(w, request()); got != "" || len(w.Header()) != 0 {
			t.Fatalf("%s: %q, %v", name, got, w.Header())
		}
		if err := f.set(w, request(), f.text); err != nil {
			t.Fatal(err)
		}
		c := w.Result().Cookies()[0]
		if c.Name != name {
			t.Fatalf("%s", c.Raw)
		}
		w = httptest.NewRecorder()
		if got := f.take(w, request(c)); got != f.text {
			t.Fatalf("%s: %q", name, got)
		}
		if cleared := w.Result().Cookies(); len(cleared) != 1 || cleared[0].Name != name || cleared[0].MaxAge >= 0 {
			t.Fatalf("%s: %v", name, cleared)
		}
		clock = start.Add(11 * time.Minute)
		if got := f.take(httptest.NewRecorder(), request(c)); got != "" {
			t.Fatalf("%s: reads after its end", name)
		}
	}
	for _, bad := range []string{"", "Your password was changed", "<b>", "a\r\nb", strings.Repeat("a", 65)} {
		w := httptest.NewRecorder()
		if err := jar.SetFlash(w, request(), bad); err == nil || len(w.Header()) != 0 {
			t.Errorf("flash %q", bad)
		}
	}
	if err := jar.SetReturnTo(httptest.NewRecorder(), request(), "/"+strings.Repeat("a", 2047)); err != nil {
		t.Errorf("the longest path: %v", err)
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
		for i, err := range []error{jar.SetTokens(w, r, p), jar.SetDevice(w, r, "d"), jar.SetFlash(w, r, "c"), jar.SetReturnTo(w, r, "/")} {
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
	plain := newJar(t, func(c *cookies.Config) { c.InsecureLoopback, c.Plain = true, true })
	w := httptest.NewRecorder()
	if err := plain.SetTokens(w, request(), token.Pair{}); err == nil || len(w.Header()) != 0 {
		t.Errorf("plain tokens: %v", err)
	}
}
