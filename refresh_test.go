package usher_test

import (
	"context"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/store"
)

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
	r3 := usher.Must(k.RefreshSession(ctx, r2.Tokens.Refresh, home))
	k.wantEvents("session_renewed")
	_, err := k.RefreshSession(ctx, r1.Tokens.Refresh, home)
	wantErr(t, err, usher.ErrInvalidSession)
	k.wantEvents("authn_token_reuse session_ended:token_reused")
	k.wantEnded(r3)
	stored := usher.Must(k.Operator("test").Events(ctx, usher.EventQuery{Name: usher.EventTokenReused})).Events
	if len(stored) != 1 || stored[0].SessionID != r1.Session.ID || stored[0].UserID != r1.User.ID {
		t.Fatalf("stored events are %+v", stored)
	}
}

// Tabs that refresh one after the other may present a token that is several exchanges
// old, until the grace time of its own exchange is over.
func TestSE05_WithinTheGraceNoTokenOfTheChainIsTheft(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	kits := [2]*kit{k, k.secondInstance()}
	chain := []*usher.Authentication{k.signUpVerified(ann)}
	for i := range 3 { // at 0, 3 and 6 s
		chain = append(chain, usher.Must(kits[i%2].RefreshSession(ctx, chain[i].Tokens.Refresh, home)))
		k.clock.add(3 * time.Second)
	}
	for i := range 3 { // at 9, 12 and 15 s
		late := usher.Must(kits[i%2].RefreshSession(ctx, chain[i].Tokens.Refresh, home))
		if late.Tokens.Refresh != chain[3].Tokens.Refresh || !k.isLive(late) {
			t.Fatalf("the token of exchange %d does not get the newest one", i)
		}
		k.clock.add(3 * time.Second)
	}
	if a := usher.Must(k.RefreshSession(ctx, chain[3].Tokens.Refresh, home)); !k.isLive(a) {
		t.Fatal("the session ended")
	}
	_, err := k.RefreshSession(ctx, chain[2].Tokens.Refresh, home)
	wantErr(t, err, usher.ErrInvalidSession)
	k.wantEnded(chain[3])
}

// Of the further tokens for a token whose answers were lost, the first that is presented
// makes all others invalid.
func TestSE12_ALostAnswerIsRepeatedAtAnyTime(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	kits := [2]*kit{k, k.secondInstance()}
	first := k.signUpVerified(ann)
	var answers []*usher.Authentication
	for i := range 4 {
		for range 2 { // another tab gets the same
			answers = append(answers, usher.Must(kits[i%2].RefreshSession(ctx, first.Tokens.Refresh, home)))
		}
		if a, b := answers[2*i], answers[2*i+1]; a.Tokens.Refresh != b.Tokens.Refresh || !k.isLive(a) {
			t.Fatal("two tabs have different tokens")
		}
		k.clock.add(3 * 24 * time.Hour)
	}
	next := usher.Must(k.RefreshSession(ctx, answers[2].Tokens.Refresh, home))
	next = usher.Must(k.RefreshSession(ctx, next.Tokens.Refresh, home))
	_, err := k.RefreshSession(ctx, answers[6].Tokens.Refresh, home)
	wantErr(t, err, usher.ErrInvalidSession)
	k.wantEnded(next)
}

// A thief who presents a stolen token all the time does not always get what its owner
// gets. One of them loses, and that ends the session.
func TestSE13_AThiefWhoRepeatsATokenDoesNotFollowItsOwner(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	stolen := k.signUpVerified(ann)
	thief := map[usher.Secret]bool{}
	repeat := func() {
		for range 20 {
			k.clock.add(9 * time.Second)
			thief[usher.Must(k.RefreshSession(ctx, stolen.Tokens.Refresh, nth(7))).Tokens.Refresh] = true
		}
	}
	repeat()
	k.clock.add(time.Second)
	owner := usher.Must(k.RefreshSession(ctx, stolen.Tokens.Refresh, home))
	repeat()
	if thief[owner.Tokens.Refresh] {
		t.Fatal("the thief has the owner's token")
	}
	_, err := k.RefreshSession(ctx, owner.Tokens.Refresh, home)
	wantErr(t, err, usher.ErrInvalidSession)
	for raw := range thief {
		_, err := k.RefreshSession(ctx, raw, nth(7))
		wantErr(t, err, usher.ErrInvalidSession)
	}
}

