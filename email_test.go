package usher_test

import (
	"encoding/base64"
	"fmt"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/usherkit/usher"
)

// verifyToken signs up and returns the link's token.
func (k *kit) verifyToken(loginID string) (*usher.Authentication, usher.Secret) {
	k.t.Helper()
	a := k.signUp(loginID)
	raw := tokenIn(k.t, k.wantMail("verify_email")[0])
	k.events.reset()
	return a, raw
}

func TestEV01_LinksAreRandomAndStoredHashed(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	seen := map[usher.Secret]bool{}
	for i := range 10 {
		_, raw := k.verifyToken(fmt.Sprintf("u%d@example.com", i))
		if b, err := base64.RawURLEncoding.DecodeString(raw.Reveal()); err != nil || len(b) != 32 || seen[raw] {
			t.Fatalf("a token of %d bytes, %v", len(b), err)
		}
		seen[raw] = true
		k.wantAbsent("a verification token", raw)
	}
}

func TestEV01_OneOfTwentyWins(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	_, raw := k.verifyToken(ann)
	kits := []*kit{k, k.twin()}
	var won atomic.Int64
	together(20, func(i int) {
		_, err := kits[i%2].confirm(raw, nth(i))
		switch {
		case err == nil:
			won.Add(1)
		case err.Error() != usher.ErrInvalidToken.Error():
			t.Errorf("a loser got %v", err)
		}
	})
	if won.Load() != 1 {
		t.Fatalf("%d verifications succeeded", won.Load())
	}
	events := usher.Must(k.Events(ctx, usher.EventQuery{Name: usher.EventEmailVerified}))
	if len(events) != 1 {
		t.Fatalf("%d events", len(events))
	}
}

func TestEV01_LinkLivesADayAndBeginsWithTheConfiguredAddress(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.signUp(ann)
	m := k.lastMail(usher.MessageVerifyEmail)
	if m.To != ann || !strings.HasPrefix(m.Link.Reveal(), "https://app.example/auth/verify?token=") {
		t.Fatalf("a mail to %s", m.To)
	}
	if got := m.ExpiresAt.Sub(k.clock.now()); got != 24*time.Hour {
		t.Fatalf("it lives for %s", got)
	}
	k.clock.add(24*time.Hour + time.Second)
	_, err := k.confirm(tokenIn(t, m), home)
	wantErr(t, err, usher.ErrInvalidToken)
	cfg := k.cfg
	cfg.VerifyLife = 25 * time.Hour
	if _, err := usher.New(ctx, k.store, cfg); err == nil || !strings.Contains(err.Error(), "VerifyLife") {
		t.Fatalf("a life of 25 hours: %v", err)
	}
}

// A link that is random, used, expired or void has one answer.
func TestEV01_OneAnswerForEveryBadLink(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	_, used := k.verifyToken("used@example.com")
	usher.Must(k.confirm(used, home))
	gone, void := k.verifyToken("gone@example.com")
	if err := k.DeleteUser(ctx, gone.User.ID); err != nil {
		t.Fatal(err)
	}
	_, old := k.verifyToken("old@example.com")
	k.clock.add(25 * time.Hour)
	k.events.reset()
	for name, raw := range map[string]usher.Secret{"random": "x", "used": used, "void": void, "expired": old} {
		u, err := k.confirm(raw, home)
		if err == nil || err.Error() != usher.ErrInvalidToken.Error() || u.ID != "" {
			t.Errorf("%s: %v, %v", name, u.ID, err)
		}
		k.wantEvents("authn_token_refused:one_time_token")
	}
	_, err := k.confirm("", home)
	wantField(t, err, "token")
}

func TestEV02_UnverifiedIsVisible(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	a, raw := k.verifyToken(ann)
	if a.User.EmailVerified || k.claims(a).EmailVerified {
		t.Fatal("verified at sign-up")
	}
	u := usher.Must(k.confirm(raw, home))
	k.wantEvents("user_email_verify")
	if !u.EmailVerified || k.claims(a).EmailVerified {
		t.Fatal("the user is verified, a token made before is not")
	}
	b := usher.Must(k.RefreshSession(ctx, a.Tokens.Refresh, home))
	if !k.claims(b).EmailVerified || !b.User.EmailVerified {
		t.Fatal("the next token says it")
	}
}

