package usher_test

import (
	"encoding/base64"
	"fmt"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/token"
)

const ann = "Ann@example.com"

// imported makes a verified user without a password: no hash is needed.
func (k *kit) imported(loginID string) usher.User {
	k.t.Helper()
	u, err := k.ImportUser(ctx, usher.UserImport{LoginIDs: []string{loginID}, EmailVerified: true})
	if err != nil {
		k.t.Fatal(err)
	}
	return u
}

// forget asks for a reset from a network of its own.
func (k *kit) forget(loginID string, c usher.Client) {
	k.t.Helper()
	if err := k.SendPasswordReset(ctx, usher.SendPasswordReset{LoginID: loginID}, c); err != nil {
		k.t.Fatal(err)
	}
}

func TestRS01_TokensAreRandomAndStoredHashed(t *testing.T) {
	t.Parallel()
	k := newKit(t, func(c *usher.Config) { c.InsecureNoThrottle = true })
	seen := map[usher.Secret]bool{}
	for i := range 334 {
		k.imported(fmt.Sprintf("u%d@example.com", i))
		for range 3 {
			k.forget(fmt.Sprintf("u%d@example.com", i), home)
		}
		for _, m := range k.wantMail("reset_password reset_password reset_password") {
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
	k.imported(ann)
	raw := k.resetToken(ann, usher.MessageResetPassword)
	k.clock.add(10*time.Minute - time.Second)
	if at, err := k.CheckReset(ctx, raw, home); err != nil || at.Sub(k.clock.now()) != time.Second {
		t.Fatal(at, err)
	}
	k.clock.add(2 * time.Second)
	_, err := k.CheckReset(ctx, raw, home)
	wantErr(t, err, usher.ErrInvalidToken)
	_, err = k.ResetPassword(ctx, usher.ResetPassword{Token: raw, NewPassword: goodPassword}, home)
	wantErr(t, err, usher.ErrInvalidToken)
	_, err = k.VerifyReset(ctx, raw, home)
	wantErr(t, err, usher.ErrInvalidToken)

	cfg := k.cfg
	cfg.ResetLife = 25 * time.Hour
	if _, err := usher.New(k.store, cfg); err == nil || !strings.Contains(err.Error(), "ResetLife") {
		t.Fatalf("a life of 25 hours: %v", err)
	}
}

func TestRS03_OneOfFiftyCompletionsWins(t *testing.T) {
	t.Parallel()
	for name, machines := range map[string]int{"one machine": 1, "two machines": 2} {
		t.Run(name, func(t *testing.T) {
			k := newKit(t)
			k.imported(ann)
			raw := k.resetToken(ann, usher.MessageResetPassword)
			kits := []*kit{k, k}
			if machines == 2 {
				kits[1] = k.twin()
			}
			k.events.reset()
			var won atomic.Int64
			var winner atomic.Pointer[usher.Secret]
			together(50, func(i int) {
				pw := usher.Secret(fmt.Sprintf("password number %d of fifty", i))
				_, err := kits[i%2].ResetPassword(ctx, usher.ResetPassword{Token: raw, NewPassword: pw}, nth(i))
				switch {
				case err == nil:
					won.Add(1)
					winner.Store(&pw)
				default:
					if err.Error() != usher.ErrInvalidToken.Error() {
						t.Errorf("a loser got %v", err)
					}
				}
			})
			if won.Load() != 1 {
				t.Fatalf("%d resets succeeded", won.Load())
			}
			k.signIn(ann, *winner.Load(), home)
			events, err := k.Events(ctx, usher.EventQuery{Name: usher.EventPasswordReset})
			if err != nil || len(events) != 1 {
				t.Fatalf("%d events of a reset, %v", len(events), err)
			}
			sent := k.inbox()
			if kits[1] != k {
				sent = append(sent, kits[1].inbox()...)
			}
			if got := kinds(sent); got != "password_changed reset_password" {
				t.Fatalf("mails are %q", got)
			}
		})
	}
}

func TestRS04_LookingAtALinkSpendsNothing(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.imported(ann)
	raw := k.resetToken(ann, usher.MessageResetPassword)
	k.events.reset()
	for range 3 {
		if _, err := k.CheckReset(ctx, raw, home); err != nil {
			t.Fatal(err)
		}
	}
	k.wantEvents("")
	if _, err := k.ResetPassword(ctx, usher.ResetPassword{Token: raw, NewPassword: goodPassword}, home); err != nil {
		t.Fatal(err)
	}
}

// A password that the policy refuses does not spend the link.
func TestRS04_WeakPasswordSpendsNothing(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.imported(ann)
	raw := k.resetToken(ann, usher.MessageResetPassword)
	for _, weak := range []usher.Secret{"passwordpassword", "short", ""} {
		if _, err := k.ResetPassword(ctx, usher.ResetPassword{Token: raw, NewPassword: weak}, home); err == nil {
			t.Fatal("a weak password was taken")
		}
	}
	if _, err := k.ResetPassword(ctx, usher.ResetPassword{Token: raw, NewPassword: goodPassword}, home); err != nil {
		t.Fatal(err)
	}
}

func TestRS05_LinkBeginsWithTheConfiguredAddress(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"":         "https://app.example/auth/reset?token=",
		"/account": "https://app.example/account/reset?token=",
	} {
		k := newKit(t, func(c *usher.Config) { c.PagesPath = path })
		k.imported(ann)
		c := home
		c.UserAgent, c.RequestID = "https://evil.test", "evil.test"
		k.forget(ann, c)
		if got := k.lastMail(usher.MessageResetPassword).Link.Reveal(); !strings.HasPrefix(got, want) {
			t.Fatalf("the link is not under %s", want)
		}
	}
}

func TestRS06_RedirectOnlyToListedAddresses(t *testing.T) {
	t.Parallel()
	bad := []string{
		"https://good.test.evil.test", "https://good.test.evil.test/cb", "https://good.test@evil.test", "https://good.test@evil.test/cb",
		"//evil.test", "//good.test/cb", "https:evil.test", "https:good.test/cb", `/\evil.test`, `\\evil.test`, "/cb", "cb",
		"http://good.test", "http://good.test/cb", "https://good.test:8443/cb", "https://good.test:443/cb",
		"javascript:alert(1)", "data:text/html,x", "ftp://good.test/cb",
		"https://good.test/cb/../x", "https://good.test/cb/%2e%2e/x", "https://good.test/cb/./x", "https://good.test/cb//x",
		"https://good.test/cbx", "https://good.test/", "https://good.test", "https://good.test/CB",
		"https://good.test/cb\r\nBcc: x", "https://good.test/cb/%0D%0Ax", "https://good.test/cb?a=%0d%0a", "https://good.test/cb\t",
		"https://good.test/cb?t=x", "https://good.test/cb?token=x", "https://good.test/cb#x", "https://good.test/cb?a=1;b=2",
		`https://good.test/cb/%5Cevil`, `https://good.test\@evil.test/cb`, " https://good.test/cb", "https://good.test/cb?a=%zz",
		"https://user:pass@good.test/cb", "https://good.test/cb/" + strings.Repeat("x", 2100),
	}
	for name, list := range map[string][]string{"listed": {"https://good.test/cb"}, "empty": nil} {
		k := newKit(t, func(c *usher.Config) { c.Redirects = list })
		k.imported(ann)
		k.events.reset()
		try := bad
		if list == nil {
			try = append(try[:len(try):len(try)], "https://good.test/cb", "https://app.example/auth/reset")
		}
		for _, target := range try {
			err := k.SendPasswordReset(ctx, usher.SendPasswordReset{LoginID: ann, RedirectURL: target}, home)
			t.Run(name+" "+target, func(t *testing.T) { wantField(t, err, "redirectUrl") })
		}
		k.wantMail("")
		k.wantEvents("")
	}
	k := newKit(t, func(c *usher.Config) {
		c.Redirects = []string{"https://good.test/cb", "https://Other.test:8443"}
		c.Limits.ResetMails, c.Limits.Mails, c.ResetLife = 100, 100, 2*time.Minute
	})
	k.imported(ann)
	for i, c := range []struct{ target, parameter, want string }{
		{"https://good.test/cb", "", "https://good.test/cb?token="},
		{"https://good.test/cb/deep", "", "https://good.test/cb/deep?token="},
		{"https://GOOD.test/cb", "", "https://GOOD.test/cb?token="},
		{"https://good.test/cb?a=1", "", "https://good.test/cb?a=1&token="},
		{"https://good.test/cb", "t", "https://good.test/cb?t="},
		{"https://other.test:8443", "", "https://other.test:8443?token="},
		{"https://other.test:8443/any/path", "", "https://other.test:8443/any/path?token="},
	} {
		in := usher.SendPasswordReset{LoginID: ann, RedirectURL: c.target, Parameter: c.parameter}
		if err := k.SendPasswordReset(ctx, in, nth(i)); err != nil {
			t.Fatalf("%s: %v", c.target, err)
		}
		m := k.wantMail("reset_password")[0]
		if !strings.HasPrefix(m.Link.Reveal(), c.want) {
			t.Fatalf("%s: the link does not begin with %s", c.target, c.want)
		}
		if raw := strings.TrimPrefix(m.Link.Reveal(), c.want); len(raw) != 43 {
			t.Fatalf("%s: the token is not at the end of the link", c.target)
		}
		k.clock.add(3 * time.Minute)
	}
}

func TestRS07_MailGoesToTheStoredAddress(t *testing.T) {
	t.Parallel()
	k := newKit(t, func(c *usher.Config) { c.Limits.ResetRequests = 100 })
	k.imported(ann)
	k.imported("mike@example.org")
	k.events.reset()
	for _, id := range []string{
		"", "ann@example.com,b@y.test", "ann@example.com b@y.test", "ann@example.com;b@y.test", "[ann@example.com]",
		"ann@example.com\r\nBcc: b@y.test", "ann@example.com%0d%0aBcc:b@y.test", `"Ann" <ann@example.com>`, "ann@example.com\x00",
	} {
		err := k.SendPasswordReset(ctx, usher.SendPasswordReset{LoginID: id}, home)
		t.Run(id, func(t *testing.T) { wantField(t, err, "loginId") })
	}
	k.wantEvents("")
	for _, id := range []string{"mıke@example.org", "MI\u212AE@example.org", "ｍike@example.org", "mike@exаmple.org", "m.ike@example.org"} {
		_ = k.SendPasswordReset(ctx, usher.SendPasswordReset{LoginID: id}, home)
	}
	k.wantMail("")
	k.forget("ANN@EXAMPLE.COM", home)
	if m := k.wantMail("reset_password")[0]; m.To != ann {
		t.Fatalf("the mail went to %q", m.To)
	}
}

func TestRS08_WhoGetsWhichMail(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.signUpVerified("verified@example.com")
	a := k.signUp("unverified@example.com")
	disabled := k.imported("disabled@example.com")
	if err := k.DisableUser(ctx, disabled.ID); err != nil {
		t.Fatal(err)
	}
	k.wantMail("verify_email")
	k.events.reset()
	for _, c := range []struct{ id, events, mail string }{
		{"verified@example.com", "authn_password_reset_request", "reset_password"},
		{"unverified@example.com", "authn_password_reset_request", "confirm_and_reset"},
		{"unknown@example.com", "authn_password_reset_request:unknown_login_id", ""},
		{"disabled@example.com", "authn_password_reset_request:disabled", ""},
	} {
		k.forget(c.id, home)
		k.wantEvents(c.events)
		all := k.inbox()
		k.wantMail(c.mail)
		if c.id != "unverified@example.com" {
			continue
		}
		raw := tokenIn(t, all[0])
		if s, err := k.ResetPassword(ctx, usher.ResetPassword{Token: raw, NewPassword: otherPassword}, home); err != nil || s != nil {
			t.Fatal(s, err)
		}
		k.wantEvents("authn_password_reset:claim authn_password_change:reset user_email_verify:reset session_ended:password_changed")
		k.wantMail("password_changed")
	}
	k.wantNoUse(a)
	k.wantPassword("unverified@example.com", otherPassword, goodPassword)
	if u, err := k.UserByLoginID(ctx, "unverified@example.com"); err != nil || !u.EmailVerified {
		t.Fatal(u, err)
	}
}

func TestRS09_TokenIsBoundToUserPurposeAddressAndPassword(t *testing.T) {
	t.Parallel()
	for name, void := range map[string]func(t *testing.T, k *kit, a *usher.Authentication){
		"update": func(t *testing.T, k *kit, a *usher.Authentication) {
			claims, _ := k.ValidateSession(ctx, a.Tokens.Session.Reveal())
			usher.Must(k.UpdatePassword(ctx, claims, usher.UpdatePassword{NewPassword: otherPassword}, home))
		},
		"replace": func(t *testing.T, k *kit, a *usher.Authentication) {
			usher.Must(k.ReplacePassword(ctx, usher.ReplacePassword{LoginID: ann, OldPassword: goodPassword, NewPassword: otherPassword}, home))
		},
		"operator's password": func(t *testing.T, k *kit, a *usher.Authentication) {
			if err := k.SetPassword(ctx, a.User.ID, otherPassword, true); err != nil {
				t.Fatal(err)
			}
		},
		"operator's address": func(t *testing.T, k *kit, a *usher.Authentication) {
			usher.Must(k.UpdateUser(ctx, a.User.ID, usher.UserPatch{Email: &usher.EmailAddress{Address: "new@example.com", Verified: true}}))
		},
		"change of address": func(t *testing.T, k *kit, a *usher.Authentication) {
			claims, _ := k.ValidateSession(ctx, a.Tokens.Session.Reveal())
			if err := k.ChangeEmail(ctx, claims, usher.ChangeEmail{NewEmail: "new@example.com", CurrentPassword: goodPassword}, home); err != nil {
				t.Fatal(err)
			}
			for _, m := range k.inbox() {
				if m.Kind == usher.MessageChangeEmail {
					usher.Must(k.VerifyEmail(ctx, tokenIn(t, m), home))
				}
			}
		},
		"disabling": func(t *testing.T, k *kit, a *usher.Authentication) {
			if err := k.DisableUser(ctx, a.User.ID); err != nil {
				t.Fatal(err)
			}
			if err := k.EnableUser(ctx, a.User.ID); err != nil {
				t.Fatal(err)
			}
		},
		"deletion": func(t *testing.T, k *kit, a *usher.Authentication) {
			if err := k.DeleteUser(ctx, a.User.ID); err != nil {
				t.Fatal(err)
			}
		},
		"another link": func(t *testing.T, k *kit, a *usher.Authentication) {
			raw := k.resetToken(ann, usher.MessageResetPassword)
			usher.Must(k.ResetPassword(ctx, usher.ResetPassword{Token: raw, NewPassword: otherPassword}, home))
		},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKit(t)
			a := k.signUpVerified(ann)
			raw := k.resetToken(ann, usher.MessageResetPassword)
			void(t, k, a)
			k.events.reset()
			_, err := k.CheckReset(ctx, raw, home)
			wantErr(t, err, usher.ErrInvalidToken)
			_, err = k.ResetPassword(ctx, usher.ResetPassword{Token: raw, NewPassword: thirdPassword}, home)
			wantErr(t, err, usher.ErrInvalidToken)
			_, err = k.VerifyReset(ctx, raw, home)
			wantErr(t, err, usher.ErrInvalidToken)
			k.wantEvents("authn_token_refused:one_time_token authn_token_refused:one_time_token authn_token_refused:one_time_token")
		})
	}
	t.Run("purpose", func(t *testing.T) {
		k := newKit(t)
		a := k.signUp(ann)
		verify := tokenIn(t, k.lastMail(usher.MessageVerifyEmail))
		_, err := k.CheckReset(ctx, verify, home)
		wantErr(t, err, usher.ErrInvalidToken)
		_, err = k.ResetPassword(ctx, usher.ResetPassword{Token: verify, NewPassword: otherPassword}, home)
		wantErr(t, err, usher.ErrInvalidToken)
		_, err = k.VerifyReset(ctx, verify, home)
		wantErr(t, err, usher.ErrInvalidToken)
		reset := k.resetToken(ann, usher.MessageConfirmAndReset)
		_, err = k.VerifyEmail(ctx, reset, home)
		wantErr(t, err, usher.ErrInvalidToken)
		if u, _ := k.User(ctx, a.User.ID); u.EmailVerified {
			t.Fatal("a reset token verified the address")
		}
		usher.Must(k.VerifyEmail(ctx, verify, home))
	})
}

