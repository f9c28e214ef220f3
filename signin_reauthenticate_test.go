package usher_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/memory"
	"github.com/usherkit/usher/token"
)

// reauthenticate proves the password of a session again, with its refresh token.
func (k *kit) reauthenticate(a *usher.Authentication, pw usher.Secret) (*usher.Authentication, error) {
	in := usher.ReauthenticateParams{Password: pw, RefreshToken: a.Tokens.Refresh}
	return k.authentication(k.Reauthenticate(ctx, k.claims(a), in, home))
}

func TestUP08_ThePasswordAgainMakesTheSessionRecent(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.signUpVerified(ann)
	a := k.signIn(ann, goodPassword, home)
	k.clock.add(6 * time.Minute)
	k.events.reset()
	b, err := k.reauthenticate(a, goodPassword)
	if err != nil {
		t.Fatal(err)
	}
	k.wantEvents("authn_reauthenticate")
	if b.Session.ID != a.Session.ID || !b.Session.ExpiresAt.Equal(a.Session.ExpiresAt) || !b.Session.IdleExpiresAt.Equal(a.Session.IdleExpiresAt) {
		t.Errorf("the session is %+v, was %+v", b.Session, a.Session)
	}
	if b.Device == "" || b.UserCreated {
		t.Errorf("the result is %+v", b)
	}
	confirmed := k.clock.now()
	for what, one := range map[string]*usher.Authentication{
		"at once": b, "after a refresh": usher.Must(k.RefreshSession(ctx, b.Tokens.Refresh, home)),
	} {
		if c := k.claims(one); !c.AuthTime.Equal(confirmed) || !slices.Equal(c.AMR, []string{"pwd"}) || c.SessionID != a.Session.ID {
			t.Errorf("%s: the claims are %+v", what, c)
		}
	}
	if _, err := k.UpdatePassword(ctx, k.claims(b), usher.UpdatePasswordParams{NewPassword: otherPassword}, home); err != nil {
		t.Errorf("an update after the confirmation: %v", err)
	}
}

// The time is in the tokens of the client that has given the password. Tokens that were
// stolen before stay as old as they are, also when they are refreshed.
func TestUP08_AStolenTokenDoesNotBecomeRecent(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.signUpVerified(ann)
	a := k.signIn(ann, goodPassword, home)
	k.clock.add(6 * time.Minute)
	if _, err := k.reauthenticate(a, goodPassword); err != nil {
		t.Fatal(err)
	}
	stolen := usher.Must(k.RefreshSession(ctx, a.Tokens.Refresh, home))
	for what, one := range map[string]*usher.Authentication{"session token": a, "refreshed token": stolen} {
		if got := k.claims(one).AuthTime; !got.Equal(a.Session.CreatedAt) {
			t.Errorf("%s: auth_time is %s", what, got)
		}
		_, err := k.UpdatePassword(ctx, k.claims(one), usher.UpdatePasswordParams{NewPassword: otherPassword}, home)
		wantErr(t, err, usher.ErrRecentSignInRequired)
	}
}

func TestUP08_WithoutARefreshTokenTheTimeLastsUntilTheNextRefresh(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.signUpVerified(ann)
	a := k.signIn(ann, goodPassword, home)
	k.clock.add(time.Minute)
	b, err := k.authentication(k.Reauthenticate(ctx, k.claims(a), usher.ReauthenticateParams{Password: goodPassword}, home))
	if err != nil {
		t.Fatal(err)
	}
	if b.Tokens.Refresh != "" || !b.Tokens.RefreshExpiresAt.IsZero() || !k.claims(b).AuthTime.Equal(k.clock.now()) {
		t.Errorf("the tokens are %+v", b.Tokens)
	}
	if c := usher.Must(k.RefreshSession(ctx, a.Tokens.Refresh, home)); !k.claims(c).AuthTime.Equal(a.Session.CreatedAt) {
		t.Errorf("after the refresh, auth_time is %s", k.claims(c).AuthTime)
	}
}

