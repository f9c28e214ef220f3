package usher_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/memory"
)

// signInToken returns a token that signs in, and fails the test on an error.
func (k *kit) signInToken(userID string) usher.Secret {
	k.t.Helper()
	raw, err := k.Operator("ops:olga").CreateSignInToken(ctx, userID, 0)
	if err != nil {
		k.t.Fatalf("SignInToken: %v", err)
	}
	return raw
}

func TestOP18_ATokenOfTheOperatorSignsInOnce(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	k := newKit(t, func(c *usher.Config) {
		c.Logger = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	u := k.signUp(ann).User
	k.events.reset()
	raw := k.signInToken(u.ID)
	k.wantEvents("authn_token_created:operator")
	created := usher.Must(k.Operator("test").Events(ctx, usher.EventQuery{Name: usher.EventSignInTokenCreated})).Events
	if len(created) != 1 || created[0].Actor != "ops:olga" || created[0].UserID != u.ID {
		t.Errorf("the events are %+v", created)
	}
	if !strings.HasPrefix(raw.Reveal(), usher.SignInTokenPrefix) {
		t.Errorf("the token is %q", raw.Reveal())
	}
	k.clock.add(5 * time.Minute)
	a := usher.Must(k.SignInWithToken(ctx, raw, home))
	k.wantEvents("authn_login_success:sign_in_token session_created:proof sign_in_token authn_login_newdevice")
	claims := k.claims(a)
	if !slices.Equal(claims.AMR, []string{"sign_in_token"}) || !claims.AuthTime.Equal(k.clock.now()) || claims.Subject != u.ID || claims.EmailVerified || !k.isLive(a) {
		t.Errorf("the claims are %+v", claims)
	}
	last := usher.Must(k.SignInHistory(ctx, claims, 1))
	if len(last) != 1 || !slices.Equal(last[0].Methods, claims.AMR) {
		t.Errorf("the history is %+v", last)
	}
	if a, err := k.SignInWithToken(ctx, raw, home); a != nil || !errors.Is(err, usher.ErrInvalidToken) {
		t.Errorf("the token again: %v", err)
	}
	k.wantEvents("authn_token_refused:one_time_token")
	k.wantAbsent("the token", raw)
	if strings.Contains(log.String(), raw.Reveal()) {
		t.Error("the token is in the log")
	}
}

func TestOP18_TheLifetimeOfASignInTokenIsBounded(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	u := k.signUp(ann).User
	for _, bad := range []time.Duration{-1, 1, time.Second - 1, 24*time.Hour + 1} {
		_, err := k.Operator("test").CreateSignInToken(ctx, u.ID, bad)
		wantField(t, err, "lifetime")
	}
	for given, lasts := range map[time.Duration]time.Duration{0: 10 * time.Minute, time.Second: time.Second, 24 * time.Hour: 24 * time.Hour} {
		for _, late := range []bool{false, true} {
			raw := usher.Must(k.Operator("test").CreateSignInToken(ctx, u.ID, given))
			k.clock.add(lasts - time.Microsecond)
			if late {
				k.clock.add(time.Microsecond)
			}
			if _, err := k.SignInWithToken(ctx, raw, home); late != errors.Is(err, usher.ErrInvalidToken) || !late && err != nil {
				t.Errorf("lifetime %s, late: %t: %v", given, late, err)
			}
		}
	}
}

// Every token that cannot be used has one answer.
func TestOP19_NoOtherTokenSignsIn(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	disabled, changed, moved, deleted, u := k.signUp("a@example.com").User, k.signUp("b@example.com").User, k.signUp("c@example.com").User, k.signUp("d@example.com").User, k.signUpVerified(ann).User
	operator := k.Operator("test")
	tokens := map[string]usher.Secret{
		"disabled": k.signInToken(disabled.ID), "changed": k.signInToken(changed.ID), "moved": k.signInToken(moved.ID), "deleted": k.signInToken(deleted.ID),
		"unknown": "x", "reset": k.resetToken(ann, usher.MessageResetPassword), "replaced": k.signInToken(u.ID),
	}
	for range 3 { // the first one is replaced
		k.clock.add(time.Second)
		tokens["forged"] = k.signInToken(u.ID) + "x"
	}
	own := k.signIn(ann, goodPassword, home)
	tokens["session"], tokens["refresh"] = own.Tokens.Session, own.Tokens.Refresh
	for _, err := range []error{
		operator.Disable(ctx, disabled.ID), operator.SetPassword(ctx, changed.ID, otherPassword, false), operator.Delete(ctx, deleted.ID),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	usher.Must(operator.UpdateUser(ctx, moved.ID, usher.UpdateUserParams{Email: &usher.EmailAddress{Address: "e@example.com", Verified: true}}))
	if err := operator.Enable(ctx, disabled.ID); err != nil {
		t.Fatal(err)
	}
	for name, raw := range tokens {
		k.events.reset()
		if a, err := k.SignInWithToken(ctx, raw, nth(len(name))); a != nil || err != usher.ErrInvalidToken { //nolint:errorlint // the same error
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := k.SignInWithToken(ctx, "", home)
	wantField(t, err, "token")
	// The token of the reset is not spent.
	usher.Must(k.ResetLink(ctx, tokens["reset"], home))

	// The reverse: it signs in, and nothing else.
	raw := k.signInToken(u.ID)
	_, e1 := k.ResetLink(ctx, raw, home)
	_, e2 := k.VerifyReset(ctx, raw, home)
	_, e3 := k.ResetPassword(ctx, usher.ResetPasswordParams{Token: raw, NewPassword: otherPassword}, home)
	_, e4 := k.VerifyEmail(ctx, nil, usher.VerifyEmailParams{Token: raw, Password: goodPassword}, home)
	_, e5 := k.VerificationLink(ctx, nil, raw, home)
	_, e6 := k.accept(raw, home)
	for i, err := range []error{e1, e2, e3, e4, e5, e6} {
		if !errors.Is(err, usher.ErrInvalidToken) {
			t.Errorf("another purpose, %d: %v", i+1, err)
		}
	}
	usher.Must(k.SignInWithToken(ctx, raw, home))
}

func TestOP19_OnlyAUserWhoMaySignInGetsASignInToken(t *testing.T) {
	t.Parallel()
	k := newKit(t, func(c *usher.Config) { c.ConfirmFirst = true })
	operator := k.Operator("test")
	u := k.signUpConfirmed(ann).User
	usher.Must(k.SignUp(ctx, usher.SignUpParams{LoginID: "new@example.com", Password: goodPassword}, home))
	unconfirmed := usher.Must(operator.UserByLoginID(ctx, "new@example.com"))
	for id, want := range map[string]error{"nobody": usher.ErrNotFound, unconfirmed.ID: usher.ErrEmailNotVerified} {
		if raw, err := operator.CreateSignInToken(ctx, id, 0); raw != "" || !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
	}
	// An instance that demands less has issued a token.
	lax := newKitOn(t, k.store, k.clock)
	if _, err := k.SignInWithToken(ctx, lax.signInToken(unconfirmed.ID), home); !errors.Is(err, usher.ErrInvalidToken) {
		t.Errorf("a user who is not confirmed: %v", err)
	}
	if err := operator.Disable(ctx, u.ID); err != nil {
		t.Fatal(err)
	}
	if raw, err := operator.CreateSignInToken(ctx, u.ID, 0); raw != "" || !errors.Is(err, usher.ErrUserDisabled) {
		t.Errorf("disabled: %v", err)
	}
}

func TestOP20_ASessionOfASignInTokenFollowsTheRulesOfASignIn(t *testing.T) {
	t.Parallel()
	var claims error
	k := newKit(t, func(c *usher.Config) {
		c.Sessions.Max = 2
		c.Claims = func(context.Context, usher.User) (map[string]any, error) { return nil, claims }
	})
	first := k.signUp(ann)
	k.clock.add(time.Second)
	second := k.signIn(ann, goodPassword, home)
	k.clock.add(time.Second)
	raw := k.signInToken(first.User.ID)
	// What fails before the session starts spends nothing.
	for _, claims = range []error{errors.New("not today"), usher.ErrNotFound} {
		if _, err := k.SignInWithToken(ctx, raw, home); !errors.Is(err, claims) || errors.Is(err, usher.ErrInvalidToken) {
			t.Errorf("Config.Claims refuses with %v, and the error is %v", claims, err)
		}
	}
	claims = nil
	third := usher.Must(k.SignInWithToken(ctx, raw, home))
	k.wantEnded(first)
	if !k.isLive(second) || !k.isLive(third) {
		t.Error("only the oldest session was to end")
	}
	c := home
	c.SessionID, c.Device = third.Session.ID, third.Device
	raw = k.signInToken(first.User.ID)
	k.events.reset()
	usher.Must(k.SignInWithToken(ctx, raw, c))
	k.wantEvents("authn_login_success:sign_in_token session_created:proof sign_in_token session_ended:replaced")
	k.wantEnded(third)
}

// Of 64 calls with one token on two instances one gets a session.
func TestOP18_OneOfManyUsesOfASignInTokenWins(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	kits := []*kit{k, k.secondInstance()}
	u := k.signUp(ann).User
	before := len(usher.Must(k.store.UserSessions(ctx, u.ID, k.clock.now())))
	raw := k.signInToken(u.ID)
	var mu sync.Mutex
	var won []*usher.Authentication
	concurrently(64, func(i int) {
		a, err := kits[i%2].SignInWithToken(ctx, raw, nth(i))
		mu.Lock()
		defer mu.Unlock()
		if err == nil {
			won = append(won, a)
		} else if !errors.Is(err, usher.ErrInvalidToken) {
			t.Errorf("caller %d: %v", i, err)
		}
	})
	if len(won) != 1 || !k.isLive(won[0]) {
		t.Fatalf("%d calls won", len(won))
	}
	if list := usher.Must(k.store.UserSessions(ctx, u.ID, k.clock.now())); len(list) != before+1 {
		t.Errorf("%d sessions, want %d", len(list), before+1)
	}
}

// overtaken is a store in which another client is faster between the reading of a token and
// its use.
type overtaken struct{ store.Store }

func (o overtaken) StartSession(ctx context.Context, s store.SessionStart) ([]store.Event, error) {
	if s.Spend != nil {
		if err := o.DropTokens(ctx, s.Session.UserID, store.PurposeSignIn, s.Spend.Now, store.Effects{}); err != nil {
			return nil, err
		}
	}
	return o.Store.StartSession(ctx, s)
}

func TestOP19_ATokenThatIsSpentMeanwhileHasTheSameError(t *testing.T) {
	t.Parallel()
	k := newKitOn(t, overtaken{memory.New()}, newClock())
	raw := k.signInToken(k.signUp(ann).User.ID)
	k.events.reset()
	if _, err := k.SignInWithToken(ctx, raw, home); err != usher.ErrInvalidToken { //nolint:errorlint // the same error
		t.Errorf("the error is %v", err)
	}
	k.wantEvents("authn_token_refused:one_time_token")
}
