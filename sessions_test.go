package usher_test

import (
	"context"
	"crypto/elliptic"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/storetest"
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
	// What the store does hold of a session, its id, opens nothing.
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
			return k.SignIn(ctx, usher.SignIn{LoginID: ann, Password: goodPassword}, c)
		},
		"sign-up": func(c usher.Client) (*usher.Authentication, error) {
			return k.SignUp(ctx, usher.SignUp{LoginID: "new@example.com", Password: goodPassword}, c)
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
		k.wantNoUse(planted)
		if !k.alive(a) || !k.alive(mallory) {
			t.Fatal(name, "ended too much")
		}
		c.SessionID = "made-up"
		if a, err := k.SignIn(ctx, usher.SignIn{LoginID: ann, Password: goodPassword}, c); err != nil || a.Session.ID == "made-up" {
			t.Fatal(name, a, err)
		}
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
	_, err = k.ValidateSession(ctx, a.Tokens.Session.Reveal())
	wantErr(t, err, token.ErrExpired)
}

func TestSE04_InactivityEndsASession(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		cfg  usher.SessionConfig
		idle time.Duration
	}{
		"default": {usher.SessionConfig{}, 14 * 24 * time.Hour},
		"AAL2":    {usher.AAL2(), time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKit(t, func(cfg *usher.Config) { cfg.Sessions = c.cfg })
			a := k.signUpVerified(ann)
			k.clock.add(c.idle - time.Minute)
			a = usher.Must(k.RefreshSession(ctx, a.Tokens.Refresh, home))
			k.clock.add(c.idle + time.Second)
			// The store decides, whatever the leeway of the token.
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
		if !k.alive(again) {
			t.Fatal("a repetition gave a token that does not serve")
		}
	}
	k.wantEvents("")
	k.clock.add(2 * time.Second)
	_, err := k.RefreshSession(ctx, r1.Tokens.Refresh, home)
	wantErr(t, err, usher.ErrInvalidSession)
	k.wantEvents("authn_token_reuse")
	k.wantNoUse(r2)
	stored := usher.Must(k.Events(ctx, usher.EventQuery{Name: usher.EventTokenReused}))
	if len(stored) != 1 || stored[0].SessionID != r1.Session.ID || stored[0].UserID != r1.User.ID {
		t.Fatalf("stored events are %+v", stored)
	}
}

// An older token than the one before is theft at once.
func TestSE05_OlderTokenIsTheftWithinTheGrace(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	r1 := k.signUpVerified(ann)
	r2 := usher.Must(k.RefreshSession(ctx, r1.Tokens.Refresh, home))
	r3 := usher.Must(k.RefreshSession(ctx, r2.Tokens.Refresh, home))
	_, err := k.RefreshSession(ctx, r1.Tokens.Refresh, home)
	wantErr(t, err, usher.ErrInvalidSession)
	k.wantNoUse(r3)
}

func TestSE05_RotationCanBeOff(t *testing.T) {
	t.Parallel()
	k := newKit(t, func(c *usher.Config) { c.Sessions.KeepRefreshToken = true })
	a := k.signUpVerified(ann)
	if life := a.Session.ExpiresAt.Sub(a.Session.CreatedAt); life != 24*time.Hour {
		t.Fatalf("it lives for %s", life)
	}
	for range 3 {
		k.clock.add(time.Hour)
		b := usher.Must(k.RefreshSession(ctx, a.Tokens.Refresh, home))
		if !k.alive(b) || payload(t, b.Tokens.Refresh)["jti"] != payload(t, a.Tokens.Refresh)["jti"] {
			t.Fatal("the refresh token was exchanged")
		}
	}
	k.clock.add(21*time.Hour + time.Minute)
	_, err := k.RefreshSession(ctx, a.Tokens.Refresh, home)
	wantErr(t, err, usher.ErrInvalidSession)
}

