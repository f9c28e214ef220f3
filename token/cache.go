package token

import (
	"context"
	"sync/atomic"
	"time"
)

// maxCached is how long a verified token is cached at most, so that a long-lived token
// is verified again from time to time and does not stay in memory.
const maxCached = time.Hour

// cached is the cache entry of a session token that verified. The key is the whole
// token: another signature, another header or one more byte is another entry.
type cached struct {
	claims    *Claims
	issuer    *issuer
	key       PublicKey
	keySeen   atomic.Uint64 // generation of the key set in which the key was last found
	unrevoked atomic.Uint64 // version of the revocations in which the session was last not found
	notBefore int64         // Unix nanoseconds, leeway included
	notAfter  int64
}

// remember caches a token that has just verified and is not revoked in the given
// version of the list.
func (v *Verifier) remember(raw string, found verified, version uint64) {
	claims := found.claims
	from := claims.IssuedAt
	if claims.NotBefore.After(from) {
		from = claims.NotBefore
	}
	until := claims.ExpiresAt.Add(v.leeway)
	if most := v.now().Add(maxCached); until.After(most) {
		until = most
	}
	e := &cached{
		claims:    claims,
		issuer:    found.issuer,
		key:       found.key,
		notBefore: from.Add(-v.leeway).UnixNano(),
		notAfter:  until.UnixNano(),
	}
	e.keySeen.Store(found.generation)
	e.unrevoked.Store(version)
	v.cache.Add(raw, e, until, footprint(raw, claims))
}

// recall returns the entry of a token that verified before and is still valid, or nil.
// In that case the token is verified from the start, which also finds the reason.
func (v *Verifier) recall(ctx context.Context, raw string) *cached {
	if v.cache == nil || len(raw) > MaxSize {
		return nil
	}
	entry := v.cache.Get(raw)
	if entry == nil {
		return nil
	}
	e := entry.Value
	if now := v.now().UnixNano(); now < e.notBefore || now >= e.notAfter || !e.keyInUse(ctx) {
		v.cache.Remove(entry)
		return nil
	}
	return e
}

// keyInUse reports whether the issuer still has the key that verified the token.
func (e *cached) keyInUse(ctx context.Context) bool {
	generation := e.issuer.generation()
	if generation != 0 && generation == e.keySeen.Load() {
		return true
	}
	key, err := e.issuer.keys.PublicKey(ctx, e.key.ID)
	if err != nil || !equalKeys(key, e.key) {
		return false
	}
	e.keySeen.Store(generation)
	return true
}

// revoked is Verifier.revoked, but searches again only if the list has grown.
func (e *cached) revoked(v *Verifier) bool {
	version := v.revocations.version() // before the search, so that a later addition is found next time
	if version == e.unrevoked.Load() {
		return false
	}
	if v.revoked(e.claims) {
		return true
	}
	e.unrevoked.Store(version)
	return false
}

// footprint estimates the memory that the claims of a token use: the decoded text and
// the fixed parts.
func footprint(raw string, c *Claims) int {
	const fixed, perString, perMember = 700, 16, 96
	n := fixed + len(raw)
	n += perString * (len(c.Audience) + len(c.AMR) + len(c.Roles) + len(c.Permissions))
	n += perMember * (len(c.Extra) + len(c.Tenants))
	for _, t := range c.Tenants {
		n += perString * (len(t.Roles) + len(t.Permissions))
	}
	return n
}