func TestRS10_AskingChangesNothing(t *testing.T) {
	t.Parallel()
	k := newKit(t, func(c *usher.Config) { c.ResetLife = 30 * time.Minute })
	a := k.signUpVerified(ann)
	var links []usher.Secret
	for i := range 10 {
		k.clock.add(time.Minute)
		k.forget(ann, nth(i))
		for _, m := range k.inbox()[len(links):] {
			links = append(links, tokenIn(t, m))
		}
	}
	if len(links) != 3 {
		t.Fatalf("%d mails", len(links))
	}
	if !k.alive(a) {
		t.Fatal("asking ended the session")
	}
	k.wantPassword(ann, goodPassword)
	for i, raw := range links {
		if _, err := k.CheckReset(ctx, raw, home); err != nil {
			t.Fatalf("link %d was voided by a later one: %v", i, err)
		}
	}
	usher.Must(k.ResetPassword(ctx, usher.ResetPassword{Token: links[2], NewPassword: otherPassword}, home))
}

// At most three links are open, whatever the limit of mails; the oldest dies
// by age, and then another may be sent.
func TestRS10_AtMostThreeLinksAreOpen(t *testing.T) {
	t.Parallel()
	k := newKit(t, func(c *usher.Config) { c.Limits.ResetMails, c.Limits.Mails = 100, 100 })
	k.imported(ann)
	for i := range 5 {
		k.forget(ann, nth(i))
		k.clock.add(time.Minute)
	}
	k.wantMail("reset_password reset_password reset_password")
	k.clock.add(6 * time.Minute)
	k.forget(ann, nth(6))
	k.wantMail("reset_password")
}