func TestSE06_SignOutHoldsHereAtOnceAndElsewhereInASecond(t *testing.T) {
	t.Parallel()
	for name, out := range map[string]func(k *kit, a *usher.Authentication) error{
		"session token": func(k *kit, a *usher.Authentication) error { return k.SignOut(ctx, k.claims(a), home) },
		"refresh token": func(k *kit, a *usher.Authentication) error { return k.SignOutToken(ctx, a.Tokens.Refresh, home) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k, other := twoMachines(t)
				a, b := k.signUp(ann), k.signUp("bob@example.com")
				k.inbox()
				if !other.alive(a) {
					t.Fatal("not valid elsewhere")
				}
				k.events.reset()
				if err := out(k, a); err != nil {
					t.Fatal(err)
				}
				k.wantEvents("authn_logout")
				k.wantNoUse(a)
				_, err := other.RefreshSession(ctx, a.Tokens.Refresh, home)
				wantErr(t, err, usher.ErrInvalidSession)
				time.Sleep(1100 * time.Millisecond) // the bubble's clock
				_, err = other.ValidateSession(ctx, a.Tokens.Session.Reveal())
				wantErr(t, err, token.ErrRevoked)
				if !k.alive(b) || !other.alive(b) {
					t.Fatal("another session ended")
				}
				// Once more is no error and no second event but for the refused refresh.
				k.events.reset()
				if err := k.SignOutToken(ctx, a.Tokens.Refresh, home); err != nil {
					t.Fatal(err)
				}
				k.wantEvents("")
			})
		})
	}
}

// A machine that starts afterwards knows of it before it serves.
func TestSE06_AMachineThatStartsLater(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	a := k.signUp(ann)
	if err := k.SignOut(ctx, k.claims(a), home); err != nil {
		t.Fatal(err)
	}
	_, err := k.twin().ValidateSession(ctx, a.Tokens.Session.Reveal())
	wantErr(t, err, token.ErrRevoked)
}

// A step on another machine may show only after a later one: its revocation is
// found all the same, at the next poll.
func TestSE06_RevocationsThatShowOutOfOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &aging{Store: storetest.NewMemory()}
		k := machine(t, store)
		var all []*usher.Authentication
		for i := range 4 {
			all = append(all, k.signUp(fmt.Sprintf("u%d@example.com", i)))
		}
		time.Sleep(47 * time.Second) // the bubble's clock
		late := []usher.Revocation{k.revocation(11, all[0]), k.revocation(13, all[1]), k.revocation(12, all[2]), k.revocation(10, all[3])}
		for i := range late {
			list := slices.Clone(late[:i+1])
			slices.SortFunc(list, func(a, b usher.Revocation) int { return int(a.ID - b.ID) })
			store.set(false, list...)
			time.Sleep(1100 * time.Millisecond)
			for j, a := range all {
				if k.alive(a) != (j > i) {
					t.Fatalf("after revocation %d, session %d is alive: %v", late[i].ID, j, k.alive(a))
				}
			}
			time.Sleep(7 * time.Second)
		}
	})
}

// Revocation goes by session, not by the bytes of a token.
func TestSE07_OtherBytesOfTheSameTokenStayRevoked(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	a := k.signUp(ann)
	raw := a.Tokens.Session.Reveal()
	twisted := otherSignature(t, raw)
	if _, err := k.ValidateSession(ctx, twisted); err != nil {
		t.Fatalf("the twisted signature must verify, or this test proves nothing: %v", err)
	}
	if err := k.SignOut(ctx, k.claims(a), home); err != nil {
		t.Fatal(err)
	}
	for name, raw := range map[string]string{"same": raw, "s' = n - s": twisted} {
		_, err := k.ValidateSession(ctx, raw)
		t.Run(name, func(t *testing.T) { wantErr(t, err, token.ErrRevoked) })
	}
	// The 86 characters of an ES256 signature end in four unused bits.
	spare := raw[:len(raw)-1] + string("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[strings.IndexByte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", raw[len(raw)-1])^1])
	_, err := k.ValidateSession(ctx, spare)
	wantErr(t, err, token.ErrInvalid)
	_, err = k.RefreshSession(ctx, usher.Secret(otherSignature(t, a.Tokens.Refresh.Reveal())), home)
	wantErr(t, err, usher.ErrInvalidSession)
}

// otherSignature returns the token under the other valid ES256 signature.
func otherSignature(t *testing.T, raw string) string {
	t.Helper()
	i := strings.LastIndexByte(raw, '.')
	sig, err := base64.RawURLEncoding.DecodeString(raw[i+1:])
	if err != nil || len(sig) != 64 {
		t.Fatal("not an ES256 signature")
	}
	s := new(big.Int).SetBytes(sig[32:])
	s.Sub(elliptic.P256().Params().N, s).FillBytes(sig[32:])
	return raw[:i+1] + base64.RawURLEncoding.EncodeToString(sig)
}

