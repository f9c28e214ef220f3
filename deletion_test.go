package usher_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/store/sqlite"
)

// The run of failures of an account has no end of its own, so it has to go with it.
func TestADeletedUserLeavesNoCounterBehind(t *testing.T) {
	store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "usher.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	k := newKitOn(t, store, newClock())
	a := k.signUp("ann@example.com")
	if _, err := k.SignIn(ctx, usher.SignIn{LoginID: "ann@example.com", Password: "not the one of ann"}, home); err == nil {
		t.Fatal("a wrong password is right")
	}
	left := func() (rows int) {
		t.Helper()
		if _, err := store.DeleteExpired(ctx, k.clock.now().AddDate(1, 0, 0), time.Time{}, 1000); err != nil {
			t.Fatal(err)
		}
		if err := store.DB().QueryRow(`SELECT count(*) FROM usher_limits`).Scan(&rows); err != nil {
			t.Fatal(err)
		}
		return rows
	}
	if left() != 1 {
		t.Fatal("a year later the failures in a row are not counted any more")
	}
	if err := k.DeleteUser(ctx, a.User.ID); err != nil {
		t.Fatal(err)
	}
	if n := left(); n != 0 {
		t.Errorf("%d counters are left", n)
	}
}
