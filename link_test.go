package usher_test

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/token"
)

// Looking up a link spends nothing and names its user.
func TestRS04_ALinkCanBeLookedAt(t *testing.T) {
	k := newKit(t)
	a := k.signUpVerified("Ann@example.com")
	raw := k.resetToken("ann@example.com", usher.MessageResetPassword)
	for range 30 { // no limit counts it
		l, err := k.ResetLink(ctx, raw, usher.Client{})
		if err != nil || l != (usher.Link{UserID: a.User.ID, LoginID: "Ann@example.com", Email: "Ann@example.com"}) {
			t.Fatalf("%+v, %v", l, err)
		}
	}
	if _, err := k.VerificationLink(ctx, nil, raw, usher.Client{}); !errors.Is(err, usher.ErrInvalidToken) {
		t.Errorf("RS-09: as a verification link: %v", err)
	}
	if _, err := k.ResetPassword(ctx, usher.ResetPasswordParams{Token: raw, NewPassword: otherPassword}, usher.Client{}); err != nil {
		t.Fatal(err)
	}
	if _, err := k.ResetLink(ctx, raw, usher.Client{}); !errors.Is(err, usher.ErrInvalidToken) {
		t.Errorf("once spent: %v", err)
	}
}

// A reset ends the session that the client already has, also if that is another user's:
// the client must not go on as that user. The other sessions of that user go on.
func TestRS17_AResetEndsTheSessionOfTheClient(t *testing.T) {
	t.Parallel()
	for _, twoSteps := range []bool{false, true} {
		k := newKit(t)
		k.signUpVerified(ann)
		other := k.signUp("bob@example.com")
		elsewhere := k.signIn("bob@example.com", goodPassword, home)
		raw := k.resetToken(ann, usher.MessageResetPassword)
		c := home
		c.SessionID = other.Session.ID
		k.events.reset()
		if _, err := k.ResetPassword(ctx, usher.ResetPasswordParams{Token: raw, NewPassword: "short"}, c); err == nil || !k.isLive(other) {
			t.Fatalf("two steps %t: a refused password: %v, live %t", twoSteps, err, k.isLive(other))
		}
		if twoSteps {
			rs := usher.Must(k.VerifyReset(ctx, raw, c))
			claims := usher.Must(k.ValidateReset(ctx, rs.Token))
			usher.Must(k.UpdatePassword(ctx, claims, usher.UpdatePasswordParams{NewPassword: otherPassword}, c))
		} else {
			usher.Must(k.ResetPassword(ctx, usher.ResetPasswordParams{Token: raw, NewPassword: otherPassword}, c))
		}
		k.wantEnded(other)
		if !k.isLive(elsewhere) {
			t.Errorf("two steps %t: the session of another client has ended", twoSteps)
		}
	}
}

func TestEV05_ALinkToANewAddressSaysSo(t *testing.T) {
	k := newKit(t)
	a := k.signUpVerified("ann@example.com")
	claims, err := k.ValidateSession(ctx, a.Tokens.Session)
	if err != nil {
		t.Fatal(err)
	}
	change := usher.ChangeEmailParams{NewEmail: "new@example.com", CurrentPassword: goodPassword}
	if err := k.ChangeEmail(ctx, claims, change, usher.Client{}); err != nil {
		t.Fatal(err)
	}
	raw := ""
	for _, m := range k.inbox() {
		if m.Kind == usher.MessageChangeEmail {
			_, raw, _ = strings.Cut(m.Link.Reveal(), "token=")
		}
	}
	for who, password := range map[*token.Claims]bool{claims: false, nil: true} {
		l, err := k.VerificationLink(ctx, who, usher.Secret(raw), usher.Client{})
		if err != nil || l != (usher.Link{UserID: a.User.ID, Email: "new@example.com", NewEmail: true, PasswordRequired: password}) {
			t.Errorf("%+v, %v", l, err)
		}
	}
	k.clock.add(24*time.Hour + time.Second)
	if _, err := k.VerificationLink(ctx, claims, usher.Secret(raw), usher.Client{}); !errors.Is(err, usher.ErrInvalidToken) {
		t.Errorf("a day later: %v", err)
	}
}

