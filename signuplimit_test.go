package usher_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/password"
	"github.com/usherkit/usher/store/memory"
)

// Judging a password needs nothing but the password: neither the store nor
// another machine is asked for one that is weak.
func TestSU08_AWeakPasswordCostsNothing(t *testing.T) {
	store := &stepCounter{Store: memory.New()}
	leaked := &leakedPasswords{}
	k := newKitOn(t, store, newClock(), func(c *usher.Config) { c.Password.Breached = leaked })
	for range 20 {
		wantPolicy(t, k.trySignUp("ann@example.com", "passwordpassword"), password.CodeCommon)
	}
	if n := store.writes.Load(); n != 0 || leaked.asked != 0 || k.Hashes() != 0 {
		t.Errorf("%d steps that write, %d look-ups, %d hashes, want none", n, leaked.asked, k.Hashes())
	}
	k.signUp("ann@example.com")
}

// A stranger cannot make the program ask the list of leaked passwords without
// end.
func TestSU08_LookUpsOfLeakedPasswordsAreLimited(t *testing.T) {
	leaked := &leakedPasswords{found: true}
	k := newKit(t, func(c *usher.Config) { c.Password.Breached = leaked })
	for i := range 15 {
		err := k.trySignUp("ann@example.com", usher.Secret(fmt.Sprintf("leaked by others %d", i)))
		if i < 10 {
			wantPolicy(t, err, password.CodeBreached)
		} else if l := wantLimit(t, err); l.Limit != "sign_ups" {
			t.Errorf("the limit is %s", l.Limit)
		}
	}
	if leaked.asked != 10 || k.Hashes() != 0 {
		t.Errorf("asked %d times, %d hashes, want 10 and none", leaked.asked, k.Hashes())
	}
}

// leakedPasswords is a list of leaked passwords that counts who asks.
type leakedPasswords struct {
	found bool
	asked int
}

func (l *leakedPasswords) Breached(context.Context, [20]byte) (bool, error) {
	l.asked++
	return l.found, nil
}
