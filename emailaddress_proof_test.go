package usher_test

import (
	"maps"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/memory"
	"github.com/usherkit/usher/token"
)

// verificationLink is a link that proves ann's mailbox, and the account it belongs
// to. The password of the account is goodPassword, which ann may not know.
type verificationLink struct {
	account *usher.Authentication
	raw     usher.Secret
	event   string // the event of a success
}

// verificationLinks has the two kinds of verification links.
var verificationLinks = map[string]func(k *kit) verificationLink{
	"sign-up": func(k *kit) verificationLink {
		a, raw := k.verifyToken(ann)
		return verificationLink{a, raw, "user_email_verify"}
	},
	"change of address": func(k *kit) verificationLink {
		a := k.signUpVerified(mallory)
		in := usher.ChangeEmailParams{NewEmail: ann, CurrentPassword: goodPassword}
		if err := k.ChangeEmail(ctx, k.claims(a), in, home); err != nil {
			k.t.Fatal(err)
		}
		mails := k.wantEmails("change_email email_changing")
		i := slices.IndexFunc(mails, func(m usher.Message) bool { return m.Kind == usher.MessageChangeEmail })
		k.events.reset()
		return verificationLink{a, tokenIn(k.t, mails[i]), "user_email_change"}
	},
}

func overVerificationLinks(t *testing.T, test func(k *kit, l verificationLink), change ...func(*usher.Config)) {
	t.Parallel()
	for _, name := range slices.Sorted(maps.Keys(verificationLinks)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := newKit(t, change...)
			test(k, verificationLinks[name](k))
		})
	}
}

// follow uses the link as that client, with that session and password.
func (k *kit) follow(l verificationLink, claims *token.Claims, pw usher.Secret, c usher.Client) error {
	return errOf(k.VerifyEmail(ctx, claims, usher.VerifyEmailParams{Token: l.raw, Password: pw}, c))
}

// wantUnspent fails unless the link is still valid and the address unchanged.
func (k *kit) wantUnspent(l verificationLink) {
	k.t.Helper()
	u := usher.Must(k.Operator("test").User(ctx, l.account.User.ID))
	if u.Email != l.account.User.Email || u.LoginID() != l.account.User.LoginID() {
		k.t.Fatalf("the address has become %s", u.Email)
	}
	if l.event == "user_email_verify" && u.EmailVerified {
		k.t.Fatal("the address is verified")
	}
	if _, err := k.VerificationLink(ctx, nil, l.raw, nth(249)); err != nil {
		k.t.Fatalf("the link is spent: %v", err)
	}
	k.wantEvents("")
	k.wantEmails("")
}

func (k *kit) wantSpent(l verificationLink) {
	k.t.Helper()
	k.wantEvents(l.event)
	u := usher.Must(k.Operator("test").User(ctx, l.account.User.ID))
	if u.Email != ann || !u.EmailVerified {
		k.t.Fatalf("the user is %+v", u)
	}
	if _, err := k.VerificationLink(ctx, nil, l.raw, nth(249)); err != usher.ErrInvalidToken {
		k.t.Fatalf("the link once more: %v", err)
	}
}

// A squatter signs up with an address, or moves an account to it, and the owner of
// the address follows the link: that confirms nothing. Once the owner resets the
// password, the squatter has no access.
func TestEV03_ASquatterIsNotConfirmedByTheOwnersClick(t *testing.T) {
	overVerificationLinks(t, func(k *kit, l verificationLink) {
		wantErr(k.t, k.follow(l, nil, "", nth(1)), usher.ErrPasswordRequired)
		k.wantUnspent(l)
		if err := k.follow(l, nil, otherPassword, nth(1)); err != usher.ErrInvalidCredentials {
			k.t.Fatalf("another password: %v, want the error of every failure", err)
		}
		k.wantEvents("authn_login_fail:wrong_password")
		k.wantUnspent(l)
		if l.event != "user_email_verify" {
			return // the account has a verified address, so ann has nothing to claim
		}

		claim := k.resetToken(ann, usher.MessageConfirmAndReset)
		usher.Must(k.ResetPassword(ctx, usher.ResetPasswordParams{Token: claim, NewPassword: thirdPassword}, nth(1)))
		k.wantEnded(l.account)
		k.wantPassword(ann, thirdPassword, goodPassword, otherPassword)
		wantErr(k.t, k.follow(l, nil, thirdPassword, nth(2)), usher.ErrInvalidToken)
		if u := usher.Must(k.Operator("test").User(ctx, l.account.User.ID)); !u.EmailVerified {
			k.t.Fatal("the claim proves the mailbox")
		}
	})
}

