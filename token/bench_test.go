package token_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/usherkit/usher/internal/signing"
	"github.com/usherkit/usher/token"
)

// crowded adds what a busy program has: a long list of revocations.
func crowded(tb testing.TB) (*world, string) {
	w := newWorld(tb)
	for n := range 100_000 {
		w.revocations.Add(fmt.Sprint("session-", n), w.now().Add(time.Hour))
	}
	return w, sign(tb, w.key, w.issue())
}

func TestValidateSession_CachedAllocations(t *testing.T) {
	w, raw := crowded(t)
	ctx := context.Background()
	if n := testing.AllocsPerRun(1000, func() {
		if _, err := w.verifier.ValidateSession(ctx, token.Secret(raw)); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations for a cached token, want none", n)
	}
}

func BenchmarkVerifyFirst(b *testing.B) {
	w, raw := crowded(b)
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := w.verifier.Verify(ctx, token.Secret(raw), token.TypeSession); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkValidateCached(b *testing.B) {
	key := newKey(b, token.ES256)
	revocations := token.NewRevocations()
	for n := range 100_000 {
		revocations.Add(fmt.Sprint("session-", n), time.Now().Add(time.Hour))
	}
	v, err := token.NewVerifier(token.VerifierConfig{ // on the real clock, which costs too
		Issuers:     []token.Issuer{{URL: testIssuer, Audiences: []string{testAudience}, Keys: newKeySet(b, key.Public())}},
		Revocations: revocations,
	})
	if err != nil {
		b.Fatal(err)
	}
	raw := sign(b, key, signing.Claims{
		Type: token.TypeSession, Issuer: testIssuer, Audience: []string{testAudience}, Subject: "u1", SessionID: "s1", ID: "j1",
		IssuedAt: time.Now(), ExpiresAt: time.Now().Add(time.Hour),
	})
	ctx := context.Background()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := v.ValidateSession(ctx, token.Secret(raw)); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkRevoked(b *testing.B) {
	w, _ := crowded(b)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if !w.revocations.Revoked("session-4711") || w.revocations.Revoked("session-of-another") {
				b.Fatal("wrong answer")
			}
		}
	})
}

func BenchmarkSign(b *testing.B) {
	w, _ := crowded(b)
	i := w.issue()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := signing.Sign(w.key, i); err != nil {
			b.Fatal(err)
		}
	}
}
