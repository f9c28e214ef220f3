package usher_test

import (
	"context"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/token"
)

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

func TestSE05_RefreshRotatesAndReuseEndsTheSession(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	r1 := k.signUpVerified(ann)
	r2 := usher.Must(k.RefreshSession(ctx, r1.Tokens.Refresh, home))
	k.wantEvents("session_renewed")
	if r2.Tokens.Refresh == r1.Tokens.Refresh || r2.Session.ID != r1.Session.ID {
		t.Fatal("the refresh token was not exchanged")
	}
	for range 3 { // two tabs, a lost answer
		k.clock.add(3 * time.Second)
		again := usher.Must(k.RefreshSession(ctx, r1.Tokens.Refresh, home))
		if again.Tokens.Refresh != r2.Tokens.Refresh {
			t.Fatal("a repetition gave another successor")
		}
		if !k.isLive(again) {
			t.Fatal("a repetition gave a token that does not serve")
		}
	}
	k.wantEvents("")
	k.clock.add(2 * time.Second)
	_, err := k.RefreshSession(ctx, r1.Tokens.Refresh, home)
	wantErr(t, err, usher.ErrInvalidSession)
	k.wantEvents("authn_token_reuse session_ended:token_reused")
	k.wantEnded(r2)
	stored := usher.Must(k.Operator("test").Events(ctx, usher.EventQuery{Name: usher.EventTokenReused})).Events
	if len(stored) != 1 || stored[0].SessionID != r1.Session.ID || stored[0].UserID != r1.User.ID {
		t.Fatalf("stored events are %+v", stored)
	}
}

// A token older than the previous one counts as theft at once.
func TestSE05_OlderTokenIsTheftWithinTheGrace(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	r1 := k.signUpVerified(ann)
	r2 := usher.Must(k.RefreshSession(ctx, r1.Tokens.Refresh, home))
	r3 := usher.Must(k.RefreshSession(ctx, r2.Tokens.Refresh, home))
	_, err := k.RefreshSession(ctx, r1.Tokens.Refresh, home)
	wantErr(t, err, usher.ErrInvalidSession)
	k.wantEnded(r3)
}

func TestSE05_RotationCanBeOff(t *testing.T) {
	t.Parallel()
	k := newKit(t, func(c *usher.Config) { c.Sessions.KeepRefreshToken = true })
	a := k.signUpVerified(ann)
	if lifetime := a.Session.ExpiresAt.Sub(a.Session.CreatedAt); lifetime != 24*time.Hour {
		t.Fatalf("its lifetime is %s", lifetime)
	}
	for range 3 {
		k.clock.add(time.Hour)
		b := usher.Must(k.RefreshSession(ctx, a.Tokens.Refresh, home))
		if !k.isLive(b) || payload(t, b.Tokens.Refresh)["jti"] != payload(t, a.Tokens.Refresh)["jti"] {
			t.Fatal("the refresh token was exchanged")
		}
	}
	k.clock.add(21*time.Hour + time.Minute)
	_, err := k.RefreshSession(ctx, a.Tokens.Refresh, home)
	wantErr(t, err, usher.ErrInvalidSession)
}

func TestSE08_ParallelRefreshesNeitherEndNorFork(t *testing.T) {
	t.Parallel()
	for name, instances := range map[string]int{"one instance": 1, "two instances": 2} {
		t.Run(name, func(t *testing.T) {
			k := newKit(t)
			a := k.signUpVerified(ann)
			kits := []*kit{k, k}
			if instances == 2 {
				kits[1] = k.secondInstance()
			}
			got := make([]usher.Secret, 64)
			concurrently(len(got), func(i int) {
				b, err := kits[i%2].RefreshSession(ctx, a.Tokens.Refresh, nth(i))
				if err != nil {
					t.Errorf("refresh %d: %v", i, err)
					return
				}
				got[i] = b.Tokens.Refresh
			})
			for i := range got {
				if got[i] != got[0] || got[i] == a.Tokens.Refresh {
					t.Fatal("the session was forked")
				}
			}
			if n := len(usher.Must(k.Operator("test").Events(ctx, usher.EventQuery{Name: usher.EventSessionRenewed})).Events); n != 1 {
				t.Fatalf("exchanged %d times", n)
			}
			if b := usher.Must(k.RefreshSession(ctx, got[0], home)); !k.isLive(b) {
				t.Fatal("the one live token does not serve")
			}
		})
	}
}

