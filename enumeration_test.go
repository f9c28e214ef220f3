package usher_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/password"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/memory"
)

// failingAccounts returns accounts in every state in which a sign-in fails, each with the
// password of the attempt. The first account does not exist.
func failingAccounts(k *kit) []usher.SignInParams {
	k.signUp("known@example.com")
	for _, in := range []usher.ImportUserParams{
		{LoginIDs: []string{"disabled@example.com"}, EmailVerified: true, Password: goodPassword, Disabled: true},
		{LoginIDs: []string{"none@example.com"}},
	} {
		if _, err := k.Operator("test").ImportUser(ctx, in); err != nil {
			k.t.Fatal(err)
		}
	}
	k.signUp("locked@example.com")
	for i := range k.PasswordPolicy().LockAttempts {
		k.failSignIn("locked@example.com", nth(40_000+i))
	}
	k.signUp("damaged@example.com")
	k.setHash("damaged@example.com", "$argon2id$garbage")
	return []usher.SignInParams{
		{LoginID: "unknown@example.com", Password: otherPassword},
		{LoginID: "known@example.com", Password: otherPassword},
		{LoginID: "disabled@example.com", Password: otherPassword},
		{LoginID: "none@example.com", Password: otherPassword},
		{LoginID: "locked@example.com", Password: goodPassword},
		{LoginID: "locked@example.com", Password: otherPassword},
		{LoginID: "damaged@example.com", Password: goodPassword},
	}
}

func TestEN01_OneFailureForEverybody(t *testing.T) {
	t.Parallel()
	k := newKit(t, func(c *usher.Config) { c.Password.LockAttempts = 3 })
	want := []string{
		"unknown_login_id", "wrong_password", "wrong_password", "no_password", "locked", "locked", "damaged_hash",
	}
	for i, in := range failingAccounts(k) {
		hashes := k.Hashes()
		k.events.reset()
		a, err := k.SignIn(ctx, in, nth(i))
		if a != nil || err != usher.ErrInvalidCredentials {
			t.Errorf("%s: %v, %v, want nothing and the error of every failure", in.LoginID, a, err)
		}
		if n := k.Hashes() - hashes; n != 1 {
			t.Errorf("%s: %d hashes, want one", in.LoginID, n)
		}
		events := strings.TrimPrefix(k.events.take(), "authn_password_damaged ")
		if events != "authn_login_fail:"+want[i] {
			t.Errorf("%s: events are %q, want %s", in.LoginID, events, want[i])
		}
	}
	// Only the right password reveals that an account is disabled.
	wantErr(t, k.trySignIn("disabled@example.com", goodPassword, home), usher.ErrUserDisabled)
}

func TestEN01_AnUnconfirmedAccountFailsLikeTheOthers(t *testing.T) {
	k := newKit(t, func(c *usher.Config) { c.ConfirmFirst = true })
	if err := k.trySignUp("ann@example.com", goodPassword); err != nil {
		t.Fatal(err)
	}
	for _, pw := range []usher.Secret{goodPassword, otherPassword} {
		a, err := k.SignIn(ctx, usher.SignInParams{LoginID: "ann@example.com", Password: pw}, home)
		if a != nil || err != usher.ErrInvalidCredentials {
			t.Errorf("%v, %v, want nothing and the error of every failure", a, err)
		}
	}
	k.waitForEvent(usher.EventEmailVerifyRequested)
	events := strings.Fields(k.events.take())
	slices.Sort(events)
	want := "authn_login_fail:unverified authn_login_fail:wrong_password user_created user_email_verify_request"
	if got := strings.Join(events, " "); got != want {
		t.Errorf("events are %q, want %q", got, want)
	}
	if got := k.emailKinds(); got != "verify_email verify_email" {
		t.Errorf("emails are %q, want another link after the right password", got)
	}

	// A replacement does not reveal it either, whatever the new password is.
	for _, pw := range []usher.Secret{otherPassword, "short"} {
		if err := k.replace("ann@example.com", goodPassword, pw); err != usher.ErrInvalidCredentials {
			t.Errorf("replacement: %v, want the error of every failure", err)
		}
	}
	// The right password counts as a failure, so the limit does not reveal it
	// either.
	wantErr(t, k.trySignIn("ann@example.com", goodPassword, home), usher.ErrInvalidCredentials)
	wantLimit(t, k.trySignIn("ann@example.com", goodPassword, home))
	k.clock.add(time.Hour)
	if _, err := k.confirm(tokenIn(t, k.lastEmail(usher.MessageVerifyEmail)), home); err != nil {
		t.Fatal(err)
	}
	k.signIn("ann@example.com", goodPassword, home)
}

