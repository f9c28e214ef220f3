package usher_test

import (
	"testing"
	"time"

	"github.com/usherkit/usher"
)

// Who knew an earlier password, or held the account before its owner claimed it,
// is a stranger afterwards.
func TestSI04_ADeviceOfAnEarlierPasswordIsAStranger(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(k *kit, a *usher.Authentication){
		"claim": func(k *kit, _ *usher.Authentication) {
			raw := k.resetToken(ann, usher.MessageConfirmAndReset)
			usher.Must(k.ResetPassword(ctx, usher.ResetPassword{Token: raw, NewPassword: otherPassword}, home))
		},
		"update": func(k *kit, a *usher.Authentication) {
			usher.Must(k.UpdatePassword(ctx, k.claims(a), usher.UpdatePassword{NewPassword: otherPassword}, home))
		},
		"replace": func(k *kit, _ *usher.Authentication) {
			if err := k.replace(ann, goodPassword, otherPassword); err != nil {
				k.t.Fatal(err)
			}
		},
		"operator": func(k *kit, a *usher.Authentication) {
			if err := k.SetPassword(ctx, a.User.ID, otherPassword, false); err != nil {
				k.t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := newKit(t)
			a := k.signUp(ann)
			earlier := from("203.0.113.9")
			earlier.Device = a.Device
			k.clock.add(time.Minute)
			k.signIn(ann, goodPassword, earlier)
			if k.events.count(usher.EventSignInNewDevice) != 0 {
				t.Fatal("the browser is not known before the change")
			}
			change(k, a)
			k.clock.add(time.Second)
			k.events.reset()
			k.signIn(ann, otherPassword, earlier)
			if k.events.count(usher.EventSignInNewDevice) != 1 {
				t.Error("the browser is still known after the change")
			}
		})
	}
}

// The browser in which the password was changed stays known, under the counter
// that it had.
func TestSI04_WhoChangesThePasswordStaysKnown(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	owner := from("203.0.113.9")
	a := k.signUp(ann)
	owner.Device = a.Device
	k.clock.add(time.Minute)

	updated := usher.Must(k.UpdatePassword(ctx, k.claims(a), usher.UpdatePassword{NewPassword: otherPassword}, owner))
	owner.Device = updated.Device
	k.clock.add(time.Minute)
	k.events.reset()
	k.signIn(ann, otherPassword, owner)
	k.wantEvents("authn_login_success session_created")

	replaced := usher.Must(k.ReplacePassword(ctx, usher.ReplacePassword{
		LoginID: ann, OldPassword: otherPassword, NewPassword: thirdPassword,
	}, owner))
	owner.Device = replaced.Device
	k.clock.add(time.Minute)
	k.events.reset()
	k.signIn(ann, thirdPassword, owner)
	k.wantEvents("authn_login_success session_created")

	// One browser, one counter: the new token brings no five failures of its own.
	for range 3 {
		k.fail(ann, owner)
	}
	again := usher.Must(k.UpdatePassword(ctx, k.claims(replaced), usher.UpdatePassword{NewPassword: "quiet badger paints sky"}, owner))
	owner.Device = again.Device
	for range 2 {
		k.fail(ann, owner)
	}
	wantLimit(t, k.trySignIn(ann, "quiet badger paints sky", owner))
}
