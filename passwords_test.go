package usher_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/password"
	"github.com/usherkit/usher/token"
)

// claims returns the claims of the session token of a.
func (k *kit) claims(a *usher.Authentication) *token.Claims {
	k.t.Helper()
	c, err := k.ValidateSession(ctx, a.Tokens.Session)
	if err != nil {
		k.t.Fatal(err)
	}
	return c
}

func TestUP01_ReplaceNeedsTheOldPassword(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	a := k.signUpVerified(ann)
	replace := func(old, new usher.Secret) (*usher.Authentication, error) {
		return k.ReplacePassword(ctx, usher.ReplacePasswordParams{LoginID: ann, OldPassword: old, NewPassword: new}, home)
	}
	_, err := replace(otherPassword, thirdPassword)
	wantErr(t, err, usher.ErrInvalidCredentials)
	_, err = replace(otherPassword, "passwordpassword") // wrong old and weak new password: the same error
	wantErr(t, err, usher.ErrInvalidCredentials)
	k.wantEvents("authn_login_fail:wrong_password authn_login_fail:wrong_password")

	_, err = replace(goodPassword, "passwordpassword")
	wantPolicy(t, err, password.CodeCommon)
	k.wantEvents("")
	k.wantEmails("")
	if !k.isLive(a) {
		t.Fatal("a refused password ended the session")
	}
	k.wantPassword(ann, goodPassword, "passwordpassword")

	b, err := replace(goodPassword, otherPassword)
	if err != nil || !k.isLive(b) || k.isLive(a) {
		t.Fatal(b, err)
	}
}

// Wrong old passwords count as failed sign-ins, whatever the letter case of the
// login id.
func TestUP01_ReplaceCountsAsSignIn(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.importUser(ann)
	for i := range 5 {
		var err error
		if i < 3 {
			_, err = k.SignIn(ctx, usher.SignInParams{LoginID: ann, Password: otherPassword}, home)
		} else {
			in := usher.ReplacePasswordParams{LoginID: "ANN@EXAMPLE.COM", OldPassword: otherPassword, NewPassword: thirdPassword}
			_, err = k.ReplacePassword(ctx, in, home)
		}
		wantErr(t, err, usher.ErrInvalidCredentials)
	}
	hashes := k.Hashes()
	_, err := k.SignIn(ctx, usher.SignInParams{LoginID: ann, Password: otherPassword}, home)
	wantLimit(t, err)
	_, err = k.ReplacePassword(ctx, usher.ReplacePasswordParams{LoginID: ann, OldPassword: otherPassword, NewPassword: thirdPassword}, home)
	if l := wantLimit(t, err); l.RetryAfter != 30*time.Second {
		t.Fatalf("wait %s", l.RetryAfter)
	}
	if k.Hashes() != hashes {
		t.Fatal("a refused attempt was hashed")
	}
}

// A session that the client of a replacement already has ends, whichever user it
// belongs to.
func TestUP01_ReplaceEndsThePlantedSession(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	planted := k.signUp("mallory@example.com")
	k.signUp(ann)
	c := home
	c.SessionID = planted.Session.ID
	a := usher.Must(k.ReplacePassword(ctx, usher.ReplacePasswordParams{LoginID: ann, OldPassword: goodPassword, NewPassword: otherPassword}, c))
	if k.isLive(planted) || !k.isLive(a) || a.Session.ID == planted.Session.ID {
		t.Fatal("the previous session was adopted or is still live")
	}
}

func TestUP02_UpdateNeedsARecentSignIn(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	a := k.signUpVerified(ann)
	k.clock.add(4 * time.Minute)
	b := usher.Must(k.RefreshSession(ctx, a.Tokens.Refresh, home))
	k.clock.add(2 * time.Minute) // the sign-in is 6 minutes old, the refresh 2
	c := usher.Must(k.RefreshSession(ctx, b.Tokens.Refresh, home))
	k.events.reset()
	for name, claims := range map[string]*token.Claims{
		"session token": k.claims(c),
		"refresh token": usher.Must(k.ValidateRefresh(ctx, c.Tokens.Refresh)),
	} {
		_, err := k.UpdatePassword(ctx, claims, usher.UpdatePasswordParams{NewPassword: otherPassword}, home)
		t.Run(name, func(t *testing.T) { wantErr(t, err, usher.ErrRecentSignInRequired) })
	}
	k.wantEvents("")
	k.wantEmails("")
	_, err := k.UpdatePassword(ctx, k.claims(c), usher.UpdatePasswordParams{NewPassword: otherPassword, CurrentPassword: thirdPassword}, home)
	wantErr(t, err, usher.ErrInvalidCredentials)
	k.wantPassword(ann, goodPassword, otherPassword)

	d := k.signIn(ann, goodPassword, home)
	k.clock.add(time.Minute)
	usher.Must(k.UpdatePassword(ctx, k.claims(d), usher.UpdatePasswordParams{NewPassword: otherPassword}, home))
	k.wantPassword(ann, otherPassword, goodPassword)

	// An old sign-in together with the current password is accepted.
	e := k.signIn(ann, otherPassword, home)
	k.clock.add(9 * time.Minute)
	usher.Must(k.UpdatePassword(ctx, k.claims(e), usher.UpdatePasswordParams{NewPassword: thirdPassword, CurrentPassword: otherPassword}, home))
	k.wantPassword(ann, thirdPassword, otherPassword)
}

