package store

import (
	"cmp"
	"crypto/subtle"
	"slices"
	"time"
)

// MaxRefreshTokens is the maximum number of live children that a [RefreshState] keeps,
// and the maximum number of its Retired tokens.
const MaxRefreshTokens = 8

// RefreshState identifies the refresh tokens of a session by hashes: SHA-256 of the
// jti. An exchanged token is the parent of the token that replaces it. Because the
// answer with that child can get lost, a parent gets a further child when it is
// presented again. The first child that is presented becomes the parent, and all
// other children of the same parent become invalid.
type RefreshState struct {
	// Current is the newest token. It has never been presented, unless rotation is
	// switched off.
	Current []byte
	// Previous is the parent of Current. It is empty if there is none.
	Previous []byte
	// RotatedAt is when Current was issued.
	RotatedAt time.Time
	// Siblings are the earlier children of Previous, oldest first. Like Current, each is
	// valid until one of them is presented.
	Siblings [][]byte
	// Retired are earlier parents, oldest first. Each still gets Current for a short time,
	// because other tabs of a browser may have read it earlier.
	Retired []RetiredToken
}

// RetiredToken is a refresh token whose child has been presented.
type RetiredToken struct {
	Hash []byte
	// Until is the time from which presenting the token ends the session: the grace
	// time after its child was issued.
	Until time.Time
}

// RefreshOutcome is the outcome of an exchange of a refresh token.
type RefreshOutcome int

// The outcomes of [SessionStore.SwapRefresh].
const (
	// RefreshSwapped: the client gets a new token, or keeps its token if rotation is
	// switched off. The session has changed.
	RefreshSwapped RefreshOutcome = iota + 1
	// RefreshReplayed: the token was exchanged within the grace time, or was only to be
	// validated. The session is unchanged.
	RefreshReplayed
	// RefreshReused: the token is invalid. The session has ended.
	RefreshReused
	// RefreshNotInTenant: the token is valid, and the user is not in the Tenant of the
	// swap. The session is unchanged, and the token is not exchanged.
	RefreshNotInTenant
)

// RefreshSwap is the input of [SessionStore.SwapRefresh].
type RefreshSwap struct {
	SessionID string
	// Presented is the hash of the presented refresh token.
	Presented []byte
	// Next is the hash of the token that replaces it. If Next equals Presented, rotation
	// is switched off: the client keeps its token. If Next is empty, the token is only
	// validated: nothing changes, except that an invalid token ends the session.
	Next []byte
	// Again is used instead of Next if the token has been exchanged before. If Again is
	// empty, such a token ends the session.
	Again []byte
	// Tenant becomes that of the session, whichever of its valid tokens is presented. The
	// user must be in the tenant. Empty selects none, and nil keeps the tenant.
	Tenant *string
	// Now becomes LastSeenAt, and Refresh.RotatedAt if a token is issued. Now plus Idle,
	// but at most ExpiresAt, becomes IdleExpiresAt.
	Now  time.Time
	Idle time.Duration
	// Grace is how long after a token is issued its parent, presented again, gets the
	// same token.
	Grace time.Duration
	// UserAgent and Address replace those of the session, unless they are empty.
	UserAgent, Address string
	// RevokedUntil is for the revocation of a session that ends by reuse.
	RevokedUntil time.Time
	// Swapped and Reused are the effects of these outcomes. Reused has the event of the
	// session that ends. A replay has none.
	Swapped, Reused Effects
}

// RefreshResult is the result of [SessionStore.SwapRefresh].
type RefreshResult struct {
	Outcome RefreshOutcome
	// Token is the hash of the token that the client gets: Presented, or Refresh.Current
	// of Session. It is empty after a reuse, and without the tenant.
	Token []byte
	// Session and User are those after the exchange. After a reuse, Session is the
	// one before it ended.
	Session SessionRecord
	User    User
}

// Apply decides what the presented token gets, and returns the user and the session after
// the exchange. Stores call Apply in the transaction of [SessionStore.SwapRefresh], for a
// session that has not expired, and store the session if the outcome is [RefreshSwapped].
func (in RefreshSwap) Apply(s SessionRecord, u User) RefreshResult {
	mayNot := in.Tenant != nil && *in.Tenant != "" && !u.InTenant(*in.Tenant)
	if mayNot {
		in.Next = nil // an invalid token ends the session all the same
	}
	r := in.exchange(s)
	r.User = u
	switch {
	case in.Tenant == nil || r.Outcome == RefreshReused:
	case mayNot:
		r.Outcome, r.Token = RefreshNotInTenant, nil
	case r.Session.Tenant != *in.Tenant:
		// A replay selects the tenant, too: another tab may have exchanged the token.
		r.Outcome, r.Session.Tenant = RefreshSwapped, *in.Tenant
	}
	return r
}

