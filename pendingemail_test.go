package usher_test

import (
	"testing"
	"time"

	"github.com/usherkit/usher"
)

func TestEV05_APendingChangeIsSeenAndTakenBack(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	a := k.signUpVerified(ann)
	var asked time.Time
	pending := func(want string) {
		t.Helper()
		got := usher.Must(k.PendingEmail(ctx, a.User.ID))
		if got.Address != want {
			t.Errorf("%q is pending, want %q", got.Address, want)
		}
		var until time.Time
		if want != "" {
			until = asked.Add(24 * time.Hour)
		}
		if !got.ExpiresAt.Equal(until) {
			t.Errorf("the link to %q works until %s, want %s", got.Address, got.ExpiresAt, until)
		}
	}
	ask := func(to string) usher.Secret {
		t.Helper()
		k.clock.add(time.Minute)
		asked = k.clock.now()
		if err := k.ChangeEmail(ctx, k.claims(a), usher.ChangeEmail{NewEmail: to, CurrentPassword: goodPassword}, home); err != nil {
			t.Fatal(err)
		}
		for _, m := range k.wantMail("change_email email_changing") {
			if m.Kind == usher.MessageChangeEmail {
				return tokenIn(t, m)
			}
		}
		return ""
	}
	pending("")
	wantErr(t, k.CancelEmailChange(ctx, k.claims(a), home), usher.ErrNotFound)
	ask("One@example.com")
	pending("One@example.com")
	link := ask("two@example.com")
	pending("two@example.com")
	k.events.reset()
	if err := k.CancelEmailChange(ctx, k.claims(a), home); err != nil {
		t.Fatal(err)
	}
	k.wantEvents("user_email_change_cancel")
	pending("")
	_, err := k.VerificationLink(ctx, nil, link, home)
	wantErr(t, err, usher.ErrInvalidToken)
	ask("three@example.com")
	k.clock.add(24 * time.Hour)
	pending("")
	wantErr(t, k.CancelEmailChange(ctx, nil, home), usher.ErrInvalidSession)
}

func TestEV05_ThePresentAddressIsNoChange(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	a := k.signUpVerified(ann)
	hashes := k.Hashes()
	err := k.ChangeEmail(ctx, k.claims(a), usher.ChangeEmail{NewEmail: ann, CurrentPassword: goodPassword}, home)
	wantField(t, err, "newEmail")
	if k.Hashes() != hashes {
		t.Error("it cost a hash")
	}
	k.wantMail("")
	k.wantEvents("")
	// Another spelling is one.
	if err := k.ChangeEmail(ctx, k.claims(a), usher.ChangeEmail{NewEmail: "aNN@example.com", CurrentPassword: goodPassword}, home); err != nil {
		t.Fatal(err)
	}
}