func TestLinkOfADisabledUserIsVoid(t *testing.T) {
	k := newKit(t)
	a := k.signUpVerified("ann@example.com")
	raw := k.resetToken("ann@example.com", usher.MessageResetPassword)
	if err := k.Operator("test").Disable(ctx, a.User.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := k.ResetLink(ctx, raw, usher.Client{}); !errors.Is(err, usher.ErrInvalidToken) {
		t.Errorf("%v", err)
	}
}

func TestRS05_LinkBeginsWithTheConfiguredAddress(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"":         "https://app.example/auth/reset?token=",
		"/account": "https://app.example/account/reset?token=",
	} {
		k := newKit(t, func(c *usher.Config) { c.PagesPath = path })
		k.importUser(ann)
		c := home
		c.UserAgent, c.RequestID = "https://evil.test", "evil.test"
		k.requestReset(ann, c)
		if got := k.lastEmail(usher.MessageResetPassword).Link.Reveal(); !strings.HasPrefix(got, want) {
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
		k.importUser(ann)
		k.events.reset()
		targets := bad
		if list == nil {
			targets = append(targets[:len(targets):len(targets)], "https://good.test/cb", "https://app.example/auth/reset")
		}
		for _, target := range targets {
			err := k.SendPasswordReset(ctx, usher.SendPasswordResetParams{LoginID: ann, RedirectURL: target}, home)
			t.Run(name+" "+target, func(t *testing.T) { wantField(t, err, "redirectUrl") })
		}
		k.wantEmails("")
		k.wantEvents("")
	}
	k := newKit(t, func(c *usher.Config) {
		c.Redirects = []string{"https://good.test/cb", "https://Other.test:8443"}
		c.Limits.ResetEmails, c.Limits.Emails, c.ResetLifetime = 100, 100, 2*time.Minute
	})
	k.importUser(ann)
	for i, c := range []struct{ target, parameter, want string }{
		{"https://good.test/cb", "", "https://good.test/cb?token="},
		{"https://good.test/cb/deep", "", "https://good.test/cb/deep?token="},
		{"https://GOOD.test/cb", "", "https://GOOD.test/cb?token="},
		{"https://good.test/cb?a=1", "", "https://good.test/cb?a=1&token="},
		{"https://good.test/cb", "t", "https://good.test/cb?t="},
		{"https://other.test:8443", "", "https://other.test:8443?token="},
		{"https://other.test:8443/any/path", "", "https://other.test:8443/any/path?token="},
	} {
		in := usher.SendPasswordResetParams{LoginID: ann, RedirectURL: c.target, Parameter: c.parameter}
		if err := k.SendPasswordReset(ctx, in, nth(i)); err != nil {
			t.Fatalf("%s: %v", c.target, err)
		}
		m := k.wantEmails("reset_password")[0]
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
	k.importUser(ann)
	k.importUser("mike@example.org")
	k.events.reset()
	for _, id := range []string{
		"", "ann@example.com,b@y.test", "ann@example.com b@y.test", "ann@example.com;b@y.test", "[ann@example.com]",
		"ann@example.com\r\nBcc: b@y.test", "ann@example.com%0d%0aBcc:b@y.test", `"Ann" <ann@example.com>`, "ann@example.com\x00",
	} {
		err := k.SendPasswordReset(ctx, usher.SendPasswordResetParams{LoginID: id}, home)
		t.Run(id, func(t *testing.T) { wantField(t, err, "loginId") })
	}
	k.wantEvents("")
	for _, id := range []string{"mıke@example.org", "MI\u212AE@example.org", "ｍike@example.org", "mike@exаmple.org", "m.ike@example.org"} {
		_ = k.SendPasswordReset(ctx, usher.SendPasswordResetParams{LoginID: id}, home)
	}
	k.wantEmails("")
	k.requestReset("ANN@EXAMPLE.COM", home)
	if m := k.wantEmails("reset_password")[0]; m.To != ann {
		t.Fatalf("the email went to %q", m.To)
	}
}

func TestRS09_TokenIsBoundToUserPurposeAddressAndPassword(t *testing.T) {
	t.Parallel()
	for name, void := range map[string]func(t *testing.T, k *kit, a *usher.Authentication){
		"update": func(t *testing.T, k *kit, a *usher.Authentication) {
			claims, _ := k.ValidateSession(ctx, a.Tokens.Session)
			usher.Must(k.UpdatePassword(ctx, claims, usher.UpdatePasswordParams{NewPassword: otherPassword}, home))
		},
		"replace": func(t *testing.T, k *kit, a *usher.Authentication) {
			usher.Must(k.ReplacePassword(ctx, usher.ReplacePasswordParams{LoginID: ann, OldPassword: goodPassword, NewPassword: otherPassword}, home))
		},
		"operator's password": func(t *testing.T, k *kit, a *usher.Authentication) {
			if err := k.Operator("test").SetPassword(ctx, a.User.ID, otherPassword, true); err != nil {
				t.Fatal(err)
			}
		},
		"operator's address": func(t *testing.T, k *kit, a *usher.Authentication) {
			usher.Must(k.Operator("test").UpdateUser(ctx, a.User.ID, usher.UpdateUserParams{Email: &usher.EmailAddress{Address: "new@example.com", Verified: true}}))
		},
		"change of address": func(t *testing.T, k *kit, a *usher.Authentication) {
			claims, _ := k.ValidateSession(ctx, a.Tokens.Session)
			if err := k.ChangeEmail(ctx, claims, usher.ChangeEmailParams{NewEmail: "new@example.com", CurrentPassword: goodPassword}, home); err != nil {
				t.Fatal(err)
			}
			for _, m := range k.inbox() {
				if m.Kind == usher.MessageChangeEmail {
					usher.Must(k.confirm(tokenIn(t, m), home))
				}
			}
		},
		"disabling": func(t *testing.T, k *kit, a *usher.Authentication) {
			if err := k.Operator("test").Disable(ctx, a.User.ID); err != nil {
				t.Fatal(err)
			}
			if err := k.Operator("test").Enable(ctx, a.User.ID); err != nil {
				t.Fatal(err)
			}
		},
		"deletion": func(t *testing.T, k *kit, a *usher.Authentication) {
			if err := k.Operator("test").Delete(ctx, a.User.ID); err != nil {
				t.Fatal(err)
			}
		},
		"another link": func(t *testing.T, k *kit, a *usher.Authentication) {
			raw := k.resetToken(ann, usher.MessageResetPassword)
			usher.Must(k.ResetPassword(ctx, usher.ResetPasswordParams{Token: raw, NewPassword: otherPassword}, home))
		},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKit(t)
			a := k.signUpVerified(ann)
			raw := k.resetToken(ann, usher.MessageResetPassword)
			void(t, k, a)
			k.events.reset()
			_, err := k.ResetLink(ctx, raw, home)
			wantErr(t, err, usher.ErrInvalidToken)
			_, err = k.ResetPassword(ctx, usher.ResetPasswordParams{Token: raw, NewPassword: thirdPassword}, home)
			wantErr(t, err, usher.ErrInvalidToken)
			_, err = k.VerifyReset(ctx, raw, home)
			wantErr(t, err, usher.ErrInvalidToken)
			k.wantEvents("authn_token_refused:one_time_token authn_token_refused:one_time_token authn_token_refused:one_time_token")
		})
	}
	t.Run("purpose", func(t *testing.T) {
		k := newKit(t)
		a := k.signUp(ann)
		verify := tokenIn(t, k.lastEmail(usher.MessageVerifyEmail))
		_, err := k.ResetLink(ctx, verify, home)
		wantErr(t, err, usher.ErrInvalidToken)
		_, err = k.ResetPassword(ctx, usher.ResetPasswordParams{Token: verify, NewPassword: otherPassword}, home)
		wantErr(t, err, usher.ErrInvalidToken)
		_, err = k.VerifyReset(ctx, verify, home)
		wantErr(t, err, usher.ErrInvalidToken)
		reset := k.resetToken(ann, usher.MessageConfirmAndReset)
		_, err = k.confirm(reset, home)
		wantErr(t, err, usher.ErrInvalidToken)
		if u, _ := k.Operator("test").User(ctx, a.User.ID); u.EmailVerified {
			t.Fatal("a reset token verified the address")
		}
		usher.Must(k.confirm(verify, home))
	})
}