// A session token without an exchange: for a response that cannot carry a new refresh
// token.
func TestSE16_ARefreshTokenIsValidatedWithoutAnExchange(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	a := k.signUpVerified(ann)
	sessionToken := func(refresh usher.Secret) error {
		raw, err := k.SessionToken(ctx, refresh, home.Address, "browser")
		if err == nil {
			claims := usher.Must(k.ValidateSession(ctx, raw))
			if claims.SessionID != a.Session.ID || !claims.EmailVerified {
				t.Fatalf("claims are %+v", claims)
			}
		}
		return err
	}
	before := usher.Must(k.store.Session(ctx, a.Session.ID))
	k.clock.add(time.Hour)
	for range 3 {
		wantErr(t, sessionToken(a.Tokens.Refresh), nil)
	}
	if after := usher.Must(k.store.Session(ctx, a.Session.ID)); !reflect.DeepEqual(before, after) {
		t.Fatalf("the session changed:\n%+v\n%+v", before, after)
	}
	k.wantEvents("")
	b := usher.Must(k.RefreshSession(ctx, a.Tokens.Refresh, home)) // its answer is lost
	k.clock.add(time.Hour)
	wantErr(t, sessionToken(a.Tokens.Refresh), nil)
	wantErr(t, sessionToken(b.Tokens.Refresh), nil)
	usher.Must(k.RefreshSession(ctx, b.Tokens.Refresh, home))
	k.events.reset()
	wantErr(t, sessionToken(a.Tokens.Refresh), usher.ErrInvalidSession)
	k.wantEvents("authn_token_reuse session_ended:token_reused")
	k.wantEnded(b)
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

// Instances may disagree on rotation while the setting is being changed.
func TestSE05_RotationIsSwitchedOnAndOffWhileInstancesRun(t *testing.T) {
	t.Parallel()
	for name, after := range map[string]time.Duration{"within the grace time": time.Second, "after it": time.Minute} {
		t.Run(name, func(t *testing.T) {
			rotating := newKit(t)
			keeping := newKitOn(t, rotating.store, rotating.clock, func(c *usher.Config) {
				*c = rotating.cfg
				c.Sessions.KeepRefreshToken, c.Sessions.Absolute = true, 30*24*time.Hour
			})
			id := func(k *kit, a *usher.Authentication) string {
				t.Helper()
				rotating.clock.add(after)
				b, err := k.RefreshSession(ctx, a.Tokens.Refresh, home)
				if err != nil || !k.isLive(b) {
					t.Fatalf("signed out: %v", err)
				}
				return payload(t, b.Tokens.Refresh)["jti"].(string)
			}
			first := rotating.signUpVerified(ann)
			second := usher.Must(rotating.RefreshSession(ctx, first.Tokens.Refresh, home))
			third := usher.Must(rotating.RefreshSession(ctx, second.Tokens.Refresh, home))
			// The client did not get the answer, and repeats its request to other instances.
			want := payload(t, third.Tokens.Refresh)["jti"]
			if after > 10*time.Second {
				want = payload(t, second.Tokens.Refresh)["jti"]
			}
			if got := id(keeping, second); got != want {
				t.Fatal("the client got another token than it can use")
			}
			id(rotating, second)
			// It got the answer.
			if got := id(keeping, third); got != payload(t, third.Tokens.Refresh)["jti"] {
				t.Fatal("the token was not kept")
			}
			if after < 10*time.Second {
				for _, late := range []*usher.Authentication{first, second} {
					if got := id(keeping, late); got != want {
						t.Fatal("a late tab got another token")
					}
				}
			}
			id(rotating, third)
		})
	}
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

// A verifier of another program checks the signature, the issuer, the audience and the
// time, as most do, and not the type.
func TestTV09_AnotherVerifierRefusesARefreshToken(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	a := k.signUpVerified(ann)
	reset := usher.Must(k.VerifyReset(ctx, k.resetToken(ann, usher.MessageResetPassword), home))
	set, err := keyfunc.NewJWKSetJSON(k.JWKS())
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		raw      usher.Secret
		accepted bool
	}{
		"session token": {a.Tokens.Session, true}, "refresh token": {a.Tokens.Refresh, false}, "reset token": {reset.Token, false},
	} {
		_, err := jwt.Parse(c.raw.Reveal(), set.Keyfunc, jwt.WithAudience(k.BaseURL()), jwt.WithIssuer(k.BaseURL()), jwt.WithTimeFunc(k.clock.now))
		if (err == nil) != c.accepted {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := k.RefreshSession(ctx, a.Tokens.Refresh, home); err != nil {
		t.Errorf("the Service: %v", err)
	}
	cfg := k.cfg
	cfg.Audience = []string{k.BaseURL(), k.BaseURL() + "/#refresh"}
	if _, err := usher.New(ctx, k.store, cfg); err == nil || !strings.Contains(err.Error(), "Config.Audience") {
		t.Errorf("the audience of refresh tokens as that of session tokens: %v", err)
	}
}
