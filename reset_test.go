package usher_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/usherkit/usher"
)

const ann = "Ann@example.com"

// importUser creates a verified user without a password, which saves a hash.
func (k *kit) importUser(loginID string) usher.User {
	k.t.Helper()
	u, err := k.Operator("test").ImportUser(ctx, usher.ImportUserParams{LoginIDs: []string{loginID}, EmailVerified: true})
	if err != nil {
		k.t.Fatal(err)
	}
	return u
}

// requestReset requests a reset.
func (k *kit) requestReset(loginID string, c usher.Client) {
	k.t.Helper()
	if err := k.SendPasswordReset(ctx, usher.SendPasswordResetParams{LoginID: loginID}, c); err != nil {
		k.t.Fatal(err)
	}
}

func TestRS01_TokensAreRandomAndStoredHashed(t *testing.T) {
	t.Parallel()
	k := newKit(t, func(c *usher.Config) { c.InsecureNoThrottle, c.BaseURL = true, "https://localhost" })
	seen := map[usher.Secret]bool{}
	for i := range 334 {
		k.importUser(fmt.Sprintf("u%d@example.com", i))
		for range 3 {
			k.requestReset(fmt.Sprintf("u%d@example.com", i), home)
		}
		for _, m := range k.wantEmails("reset_password reset_password reset_password") {
			raw := tokenIn(t, m)
			if b, err := base64.RawURLEncoding.DecodeString(raw.Reveal()); err != nil || len(b) != 32 {
				t.Fatalf("a token of %d bytes: %v", len(b), err)
			}
			if seen[raw] {
				t.Fatal("a token was repeated")
			}
			seen[raw] = true
			if i == 333 {
				k.wantAbsent("a reset token", raw)
			}
		}
	}
	if len(seen) != 1002 {
		t.Fatalf("%d tokens", len(seen))
	}
}

func TestRS02_LinkLivesTenMinutes(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.importUser(ann)
	raw := k.resetToken(ann, usher.MessageResetPassword)
	k.clock.add(10*time.Minute - time.Second)
	if _, err := k.ResetLink(ctx, raw, home); err != nil {
		t.Fatal(err)
	}
	k.clock.add(2 * time.Second)
	_, err := k.ResetLink(ctx, raw, home)
	wantErr(t, err, usher.ErrInvalidToken)
	_, err = k.ResetPassword(ctx, usher.ResetPasswordParams{Token: raw, NewPassword: goodPassword}, home)
	wantErr(t, err, usher.ErrInvalidToken)
	_, err = k.VerifyReset(ctx, raw, home)
	wantErr(t, err, usher.ErrInvalidToken)

	cfg := k.cfg
	cfg.ResetLifetime = 25 * time.Hour
	if _, err := usher.New(ctx, k.store, cfg); err == nil || !strings.Contains(err.Error(), "ResetLifetime") {
		t.Fatalf("a lifetime of 25 hours: %v", err)
	}
}