// Guesses at the current password count as sign-ins.
func TestUP02_CurrentPasswordIsThrottled(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	a := k.signUpVerified(ann)
	for range 5 {
		_, err := k.UpdatePassword(ctx, k.claims(a), usher.UpdatePasswordParams{NewPassword: otherPassword, CurrentPassword: thirdPassword}, home)
		wantErr(t, err, usher.ErrInvalidCredentials)
	}
	_, err := k.UpdatePassword(ctx, k.claims(a), usher.UpdatePasswordParams{NewPassword: otherPassword, CurrentPassword: goodPassword}, home)
	wantLimit(t, err)
	err = k.ChangeEmail(ctx, k.claims(a), usher.ChangeEmailParams{NewEmail: "x@example.com", CurrentPassword: goodPassword}, home)
	wantLimit(t, err)
	_, err = k.SignIn(ctx, usher.SignInParams{LoginID: ann, Password: goodPassword}, home)
	wantLimit(t, err)
}

func TestUP03_LoginIDMustBeTheUsersOwn(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	a, b := k.signUp(ann), k.signUp("bob@example.com")
	k.inbox()
	k.events.reset()
	for _, id := range []string{"bob@example.com", "nobody@example.com"} {
		_, err := k.UpdatePassword(ctx, k.claims(a), usher.UpdatePasswordParams{LoginID: id, NewPassword: otherPassword}, home)
		wantErr(t, err, usher.ErrForbidden)
	}
	k.wantEvents("authz_fail:login_id_of_another authz_fail:login_id_of_another")
	k.wantPassword(ann, goodPassword, otherPassword)
	k.wantPassword("bob@example.com", goodPassword, otherPassword)
	if !k.isLive(a) || !k.isLive(b) {
		t.Fatal("a refused change ended a session")
	}
	usher.Must(k.UpdatePassword(ctx, k.claims(a), usher.UpdatePasswordParams{LoginID: "ANN@EXAMPLE.com", NewPassword: otherPassword}, home))
}

func TestUP04_ChangeEndsOthersAndRenewsTheCaller(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	one := k.signUpVerified(ann)
	two := k.signIn(ann, goodPassword, home)
	k.events.reset()
	next := usher.Must(k.UpdatePassword(ctx, k.claims(one), usher.UpdatePasswordParams{NewPassword: otherPassword}, home))
	k.wantEvents("authn_password_change:update session_ended:password_changed")
	k.wantEnded(two)
	if next.Session.ID != one.Session.ID || next.Tokens.Refresh == one.Tokens.Refresh {
		t.Fatal("the caller's session must live on under another refresh token")
	}
	again := usher.Must(k.RefreshSession(ctx, next.Tokens.Refresh, home))
	if !k.isLive(again) {
		t.Fatal("the new refresh token does not serve")
	}
	// The old token has no grace time: its use counts as theft.
	k.events.reset()
	_, err := k.RefreshSession(ctx, one.Tokens.Refresh, home)
	wantErr(t, err, usher.ErrInvalidSession)
	k.wantEvents("authn_token_reuse session_ended:token_reused")
	k.wantEnded(again)
}

func TestUP05_ParallelChangesAreSerialised(t *testing.T) {
	t.Parallel()
	for name, instances := range map[string]int{"one instance": 1, "two instances": 2} {
		t.Run(name, func(t *testing.T) {
			k := newKit(t)
			k.signUpVerified(ann)
			kits := []*kit{k, k}
			if instances == 2 {
				kits[1] = k.secondInstance()
			}
			var won atomic.Int64
			var winner atomic.Pointer[usher.Secret]
			concurrently(10, func(i int) {
				pw := usher.Secret(fmt.Sprintf("password number %d of ten", i))
				a, err := kits[i%2].ReplacePassword(ctx, usher.ReplacePasswordParams{LoginID: ann, OldPassword: goodPassword, NewPassword: pw}, nth(i))
				switch {
				case err == nil:
					won.Add(1)
					winner.Store(&pw)
				case a != nil || err.Error() != usher.ErrInvalidCredentials.Error():
					t.Errorf("a loser got %v, %v", a, err)
				}
			})
			if won.Load() != 1 {
				t.Fatalf("%d replacements succeeded", won.Load())
			}
			k.wantPassword(ann, *winner.Load(), goodPassword)
		})
	}
}