// Emailed links lead to the pages, or to the addresses of the program. A custom scheme
// is one of an app, and an address that could run a script or reach another site is
// refused.
func TestRS15_LinksLeadWhereTheConfigurationSays(t *testing.T) {
	for _, test := range []struct {
		change        func(*usher.Config)
		verify, reset string
	}{
		{func(c *usher.Config) {}, "https://app.example/auth/verify?token=", "https://app.example/auth/reset?token="},
		{func(c *usher.Config) { c.Links.ResetPassword = "myapp://reset" }, "https://app.example/auth/verify?token=", "myapp://reset?token="},
		{
			func(c *usher.Config) {
				c.Links = usher.Links{ResetPassword: "https://spa.example/?page=reset#form", VerifyEmail: "com.example.app:/verify"}
			}, "com.example.app:/verify?token=", "https://spa.example/?page=reset&token=",
		},
	} {
		k := newKit(t, test.change)
		a := k.signUp("ann@example.com")
		k.wantLink(usher.MessageVerifyEmail, test.verify)
		if err := k.SendPasswordReset(ctx, usher.SendPasswordResetParams{LoginID: "ann@example.com"}, usher.Client{}); err != nil {
			t.Fatal(err)
		}
		k.wantLink(usher.MessageConfirmAndReset, test.reset)
		claims, err := k.ValidateSession(ctx, a.Tokens.Session)
		if err == nil {
			err = k.ChangeEmail(ctx, claims, usher.ChangeEmailParams{NewEmail: "new@example.com", CurrentPassword: goodPassword}, usher.Client{})
		}
		if err != nil {
			t.Fatal(err)
		}
		k.wantLink(usher.MessageChangeEmail, test.verify)
	}
	for _, address := range []string{
		"/reset", "spa.example/reset", "http://spa.example/reset", "https://spa.example/?token=x", "https://ann@spa.example/",
		"javascript:alert(1)", "JavaScript://x", "data:text/html,x", "file:///x", "mailto:ann@example.com", "myapp:reset", "myapp://a b", "myapp:", "my_app://reset",
	} {
		wantConfigError(t, "Links.ResetPassword", func(c *usher.Config) { c.Links.ResetPassword = address })
		wantConfigError(t, "Links.VerifyEmail", func(c *usher.Config) { c.Links.VerifyEmail = address })
	}
}

