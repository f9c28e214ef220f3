package usher_test

import (
	"fmt"
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

// Neither the caller's mailbox nor the number of changes that can be requested
// reveals whether an address is a login id.
func TestEV05_AChangeOfAddressTellsNobodyWhoHasAnAccount(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(*kit){
		"free":     func(*kit) {},
		"verified": func(k *kit) { k.signUpVerified("victim@example.com") },
		"unverified": func(k *kit) {
			usher.Must(k.ImportUser(ctx, usher.UserImport{LoginIDs: []string{"victim@example.com"}}))
		},
		"disabled": func(k *kit) {
			usher.Must(k.ImportUser(ctx, usher.UserImport{LoginIDs: []string{"victim@example.com"}, EmailVerified: true, Disabled: true}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := newKit(t)
			prepare(k)
			a := k.signUpVerified(mallory)
			for i, to := range []string{"victim@example.com", "own1@example.com", "own2@example.com", "own3@example.com"} {
				err := k.ChangeEmail(ctx, k.claims(a), usher.ChangeEmail{NewEmail: to, CurrentPassword: goodPassword}, home)
				if i == 3 {
					if l := wantLimit(t, err); l.Limit != "links" || l.RetryAfter != time.Hour {
						t.Errorf("the limit is %+v", l)
					}
				} else if err != nil {
					t.Fatal(err)
				}
			}
			got := map[string]int{}
			for _, m := range k.inbox() {
				got[m.To]++
			}
			if got[mallory] != 3 || got["own1@example.com"] != 1 || got["own2@example.com"] != 1 || got["own3@example.com"] != 0 {
				t.Errorf("mails are %v, want 3 notices and the two links", got)
			}
			if name == "disabled" && got["victim@example.com"] != 0 {
				t.Error("a disabled user got mail")
			}
		})
	}
}

// A limit on the emails to an address would reveal that others caused some. Only a
// client that requested too many itself gets an error.
func TestEV05_NobodyLearnsWhatMailAnAddressGets(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	const victim = "victim@example.com"
	for i := range 6 {
		usher.Must(k.SignUp(ctx, usher.SignUp{LoginID: fmt.Sprint("user", i), Email: victim, Password: goodPassword}, nth(i)))
	}
	if n := len(k.wantMail("verify_email verify_email verify_email verify_email")); n != 4 {
		t.Fatalf("%d mails", n)
	}
	squatter := usher.Must(k.SignUp(ctx, usher.SignUp{LoginID: "squatter", Email: victim, Password: goodPassword}, nth(7)))
	a := k.signUpVerified(mallory)
	k.events.reset()
	for range 3 {
		if err := k.SendEmailVerification(ctx, k.claims(squatter), home); err != nil {
			t.Errorf("an address that is not proven: %v", err)
		}
		in := usher.ChangeEmail{NewEmail: victim, CurrentPassword: goodPassword}
		if err := k.ChangeEmail(ctx, k.claims(a), in, home); err != nil {
			t.Errorf("a new address: %v", err)
		}
		if got := usher.Must(k.PendingEmail(ctx, a.User.ID)).Address; got != victim {
			t.Errorf("%q is pending", got)
		}
	}
	k.wantMail("email_changing email_changing email_changing")
}
