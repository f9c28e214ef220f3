package usher_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/password"
)

// wantUnproven requires that the password of a user proves too little to change the
// address, until then. The user must be signed in with that password.
func (k *kit) wantUnproven(a *usher.Authentication, pw usher.Secret, until time.Time) {
	k.t.Helper()
	in := usher.ChangeEmailParams{NewEmail: "thief@evil.test", CurrentPassword: pw}
	var unproven *usher.EmailProofError
	if err := k.ChangeEmail(ctx, k.claims(a), in, home); !errors.As(err, &unproven) || !unproven.Until.Equal(until) {
		k.t.Errorf("a change of address: %v, want an EmailProofError until %v", err, until)
	}
	if p := usher.Must(k.PendingEmail(ctx, a.User.ID)); p.Address != "" {
		k.t.Errorf("%s is pending", p.Address)
	}
}

// wantProven requires that the password of a user changes the address.
func (k *kit) wantProven(a *usher.Authentication, pw usher.Secret) {
	k.t.Helper()
	if err := k.ChangeEmail(ctx, k.claims(a), usher.ChangeEmailParams{NewEmail: "new@example.com", CurrentPassword: pw}, home); err != nil {
		k.t.Errorf("a change of address: %v", err)
	}
}

// robbed returns a user whose password a session alone has set to otherPassword, and the
// session that goes on.
func robbed(t *testing.T) (*kit, *usher.Authentication, time.Time) {
	t.Helper()
	k := newKit(t)
	claims := k.claims(k.signUpVerified(ann))
	a := usher.Must(k.UpdatePassword(ctx, claims, usher.UpdatePasswordParams{NewPassword: otherPassword}, nth(1)))
	return k, a, k.clock.now().Add(24 * time.Hour)
}

func TestUP07_APasswordSetByASessionAloneChangesNoAddress(t *testing.T) {
	t.Parallel()
	k, a, until := robbed(t)
	k.wantUnproven(a, otherPassword, until)
	k.clock.add(time.Hour)
	k.wantUnproven(k.signIn(ann, otherPassword, home), otherPassword, until)

	// What only that password proves does not change the time.
	a = usher.Must(k.ReplacePassword(ctx, usher.ReplacePasswordParams{LoginID: ann, OldPassword: otherPassword, NewPassword: thirdPassword}, home))
	k.wantUnproven(a, thirdPassword, until)
	k.clock.add(time.Minute)
	update := usher.UpdatePasswordParams{NewPassword: goodPassword, CurrentPassword: thirdPassword}
	a = usher.Must(k.UpdatePassword(ctx, k.claims(a), update, home))
	k.wantUnproven(a, goodPassword, until)
	if err := k.Operator("ops").ExpirePassword(ctx, a.User.ID); err != nil {
		t.Fatal(err)
	}
	a = usher.Must(k.ReplacePassword(ctx, usher.ReplacePasswordParams{LoginID: ann, OldPassword: goodPassword, NewPassword: otherPassword}, home))
	k.wantUnproven(a, otherPassword, until)

	// Another one by a session alone begins the time again.
	usher.Must(k.UpdatePassword(ctx, k.claims(a), usher.UpdatePasswordParams{NewPassword: thirdPassword}, home))
	until = k.clock.now().Add(24 * time.Hour)
	k.clock.add(24*time.Hour - time.Second)
	a = k.signIn(ann, thirdPassword, home)
	k.wantUnproven(a, thirdPassword, until)
	if n := k.events.count(usher.EventForbidden); n == 0 {
		t.Error("no event of the refusals")
	}
	k.clock.add(time.Second)
	k.wantProven(a, thirdPassword)
}

// A program that authenticates users itself gives them sessions that can be stolen too.
func TestUP07_ASessionOfAnotherProofSetsNoBetterPassword(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	u := usher.Must(k.ensure(ann))
	a := usher.Must(k.UpdatePassword(ctx, k.claims(k.startSession(u.ID, home)), usher.UpdatePasswordParams{NewPassword: otherPassword}, home))
	k.wantUnproven(a, otherPassword, k.clock.now().Add(24*time.Hour))
}

func TestUP07_AProvenPasswordChangesTheAddressAtOnce(t *testing.T) {
	t.Parallel()
	for name, set := range map[string]func(k *kit, a *usher.Authentication){
		"a reset link": func(k *kit, _ *usher.Authentication) {
			raw := k.resetToken(ann, usher.MessageResetPassword)
			usher.Must(k.ResetPassword(ctx, usher.ResetPasswordParams{Token: raw, NewPassword: thirdPassword}, home))
		},
		"a reset session": func(k *kit, _ *usher.Authentication) {
			r := usher.Must(k.VerifyReset(ctx, k.resetToken(ann, usher.MessageResetPassword), home))
			_, err := k.UpdatePassword(ctx, usher.Must(k.ValidateReset(ctx, r.Token)), usher.UpdatePasswordParams{NewPassword: thirdPassword}, home)
			if err != nil {
				k.t.Fatal(err)
			}
		},
		"an operator": func(k *kit, a *usher.Authentication) {
			if err := k.Operator("ops").SetPassword(ctx, a.User.ID, thirdPassword, false); err != nil {
				k.t.Fatal(err)
			}
		},
		"a temporary password of an operator": func(k *kit, a *usher.Authentication) {
			if err := k.Operator("ops").SetPassword(ctx, a.User.ID, goodPassword, true); err != nil {
				k.t.Fatal(err)
			}
			in := usher.ReplacePasswordParams{LoginID: ann, OldPassword: goodPassword, NewPassword: thirdPassword}
			usher.Must(k.ReplacePassword(ctx, in, home))
		},
	} {
		t.Run(name, func(t *testing.T) {
			k, a, until := robbed(t)
			k.wantUnproven(a, otherPassword, until)
			set(k, a)
			k.wantProven(k.signIn(ann, thirdPassword, home), thirdPassword)
		})
	}
	t.Run("the old password", func(t *testing.T) {
		k := newKit(t)
		update := usher.UpdatePasswordParams{NewPassword: otherPassword, CurrentPassword: goodPassword}
		k.wantProven(usher.Must(k.UpdatePassword(ctx, k.claims(k.signUpVerified(ann)), update, home)), otherPassword)
	})
}