func TestEV03_TheHolderOfTheAccountConfirms(t *testing.T) {
	for name, follow := range map[string]func(k *kit, l verificationLink) error{
		"by the session":  func(k *kit, l verificationLink) error { return k.follow(l, k.claims(l.account), "", nth(1)) },
		"by the password": func(k *kit, l verificationLink) error { return k.follow(l, nil, goodPassword, nth(1)) },
		"by the session, whatever is given as the password": func(k *kit, l verificationLink) error {
			return k.follow(l, k.claims(l.account), otherPassword, nth(1))
		},
		"by the password, in another's session": func(k *kit, l verificationLink) error {
			bob := k.signUp("bob@example.com")
			k.events.reset()
			return k.follow(l, k.claims(bob), goodPassword, nth(1))
		},
		"by the password, which must be replaced before the next sign-in": func(k *kit, l verificationLink) error {
			k.clock.add(2 * time.Hour)
			return k.follow(l, nil, goodPassword, nth(1))
		},
		"by the password, after others failed": func(k *kit, l verificationLink) error {
			wantErr(k.t, k.follow(l, nil, "", nth(1)), usher.ErrPasswordRequired)
			for range 4 {
				wantErr(k.t, k.follow(l, nil, otherPassword, nth(1)), usher.ErrInvalidCredentials)
			}
			k.events.reset()
			return k.follow(l, nil, goodPassword, nth(1))
		},
	} {
		t.Run(name, func(t *testing.T) {
			overVerificationLinks(t, func(k *kit, l verificationLink) {
				if err := follow(k, l); err != nil {
					k.t.Fatal(err)
				}
				k.wantSpent(l)
				if list := usher.Must(k.store.UserSessions(ctx, l.account.User.ID, k.clock.now())); len(list) != 1 {
					k.t.Errorf("%d sessions", len(list))
				}
			}, func(c *usher.Config) { c.Password.Expiration = time.Hour })
		})
	}
}

func TestEV04_NoOtherSessionConfirms(t *testing.T) {
	for name, session := range map[string]func(k *kit, l verificationLink) *token.Claims{
		"of another user": func(k *kit, _ verificationLink) *token.Claims { return k.claims(k.signUp("bob@example.com")) },
		"signed out": func(k *kit, l verificationLink) *token.Claims {
			claims := k.claims(l.account)
			if err := k.SignOut(ctx, claims, home); err != nil {
				k.t.Fatal(err)
			}
			return claims
		},
		"idle for too long": func(k *kit, l verificationLink) *token.Claims {
			claims := k.claims(l.account)
			k.clock.add(time.Hour)
			return claims
		},
		"of another user, with the id of a live one": func(k *kit, l verificationLink) *token.Claims {
			claims := k.claims(k.signUp("bob@example.com"))
			claims.SessionID = l.account.Session.ID
			return claims
		},
		"of a live session of another user": func(k *kit, l verificationLink) *token.Claims {
			claims := k.claims(k.signUp("bob@example.com"))
			claims.Subject = l.account.User.ID
			return claims
		},
		"of a reset": func(k *kit, l verificationLink) *token.Claims {
			claims := k.claims(l.account)
			claims.Type = token.TypeReset
			return claims
		},
		"by an exchanged refresh token": func(k *kit, l verificationLink) *token.Claims {
			claims := usher.Must(k.ValidateRefresh(ctx, l.account.Tokens.Refresh))
			usher.Must(k.RefreshSession(ctx, l.account.Tokens.Refresh, home))
			k.clock.add(time.Minute)
			return claims
		},
	} {
		t.Run(name, func(t *testing.T) {
			overVerificationLinks(t, func(k *kit, l verificationLink) {
				claims := session(k, l)
				k.inbox()
				k.mail.mu.Lock()
				k.mail.all = nil
				k.mail.mu.Unlock()
				wantErr(k.t, k.follow(l, claims, "", nth(1)), usher.ErrPasswordRequired)
				link := usher.Must(k.VerificationLink(ctx, claims, l.raw, nth(1)))
				if !link.PasswordRequired {
					k.t.Error("the page would not ask for the password")
				}
				k.events.reset()
				k.wantUnspent(l)
				if err := k.follow(l, claims, goodPassword, nth(1)); err != nil {
					k.t.Errorf("with the password: %v", err)
				}
			}, func(c *usher.Config) { c.Sessions.Idle = time.Hour })
		})
	}
}

