package token_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usherkit/usher/internal/signing"
	"github.com/usherkit/usher/token"
)

// isHit reports whether b is the value that a put into the cache.
func isHit(a, b *token.Claims) bool { return a == b }

func TestCache_HitsShareTheClaims(t *testing.T) {
	w := newWorld(t)
	raw := sign(t, w.key, w.issue())
	first := w.accepted(t, raw)
	for range 3 {
		if !isHit(first, w.accepted(t, strings.Clone(raw))) {
			t.Error("verified again")
		}
	}
	off := newWorld(t, func(c *token.VerifierConfig) { c.CacheBytes = -1 })
	raw = sign(t, off.key, off.issue())
	if isHit(off.accepted(t, raw), off.accepted(t, raw)) {
		t.Error("cached, with the cache off")
	}
}

func TestCache_EveryOtherTextIsAnotherToken(t *testing.T) {
	w := newWorld(t)
	raw := sign(t, w.key, w.issue())
	w.accepted(t, raw)
	w.accepted(t, raw)
	for i := range raw {
		changed := []byte(raw)
		if changed[i] ^= 1; changed[i] == raw[i] {
			continue
		}
		if _, err := w.verifier.ValidateSession(context.Background(), token.Secret(string(changed))); !errors.Is(err, token.ErrInvalid) {
			t.Fatalf("byte %d changed: %v", i, err)
		}
	}
	w.accepted(t, raw)
}

func TestCache_TimeIsCheckedAtEachHit(t *testing.T) {
	w := newWorld(t)
	raw := sign(t, w.key, w.issue())
	first := w.accepted(t, raw)
	w.advance(10*time.Minute + 5*time.Second - 1) // the last instant of the leeway
	if !isHit(first, w.accepted(t, raw)) {
		t.Error("not served from the cache until the end")
	}
	w.advance(1)
	if _, err := w.verifier.ValidateSession(context.Background(), token.Secret(raw)); !errors.Is(err, token.ErrExpired) {
		t.Errorf("expired: %v", err)
	}

	w = newWorld(t)
	raw = sign(t, w.key, w.issue())
	w.accepted(t, raw)
	w.advance(-6 * time.Second) // the clock was set back
	w.refused(t, raw, token.ReasonNotYetValid)
	w.advance(6 * time.Second)
	w.accepted(t, raw)

	w = newWorld(t)
	early := w.issue() // of an issuer whose clock is ahead by the leeway
	early.IssuedAt = w.now().Add(5 * time.Second)
	raw = sign(t, w.key, early)
	if !isHit(w.accepted(t, raw), w.accepted(t, raw)) {
		t.Error("not served from the cache from the beginning")
	}
}

func TestCache_RemovedKeysBiteAtOnce(t *testing.T) {
	for _, generations := range []bool{true, false} {
		t.Run(fmt.Sprintf("generations %v", generations), func(t *testing.T) {
			w := newWorld(t, func(c *token.VerifierConfig) {
				if !generations {
					c.Issuers[0].Keys = &countingSource{KeySource: c.Issuers[0].Keys}
				}
			})
			other := newKey(t, token.ES256)
			raw := sign(t, w.key, w.issue())
			first := w.accepted(t, raw)
			if err := w.keys.Replace(w.key.Public(), other.Public()); err != nil {
				t.Fatal(err)
			}
			if !isHit(first, w.accepted(t, raw)) {
				t.Error("an added key emptied the cache")
			}
			if err := w.keys.Replace(other.Public()); err != nil {
				t.Fatal(err)
			}
			w.refused(t, raw, token.ReasonKey)

			impostor := other.Public()
			impostor.ID = w.key.ID
			if err := w.keys.Replace(w.key.Public()); err != nil {
				t.Fatal(err)
			}
			w.accepted(t, raw)
			if err := w.keys.Replace(impostor); err != nil { // the same kid, another key
				t.Fatal(err)
			}
			w.refused(t, raw, token.ReasonSignature)
			if err := w.keys.Replace(); err != nil {
				t.Fatal(err)
			}
			if _, err := w.verifier.ValidateSession(context.Background(), token.Secret(raw)); !errors.Is(err, token.ErrUnavailable) {
				t.Errorf("no keys: %v", err)
			}
		})
	}
}

