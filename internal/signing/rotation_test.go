package signing_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/usherkit/usher/internal/signing"
	"github.com/usherkit/usher/token"
)

const day = 24 * time.Hour

// plan calls Plan and checks what holds for every plan.
func plan(t *testing.T, r signing.Rotation, now time.Time, keys []*signing.Key, alg token.Algorithm) []*signing.Key {
	t.Helper()
	before := fmt.Sprintf("%+v", dates(keys))
	next, changed, err := r.Plan(now, keys, alg)
	if err != nil {
		t.Fatal(err)
	}
	if after := fmt.Sprintf("%+v", dates(keys)); after != before {
		t.Fatalf("Plan changed its input:\n%s\n%s", before, after)
	}
	if same := fmt.Sprintf("%+v", dates(next)) == before; same == changed {
		t.Fatalf("changed is %v for\n%s\n%+v", changed, before, dates(next))
	}
	if signing.KeyAt(now, next) == nil {
		t.Fatalf("at %v nothing signs: %+v", now, dates(next))
	}
	if again, changed, err := r.Plan(now, next, alg); err != nil || changed {
		t.Fatalf("a second plan at the same instant changes %+v to %+v (%v)", dates(next), dates(again), err)
	}
	return next
}

type keyDates struct {
	id                                        string
	alg                                       token.Algorithm
	created, active, retired, removed, signer string
}

func dates(keys []*signing.Key) []keyDates {
	var d []keyDates
	for _, k := range keys {
		text := func(at time.Time) string {
			if at.IsZero() {
				return "-"
			}
			return at.Sub(start).String()
		}
		d = append(d, keyDates{k.ID, k.Algorithm, text(k.CreatedAt), text(k.ActiveAt), text(k.RetiredAt), text(k.RemovedAt), ""})
	}
	return d
}

func TestJK07_ALifeOfRotations(t *testing.T) {
	var keys []*signing.Key
	r := signing.Rotation{}
	publishedSince := map[string]time.Time{}
	lastSigned := map[string]time.Time{}
	signers := 0
	for now := start; now.Before(start.Add(400 * day)); now = now.Add(time.Hour) {
		keys = plan(t, r, now, keys, token.ES256)
		published := map[string]bool{}
		for _, k := range keys {
			published[k.ID] = true
			if _, known := publishedSince[k.ID]; !known {
				publishedSince[k.ID] = now
			}
		}
		signer := signing.KeyAt(now, keys)
		if _, known := lastSigned[signer.ID]; !known {
			signers++
			if signers > 1 && now.Sub(publishedSince[signer.ID]) < day {
				t.Fatalf("%v: a key signs %v after it was published", now, now.Sub(publishedSince[signer.ID]))
			}
		}
		lastSigned[signer.ID] = now
		for id, at := range lastSigned {
			if now.Sub(at) <= 30*day && !published[id] {
				t.Fatalf("%v: key %s signed %v ago and is not published", now, id, now.Sub(at))
			}
			if now.Sub(at) > 31*day && published[id] {
				t.Fatalf("%v: key %s signed %v ago and is still published", now, id, now.Sub(at))
			}
		}
	}
	if signers != 5 { // 400 days of 90 each
		t.Errorf("%d keys signed, want 5", signers)
	}
}

