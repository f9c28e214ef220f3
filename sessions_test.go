package usher_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/memory"
	"github.com/usherkit/usher/token"
)

func TestSE01_TheStoreHoldsNothingThatOpens(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	a := k.signUpVerified(ann)
	b := usher.Must(k.RefreshSession(ctx, a.Tokens.Refresh, home))
	for _, x := range []*usher.Authentication{a, b} {
		k.wantAbsent("a session token", x.Tokens.Session)
		k.wantAbsent("a refresh token", x.Tokens.Refresh)
		for _, raw := range []usher.Secret{x.Tokens.Session, x.Tokens.Refresh} {
			jti, _ := payload(t, raw)["jti"].(string)
			if n, err := base64.RawURLEncoding.DecodeString(jti); err != nil || len(n) < 16 {
				t.Fatalf("a jti of %d bytes, %v", len(n), err)
			}
			k.wantAbsent("a jti", usher.Secret(jti))
		}
		if n, err := base64.RawURLEncoding.DecodeString(x.Session.ID); err != nil || len(n) < 16 {
			t.Fatalf("a session id of %d bytes, %v", len(n), err)
		}
	}
	k.wantAbsent("a device token", a.Device)
	k.wantAbsent("a password", goodPassword)
	// The session's id, which the store does hold, authenticates nothing.
	if _, err := k.RefreshSession(ctx, usher.Secret(a.Session.ID), home); err == nil {
		t.Fatal("a session id was taken for a token")
	}
}

// payload decodes a token without verifying it.
func payload(t *testing.T, raw usher.Secret) map[string]any {
	t.Helper()
	parts := strings.Split(raw.Reveal(), ".")
	b, err := base64.RawURLEncoding.DecodeString(parts[1])
	var m map[string]any
	if err != nil || json.Unmarshal(b, &m) != nil {
		t.Fatal("not a token")
	}
	return m
}

func TestSE02_ASignInNeverAdoptsASession(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.signUpVerified(ann)
	mallory := k.signUpVerified("mallory@example.com")
	for name, in := range map[string]func(c usher.Client) (*usher.Authentication, error){
		"sign-in": func(c usher.Client) (*usher.Authentication, error) {
			return k.SignIn(ctx, usher.SignInParams{LoginID: ann, Password: goodPassword}, c)
		},
		"sign-up": func(c usher.Client) (*usher.Authentication, error) {
			return k.SignUp(ctx, usher.SignUpParams{LoginID: "new@example.com", Password: goodPassword}, c)
		},
	} {
		planted := k.signIn("mallory@example.com", goodPassword, home)
		c := home
		c.SessionID = planted.Session.ID
		k.events.reset()
		a, err := in(c)
		if err != nil || a.Session.ID == planted.Session.ID || a.Tokens.Refresh == planted.Tokens.Refresh {
			t.Fatal(name, a, err)
		}
		if n := k.events.count(usher.EventSessionEnded); n != 1 {
			t.Fatalf("%s: %d sessions ended", name, n)
		}
		k.wantEnded(planted)
		if !k.isLive(a) || !k.isLive(mallory) {
			t.Fatal(name, "ended too much")
		}
		c.SessionID = "made-up"
		if a, err := k.SignIn(ctx, usher.SignInParams{LoginID: ann, Password: goodPassword}, c); err != nil || a.Session.ID == "made-up" {
			t.Fatal(name, a, err)
		}
	}
}

