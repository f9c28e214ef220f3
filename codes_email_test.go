package usher_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/token"
)

// A squatter has signed up with the address. The code in the owner's mailbox confirms
// nothing without the squatter's password, so the owner confirms no account of the squatter.
func TestCO12_ACodeConfirmsOnlyWithTheSessionOrThePassword(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	squatter := k.signUp(ann)
	code := k.lastEmail(usher.MessageVerifyEmail).Code
	verify := func(k *kit, claims *token.Claims, loginID string, code, pw usher.Secret, c usher.Client) error {
		_, err := k.VerifyEmail(ctx, claims, usher.VerifyEmailParams{LoginID: loginID, Code: code, Password: pw}, c)
		return err
	}
	wantErr(t, verify(k, nil, ann, code, "", nth(1)), usher.ErrPasswordRequired)
	wantErr(t, verify(k, nil, ann, code, otherPassword, nth(1)), usher.ErrInvalidCredentials)
	bob := k.claims(k.signUp("bob@example.com"))
	wantErr(t, verify(k, bob, ann, code, "", nth(1)), usher.ErrPasswordRequired)
	wantErr(t, verify(k, bob, "", code, "", nth(1)), usher.ErrInvalidCode)
	wantField(t, verify(k, nil, "", code, goodPassword, nth(1)), "loginId")
	if k.account("ann@example.com").User.EmailVerified {
		t.Fatal("the address is confirmed")
	}
	if err := verify(k, k.claims(squatter), "", code, "", home); err != nil {
		t.Errorf("in the session: %v", err)
	}
	k = newKit(t)
	k.signUp(ann)
	code = k.lastEmail(usher.MessageVerifyEmail).Code
	k.clock.add(10 * time.Minute)
	wantErr(t, verify(k, nil, ann, code, goodPassword, nth(1)), usher.ErrInvalidCode)
	usher.Must(k.confirm(tokenIn(t, k.lastEmail(usher.MessageVerifyEmail)), nth(1))) // the link is valid for a day
}

// The session that requested a change of address completes it by the code, and its own
// wrong codes keep no other browser from a code.
func TestCO12_ACodeChangesTheAddress(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	a := k.signUpVerified(ann)
	if err := k.ChangeEmail(ctx, k.claims(a), usher.ChangeEmailParams{NewEmail: "new@example.com", CurrentPassword: goodPassword}, home); err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(k.inbox(), func(m usher.Message) bool { return m.Kind == usher.MessageChangeEmail })
	code, wrong := k.inbox()[i].Code, k.wrongCode()
	for range 10 {
		_, err := k.VerifyEmail(ctx, k.claims(a), usher.VerifyEmailParams{Code: wrong}, home)
		wantErr(t, err, usher.ErrInvalidCode)
	}
	_, err := k.VerifyEmail(ctx, k.claims(a), usher.VerifyEmailParams{Code: code}, home)
	if l := wantLimit(t, err); l.Limit != "codes" || l.RetryAfter != 24*time.Hour {
		t.Errorf("the limit is %+v", l)
	}
	in := usher.VerifyEmailParams{LoginID: ann, Code: code, Password: goodPassword}
	if u, err := k.VerifyEmail(ctx, nil, in, nth(1)); err != nil || u.Email != "new@example.com" {
		t.Fatalf("in an unknown browser: %v, %v", u.Email, err)
	}
}