func TestEV02_AnotherLink(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	a, first := k.verifyToken(ann)
	links := []usher.Secret{first}
	another := func() {
		t.Helper()
		k.clock.add(time.Minute)
		if err := k.SendEmailVerification(ctx, k.claims(a), home); err != nil {
			t.Fatal(err)
		}
		k.wantEvents("user_email_verify_request")
		links = append(links, tokenIn(t, k.wantMail("verify_email")[0]))
	}
	for range 3 {
		another()
	}
	// Too many in this hour: the caller is told, for how long, and one mail is left
	// for a reset.
	for range 5 {
		err := k.SendEmailVerification(ctx, k.claims(a), home)
		if l := wantLimit(t, err); l.Limit != "links" || l.RetryAfter != 58*time.Minute {
			t.Fatalf("the limit is %+v", l)
		}
		k.wantEvents("excess_rate_limit_exceeded:links")
		k.wantMail("")
	}
	k.forget(ann, home)
	k.wantMail("confirm_and_reset")
	k.clock.add(time.Hour)
	a = k.signIn(ann, goodPassword, home)
	k.events.reset()
	another()
	// The newest three are good.
	for i, raw := range links {
		_, err := k.VerificationLink(ctx, nil, raw, home)
		if i < 2 {
			wantErr(t, err, usher.ErrInvalidToken)
		} else if err != nil {
			t.Fatalf("link %d: %v", i, err)
		}
	}
	usher.Must(k.confirm(links[2], home))
	k.events.reset()
	for range 5 { // it is confirmed: no mail, and no limit
		if err := k.SendEmailVerification(ctx, k.claims(a), home); err != nil {
			t.Fatal(err)
		}
	}
	k.wantEvents("")
	k.wantMail("")
}

// Who mistypes the new address asks once more, and the link in a stranger's
// mailbox is void.
func TestEV05_AnotherRequestTakesThePlaceOfTheFirst(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	a := k.signUpVerified(ann)
	ask := func(to string) usher.Secret {
		t.Helper()
		k.clock.add(time.Minute)
		if err := k.ChangeEmail(ctx, k.claims(a), usher.ChangeEmail{NewEmail: to, CurrentPassword: goodPassword}, home); err != nil {
			t.Fatal(err)
		}
		for _, m := range k.wantMail("change_email email_changing") {
			if m.Kind == usher.MessageChangeEmail {
				return tokenIn(t, m)
			}
		}
		return ""
	}
	mistyped := ask("new@exmaple.com")
	first, again := ask("new@example.com"), ask("new@example.com")
	_, err := k.confirm(mistyped, home)
	wantErr(t, err, usher.ErrInvalidToken)
	if _, err := k.VerificationLink(ctx, nil, again, home); err != nil {
		t.Fatalf("the newest link: %v", err)
	}
	if u := usher.Must(k.confirm(first, home)); u.Email != "new@example.com" {
		t.Fatalf("the address is %s", u.Email)
	}
}