func TestRS11_CompletionEndsEverything(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k, other := twoMachines(t)
		first := k.signUpVerified(ann)
		second := other.signIn(ann, goodPassword, home)
		claims, _ := k.ValidateSession(ctx, first.Tokens.Session.Reveal())
		if err := k.ChangeEmail(ctx, claims, usher.ChangeEmail{NewEmail: "new@example.com", CurrentPassword: goodPassword}, home); err != nil {
			t.Fatal(err)
		}
		var pending usher.Secret
		for _, m := range append(k.inbox(), other.inbox()...) {
			if m.Kind == usher.MessageChangeEmail {
				pending = tokenIn(t, m)
			}
		}
		k.forget(ann, home)
		k.forget(ann, home)
		var links []usher.Secret
		for _, m := range append(k.inbox(), other.inbox()...) {
			if m.Kind == usher.MessageResetPassword {
				links = append(links, tokenIn(t, m))
			}
		}
		if len(links) != 2 || pending == "" {
			t.Fatalf("%d links", len(links))
		}
		usher.Must(k.ResetPassword(ctx, usher.ResetPassword{Token: links[0], NewPassword: otherPassword}, home))
		k.wantNoUse(first)
		k.wantNoUse(second)
		for _, a := range []*usher.Authentication{first, second} {
			_, err := other.RefreshSession(ctx, a.Tokens.Refresh, home)
			wantErr(t, err, usher.ErrInvalidSession)
		}
		time.Sleep(1500 * time.Millisecond) // the bubble's clock
		other.wantNoUse(first)
		other.wantNoUse(second)
		_, err := k.VerifyEmail(ctx, pending, home)
		wantErr(t, err, usher.ErrInvalidToken)
		_, err = k.CheckReset(ctx, links[1], home)
		wantErr(t, err, usher.ErrInvalidToken)
	})
}