// The page after a sign-up asks for no new password, so the email about a new password that
// the sign-up with a taken address causes has no code.
func TestCO11_WhichEmailsHaveACode(t *testing.T) {
	t.Parallel()
	for _, noCodes := range []bool{false, true} {
		k := newKit(t, func(c *usher.Config) { c.ConfirmFirst, c.NoEmailCodes = true, noCodes })
		usher.Must(k.SignUp(ctx, usher.SignUpParams{LoginID: ann, Password: goodPassword}, home))
		usher.Must(k.SignUp(ctx, usher.SignUpParams{LoginID: ann, Password: otherPassword}, home))
		with := map[usher.MessageKind]bool{usher.MessageVerifyEmail: !noCodes, usher.MessageConfirmAndReset: false}
		for _, m := range k.wantEmails("confirm_and_reset verify_email") {
			if (m.Code != "") != with[m.Kind] || m.CodeExpiresAt.IsZero() == with[m.Kind] {
				t.Errorf("the email %s has the code %t", m.Kind, m.Code != "")
			}
		}
		k.requestReset(ann, home)
		if m := k.lastEmail(usher.MessageConfirmAndReset); (m.Code != "") == noCodes {
			t.Errorf("an email about a new password has the code %t", m.Code != "")
		} else if !noCodes {
			if err := k.byCode(ann, m.Code, home); err != nil {
				t.Error(err)
			}
			k.signIn(ann, goodPassword, home)
		}
	}
}

// An email that leaves the outbox after the end of its code has only the link.
func TestCO11_AnEmailHasNoDeadCode(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.mail.mu.Lock()
	k.mail.fail = errors.New("the server is down")
	k.mail.mu.Unlock()
	k.signUp(ann)
	for deadline := time.Now().Add(10 * time.Second); k.events.count(usher.EventSessionCreated) == 0 && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	k.clock.add(30 * time.Minute)
	k.mail.mu.Lock()
	k.mail.fail = nil
	k.mail.mu.Unlock()
	if m := k.lastEmail(usher.MessageVerifyEmail); m.Code != "" || !m.CodeExpiresAt.IsZero() || m.Link == "" {
		t.Errorf("the email has the code %q and the link %t", m.Code.Reveal(), m.Link != "")
	}
}

// An attacker uses up the guesses at a login id, and then signs up with it. The next answer
// does not reveal whether the sign-up has created a user.
func TestCO08_TheLimitDoesNotRevealASignUp(t *testing.T) {
	t.Parallel()
	for _, id := range []string{ann, "free@example.com"} {
		k := newKit(t, func(c *usher.Config) { c.ConfirmFirst = true })
		k.importUser(ann)
		for range 10 {
			wantErr(t, k.byCode(id, "123456", nth(1)), usher.ErrInvalidCode)
		}
		wantLimit(t, k.byCode(id, "123456", nth(1)))
		usher.Must(k.SignUp(ctx, usher.SignUpParams{LoginID: id, Password: goodPassword}, nth(1)))
		wantLimit(t, k.byCode(id, "123456", nth(1)))
	}
}

// Neither a deleted account nor another login id gives further guesses at an address. What
// unknown browsers guess beyond the limit is not judged, so it reveals no login ids of one user.
func TestCO07_ANewAccountWithTheAddressGivesNoFurtherGuesses(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	a := k.signUp(ann)
	wrong := k.wrongCode()
	for range 10 {
		_, err := k.VerifyEmail(ctx, k.claims(a), usher.VerifyEmailParams{Code: wrong}, nth(1))
		wantErr(t, err, usher.ErrInvalidCode)
	}
	if err := k.DeleteAccount(ctx, k.claims(a), usher.DeleteAccountParams{CurrentPassword: goodPassword}, home); err != nil {
		t.Fatal(err)
	}
	a = k.signUp(ann)
	_, err := k.VerifyEmail(ctx, k.claims(a), usher.VerifyEmailParams{Code: wrong}, nth(1))
	wantLimit(t, err)

	for i := range 10 {
		in := usher.VerifyEmailParams{LoginID: ann, Code: wrong, Password: goodPassword}
		_, err := k.VerifyEmail(ctx, nil, in, nth(i))
		wantErr(t, err, usher.ErrInvalidCode)
	}
	k.inbox()
	usher.Must(k.SignUp(ctx, usher.SignUpParams{LoginID: "other", Email: ann, Password: goodPassword}, home))
	code := k.lastEmail(usher.MessageVerifyEmail).Code
	in := usher.VerifyEmailParams{LoginID: "other", Code: code, Password: goodPassword}
	_, err = k.VerifyEmail(ctx, nil, in, nth(20))
	wantErr(t, err, usher.ErrInvalidCode)
}
