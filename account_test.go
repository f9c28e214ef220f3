package usher_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/memory"
)

func (k *kit) deleteAccount(a *usher.Authentication, pw usher.Secret, c usher.Client) error {
	k.t.Helper()
	return k.DeleteAccount(ctx, k.claims(a), usher.DeleteAccountParams{CurrentPassword: pw}, c)
}

func TestAC02_ADeletionNeedsThePassword(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	a := k.signUpVerified(ann)
	wantField(t, k.deleteAccount(a, "", home), "currentPassword") // also after a recent sign-in
	before := k.Hashes()
	if err := k.deleteAccount(a, otherPassword, home); !errors.Is(err, usher.ErrInvalidCredentials) {
		t.Errorf("a wrong password: %v", err)
	}
	if n := k.Hashes() - before; n != 1 {
		t.Errorf("%d hashes for one attempt", n)
	}
	k.wantEvents("authn_login_fail:wrong_password")
	if !k.isLive(a) || k.emailKinds() != "" {
		t.Fatal("a refused deletion has an effect")
	}
	k.clock.add(time.Hour) // the password needs no recent sign-in
	a = usher.Must(k.RefreshSession(ctx, a.Tokens.Refresh, home))
	claims, right := k.claims(a), usher.DeleteAccountParams{CurrentPassword: goodPassword}
	if err := k.DeleteAccount(ctx, claims, right, home); err != nil {
		t.Fatal(err)
	}
	k.wantEvents("session_renewed user_deleted session_ended:user_deleted")
	if m := k.lastEmail(usher.MessageAccountDeleted); m.To != ann || m.Link != "" {
		t.Errorf("the email is %+v", m)
	}
	if _, err := k.Operator("test").UserByLoginID(ctx, ann); !errors.Is(err, usher.ErrNotFound) {
		t.Errorf("the user is still there: %v", err)
	}
	if err := k.DeleteAccount(ctx, claims, right, home); !errors.Is(err, usher.ErrInvalidSession) {
		t.Errorf("again: %v", err)
	}
}

// A thief of a session sets a password, and must not delete the account with it.
func TestAC02_APasswordThatASessionAloneHasSetDeletesNothing(t *testing.T) {
	t.Parallel()
	k, a, until := robbed(t)
	var unproven *usher.EmailProofError
	if err := k.deleteAccount(a, otherPassword, home); !errors.As(err, &unproven) || !unproven.Until.Equal(until) {
		t.Fatalf("a deletion: %v, want an EmailProofError until %v", err, until)
	}
	if !k.isLive(a) {
		t.Error("the session ended")
	}
}

func TestAC02_AUserWithoutAPasswordNeedsARecentSignIn(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	u := usher.Must(k.EnsureUser(ctx, usher.EnsureUserParams{Email: ann, EmailVerified: true}, home))
	start := func() *usher.Authentication {
		t.Helper()
		return usher.Must(k.StartSession(ctx, u.ID, usher.Proof{Methods: []string{"oidc"}, At: k.clock.now()}, home))
	}
	a := start()
	if err := k.deleteAccount(a, goodPassword, home); !errors.Is(err, usher.ErrInvalidCredentials) {
		t.Errorf("a guess: %v", err)
	}
	k.clock.add(5*time.Minute + time.Second)
	if err := k.deleteAccount(a, "", home); !errors.Is(err, usher.ErrRecentSignInRequired) {
		t.Errorf("after five minutes: %v", err)
	}
	if err := k.deleteAccount(start(), "", home); err != nil {
		t.Fatal(err)
	}
}

// Wrong passwords count as in a sign-in, and the user is deleted only once the wait is over.
func TestAC03_WrongPasswordsOfADeletionCountAsInASignIn(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	a := k.signUpVerified(ann)
	for range 5 {
		if err := k.deleteAccount(a, otherPassword, home); !errors.Is(err, usher.ErrInvalidCredentials) {
			t.Fatal(err)
		}
	}
	before := k.Hashes()
	var limit *usher.LimitError
	if err := k.deleteAccount(a, goodPassword, home); !errors.As(err, &limit) || k.Hashes() != before {
		t.Fatalf("after five failures: %v", err)
	}
	k.clock.add(limit.RetryAfter)
	if err := k.deleteAccount(a, goodPassword, home); err != nil {
		t.Fatal(err)
	}
}

// refusing is a store whose program refuses each deletion.
type refusing struct {
	*memory.Store
	asked *int
}

func (r refusing) DeleteUser(context.Context, store.UserDeletion) ([]store.Event, error) {
	*r.asked++
	return nil, &store.Rejection{Code: "open_orders"}
}

func TestAC03_TheProgramIsNotAskedWithoutEnd(t *testing.T) {
	t.Parallel()
	asked := 0
	k := newKitOn(t, refusing{memory.New(), &asked}, newClock())
	a := k.signUpVerified(ann)
	for range 10 {
		var rejection *usher.Rejection
		if err := k.deleteAccount(a, goodPassword, home); !errors.As(err, &rejection) || rejection.Code != "open_orders" {
			t.Fatal(err)
		}
	}
	k.wantEvents(strings.TrimSpace(strings.Repeat("user_delete_fail:rejected ", 10)))
	var limit *usher.LimitError
	if err := k.deleteAccount(a, goodPassword, home); !errors.As(err, &limit) || limit.Limit != "deletions" || asked != 10 {
		t.Errorf("the eleventh: %v, and the program was asked %d times", err, asked)
	}
	if !k.isLive(a) || k.emailKinds() != "" {
		t.Error("a refused deletion has an effect")
	}
}