func TestSE08_ParallelRefreshesNeitherEndNorFork(t *testing.T) {
	t.Parallel()
	for name, machines := range map[string]int{"one machine": 1, "two machines": 2} {
		t.Run(name, func(t *testing.T) {
			k := newKit(t)
			a := k.signUpVerified(ann)
			kits := []*kit{k, k}
			if machines == 2 {
				kits[1] = k.twin()
			}
			got := make([]usher.Secret, 64)
			together(len(got), func(i int) {
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
			if n := len(usher.Must(k.Events(ctx, usher.EventQuery{Name: usher.EventSessionRenewed}))); n != 1 {
				t.Fatalf("exchanged %d times", n)
			}
			if b := usher.Must(k.RefreshSession(ctx, got[0], home)); !k.alive(b) {
				t.Fatal("the one live token does not serve")
			}
		})
	}
}

func TestSE09_FourWaysToEndAllSessions(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		end    func(k *kit, a *usher.Authentication) error
		events string
	}{
		"disable":         {func(k *kit, a *usher.Authentication) error { return k.DisableUser(ctx, a.User.ID) }, "user_disabled:operator"},
		"delete":          {func(k *kit, a *usher.Authentication) error { return k.DeleteUser(ctx, a.User.ID) }, "user_deleted:operator"},
		"everywhere":      {func(k *kit, a *usher.Authentication) error { return k.SignOutEverywhere(ctx, k.claims(a), home) }, "authn_logout:everywhere"},
		"operator":        {func(k *kit, a *usher.Authentication) error { return k.SignOutUser(ctx, a.User.ID) }, "authn_logout:operator"},
		"expire password": {func(k *kit, a *usher.Authentication) error { return k.ExpirePassword(ctx, a.User.ID) }, "authn_password_change:expired_by_operator session_ended:password_changed session_ended:password_changed session_ended:password_changed"},
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
				k.wantNoUse(d)
				if _, _, err := k.Me(ctx, &token.Claims{Subject: d.User.ID, SessionID: d.Session.ID, Type: token.TypeSession}); err == nil {
					t.Fatal("Me answers an ended session")
				}
			}
			if !k.alive(bob) {
				t.Fatal("another user's session ended")
			}
		})
	}
}

func TestSE09_RefreshReadsRolesAndStateAgain(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	a := k.signUpVerified(ann)
	roles := []string{"admin", "editor"}
	usher.Must(k.UpdateUser(ctx, a.User.ID, usher.UserPatch{Roles: &roles}))
	a = usher.Must(k.RefreshSession(ctx, a.Tokens.Refresh, home))
	if c := k.claims(a); !c.HasRole("admin") || !c.HasRole("editor") {
		t.Fatalf("roles are %v", c.Roles)
	}
	roles = []string{"editor"}
	usher.Must(k.UpdateUser(ctx, a.User.ID, usher.UserPatch{Roles: &roles}))
	a = usher.Must(k.RefreshSession(ctx, a.Tokens.Refresh, home))
	if c := k.claims(a); c.HasRole("admin") || !c.HasRole("editor") {
		t.Fatalf("roles are %v", c.Roles)
	}
	// The repetition of a refresh reads them as well.
	roles = nil
	usher.Must(k.UpdateUser(ctx, a.User.ID, usher.UserPatch{Roles: &roles}))
	b := usher.Must(k.RefreshSession(ctx, a.Tokens.Refresh, home))
	if c := k.claims(b); len(c.Roles) != 0 {
		t.Fatalf("roles are %v", c.Roles)
	}
}