// waitForEvent waits until the hook got an event of that name since the last take.
func (k *kit) waitForEvent(name usher.EventName) {
	k.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); k.events.count(name) == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			k.t.Fatalf("no %s within 10 s", name)
		}
	}
}

func TestEN04_AResetRevealsNothingThatIsStored(t *testing.T) {
	k := newKit(t)
	if _, err := k.Operator("test").ImportUser(ctx, usher.ImportUserParams{
		LoginIDs: []string{"bob"}, Email: "secret@corp.test", EmailVerified: true,
	}); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"bob", "nobody"} {
		if err := k.SendPasswordReset(ctx, usher.SendPasswordResetParams{LoginID: id}, home); err != nil {
			t.Errorf("%s: %v, want nothing", id, err)
		}
	}
	if m := k.lastEmail(usher.MessageResetPassword); m.To != "secret@corp.test" {
		t.Errorf("the email goes to %s", m.To)
	}
	if got := k.emailKinds(); got != "reset_password" {
		t.Errorf("emails are %q, want one", got)
	}
}

// Refusals are equal, and come after the same number of attempts, for login ids that
// exist and that do not.
func TestEN06_UnknownLoginIDsAreThrottledAlike(t *testing.T) {
	k := newKit(t)
	k.signUp("known@example.com")
	answers := func(loginID string, c usher.Client) (all []string) {
		for range 7 {
			err := k.trySignIn(loginID, otherPassword, c)
			all = append(all, fmt.Sprintf("%T %v", err, err))
		}
		k.clock.add(30 * time.Second)
		return append(all, fmt.Sprint(k.trySignIn(loginID, otherPassword, c), k.trySignIn(loginID, otherPassword, c)))
	}
	known, unknown := answers("known@example.com", nth(1)), answers("unknown@example.com", nth(2))
	if !slices.Equal(known, unknown) {
		t.Errorf("the answers for known and unknown login ids differ:\n%q\n%q", known, unknown)
	}
}

func TestEN06_TheOrderOfChecksHidesWhoExists(t *testing.T) {
	for _, confirm := range []bool{false, true} {
		k := newKit(t, func(c *usher.Config) { c.ConfirmFirst = confirm })
		if _, err := k.Operator("test").ImportUser(ctx, usher.ImportUserParams{LoginIDs: []string{"taken@example.com"}, Password: goodPassword}); err != nil {
			t.Fatal(err)
		}
		for _, pw := range []usher.Secret{"short", "passwordpassword", "", "\xff"} {
			taken, free := k.trySignUp("taken@example.com", pw), k.trySignUp("free@example.com", pw)
			if taken == nil || !reflect.DeepEqual(taken, free) {
				t.Errorf("taken: %v, free: %v", taken, free)
			}
			var p *password.PolicyError
			var f *usher.FieldError
			if !errors.As(taken, &p) && !errors.As(taken, &f) {
				t.Errorf("%v, want an error about the password", taken)
			}
		}
	}
}

