package token

import (
	"context"
	"sync/atomic"
	"time"
)

// maxCached is how long a verified token is cached at most, so that a long-lived token
// is verified again from time to time and does not stay in memory.
const maxCached = time.Hour

// cached is the cache entry of a verified session token. The key of the entry is the
// whole token: another signature, another header or one more byte is another entry.
type cached struct {
	claims         *Claims
	issuer         *issuer
	key            PublicKey
	keyGeneration  atomic.Uint64 // generation of the key set in which the key was last found
	checkedVersion atomic.Uint64 // version of the revocations in which the session was last not found
	notBefore      int64         // Unix nanoseconds, leeway included
	notAfter       int64
}

// cacheToken caches a token that was just verified and is not revoked in the given
// version of the list.
func (v *Verifier) cacheToken(raw string, found verified, version uint64) {
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
	e.keyGeneration.Store(found.generation)
	e.checkedVersion.Store(version)
	v.cache.Add(raw, e, until, footprint(raw, claims))
}

// cachedToken returns the entry of a token that was verified before and is still valid,
// or nil. With nil the caller verifies the whole token, which also finds the reason why
// it is not valid.
func (v *Verifier) cachedToken(ctx context.Context, raw string) *cached {
	if v.cache == nil {
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
	if generation != 0 && generation == e.keyGeneration.Load() {
		return true
	}
	key, err := e.issuer.keys.PublicKey(ctx, e.key.ID)
	if err != nil || !equalKeys(key, e.key) {
		return false
	}
	e.keyGeneration.Store(generation)
	return true
}

// revoked is Verifier.revoked, but searches again only if the list has grown.
func (e *cached) revoked(v *Verifier) bool {
	version := v.revocations.version() // before the search, so that a later addition is found next time
	if version == e.checkedVersion.Load() {
		return false
	}
	if v.revoked(e.claims) {
		return true
	}
	e.checkedVersion.Store(version)
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