func TestSE09_FourWaysToEndAllSessions(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		end    func(k *kit, a *usher.Authentication) error
		events string
	}{
		"disable":         {func(k *kit, a *usher.Authentication) error { return k.Operator("test").Disable(ctx, a.User.ID) }, "user_disabled:operator session_ended:user_disabled session_ended:user_disabled session_ended:user_disabled"},
		"delete":          {func(k *kit, a *usher.Authentication) error { return k.Operator("test").Delete(ctx, a.User.ID) }, "user_deleted:operator session_ended:user_deleted session_ended:user_deleted session_ended:user_deleted"},
		"everywhere":      {func(k *kit, a *usher.Authentication) error { return k.SignOutEverywhere(ctx, k.claims(a), home) }, "authn_logout:everywhere session_ended:signed_out session_ended:signed_out session_ended:signed_out"},
		"operator":        {func(k *kit, a *usher.Authentication) error { return k.Operator("test").SignOutUser(ctx, a.User.ID) }, "authn_logout:operator session_ended:signed_out session_ended:signed_out session_ended:signed_out"},
		"expire password": {func(k *kit, a *usher.Authentication) error { return k.Operator("test").ExpirePassword(ctx, a.User.ID) }, "authn_password_change:expired_by_operator session_ended:password_changed session_ended:password_changed session_ended:password_changed"},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKit(t)
			bob := k.signUpVerified("bob@example.com")
			devices := []*usher.Authentication{k.signUpVerified(ann), k.signIn(ann, goodPassword, home), k.signIn(ann, goodPassword, home)}
			k.events.reset()
			if err := c.end(k, devices[0]); err != nil {
				t.Fatal(err)
			}
			k.wantEvents(c.events)
			for _, d := range devices {
				k.wantEnded(d)
				if _, _, err := k.Me(ctx, &token.Claims{Subject: d.User.ID, SessionID: d.Session.ID, Type: token.TypeSession}); err == nil {
					t.Fatal("Me answers an ended session")
				}
			}
			if !k.isLive(bob) {
				t.Fatal("another user's session ended")
			}
		})
	}
}

func TestSE10_TheOldestOfTooManySessionsEnds(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	first := k.signUpVerified(ann)
	k.clock.add(time.Second)
	second := k.signIn(ann, goodPassword, home)
	for i := range 98 { // without hashing passwords
		k.clock.add(time.Second)
		session := store.SessionRecord{Session: second.Session}
		session.ID, session.CreatedAt = fmt.Sprintf("session-%d", i), k.clock.now()
		usher.Must(k.store.StartSession(ctx, store.SessionStart{Session: session, IfPasswordVersion: 1, Max: 1000}))
	}
	if !k.isLive(first) || len(usher.Must(k.Sessions(ctx, k.claims(second)))) != 100 {
		t.Fatal("a hundred sessions must live")
	}
	k.clock.add(time.Second)
	k.events.reset()
	last := k.signIn(ann, goodPassword, home)
	k.wantEvents("authn_login_success session_created authn_login_newdevice session_ended:replaced")
	k.wantEnded(first)
	if !k.isLive(second) || !k.isLive(last) {
		t.Fatal("only the oldest was to end")
	}
}

func TestSE10_SessionsAreListedAndEndedOneByOne(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	bob := k.signUpVerified("bob@example.com")
	a := k.signUpVerified(ann)
	k.clock.add(time.Second)
	c := from("2001:db8::1")
	c.UserAgent = "Browser\r\n" + strings.Repeat("x", 300)
	b := k.signIn(ann, goodPassword, c)
	list := usher.Must(k.Sessions(ctx, k.claims(a)))
	if len(list) != 2 || list[0].ID != b.Session.ID || list[1].ID != a.Session.ID {
		t.Fatalf("the list is %+v", list)
	}
	if list[0].Address != "2001:db8::1" || len(list[0].UserAgent) > 256 || strings.ContainsAny(list[0].UserAgent, "\r\n") {
		t.Fatalf("the device is %q at %q", list[0].UserAgent, list[0].Address)
	}
	k.events.reset()
	for _, id := range []string{bob.Session.ID, "made-up", ""} {
		wantErr(t, k.RevokeSession(ctx, k.claims(a), id, home), usher.ErrNotFound)
	}
	k.wantEvents("")
	if err := k.RevokeSession(ctx, k.claims(a), b.Session.ID, home); err != nil {
		t.Fatal(err)
	}
	k.wantEvents("session_ended:revoked")
	k.wantEnded(b)
	if !k.isLive(a) || !k.isLive(bob) {
		t.Fatal("another session ended")
	}
}

func TestSE11_TokensCarryNoPersonalData(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	s := func(v string) *string { return &v }
	a := usher.Must(k.SignUp(ctx, usher.SignUpParams{LoginID: ann, Password: goodPassword, Profile: usher.Profile{
		Name: s("Ann Example"), GivenName: s("Annabel"), FamilyName: s("Exampleton"), Phone: s("+15550100"), Picture: s("https://pic.test/a"),
	}}, home))
	want := map[usher.Secret]string{
		a.Tokens.Session: "amr aud auth_time drn email_verified exp iat iss jti permissions roles sid sub tenants",
		a.Tokens.Refresh: "amr aud auth_time drn exp iat iss jti sid sub",
	}
	for raw, names := range want {
		p := payload(t, raw)
		if got := strings.Join(slices.Sorted(maps.Keys(p)), " "); got != names {
			t.Errorf("claims are %q", got)
		}
		text := strings.ToLower(fmt.Sprint(p))
		for _, personal := range []string{"ann", "example.com", "exampleton", "5550100", "pic.test", "192.0.2.1"} {
			if strings.Contains(strings.ReplaceAll(text, "https://app.example", ""), personal) {
				t.Errorf("a token holds %q", personal)
			}
		}
	}
}

