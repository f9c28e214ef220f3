package keyring

import (
	"time"

	"github.com/usherkit/usher/internal/signing"
)

// planner returns the keys that should follow the current ones, and whether they
// differ.
type planner func(now time.Time, current []*signing.Key) (next []*signing.Key, changed bool, err error)

// plan is the regular rotation.
func (k *Keyring) plan(now time.Time, current []*signing.Key) ([]*signing.Key, bool, error) {
	return k.cfg.Rotation.Plan(now, current, k.cfg.Algorithm)
}

// planFromScratch drops all current keys.
func (k *Keyring) planFromScratch(now time.Time, _ []*signing.Key) ([]*signing.Key, bool, error) {
	next, _, err := k.plan(now, nil)
	return next, true, err
}

// planSuccessor is the regular rotation with one more key, which is published now
// and signs once every verifier has had the time to read it.
func (k *Keyring) planSuccessor(now time.Time, current []*signing.Key) ([]*signing.Key, bool, error) {
	next, _, err := k.plan(now, current)
	if err != nil {
		return nil, false, err
	}
	key, err := signing.GenerateKey(k.cfg.Algorithm, now)
	if err != nil {
		return nil, false, err
	}
	if len(current) > 0 {
		key.ActiveAt = now.Add(k.cfg.Rotation.PublishAhead)
	}
	return append(next, key), true, nil
}