func TestSE09_RefreshReadsRolesAndStateAgain(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	a := k.signUpVerified(ann)
	roles := []string{"admin", "editor"}
	usher.Must(k.Operator("test").UpdateUser(ctx, a.User.ID, usher.UpdateUserParams{Roles: &roles}))
	a = usher.Must(k.RefreshSession(ctx, a.Tokens.Refresh, home))
	if c := k.claims(a); !c.HasRole("admin") || !c.HasRole("editor") {
		t.Fatalf("roles are %v", c.Roles)
	}
	roles = []string{"editor"}
	usher.Must(k.Operator("test").UpdateUser(ctx, a.User.ID, usher.UpdateUserParams{Roles: &roles}))
	a = usher.Must(k.RefreshSession(ctx, a.Tokens.Refresh, home))
	if c := k.claims(a); c.HasRole("admin") || !c.HasRole("editor") {
		t.Fatalf("roles are %v", c.Roles)
	}
	// A repeated refresh reads them as well.
	roles = nil
	usher.Must(k.Operator("test").UpdateUser(ctx, a.User.ID, usher.UpdateUserParams{Roles: &roles}))
	b := usher.Must(k.RefreshSession(ctx, a.Tokens.Refresh, home))
	if c := k.claims(b); len(c.Roles) != 0 {
		t.Fatalf("roles are %v", c.Roles)
	}
}

// afterSessionRead is a Store that calls a function right after a session was read.
type afterSessionRead struct {
	store.Store
	session func()
}

func (b *afterSessionRead) Session(ctx context.Context, id string) (store.SessionRecord, error) {
	s, err := b.Store.Session(ctx, id)
	if do := b.session; do != nil {
		b.session = nil
		do()
	}
	return s, err
}

// An exchanged refresh token is refused also by methods that only validate it, so
// that a thief cannot use an old one there.
func TestSE05_AnExchangedRefreshTokenOpensNothing(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	a := k.signUp(ann)
	old := usher.Must(k.ValidateRefresh(ctx, a.Tokens.Refresh))
	b := usher.Must(k.RefreshSession(ctx, a.Tokens.Refresh, home))
	if _, _, err := k.Me(ctx, old); err != nil {
		t.Fatalf("within the grace time: %v", err)
	}
	k.clock.add(10 * time.Second)
	_, _, err := k.Me(ctx, old)
	wantErr(t, err, usher.ErrInvalidSession)
	_, err = k.UpdatePassword(ctx, old, usher.UpdatePasswordParams{NewPassword: otherPassword}, home)
	wantErr(t, err, usher.ErrInvalidSession)

	current := usher.Must(k.ValidateRefresh(ctx, b.Tokens.Refresh))
	c := usher.Must(k.UpdatePassword(ctx, current, usher.UpdatePasswordParams{NewPassword: otherPassword}, home))
	_, _, err = k.Me(ctx, current)
	wantErr(t, err, usher.ErrInvalidSession) // the change renewed it without grace time
	if _, _, err := k.Me(ctx, usher.Must(k.ValidateRefresh(ctx, c.Tokens.Refresh))); err != nil {
		t.Fatal(err)
	}
}

// A session token expires with its session, whichever end of the session comes first.
func TestSE04_NoSessionTokenOutlivesItsSession(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]usher.SessionConfig{
		"idle":     {Idle: time.Minute, TokenLifetime: 10 * time.Minute},
		"absolute": {Idle: 2 * time.Minute, Absolute: 2 * time.Minute, TokenLifetime: 10 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKit(t, func(cfg *usher.Config) { cfg.Sessions = c })
			a := k.signUp(ann)
			for range 2 {
				claims := k.claims(a)
				if end := a.Session.IdleExpiresAt; claims.ExpiresAt.After(end) || a.Tokens.SessionExpiresAt.After(end) {
					t.Errorf("the token expires at %s, the session at %s", claims.ExpiresAt, end)
				}
				k.clock.add(50 * time.Second)
				a = usher.Must(k.RefreshSession(ctx, a.Tokens.Refresh, home))
			}
		})
	}
}
