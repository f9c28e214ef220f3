package usher_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/memory"
	"github.com/usherkit/usher/token"
)

// verifyToken signs up and returns the token of the verification link.
func (k *kit) verifyToken(loginID string) (*usher.Authentication, usher.Secret) {
	k.t.Helper()
	a := k.signUp(loginID)
	raw := tokenIn(k.t, k.wantEmails("verify_email")[0])
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
	kits := []*kit{k, k.secondInstance()}
	var won atomic.Int64
	concurrently(20, func(i int) {
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
	events := usher.Must(k.Operator("test").Events(ctx, usher.EventQuery{Name: usher.EventEmailVerified})).Events
	if len(events) != 1 {
		t.Fatalf("%d events", len(events))
	}
}

func TestEV01_LinkLivesADayAndBeginsWithTheConfiguredAddress(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.signUp(ann)
	m := k.lastEmail(usher.MessageVerifyEmail)
	if m.To != ann || !strings.HasPrefix(m.Link.Reveal(), "https://app.example/auth/verify?token=") {
		t.Fatalf("an email to %s", m.To)
	}
	if got := m.ExpiresAt.Sub(k.clock.now()); got != 24*time.Hour {
		t.Fatalf("its lifetime is %s", got)
	}
	k.clock.add(24*time.Hour + time.Second)
	_, err := k.confirm(tokenIn(t, m), home)
	wantErr(t, err, usher.ErrInvalidToken)
	cfg := k.cfg
	cfg.VerifyLifetime = 25 * time.Hour
	if _, err := usher.New(ctx, k.store, cfg); err == nil || !strings.Contains(err.Error(), "VerifyLifetime") {
		t.Fatalf("a lifetime of 25 hours: %v", err)
	}
}

// Random, used, expired and void links get the same error.
func TestEV01_OneAnswerForEveryBadLink(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	_, used := k.verifyToken("used@example.com")
	usher.Must(k.confirm(used, home))
	gone, void := k.verifyToken("gone@example.com")
	if err := k.Operator("test").Delete(ctx, gone.User.ID); err != nil {
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
		links = append(links, tokenIn(t, k.wantEmails("verify_email")[0]))
	}
	for range 3 {
		another()
	}
	// Too many emails in this hour: the error says how long to wait, and one email
	// stays reserved for a reset.
	for range 5 {
		err := k.SendEmailVerification(ctx, k.claims(a), home)
		if l := wantLimit(t, err); l.Limit != "links" || l.RetryAfter != 58*time.Minute {
			t.Fatalf("the limit is %+v", l)
		}
		k.wantEvents("excess_rate_limit_exceeded:links")
		k.wantEmails("")
	}
	k.requestReset(ann, home)
	k.wantEmails("confirm_and_reset")
	k.clock.add(time.Hour)
	a = k.signIn(ann, goodPassword, home)
	k.events.reset()
	another()
	// The newest three links are valid.
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
	for range 5 { // the address is confirmed: no email, and no limit
		if err := k.SendEmailVerification(ctx, k.claims(a), home); err != nil {
			t.Fatal(err)
		}
	}
	k.wantEvents("")
	k.wantEmails("")
}

// An attacker who signed up with another person's address loses all access once the
// owner proves the mailbox by a reset (Sudhodanan and Paverd 2022, "pre-hijacking").
func TestEV03_PreHijackingFails(t *testing.T) {
	t.Parallel()
	for name, prove := range map[string]func(t *testing.T, k *kit) usher.Secret{
		"reset": func(t *testing.T, k *kit) usher.Secret {
			raw := k.resetToken(ann, usher.MessageConfirmAndReset)
			usher.Must(k.ResetPassword(ctx, usher.ResetPasswordParams{Token: raw, NewPassword: thirdPassword}, nth(1)))
			return thirdPassword
		},
		"reset in two steps": func(t *testing.T, k *kit) usher.Secret {
			raw := k.resetToken(ann, usher.MessageConfirmAndReset)
			rs := usher.Must(k.VerifyReset(ctx, raw, nth(1)))
			// The reset alone ended the sessions, the password and the links of the
			// squatter.
			_, err := k.SignIn(ctx, usher.SignInParams{LoginID: ann, Password: otherPassword}, nth(2))
			wantErr(t, err, usher.ErrInvalidCredentials)
			claims := usher.Must(k.ValidateReset(ctx, rs.Token))
			if _, err := k.UpdatePassword(ctx, claims, usher.UpdatePasswordParams{NewPassword: thirdPassword}, nth(1)); err != nil {
				t.Fatal(err)
			}
			return thirdPassword
		},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKit(t)
			name, picture := "Mallory", "https://evil.test/me.png"
			mallory := usher.Must(k.SignUp(ctx, usher.SignUpParams{
				LoginID: ann, Password: otherPassword, Profile: usher.Profile{Name: &name, Picture: &picture},
			}, home))
			k.wantEmails("verify_email")
			err := k.ChangeEmail(ctx, k.claims(mallory), usher.ChangeEmailParams{NewEmail: "mallory@evil.test", CurrentPassword: otherPassword}, home)
			if err != nil {
				t.Fatal(err)
			}
			var pending usher.Secret
			for _, m := range k.wantEmails("change_email email_changing") {
				if m.Kind == usher.MessageChangeEmail {
					pending = tokenIn(t, m)
				}
			}
			pw := prove(t, k)
			k.wantEnded(mallory)
			k.wantPassword(ann, pw, otherPassword)
			_, err = k.confirm(pending, nth(3))
			wantErr(t, err, usher.ErrInvalidToken)
			u := usher.Must(k.Operator("test").UserByLoginID(ctx, ann))
			if !u.EmailVerified || u.Email != ann || u.ID != mallory.User.ID || u.Name != "" || u.Picture != "" {
				t.Fatalf("the user is %+v", u)
			}
		})
	}
}

