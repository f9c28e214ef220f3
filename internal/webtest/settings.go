package webtest

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/sqlstore"
)

// TestPasswordSettings changes the rules for passwords at one instance, from 64 callers at
// both, and waits until the other instance applies them. open opens the same database each
// time.
func TestPasswordSettings(t *testing.T, m Mode, open func(hook sqlstore.Hook) store.Store, _ func(string), _ func(string) int) {
	a, b := Instances(t, m, func() store.Store { return open(nil) }, Setup{})
	kits := []*Kit{a, b}
	if p := b.Service.PasswordPolicy(); p.MinLength != 15 || p.Number {
		t.Fatalf("at the start the policy is %+v", p)
	}
	var wg sync.WaitGroup
	var won, told atomic.Int32
	for i := range 64 {
		wg.Go(func() {
			_, err := kits[i%2].Service.Operator("ops:alice").SetPasswordSettings(t.Context(), usher.PasswordSettings{MinLength: 20 + i, Number: true})
			switch {
			case err == nil:
				won.Add(1)
			case errors.Is(err, usher.ErrConflict):
				told.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 || told.Load() != 63 {
		t.Fatalf("%d callers succeed and %d are told", won.Load(), told.Load())
	}
	set, err := a.Service.Operator("ops:alice").PasswordSettings(t.Context())
	if err != nil || set.Version != 1 {
		t.Fatalf("the settings are %+v, %v", set, err)
	}
	applied := func() bool {
		return b.Service.PasswordPolicy().MinLength == set.MinLength && a.Service.PasswordPolicy().Number
	}
	for began := time.Now(); !applied(); time.Sleep(10 * time.Millisecond) {
		if time.Since(began) > 10*time.Second { // on an idle computer it takes less than 2
			t.Fatalf("the other instance has the policy %+v, want the one of %+v", b.Service.PasswordPolicy(), set)
		}
	}
	refused := b.Do(Post("/signup", Object("loginId", Bob, "password", "vast otter sings low"))).Want(t, 400, "password_policy")
	if len(refused.Body) == 0 {
		t.Error("the refusal has no body")
	}
	third, err := usher.New(t.Context(), open(nil), usher.Config{
		Secret: "wLyp7cFmXo2Qk9vTtB4eRzN1uHsG6dJa", BaseURL: "https://app.example", Mailer: &Mailbox{}, NoBackground: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer third.Close(t.Context())
	if p := third.PasswordPolicy(); p.MinLength != set.MinLength || !p.Number {
		t.Errorf("after a restart the policy is %+v", p)
	}
}
