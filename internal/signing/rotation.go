package signing

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/usherkit/usher/token"
)

// Rotation is the schedule by which signing keys replace each other. It keeps no
// state: the caller stores the keys and decides which instance may write.
//
// A key has three phases. First it is published but not used, so that every verifier
// fetches it in time. Then it signs. Then a successor signs, and the key stays
// published until the last token that it signed has expired. No phase depends on a
// program running at the right moment: if a successor is late, its predecessor signs
// for longer.
type Rotation struct {
	// Every is how long a key signs. Defaults to 90 days.
	Every time.Duration
	// PublishAhead is how long a key is published before it signs. It must be
	// shorter than Every, and longer than verifiers keep a fetched set. The very
	// first key signs at once. Defaults to 24 hours.
	PublishAhead time.Duration
	// KeepAfter is how long a retired key stays published: the lifetime of the
	// longest token. Defaults to 30 days.
	KeepAfter time.Duration
}

func (r Rotation) withDefaults() (Rotation, error) {
	r.Every = cmp.Or(r.Every, 90*24*time.Hour)
	r.PublishAhead = cmp.Or(r.PublishAhead, 24*time.Hour)
	r.KeepAfter = cmp.Or(r.KeepAfter, 30*24*time.Hour)
	switch {
	case r.PublishAhead < 0:
		return r, errors.New("signing: Rotation.PublishAhead is negative")
	case r.KeepAfter < 0:
		return r, errors.New("signing: Rotation.KeepAfter is negative")
	case r.Every <= r.PublishAhead:
		return r, fmt.Errorf("signing: Rotation.Every of %v is not longer than PublishAhead of %v", r.Every, r.PublishAhead)
	}
	return r, nil
}

// Plan returns the keys as they should be at now, oldest first, and whether they
// differ from keys. It does not change the given keys. Applied to its own result at
// the same time it changes nothing. alg is the configured algorithm.
//
//   - If there is no key, it makes one that is active at once.
//   - If the current key has signed for Every less PublishAhead, or has another
//     algorithm than alg, it makes the successor, active after PublishAhead. A
//     successor of another algorithm that never signed is dropped.
//   - If a successor has taken over, it sets RetiredAt and RemovedAt of the others.
//   - It drops a retired key at RemovedAt.
//   - If a clock that ran ahead has set an activation too late, it corrects that.
func (r Rotation) Plan(now time.Time, keys []*Key, alg token.Algorithm) (next []*Key, changed bool, err error) {
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

	current := KeyAt(now, next)
	if current == nil {
		first, err := GenerateKey(alg, now)
		if err != nil {
			return nil, false, err
		}
		return append(next, first), true, nil
	}
	if current.ActiveAt.After(now) { // its predecessor is gone, so it signs now
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
			// Counted from now and not from the takeover: the clock may have been wrong
			// then, and keeping a public key for longer does no harm.
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

// KeyAt returns the key that signs at now: the latest of those that are active and
// not retired. If none is active, it returns the one that becomes active first, so
// that a clock that was set back does not stop signing. It returns nil if no key is
// left.
func KeyAt(now time.Time, keys []*Key) *Key {
	var active, pending *Key
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

// byActivation orders equal times by id, so that all instances agree.
func byActivation(a, b *Key) int {
	return cmp.Or(a.ActiveAt.Compare(b.ActiveAt), cmp.Compare(a.ID, b.ID))
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