func TestEV04_VerificationNeitherStartsNorChangesASession(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	a := k.signUp("alice@example.com")
	k.wantEmails("verify_email")
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

// A thousand emailed tokens that confirm an address: each has 32 bytes, all differ,
// and the store has none of them.
func TestRS01_EV01_AThousandTokensAreRandomAndStoredHashed(t *testing.T) {
	t.Parallel()
	k := newKit(t, func(c *usher.Config) {
		c.InsecureNoThrottle, c.BaseURL, c.VerifyLifetime = true, "https://localhost", time.Minute
	})
	claims := k.claims(k.signUp(ann))
	k.wantEmails("verify_email")
	seen := map[usher.Secret]bool{}
	var all []usher.Secret
	for len(all) < 1000 {
		k.clock.add(61 * time.Second) // so that the limits on earlier emails have passed
		for range 3 {
			if err := k.SendEmailVerification(ctx, claims, home); err != nil {
				t.Fatal(err)
			}
		}
		for _, m := range k.wantEmails("verify_email verify_email verify_email") {
			raw := tokenIn(t, m)
			if b, err := base64.RawURLEncoding.DecodeString(raw.Reveal()); err != nil || len(b) != 32 {
				t.Fatalf("a token of %d bytes: %v", len(b), err)
			}
			if seen[raw] {
				t.Fatal("a token was repeated")
			}
			seen[raw] = true
			all = append(all, raw)
		}
	}
	k.wantAbsent("a verification token", all[len(all)-3:]...)
}

// lostAnswer is a store that keeps links and users, whose client hangs up before it hears
// of it, as PostgreSQL does when a commit is cancelled.
type lostAnswer struct {
	store.Store
	cancel func()
	emails int
}

func (l *lostAnswer) AddOneTimeToken(ctx context.Context, add store.TokenAddition) error {
	if err := l.Store.AddOneTimeToken(ctx, add); err != nil {
		return err
	}
	l.emails += len(add.Emails)
	l.cancel()
	return ctx.Err()
}

// An email counts although the client hangs up at the moment of the commit and its request
// fails.
func TestML04_HangingUpIsNoMailBomb(t *testing.T) {
	t.Parallel()
	for name, send := range map[string]func(context.Context, *kit, *token.Claims) error{
		"verification": func(ctx context.Context, k *kit, claims *token.Claims) error {
			return k.SendEmailVerification(ctx, claims, home)
		},
		"reset": func(ctx context.Context, k *kit, _ *token.Claims) error {
			return k.SendPasswordReset(ctx, usher.SendPasswordResetParams{LoginID: ann}, home)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := newKit(t, func(c *usher.Config) { c.ResetLifetime = time.Minute })
			claims := k.claims(k.signUp(ann))
			lost := &lostAnswer{Store: k.store}
			b := newKitOn(t, lost, k.clock, func(c *usher.Config) { c.ResetLifetime = time.Minute })
			for range 9 {
				var gone context.Context
				gone, lost.cancel = context.WithCancel(ctx)
				_ = send(gone, b, claims)
				k.clock.add(2 * time.Minute) // links of a reset expire
			}
			if n := lost.emails; n == 0 || n > 4 { // after that of the sign-up
				t.Errorf("%d emails in an hour, want at most 4", n)
			}
		})
	}
}

