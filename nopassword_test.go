package usher_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/password"
)

func TestOP07_AUserWithoutAPasswordSignsInLikeAnUnknownOne(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	u := usher.Must(k.ensure(ann))
	k.signUp("bob@example.com")
	for _, pw := range []usher.Secret{"", "\x00", goodPassword} {
		var want error
		hashes := k.Hashes()
		for i, loginID := range []string{"nobody@example.com", "bob@example.com", ann} {
			guess := pw
			if guess == goodPassword {
				guess = otherPassword
			}
			_, err := k.SignIn(ctx, usher.SignInParams{LoginID: loginID, Password: guess}, home)
			if i == 0 {
				want, hashes = err, k.Hashes()-hashes
				continue
			}
			before := k.Hashes()
			_, again := k.SignIn(ctx, usher.SignInParams{LoginID: loginID, Password: guess}, home)
			if err == nil || err.Error() != want.Error() || again == nil || k.Hashes()-before != hashes {
				t.Errorf("%s with %q: %v after %d hashes, want %v after %d", loginID, guess, err, k.Hashes()-before, want, hashes)
			}
		}
	}
	if usher.Must(k.HasPassword(ctx, u.ID)) {
		t.Error("the user has a password")
	}
	in := usher.ResetPasswordParams{Token: k.resetToken(ann, usher.MessageResetPassword), NewPassword: otherPassword}
	usher.Must(k.ResetPassword(ctx, in, home))
	k.signIn(ann, otherPassword, nth(1))
	if !usher.Must(k.HasPassword(ctx, u.ID)) {
		t.Error("the reset has set no password")
	}
	if _, err := k.HasPassword(ctx, "nobody"); !errors.Is(err, usher.ErrNotFound) {
		t.Errorf("an unknown user: %v", err)
	}
}

// A stolen session would take the account for good.
func TestUP07_ASessionAloneChangesNoVerifiedAddress(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	u := usher.Must(k.ensure(ann))
	a := k.startSession(u.ID, home)
	k.wantUnproven(a, "", time.Time{})
	in := usher.ResetPasswordParams{Token: k.resetToken(ann, usher.MessageResetPassword), NewPassword: otherPassword}
	usher.Must(k.ResetPassword(ctx, in, home))
	k.wantProven(k.startSession(u.ID, home), otherPassword)
}

func TestOP07_ARecentSignInStandsForThePasswordThatDoesNotExist(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	u := usher.Must(k.Operator("ops").ImportUser(ctx, usher.ImportUserParams{LoginIDs: []string{ann}}))
	claims := k.claims(k.startSession(u.ID, home))
	k.clock.add(5*time.Minute + time.Second)
	change := usher.ChangeEmailParams{NewEmail: "new@example.com"}
	update := usher.UpdatePasswordParams{NewPassword: otherPassword}
	if err := k.ChangeEmail(ctx, claims, change, home); !errors.Is(err, usher.ErrRecentSignInRequired) {
		t.Errorf("a change of address after five minutes: %v", err)
	}
	if _, err := k.UpdatePassword(ctx, claims, update, home); !errors.Is(err, usher.ErrRecentSignInRequired) {
		t.Errorf("a password after five minutes: %v", err)
	}
	claims = k.claims(k.startSession(u.ID, home))
	change.CurrentPassword = goodPassword
	if err := k.ChangeEmail(ctx, claims, change, home); !errors.Is(err, usher.ErrInvalidCredentials) {
		t.Errorf("a password that does not exist: %v", err)
	}
	change.CurrentPassword = ""
	if err := k.ChangeEmail(ctx, claims, change, home); err != nil {
		t.Errorf("a change of address after a recent sign-in: %v", err)
	}
	k.inbox()
	link, err := k.VerificationLink(ctx, nil, tokenIn(t, k.wantEmails("change_email email_changing")[0]), home)
	if err != nil || !link.SignInRequired || link.PasswordRequired {
		t.Errorf("the link without a session: %+v %v", link, err)
	}
	if _, err := k.UpdatePassword(ctx, claims, update, home); err != nil {
		t.Errorf("a password after a recent sign-in: %v", err)
	}
	// A user with a password still needs it.
	bob := k.signUpVerified("bob@example.com")
	wantField(t, k.ChangeEmail(ctx, k.claims(bob), usher.ChangeEmailParams{NewEmail: "b@example.com"}, home), "currentPassword")
}

// An export keeps the demand for another password, and whether an email has to meet it, also
// where no list of leaked passwords is set. A program that does not know passwordLeaked reads
// that the password has expired.
func TestPO10_AnExportKeepsTheDemand(t *testing.T) {
	t.Parallel()
	l := &leakList{}
	k := newKit(t, withLeakList(l, usher.BreachedReplaced))
	k.signUpVerified(ann)
	k.signUp("bob")
	l.leaked.Store(true)
	wantBreached(t, k.trySignIn(ann, goodPassword, home), true)
	wantBreached(t, k.trySignIn("bob", goodPassword, home), false)
	var out bytes.Buffer
	if err := k.Operator("ops").Export(ctx, &out); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out.String(), `"passwordExpired":true,"passwordLeaked":true`); n != 2 {
		t.Errorf("%d of 2 lines have the demand: %s", n, &out)
	}
	other := newKit(t)
	if r := usher.Must(other.Operator("ops").Import(ctx, usher.ImportParams{Users: &out})); r.Imported != 2 {
		t.Errorf("imported: %+v", r)
	}
	wantBreached(t, other.trySignIn(ann, goodPassword, home), true)
	wantBreached(t, other.replace(ann, goodPassword, thirdPassword), true)
	raw := other.resetToken(ann, usher.MessageResetPassword)
	_, err := other.ResetPassword(ctx, usher.ResetPasswordParams{Token: raw, NewPassword: goodPassword}, home)
	wantPolicy(t, err, password.CodeReused)
	usher.Must(other.ResetPassword(ctx, usher.ResetPasswordParams{Token: raw, NewPassword: thirdPassword}, home))
	other.signIn(ann, thirdPassword, home)

	wantBreached(t, other.trySignIn("bob", goodPassword, home), false)
	wantPolicy(t, other.replace("bob", goodPassword, goodPassword), password.CodeReused)
	if err := other.replace("bob", goodPassword, thirdPassword); err != nil {
		t.Fatal(err)
	}
}
