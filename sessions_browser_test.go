package usher_test

import (
	"testing"
	"time"

	"github.com/usherkit/usher"
)

// unremembered is a client whose session ends with the browser.
var unremembered = func() usher.Client { c := home; c.EndWithBrowser = true; return c }()

func TestSE19_ASessionThatEndsWithTheBrowserLastsADay(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	u := k.signUpVerified(ann).User
	start := k.clock.now()
	proof := usher.Proof{Methods: []string{"oidc"}, At: start.Add(-time.Hour)}
	for what, a := range map[string]*usher.Authentication{
		"sign-in": k.signIn(ann, goodPassword, unremembered), "another proof": usher.Must(k.StartSession(ctx, u.ID, proof, unremembered)),
	} {
		if s := a.Session; !s.EndsWithBrowser || !s.ExpiresAt.Equal(start.Add(24*time.Hour)) || !s.IdleExpiresAt.Equal(s.ExpiresAt) || !a.Tokens.EndsWithBrowser {
			t.Errorf("%s: the session is %+v, the tokens end with the browser: %t", what, s, a.Tokens.EndsWithBrowser)
		}
	}
	if a := k.signIn(ann, goodPassword, home); a.Session.EndsWithBrowser || a.Tokens.EndsWithBrowser || !a.Session.ExpiresAt.Equal(start.Add(30*24*time.Hour)) {
		t.Errorf("a sign-in without the choice: %+v", a.Session)
	}
	a := k.signIn(ann, goodPassword, unremembered)
	k.clock.add(24*time.Hour - time.Second)
	a = usher.Must(k.RefreshSession(ctx, a.Tokens.Refresh, home))
	k.clock.add(time.Second)
	_, err := k.RefreshSession(ctx, a.Tokens.Refresh, home)
	wantErr(t, err, usher.ErrInvalidSession)
}

// The choice survives everything that continues the session, whatever the client is then.
func TestSE19_TheChoiceSurvives(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.signUpVerified(ann)
	for _, c := range []usher.Client{unremembered, home} {
		a := k.signIn(ann, goodPassword, c)
		want := c.EndWithBrowser
		check := func(what string, a *usher.Authentication) {
			t.Helper()
			if a.Session.EndsWithBrowser != want || a.Tokens.EndsWithBrowser != want {
				t.Errorf("%s: %t %t, want %t", what, a.Session.EndsWithBrowser, a.Tokens.EndsWithBrowser, want)
			}
		}
		a = usher.Must(k.RefreshSession(ctx, a.Tokens.Refresh, home))
		check("a refresh", a)
		b, err := k.reauthenticate(a, goodPassword)
		if err != nil {
			t.Fatal(err)
		}
		check("a confirmation", b)
		other := c
		other.EndWithBrowser = !want
		for _, current := range []usher.Secret{"", goodPassword} {
			in := usher.UpdatePasswordParams{NewPassword: otherPassword, CurrentPassword: current}
			b, err = k.UpdatePassword(ctx, k.claims(b), in, other)
			if err != nil {
				t.Fatal(err)
			}
			check("an update", b)
			_, err = k.UpdatePassword(ctx, k.claims(b), usher.UpdatePasswordParams{NewPassword: goodPassword, CurrentPassword: otherPassword}, home)
			if err != nil {
				t.Fatal(err)
			}
			b = k.signIn(ann, goodPassword, c)
		}
	}
}

func TestSE19_TheLifetimeIsASetting(t *testing.T) {
	t.Parallel()
	k := newKit(t, func(c *usher.Config) { c.Sessions.BrowserAbsolute = 2 * time.Hour })
	k.signUpVerified(ann)
	if s := k.signIn(ann, goodPassword, unremembered).Session; !s.ExpiresAt.Equal(k.clock.now().Add(2 * time.Hour)) {
		t.Errorf("the session is %+v", s)
	}
	k = newKit(t, func(c *usher.Config) { c.Sessions.Absolute = 2 * time.Hour })
	k.signUpVerified(ann)
	if s := k.signIn(ann, goodPassword, unremembered).Session; !s.ExpiresAt.Equal(k.clock.now().Add(2 * time.Hour)) {
		t.Errorf("the session is %+v", s)
	}
}
