package store_test

import (
	"context"
	"testing"
	"time"

	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/memory"
)

// clocked is a store with a clock.
type clocked struct{ store.Store }

func (clocked) Time(context.Context) (time.Time, error) { return time.Unix(7, 0), nil }

// wrapped is a decorator that implements no optional interface itself.
type wrapped struct{ store.Store }

func (w wrapped) Unwrap() store.Store { return w.Store }

func TestFind_LooksBehindDecorators(t *testing.T) {
	if _, ok := store.Find[store.Clock](wrapped{memory.New()}); ok {
		t.Error("a clock was found where there is none")
	}
	c, ok := store.Find[store.Clock](wrapped{wrapped{clocked{memory.New()}}})
	if !ok {
		t.Fatal("the clock of the inner store was not found")
	}
	if at, _ := c.Time(t.Context()); at.Unix() != 7 {
		t.Errorf("the time is %s", at)
	}
}
