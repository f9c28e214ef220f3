package usher_test

import (
	"reflect"
	"testing"

	"github.com/usherkit/usher"
)

// ConfirmFirst: nobody learns from sign-up whether an account exists.
func TestEN05_ConfirmFirstAnswersAlike(t *testing.T) {
	t.Parallel()
	k := newKit(t, func(c *usher.Config) { c.ConfirmFirst = true })
	up := func(pw usher.Secret, c usher.Client) {
		t.Helper()
		a, err := k.SignUp(ctx, usher.SignUp{LoginID: ann, Password: pw}, c)
		if err != nil || !reflect.DeepEqual(a, &usher.Authentication{}) {
			t.Fatal(a, err)
		}
	}
	up(goodPassword, nth(1))
	k.wantEvents("user_created")
	verify := tokenIn(t, k.wantMail("verify_email")[0])

	// The right password does not enter before the address is confirmed.
	_, err := k.SignIn(ctx, usher.SignIn{LoginID: ann, Password: goodPassword}, home)
	wantErr(t, err, usher.ErrInvalidCredentials)
	k.await(usher.EventEmailVerifyRequested)
	k.events.reset()
	k.wantMail("verify_email")
	usher.Must(k.confirm(verify, home))
	k.signIn(ann, goodPassword, home)
	k.events.reset()

	// Now it is taken: the owner is told, the caller is not.
	up(otherPassword, nth(2))
	k.wantEvents("user_create_fail:login_id_taken")
	if m := k.wantMail("already_registered")[0]; m.To != ann || m.Link != "" {
		t.Fatalf("a mail to %s", m.To)
	}
	k.wantPassword(ann, goodPassword, otherPassword)
}

// Signing up again for an account that nobody confirmed sends a link by which
// the owner of the mailbox starts afresh.
func TestEV03_ConfirmFirstSignUpAgain(t *testing.T) {
	t.Parallel()
	k := newKit(t, func(c *usher.Config) { c.ConfirmFirst = true })
	for i, pw := range []usher.Secret{goodPassword, otherPassword} { // the squatter, then the owner
		a, err := k.SignUp(ctx, usher.SignUp{LoginID: ann, Password: pw}, nth(i))
		if err != nil || !reflect.DeepEqual(a, &usher.Authentication{}) {
			t.Fatal(a, err)
		}
	}
	k.wantEvents("user_created user_create_fail:login_id_taken")
	var claim usher.Secret
	for _, m := range k.wantMail("confirm_and_reset verify_email") {
		if m.Kind == usher.MessageConfirmAndReset {
			claim = tokenIn(t, m)
		}
	}
	usher.Must(k.ResetPassword(ctx, usher.ResetPassword{Token: claim, NewPassword: thirdPassword}, home))
	k.wantPassword(ann, thirdPassword, goodPassword, otherPassword)
}

// A disabled user's address gets nothing, and the answer is the same.
func TestEN05_ConfirmFirstDisabled(t *testing.T) {
	t.Parallel()
	k := newKit(t, func(c *usher.Config) { c.ConfirmFirst = true })
	u := k.imported(ann)
	if err := k.DisableUser(ctx, u.ID); err != nil {
		t.Fatal(err)
	}
	k.events.reset()
	a, err := k.SignUp(ctx, usher.SignUp{LoginID: ann, Password: goodPassword}, home)
	if err != nil || !reflect.DeepEqual(a, &usher.Authentication{}) {
		t.Fatal(a, err)
	}
	k.wantEvents("user_create_fail:login_id_taken")
	k.wantMail("")
}