// cut is a store that calls hangUp, once, when a method begins.
type cut struct {
	store.Store
	method string
	hangUp func()
}

func (s *cut) begin(method string) {
	if hangUp := s.hangUp; hangUp != nil && s.method == method {
		s.hangUp = nil
		hangUp()
	}
}

// next makes the client of the returned context hang up in that method.
func (s *cut) next(method string) context.Context {
	gone, hangUp := context.WithCancel(ctx)
	s.method, s.hangUp = method, hangUp
	return gone
}

func (s *cut) StartSession(ctx context.Context, in store.SessionStart) ([]store.Event, error) {
	s.begin("StartSession")
	return s.Store.StartSession(ctx, in)
}

func (s *cut) Record(ctx context.Context, fx store.Effects) error {
	s.begin("Record")
	return s.Store.Record(ctx, fx)
}

func (s *cut) AddOneTimeToken(ctx context.Context, add store.TokenAddition) error {
	s.begin("AddOneTimeToken")
	return s.Store.AddOneTimeToken(ctx, add)
}

func (s *cut) ChangeEmail(ctx context.Context, spend store.TokenSpend, old, next string, fx store.Effects) (store.User, error) {
	s.begin("ChangeEmail")
	return s.Store.ChangeEmail(ctx, spend, old, next, fx)
}

// A client that hangs up after an email was counted, and before it was stored, does not use
// up the emails and the notices of the owner.
func TestML04_HangingUpUsesUpNoEmailOfTheOwner(t *testing.T) {
	t.Parallel()
	s := &cut{Store: memory.New()}
	k := newKitOn(t, s, newClock())
	a := k.signUpVerified(ann)
	for range 10 {
		_ = k.SendPasswordReset(s.next("AddOneTimeToken"), usher.SendPasswordResetParams{LoginID: ann}, nth(1))
	}
	k.wantEmails("reset_password reset_password reset_password")

	if err := k.ChangeEmail(ctx, k.claims(a), usher.ChangeEmailParams{NewEmail: mallory, CurrentPassword: goodPassword}, home); err != nil {
		t.Fatal(err)
	}
	raw := tokenIn(t, k.lastEmail(usher.MessageChangeEmail))
	k.signUp(mallory) // the change of address fails from now on
	k.wantEmails("change_email email_changing verify_email")
	for range 25 {
		_, err := k.VerifyEmail(s.next("ChangeEmail"), k.claims(a), usher.VerifyEmailParams{Token: raw}, home)
		wantErr(t, err, usher.ErrInvalidToken)
	}
	usher.Must(k.UpdatePassword(ctx, k.claims(a), usher.UpdatePasswordParams{NewPassword: otherPassword}, home))
	k.wantEmails("password_changed")
}