// The methods of an earlier sign-in do not count as methods of the confirmation.
func TestUP08_ThePasswordIsTheOnlyMethod(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	u := k.signUpVerified(ann).User
	a := usher.Must(k.StartSession(ctx, u.ID, usher.Proof{Methods: []string{"hwk", "mfa"}, At: k.clock.now()}, home))
	k.clock.add(6 * time.Minute)
	b, err := k.reauthenticate(a, goodPassword)
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range []*usher.Authentication{b, usher.Must(k.RefreshSession(ctx, b.Tokens.Refresh, home))} {
		if got := k.claims(one).AMR; !slices.Equal(got, []string{"pwd"}) {
			t.Errorf("amr is %q", got)
		}
	}
	if c := k.claims(a); !slices.Equal(c.AMR, []string{"hwk", "mfa"}) {
		t.Errorf("amr of the sign-in is %q", c.AMR)
	}
}

// It counts with the sign-ins, costs one hash, and refuses as they do.
func TestUP08_CountsAndRefusesAsASignIn(t *testing.T) {
	t.Parallel()
	k := newKit(t, func(c *usher.Config) { c.Password.Expiration = time.Hour })
	k.signUpVerified(ann)
	a := k.signIn(ann, goodPassword, home)
	k.events.reset()
	before := k.Hashes()
	for range 5 {
		_, err := k.reauthenticate(a, otherPassword)
		wantErr(t, err, usher.ErrInvalidCredentials)
	}
	if n := k.Hashes() - before; n != 5 {
		t.Errorf("5 attempts cost %d hashes", n)
	}
	_, err := k.reauthenticate(a, goodPassword)
	wantLimit(t, err)
	_, err = k.SignIn(ctx, usher.SignInParams{LoginID: ann, Password: goodPassword}, home)
	wantLimit(t, err)
	k.clock.add(time.Minute)
	if _, err = k.reauthenticate(a, goodPassword); err != nil {
		t.Fatal(err)
	}
	_, err = k.reauthenticate(a, "")
	wantField(t, err, "password")

	k.clock.add(time.Hour)
	a = usher.Must(k.RefreshSession(ctx, a.Tokens.Refresh, home))
	k.events.reset()
	_, err = k.reauthenticate(a, goodPassword)
	wantErr(t, err, usher.ErrPasswordExpired)
	k.wantEvents("authn_password_expired:age")

	provided := usher.Must(k.EnsureUser(ctx, usher.EnsureUserParams{Email: "bob@example.com", EmailVerified: true}, home))
	b := usher.Must(k.StartSession(ctx, provided.ID, usher.Proof{Methods: []string{"oidc"}, At: k.clock.now()}, home))
	before = k.Hashes()
	_, err = k.reauthenticate(b, goodPassword)
	wantErr(t, err, usher.ErrInvalidCredentials)
	if n := k.Hashes() - before; n != 1 {
		t.Errorf("without a password, an attempt costs %d hashes", n)
	}
}

// The right password resets the counter of the failures. So the owner gets the notice here,
// because no later sign-in sends it.
func TestUP08_TheOwnerIsNotifiedAfterFailures(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.signUpVerified(ann)
	a := k.signIn(ann, goodPassword, home)
	for range 5 {
		k.failSignIn(ann, nth(1))
	}
	k.events.reset()
	if _, err := k.reauthenticate(a, goodPassword); err != nil {
		t.Fatal(err)
	}
	k.wantEmails("sign_in_notice")
	if n := k.events.count(usher.EventSignInAfterFailures); n != 1 {
		t.Errorf("%d events", n)
	}
	if _, err := k.reauthenticate(a, goodPassword); err != nil {
		t.Fatal(err)
	}
	k.wantEmails("") // one notice is enough
}

