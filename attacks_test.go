package usher_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/memory"
)

const mallory = "mallory@example.com"

// between is a Store in which something happens right after a session was read.
type between struct {
	store.Store
	session func()
}

func (b *between) Session(ctx context.Context, id string) (store.SessionRecord, error) {
	s, err := b.Store.Session(ctx, id)
	if do := b.session; do != nil {
		b.session = nil
		do()
	}
	return s, err
}

// A refresh token that was exchanged opens nothing, also where it is shown and not
// exchanged: a thief who kept an old one is not let in by the side door.
func TestSE05_AnExchangedRefreshTokenOpensNothing(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	a := k.signUp(ann)
	old := usher.Must(k.ValidateRefresh(ctx, a.Tokens.Refresh))
	b := usher.Must(k.RefreshSession(ctx, a.Tokens.Refresh, home))
	if _, _, err := k.Me(ctx, old); err != nil {
		t.Fatalf("within the grace time: %v", err)
	}
	k.clock.add(10 * time.Second)
	_, _, err := k.Me(ctx, old)
	wantErr(t, err, usher.ErrInvalidSession)
	_, err = k.UpdatePassword(ctx, old, usher.UpdatePassword{NewPassword: otherPassword}, home)
	wantErr(t, err, usher.ErrInvalidSession)

	current := usher.Must(k.ValidateRefresh(ctx, b.Tokens.Refresh))
	c := usher.Must(k.UpdatePassword(ctx, current, usher.UpdatePassword{NewPassword: otherPassword}, home))
	_, _, err = k.Me(ctx, current)
	wantErr(t, err, usher.ErrInvalidSession) // the change has renewed it, without grace
	if _, _, err := k.Me(ctx, usher.Must(k.ValidateRefresh(ctx, c.Tokens.Refresh))); err != nil {
		t.Fatal(err)
	}
}

// The owner's change of password comes between the two reads of an act in a reset
// session: it stands.
func TestRS12_AChangeMeanwhileEndsTheResetSession(t *testing.T) {
	t.Parallel()
	store := &between{Store: memory.New()}
	k := newKitOn(t, store, newClock())
	k.signUpVerified(ann)
	reset := usher.Must(k.VerifyReset(ctx, k.resetToken(ann, usher.MessageResetPassword), home))
	claims := usher.Must(k.ValidateReset(ctx, reset.Token.Reveal()))
	store.session = func() {
		usher.Must(k.ReplacePassword(ctx, usher.ReplacePassword{LoginID: ann, OldPassword: goodPassword, NewPassword: otherPassword}, home))
	}
	if _, err := k.UpdatePassword(ctx, claims, usher.UpdatePassword{NewPassword: thirdPassword}, home); err == nil {
		t.Error("the reset session has set a password after the owner had")
	}
	k.signIn(ann, otherPassword, home)
}

// A reset session is worth as much as the link that it came of.
func TestRS09_AResetSessionDiesWithTheAddress(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*kit, *usher.Authentication){
		"by the user": func(k *kit, a *usher.Authentication) {
			in := usher.ChangeEmail{NewEmail: "new@example.com", CurrentPassword: goodPassword}
			if err := k.ChangeEmail(ctx, k.claims(a), in, home); err != nil {
				k.t.Fatal(err)
			}
			for _, m := range k.inbox() {
				if m.Kind == usher.MessageChangeEmail {
					usher.Must(k.confirm(tokenIn(k.t, m), home))
				}
			}
		},
		"by an operator": func(k *kit, a *usher.Authentication) {
			address := &usher.EmailAddress{Address: "new@example.com", Verified: true}
			usher.Must(k.UpdateUser(ctx, a.User.ID, usher.UserPatch{Email: address}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := newKit(t)
			a := k.signUpVerified(ann)
			reset := usher.Must(k.VerifyReset(ctx, k.resetToken(ann, usher.MessageResetPassword), home))
			change(k, a)
			claims := usher.Must(k.ValidateReset(ctx, reset.Token.Reveal()))
			_, err := k.UpdatePassword(ctx, claims, usher.UpdatePassword{NewPassword: otherPassword}, home)
			wantErr(t, err, usher.ErrInvalidSession)
			if !k.alive(a) {
				t.Error("a full session ended as well")
			}
		})
	}
}

// A token that was issued for an hour stays revoked for an hour, whatever the
// lives of tokens are where and when its session ends.
func TestSE06_RevocationsOutliveTokensOfLongerLives(t *testing.T) {
	t.Parallel()
	store, c := memory.New(), newClock()
	before := newKitOn(t, store, c, func(c *usher.Config) { c.Sessions.TokenLife = time.Hour })
	a := before.signUp(ann)
	after := newKitOn(t, store, c)
	if err := after.SignOut(ctx, after.claims(a), home); err != nil {
		t.Fatal(err)
	}
	c.add(20 * time.Minute)
	if _, err := store.DeleteExpired(ctx, c.now(), time.Time{}, 1000); err != nil {
		t.Fatal(err)
	}
	later := newKitOn(t, store, c)
	if _, err := later.ValidateSession(ctx, a.Tokens.Session.Reveal()); err == nil {
		t.Error("a token of a session that has ended is accepted again")
	}
}

