package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/usherkit/usher/token"
)

const (
	floodIssuer = "https://flood.example.com"
	floodSecret = "f1ood-of-sessions-0123456789abcdef"
)

// floodToken signs with HMAC, which is fast; the cache does not depend on the
// algorithm.
func floodToken(n int) (string, error) {
	now := time.Now()
	t := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"iss": floodIssuer, "aud": audience, "sub": userID, "drn": "DS", "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
		"auth_time": now.Unix(), "amr": []string{"pwd"}, "roles": []string{"editor"}, "permissions": []string{strings.Repeat("write.", 20)},
		"sid": fmt.Sprint("flood-", n), "jti": fmt.Sprint("token-", n),
	})
	t.Header["typ"], t.Header["kid"] = "session+jwt", "flood"
	return t.SignedString([]byte(floodSecret))
}

// floodCache shows a verifier a great many sessions once each. The sessions in use
// must stay in its cache, and its memory must stay bounded.
func (s *suite) floodCache(f *fixture) error {
	key, err := token.SharedSecret("flood", token.Secret(floodSecret))
	if err != nil {
		return err
	}
	issuer := token.Issuer{URL: floodIssuer, Audiences: []string{audience}, Keys: key, Algorithms: []token.Algorithm{token.HS256}}
	verifier, err := f.verifier(0, issuer)
	if err != nil {
		return err
	}
	ctx := context.Background()
	used := make([]string, 2000)
	cached := make([]*token.Claims, len(used))
	for n := range used {
		p, err := f.issue(fmt.Sprint("used-", n))
		if err != nil {
			return err
		}
		used[n] = p.Session.Reveal()
		for range 2 { // a second sight makes a cache entry permanent
			if cached[n], err = verifier.ValidateSession(ctx, token.Secret(used[n])); err != nil {
				return err
			}
		}
	}
	hits := []benchmark{validateInTurn(verifier, used)}
	calm, err := interleave(s.ctx, hits, s.rounds, s.each)
	if err != nil {
		return err
	}
	before := heapBytes()
	for n := range s.flood {
		raw, err := floodToken(n)
		if err != nil {
			return err
		}
		if _, err := verifier.ValidateSession(ctx, token.Secret(raw)); err != nil {
			return fmt.Errorf("flood: %w", err)
		}
		if n%4 > 0 {
			continue
		}
		if _, err := verifier.ValidateSession(ctx, token.Secret(raw[:len(raw)-8]+"AAAAAAAA")); err == nil {
			return errors.New("a forged token was accepted")
		}
	}
	grown := (heapBytes() - before) / (1 << 20)
	kept := 0
	for n, raw := range used {
		claims, err := verifier.ValidateSession(ctx, token.Secret(raw))
		if err != nil {
			return err
		}
		if claims == cached[n] {
			kept++
		}
	}
	flooded, err := interleave(s.ctx, hits, s.rounds, s.each)
	if err != nil {
		return err
	}
	after, without := median(flooded[0].cpu), median(calm[0].cpu)
	what := fmt.Sprintf("%s sessions seen once, %s forged: ", thousands(s.flood), thousands(s.flood/4))
	s.goal(what+"2,000 sessions in use stay in the cache", fmt.Sprintf("%d of %d", kept, len(used)), "", kept == len(used))
	s.goal(what+"a hit costs at most 1.5 of a hit without them", nanos(after)+", without "+nanos(without), fmt.Sprintf("%.2f", after/without), after <= 1.5*without)
	s.goal(what+"the heap grows by at most the cache's 32 MiB", fmt.Sprintf("%.1f MiB", grown), "", grown <= 32)
	return nil
}

// validateInTurn validates tokens that are in the cache.
func validateInTurn(v *token.Verifier, tokens []string) benchmark {
	next := 0
	return benchmark{name: "hit", run: func(n int) error {
		for range n {
			if _, err := v.ValidateSession(context.Background(), token.Secret(tokens[next%len(tokens)])); err != nil {
				return err
			}
			next += 7
		}
		return nil
	}}
}

func heapBytes() float64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}
