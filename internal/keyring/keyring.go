// Package keyring holds the signing keys of an instance: it reads them from the
// store, rotates them by plan or on demand, and serves their public halves to
// verifiers. All instances that share a store use the same keys.
package keyring

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/usherkit/usher/internal/audit"
	"github.com/usherkit/usher/internal/seal"
	"github.com/usherkit/usher/internal/signing"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/token"
)

// Config holds what a Keyring works with. All fields are required.
type Config struct {
	Store     store.KeyStore
	Box       *seal.Box // seals the private keys
	Rotation  signing.Rotation
	Algorithm token.Algorithm // of new keys
	Audit     *audit.Log
	Now       func() time.Time
}

// Keyring holds the signing keys. It is safe for concurrent use.
type Keyring struct {
	cfg     Config
	public  *token.KeySet
	current atomic.Pointer[keys]
	mu      sync.Mutex // orders changes of public and current
	reload  reload
}

// New returns a Keyring without keys. [Keyring.Rotate] or [Keyring.Load] fills it.
func New(cfg Config) (*Keyring, error) {
	public, err := token.NewKeySet()
	if err != nil {
		return nil, err
	}
	return &Keyring{cfg: cfg, public: public}, nil
}

// ErrBusy means that other instances changed the keys at the same time, repeatedly.
var ErrBusy = errors.New("keyring: the signing keys change too often")

// SigningKey returns the key that signs at that time, or nil.
func (k *Keyring) SigningKey(now time.Time) *signing.Key {
	current := k.current.Load()
	if current == nil {
		return nil
	}
	return signing.KeyAt(now, current.list)
}

// JSON returns the JWK Set (RFC 7517) of the public keys.
func (k *Keyring) JSON() []byte { return k.public.JSON() }

// Load reads the keys and uses them as they are in the store.
func (k *Keyring) Load(ctx context.Context) error {
	before := k.current.Load()
	read, err := k.read(ctx, before)
	if err != nil {
		return err
	}
	return k.install(before, read)
}

// Rotate reads the keys, changes them to what the rotation plans for now, and uses
// them.
func (k *Keyring) Rotate(ctx context.Context) error {
	return k.rotate(ctx, k.plan, "", audit.Client{})
}

// Replace adds a new signing key, which signs once every verifier has had the time
// to read it. With compromised it removes all current keys at once instead, so that
// every token that they signed is refused. The event records by as the client.
func (k *Keyring) Replace(ctx context.Context, compromised bool, by audit.Client) error {
	plan := k.planSuccessor
	if compromised {
		plan = k.planFromScratch
	}
	return k.rotate(ctx, plan, "forced", by)
}

// rotate applies a plan. Of several instances that change the keys at the same time
// one wins; the others read again.
func (k *Keyring) rotate(ctx context.Context, plan planner, reason string, by audit.Client) error {
	for range 10 {
		before := k.current.Load()
		read, err := k.read(ctx, before)
		if err != nil {
			return err
		}
		next, changed, err := plan(k.cfg.Now(), read.list)
		if err != nil {
			return err
		}
		// Only the start seals keys again under the newest secret: two instances
		// whose secrets are in a different order would undo each other's work.
		reseal := read.oldSecret && before == nil
		if changed || reseal {
			if !changed {
				reason = "new_secret"
			}
			event := k.cfg.Audit.NewEvent(store.EventKeysRotated, "", "", reason, by)
			err := k.save(ctx, read.version+1, next, event)
			if errors.Is(err, store.ErrConflict) {
				continue
			}
			if err != nil {
				return err
			}
			read = keys{version: read.version + 1, list: next}
			k.cfg.Audit.Notify(ctx, event)
		}
		return k.install(before, read)
	}
	return ErrBusy
}

// install puts the keys that were read into use. before are the keys that were in use
// when the read began: if newer ones were installed since, it does nothing.
func (k *Keyring) install(before *keys, read keys) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.current.Load()
	if now != nil && (now.equal(read) || now != before && now.version > read.version) {
		return nil
	}
	public := make([]token.PublicKey, len(read.list))
	for i, key := range read.list {
		public[i] = key.Public()
	}
	if err := k.public.Replace(public...); err != nil {
		return fmt.Errorf("usher: signing keys: %w", err)
	}
	k.current.Store(&read)
	return nil
}
