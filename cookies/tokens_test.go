package cookies_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gorilla/sessions"

	"github.com/usherkit/usher/cookies"
	"github.com/usherkit/usher/token"
)

func TestOpenedCookies_AreReadWithoutOpeningThemAgain(t *testing.T) {
	jar := newJar(t, nil)
	want := issue(t, "s1", 3)
	r := request(&http.Cookie{Name: "theme", Value: "dark"}, set(t, jar, request(), want)[0])
	first, _ := jar.Tokens(r)
	if diff := cmp.Diff(want, first); diff != "" {
		t.Fatal(diff)
	}
	if n := testing.AllocsPerRun(100, func() {
		if got, present := jar.Tokens(r); !present || got != first {
			t.Fatal("another pair")
		}
	}); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
	off := newJar(t, func(c *cookies.Config) { c.CacheBytes = -1 })
	if n := testing.AllocsPerRun(10, func() { off.Tokens(r) }); n == 0 {
		t.Error("not opened, with the cache off")
	}
}

// sameBytes reports whether two values of a sealed cookie encode the same bytes.
func sameBytes(a, b string) bool {
	x, errX := base64.URLEncoding.DecodeString(a)
	y, errY := base64.URLEncoding.DecodeString(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

func TestOpenedCookies_EveryOtherTextIsOpened(t *testing.T) {
	jar := newJar(t, nil)
	c := set(t, jar, request(), issue(t, "s1", 0))[0]
	for range 3 { // also once it has been seen again
		if p, _ := jar.Tokens(request(c)); p.Session == "" {
			t.Fatal("the good one does not open")
		}
	}
	for i := range c.Value {
		changed := []byte(c.Value)
		if changed[i]++; changed[i] == '-'+1 || changed[i] == 'Z'+1 || changed[i] == '_'+1 || changed[i] == 'z'+1 || changed[i] == '9'+1 {
			changed[i] = 'A'
		}
		if sameBytes(string(changed), c.Value) { // the last character has bits that are not used
			continue
		}
		forged := *c
		forged.Value = string(changed)
		if p, present := jar.Tokens(request(&forged)); !present || p != (token.Pair{}) {
			t.Fatalf("byte %d changed: %v", i, present)
		}
	}
	another := set(t, jar, request(), issue(t, "s2", 0))[0]
	if p, _ := jar.Tokens(request(another)); p.Session == "" {
		t.Fatal("the other one does not open")
	}
	if p, present := jar.Tokens(request(another, c)); !present || p != (token.Pair{}) {
		t.Error("one of two sessions was taken")
	}
	other := newJar(t, func(c *cookies.Config) { c.Secret = secret2 })
	if p, _ := other.Tokens(request(c)); p != (token.Pair{}) {
		t.Error("another jar opened it")
	}
}

// A store may delete a session at any time, so that its cookies are not cached.
func TestOpenedCookies_AStoreIsAlwaysRead(t *testing.T) {
	store := sessions.NewFilesystemStore(t.TempDir(), []byte(strings.Repeat("k", 32)))
	store.MaxLength(0)
	jar := newJar(t, func(c *cookies.Config) { c.Secret, c.Store = "", store })
	c := set(t, jar, request(), issue(t, "s1", 0))[0]
	for range 3 {
		if p, _ := jar.Tokens(request(c)); p.Session == "" {
			t.Fatal("not there")
		}
	}
	jar.ClearTokens(httptest.NewRecorder(), request(c))
	if p, _ := jar.Tokens(request(c)); p != (token.Pair{}) {
		t.Error("an erased session was read")
	}
}

// Tokens leave the cache when the session token expires.
func TestOpenedCookies_ExpiredOnesLeaveMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		jar := newJar(t, func(c *cookies.Config) { c.Now = time.Now })
		p := issue(t, "s1", 0)
		p.SessionExpiresAt, p.RefreshExpiresAt = time.Now().Add(10*time.Minute).Truncate(time.Second), time.Now().AddDate(0, 0, 14)
		r := request(set(t, jar, request(), p)[0])
		opened := func() bool { return testing.AllocsPerRun(1, func() { jar.Tokens(r) }) > 0 }
		jar.Tokens(r)
		time.Sleep(9 * time.Minute)
		if opened() {
			t.Error("left the cache too early")
		}
		time.Sleep(2*time.Minute + time.Second)
		if !opened() {
			t.Error("still in the cache after expiry")
		}
		if p, _ := jar.Tokens(r); p.Refresh == "" {
			t.Error("the refresh token must still be found")
		}
		if !opened() {
			t.Error("cached again after expiry")
		}
		runtime.KeepAlive(jar)
	})
}

// CacheBytes bounds what the cache holds: the text of the cookies and their tokens.
func TestOpenedCookies_TheCacheIsBounded(t *testing.T) {
	jar := newJar(t, func(c *cookies.Config) { c.CacheBytes = 1 << 20 })
	held := 0
	var all []*http.Request
	for i := range 600 {
		one := token.Secret(fmt.Sprintf("%01000d", i)) // no JWT, so that it is not packed
		p := token.Pair{Session: one, Refresh: one, SessionExpiresAt: start.Add(time.Hour), RefreshExpiresAt: start.Add(time.Hour)}
		c := set(t, jar, request(), p)[0]
		all = append(all, request(c))
		jar.Tokens(all[i])
		jar.Tokens(all[i])
	}
	for _, r := range all {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		jar.Tokens(r)
		if runtime.ReadMemStats(&after); after.Mallocs == before.Mallocs { // not opened
			_, value, _ := strings.Cut(r.Header.Get("Cookie"), "=")
			held += len(value) + 2*1000
		}
	}
	if held > 1<<20 || held < 1<<19 {
		t.Errorf("the cache holds %d bytes", held)
	}
}

func TestOpenedCookies_ManyAtOnce(t *testing.T) {
	jar := newJar(t, nil)
	var rs []*http.Request
	var want []token.Pair
	for _, sid := range strings.Fields("a b c d e f g h") {
		p := issue(t, sid, 0)
		want = append(want, p)
		rs = append(rs, request(set(t, jar, request(), p)[0]))
	}
	var wrong atomic.Int64
	done := make(chan struct{})
	for range 8 {
		go func() {
			for n := range 400 {
				if got, _ := jar.Tokens(rs[n%8]); got != want[n%8] {
					wrong.Add(1)
				}
			}
			done <- struct{}{}
		}()
	}
	for range 8 {
		<-done
	}
	if wrong.Load() != 0 {
		t.Errorf("%d saw another's tokens", wrong.Load())
	}
}

// Whatever a Cookie header contains, Tokens returns only tokens that the jar sealed.
func FuzzTokens(f *testing.F) {
	sealed, plain := newJar(f, nil), newJar(f, func(c *cookies.Config) { c.Plain = true })
	// Fixed tokens, because the workers of a fuzzer have different signing keys.
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
		if sealed.Device(r) != "" || sealed.Flash(w, r) != "" {
			t.Fatalf("%q gives a text", header)
		}
	})
}
