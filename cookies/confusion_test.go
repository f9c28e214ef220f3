package cookies_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher/cookies"
	"github.com/usherkit/usher/token"
)

// The names that another host of the domain can set, and that lenient readers take for
// the name with the prefix, which that host cannot set.
func TestCK06_NoOtherNameIsTakenForTheSessionCookie(t *testing.T) {
	jar := newJar(t, nil)
	value := set(t, jar, request(), issue(t, "s1", 0))[0].Value
	for name, header := range map[string]string{
		"blank of Unicode":     "\u2000__Host-session=" + value,
		"no-break space":       "\u00a0__Host-session=" + value,
		"byte of a blank":      "\xa0__Host-session=" + value,
		"vertical tab":         "\v__Host-session=" + value,
		"lower case":           "__host-session=" + value,
		"percent":              "__%48ost-session=" + value,
		"no name":              "=__Host-session=" + value,
		"in a quoted value":    `x="; __Host-session=` + value[:len(value)-1],
		"old form of a cookie": `$Version=1; $__Host-session=` + value,
		"an array":             "__Host-session[]=" + value,
		"a comma":              "x=y,__Host-session=" + value,
	} {
		r := request()
		r.Header["Cookie"] = []string{header}
		if pair, _ := jar.Tokens(r); pair.Session != "" || len(allTokens(t, jar, r)) != 0 {
			t.Errorf("%s: the cookie is the session", name)
		}
	}
	r := request()
	r.Header["Cookie"] = []string{"a=b", "__Host-session=" + value} // HTTP/2 may send several lines
	if pair, _ := jar.Tokens(r); pair.Session == "" {
		t.Error("a second line is not read")
	}
}

// Each cookie of a jar is sealed for its own name. The value of one, under the name of
// another, opens nothing.
func TestCK06_NoCookieIsTakenForAnother(t *testing.T) {
	for _, loopback := range []bool{false, true} {
		jar := newJar(t, func(c *cookies.Config) { c.InsecureLoopback = loopback })
		r := request()
		if loopback {
			r.Host = "localhost"
		}
		w := httptest.NewRecorder()
		for name, err := range map[string]error{
			"session": jar.SetTokens(w, r, issue(t, "s1", 0)), "device": jar.SetDevice(w, r, "device", false), "flash": jar.SetFlash(w, r, "flash"),
			"acting": jar.SetImpersonation(w, r, issue(t, "s2", 0).Session, now().Add(time.Minute), "s1"),
			"reset":  jar.SetNote(w, r, "reset", "reset", 10*time.Minute), "verify": jar.SetNote(w, r, "verify", "verify", 10*time.Minute),
		} {
			if err != nil {
				t.Fatal(name, err)
			}
		}
		all := w.Result().Cookies()
		if len(all) != 6 {
			t.Fatalf("%d cookies", len(all))
		}
		for _, from := range all {
			for _, to := range all {
				moved := request(&http.Cookie{Name: to.Name, Value: from.Value})
				pair, _ := jar.Tokens(moved)
				acting, operator, _ := jar.Impersonation(moved)
				read := pair.Session + acting + token.Secret(operator) + jar.Device(moved) + jar.Note(moved, "reset") + jar.Note(moved, "verify")
				opened := read != "" || jar.Flash(httptest.NewRecorder(), moved) != ""
				if opened != (from.Name == to.Name) {
					t.Errorf("%s as %s: opened is %t", from.Name, to.Name, opened)
				}
			}
		}
		other := newJar(t, func(c *cookies.Config) { c.InsecureLoopback = !loopback })
		for _, c := range all {
			name := "__Host-" + c.Name
			if !loopback {
				name = strings.TrimPrefix(c.Name, "__Host-")
			}
			moved := request(&http.Cookie{Name: name, Value: c.Value})
			if pair, _ := other.Tokens(moved); pair.Session+other.Device(moved)+other.Note(moved, "reset") != "" {
				t.Errorf("%s opens under %s in a jar with another prefix", c.Name, name)
			}
		}
	}
}

// Any client can send such cookies without end.
func TestCK09_AConflictIsLoggedOnceAMinute(t *testing.T) {
	var log bytes.Buffer
	clock := start
	jar := newJar(t, func(c *cookies.Config) {
		c.Logger, c.Now = slog.New(slog.NewTextHandler(&log, nil)), func() time.Time { return clock }
	})
	r := request(append(set(t, jar, request(), issue(t, "s1", 0)), set(t, jar, request(), issue(t, "s2", 0))...)...)
	for n := 1; n <= 2; n++ {
		for range 20 {
			if !jar.RejectConflict(httptest.NewRecorder(), r) {
				t.Fatal("the cookies are accepted")
			}
		}
		if got := strings.Count(log.String(), "several session cookies belong to different sessions"); got != n {
			t.Errorf("%d lines, want %d", got, n)
		}
		clock = clock.Add(time.Minute)
	}
}