func TestJK07_Rotation(t *testing.T) {
	r := signing.Rotation{Every: 10 * day, PublishAhead: day, KeepAfter: 5 * day}
	// Each case starts with one key made at start, and goes through its steps.
	type step struct {
		at      time.Duration
		alg     token.Algorithm
		keys    int    // expected number of keys
		signer  string // expected signer: "a" the first, "b" the second that was ever seen, …
		pending time.Duration
	}
	for name, steps := range map[string][]step{
		"first key is active at once": {{0, token.ES256, 1, "a", 0}},
		"nothing to do":               {{8 * day, token.ES256, 1, "a", 0}},
		"successor is published ahead": {
			{9*day - 1, token.ES256, 1, "a", 0}, {9 * day, token.ES256, 2, "a", 10 * day}, {10*day - 1, token.ES256, 2, "a", 10 * day},
		},
		"successor takes over, predecessor leaves later": {
			{9 * day, token.ES256, 2, "a", 10 * day}, {10 * day, token.ES256, 2, "b", 0},
			{15*day - 1, token.ES256, 2, "b", 0}, {15 * day, token.ES256, 1, "b", 0},
		},
		"asleep for a year, without a successor": {
			{365 * day, token.ES256, 2, "a", 366 * day}, {366 * day, token.ES256, 2, "b", 0}, {371 * day, token.ES256, 1, "b", 0},
		},
		"asleep for a year, with a successor": {
			{9 * day, token.ES256, 2, "a", 10 * day},
			{365 * day, token.ES256, 3, "b", 366 * day}, // and its successor is due, too
			{366 * day, token.ES256, 3, "c", 0}, {370 * day, token.ES256, 2, "c", 0}, {371 * day, token.ES256, 1, "c", 0},
		},
		"another algorithm": {
			{day, token.EdDSA, 2, "a", 2 * day}, {2 * day, token.EdDSA, 2, "b", 0}, {7 * day, token.EdDSA, 1, "b", 0},
		},
		"another algorithm, and back before it was used": {
			{day, token.EdDSA, 2, "a", 2 * day}, {day + time.Hour, token.ES256, 1, "a", 0}, {9 * day, token.ES256, 2, "a", 10 * day},
		},
		"another algorithm while a successor waits": {
			{9 * day, token.ES256, 2, "a", 10 * day}, {9*day + time.Hour, token.EdDSA, 2, "a", 10*day + time.Hour},
		},
		"clock set back a little": {
			{9 * day, token.ES256, 2, "a", 10 * day}, {10 * day, token.ES256, 2, "b", 0},
			{10*day - time.Hour, token.ES256, 2, "a", 10 * day}, {10 * day, token.ES256, 2, "b", 0}, {15 * day, token.ES256, 1, "b", 0},
		},
		"clock set back before the first key": {
			{-day, token.ES256, 1, "a", 0}, {8*day - 1, token.ES256, 1, "a", 0}, {8 * day, token.ES256, 2, "a", 9 * day},
		},
		"clock a year ahead for one plan": {
			{365 * day, token.ES256, 2, "a", 366 * day},
			{time.Hour, token.ES256, 2, "a", 10 * day}, // pulled back to its time
			{10 * day, token.ES256, 2, "b", 0}, {15 * day, token.ES256, 1, "b", 0},
		},
		"clock a year ahead over a takeover": {
			{365 * day, token.ES256, 2, "a", 366 * day}, {367 * day, token.ES256, 2, "b", 0},
			{time.Hour, token.ES256, 2, "a", 10 * day}, {10 * day, token.ES256, 2, "b", 0}, {15 * day, token.ES256, 1, "b", 0},
		},
	} {
		t.Run(name, func(t *testing.T) {
			keys := plan(t, r, start, nil, token.ES256)
			names := map[string]string{keys[0].ID: "a"}
			for _, s := range steps {
				now := start.Add(s.at)
				keys = plan(t, r, now, keys, s.alg)
				var pending time.Duration
				for _, k := range keys {
					if names[k.ID] == "" {
						names[k.ID] = string(rune('a' + len(names)))
					}
					if k.ActiveAt.After(now) {
						pending = k.ActiveAt.Sub(start)
					}
				}
				signer := names[signing.KeyAt(now, keys).ID]
				if len(keys) != s.keys || signer != s.signer || pending != s.pending {
					t.Fatalf("at %v: %d keys, %q signs, one waits for %v; want %d, %q, %v: %+v",
						s.at, len(keys), signer, pending, s.keys, s.signer, s.pending, dates(keys))
				}
			}
		})
	}
}

func TestJK07_EmergencyRemovalAndRetirement(t *testing.T) {
	r := signing.Rotation{Every: 10 * day, PublishAhead: day, KeepAfter: 5 * day}
	keys := plan(t, r, start, nil, token.ES256)
	keys = plan(t, r, start.Add(9*day), keys, token.ES256)
	if len(keys) != 2 {
		t.Fatal(dates(keys))
	}
	now := start.Add(9*day + time.Hour)

	alone := plan(t, r, now, keys[1:], token.ES256) // the key in use was removed
	if got := signing.KeyAt(now, alone); len(alone) != 1 || got.ID != keys[1].ID || !got.ActiveAt.Equal(now) {
		t.Errorf("the successor does not step in: %+v", dates(alone))
	}
	if fresh := plan(t, r, now, nil, token.ES256); len(fresh) != 1 || !fresh[0].ActiveAt.Equal(now) {
		t.Errorf("all keys gone: %+v", dates(fresh))
	}
	stopped := *keys[0]
	stopped.RetiredAt = now // by hand, still published
	after := plan(t, r, now, []*signing.Key{&stopped, keys[1]}, token.ES256)
	if got := signing.KeyAt(now, after); got.ID != keys[1].ID || len(after) != 2 || !after[0].RemovedAt.Equal(now.Add(5*day)) {
		t.Errorf("retired by hand: %+v", dates(after))
	}
	waiting := *keys[1]
	waiting.RetiredAt = now // the successor leaked before it was used
	after = plan(t, r, now, []*signing.Key{keys[0], &waiting}, token.ES256)
	if got := signing.KeyAt(now, after); got.ID != keys[0].ID || len(after) != 3 {
		t.Errorf("successor retired by hand: %+v", dates(after))
	}
}

func TestRotation_RefusesNonsense(t *testing.T) {
	for _, r := range []signing.Rotation{
		{Every: -1}, {PublishAhead: -1}, {KeepAfter: -1}, {Every: time.Hour}, {Every: day, PublishAhead: day},
	} {
		if _, _, err := r.Plan(start, nil, token.ES256); err == nil {
			t.Errorf("%+v was accepted", r)
		}
	}
	if _, _, err := (signing.Rotation{}).Plan(start, nil, "HS256"); err == nil {
		t.Error("HS256 was accepted")
	}
	if signing.KeyAt(start, nil) != nil {
		t.Error("a key from nothing")
	}
}