// Of concurrent updates from two devices one wins, and the session of the other
// device ends.
func TestUP05_ParallelUpdates(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	a := k.signUpVerified(ann)
	claims := []*token.Claims{k.claims(a), k.claims(k.signIn(ann, goodPassword, home))}
	var won atomic.Int64
	concurrently(8, func(i int) {
		pw := usher.Secret(fmt.Sprintf("password number %d of eight", i))
		if _, err := k.UpdatePassword(ctx, claims[i%2], usher.UpdatePasswordParams{NewPassword: pw}, home); err == nil {
			won.Add(1)
		}
	})
	if won.Load() == 0 {
		t.Fatal("no call succeeded")
	}
	account := usher.Must(k.store.Account(ctx, a.User.ID))
	if got := account.Password.Version; got != 1+won.Load() {
		t.Fatalf("version %d after %d changes", got, won.Load())
	}
	if list := usher.Must(k.store.UserSessions(ctx, a.User.ID, k.clock.now())); len(list) != 1 {
		t.Fatalf("%d sessions are left", len(list))
	}
}

// An expired password in another Unicode normal form is the same password.
func TestPO04_AnExpiredPasswordDoesNotComeBackInAnotherForm(t *testing.T) {
	const composed, apart = "café otter sings low", "cafe\u0301 otter sings low"
	k := newKit(t)
	a := k.signUp("ann@example.com")
	if err := k.Operator("test").SetPassword(ctx, a.User.ID, composed, true); err != nil {
		t.Fatal(err)
	}
	wantPolicy(t, k.replace("ann@example.com", composed, apart), password.CodeReused)
	wantPolicy(t, k.replace("ann@example.com", apart, composed), password.CodeReused)
	if err := k.replace("ann@example.com", apart, thirdPassword); err != nil {
		t.Fatal(err)
	}
}

// After a compromise the attacker has the password, a session, a known browser and
// perhaps a pending change of address. Only the mailbox counts.
func TestPO07_AfterACompromiseOnlyTheMailboxCounts(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	a := k.signUpVerified(ann)
	thief := usher.Must(k.SignIn(ctx, usher.SignInParams{LoginID: ann, Password: goodPassword}, home))
	in := usher.ChangeEmailParams{NewEmail: "thief@evil.test", CurrentPassword: goodPassword}
	if err := k.ChangeEmail(ctx, k.claims(thief), in, home); err != nil {
		t.Fatal(err)
	}
	var moved usher.Secret
	for _, m := range k.wantEmails("change_email email_changing") { // in any order
		if m.Kind == usher.MessageChangeEmail {
			moved = tokenIn(t, m)
		}
	}
	k.clock.add(time.Second)
	if err := k.Operator("ops:bob").RequireReset(ctx, a.User.ID); err != nil {
		t.Fatal(err)
	}
	if k.isLive(a) || k.isLive(thief) {
		t.Error("a session goes on")
	}
	known := home
	known.Device = thief.Device
	wantErr(t, k.trySignIn(ann, goodPassword, known), usher.ErrInvalidCredentials)
	wantErr(t, k.replace(ann, goodPassword, otherPassword), usher.ErrInvalidCredentials)
	_, err := k.confirm(moved, known)
	wantErr(t, err, usher.ErrInvalidToken)

	raw := k.resetToken(ann, usher.MessageResetPassword)
	_, err = k.ResetPassword(ctx, usher.ResetPasswordParams{Token: raw, NewPassword: goodPassword}, nth(1))
	wantPolicy(t, err, password.CodeReused)
	usher.Must(k.ResetPassword(ctx, usher.ResetPasswordParams{Token: raw, NewPassword: otherPassword}, nth(1)))
	k.signIn(ann, otherPassword, home)
	// The browser that the thief made known is an unknown one.
	for i := range 5 {
		wantErr(t, k.trySignIn(ann, usher.Secret(fmt.Sprint("a wrong password ", i)), known), usher.ErrInvalidCredentials)
	}
	wantLimit(t, k.trySignIn(ann, otherPassword, home)) // they counted for the network
	wantErr(t, k.Operator("ops:bob").RequireReset(ctx, "nobody"), usher.ErrNotFound)
}

// A user who signed up with another person's address cannot flood it by changing the
// password, and cannot fill the outbox that way.
func TestML04_ChangesOfPasswordAreNoMailBomb(t *testing.T) {
	t.Parallel()
	for _, proven := range []bool{false, true} {
		k := newKit(t)
		in := usher.SignUpParams{LoginID: "mallory", Email: "victim@example.com", Password: goodPassword}
		a := usher.Must(k.SignUp(ctx, in, home))
		most := 5
		if proven {
			most = 25
			usher.Must(k.confirm(tokenIn(t, k.lastEmail(usher.MessageVerifyEmail)), home))
		}
		current := usher.Secret(goodPassword)
		for i := range 30 {
			in := usher.UpdatePasswordParams{NewPassword: usher.Secret(fmt.Sprint("a password with the number ", i))}
			if i%3 != 0 {
				in.CurrentPassword = current
			}
			_, err := k.UpdatePassword(ctx, k.claims(a), in, home)
			if err != nil {
				wantLimit(t, err)
				continue
			}
			current = in.NewPassword
		}
		if n := len(k.inbox()); n > most || n < 4 {
			t.Errorf("%d emails within an hour, want at most %d (proven: %v)", n, most, proven)
		}
	}
}
