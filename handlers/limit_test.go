package handlers_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/handlers"
)

func TestSI01_RetryAfterIsWholeSecondsAndTellsTheTruth(t *testing.T) {
	t.Parallel()
	bothModes(t, func(t *testing.T, m mode) {
		k := newKit(t, m, setup{})
		k.signUp(ann)
		hashes := k.svc.Hashes()
		for range 5 {
			k.do(post("/signin", signUpBody(ann, otherPassword))).want(t, 401, "invalid_credentials")
		}
		k.clock.add(400 * time.Millisecond)
		a := k.do(post("/signin", signUpBody(ann, goodPassword))).want(t, 429, "too_many_requests")
		if got := a.header.Get("Retry-After"); !regexp.MustCompile(`^[0-9]+$`).MatchString(got) || got != "30" {
			t.Errorf("Retry-After is %q, want 30: 29.6 rounded up", got)
		}
		if n := k.svc.Hashes() - hashes; n != 5 {
			t.Errorf("%d hashes were computed, want 5", n)
		}
		k.clock.add(29600*time.Millisecond - time.Microsecond)
		if a := k.do(post("/signin", signUpBody(ann, goodPassword))).want(t, 429, "too_many_requests"); a.header.Get("Retry-After") != "1" {
			t.Errorf("Retry-After is %q, want 1", a.header.Get("Retry-After"))
		}
		k.clock.add(time.Microsecond)
		k.do(post("/signin", signUpBody(ann, goodPassword))).want(t, 200, "")
	})
}

// from sends a sign-in from an address.
func (k *kit) from(remote string, header map[string]string) int {
	r := httptest.NewRequest(http.MethodPost, "https://app.example/auth/signin", strings.NewReader(signUpBody(ann, otherPassword)))
	r.RemoteAddr = remote
	r.Header.Set("Content-Type", "application/json")
	for name, value := range header {
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	k.server.ServeHTTP(w, r)
	return w.Code
}

func TestSI08_TheAddressIsTheConnections(t *testing.T) {
	t.Parallel()
	k := newKit(t, inBodies, setup{})
	k.signUp(ann)
	for i := range 7 {
		claimed := fmt.Sprintf("198.51.100.%d", i)
		header := map[string]string{"Forwarded": "for=" + claimed}
		for _, name := range []string{"X-Forwarded-For", "X-Real-IP", "True-Client-IP", "X-Client-IP"} {
			header[name] = claimed
		}
		want := map[bool]int{true: 401, false: 429}[i < 5]
		if got := k.from("203.0.113.9:1000", header); got != want {
			t.Errorf("try %d: %d, want %d", i+1, got, want)
		}
	}
	k = newKit(t, inBodies, setup{})
	k.signUp(ann)
	for i := range 7 {
		want := map[bool]int{true: 401, false: 429}[i < 5]
		if got := k.from(fmt.Sprintf("[2001:db8:1:2:%x::1]:1000", i), nil); got != want {
			t.Errorf("one /64, try %d: %d, want %d", i+1, got, want)
		}
	}
}

func TestSI08_ATrustedProxySaysWhoItIs(t *testing.T) {
	t.Parallel()
	k := newKit(t, inBodies, setup{config: func(c *handlers.Config) {
		c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	}})
	k.signUp(ann)
	for i := range 7 {
		// What the client claims stands on the left.
		chain := fmt.Sprintf("198.51.100.%d, 203.0.113.9, 10.1.1.1", i)
		want := map[bool]int{true: 401, false: 429}[i < 5]
		if got := k.from("10.0.0.1:1000", map[string]string{"X-Forwarded-For": chain}); got != want {
			t.Errorf("try %d: %d, want %d", i+1, got, want)
		}
	}
	if got := k.from("10.0.0.1:1000", map[string]string{"X-Forwarded-For": "203.0.113.10"}); got != 401 {
		t.Errorf("another client behind the proxy: %d, want 401", got)
	}
	events, err := k.svc.Events(t.Context(), usher.EventQuery{Name: usher.EventSignInFailed})
	if err != nil || len(events) == 0 || events[0].Address != "203.0.113.10" {
		t.Errorf("events are %v, %v", events, err)
	}
}