// A key that gets another algorithm verifies none of its earlier tokens.
func TestCache_AKeyWithAnotherAlgorithmIsAnotherKey(t *testing.T) {
	w := newWorld(t, func(c *token.VerifierConfig) {
		c.Issuers[0].Algorithms = []token.Algorithm{token.RS256, token.PS256}
	})
	key := newKey(t, token.RS256)
	public := key.Public()
	if err := w.keys.Replace(public); err != nil {
		t.Fatal(err)
	}
	raw := sign(t, key, w.issue())
	w.accepted(t, raw)
	public.Algorithm = token.PS256
	if err := w.keys.Replace(public); err != nil {
		t.Fatal(err)
	}
	w.refused(t, raw, token.ReasonAlgorithm)
}

func TestSE07_RevocationGoesBySessionAndNotByBytes(t *testing.T) {
	w := newWorld(t)
	raw := sign(t, w.key, w.issue())
	w.accepted(t, raw)
	twin := malleate(t, raw)
	if twin == raw {
		t.Fatal("the signature is the same")
	}
	w.accepted(t, twin) // ECDSA itself accepts both
	again := w.issue()
	again.ID = "j2"
	w.revocations.Add("s1", w.now().Add(time.Hour))
	for name, text := range map[string]string{"cached": raw, "re-encoded": twin, "another token of the session": sign(t, w.key, again)} {
		if claims, err := w.verifier.ValidateSession(context.Background(), token.Secret(text)); claims != nil || !errors.Is(err, token.ErrRevoked) || !errors.Is(err, token.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := w.verifier.Verify(context.Background(), token.Secret(raw), token.TypeSession); err != nil {
		t.Errorf("Verify looks at revocations: %v", err)
	}
	other := w.issue()
	other.SessionID = "s2"
	w.accepted(t, sign(t, w.key, other))
}

// A token that is revoked, has expired or lost its key is never accepted again, whatever
// happens concurrently.
func TestCache_NothingEndedIsServedUnderLoad(t *testing.T) {
	for _, end := range []string{"revoked", "expired", "key removed"} {
		t.Run(end, func(t *testing.T) {
			w := newWorld(t)
			raw := sign(t, w.key, w.issue())
			var ended atomic.Bool
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() {
					for range 500 {
						over := ended.Load() // before the call: what is over then must stay over
						_, err := w.verifier.ValidateSession(context.Background(), token.Secret(raw))
						if over && err == nil {
							t.Error("served after its end")
							return
						}
					}
				})
			}
			runtime.Gosched()
			switch end {
			case "revoked":
				w.revocations.Add("s1", w.now().Add(time.Hour))
			case "expired":
				w.advance(time.Hour)
			case "key removed":
				if err := w.keys.Replace(); err != nil {
					t.Error(err)
				}
			}
			ended.Store(true)
			wg.Wait()
		})
	}
}

// In 1,000 concurrent requests with different tokens, each gets its own claims.
func TestCache_EachCallerGetsItsOwnClaims(t *testing.T) {
	w := newWorld(t)
	raws := make([]string, 250)
	for n := range raws {
		i := w.issue()
		i.Subject, i.ID, i.SessionID = fmt.Sprint("u", n), fmt.Sprint("j", n), fmt.Sprint("s", n)
		i.Roles = []string{fmt.Sprint("role", n)}
		raws[n] = sign(t, w.key, i)
	}
	var wg sync.WaitGroup
	for n := range 1000 {
		wg.Go(func() {
			n %= len(raws)
			shared, err := w.verifier.ValidateSession(context.Background(), token.Secret(raws[n]))
			if err != nil {
				t.Error(err)
				return
			}
			c := shared.Clone()
			if c.Subject != fmt.Sprint("u", n) || !c.HasRole(fmt.Sprint("role", n)) {
				t.Errorf("caller %d is %s", n, c.Subject)
			}
			c.Roles[0], c.Extra["plan"][0], c.Tenants["t1"].Roles[0] = "admin", 'x', "admin" // -race finds what is shared
		})
	}
	wg.Wait()
	for n, raw := range raws {
		if c := w.accepted(t, raw); c.HasRole("admin") || c.Tenants["t1"].Roles[0] != "owner" {
			t.Fatalf("caller %d changed the claims of the next: %+v", n, c)
		}
	}
}