// A session that ends while the password is checked gets no new token.
func TestUP08_ASessionThatEndsMeanwhileGetsNoToken(t *testing.T) {
	t.Parallel()
	s := &endingStore{Store: memory.New()}
	k := newKitOn(t, s, newClock())
	k.signUpVerified(ann)
	a := k.signIn(ann, goodPassword, home)
	s.then = func() {
		if err := k.SignOut(ctx, k.claims(a), home); err != nil {
			t.Error(err)
		}
	}
	_, err := k.reauthenticate(a, goodPassword)
	wantErr(t, err, usher.ErrInvalidSession)
}

// Other tabs refresh twice while the password is checked. The answer has the newest refresh
// token, because an older one would end the session.
func TestUP08_TheAnswerHasTheNewestRefreshToken(t *testing.T) {
	t.Parallel()
	s := &endingStore{Store: memory.New()}
	k := newKitOn(t, s, newClock())
	k.signUpVerified(ann)
	a := k.signIn(ann, goodPassword, home)
	s.then = func() {
		b := usher.Must(k.RefreshSession(ctx, a.Tokens.Refresh, home))
		usher.Must(k.RefreshSession(ctx, b.Tokens.Refresh, home))
	}
	c, err := k.reauthenticate(a, goodPassword)
	if err != nil {
		t.Fatal(err)
	}
	k.clock.add(11 * time.Second)
	if _, err := k.RefreshSession(ctx, c.Tokens.Refresh, home); err != nil {
		t.Error(err)
	}
}

// endingStore calls then once, after the attempt was counted.
type endingStore struct {
	store.Store
	then func()
}

func (s *endingStore) TakeLimits(ctx context.Context, now time.Time, l []store.Limit) (store.LimitResult, error) {
	r, err := s.Store.TakeLimits(ctx, now, l)
	if then := s.then; then != nil {
		s.then = nil
		then()
	}
	return r, err
}