// wantLink fails the test unless the newest email of the kind has a link that begins
// with prefix.
func (k *kit) wantLink(kind usher.MessageKind, prefix string) {
	k.t.Helper()
	for _, m := range slices.Backward(k.inbox()) {
		if m.Kind == kind {
			link, err := url.Parse(m.Link.Reveal())
			if err != nil || !strings.HasPrefix(m.Link.Reveal(), prefix) || len(link.Query()["token"]) != 1 || len(link.Query().Get("token")) != 43 {
				k.t.Errorf("%s leads to %s, want %s", kind, m.Link.Reveal(), prefix)
			}
			return
		}
	}
	k.t.Errorf("no email of kind %s", kind)
}

// Three requests of others use up the reset emails of an account. Once their links are
// dead, the owner in a new browser gets one more.
func TestRS13_DeadLinksLeaveTheOwnerOneMore(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.signUpVerified(ann)
	k.clock.add(time.Hour)
	for i := range 3 {
		k.requestReset(ann, nth(i))
	}
	k.wantEmails("reset_password reset_password reset_password")
	k.requestReset(ann, nth(4)) // three links are open
	k.wantEmails("")
	k.clock.add(11 * time.Minute)
	k.requestReset(ann, nth(4))
	raw := tokenIn(t, k.wantEmails("reset_password")[0])
	k.requestReset(ann, nth(5)) // that one is open
	k.wantEmails("")
	usher.Must(k.ResetPassword(ctx, usher.ResetPasswordParams{Token: raw, NewPassword: otherPassword}, nth(4)))
	k.wantEmails("password_changed")
	for i, want := range []string{"reset_password", "", ""} { // the limit of the address holds
		k.clock.add(11 * time.Minute)
		k.requestReset(ann, nth(10+i))
		k.wantEmails(want)
	}
}

// The known browser of the owner is not counted with the requests of its network.
func TestRS13_ANeighbourDoesNotUseUpTheOwnersRequests(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	owner := home
	owner.Device = k.signUpVerified(ann).Device
	for i := range 10 {
		k.requestReset(fmt.Sprintf("u%d@example.com", i), home)
	}
	wantLimit(t, k.SendPasswordReset(ctx, usher.SendPasswordResetParams{LoginID: ann}, home))
	k.requestReset(ann, owner)
	k.wantEmails("reset_password")
}
