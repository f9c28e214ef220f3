package usher_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/memory"
	"github.com/usherkit/usher/token"
)

// askForChange requests a change of address, and returns the token of the emailed link.
func (k *kit) askForChange(a *usher.Authentication, to string) usher.Secret {
	k.t.Helper()
	if err := k.ChangeEmail(ctx, k.claims(a), usher.ChangeEmailParams{NewEmail: to, CurrentPassword: goodPassword}, home); err != nil {
		k.t.Fatal(err)
	}
	for _, m := range k.wantEmails("change_email email_changing") {
		if m.Kind == usher.MessageChangeEmail {
			return tokenIn(k.t, m)
		}
	}
	return ""
}

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
		return k.askForChange(a, to)
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
	err := k.ChangeEmail(ctx, k.claims(a), usher.ChangeEmailParams{NewEmail: ann, CurrentPassword: goodPassword}, home)
	wantField(t, err, "newEmail")
	if k.Hashes() != hashes {
		t.Error("it cost a hash")
	}
	k.wantEmails("")
	k.wantEvents("")
	// Another spelling of the address is a change.
	if err := k.ChangeEmail(ctx, k.claims(a), usher.ChangeEmailParams{NewEmail: "aNN@example.com", CurrentPassword: goodPassword}, home); err != nil {
		t.Fatal(err)
	}
}

