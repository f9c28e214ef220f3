package store_test

import (
	"context"
	"fmt"
	"time"

	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/memory"
)

// timed measures how long the sign-ins of another store take.
type timed struct{ store.Store }

func (t timed) StartSession(ctx context.Context, in store.SessionStart) ([]store.Event, error) {
	began := time.Now()
	defer func() { fmt.Println("measured:", time.Since(began) > 0) }()
	return t.Store.StartSession(ctx, in)
}

// Unwrap lets Find find the optional interfaces of the other store.
func (t timed) Unwrap() store.Store { return t.Store }

func Example() {
	s := timed{memory.New()}
	_, err := s.StartSession(context.Background(), store.SessionStart{
		Session: store.SessionRecord{Session: store.Session{ID: "s1", UserID: "unknown"}},
	})
	fmt.Println(err)

	_, ok := store.Find[store.Notifier](s)
	fmt.Println("reports revocations at once:", ok)
	// Output:
	// measured: true
	// usher: the data was changed by another caller
	// reports revocations at once: false
}
