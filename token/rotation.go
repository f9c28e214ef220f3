package token

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Rotation is the rule of a key's life, as pure functions: who stores the keys, and
// which of several machines may write, is the caller's affair.
//
// A key goes through three phases. It is published and not yet used, so that every
// verifier has fetched it; then it signs; then a successor signs, and it stays
// published until the last token that it signed has expired. No phase depends on a
// program being awake at the right time: a successor that is late only lets its
// predecessor sign for longer.
type Rotation struct {
	// Every is how long a key signs. Defaults to 90 days.
	Every time.Duration
	// PublishAhead is how long a key is published before it signs. It must be
	// shorter than Every, and longer than verifiers keep a fetched set. The very
	// first key signs at once. Defaults to 24 hours.
	PublishAhead time.Duration
	// KeepAfter is how long a retired key stays published: the life of the longest
	// token. Defaults to 30 days.
	KeepAfter time.Duration
}

func (r Rotation) withDefaults() (Rotation, error) {
	r.Every = cmp.Or(r.Every, 90*24*time.Hour)
	r.PublishAhead = cmp.Or(r.PublishAhead, 24*time.Hour)
	r.KeepAfter = cmp.Or(r.KeepAfter, 30*24*time.Hour)
	switch {
	case r.PublishAhead < 0:
		return r, errors.New("token: Rotation.PublishAhead is negative")
	case r.KeepAfter < 0:
		return r, errors.New("token: Rotation.KeepAfter is negative")
	case r.Every <= r.PublishAhead:
		return r, fmt.Errorf("token: Rotation.Every of %v is not longer than PublishAhead of %v", r.Every, r.PublishAhead)
	}
	return r, nil
}

// Plan returns the keys as they should be at now, oldest first, and whether that
// differs from keys. It changes none of the given keys. Called again with its own
// result at the same instant it changes nothing. alg is the configured algorithm.
//
//   - Without a key it makes one that is active at once.
//   - When the key in use has served for Every less PublishAhead, or has another
//     algorithm than the configured one, it makes the successor, active after
//     PublishAhead. A successor of another algorithm that never signed is dropped.
//   - When a successor has taken over it notes RetiredAt and RemovedAt.
//   - It drops a retired key at RemovedAt.
//   - Dates that a clock running ahead has left behind are pulled back.
func (r Rotation) Plan(now time.Time, keys []*SigningKey, alg Algorithm) (next []*SigningKey, changed bool, err error) {
	if r, err = r.withDefaults(); err != nil {
		return nil, false, err
	}
	for _, k := range keys {
		if !k.RemovedAt.IsZero() && !now.Before(k.RemovedAt) {
			changed = true
			continue
		}
		copied := *k
		next = append(next, &copied)
	}
	slices.SortStableFunc(next, byActivation)

	current := SigningKeyAt(now, next)
	if current == nil {
		first, err := GenerateKey(alg, now)
		if err != nil {
			return nil, false, err
		}
		return append(next, first), true, nil
	}
	if current.ActiveAt.After(now) { // its predecessor is gone: it need not wait
		current.ActiveAt = now
		changed = true
	}
	if !current.RetiredAt.IsZero() {
		current.RetiredAt, current.RemovedAt = time.Time{}, time.Time{}
		changed = true
	}

	due := current.ActiveAt.Add(r.Every)
	if current.Algorithm != alg {
		due = now
	}
	activation := later(due, now.Add(r.PublishAhead))
	succeeded := false
	kept := next[:0]
	for _, k := range next {
		retired := !k.RetiredAt.IsZero() && !k.RetiredAt.After(now)
		switch {
		case k == current:
		case !retired && k.ActiveAt.After(now):
			if k.Algorithm != alg {
				changed = true
				continue
			}
			succeeded = true
			if k.ActiveAt.After(activation) {
				k.ActiveAt = activation
				changed = true
			}
		case !retired:
			// Counted from now and not from the takeover: the clock of that instant
			// may have been wrong, and keeping a public key for longer harms nobody.
			k.RetiredAt, k.RemovedAt = now, now.Add(r.KeepAfter)
			changed = true
		case k.RemovedAt.IsZero(): // retired by hand
			k.RemovedAt = now.Add(r.KeepAfter)
			changed = true
		}
		kept = append(kept, k)
	}
	next = kept
	if !succeeded && !now.Before(due.Add(-r.PublishAhead)) {
		successor, err := GenerateKey(alg, now)
		if err != nil {
			return nil, false, err
		}
		successor.ActiveAt = activation
		next = append(next, successor)
		changed = true
	}
	return next, changed, nil
}

// SigningKeyAt returns the key that signs at now: of those that are active and not
// retired the latest. Where none is active the one that will be first takes its
// place, for a clock that was set back is no reason to stop signing. It is nil
// where no key is left.
func SigningKeyAt(now time.Time, keys []*SigningKey) *SigningKey {
	var active, pending *SigningKey
	for _, k := range keys {
		switch {
		case !k.RetiredAt.IsZero() && !now.Before(k.RetiredAt):
		case k.ActiveAt.After(now):
			if pending == nil || byActivation(k, pending) < 0 {
				pending = k
			}
		case active == nil || byActivation(k, active) > 0:
			active = k
		}
	}
	if active != nil {
		return active
	}
	return pending
}

// byActivation has the id decide between equals, so that every machine agrees.
func byActivation(a, b *SigningKey) int {
	return cmp.Or(a.ActiveAt.Compare(b.ActiveAt), cmp.Compare(a.ID, b.ID))
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