func TestRS03_OneOfFiftyCompletionsWins(t *testing.T) {
	t.Parallel()
	for name, instances := range map[string]int{"one instance": 1, "two instances": 2} {
		t.Run(name, func(t *testing.T) {
			k := newKit(t)
			k.importUser(ann)
			raw := k.resetToken(ann, usher.MessageResetPassword)
			kits := []*kit{k, k}
			if instances == 2 {
				kits[1] = k.secondInstance()
			}
			k.events.reset()
			var won atomic.Int64
			var winner atomic.Pointer[usher.Secret]
			concurrently(50, func(i int) {
				pw := usher.Secret(fmt.Sprintf("password number %d of fifty", i))
				_, err := kits[i%2].ResetPassword(ctx, usher.ResetPasswordParams{Token: raw, NewPassword: pw}, nth(i))
				switch {
				case err == nil:
					won.Add(1)
					winner.Store(&pw)
				default:
					// Five are hashed, and four of them find the link used.
					var limit *usher.LimitError
					if !errors.Is(err, usher.ErrInvalidToken) && !(errors.As(err, &limit) && limit.Limit == "password_changes") {
						t.Errorf("a loser got %v", err)
					}
				}
			})
			if won.Load() != 1 {
				t.Fatalf("%d resets succeeded", won.Load())
			}
			_, err := k.ResetPassword(ctx, usher.ResetPasswordParams{Token: raw, NewPassword: otherPassword}, home)
			wantErr(t, err, usher.ErrInvalidToken)
			k.signIn(ann, *winner.Load(), home)
			page, err := k.Operator("test").Events(ctx, usher.EventQuery{Name: usher.EventPasswordReset})
			if err != nil || len(page.Events) != 1 {
				t.Fatalf("%d page.Events of a reset, %v", len(page.Events), err)
			}
			sent := k.inbox()
			if kits[1] != k {
				sent = append(sent, kits[1].inbox()...)
			}
			if got := kinds(sent); got != "password_changed reset_password" {
				t.Fatalf("emails are %q", got)
			}
		})
	}
}

func TestRS04_LookingAtALinkSpendsNothing(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.importUser(ann)
	raw := k.resetToken(ann, usher.MessageResetPassword)
	k.events.reset()
	for range 3 {
		if _, err := k.ResetLink(ctx, raw, home); err != nil {
			t.Fatal(err)
		}
	}
	k.wantEvents("")
	if _, err := k.ResetPassword(ctx, usher.ResetPasswordParams{Token: raw, NewPassword: goodPassword}, home); err != nil {
		t.Fatal(err)
	}
}

func TestRS08_WhoGetsWhichMail(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.signUpVerified("verified@example.com")
	a := k.signUp("unverified@example.com")
	disabled := k.importUser("disabled@example.com")
	if err := k.Operator("test").Disable(ctx, disabled.ID); err != nil {
		t.Fatal(err)
	}
	k.wantEmails("verify_email")
	k.events.reset()
	for _, c := range []struct{ id, events, mail string }{
		{"verified@example.com", "authn_password_reset_request", "reset_password"},
		{"unverified@example.com", "authn_password_reset_request", "confirm_and_reset"},
		{"unknown@example.com", "authn_password_reset_request:unknown_login_id", ""},
		{"disabled@example.com", "authn_password_reset_request:disabled", ""},
	} {
		k.requestReset(c.id, home)
		k.wantEvents(c.events)
		all := k.inbox()
		k.wantEmails(c.mail)
		if c.id != "unverified@example.com" {
			continue
		}
		raw := tokenIn(t, all[0])
		if s, err := k.ResetPassword(ctx, usher.ResetPasswordParams{Token: raw, NewPassword: otherPassword}, home); err != nil || s != nil {
			t.Fatal(s, err)
		}
		k.wantEvents("authn_password_reset:claim authn_password_change:reset user_email_verify:reset session_ended:password_changed")
		k.wantEmails("password_changed")
	}
	k.wantEnded(a)
	k.wantPassword("unverified@example.com", otherPassword, goodPassword)
	if u, err := k.Operator("test").UserByLoginID(ctx, "unverified@example.com"); err != nil || !u.EmailVerified {
		t.Fatal(u, err)
	}
}

func TestRS10_AskingChangesNothing(t *testing.T) {
	t.Parallel()
	k := newKit(t, func(c *usher.Config) { c.ResetLifetime = 30 * time.Minute })
	a := k.signUpVerified(ann)
	var links []usher.Secret
	for i := range 10 {
		k.clock.add(time.Minute)
		k.requestReset(ann, nth(i))
		for _, m := range k.inbox()[len(links):] {
			links = append(links, tokenIn(t, m))
		}
	}
	if len(links) != 3 {
		t.Fatalf("%d emails", len(links))
	}
	if !k.isLive(a) {
		t.Fatal("asking ended the session")
	}
	k.wantPassword(ann, goodPassword)
	for i, raw := range links {
		if _, err := k.ResetLink(ctx, raw, home); err != nil {
			t.Fatalf("link %d was voided by a later one: %v", i, err)
		}
	}
	usher.Must(k.ResetPassword(ctx, usher.ResetPasswordParams{Token: links[2], NewPassword: otherPassword}, home))
}