func TestEN07_OneAnswerForEveryDeadLink(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	dead := map[string]usher.Secret{"random": "Zm9vYmFyZm9vYmFyZm9vYmFyZm9vYmFyZm9vYmFyZm8", "rubbish": "\x00 ?"}

	a := k.signUp("ann@example.com")
	dead["used to verify"] = tokenIn(t, k.lastEmail(usher.MessageVerifyEmail))
	if _, err := k.confirm(dead["used to verify"], home); err != nil {
		t.Fatal(err)
	}
	dead["superseded"] = k.resetToken("ann@example.com", usher.MessageResetPassword)
	dead["used to reset"] = k.resetToken("ann@example.com", usher.MessageResetPassword)
	if _, err := k.ResetPassword(ctx, usher.ResetPasswordParams{Token: dead["used to reset"], NewPassword: otherPassword}, home); err != nil {
		t.Fatal(err)
	}
	k.lastEmail(usher.MessagePasswordChanged) // wait for it, so that it comes before the next
	dead["expired"] = k.resetToken("ann@example.com", usher.MessageResetPassword)
	k.clock.add(time.Hour)
	dead["of a disabled user"] = k.resetToken("ann@example.com", usher.MessageResetPassword)
	if err := k.Operator("test").Disable(ctx, a.User.ID); err != nil {
		t.Fatal(err)
	}
	k.clock.add(time.Hour)

	i := 0
	for name, link := range dead {
		for method, err := range map[string]error{
			"ResetLink":     errOf(k.ResetLink(ctx, link, nth(i))),
			"VerifyReset":   errOf(k.VerifyReset(ctx, link, nth(i))),
			"VerifyEmail":   errOf(k.confirm(link, nth(i))),
			"ResetPassword": errOf(k.ResetPassword(ctx, usher.ResetPasswordParams{Token: link, NewPassword: thirdPassword}, nth(i))),
		} {
			if err != usher.ErrInvalidToken {
				t.Errorf("%s, link %s: %v, want the one answer", method, name, err)
			}
		}
		i++
	}
}

// With ConfirmFirst, sign-up does not reveal whether an account exists.
func TestEN05_ConfirmFirstAnswersAlike(t *testing.T) {
	t.Parallel()
	k := newKit(t, func(c *usher.Config) { c.ConfirmFirst = true })
	up := func(pw usher.Secret, c usher.Client) {
		t.Helper()
		r, err := k.Service.SignUp(ctx, usher.SignUpParams{LoginID: ann, Password: pw}, c)
		if err != nil || r != (usher.Result{Next: usher.NextConfirmEmail}) {
			t.Fatal(r, err)
		}
	}
	up(goodPassword, nth(1))
	k.wantEvents("user_created")
	verify := tokenIn(t, k.wantEmails("verify_email")[0])

	// The right password does not sign in before the address is confirmed.
	_, err := k.SignIn(ctx, usher.SignInParams{LoginID: ann, Password: goodPassword}, home)
	wantErr(t, err, usher.ErrInvalidCredentials)
	k.waitForEvent(usher.EventEmailVerifyRequested)
	k.events.reset()
	k.wantEmails("verify_email")
	usher.Must(k.confirm(verify, home))
	k.signIn(ann, goodPassword, home)
	k.events.reset()

	// The login id is taken: the owner is notified, and the answer does not reveal
	// it.
	up(otherPassword, nth(2))
	k.wantEvents("user_create_fail:login_id_taken")
	if m := k.wantEmails("already_registered")[0]; m.To != ann || m.Link != "" {
		t.Fatalf("an email to %s", m.To)
	}
	k.wantPassword(ann, goodPassword, otherPassword)
}

// Signing up again for an unconfirmed account sends a link with which the owner of
// the mailbox sets a new password.
func TestEV03_ConfirmFirstSignUpAgain(t *testing.T) {
	t.Parallel()
	k := newKit(t, func(c *usher.Config) { c.ConfirmFirst = true })
	for i, pw := range []usher.Secret{goodPassword, otherPassword} { // by the squatter, then by the owner
		r, err := k.Service.SignUp(ctx, usher.SignUpParams{LoginID: ann, Password: pw}, nth(i))
		if err != nil || r != (usher.Result{Next: usher.NextConfirmEmail}) {
			t.Fatal(r, err)
		}
	}
	k.wantEvents("user_created user_create_fail:login_id_taken")
	var claim usher.Secret
	for _, m := range k.wantEmails("confirm_and_reset verify_email") {
		if m.Kind == usher.MessageConfirmAndReset {
			claim = tokenIn(t, m)
		}
	}
	usher.Must(k.ResetPassword(ctx, usher.ResetPasswordParams{Token: claim, NewPassword: thirdPassword}, home))
	k.wantPassword(ann, thirdPassword, goodPassword, otherPassword)
}