// A link of the session's own user needs no password, and CheckVerification says so.
func TestEV04_TheOwnSessionIsAskedForNothing(t *testing.T) {
	overVerificationLinks(t, func(k *kit, l verificationLink) {
		link := usher.Must(k.VerificationLink(ctx, k.claims(l.account), l.raw, home))
		if link.PasswordRequired || link.Email != ann {
			k.t.Errorf("the link is %+v", link)
		}
	})
}

// An emailed link does not bypass the limits on guessing.
func TestSI06_VerificationCountsAsSignIn(t *testing.T) {
	overVerificationLinks(t, func(k *kit, l verificationLink) {
		id := l.account.User.LoginID()
		for range 3 {
			k.failSignIn(id, nth(1))
		}
		for range 2 {
			wantErr(k.t, k.follow(l, nil, otherPassword, nth(1)), usher.ErrInvalidCredentials)
		}
		k.events.reset()
		wantLimit(k.t, k.follow(l, nil, goodPassword, nth(1)))
		wantLimit(k.t, k.trySignIn(id, goodPassword, nth(1)))
		k.wantEvents("excess_rate_limit_exceeded:login_id excess_rate_limit_exceeded:login_id")
		k.wantUnspent(l)
		// The owner's session needs no password, so there is nothing to guess.
		if err := k.follow(l, k.claims(l.account), "", nth(1)); err != nil {
			k.t.Errorf("in the session: %v", err)
		}
	})
}

// The right password resets the count of failures, as at sign-in.
func TestSI01_TheRightPasswordWithALinkStartsTheCountAgain(t *testing.T) {
	overVerificationLinks(t, func(k *kit, l verificationLink) {
		id := l.account.User.LoginID()
		for range 4 {
			k.failSignIn(id, nth(1))
		}
		if err := k.follow(l, nil, goodPassword, nth(1)); err != nil {
			k.t.Fatal(err)
		}
		for range 5 {
			k.failSignIn(usher.Must(k.Operator("test").User(ctx, l.account.User.ID)).LoginID(), nth(1))
		}
	})
}

// An account without a password, or with a locked one, gets the same error.
func TestEN01_VerificationFailsUniformly(t *testing.T) {
	t.Parallel()
	k := newKit(t, func(c *usher.Config) { c.Password.LockAttempts = 3 })
	locked, raw := k.verifyToken(ann)
	for i := range 3 {
		k.failSignIn(ann, nth(i))
	}
	none := usher.Must(k.Operator("test").ImportUser(ctx, usher.ImportUserParams{LoginIDs: []string{"none@example.com"}}))
	account := usher.Must(k.store.Account(ctx, none.ID))
	err := k.store.AddOneTimeToken(ctx, store.TokenAddition{MaxOpen: 3, Token: store.OneTimeToken{
		Hash: hashed("none"), UserID: none.ID, Purpose: store.PurposeVerifyEmail, Email: none.Email,
		PasswordVersion: account.Password.Version, CreatedAt: k.clock.now(), ExpiresAt: k.clock.now().Add(time.Hour),
	}})
	if err != nil {
		t.Fatal(err)
	}
	k.events.reset()
	for reason, l := range map[string]verificationLink{
		"locked": {locked, raw, ""}, "no_password": {&usher.Authentication{User: none}, "none", ""},
	} {
		if err := k.follow(l, nil, goodPassword, nth(9)); err != usher.ErrInvalidCredentials {
			t.Errorf("%s: %v, want the error of every failure", reason, err)
		}
		k.wantEvents("authn_login_fail:" + reason)
		if usher.Must(k.Operator("test").User(ctx, l.account.User.ID)).EmailVerified {
			t.Errorf("%s: verified", reason)
		}
	}
}