// Whoever signs up with another's address keeps nothing once the owner proves
// the mailbox by a reset (Sudhodanan and Paverd 2022, "pre-hijacking").
func TestEV03_PreHijackingFails(t *testing.T) {
	t.Parallel()
	for name, prove := range map[string]func(t *testing.T, k *kit) usher.Secret{
		"reset": func(t *testing.T, k *kit) usher.Secret {
			raw := k.resetToken(ann, usher.MessageConfirmAndReset)
			usher.Must(k.ResetPassword(ctx, usher.ResetPassword{Token: raw, NewPassword: thirdPassword}, nth(1)))
			return thirdPassword
		},
		"reset in two steps": func(t *testing.T, k *kit) usher.Secret {
			raw := k.resetToken(ann, usher.MessageConfirmAndReset)
			rs := usher.Must(k.VerifyReset(ctx, raw, nth(1)))
			// The mailbox alone has ended everything of the squatter.
			_, err := k.SignIn(ctx, usher.SignIn{LoginID: ann, Password: otherPassword}, nth(2))
			wantErr(t, err, usher.ErrInvalidCredentials)
			claims := usher.Must(k.ValidateReset(ctx, rs.Token.Reveal()))
			if _, err := k.UpdatePassword(ctx, claims, usher.UpdatePassword{NewPassword: thirdPassword}, nth(1)); err != nil {
				t.Fatal(err)
			}
			return thirdPassword
		},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKit(t)
			mallory := usher.Must(k.SignUp(ctx, usher.SignUp{LoginID: ann, Password: otherPassword}, home))
			k.wantMail("verify_email")
			err := k.ChangeEmail(ctx, k.claims(mallory), usher.ChangeEmail{NewEmail: "mallory@evil.test", CurrentPassword: otherPassword}, home)
			if err != nil {
				t.Fatal(err)
			}
			var pending usher.Secret
			for _, m := range k.wantMail("change_email email_changing") {
				if m.Kind == usher.MessageChangeEmail {
					pending = tokenIn(t, m)
				}
			}
			pw := prove(t, k)
			k.wantNoUse(mallory)
			k.wantPassword(ann, pw, otherPassword)
			_, err = k.confirm(pending, nth(3))
			wantErr(t, err, usher.ErrInvalidToken)
			u := usher.Must(k.UserByLoginID(ctx, ann))
			if !u.EmailVerified || u.Email != ann || u.ID != mallory.User.ID {
				t.Fatalf("the user is %+v", u)
			}
		})
	}
}

func TestEV04_VerificationNeitherStartsNorChangesASession(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	a := k.signUp("alice@example.com")
	k.wantMail("verify_email")
	b, raw := k.verifyToken(ann)
	c := home
	c.SessionID = a.Session.ID
	usher.Must(k.confirm(raw, c))
	k.wantEvents("user_email_verify")
	for _, x := range []*usher.Authentication{a, b} {
		list := usher.Must(k.Sessions(ctx, k.claims(x)))
		if len(list) != 1 || list[0].ID != x.Session.ID {
			t.Fatalf("%d sessions", len(list))
		}
	}
}

func TestEV05_AddressMovesOnlyWhenConfirmed(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	a := k.signUpVerified(ann)
	change := usher.ChangeEmail{NewEmail: "New@example.com"}
	err := k.ChangeEmail(ctx, k.claims(a), change, home)
	wantErr(t, err, usher.ErrRecentSignInRequired)
	change.CurrentPassword = otherPassword
	err = k.ChangeEmail(ctx, k.claims(a), change, home)
	wantErr(t, err, usher.ErrInvalidCredentials)
	k.wantMail("")
	k.events.reset()
	change.CurrentPassword = goodPassword
	if err := k.ChangeEmail(ctx, k.claims(a), change, home); err != nil {
		t.Fatal(err)
	}
	k.wantEvents("user_email_change_request")
	var link usher.Secret
	for _, m := range k.wantMail("change_email email_changing") {
		switch m.Kind {
		case usher.MessageChangeEmail:
			link = tokenIn(t, m)
			if m.To != "New@example.com" {
				t.Fatalf("the link went to %s", m.To)
			}
		default:
			if m.To != ann || m.Link != "" {
				t.Fatalf("the notice went to %s", m.To)
			}
		}
	}
	k.wantAbsent("a link", link)

	// Pending: mail and sign-in still use the old address.
	if u := usher.Must(k.User(ctx, a.User.ID)); u.Email != ann || !u.EmailVerified {
		t.Fatalf("moved already: %+v", u)
	}
	_, err = k.SignIn(ctx, usher.SignIn{LoginID: "new@example.com", Password: goodPassword}, nth(1))
	wantErr(t, err, usher.ErrInvalidCredentials)
	k.signIn(ann, goodPassword, home)
	k.forget(ann, home)
	if m := k.wantMail("reset_password")[0]; m.To != ann {
		t.Fatalf("the mail went to %s", m.To)
	}

	k.events.reset()
	u := usher.Must(k.confirm(link, home))
	k.wantEvents("user_email_change")
	if m := k.wantMail("email_changed")[0]; m.To != ann {
		t.Fatalf("the notice went to %s", m.To)
	}
	if u.Email != "New@example.com" || !u.EmailVerified || !reflect.DeepEqual(u.LoginIDs, []string{"New@example.com"}) || u.ID != a.User.ID {
		t.Fatalf("the user is %+v", u)
	}
	if !k.alive(a) {
		t.Fatal("the change ended the session")
	}
	k.signIn("new@example.com", goodPassword, home)
	_, err = k.SignIn(ctx, usher.SignIn{LoginID: ann, Password: goodPassword}, nth(1))
	wantErr(t, err, usher.ErrInvalidCredentials)
	_, err = k.confirm(link, home)
	wantErr(t, err, usher.ErrInvalidToken)
	k.signUp(ann) // the old address is free again
}