// At most three links are valid at a time, whatever the limit on emails is. Once the
// oldest expires, another is sent.
func TestRS10_AtMostThreeLinksAreOpen(t *testing.T) {
	t.Parallel()
	k := newKit(t, func(c *usher.Config) { c.Limits.ResetEmails, c.Limits.Emails = 100, 100 })
	k.importUser(ann)
	for i := range 5 {
		k.requestReset(ann, nth(i))
		k.inbox() // it is delivered before its lease expires by the clock
		k.clock.add(time.Minute)
	}
	k.wantEmails("reset_password reset_password reset_password")
	k.clock.add(6 * time.Minute)
	k.requestReset(ann, nth(6))
	k.wantEmails("reset_password")
}

func TestRS13_Limits(t *testing.T) {
	t.Parallel()
	t.Run("mails of an account", func(t *testing.T) {
		k := newKit(t)
		k.importUser(ann)
		k.events.reset()
		for i := range 4 {
			k.requestReset(ann, nth(i))
		}
		k.wantEmails("reset_password reset_password reset_password")
		if got := k.events.take(); !strings.HasSuffix(got, "authn_password_reset_request:too_many_mails") {
			t.Fatalf("events are %q", got)
		}
		k.clock.add(time.Hour)
		k.requestReset(ann, nth(5))
		k.wantEmails("reset_password")
	})
	t.Run("requests of a network", func(t *testing.T) {
		k := newKit(t)
		for i := range 10 {
			k.requestReset(fmt.Sprintf("u%d@example.com", i), home)
		}
		in := usher.SendPasswordResetParams{LoginID: "u@example.com"}
		l := wantLimit(t, k.SendPasswordReset(ctx, in, home))
		if l.RetryAfter != time.Hour {
			t.Fatalf("wait %s", l.RetryAfter)
		}
		k.requestReset("u@example.com", nth(1))
		k.clock.add(time.Hour)
		k.requestReset("u@example.com", home)
	})
	t.Run("bad tokens of a network", func(t *testing.T) {
		k := newKit(t)
		k.importUser(ann)
		good := k.resetToken(ann, usher.MessageResetPassword)
		attempts := []func(raw usher.Secret) error{
			func(raw usher.Secret) error { return errOf(k.ResetLink(ctx, raw, home)) },
			func(raw usher.Secret) error { return errOf(k.VerifyReset(ctx, raw, home)) },
			func(raw usher.Secret) error { return errOf(k.confirm(raw, home)) },
			func(raw usher.Secret) error {
				return errOf(k.ResetPassword(ctx, usher.ResetPasswordParams{Token: raw, NewPassword: goodPassword}, home))
			},
		}
		// A token has 256 random bits, so guesses need no limit, and no client can block a
		// network that others share.
		for i := range 40 {
			wantErr(t, attempts[i%len(attempts)](usher.Secret(fmt.Sprintf("made up %d", i))), usher.ErrInvalidToken)
		}
		if _, err := k.ResetLink(ctx, good, home); err != nil {
			t.Fatal(err)
		}
	})
}