// The tokens of one sign-in are valid on both of two instances.
func TestSessionsAreValidOnEveryInstance(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	other := k.secondInstance()
	a := k.signUp(ann)
	b := usher.Must(other.RefreshSession(ctx, a.Tokens.Refresh, home))
	if !k.isLive(b) || !other.isLive(b) {
		t.Fatal("a token is valid on its own instance only")
	}
}

// The session token has the program's claims, and an error of Config.Claims fails
// the sign-in.
func TestClaimsOfTheProgram(t *testing.T) {
	t.Parallel()
	var mode atomic.Value
	mode.Store("ok")
	k := newKit(t, func(c *usher.Config) {
		c.Claims = func(_ context.Context, u usher.User) (map[string]any, error) {
			switch mode.Load() {
			case "fail":
				return nil, errors.New("no plan")
			case "panic":
				panic("no plan")
			case "reserved":
				return map[string]any{"Sub": "x"}, nil
			}
			return map[string]any{"plan": "pro", "who": u.ID}, nil
		}
	})
	a := k.signUpVerified(ann)
	if p := payload(t, a.Tokens.Session); p["plan"] != "pro" || p["who"] != a.User.ID {
		t.Fatalf("claims are %v", p)
	}
	if p := payload(t, a.Tokens.Refresh); p["plan"] != nil {
		t.Fatal("the refresh token has it too")
	}
	for _, m := range []string{"fail", "panic", "reserved"} {
		mode.Store(m)
		k.events.reset()
		for name, do := range map[string]func() (*usher.Authentication, error){
			"sign-in": func() (*usher.Authentication, error) {
				return k.SignIn(ctx, usher.SignInParams{LoginID: ann, Password: goodPassword}, home)
			},
			"sign-up": func() (*usher.Authentication, error) {
				return k.SignUp(ctx, usher.SignUpParams{LoginID: "new@example.com", Password: goodPassword}, home)
			},
			"refresh": func() (*usher.Authentication, error) { return k.RefreshSession(ctx, a.Tokens.Refresh, home) },
			"update": func() (*usher.Authentication, error) {
				return k.UpdatePassword(ctx, k.claims(a), usher.UpdatePasswordParams{NewPassword: otherPassword}, home)
			},
			"replace": func() (*usher.Authentication, error) {
				return k.ReplacePassword(ctx, usher.ReplacePasswordParams{LoginID: ann, OldPassword: goodPassword, NewPassword: otherPassword}, home)
			},
		} {
			if got, err := do(); err == nil || got != nil || !strings.Contains(err.Error(), "Config.Claims") {
				t.Errorf("%s, %s: %v, %v", m, name, got, err)
			}
		}
		k.wantEvents("")
	}
	mode.Store("ok")
	k.wantPassword(ann, goodPassword, otherPassword)
	if b := usher.Must(k.RefreshSession(ctx, a.Tokens.Refresh, home)); !k.isLive(b) {
		t.Fatal("a failed refresh spent the token")
	}
}

// A token is accepted for one purpose only (RFC 8725 §3.11).
func TestTV09_ATokenServesOnePurpose(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	a := k.signUpVerified(ann)
	reset := usher.Must(k.VerifyReset(ctx, k.resetToken(ann, usher.MessageResetPassword), home))
	k.events.reset()
	session, refresh := a.Tokens.Session, a.Tokens.Refresh
	for name, err := range map[string]error{
		"refresh token on a protected route": errOf(k.ValidateSession(ctx, refresh)),
		"reset token on a protected route":   errOf(k.ValidateSession(ctx, reset.Token)),
		"session token on refresh":           errOf(k.RefreshSession(ctx, session, home)),
		"reset token on refresh":             errOf(k.RefreshSession(ctx, reset.Token, home)),
		"session token as refresh token":     errOf(k.ValidateRefresh(ctx, session)),
		"reset token as refresh token":       errOf(k.ValidateRefresh(ctx, reset.Token)),
		"session token as reset token":       errOf(k.ValidateReset(ctx, session)),
		"refresh token as reset token":       errOf(k.ValidateReset(ctx, refresh)),
		"rubbish":                            errOf(k.ValidateSession(ctx, "x.y.z")),
	} {
		t.Run(name, func(t *testing.T) { wantErr(t, err, token.ErrInvalid) })
	}
	if err := k.signOutByRefreshToken(session); err != nil {
		t.Fatal(err)
	}
	k.wantEvents("")
	if !k.isLive(a) {
		t.Fatal("a session token signed out as a refresh token")
	}
}