// The owner notices the thief by the email, and has the account back at once.
func TestUP07_TheOwnerUndoesAPasswordSetByAThief(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	owner := k.signUpVerified(ann)
	k.wantEmails("")
	stolen := k.claims(owner)
	thief := usher.Must(k.UpdatePassword(ctx, stolen, usher.UpdatePasswordParams{NewPassword: otherPassword}, nth(7)))
	if m := k.wantEmails("password_changed")[0]; m.To != ann {
		t.Fatalf("the notice went to %s", m.To)
	}
	k.wantUnproven(thief, otherPassword, k.clock.now().Add(24*time.Hour))
	k.wantEmails("")
	raw := k.resetToken(ann, usher.MessageResetPassword)
	usher.Must(k.ResetPassword(ctx, usher.ResetPasswordParams{Token: raw, NewPassword: thirdPassword}, home))
	if k.isLive(thief) {
		t.Error("the thief is signed in")
	}
	k.wantPassword(ann, thirdPassword, otherPassword)
	k.wantProven(k.signIn(ann, thirdPassword, home), thirdPassword)
}

// A session sets a password on two instances, while changes of the address with the
// earlier and with the new password run.
func TestUP07_NoRaceChangesTheAddress(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	kits := []*kit{k, k.secondInstance()}
	owner := k.signUpVerified(ann)
	stolen, other := k.claims(owner), k.claims(k.signIn(ann, goodPassword, home))
	var won, refused atomic.Int64
	concurrently(64, func(i int) {
		k, pw, claims := kits[i/2%2], usher.Secret(goodPassword), other
		if i%2 == 0 {
			pw = usher.Secret(fmt.Sprintf("password number %d of many", i))
			a, err := k.UpdatePassword(ctx, stolen, usher.UpdatePasswordParams{NewPassword: pw}, nth(i))
			if err != nil {
				return
			}
			won.Add(1)
			claims = usher.Must(k.ValidateSession(ctx, a.Tokens.Session))
		}
		err := k.ChangeEmail(ctx, claims, usher.ChangeEmailParams{NewEmail: fmt.Sprintf("new%d@example.com", i), CurrentPassword: pw}, nth(i))
		var unproven *usher.EmailProofError
		switch {
		case errors.As(err, &unproven):
			refused.Add(1)
		case i%2 == 0:
			t.Errorf("with the new password: %v", err)
		}
	})
	if won.Load() != 1 || refused.Load() != 1 {
		t.Errorf("%d passwords were set, and %d changes of the address refused because of it", won.Load(), refused.Load())
	}
	if p := usher.Must(k.PendingEmail(ctx, owner.User.ID)); p.Address != "" {
		t.Errorf("a change to %s is pending", p.Address)
	}
	for _, m := range k.inbox() {
		if m.Kind == usher.MessageChangeEmail {
			_, err := k.VerifyEmail(ctx, k.claims(k.startSession(owner.User.ID, home)), usher.VerifyEmailParams{Token: tokenIn(t, m)}, home)
			wantErr(t, err, usher.ErrInvalidToken)
		}
	}
}

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

// A password that is known to have leaked proves nothing beside a stolen session: it changes
// no address and deletes no account, and what it sets counts as set by the session.
func TestUP07_PO10_ALeakedPasswordProvesNothingInASession(t *testing.T) {
	t.Parallel()
	k, l, a := leakedKit(t, usher.BreachedReplaced)
	created := a.Session.CreatedAt
	wantBreached(t, k.trySignIn(ann, goodPassword, home), true)
	l.leaked.Store(false) // the new one is not in the list
	k.clock.add(6 * time.Minute)
	k.wantUnproven(a, goodPassword, time.Time{})
	var unproven *usher.EmailProofError
	if err := k.DeleteAccount(ctx, k.claims(a), usher.DeleteAccountParams{CurrentPassword: goodPassword}, home); !errors.As(err, &unproven) {
		t.Errorf("a deletion: %v", err)
	}
	a = usher.Must(k.UpdatePassword(ctx, k.claims(a), usher.UpdatePasswordParams{NewPassword: thirdPassword, CurrentPassword: goodPassword}, home))
	k.wantUnproven(a, thirdPassword, k.clock.now().Add(24*time.Hour))
	if !a.Session.CreatedAt.Equal(created) {
		t.Errorf("the session is of %v, want %v", a.Session.CreatedAt, created)
	}
	k.clock.add(24 * time.Hour)
	k.wantProven(k.signIn(ann, thirdPassword, home), thirdPassword)

	// Without a verified address there is no better proof.
	l = &leakList{}
	k = newKit(t, withLeakList(l, usher.BreachedReplaced))
	a = k.signUp(ann)
	l.leaked.Store(true)
	wantBreached(t, k.trySignIn(ann, goodPassword, home), false)
	k.wantProven(a, goodPassword)
}