// A pending change dies with a reset, and with any other change of password.
func TestEV05_PendingChangeDiesWithAReset(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	a := k.signUpVerified(ann)
	if err := k.ChangeEmail(ctx, k.claims(a), usher.ChangeEmail{NewEmail: "new@example.com", CurrentPassword: goodPassword}, home); err != nil {
		t.Fatal(err)
	}
	var link usher.Secret
	for _, m := range k.wantMail("change_email email_changing") {
		if m.Kind == usher.MessageChangeEmail {
			link = tokenIn(t, m)
		}
	}
	raw := k.resetToken(ann, usher.MessageResetPassword)
	usher.Must(k.ResetPassword(ctx, usher.ResetPassword{Token: raw, NewPassword: otherPassword}, home))
	_, err := k.confirm(link, home)
	wantErr(t, err, usher.ErrInvalidToken)
	if u := usher.Must(k.User(ctx, a.User.ID)); u.Email != ann {
		t.Fatalf("the address is %s", u.Email)
	}
}

// The answer is the same when the new address is somebody's, and nobody gets
// it by being first.
func TestEV05_AddressOfAnother(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	a := k.signUpVerified(ann)
	bob := k.signUpVerified("bob@example.com")
	k.events.reset()
	in := usher.ChangeEmail{NewEmail: "bob@example.com", CurrentPassword: goodPassword}
	if err := k.ChangeEmail(ctx, k.claims(a), in, home); err != nil {
		t.Fatal(err)
	}
	k.wantEvents("user_email_change_request:login_id_taken")
	for _, m := range k.wantMail("already_registered email_changing") {
		if to := map[usher.MessageKind]string{usher.MessageAlreadyRegistered: "bob@example.com", usher.MessageEmailChanging: ann}[m.Kind]; m.To != to || m.Link != "" {
			t.Fatalf("the %s mail went to %s", m.Kind, m.To)
		}
	}
	// Free when asked for, taken when confirmed.
	in.NewEmail = "new@example.com"
	if err := k.ChangeEmail(ctx, k.claims(a), in, home); err != nil {
		t.Fatal(err)
	}
	var link usher.Secret
	for _, m := range k.wantMail("change_email email_changing") {
		if m.Kind == usher.MessageChangeEmail {
			link = tokenIn(t, m)
		}
	}
	k.signUp("new@example.com")
	_, err := k.confirm(link, home)
	wantErr(t, err, usher.ErrInvalidToken)
	if u := usher.Must(k.User(ctx, a.User.ID)); u.Email != ann || !k.alive(bob) {
		t.Fatalf("the address is %s", u.Email)
	}
}

// Only an operator sets an address as verified.
func TestEV05_OperatorSetsTheAddress(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	a, link := k.verifyToken(ann)
	u := usher.Must(k.UpdateUser(ctx, a.User.ID, usher.UserPatch{Email: &usher.EmailAddress{Address: "op@example.com", Verified: true}}))
	if u.Email != "op@example.com" || !u.EmailVerified || u.LoginID() != ann {
		t.Fatalf("the user is %+v", u)
	}
	_, err := k.confirm(link, home)
	wantErr(t, err, usher.ErrInvalidToken)
	_, err = k.UpdateUser(ctx, a.User.ID, usher.UserPatch{Email: &usher.EmailAddress{Address: "not an address"}})
	wantField(t, err, "email")
}
