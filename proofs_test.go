package usher_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/token"
)

// startSession starts a session by a passkey and fails the test on an error.
func (k *kit) startSession(userID string, c usher.Client) *usher.Authentication {
	k.t.Helper()
	a, err := k.StartSession(ctx, userID, usher.Proof{Methods: []string{"hwk", "user"}, At: k.clock.now()}, c)
	if err != nil {
		k.t.Fatalf("StartSession: %v", err)
	}
	return a
}

func TestOP01_AProofOfTheProgramStartsASession(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	u := k.signUpVerified(ann).User
	at := k.clock.now()
	k.clock.add(time.Hour)
	a := usher.Must(k.StartSession(ctx, u.ID, usher.Proof{Methods: []string{"hwk", "user"}, At: at}, home))
	k.wantEvents("authn_login_success:hwk user session_created authn_login_newdevice")
	claims := k.claims(a)
	if !slices.Equal(claims.AMR, []string{"hwk", "user"}) || !claims.AuthTime.Equal(at.Truncate(time.Second)) || claims.Subject != u.ID || !claims.EmailVerified {
		t.Errorf("claims are %+v", claims)
	}
	if a.Session.ExpiresAt != at.Add(30*24*time.Hour) {
		t.Errorf("the session ends at %s: its lifetime must count from the proof", a.Session.ExpiresAt)
	}
	if _, err := k.UpdatePassword(ctx, claims, usher.UpdatePasswordParams{NewPassword: otherPassword}, home); !errors.Is(err, usher.ErrRecentSignInRequired) {
		t.Errorf("a proof of an hour ago counts as a recent sign-in: %v", err)
	}
	refreshed := usher.Must(k.RefreshSession(ctx, a.Tokens.Refresh, home))
	if again := k.claims(refreshed); !slices.Equal(again.AMR, claims.AMR) || !again.AuthTime.Equal(claims.AuthTime) {
		t.Errorf("after a refresh the claims are %+v", again)
	}
	k.events.reset()
	known := home
	known.Device, known.SessionID = a.Device, a.Session.ID
	k.startSession(u.ID, known)
	k.wantEvents("authn_login_success:hwk user session_created session_ended:replaced")
	k.wantEnded(a)
}

func TestOP01_AProofMustNameMethodsAndAPlausibleTime(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	u := k.signUpVerified(ann).User
	now := k.clock.now()
	for name, c := range map[string]struct {
		methods []string
		at      time.Time
		field   string
	}{
		"no method":           {nil, now, "methods"},
		"empty method":        {[]string{"pwd", ""}, now, "methods"},
		"blank":               {[]string{"h wk"}, now, "methods"},
		"quote":               {[]string{`a"b`}, now, "methods"},
		"line end":            {[]string{"otp\n"}, now, "methods"},
		"letter with accent":  {[]string{"clé"}, now, "methods"},
		"long method":         {[]string{strings.Repeat("a", 33)}, now, "methods"},
		"many methods":        {slices.Repeat([]string{"otp"}, 9), now, "methods"},
		"no time":             {[]string{"otp"}, time.Time{}, "at"},
		"future":              {[]string{"otp"}, now.Add(time.Minute + time.Second), "at"},
		"as old as a session": {[]string{"otp"}, now.Add(-30 * 24 * time.Hour), "at"},
	} {
		_, err := k.StartSession(ctx, u.ID, usher.Proof{Methods: c.methods, At: c.at}, home)
		var field *usher.FieldError
		if !errors.As(err, &field) || field.Field != c.field {
			t.Errorf("%s: %v, want an error of the field %s", name, err, c.field)
		}
	}
	ahead := usher.Must(k.StartSession(ctx, u.ID, usher.Proof{Methods: []string{"x_9.-Z"}, At: now.Add(time.Minute)}, home))
	if ahead.Session.CreatedAt.After(now) {
		t.Errorf("the session begins in the future: %s", ahead.Session.CreatedAt)
	}
}

func TestOP02_AStartedSessionObeysWhatASignInObeys(t *testing.T) {
	t.Parallel()
	refusal := errors.New("not today")
	var claims error
	k := newKit(t, func(c *usher.Config) {
		c.ConfirmFirst, c.Sessions.Max = true, 2
		c.Claims = func(context.Context, usher.User) (map[string]any, error) { return nil, claims }
	})
	first := k.signUpConfirmed(ann)
	proof := usher.Proof{Methods: []string{"otp"}, At: k.clock.now()}
	start := func(userID string) error { _, err := k.StartSession(ctx, userID, proof, home); return err }

	k.clock.add(time.Second)
	second := k.startSession(first.User.ID, home)
	k.clock.add(time.Second)
	k.startSession(first.User.ID, home)
	k.wantEnded(first)
	if !k.isLive(second) {
		t.Error("only the oldest session was to end")
	}
	claims = refusal
	if err := start(first.User.ID); !errors.Is(err, refusal) {
		t.Errorf("Config.Claims refuses, and the error is %v", err)
	}
	claims = nil
	if err := start("nobody"); !errors.Is(err, usher.ErrNotFound) {
		t.Errorf("unknown user: %v", err)
	}
	usher.Must(k.SignUp(ctx, usher.SignUpParams{LoginID: "new@example.com", Password: goodPassword}, home))
	unconfirmed := usher.Must(k.Operator("test").UserByLoginID(ctx, "new@example.com"))
	k.events.reset()
	if err := start(unconfirmed.ID); !errors.Is(err, usher.ErrEmailNotVerified) {
		t.Errorf("an unconfirmed user: %v", err)
	}
	k.wantEvents("authn_login_fail:unverified")
	if err := k.Operator("test").Disable(ctx, first.User.ID); err != nil {
		t.Fatal(err)
	}
	k.events.reset()
	if err := start(first.User.ID); !errors.Is(err, usher.ErrUserDisabled) {
		t.Errorf("a disabled user: %v", err)
	}
	k.wantEvents("authn_login_fail:disabled")
}

func TestOP02_AProofTooLargeForTheBrowserChangesNothing(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	a := k.signUpVerified(ann)
	c := home
	c.SessionID, c.PrepareDelivery = a.Session.ID, func(token.Pair) error { return errors.New("too large") }
	if _, err := k.StartSession(ctx, a.User.ID, usher.Proof{Methods: []string{"otp"}, At: k.clock.now()}, c); err == nil {
		t.Fatal("no error although the tokens cannot be delivered")
	}
	if !k.isLive(a) || len(usher.Must(k.Sessions(ctx, k.claims(a)))) != 1 {
		t.Error("a session ended or was left behind")
	}
}
