//go:build !race

package usher_test

import (
	"path/filepath"
	"testing"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/memory"
	"github.com/usherkit/usher/store/sqlite"
)

// What a sign-in and a refresh allocate is mostly statements and their results on
// SQLite, and two signatures and some JSON without. The bounds are a fifth above
// what was counted when they were written: time cannot be pinned, but who adds a
// statement or a copy to every call is told here. (Not under the race detector, which allocates by itself.)
func TestAllocations(t *testing.T) {
	file := func(t *testing.T) store.Store {
		s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "usher.db"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	}
	for _, c := range []struct {
		name            string
		store           func(t *testing.T) store.Store
		signIn, refresh float64
	}{
		{"memory", func(*testing.T) store.Store { return memory.New() }, 490, 420},
		{"sqlite", file, 1320, 820},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := newKitOn(t, c.store(t), newClock(), func(c *usher.Config) { c.OnEvent = nil })
			a := k.signUp("ann@example.com")
			signIn := testing.AllocsPerRun(10, func() { k.signIn("ann@example.com", goodPassword, home) })
			refresh := testing.AllocsPerRun(10, func() {
				var err error
				if a, err = k.RefreshSession(ctx, a.Tokens.Refresh, home); err != nil {
					t.Fatal(err)
				}
			})
			t.Logf("sign-in %.0f, refresh %.0f", signIn, refresh)
			if signIn > c.signIn || refresh > c.refresh {
				t.Errorf("a sign-in allocates %.0f times, at most %.0f is meant; a refresh %.0f, at most %.0f", signIn, c.signIn, refresh, c.refresh)
			}
		})
	}
}