func TestSE10_TheOldestOfTooManySessionsEnds(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	first := k.signUpVerified(ann)
	k.clock.add(time.Second)
	second := k.signIn(ann, goodPassword, home)
	for i := range 98 { // without the cost of their passwords
		k.clock.add(time.Second)
		session := second.Session
		session.ID, session.CreatedAt = fmt.Sprintf("session-%d", i), k.clock.now()
		usher.Must(k.store.StartSession(ctx, usher.SessionStart{Session: session, IfPasswordVersion: 1, Max: 1000}))
	}
	if !k.alive(first) || len(usher.Must(k.Sessions(ctx, k.claims(second)))) != 100 {
		t.Fatal("a hundred sessions must live")
	}
	k.clock.add(time.Second)
	k.events.reset()
	last := k.signIn(ann, goodPassword, home)
	k.wantEvents("authn_login_success session_created authn_login_newdevice session_ended:replaced")
	k.wantNoUse(first)
	if !k.alive(second) || !k.alive(last) {
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
	k.wantNoUse(b)
	if !k.alive(a) || !k.alive(bob) {
		t.Fatal("another session ended")
	}
}

func TestSE11_TokensCarryNoPersonalData(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	s := func(v string) *string { return &v }
	a := usher.Must(k.SignUp(ctx, usher.SignUp{LoginID: ann, Password: goodPassword, Profile: usher.Profile{
		Name: s("Ann Example"), GivenName: s("Annabel"), FamilyName: s("Exampleton"), Phone: s("+15550100"), Picture: s("https://pic.test/a"),
	}}, home))
	want := map[usher.Secret]string{
		a.Tokens.Session: "amr aud auth_time drn email_verified exp iat iss jti permissions roles sid sub tenants",
		a.Tokens.Refresh: "aud auth_time drn exp iat iss jti sid sub",
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

// Two machines, one sign-in, and the tokens serve on both.
func TestSessionsServeOnEveryMachine(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	other := k.twin()
	a := k.signUp(ann)
	b := usher.Must(other.RefreshSession(ctx, a.Tokens.Refresh, home))
	if !k.alive(b) || !other.alive(b) {
		t.Fatal("a token serves on its own machine only")
	}
}

// What the program adds is in the session token, and a failure of it signs
// nobody in.
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
				return k.SignIn(ctx, usher.SignIn{LoginID: ann, Password: goodPassword}, home)
			},
			"sign-up": func() (*usher.Authentication, error) {
				return k.SignUp(ctx, usher.SignUp{LoginID: "new@example.com", Password: goodPassword}, home)
			},
			"refresh": func() (*usher.Authentication, error) { return k.RefreshSession(ctx, a.Tokens.Refresh, home) },
			"update": func() (*usher.Authentication, error) {
				return k.UpdatePassword(ctx, k.claims(a), usher.UpdatePassword{NewPassword: otherPassword}, home)
			},
			"replace": func() (*usher.Authentication, error) {
				return k.ReplacePassword(ctx, usher.ReplacePassword{LoginID: ann, OldPassword: goodPassword, NewPassword: otherPassword}, home)
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
	if b := usher.Must(k.RefreshSession(ctx, a.Tokens.Refresh, home)); !k.alive(b) {
		t.Fatal("a failed refresh spent the token")
	}
}

// Rows that mean nothing any more are removed, and a revocation is kept as long
// as a token of its session may live.
func TestExpiredRowsAreRemoved(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := storetest.NewMemory()
		k := machine(t, store, func(c *usher.Config) { c.Sessions.Idle = 15 * time.Minute })
		a := k.signUp(ann)
		b := k.signIn(ann, goodPassword, home)
		k.inbox()
		if err := k.SignOut(ctx, k.claims(a), home); err != nil {
			t.Fatal(err)
		}
		revoked := func() int { return len(usher.Must(store.Revocations(ctx, 0))) }
		time.Sleep(10 * time.Minute) // the bubble's clock
		if revoked() != 1 {
			t.Fatal("a revocation went while a token of it may live")
		}
		time.Sleep(6 * time.Minute)
		if _, err := store.Session(ctx, b.Session.ID); err == nil {
			t.Fatal("an idle session is still there")
		}
		time.Sleep(time.Hour)
		if revoked() != 0 {
			t.Fatal("the revocation is still there")
		}
		if n := len(usher.Must(k.Events(ctx, usher.EventQuery{}))); n == 0 {
			t.Fatal("the audit trail went too")
		}
	})
}

// A token serves one purpose (RFC 8725 §3.11).
func TestTV09_ATokenServesOnePurpose(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	a := k.signUpVerified(ann)
	reset := usher.Must(k.VerifyReset(ctx, k.resetToken(ann, usher.MessageResetPassword), home))
	k.events.reset()
	session, refresh := a.Tokens.Session, a.Tokens.Refresh
	for name, err := range map[string]error{
		"refresh token on a protected route": second(k.ValidateSession(ctx, refresh.Reveal())),
		"reset token on a protected route":   second(k.ValidateSession(ctx, reset.Token.Reveal())),
		"session token on refresh":           second(k.RefreshSession(ctx, session, home)),
		"reset token on refresh":             second(k.RefreshSession(ctx, reset.Token, home)),
		"session token as refresh token":     second(k.ValidateRefresh(ctx, session)),
		"reset token as refresh token":       second(k.ValidateRefresh(ctx, reset.Token)),
		"session token as reset token":       second(k.ValidateReset(ctx, session.Reveal())),
		"refresh token as reset token":       second(k.ValidateReset(ctx, refresh.Reveal())),
		"rubbish":                            second(k.ValidateSession(ctx, "x.y.z")),
	} {
		t.Run(name, func(t *testing.T) { wantErr(t, err, token.ErrInvalid) })
	}
	if err := k.SignOutToken(ctx, session, home); err != nil {
		t.Fatal(err)
	}
	k.wantEvents("")
	if !k.alive(a) {
		t.Fatal("a session token signed out as a refresh token")
	}
}