// exchange is Apply without the tenant and the user.
func (in RefreshSwap) exchange(s SessionRecord) RefreshResult {
	r := &s.Refresh
	now := in.Now.UTC().Truncate(time.Microsecond)
	validateOnly, keep := len(in.Next) == 0, equalHash(in.Presented, in.Next)
	retired := slices.IndexFunc(r.Retired, func(t RetiredToken) bool { return equalHash(t.Hash, in.Presented) })
	isParent := retired < 0 && equalHash(in.Presented, r.Previous)
	isChild := r.isChild(in.Presented)

	unchanged := RefreshResult{Outcome: RefreshReplayed, Token: r.Current, Session: s}
	if validateOnly {
		unchanged.Token = in.Presented
	}
	issued := in.Next
	switch {
	case validateOnly && (isChild || isParent):
		return unchanged
	case isChild:
		*r = in.nextGeneration(*r, now)
	case retired >= 0 && now.Before(r.Retired[retired].Until),
		isParent && now.Before(r.repeatsUntil(in.Grace)),
		isParent && equalHash(in.Again, r.Current):
		return unchanged
	case isParent && keep: // its children stay valid
	case isParent && len(in.Again) > 0:
		issued = in.Again
		siblings := append(slices.Clone(r.Siblings), r.Current)
		siblings = slices.DeleteFunc(siblings, func(h []byte) bool { return equalHash(h, issued) })
		r.Siblings = siblings[max(0, len(siblings)+1-MaxRefreshTokens):]
		r.Current, r.RotatedAt = issued, now
	default:
		return RefreshResult{Outcome: RefreshReused, Session: s}
	}
	s.LastSeenAt = now
	s.IdleExpiresAt = now.Add(in.Idle).Truncate(time.Microsecond)
	if s.IdleExpiresAt.After(s.ExpiresAt) {
		s.IdleExpiresAt = s.ExpiresAt
	}
	s.UserAgent = cmp.Or(in.UserAgent, s.UserAgent)
	s.Address = cmp.Or(in.Address, s.Address)
	return RefreshResult{Outcome: RefreshSwapped, Token: issued, Session: s}
}

// nextGeneration returns the state after a child was presented: its siblings are
// invalid, and its parent is retired. Unless rotation is switched off, the child is the
// parent of Next.
func (in RefreshSwap) nextGeneration(r RefreshState, now time.Time) RefreshState {
	next := RefreshState{Current: in.Next, Previous: in.Presented, RotatedAt: now}
	for _, t := range r.Retired {
		if now.Before(t.Until) && !equalHash(t.Hash, r.Previous) {
			next.Retired = append(next.Retired, t)
		}
	}
	until := r.repeatsUntil(in.Grace)
	if len(r.Previous) > 0 && now.Before(until) {
		next.Retired = append(next.Retired, RetiredToken{r.Previous, until})
	}
	next.Retired = next.Retired[max(0, len(next.Retired)-MaxRefreshTokens):]
	if equalHash(in.Presented, in.Next) { // rotation is switched off
		next.Previous, next.RotatedAt = nil, r.RotatedAt
		if len(next.Retired) > 0 {
			next.Previous = r.Previous // for the Service, which derives Current from it
		}
	}
	return next
}

// repeatsUntil returns the time until which Previous, presented again, gets Current.
// If Previous has many children this is the zero time. Otherwise an attacker who
// presents a stolen token again and again would always get the same token as its owner.
func (r RefreshState) repeatsUntil(grace time.Duration) time.Time {
	if len(r.Siblings)+1 >= MaxRefreshTokens {
		return time.Time{}
	}
	return r.RotatedAt.Add(grace)
}

// isChild reports whether the token with that hash may be presented for the first time.
func (r RefreshState) isChild(hash []byte) bool {
	return equalHash(hash, r.Current) ||
		slices.ContainsFunc(r.Siblings, func(h []byte) bool { return equalHash(hash, h) })
}

// Validates reports whether r has the token with that hash as a valid one at now: a
// child, or a token that was exchanged within the grace time.
func (r RefreshState) Validates(hash []byte, now time.Time, grace time.Duration) bool {
	return r.isChild(hash) || equalHash(hash, r.Previous) && now.Before(r.RotatedAt.Add(grace)) ||
		slices.ContainsFunc(r.Retired, func(t RetiredToken) bool { return equalHash(hash, t.Hash) && now.Before(t.Until) })
}

// equalHash compares in constant time. An empty hash equals nothing.
func equalHash(a, b []byte) bool {
	return len(a) > 0 && subtle.ConstantTimeCompare(a, b) == 1
}
