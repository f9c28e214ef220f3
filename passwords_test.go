package usher_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/password"
	"github.com/usherkit/usher/store/memory"
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
	k.wantEvents("session_created:update authn_password_change:update session_ended:password_changed session_ended:password_changed")
	k.wantEnded(two)
	k.wantEnded(one)
	if next.Session.ID == one.Session.ID {
		t.Fatal("the session of the caller kept its id")
	}
	list := usher.Must(k.Sessions(ctx, k.claims(next)))
	if len(list) != 1 || list[0].ID != next.Session.ID {
		t.Fatalf("the sessions are %+v", list)
	}
	// The use of the old refresh token does no harm to the new session.
	_, err := k.RefreshSession(ctx, one.Tokens.Refresh, home)
	wantErr(t, err, usher.ErrInvalidSession)
	if again := usher.Must(k.RefreshSession(ctx, next.Tokens.Refresh, home)); !k.isLive(again) {
		t.Fatal("the new refresh token does not work")
	}
}

// A thief has the session token of the owner. The owner changes the password on one
// instance.
func TestUP06_AStolenSessionTokenEndsWithTheChange(t *testing.T) {
	t.Parallel()
	for name, in := range map[string]usher.UpdatePasswordParams{
		"by a recent sign-in":  {NewPassword: otherPassword},
		"by the old password":  {NewPassword: otherPassword, CurrentPassword: goodPassword},
		"without any rotation": {NewPassword: otherPassword},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k, elsewhere := twoInstances(t, func(c *usher.Config) { c.Sessions.KeepRefreshToken = name == "without any rotation" })
				owner := k.signUp(ann)
				stolen := usher.Must(elsewhere.ValidateSession(ctx, owner.Tokens.Session))
				next := usher.Must(k.UpdatePassword(ctx, k.claims(owner), in, home))
				if !strings.Contains(string(k.Revocations()), owner.Session.ID) {
					t.Error("the list for other verifiers does not name the old session")
				}
				_, err := elsewhere.UpdatePassword(ctx, stolen, usher.UpdatePasswordParams{NewPassword: thirdPassword}, nth(1))
				wantErr(t, err, usher.ErrInvalidSession)
				k.wantEnded(owner)
				time.Sleep(1100 * time.Millisecond) // the bubble's clock
				elsewhere.wantEnded(owner)
				if !k.isLive(next) || !elsewhere.isLive(usher.Must(elsewhere.RefreshSession(ctx, next.Tokens.Refresh, home))) {
					t.Error("the owner does not go on")
				}
			})
		})
	}
}

// Without the current password the new session ends when the old one would have, and its
// sign-in is as old.
func TestUP06_OnlyThePasswordExtendsTheSession(t *testing.T) {
	t.Parallel()
	k := newKit(t, func(c *usher.Config) { c.Sessions.Absolute = time.Hour })
	a := k.signUp(ann)
	start := k.clock.now()
	k.clock.add(4 * time.Minute)
	b := usher.Must(k.UpdatePassword(ctx, k.claims(a), usher.UpdatePasswordParams{NewPassword: otherPassword}, usher.Client{}))
	authTime := int64(payload(t, b.Tokens.Session)["auth_time"].(float64))
	if s := b.Session; !s.CreatedAt.Equal(start) || !s.ExpiresAt.Equal(start.Add(time.Hour)) || !s.IdleExpiresAt.Equal(s.ExpiresAt) || authTime != start.Unix() {
		t.Errorf("by a recent sign-in: %+v, auth_time %d", s, authTime)
	}
	if s := b.Session; s.UserAgent != home.UserAgent || s.Address != home.Address.String() || !s.LastSeenAt.Equal(k.clock.now()) {
		t.Errorf("the device is %+v", s)
	}
	k.clock.add(2 * time.Minute)
	_, err := k.UpdatePassword(ctx, k.claims(b), usher.UpdatePasswordParams{NewPassword: thirdPassword}, home)
	wantErr(t, err, usher.ErrRecentSignInRequired)

	in := usher.UpdatePasswordParams{NewPassword: thirdPassword, CurrentPassword: otherPassword}
	c := usher.Must(k.UpdatePassword(ctx, k.claims(b), in, home))
	now := k.clock.now()
	authTime = int64(payload(t, c.Tokens.Session)["auth_time"].(float64))
	if s := c.Session; !s.CreatedAt.Equal(now) || !s.ExpiresAt.Equal(now.Add(time.Hour)) || authTime != now.Unix() {
		t.Errorf("by the password: %+v, auth_time %d", s, authTime)
	}

	// A password does not prove what other methods have proven.
	d := usher.Must(k.StartSession(ctx, a.User.ID, usher.Proof{Methods: []string{"hwk", "user"}, At: now}, home))
	k.clock.add(time.Minute)
	in = usher.UpdatePasswordParams{NewPassword: goodPassword, CurrentPassword: thirdPassword}
	e := usher.Must(k.UpdatePassword(ctx, k.claims(d), in, home))
	if s := e.Session; !s.CreatedAt.Equal(now) || !s.ExpiresAt.Equal(d.Session.ExpiresAt) || fmt.Sprint(s.AMR) != "[hwk user]" {
		t.Errorf("after other methods: %+v", s)
	}
}

// A session that ended meanwhile changes no password.
func TestUP06_AnEndedSessionChangesNothing(t *testing.T) {
	t.Parallel()
	st := &afterSessionRead{Store: memory.New()}
	k := newKitOn(t, st, newClock())
	a := k.signUp(ann)
	b := k.signIn(ann, goodPassword, home)
	claims, mine := k.claims(a), k.claims(b)
	st.session = func() {
		if err := k.RevokeSession(ctx, mine, a.Session.ID, home); err != nil {
			t.Error(err)
		}
	}
	_, err := k.UpdatePassword(ctx, claims, usher.UpdatePasswordParams{NewPassword: otherPassword}, nth(1))
	wantErr(t, err, usher.ErrInvalidSession)
	if !k.isLive(b) {
		t.Error("the other session has ended")
	}
	k.wantPassword(ann, goodPassword, otherPassword)
}

// Of 64 changes by one session on two instances one wins, and only its session is left.
func TestUP06_OneOfManyChangesByASessionGoesOn(t *testing.T) {
	t.Parallel()
	loopback := func(c *usher.Config) { c.BaseURL, c.InsecureNoThrottle = "http://localhost", true }
	k := newKit(t, loopback)
	kits := []*kit{k, k.secondInstance()}
	a := k.signUp(ann)
	claims := k.claims(a)
	var mu sync.Mutex
	var won []*usher.Authentication
	concurrently(64, func(i int) {
		in := usher.UpdatePasswordParams{NewPassword: usher.Secret(fmt.Sprintf("password number %d of many", i))}
		if i%4 == 0 {
			in.CurrentPassword = goodPassword
		}
		next, err := kits[i%2].UpdatePassword(ctx, claims, in, nth(i))
		if err == nil {
			mu.Lock()
			defer mu.Unlock()
			won = append(won, next)
		}
	})
	if len(won) != 1 || !k.isLive(won[0]) || k.isLive(a) {
		t.Fatalf("%d changes won", len(won))
	}
	if list := usher.Must(k.store.UserSessions(ctx, a.User.ID, k.clock.now())); len(list) != 1 || list[0].ID != won[0].Session.ID {
		t.Fatalf("the sessions are %+v", list)
	}
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
