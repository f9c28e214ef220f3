package keyring

import (
	"time"

	"github.com/usherkit/usher/internal/signing"
)

// planner returns the keys that should follow the present ones, and whether they
// differ.
type planner func(now time.Time, present []*signing.Key) (next []*signing.Key, changed bool, err error)

// plan is the regular rotation.
func (k *Keyring) plan(now time.Time, present []*signing.Key) ([]*signing.Key, bool, error) {
	return k.cfg.Rotation.Plan(now, present, k.cfg.Algorithm)
}

// planAnew drops all present keys.
func (k *Keyring) planAnew(now time.Time, _ []*signing.Key) ([]*signing.Key, bool, error) {
	next, _, err := k.plan(now, nil)
	return next, true, err
}

// planSuccessor is the regular rotation with one more key, which is published now
// and signs once every verifier has had the time to read it.
func (k *Keyring) planSuccessor(now time.Time, present []*signing.Key) ([]*signing.Key, bool, error) {
	next, _, err := k.plan(now, present)
	if err != nil {
		return nil, false, err
	}
	key, err := signing.GenerateKey(k.cfg.Algorithm, now)
	if err != nil {
		return nil, false, err
	}
	if len(present) > 0 {
		key.ActiveAt = now.Add(k.cfg.Rotation.PublishAhead)
	}
	return append(next, key), true, nil
}