func TestRS12_LinkGivesASessionForOnePasswordOnly(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	a := k.signUpVerified(ann)
	raw := k.resetToken(ann, usher.MessageResetPassword)
	k.events.reset()
	rs := usher.Must(k.VerifyReset(ctx, raw, home))
	k.wantEvents("authn_password_reset_link:reset")
	if got := rs.ExpiresAt.Sub(k.clock.now()); got != 10*time.Minute {
		t.Fatalf("it lives for %s", got)
	}
	_, err := k.VerifyReset(ctx, raw, home)
	wantErr(t, err, usher.ErrInvalidToken)
	if !k.alive(a) {
		t.Fatal("a verified link ended the owner's session")
	}

	_, err = k.ValidateSession(ctx, rs.Token.Reveal())
	wantErr(t, err, token.ErrInvalid)
	_, err = k.RefreshSession(ctx, rs.Token, home)
	wantErr(t, err, usher.ErrInvalidSession)
	claims := usher.Must(k.ValidateReset(ctx, rs.Token.Reveal()))
	if !reflect.DeepEqual(claims.AMR, []string{"email"}) {
		t.Fatalf("amr is %v", claims.AMR)
	}
	for name, err := range map[string]error{
		"me":            second3(k.Me(ctx, claims)),
		"sessions":      second(k.Sessions(ctx, claims)),
		"revoke":        k.RevokeSession(ctx, claims, a.Session.ID, home),
		"everywhere":    k.SignOutEverywhere(ctx, claims, home),
		"profile":       second(k.UpdateProfile(ctx, claims, usher.Profile{}, home)),
		"verify e-mail": k.SendEmailVerification(ctx, claims, home),
		"change e-mail": k.ChangeEmail(ctx, claims, usher.ChangeEmail{NewEmail: "x@example.com", CurrentPassword: goodPassword}, home),
	} {
		t.Run(name, func(t *testing.T) { wantErr(t, err, usher.ErrForbidden) })
	}
	if list, _ := k.Sessions(ctx, usher.Must(k.ValidateSession(ctx, a.Tokens.Session.Reveal()))); len(list) != 1 {
		t.Fatalf("the reset session is among %d sessions", len(list))
	}

	k.events.reset()
	auth, err := k.UpdatePassword(ctx, claims, usher.UpdatePassword{NewPassword: otherPassword}, home)
	if err != nil || auth != nil {
		t.Fatal(auth, err)
	}
	if got := k.events.take(); !strings.HasPrefix(got, "authn_password_change:reset_session session_ended:password_changed") {
		t.Fatalf("events are %q", got)
	}
	_, err = k.UpdatePassword(ctx, claims, usher.UpdatePassword{NewPassword: thirdPassword}, home)
	wantErr(t, err, usher.ErrInvalidSession)
	k.wantNoUse(a)
	k.wantPassword(ann, otherPassword, thirdPassword)
}