func TestCache_FloodsDoNotEvictTheWorkingSet(t *testing.T) {
	w := newWorld(t, func(c *token.VerifierConfig) { c.CacheBytes = 1 << 20 })
	issue := w.issue()
	issueN := func(n int) string {
		issue.ID = fmt.Sprint("j", n)
		return sign(t, w.key, issue)
	}
	working := make([]string, 50)
	claims := make([]*token.Claims, len(working))
	for n := range working {
		working[n] = issueN(n)
		claims[n] = w.accepted(t, working[n])
		w.accepted(t, working[n]) // the second sight
	}
	for n := range 3000 { // ten times what fits, each seen once
		w.accepted(t, issueN(1000+n))
		if n%100 == 0 {
			forged := issueN(1000 + n)
			_, _ = w.verifier.ValidateSession(context.Background(), token.Secret(forged[:len(forged)-4]+"AAAA"))
		}
	}
	for n, raw := range working {
		if !isHit(claims[n], w.accepted(t, raw)) {
			t.Fatalf("token %d of the working set was evicted", n)
		}
	}
}

func TestCache_StaysWithinItsBytes(t *testing.T) {
	const limit = 4 << 20
	for name, custom := range map[string]map[string]any{
		"small tokens": nil,
		"large tokens": {"x": strings.Repeat("x", 5000)},
		"many members": func() map[string]any {
			m := map[string]any{}
			for n := range 150 {
				m[fmt.Sprint("member-", n)] = n
			}
			return m
		}(),
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(c *token.VerifierConfig) { c.CacheBytes = limit })
			key := newKey(t, token.EdDSA)
			if err := w.keys.Replace(key.Public()); err != nil {
				t.Fatal(err)
			}
			i := w.issue()
			i.Custom = custom
			count := 2500
			if custom != nil {
				count = 700
			}
			before := heap()
			for n := range count {
				i.ID = fmt.Sprint("j", n)
				raw := sign(t, key, i)
				w.accepted(t, raw)
				w.accepted(t, raw)
			}
			if grown := heap() - before; grown > limit*5/4 {
				t.Errorf("the heap grew by %d bytes, the limit is %d", grown, limit)
			} else if grown < limit/4 {
				t.Errorf("the heap grew by %d bytes only: the limit of %d is not used", grown, limit)
			}
			runtime.KeepAlive(w)
		})
	}
}

func heap() int {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// An expired token leaves the memory, even without further requests.
func TestCache_ExpiredTokensLeaveMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key := newKey(t, token.ES256)
		v := trusting(t, newKeySet(t, key.Public()))
		var gone atomic.Int64
		for n := range 20 {
			raw := sign(t, key, signing.Claims{
				Type: token.TypeSession, Issuer: testIssuer, Audience: []string{testAudience}, Subject: "u", SessionID: "s", ID: fmt.Sprint(n),
				IssuedAt: time.Now(), ExpiresAt: time.Now().Add(10 * time.Minute),
			})
			claims, err := v.ValidateSession(t.Context(), token.Secret(raw))
			if err != nil {
				t.Fatal(err)
			}
			if n%2 == 0 { // in the main segment, too
				_, _ = v.ValidateSession(t.Context(), token.Secret(raw))
			}
			runtime.AddCleanup(claims, func(int) { gone.Add(1) }, 0)
		}
		settle := func() int64 {
			for range 10 {
				runtime.GC()
				time.Sleep(time.Millisecond)
			}
			return gone.Load()
		}
		time.Sleep(9 * time.Minute)
		if n := settle(); n != 0 {
			t.Fatalf("%d tokens left before their time", n)
		}
		time.Sleep(3 * time.Minute)
		if n := settle(); n != 20 {
			t.Errorf("%d of 20 tokens left", n)
		}
		runtime.KeepAlive(v)
	})
}
