package webtest

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/sqlstore"
)

// LeakList is a list of leaked passwords. While it is true, it has every password.
type LeakList struct {
	atomic.Bool
	Asked atomic.Int64
}

// Breached implements password.BreachChecker.
func (l *LeakList) Breached(context.Context, [20]byte) (bool, error) {
	l.Asked.Add(1)
	return l.Load(), nil
}

// Demand makes a sign-in with a leaked password demand another one.
func (l *LeakList) Demand(c *usher.Config) {
	c.Password.Breached, c.BreachedAtSignIn = l, usher.BreachedReplaced
}

// TestLeakedPasswords signs in with a leaked password on two instances at once. The user is
// notified once, and a demand lets no attempt in. open opens the same database each time.
func TestLeakedPasswords(t *testing.T, m Mode, open func(hook sqlstore.Hook) store.Store, _ func(string), _ func(string) int) {
	l, mailbox := &LeakList{}, &Mailbox{}
	var instances []*Kit
	for _, action := range []usher.BreachedAction{usher.BreachedNotified, usher.BreachedReplaced} {
		set := func(c *usher.Config) { c.Mailer, c.Password.Breached, c.BreachedAtSignIn = mailbox, l, action }
		a, b := Instances(t, m, func() store.Store { return open(nil) }, Setup{Service: set})
		a.Mailbox, b.Mailbox = mailbox, mailbox // any instance delivers the emails of all
		instances = append(instances, a, b)
	}
	instances[0].SignUpVerified(Ann)
	l.Store(true)
	for i, demand := range []bool{false, true} {
		pair := instances[2*i : 2*i+2]
		pair[0].ClearRecords()
		pair[1].ClearRecords()
		var wg sync.WaitGroup
		for n := range 64 {
			wg.Go(func() {
				got := pair[n%2].Do(Post("/signin", SignUpBody(Ann, GoodPassword)))
				if demand && (got.Status != 403 || got.Code() != "password_breached") || !demand && got.Status != 200 {
					t.Errorf("sign-in %d: %d %s", n, got.Status, got.Body)
				}
			})
		}
		wg.Wait()
		// Attempts at the same time count as failures, so there may be other notices.
		if n := strings.Count(pair[0].EmailKinds(), "password_breached"); n != 1 {
			t.Errorf("demand %t: %d notices", demand, n)
		}
		id := pair[0].UserID(Ann)
		page, err := pair[0].Service.Operator("ops").Events(t.Context(), usher.EventQuery{UserID: id, Name: usher.EventPasswordBreached})
		if err != nil || len(page.Events) != i+1 {
			t.Errorf("demand %t: %d events, %v", demand, len(page.Events), err)
		}
	}
	a, b := instances[2], instances[3]
	asked := l.Asked.Load()
	b.Do(Post("/signin", SignUpBody(Ann, GoodPassword))).Want(t, 403, "password_breached")
	replace := Object("loginId", Ann, "oldPassword", GoodPassword, "newPassword", OtherPassword)
	a.Do(Post("/password/replace", replace)).Want(t, 403, "password_breached")
	if n := l.Asked.Load(); n != asked {
		t.Errorf("%d look-ups of a password that is known to have leaked", n-asked)
	}
	l.Store(false)
	a.Do(Post("/password/reset/complete", Object("token", a.ResetToken(Ann), "newPassword", OtherPassword))).Want(t, 200, "")
	b.SignIn(Ann, OtherPassword)
}