func second[T any](_ T, err error) error          { return err }
func second3[T, U any](_ T, _ U, err error) error { return err }

func TestRS12_ResetSessionEndsAfterTenMinutes(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.imported(ann)
	rs := usher.Must(k.VerifyReset(ctx, k.resetToken(ann, usher.MessageResetPassword), home))
	claims := usher.Must(k.ValidateReset(ctx, rs.Token.Reveal()))
	k.clock.add(10 * time.Minute)
	_, err := k.UpdatePassword(ctx, claims, usher.UpdatePassword{NewPassword: otherPassword}, home)
	wantErr(t, err, usher.ErrInvalidSession)
	k.clock.add(time.Minute)
	_, err = k.ValidateReset(ctx, rs.Token.Reveal())
	wantErr(t, err, token.ErrExpired)
}

func TestRS12_SigningInByResetIsAnOption(t *testing.T) {
	t.Parallel()
	k := newKit(t, func(c *usher.Config) { c.ResetSignsIn = true })
	other := k.signUp("other@example.com")
	k.wantMail("verify_email")
	k.imported(ann)
	raw := k.resetToken(ann, usher.MessageResetPassword)
	c := home
	c.SessionID = other.Session.ID
	k.events.reset()
	a, err := k.ResetPassword(ctx, usher.ResetPassword{Token: raw, NewPassword: goodPassword}, c)
	if err != nil || !k.alive(a) || !reflect.DeepEqual(a.Session.AMR, []string{"email"}) {
		t.Fatal(a, err)
	}
	k.wantEvents("authn_password_reset:reset authn_password_change:reset session_created:reset session_ended:replaced")
	if k.alive(other) {
		t.Fatal("the session that came along lives on")
	}
}