// Neither the caller's mailbox nor the number of changes that can be requested
// reveals whether an address is a login id.
func TestEV05_AChangeOfAddressRevealsNoAccount(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(*kit){
		"free":     func(*kit) {},
		"verified": func(k *kit) { k.signUpVerified("victim@example.com") },
		"unverified": func(k *kit) {
			usher.Must(k.Operator("test").ImportUser(ctx, usher.ImportUserParams{LoginIDs: []string{"victim@example.com"}}))
		},
		"disabled": func(k *kit) {
			usher.Must(k.Operator("test").ImportUser(ctx, usher.ImportUserParams{LoginIDs: []string{"victim@example.com"}, EmailVerified: true, Disabled: true}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := newKit(t)
			prepare(k)
			a := k.signUpVerified(mallory)
			for i, to := range []string{"victim@example.com", "own1@example.com", "own2@example.com", "own3@example.com"} {
				err := k.ChangeEmail(ctx, k.claims(a), usher.ChangeEmailParams{NewEmail: to, CurrentPassword: goodPassword}, home)
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
				t.Errorf("emails are %v, want 3 notices and the two links", got)
			}
			if name == "disabled" && got["victim@example.com"] != 0 {
				t.Error("a disabled user got an email")
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
		usher.Must(k.SignUp(ctx, usher.SignUpParams{LoginID: fmt.Sprint("user", i), Email: victim, Password: goodPassword}, nth(i)))
	}
	if n := len(k.wantEmails("verify_email verify_email verify_email verify_email")); n != 4 {
		t.Fatalf("%d emails", n)
	}
	squatter := usher.Must(k.SignUp(ctx, usher.SignUpParams{LoginID: "squatter", Email: victim, Password: goodPassword}, nth(7)))
	a := k.signUpVerified(mallory)
	k.events.reset()
	for range 3 {
		if err := k.SendEmailVerification(ctx, k.claims(squatter), home); err != nil {
			t.Errorf("an address that is not proven: %v", err)
		}
		in := usher.ChangeEmailParams{NewEmail: victim, CurrentPassword: goodPassword}
		if err := k.ChangeEmail(ctx, k.claims(a), in, home); err != nil {
			t.Errorf("a new address: %v", err)
		}
		if got := usher.Must(k.PendingEmail(ctx, a.User.ID)).Address; got != victim {
			t.Errorf("%q is pending", got)
		}
	}
	k.wantEmails("email_changing email_changing email_changing")
}

// A user who mistyped the new address requests another change, which voids the link
// in the wrong mailbox.
func TestEV05_AnotherRequestTakesThePlaceOfTheFirst(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	a := k.signUpVerified(ann)
	ask := func(to string) usher.Secret {
		t.Helper()
		k.clock.add(time.Minute)
		return k.askForChange(a, to)
	}
	mistyped := ask("new@exmaple.com")
	first, again := ask("new@example.com"), ask("new@example.com")
	_, err := k.confirm(mistyped, home)
	wantErr(t, err, usher.ErrInvalidToken)
	if _, err := k.VerificationLink(ctx, nil, again, home); err != nil {
		t.Fatalf("the newest link: %v", err)
	}
	if u := usher.Must(k.confirm(first, home)); u.Email != "new@example.com" {
		t.Fatalf("the address is %s", u.Email)
	}
}

func TestEV05_AddressMovesOnlyWhenConfirmed(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	a := k.signUpVerified(ann)
	change := usher.ChangeEmailParams{NewEmail: "New@example.com"}
	err := k.ChangeEmail(ctx, k.claims(a), change, home)
	wantField(t, err, "currentPassword")
	change.CurrentPassword = otherPassword
	err = k.ChangeEmail(ctx, k.claims(a), change, home)
	wantErr(t, err, usher.ErrInvalidCredentials)
	k.wantEmails("")
	k.events.reset()
	change.CurrentPassword = goodPassword
	if err := k.ChangeEmail(ctx, k.claims(a), change, home); err != nil {
		t.Fatal(err)
	}
	k.wantEvents("user_email_change_request")
	var link usher.Secret
	for _, m := range k.wantEmails("change_email email_changing") {
		switch m.Kind {
		case usher.MessageChangeEmail:
			link = tokenIn(t, m)
			if m.To != "New@example.com" {
				t.Fatalf("the link went to %s", m.To)
			}
		default:
			if m.To != ann || m.Link != "" {
				t.Fatalf("the notice went to %s", m.To)
			}
		}
	}
	k.wantAbsent("a link", link)

	// While the change is pending, emails and sign-in use the old address.
	if u := usher.Must(k.Operator("test").User(ctx, a.User.ID)); u.Email != ann || !u.EmailVerified {
		t.Fatalf("moved already: %+v", u)
	}
	_, err = k.SignIn(ctx, usher.SignInParams{LoginID: "new@example.com", Password: goodPassword}, nth(1))
	wantErr(t, err, usher.ErrInvalidCredentials)
	k.signIn(ann, goodPassword, home)
	k.requestReset(ann, home)
	if m := k.wantEmails("reset_password")[0]; m.To != ann {
		t.Fatalf("the email went to %s", m.To)
	}

	k.events.reset()
	u := usher.Must(k.confirm(link, home))
	k.wantEvents("user_email_change")
	if m := k.wantEmails("email_changed")[0]; m.To != ann {
		t.Fatalf("the notice went to %s", m.To)
	}
	if u.Email != "New@example.com" || !u.EmailVerified || !reflect.DeepEqual(u.LoginIDs, []string{"New@example.com"}) || u.ID != a.User.ID {
		t.Fatalf("the user is %+v", u)
	}
	if !k.isLive(a) {
		t.Fatal("the change ended the session")
	}
	k.signIn("new@example.com", goodPassword, home)
	_, err = k.SignIn(ctx, usher.SignInParams{LoginID: ann, Password: goodPassword}, nth(1))
	wantErr(t, err, usher.ErrInvalidCredentials)
	_, err = k.confirm(link, home)
	wantErr(t, err, usher.ErrInvalidToken)
	k.signUp(ann) // the old address is free again
}

// A reset, or any other change of the password, voids a pending change.
func TestEV05_PendingChangeDiesWithAReset(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	a := k.signUpVerified(ann)
	link := k.askForChange(a, "new@example.com")
	raw := k.resetToken(ann, usher.MessageResetPassword)
	usher.Must(k.ResetPassword(ctx, usher.ResetPasswordParams{Token: raw, NewPassword: otherPassword}, home))
	_, err := k.confirm(link, home)
	wantErr(t, err, usher.ErrInvalidToken)
	if u := usher.Must(k.Operator("test").User(ctx, a.User.ID)); u.Email != ann {
		t.Fatalf("the address is %s", u.Email)
	}
}

// The answer is the same when the new address belongs to another user, and
// requesting an address does not reserve it.
func TestEV05_AddressOfAnother(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	a := k.signUpVerified(ann)
	bob := k.signUpVerified("bob@example.com")
	k.events.reset()
	in := usher.ChangeEmailParams{NewEmail: "bob@example.com", CurrentPassword: goodPassword}
	if err := k.ChangeEmail(ctx, k.claims(a), in, home); err != nil {
		t.Fatal(err)
	}
	k.wantEvents("user_email_change_request:login_id_taken")
	for _, m := range k.wantEmails("already_registered email_changing") {
		if to := map[usher.MessageKind]string{usher.MessageAlreadyRegistered: "bob@example.com", usher.MessageEmailChanging: ann}[m.Kind]; m.To != to || m.Link != "" {
			t.Fatalf("the %s email went to %s", m.Kind, m.To)
		}
	}
	// The address was free at the request and is taken at the confirmation.
	link := k.askForChange(a, "new@example.com")
	k.signUp("new@example.com")
	_, err := k.confirm(link, home)
	wantErr(t, err, usher.ErrInvalidToken)
	if u := usher.Must(k.Operator("test").User(ctx, a.User.ID)); u.Email != ann || !k.isLive(bob) {
		t.Fatalf("the address is %s", u.Email)
	}
}

// Only an operator sets an address that is verified at once.
func TestEV05_OperatorSetsTheAddress(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	a, link := k.verifyToken(ann)
	u := usher.Must(k.Operator("test").UpdateUser(ctx, a.User.ID, usher.UpdateUserParams{Email: &usher.EmailAddress{Address: "op@example.com", Verified: true}}))
	if u.Email != "op@example.com" || !u.EmailVerified || u.LoginID() != ann {
		t.Fatalf("the user is %+v", u)
	}
	_, err := k.confirm(link, home)
	wantErr(t, err, usher.ErrInvalidToken)
	_, err = k.Operator("test").UpdateUser(ctx, a.User.ID, usher.UpdateUserParams{Email: &usher.EmailAddress{Address: "not an address"}})
	wantField(t, err, "email")
}

// An operator may be talked into a change, so the owner of a proven address is notified.
func TestRS14_AnOperatorsChangeOfAddressNotifiesTheOldOne(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	a := k.signUpVerified(ann)
	set := func(address string) {
		t.Helper()
		in := usher.UpdateUserParams{Email: &usher.EmailAddress{Address: address, Verified: address != "unproven@example.com"}}
		usher.Must(k.Operator("test").UpdateUser(ctx, a.User.ID, in))
	}
	set(ann) // the same one
	k.wantEmails("")
	set("unproven@example.com")
	if m := k.wantEmails("email_changed")[0]; m.To != ann || m.Address != "" {
		t.Errorf("the notice is %+v", m)
	}
	set("new@example.com")
	k.wantEmails("")
	set("")
	k.wantEmails("email_changed")
}

// conflictingStore refuses one-time tokens as if the account had changed meanwhile.
type conflictingStore struct {
	store.Store
	conflict bool
	down     bool
}

func (s *conflictingStore) AddOneTimeToken(ctx context.Context, a store.TokenAddition) error {
	if s.conflict {
		return store.ErrConflict
	}
	if s.down {
		return errors.New("no connection")
	}
	return s.Store.AddOneTimeToken(ctx, a)
}

func (s *conflictingStore) Unwrap() store.Store { return s.Store }

// A change of address without an email, because the address has had enough, releases
// no email. Otherwise a user could send any number to another person's address, by
// changes that conflict with a change of the password.
func TestML04_AChangeWithoutAnEmailReleasesNone(t *testing.T) {
	t.Parallel()
	s := &conflictingStore{Store: memory.New()}
	k := newKitOn(t, s, newClock())
	byAnn, byBob := k.claims(k.signUpVerified(ann)), k.claims(k.signUpVerified("bob@example.com"))
	change := func(claims *token.Claims) {
		t.Helper()
		in := usher.ChangeEmailParams{NewEmail: "victim@example.com", CurrentPassword: goodPassword}
		if err := k.ChangeEmail(ctx, claims, in, home); err != nil {
			t.Fatal(err)
		}
	}
	emails := func() (n int) {
		for _, m := range k.inbox() {
			if m.To == "victim@example.com" {
				n++
			}
		}
		return n
	}
	for _, claims := range []*token.Claims{byAnn, byAnn, byAnn, byBob} {
		change(claims)
	}
	if n := emails(); n != 4 {
		t.Fatalf("%d emails, want 4 of the hour's 5: one is reserved for a reset", n)
	}
	s.conflict = true
	change(byBob)
	change(byBob)
	s.conflict = false
	change(byBob)
	if n := emails(); n != 4 {
		t.Errorf("%d emails to one address in an hour, want 4", n)
	}
}
