package cookies_test

import (
	"net/http/httptest"
	"testing"
	"time"

	"github.com/usherkit/usher/cookies"
	"github.com/usherkit/usher/token"
)

// Whatever a Cookie header holds, tokens come out only of what the jar sealed.
func FuzzTokens(f *testing.F) {
	sealed, plain := newJar(f, nil), newJar(f, func(c *cookies.Config) { c.Plain = true })
	// Fixed, for a fuzzer's workers are other processes with another signing key.
	good := token.Pair{Session: "aa.bb.cc", Refresh: "dd.ee.ff", RefreshExpiresAt: start.Add(time.Hour)}
	value := set(f, sealed, request(), good)[0].Value
	for _, s := range []string{"", "__Host-session=", "__Host-session=" + value, "DS=a; DSR=b", "__Host-session=a; __Host-session=" + value, ";;=;", "__Host-session=\"" + value + "\""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, header string) {
		r := request()
		r.Header["Cookie"] = []string{header}
		pair, present := sealed.Tokens(r)
		if pair != (token.Pair{}) && (pair.Session != good.Session || pair.Refresh != good.Refresh || !present) {
			t.Fatalf("%q gives tokens", header)
		}
		if pair, present := plain.Tokens(r); !present && pair != (token.Pair{}) {
			t.Fatalf("%q gives tokens and no cookie", header)
		}
		w := httptest.NewRecorder()
		if sealed.Device(r) != "" || sealed.Flash(w, r) != "" || sealed.ReturnTo(w, r) != "" {
			t.Fatalf("%q gives a text", header)
		}
	})
}