// Who names a stranger's address at sign-up cannot flood it by changing the own
// password, and nobody can fill the outbox that way.
func TestML04_ChangesOfPasswordAreNoMailBomb(t *testing.T) {
	t.Parallel()
	for _, proven := range []bool{false, true} {
		k := newKit(t)
		in := usher.SignUp{LoginID: "mallory", Email: "victim@example.com", Password: goodPassword}
		a := usher.Must(k.SignUp(ctx, in, home))
		most := 5
		if proven {
			most = 25
			usher.Must(k.confirm(tokenIn(t, k.lastMail(usher.MessageVerifyEmail)), home))
		}
		for i := range 30 {
			in := usher.UpdatePassword{NewPassword: usher.Secret(fmt.Sprint("a password with the number ", i))}
			usher.Must(k.UpdatePassword(ctx, k.claims(a), in, home))
		}
		if n := len(k.inbox()); n > most || n < 4 {
			t.Errorf("%d mails within an hour, want at most %d (proven: %v)", n, most, proven)
		}
	}
}

// Neither the caller's mailbox nor the number of changes that can be asked for
// tells whether an address is somebody's login id.
func TestEV05_AChangeOfAddressTellsNobodyWhoHasAnAccount(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(*kit){
		"free":     func(*kit) {},
		"verified": func(k *kit) { k.signUpVerified("victim@example.com") },
		"unverified": func(k *kit) {
			usher.Must(k.ImportUser(ctx, usher.UserImport{LoginIDs: []string{"victim@example.com"}}))
		},
		"disabled": func(k *kit) {
			usher.Must(k.ImportUser(ctx, usher.UserImport{LoginIDs: []string{"victim@example.com"}, EmailVerified: true, Disabled: true}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := newKit(t)
			prepare(k)
			a := k.signUpVerified(mallory)
			for i, to := range []string{"victim@example.com", "own1@example.com", "own2@example.com", "own3@example.com"} {
				err := k.ChangeEmail(ctx, k.claims(a), usher.ChangeEmail{NewEmail: to, CurrentPassword: goodPassword}, home)
				if i == 3 {
					if l := wantLimit(t, err); l.Limit != "links" || l.RetryAfter != time.Hour {
						t.Errorf("the limit is %+v", l)
					}
				} else if err != nil {
					t.Fatal(err)
				}
			}
			got := map[string]int{}
			for _, m := range k.inbox() {
				got[m.To]++
			}
			if got[mallory] != 3 || got["own1@example.com"] != 1 || got["own2@example.com"] != 1 || got["own3@example.com"] != 0 {
				t.Errorf("mails are %v, want 3 notices and the two links", got)
			}
			if name == "disabled" && got["victim@example.com"] != 0 {
				t.Error("a disabled user got mail")
			}
		})
	}
}

// That an address had too many mails tells that somebody asked for them: only who
// has asked for too many himself is told of a limit.
func TestEV05_NobodyLearnsWhatMailAnAddressGets(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	const victim = "victim@example.com"
	for i := range 6 {
		usher.Must(k.SignUp(ctx, usher.SignUp{LoginID: fmt.Sprint("user", i), Email: victim, Password: goodPassword}, nth(i)))
	}
	if n := len(k.wantMail("verify_email verify_email verify_email verify_email")); n != 4 {
		t.Fatalf("%d mails", n)
	}
	squatter := usher.Must(k.SignUp(ctx, usher.SignUp{LoginID: "squatter", Email: victim, Password: goodPassword}, nth(7)))
	a := k.signUpVerified(mallory)
	k.events.reset()
	for range 3 {
		if err := k.SendEmailVerification(ctx, k.claims(squatter), home); err != nil {
			t.Errorf("an address that is not proven: %v", err)
		}
		in := usher.ChangeEmail{NewEmail: victim, CurrentPassword: goodPassword}
		if err := k.ChangeEmail(ctx, k.claims(a), in, home); err != nil {
			t.Errorf("a new address: %v", err)
		}
		if got := usher.Must(k.PendingEmail(ctx, a.User.ID)).Address; got != victim {
			t.Errorf("%q is pending", got)
		}
	}
	k.wantMail("email_changing email_changing email_changing")
}

// Mail of other kinds to an address, which anyone can cause, does not use up the
// owner's reset.
func TestSI04_StrangersCannotKeepTheResetMailAway(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.imported(ann)
	for i := range 6 {
		in := usher.SignUp{LoginID: fmt.Sprint("mallory", i), Email: ann, Password: goodPassword}
		usher.Must(k.SignUp(ctx, in, nth(1)))
	}
	k.resetToken(ann, usher.MessageResetPassword)
	if n := len(k.inbox()); n > 5 {
		t.Errorf("%d mails", n)
	}
}

// What a signed-in user can repeat for nothing fills no audit trail.
func TestLM04_RepeatedRequestsDoNotFloodTheAuditTrail(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	a := k.signUp(mallory)
	claims := k.claims(a)
	for i := range 100 {
		err := k.SendEmailVerification(ctx, claims, home)
		if i < 3 && err != nil {
			t.Fatal(err)
		} else if i >= 3 {
			wantLimit(t, err)
		}
		_, err = k.UpdatePassword(ctx, claims, usher.UpdatePassword{LoginID: ann, NewPassword: otherPassword}, home)
		wantErr(t, err, usher.ErrForbidden)
	}
	if n := len(usher.Must(k.Events(ctx, usher.EventQuery{Limit: 1000}))); n > 12 {
		t.Errorf("%d rows", n)
	}
	if n := k.events.count(usher.EventForbidden); n != 100 {
		t.Errorf("the hook heard of %d refusals, want each", n)
	}
}