// The address of a disabled user gets no email, and the answer is the same.
func TestEN05_ConfirmFirstDisabled(t *testing.T) {
	t.Parallel()
	k := newKit(t, func(c *usher.Config) { c.ConfirmFirst = true })
	u := k.importUser(ann)
	if err := k.Operator("test").Disable(ctx, u.ID); err != nil {
		t.Fatal(err)
	}
	k.events.reset()
	r, err := k.Service.SignUp(ctx, usher.SignUpParams{LoginID: ann, Password: goodPassword}, home)
	if err != nil || r != (usher.Result{Next: usher.NextConfirmEmail}) {
		t.Fatal(r, err)
	}
	k.wantEvents("user_create_fail:login_id_taken")
	k.wantEmails("")
}

// neverMailer is a Mailer that never returns before its context ends.
var neverMailer = usher.MailerFunc(func(ctx context.Context, _ usher.Message) error {
	<-ctx.Done()
	return ctx.Err()
})

// The number of transactions is the same whether or not the account exists, so a
// slow disk does not reveal it.
func TestEN03_TheStoreDoesTheSameWork(t *testing.T) {
	store := &transactionCounter{Store: memory.New()}
	k := newKitOn(t, store, newClock(), func(c *usher.Config) { c.ConfirmFirst = true; c.Mailer = neverMailer })
	for _, in := range []usher.ImportUserParams{
		{LoginIDs: []string{"verified@example.com"}, EmailVerified: true},
		{LoginIDs: []string{"unverified@example.com"}},
		{LoginIDs: []string{"disabled@example.com"}, Disabled: true},
		{LoginIDs: []string{"bob"}},
	} {
		if _, err := k.Operator("test").ImportUser(ctx, in); err != nil {
			t.Fatal(err)
		}
	}
	for name, act := range map[string]func(loginID string) error{
		"reset": func(id string) error {
			return k.SendPasswordReset(ctx, usher.SendPasswordResetParams{LoginID: id}, home)
		},
		"sign-up": func(id string) error {
			_, err := k.SignUp(ctx, usher.SignUpParams{LoginID: id, Email: map[bool]string{true: "b@example.com"}[id == "bob"], Password: goodPassword}, home)
			return err
		},
		"sign-in": func(id string) error {
			if err := k.trySignIn(id, otherPassword, home); err != usher.ErrInvalidCredentials {
				return err
			}
			return nil
		},
	} {
		want := int64(-1)
		for _, id := range []string{
			"unknown-" + name + "@example.com", "verified@example.com", "unverified@example.com", "disabled@example.com", "bob",
		} {
			store.writes.Store(0)
			if err := act(id); err != nil {
				t.Fatalf("%s of %s: %v", name, id, err)
			}
			got := store.writes.Load()
			if want < 0 {
				want = got
			}
			if got != want || got == 0 {
				t.Errorf("%s of %s: %d transactions that write, want %d as for an unknown login id", name, id, got, want)
			}
		}
	}
}

// transactionCounter counts the transactions that write.
type transactionCounter struct {
	store.Store
	writes atomic.Int64
}

func (s *transactionCounter) TakeLimits(ctx context.Context, now time.Time, l []store.Limit) (store.LimitResult, error) {
	s.writes.Add(1)
	return s.Store.TakeLimits(ctx, now, l)
}

func (s *transactionCounter) ReleaseLimits(ctx context.Context, keys []string) error {
	s.writes.Add(1)
	return s.Store.ReleaseLimits(ctx, keys)
}

func (s *transactionCounter) CreateUser(ctx context.Context, c store.UserCreation) ([]store.Event, error) {
	s.writes.Add(1)
	return s.Store.CreateUser(ctx, c)
}

func (s *transactionCounter) AddOneTimeToken(ctx context.Context, a store.TokenAddition) error {
	s.writes.Add(1)
	return s.Store.AddOneTimeToken(ctx, a)
}

func (s *transactionCounter) Record(ctx context.Context, fx store.Effects) error {
	s.writes.Add(1)
	return s.Store.Record(ctx, fx)
}