func TestAC04_TheDataOfAUserHaveNoSecret(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	a := k.signUpVerified(ann)
	usher.Must(k.SignUp(ctx, usher.SignUpParams{LoginID: "bob@example.com", Password: goodPassword}, home))
	attributes := map[string]any{"plan": "pro"}
	usher.Must(k.Operator("ops:alice").UpdateUser(ctx, a.User.ID, usher.UpdateUserParams{Attributes: &attributes}))
	if err := k.ChangeEmail(ctx, k.claims(a), usher.ChangeEmailParams{NewEmail: "new@example.com", CurrentPassword: goodPassword}, home); err != nil {
		t.Fatal(err)
	}
	wrong := usher.SignInParams{LoginID: ann, Password: otherPassword}
	if _, err := k.SignIn(ctx, wrong, home); !errors.Is(err, usher.ErrInvalidCredentials) {
		t.Fatal(err)
	}
	d := usher.Must(k.AccountData(ctx, k.claims(a), home))
	if d.User.LoginID() != ann || d.User.Attributes["plan"] != "pro" || !d.HasPassword || d.PasswordChangedAt.IsZero() ||
		d.PendingEmail.Address != "new@example.com" || len(d.Sessions) != 1 || d.MoreEvents {
		t.Errorf("the data are %+v", d)
	}
	names := map[usher.EventName]bool{}
	for _, e := range d.Events {
		names[e.Name] = true
		if e.UserID != a.User.ID || e.Reason != "" || e.Actor != "" && e.Actor != "operator" {
			t.Errorf("an event is %+v", e)
		}
	}
	for _, name := range []usher.EventName{usher.EventUserCreated, usher.EventUserUpdated, usher.EventSignInFailed, usher.EventEmailChangeRequested} {
		if !names[name] {
			t.Errorf("no event %s", name)
		}
	}
	all := string(usher.Must(json.Marshal(d)))
	for _, secret := range []string{"argon2", a.Tokens.Refresh.Reveal(), string(tokenIn(t, k.wantEmails("change_email email_changing verify_email")[0])), "alice"} {
		if strings.Contains(all, secret) {
			t.Errorf("the data have %q", secret)
		}
	}
}

func TestAC05_TenDownloadsInAnHour(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	a := k.signUpVerified(ann)
	for range 10 {
		usher.Must(k.AccountData(ctx, k.claims(a), home))
	}
	var limit *usher.LimitError
	if err := errOf(k.AccountData(ctx, k.claims(a), home)); !errors.As(err, &limit) || limit.Limit != "downloads" {
		t.Errorf("the eleventh: %v", err)
	}
}

// Each change of the profile is an event that is kept for long, so a user cannot fill the
// audit table with them.
func TestLM06_AHundredChangesOfTheProfileInAnHour(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	a, name := k.signUpVerified(ann), "Ann"
	claims := k.claims(a)
	for range 100 {
		usher.Must(k.UpdateProfile(ctx, claims, usher.Profile{Name: &name}, home))
	}
	var limit *usher.LimitError
	if err := errOf(k.UpdateProfile(ctx, claims, usher.Profile{Name: &name}, usher.Client{})); !errors.As(err, &limit) || limit.Limit != "profile_changes" {
		t.Errorf("the next: %v", err)
	}
	k.clock.add(time.Hour)
	if err := errOf(k.UpdateProfile(ctx, claims, usher.Profile{Name: &name}, home)); err != nil {
		t.Errorf("an hour later: %v", err)
	}
}

// An attacker who signs up with the address of another user learns nothing about that user:
// neither where the requests for the address come from, nor that it is invited.
func TestAC04_TheDataOfAnUnprovenAddressHaveOnlyTheEventsOfItsSessions(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	a := k.signUp(ann)
	owner := from("198.51.100.7")
	owner.UserAgent = "Owner/1.0"
	k.failSignIn(ann, owner)
	if err := k.SendPasswordReset(ctx, usher.SendPasswordResetParams{LoginID: ann}, owner); err != nil {
		t.Fatal(err)
	}
	usher.Must(k.Operator("ops:alice").Invite(ctx, usher.InviteParams{Email: ann, Roles: []string{"admin"}}))
	d := usher.Must(k.AccountData(ctx, k.claims(a), home))
	got := ""
	for _, e := range d.Events {
		got += string(e.Name) + " " + e.Address + " " + e.UserAgent + "\n"
	}
	if len(d.Events) != 2 || strings.Contains(got, "198.51.100.7") || strings.Contains(got, "Owner") || strings.Contains(got, "invitation") {
		t.Errorf("the events are\n%s", got)
	}
}

// The user learns that an operator has acted, and nothing about the operator.
func TestAC04_TheDataHaveNoAddressOfAnOperator(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	a := k.signUpVerified(ann)
	c := from("198.51.100.7")
	c.UserAgent = "Support/1.0"
	usher.Must(k.Operator("ops:alice").Impersonate(ctx, a.User.ID, c))
	acted := 0
	for _, e := range usher.Must(k.AccountData(ctx, k.claims(a), home)).Events {
		if e.Actor == "" {
			continue
		}
		acted++
		if e.Actor != "operator" || e.Address != "" || e.UserAgent != "" {
			t.Errorf("an event is %+v", e)
		}
	}
	if acted != 1 {
		t.Errorf("%d events of operators", acted)
	}
}