// Untrusted clients use up their own limit on emails, not that of the owner's
// browser.
func TestRS13_UnknownBrowsersDoNotUseUpTheOwnersEmails(t *testing.T) {
	t.Parallel()
	k := newKit(t, func(c *usher.Config) { c.ResetLifetime = 2 * time.Minute })
	owner := from("203.0.113.9")
	owner.Device = k.signUpVerified(ann).Device
	k.clock.add(time.Hour)
	ask := func(c usher.Client, want string) {
		t.Helper()
		k.events.reset()
		k.requestReset(ann, c)
		k.wantEmails(want)
		k.clock.add(time.Minute)
	}
	for i := range 3 {
		ask(nth(i), "reset_password")
	}
	ask(nth(4), "")
	// A browser known to another account counts as unknown.
	k.clock.add(-time.Minute)
	eve := nth(5)
	eve.Device = k.signUp("eve@example.com").Device
	k.wantEmails("verify_email")
	ask(eve, "")
	for range 3 {
		ask(owner, "reset_password")
	}
	ask(owner, "")
	if got := k.events.take(); !strings.HasSuffix(got, "authn_password_reset_request:too_many_mails") {
		t.Errorf("events are %q", got)
	}
	k.clock.add(time.Hour)
	ask(nth(6), "reset_password")
}

// A request while three links are valid does not use up the owner's emails.
func TestRS13_OpenLinksUseUpNoMails(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	owner := from("203.0.113.9")
	owner.Device = k.signUpVerified(ann).Device
	for i := range 3 {
		k.requestReset(ann, nth(i))
	}
	k.wantEmails("reset_password reset_password reset_password")
	k.events.reset()
	for range 5 { // they are in the owner's mailbox and valid
		k.requestReset(ann, owner)
	}
	if n := strings.Count(k.events.take(), "too_many_links"); n != 5 {
		t.Errorf("%d requests found the links open, want 5", n)
	}
	k.clock.add(10 * time.Minute)
	k.requestReset(ann, owner)
	k.wantEmails("reset_password")
}

// A neighbour behind the same NAT makes failing attempts before and after the owner resets
// the password.
func TestSI12_AResetMakesTheBrowserKnown(t *testing.T) {
	t.Parallel()
	for name, reset := range map[string]func(k *kit, raw usher.Secret) usher.Result{
		"in one step": func(k *kit, raw usher.Secret) usher.Result {
			return usher.Must(k.Service.ResetPassword(ctx, usher.ResetPasswordParams{Token: raw, NewPassword: otherPassword}, home))
		},
		"in two steps": func(k *kit, raw usher.Secret) usher.Result {
			claims := usher.Must(k.ValidateReset(ctx, usher.Must(k.VerifyReset(ctx, raw, home)).Token))
			return usher.Must(k.Service.UpdatePassword(ctx, claims, usher.UpdatePasswordParams{NewPassword: otherPassword}, home))
		},
	} {
		t.Run(name, func(t *testing.T) {
			const wrong = "a password of nobody at all"
			k := newKit(t)
			fail := func(loginID string, c usher.Client) {
				for range 5 {
					_ = k.trySignIn(loginID, wrong, c)
				}
			}
			k.signUpVerified(ann)
			k.signUpVerified("bob@example.com")
			raw := k.resetToken(ann, usher.MessageResetPassword)
			fail(ann, home)
			fail("bob@example.com", home)
			owner := home
			owner.Device = reset(k, raw).Device
			fail(ann, home)
			wantLimit(t, k.trySignIn(ann, otherPassword, home))
			// The token is for this user only, and allows as many failures as any browser.
			wantLimit(t, k.trySignIn("bob@example.com", goodPassword, owner))
			k.signIn(ann, otherPassword, owner)
			fail(ann, owner)
			wantLimit(t, k.trySignIn(ann, otherPassword, owner))
			// The next reset makes the browser unknown.
			k.wantEmails("password_changed reset_password")
			k.clock.add(time.Hour)
			usher.Must(k.ResetPassword(ctx, usher.ResetPasswordParams{Token: k.resetToken(ann, usher.MessageResetPassword), NewPassword: thirdPassword}, nth(1)))
			fail(ann, home)
			wantLimit(t, k.trySignIn(ann, thirdPassword, owner))
		})
	}
}
