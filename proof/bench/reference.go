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
	caseContext   = "`http.Request.WithContext` alone"
	caseVerify    = "`ecdsa.Verify` alone"
	caseReference = "reference cache of verified tokens"
)

type contextKey struct{}

// lowerBounds are costs that no library can undercut.
func (f *fixture) lowerBounds() ([]benchmark, error) {
	v, err := f.verifier(-1)
	if err != nil {
		return nil, err
	}
	claims, err := v.ValidateSession(context.Background(), token.Secret(f.raw))
	if err != nil {
		return nil, err
	}
	public, ok := f.key.Public().Key.(*ecdsa.PublicKey)
	if !ok {
		return nil, errors.New("the key is not an ECDSA key")
	}
	dot := strings.LastIndexByte(f.raw, '.')
	signature, err := base64.RawURLEncoding.DecodeString(f.raw[dot+1:])
	if err != nil {
		return nil, err
	}
	digest, half := sha256.Sum256([]byte(f.raw[:dot])), len(signature)/2
	r, s := new(big.Int).SetBytes(signature[:half]), new(big.Int).SetBytes(signature[half:])
	next := protectedHandler(func(r *http.Request) string {
		c, _ := r.Context().Value(contextKey{}).(*token.Claims)
		return c.Subject
	}, userID)
	withContext := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(rw, r.WithContext(context.WithValue(r.Context(), contextKey{}, claims)))
	})
	return []benchmark{
		{name: caseContext, run: serveRepeatedly(withContext, f.bearer(), false)},
		{name: caseVerify, run: func(n int) error {
			for range n {
				if !ecdsa.Verify(public, digest[:], r, s) {
					return errors.New("the signature does not verify")
				}
			}
			return nil
		}},
		{name: caseReference, run: serveRepeatedly(newReferenceCache(f.raw, claims).require(next), f.bearer(), false)},
	}, nil
}

// referenceCache does the least that a cache of verified tokens must do for each
// request: hash the token, compare it, check its expiry, the generation of the keys
// and the revocations, and put the claims into the context.
type referenceCache struct {
	seed       maphash.Seed
	mu         sync.RWMutex
	entries    map[uint64]referenceEntry
	revoked    map[string]time.Time
	generation atomic.Uint64
}

type referenceEntry struct {
	raw        string
	claims     *token.Claims
	generation uint64
}

func newReferenceCache(raw string, claims *token.Claims) *referenceCache {
	c := &referenceCache{seed: maphash.MakeSeed(), entries: map[uint64]referenceEntry{}, revoked: map[string]time.Time{}}
	c.entries[maphash.String(c.seed, raw)] = referenceEntry{raw: raw, claims: claims}
	for n := range 100_000 {
		c.revoked["revoked-"+string(rune(n))] = time.Now().Add(24 * time.Hour)
	}
	return c
}

func (c *referenceCache) require(next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		raw, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		c.mu.RLock()
		e, ok := c.entries[maphash.String(c.seed, raw)]
		revoked := false
		if ok {
			_, revoked = c.revoked[e.claims.SessionID]
		}
		c.mu.RUnlock()
		if !ok || e.raw != raw || revoked || !time.Now().Before(e.claims.ExpiresAt) || e.generation != c.generation.Load() {
			rw.WriteHeader(http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(rw, r.WithContext(context.WithValue(r.Context(), contextKey{}, e.claims)))
	})
}