func TestRS13_Limits(t *testing.T) {
	t.Parallel()
	t.Run("mails of an account", func(t *testing.T) {
		k := newKit(t)
		k.imported(ann)
		k.events.reset()
		for i := range 4 {
			k.forget(ann, nth(i))
		}
		k.wantMail("reset_password reset_password reset_password")
		if got := k.events.take(); !strings.HasSuffix(got, "authn_password_reset_request:too_many_mails") {
			t.Fatalf("events are %q", got)
		}
		k.clock.add(time.Hour)
		k.forget(ann, nth(5))
		k.wantMail("reset_password")
	})
	t.Run("requests of a network", func(t *testing.T) {
		k := newKit(t)
		for i := range 10 {
			k.forget(fmt.Sprintf("u%d@example.com", i), home)
		}
		in := usher.SendPasswordReset{LoginID: "u@example.com"}
		l := wantLimit(t, k.SendPasswordReset(ctx, in, home))
		if l.RetryAfter != time.Hour {
			t.Fatalf("wait %s", l.RetryAfter)
		}
		k.forget("u@example.com", nth(1))
		k.clock.add(time.Hour)
		k.forget("u@example.com", home)
	})
	t.Run("bad tokens of a network", func(t *testing.T) {
		k := newKit(t)
		k.imported(ann)
		good := k.resetToken(ann, usher.MessageResetPassword)
		try := []func(raw usher.Secret) error{
			func(raw usher.Secret) error { return second(k.CheckReset(ctx, raw, home)) },
			func(raw usher.Secret) error { return second(k.VerifyReset(ctx, raw, home)) },
			func(raw usher.Secret) error { return second(k.VerifyEmail(ctx, raw, home)) },
			func(raw usher.Secret) error {
				return second(k.ResetPassword(ctx, usher.ResetPassword{Token: raw, NewPassword: goodPassword}, home))
			},
		}
		for i := range 10 {
			for range 3 { // a good one does not count
				if _, err := k.CheckReset(ctx, good, home); err != nil {
					t.Fatal(err)
				}
			}
			wantErr(t, try[i%len(try)](usher.Secret(fmt.Sprintf("made up %d", i))), usher.ErrInvalidToken)
		}
		for _, f := range try {
			wantLimit(t, f("made up"))
		}
		if _, err := k.CheckReset(ctx, good, nth(1)); err != nil {
			t.Fatal(err)
		}
	})
}

