package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"hash/maphash"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/usherkit/usher/token"
)

const (
	caseNothing = "nothing but WithContext"
	caseLookup  = "map look-up of the token"
	caseHash    = "SHA-256 of the token"
	caseVerify  = "raw ecdsa.Verify"
	caseSketch  = "sketch of a verified-token cache"
)

type ctxKey struct{}

// limitJobs are what no library can be faster than.
func (w *world) limitJobs() ([]job, error) {
	r := w.bearer()
	dot := strings.LastIndexByte(w.raw, '.')
	signature, err := base64.RawURLEncoding.DecodeString(w.raw[dot+1:])
	if err != nil {
		return nil, err
	}
	public, ok := w.key.Public().Key.(*ecdsa.PublicKey)
	if !ok {
		return nil, errors.New("the key is no ECDSA key")
	}
	digest := sha256.Sum256([]byte(w.raw[:dot]))
	half := len(signature) / 2
	rr, ss := new(big.Int).SetBytes(signature[:half]), new(big.Int).SetBytes(signature[half:])
	table := map[string]string{w.raw: userID}
	claims, err := w.verifier.ValidateSession(context.Background(), w.raw)
	if err != nil {
		return nil, err
	}
	fromContext := reached(func(r *http.Request) string {
		c, _ := r.Context().Value(ctxKey{}).(*token.Claims)
		return c.Subject
	}, userID)
	put := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		fromContext.ServeHTTP(rw, r.WithContext(context.WithValue(r.Context(), ctxKey{}, claims)))
	})
	sketch := newSketch(w.verifier.ValidateSession)
	return []job{
		{name: caseNothing, run: serve(put, r, false)},
		{name: caseLookup, run: func(n int) error {
			for range n {
				if table[strings.TrimPrefix(r.Header["Authorization"][0], "Bearer ")] != userID {
					return errors.New("not found")
				}
			}
			return nil
		}},
		{name: caseHash, run: func(n int) error {
			var sum byte
			for range n {
				h := sha256.Sum256([]byte(w.raw))
				sum |= h[0]
			}
			_ = sum
			return nil
		}},
		{name: caseVerify, run: func(n int) error {
			for range n {
				if !ecdsa.Verify(public, digest[:], rr, ss) {
					return errors.New("not verified")
				}
			}
			return nil
		}},
		{name: caseSketch, run: serve(sketch.require(fromContext), r, false)},
	}, nil
}

// sketch is the least that a cache of verified tokens must do at each request: hash
// the token, compare it as a whole, look at its time, at the generation of the keys,
// at the revocations, and put the claims into the context.
type sketch struct {
	seed       maphash.Seed
	mu         sync.RWMutex
	entries    map[uint64]*sketchEntry
	revoked    map[string]time.Time
	generation atomic.Uint64
	learn      func(ctx context.Context, raw string) (*token.Claims, error) // verifies what is not there
}

type sketchEntry struct {
	raw        string
	claims     *token.Claims
	expires    time.Time
	generation uint64
}

func newSketch(learn func(ctx context.Context, raw string) (*token.Claims, error)) *sketch {
	s := &sketch{seed: maphash.MakeSeed(), entries: map[uint64]*sketchEntry{}, revoked: map[string]time.Time{}, learn: learn}
	for n := range 100_000 {
		s.revoked["revoked-"+string(rune(n))] = time.Now().Add(24 * time.Hour)
	}
	return s
}

// first verifies a token that the sketch has not seen.
func (s *sketch) first(ctx context.Context, raw string) *sketchEntry {
	claims, err := s.learn(ctx, raw)
	if err != nil {
		return nil
	}
	e := &sketchEntry{raw: strings.Clone(raw), claims: claims, expires: claims.ExpiresAt, generation: s.generation.Load()}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entries[maphash.String(s.seed, raw)] = e
	return e
}

func (s *sketch) require(next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		raw, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !ok {
			rw.WriteHeader(http.StatusUnauthorized)
			return
		}
		s.mu.RLock()
		e := s.entries[maphash.String(s.seed, raw)]
		var revoked bool
		if e != nil {
			_, revoked = s.revoked[e.claims.SessionID]
		}
		s.mu.RUnlock()
		if e == nil {
			e = s.first(r.Context(), raw)
		}
		if e == nil || e.raw != raw || revoked || !time.Now().Before(e.expires) || e.generation != s.generation.Load() {
			rw.WriteHeader(http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(rw, r.WithContext(context.WithValue(r.Context(), ctxKey{}, e.claims)))
	})
}
