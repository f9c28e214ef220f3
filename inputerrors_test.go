package usher_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/password"
)

// told are the inputs that an error blames, in order; a policy is "policy".
func told(t *testing.T, err error) string {
	t.Helper()
	all := []error{err}
	var several *usher.InputErrors
	if errors.As(err, &several) {
		if all = several.All; len(all) < 2 {
			t.Errorf("%d of several", len(all))
		}
	}
	var names []string
	for _, one := range all {
		switch one := one.(type) {
		case *usher.FieldError:
			names = append(names, one.Field+":"+one.Code)
		case *password.PolicyError:
			names = append(names, "policy:"+string(one.Violations[0].Code))
		default:
			t.Errorf("%v is no input's", one)
		}
	}
	return strings.Join(names, " ")
}

// Who has several inputs to mend is told of all of them; of one alone as ever.
func TestInputsAreJudgedTogether(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	a := k.signUpVerified(ann)
	long := usher.Secret(strings.Repeat("x", 2000))
	name, picture := "a\x00b", "no address"
	signUp := func(in usher.SignUp) error { _, err := k.SignUp(ctx, in, home); return err }
	hashes := k.Hashes()
	for _, c := range []struct {
		err  error
		want string
	}{
		{signUp(usher.SignUp{LoginID: "no address@", Password: "short"}), "loginId:invalid policy:too_short"},
		{signUp(usher.SignUp{LoginID: "bob@example.com", Email: "x", Password: "short"}), "email:invalid policy:too_short"},
		{signUp(usher.SignUp{Profile: usher.Profile{Name: &name, Picture: &picture}}), "loginId:required name:invalid picture:invalid password:required"},
		{signUp(usher.SignUp{LoginID: "bob@example.com", Password: "bob@example.com"}), "policy:common"},
		{signUp(usher.SignUp{LoginID: "bob@", Password: goodPassword}), "loginId:invalid"},
		{k.trySignIn("bob@", long, home), "loginId:invalid password:too_long"},
		{k.SendPasswordReset(ctx, usher.SendPasswordReset{LoginID: "bob@", RedirectURL: "https://evil.test"}, home), "loginId:invalid redirectUrl:not_allowed"},
		{k.ChangeEmail(ctx, k.claims(a), usher.ChangeEmail{NewEmail: "x", CurrentPassword: long}, home), "newEmail:invalid currentPassword:too_long"},
	} {
		if got := told(t, c.err); got != c.want {
			t.Errorf("told %q, want %q", got, c.want)
		}
	}
	_, err := k.ResetPassword(ctx, usher.ResetPassword{}, home)
	if got := told(t, err); got != "token:required newPassword:required" {
		t.Errorf("reset: %q", got)
	}
	_, err = k.UpdatePassword(ctx, k.claims(a), usher.UpdatePassword{LoginID: "bob@", CurrentPassword: long}, home)
	if got := told(t, err); got != "loginId:invalid currentPassword:too_long newPassword:required" {
		t.Errorf("update: %q", got)
	}
	_, err = k.ReplacePassword(ctx, usher.ReplacePassword{LoginID: "bob@", OldPassword: "x"}, home)
	if got := told(t, err); got != "loginId:invalid newPassword:required" {
		t.Errorf("replace: %q", got)
	}
	if k.Hashes() != hashes {
		t.Error("it cost a hash")
	}
	// Both kinds are found as ever.
	err = signUp(usher.SignUp{LoginID: "bob@", Password: "short"})
	wantField(t, err, "loginId")
	wantPolicy(t, err, password.CodeTooShort)
}
