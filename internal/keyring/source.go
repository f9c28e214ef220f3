package keyring

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/usherkit/usher/token"
)

const (
	// reloadInterval is the shortest time between two reads for unknown keys.
	reloadInterval = time.Second
	// reloadTimeout is how long a token with an unknown key waits for a read.
	reloadTimeout = 500 * time.Millisecond
)

// reload limits how often unknown key ids cause a read.
type reload struct {
	mu       sync.Mutex
	lastRead time.Time // of the last read
	lastErr  error     // of the last read
}

// PublicKey implements [token.KeySource]. When a key id is unknown, it reads the
// keys again, at most once per second, so that the first token that another instance
// signs with a new key is accepted.
func (k *Keyring) PublicKey(ctx context.Context, kid string) (token.PublicKey, error) {
	key, err := k.public.PublicKey(ctx, kid)
	if err == nil {
		return key, nil
	}
	if err := k.loadForUnknownKey(ctx); err != nil {
		return token.PublicKey{}, fmt.Errorf("%w: %w", token.ErrUnavailable, err)
	}
	return k.public.PublicKey(ctx, kid)
}

func (k *Keyring) loadForUnknownKey(ctx context.Context) error {
	r := &k.reload
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.lastRead.IsZero() && time.Since(r.lastRead) < reloadInterval {
		return r.lastErr
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), reloadTimeout)
	defer cancel()
	r.lastErr = k.Load(ctx)
	r.lastRead = time.Now()
	return r.lastErr
}
