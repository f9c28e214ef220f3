package keyring

import (
	"context"
	"fmt"
	"slices"

	"github.com/usherkit/usher/internal/signing"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/token"
)

// keys are the signing keys as they were read from the store.
type keys struct {
	version int64
	list    []*signing.Key
	// oldSecret is true when one of them was sealed under an older secret.
	oldSecret bool
}

func (k *keys) equal(other keys) bool {
	return k.version == other.version && slices.EqualFunc(k.list, other.list,
		func(a, b *signing.Key) bool { return a.ID == b.ID })
}

// equalStored compares the ids too: after the database was restored from a backup,
// the same version may hold other keys.
func (k *keys) equalStored(stored store.SigningKeys) bool {
	return k.version == stored.Version && slices.EqualFunc(k.list, stored.Keys,
		func(a *signing.Key, b store.SigningKey) bool { return a.ID == b.ID })
}

// read reads the keys from the store, or returns the used ones if they are the same.
func (k *Keyring) read(ctx context.Context, used *keys) (keys, error) {
	stored, err := k.cfg.Store.SigningKeys(ctx)
	if err != nil {
		return keys{}, err
	}
	if used != nil && used.equalStored(stored) {
		return *used, nil
	}
	read := keys{version: stored.Version}
	for _, s := range stored.Keys {
		der, secret, err := k.cfg.Box.OpenAt(s.Private, s.ID)
		if err != nil {
			return keys{}, fmt.Errorf("usher: signing key %s was sealed under another secret: add that one to Config.OldSecrets", s.ID)
		}
		key, err := signing.ParseKey(s.ID, token.Algorithm(s.Algorithm), der)
		if err != nil {
			return keys{}, fmt.Errorf("usher: signing key %s: %w", s.ID, err)
		}
		key.CreatedAt, key.ActiveAt, key.RetiredAt, key.RemovedAt = s.CreatedAt, s.ActiveAt, s.RetiredAt, s.RemovedAt
		read.list = append(read.list, key)
		read.oldSecret = read.oldSecret || secret > 0
	}
	return read, nil
}

// save writes the keys, sealed under the newest secret.
func (k *Keyring) save(ctx context.Context, version int64, list []*signing.Key, event store.Event) error {
	stored := store.SigningKeys{Version: version}
	for _, key := range list {
		der, err := key.MarshalPrivate()
		if err != nil {
			return fmt.Errorf("usher: signing key %s: %w", key.ID, err)
		}
		stored.Keys = append(stored.Keys, store.SigningKey{
			ID: key.ID, Algorithm: string(key.Algorithm), Private: k.cfg.Box.Seal(der, key.ID),
			CreatedAt: key.CreatedAt, ActiveAt: key.ActiveAt, RetiredAt: key.RetiredAt, RemovedAt: key.RemovedAt,
		})
	}
	return k.cfg.Store.SaveSigningKeys(ctx, stored, store.Effects{Events: []store.Event{event}})
}