// A token issued for an hour stays revoked for an hour, even if the instance that
// ends its session uses a shorter lifetime.
func TestSE06_RevocationsOutliveTokensOfLongerLives(t *testing.T) {
	t.Parallel()
	store, c := memory.New(), newClock()
	before := newKitOn(t, store, c, func(c *usher.Config) { c.Sessions.TokenLifetime = time.Hour })
	a := before.signUp(ann)
	after := newKitOn(t, store, c)
	if err := after.SignOut(ctx, after.claims(a), home); err != nil {
		t.Fatal(err)
	}
	c.add(20 * time.Minute)
	if _, err := store.DeleteExpired(ctx, expiry(c.now())); err != nil {
		t.Fatal(err)
	}
	later := newKitOn(t, store, c)
	if _, err := later.ValidateSession(ctx, a.Tokens.Session); err == nil {
		t.Error("a token of a session that has ended is accepted again")
	}
}

func TestSE03_AbsoluteLifeCountsFromThePassword(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	a := k.signUpVerified(ann)
	end := k.clock.now().Add(30 * 24 * time.Hour)
	within := func(a *usher.Authentication) {
		t.Helper()
		for _, raw := range []usher.Secret{a.Tokens.Session, a.Tokens.Refresh} {
			if exp := payload(t, raw)["exp"].(float64); int64(exp) > end.Unix() {
				t.Fatal("a token outlives the session")
			}
		}
		if a.Tokens.RefreshExpiresAt.After(end) || a.Tokens.SessionExpiresAt.After(end) || !a.Session.ExpiresAt.Equal(end) {
			t.Fatalf("times are %+v", a.Tokens)
		}
	}
	within(a)
	for day := 1; day <= 29; day++ {
		k.clock.add(24 * time.Hour)
		a = usher.Must(k.RefreshSession(ctx, a.Tokens.Refresh, home))
		within(a)
		if got := int64(payload(t, a.Tokens.Session)["auth_time"].(float64)); got != end.Add(-30*24*time.Hour).Unix() {
			t.Fatal("refreshing moved the sign-in")
		}
	}
	k.clock.add(24*time.Hour - time.Second)
	a = usher.Must(k.RefreshSession(ctx, a.Tokens.Refresh, home))
	within(a)
	k.clock.add(2 * time.Second)
	_, err := k.RefreshSession(ctx, a.Tokens.Refresh, home)
	wantErr(t, err, usher.ErrInvalidSession)
	k.clock.add(10 * time.Second)
	_, err = k.ValidateSession(ctx, a.Tokens.Session)
	wantErr(t, err, token.ErrExpired)
}

func TestSE04_InactivityEndsASession(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		cfg  usher.SessionConfig
		idle time.Duration
	}{
		"default": {usher.SessionConfig{}, 14 * 24 * time.Hour},
		"an hour": {usher.SessionConfig{Idle: time.Hour, Absolute: 24 * time.Hour}, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKit(t, func(cfg *usher.Config) { cfg.Sessions = c.cfg })
			a := k.signUpVerified(ann)
			k.clock.add(c.idle - time.Minute)
			a = usher.Must(k.RefreshSession(ctx, a.Tokens.Refresh, home))
			k.clock.add(c.idle + time.Second)
			// The store decides, whatever leeway the token check allows.
			_, err := k.RefreshSession(ctx, a.Tokens.Refresh, home)
			wantErr(t, err, usher.ErrInvalidSession)
			k.clock.add(time.Minute)
			_, err = k.RefreshSession(ctx, a.Tokens.Refresh, home)
			wantErr(t, err, usher.ErrInvalidSession)
		})
	}
}