func TestUP08_TheRefreshTokenOfAnotherSessionIsRefused(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.signUpVerified(ann)
	a, other := k.signIn(ann, goodPassword, home), k.signIn(ann, goodPassword, home)
	before := k.Hashes()
	for what, raw := range map[string]usher.Secret{"another session": other.Tokens.Refresh, "a session token": a.Tokens.Session, "rubbish": "x"} {
		_, err := k.Reauthenticate(ctx, k.claims(a), usher.ReauthenticateParams{Password: goodPassword, RefreshToken: raw}, home)
		if !errors.Is(err, usher.ErrInvalidSession) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if n := k.Hashes() - before; n != 0 {
		t.Errorf("%d hashes", n)
	}
}

// The client of an old refresh token does not get the newest one: it may be a thief, or the
// user after a thief has refreshed. The session ends, as at a refresh.
func TestUP08_AnOldRefreshTokenEndsTheSession(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.signUpVerified(ann)
	a := k.signIn(ann, goodPassword, home)
	b := usher.Must(k.RefreshSession(ctx, a.Tokens.Refresh, home))
	k.clock.add(time.Minute)
	c := usher.Must(k.RefreshSession(ctx, b.Tokens.Refresh, home))
	if _, err := k.reauthenticate(b, goodPassword); err != nil {
		t.Fatalf("the token whose answer may be lost: %v", err)
	}
	k.events.reset()
	before := k.Hashes()
	_, err := k.reauthenticate(a, goodPassword)
	wantErr(t, err, usher.ErrInvalidSession)
	k.wantEvents("authn_token_reuse session_ended:token_reused")
	if n := k.Hashes() - before; n != 0 {
		t.Errorf("%d hashes", n)
	}
	_, err = k.RefreshSession(ctx, c.Tokens.Refresh, home)
	wantErr(t, err, usher.ErrInvalidSession)
}

// 64 confirmations and refreshes at once, on two instances: each answer has a token by
// which the session goes on.
func TestUP08_ConfirmationsAndRefreshesKeepTheSession(t *testing.T) {
	t.Parallel()
	x, y := twoInstances(t, func(c *usher.Config) {
		c.Limits.FreeFailures, c.Limits.NetworkFailures, c.Limits.NetworkAttempts = 100, 1000, 1000
	})
	a := x.signUp(ann)
	if err := confirmAndRefresh(x.Service, y.Service, a, 64); err != nil {
		t.Fatal(err)
	}
}

// confirmAndRefresh sends confirmations and refreshes with one refresh token to two
// instances at once, and then refreshes with the token of each answer.
func confirmAndRefresh(x, y *usher.Service, a *usher.Authentication, n int) error {
	claims, err := x.ValidateSession(ctx, a.Tokens.Session)
	if err != nil {
		return err
	}
	tokens, errs := make([]token.Pair, n), make([]error, n)
	concurrently(n, func(i int) {
		s := []*usher.Service{x, y}[i/2%2]
		if i%2 == 0 {
			got, err := s.RefreshSession(ctx, a.Tokens.Refresh, home)
			if errs[i] = err; err == nil {
				tokens[i] = got.Tokens
			}
			return
		}
		in := usher.ReauthenticateParams{Password: goodPassword, RefreshToken: a.Tokens.Refresh}
		got, err := s.Reauthenticate(ctx, claims, in, home)
		if errs[i] = err; err == nil {
			tokens[i] = got.Authentication.Tokens
		}
	})
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for _, pair := range tokens {
		if _, err := x.RefreshSession(ctx, pair.Refresh, home); err != nil {
			return err
		}
	}
	return nil
}

// An attacker who has guessed the password could reset the counter of the failures by a call
// that checks the password and then fails, and sign in without a notice.
func TestSI09_EveryCheckOfThePasswordNotifiesTheOwner(t *testing.T) {
	t.Parallel()
	weak := usher.Secret("too short")
	for name, prove := range map[string]func(k *kit, a *usher.Authentication) error{
		"replace": func(k *kit, _ *usher.Authentication) error { return k.replace(ann, goodPassword, weak) },
		"update": func(k *kit, a *usher.Authentication) error {
			in := usher.UpdatePasswordParams{CurrentPassword: goodPassword, NewPassword: weak}
			return errOf(k.UpdatePassword(ctx, k.claims(a), in, nth(50)))
		},
		"expired": func(k *kit, a *usher.Authentication) error {
			if err := k.Operator("test").ExpirePassword(ctx, a.User.ID); err != nil {
				t.Fatal(err)
			}
			return k.trySignIn(ann, goodPassword, nth(50))
		},
	} {
		k := newKit(t)
		a := k.signUpVerified(ann)
		for i := range 5 {
			k.failSignIn(ann, nth(i))
		}
		k.events.reset()
		if err := prove(k, a); err == nil || errors.Is(err, usher.ErrInvalidCredentials) {
			t.Fatalf("%s: %v", name, err)
		}
		k.wantEmails("sign_in_notice")
		if n := k.events.count(usher.EventSignInAfterFailures); n != 1 {
			t.Errorf("%s: %d events", name, n)
		}
	}
}

// A client that hangs up during a sign-in with the right password resets no counter without
// a notice, and uses up no notice.
func TestSI09_HangingUpHidesNoFailures(t *testing.T) {
	t.Parallel()
	s := &cut{Store: memory.New()}
	k := newKitOn(t, s, newClock())
	k.signUpVerified(ann)
	for i := range 5 {
		k.failSignIn(ann, nth(i))
	}
	for range 4 {
		_, _ = k.SignIn(s.next("StartSession"), usher.SignInParams{LoginID: ann, Password: goodPassword}, nth(60))
	}
	k.wantEmails("sign_in_notice")

	// Nor does an error of the program before the session is stored.
	failing := newKitOn(t, s, k.clock, func(c *usher.Config) {
		c.Claims = func(context.Context, usher.User) (map[string]any, error) { return nil, errors.New("out of reach") }
	})
	for i := range 5 {
		k.failSignIn(ann, nth(10+i))
	}
	for range 4 {
		if err := failing.trySignIn(ann, goodPassword, nth(60)); err == nil {
			t.Fatal("signed in")
		}
	}
	k.signIn(ann, goodPassword, nth(60))
	k.wantEmails("sign_in_notice")
}
