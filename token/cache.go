package token

import (
	"context"
	"sync/atomic"
	"time"
)

// maxCached is how long a verified token is kept at most, so that one with a far
// exp is verified again now and then and its text does not stay in memory.
const maxCached = time.Hour

// cached is what the cache keeps of a session token that verified. It is found by
// the whole credential: another signature, another header or one more byte is
// another entry.
type cached struct {
	claims    *Claims
	issuer    *issuer
	key       PublicKey
	keySeen   atomic.Uint64 // generation of the key set that the key was last found in
	unrevoked atomic.Uint64 // version of the revocations it was last not found in
	notBefore int64         // Unix nanoseconds, leeway included
	notAfter  int64
}

// remember keeps a token that has just verified and was not revoked in that version
// of the list.
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

// recall returns what is kept of a token that verified before and still holds, or
// nil: then the token is verified from the start, which also finds the reason.
func (v *Verifier) recall(ctx context.Context, raw string) *cached {
	if v.cache == nil || len(raw) > MaxSize {
		return nil
	}
	entry := v.cache.Get(raw)
	if entry == nil {
		return nil
	}
	e := entry.Value
	if now := v.now().UnixNano(); now < e.notBefore || now >= e.notAfter || !e.keyHolds(ctx) {
		v.cache.Remove(entry)
		return nil
	}
	return e
}

// keyHolds reports whether the issuer still has the key that verified the token.
func (e *cached) keyHolds(ctx context.Context) bool {
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

// revoked is Verifier.revoked, which is asked again only when the list has grown.
func (e *cached) revoked(v *Verifier) bool {
	version := v.revocations.version() // before the look: what is added meanwhile is seen next time
	if version == e.unrevoked.Load() {
		return false
	}
	if v.revoked(e.claims) {
		return true
	}
	e.unrevoked.Store(version)
	return false
}

// footprint estimates what the claims of a token cost in memory: what is decoded
// from its text, and the fixed parts.
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
