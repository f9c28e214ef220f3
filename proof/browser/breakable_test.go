package browser

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"

	"github.com/usherkit/usher/store"
)

// breakable is a store in which nobody can be found for a while: it is out of
// reach, or panics.
type breakable struct {
	store.Store
	how atomic.Value // of string
}

func (b *breakable) serve(_ http.ResponseWriter, r *http.Request) {
	b.how.Store(r.URL.Query().Get("how"))
}

func (b *breakable) fail() error {
	switch b.how.Load() {
	case "down":
		return errors.New("out of reach")
	case "panic":
		panic("broken")
	}
	return nil
}

func (b *breakable) Account(ctx context.Context, userID string) (store.Account, error) {
	if err := b.fail(); err != nil {
		return store.Account{}, err
	}
	return b.Store.Account(ctx, userID)
}

func (b *breakable) AccountByLoginID(ctx context.Context, canonical string) (store.Account, error) {
	if err := b.fail(); err != nil {
		return store.Account{}, err
	}
	return b.Store.AccountByLoginID(ctx, canonical)
}