// An invalid link is refused before the password is checked: the answer reveals
// nothing about the password, and guesses with it count against no account.
func TestEN07_ADeadLinkJudgesNoPassword(t *testing.T) {
	overVerificationLinks(t, func(k *kit, l verificationLink) {
		if err := k.follow(l, nil, goodPassword, home); err != nil {
			k.t.Fatal(err)
		}
		k.events.reset()
		for i := range 10 {
			pw := []usher.Secret{"", goodPassword, otherPassword}[i%3]
			if err := k.follow(l, k.claims(l.account), pw, nth(1)); err != usher.ErrInvalidToken {
				k.t.Fatalf("once more: %v", err)
			}
			k.wantEvents("authn_token_refused:one_time_token")
		}
		k.signIn(ann, goodPassword, nth(1))
	})
}

func TestEN07_ALinkOfADisabledUserIsDead(t *testing.T) {
	overVerificationLinks(t, func(k *kit, l verificationLink) {
		claims := k.claims(l.account)
		if err := k.Operator("test").Disable(ctx, l.account.User.ID); err != nil {
			k.t.Fatal(err)
		}
		k.events.reset()
		for _, pw := range []usher.Secret{"", goodPassword} {
			wantErr(k.t, k.follow(l, claims, pw, nth(1)), usher.ErrInvalidToken)
			k.wantEvents("authn_token_refused:one_time_token")
		}
	})
}

func TestEV03_WhatCannotBeAPasswordIsRefusedAtOnce(t *testing.T) {
	overVerificationLinks(t, func(k *kit, l verificationLink) {
		for _, pw := range []usher.Secret{"\xff", usher.Secret(make([]byte, 5000))} {
			wantField(k.t, k.follow(l, nil, pw, nth(1)), "password")
			dead := verificationLink{raw: "made up"} // reveals nothing about the link
			wantField(k.t, k.follow(dead, nil, pw, nth(1)), "password")
		}
		k.wantUnspent(l)
	})
}

// Of concurrent uses with the right password one confirms, and the others find the
// link spent.
func TestEV01_OneOfSixtyFourConfirms(t *testing.T) {
	overVerificationLinks(t, func(k *kit, l verificationLink) {
		instances := []*kit{k, k.secondInstance()}
		var won atomic.Int64
		concurrently(64, func(i int) {
			err := instances[i%2].follow(l, nil, goodPassword, nth(i))
			if err == nil {
				won.Add(1)
			} else if err != usher.ErrInvalidToken {
				k.t.Errorf("a loser got %v", err)
			}
		})
		if won.Load() != 1 {
			k.t.Fatalf("%d have confirmed", won.Load())
		}
		if n := len(usher.Must(k.Operator("test").Events(ctx, usher.EventQuery{Name: usher.EventName(l.event)})).Events); n != 1 {
			k.t.Fatalf("%d events", n)
		}
		k.signIn(ann, goodPassword, nth(100))
	})
}

// If the password changes while the password or the session is checked, the link is
// void.
func TestEV03_AChangeMeanwhileVoidsTheLink(t *testing.T) {
	t.Parallel()
	store := &afterSessionRead{Store: memory.New()}
	k := newKitOn(t, store, newClock())
	a, raw := k.verifyToken(ann)
	claims := k.claims(a)
	store.session = func() {
		in := usher.ReplacePasswordParams{LoginID: ann, OldPassword: goodPassword, NewPassword: otherPassword}
		usher.Must(k.ReplacePassword(ctx, in, home))
	}
	_, err := k.VerifyEmail(ctx, claims, usher.VerifyEmailParams{Token: raw}, home)
	wantErr(t, err, usher.ErrInvalidToken)
	if usher.Must(k.Operator("test").User(ctx, a.User.ID)).EmailVerified {
		t.Error("a session that ended meanwhile has confirmed")
	}
}