func TestRS14_OwnerIsTold(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	a := k.signUpVerified(ann)
	claims := usher.Must(k.ValidateSession(ctx, a.Tokens.Session.Reveal()))
	usher.Must(k.UpdatePassword(ctx, claims, usher.UpdatePassword{NewPassword: otherPassword}, home))
	notices := k.wantMail("password_changed")
	usher.Must(k.ReplacePassword(ctx, usher.ReplacePassword{LoginID: ann, OldPassword: otherPassword, NewPassword: thirdPassword}, home))
	notices = append(notices, k.wantMail("password_changed")...)
	raw := k.resetToken(ann, usher.MessageResetPassword)
	k.wantMail("reset_password")
	usher.Must(k.ResetPassword(ctx, usher.ResetPassword{Token: raw, NewPassword: goodPassword}, home))
	notices = append(notices, k.wantMail("password_changed")...)
	if err := k.SetPassword(ctx, a.User.ID, otherPassword, false); err != nil {
		t.Fatal(err)
	}
	notices = append(notices, k.wantMail("password_changed")...)

	b := k.signIn(ann, otherPassword, home)
	claims = usher.Must(k.ValidateSession(ctx, b.Tokens.Session.Reveal()))
	if err := k.ChangeEmail(ctx, claims, usher.ChangeEmail{NewEmail: "new@example.com", CurrentPassword: otherPassword}, home); err != nil {
		t.Fatal(err)
	}
	var link usher.Secret
	for _, m := range k.wantMail("change_email email_changing") {
		if m.Kind == usher.MessageChangeEmail {
			link = tokenIn(t, m)
			continue
		}
		notices = append(notices, m)
	}
	usher.Must(k.VerifyEmail(ctx, link, home))
	notices = append(notices, k.wantMail("email_changed")...)

	for _, m := range notices {
		if m.To != ann {
			t.Errorf("%s went to %s", m.Kind, m.To)
		}
		if m.Link != "" {
			t.Errorf("%s has a link", m.Kind)
		}
		text := everything(m)
		for _, s := range []usher.Secret{goodPassword, otherPassword, thirdPassword, raw, link} {
			if strings.Contains(text, s.Reveal()) {
				t.Errorf("%s holds a password or a token", m.Kind)
			}
		}
	}
}
