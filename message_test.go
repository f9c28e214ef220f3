package usher_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/password"
	"github.com/usherkit/usher/store/memory"
)

// withLanguage returns the client with that language.
func withLanguage(c usher.Client, language string) usher.Client {
	c.Language = language
	return c
}

// wantLanguage fails unless the next emails to ann are of these kinds and in that
// language.
func (k *kit) wantLanguage(kinds, language string) {
	k.t.Helper()
	for _, m := range k.wantEmails(kinds) {
		if m.To == ann && m.Language != language {
			k.t.Errorf("the %s email is in %q, want %q", m.Kind, m.Language, language)
		}
	}
}

// Emails are in the language of the owner of the account, whichever client caused
// them.
func TestEmailsAreInTheUsersLanguage(t *testing.T) {
	t.Parallel()
	k := newKit(t, func(c *usher.Config) { c.Limits.Emails = 100 })
	owner := withLanguage(from("203.0.113.9"), "de-AT,de;q=0.9")
	usher.Must(k.SignUp(ctx, usher.SignUpParams{LoginID: ann, Password: goodPassword}, owner))
	usher.Must(k.confirm(tokenIn(t, k.lastEmail(usher.MessageVerifyEmail)), owner))
	k.wantLanguage("verify_email", owner.Language)
	m := k.signUpVerified(mallory)

	other := withLanguage(home, "he")
	k.requestReset(ann, other)
	k.wantLanguage("reset_password", owner.Language)
	if err := k.ChangeEmail(ctx, k.claims(m), usher.ChangeEmailParams{NewEmail: ann, CurrentPassword: goodPassword}, other); err != nil {
		t.Fatal(err)
	}
	k.wantLanguage("already_registered email_changing", owner.Language)
	for range 5 {
		wantErr(t, k.trySignIn(ann, otherPassword, other), usher.ErrInvalidCredentials)
	}
	k.clock.add(time.Hour)
	thief := k.signIn(ann, goodPassword, other)
	k.wantLanguage("sign_in_notice", owner.Language)
	if err := k.ChangeEmail(ctx, k.claims(thief), usher.ChangeEmailParams{NewEmail: "x@example.com", CurrentPassword: goodPassword}, other); err != nil {
		t.Fatal(err)
	}
	k.wantLanguage("change_email email_changing", owner.Language)
	usher.Must(k.UpdatePassword(ctx, k.claims(thief), usher.UpdatePasswordParams{NewPassword: otherPassword}, other))
	k.wantLanguage("password_changed", owner.Language)

	// A known browser may change it.
	owner.Language = "fr"
	a := k.signIn(ann, otherPassword, owner)
	owner.Device = a.Device
	k.signIn(ann, otherPassword, owner)
	k.requestReset(ann, other)
	k.wantLanguage("reset_password", "fr")
	if u := usher.Must(k.Operator("test").User(ctx, a.User.ID)); u.Language != "fr" {
		t.Errorf("the user's language is %q", u.Language)
	}
}

// A user without a known language gets links in the language of the requesting
// client and notices in the default language of the Mailer, and keeps the language
// of the first sign-in.
func TestEmailsToUsersWithoutALanguage(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.importUser(ann)
	c := withLanguage(home, "es")
	k.requestReset(ann, c)
	k.wantLanguage("reset_password", "es")
	u := usher.Must(k.Operator("test").UserByLoginID(ctx, ann))
	if err := k.Operator("test").SetPassword(ctx, u.ID, goodPassword, false); err != nil {
		t.Fatal(err)
	}
	k.wantLanguage("password_changed", "")
	k.signIn(ann, goodPassword, c)
	k.requestReset(ann, withLanguage(nth(1), "he"))
	k.wantLanguage("reset_password", "es")
}

// The language of the client that proves the mailbox replaces that of an earlier
// squatter.
func TestEV03_TheLanguageOfASquatterIsDropped(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	usher.Must(k.SignUp(ctx, usher.SignUpParams{LoginID: ann, Password: otherPassword}, withLanguage(home, "he")))
	k.wantEmails("verify_email")
	owner := withLanguage(nth(1), "de")
	k.requestReset(ann, owner)
	links := k.wantEmails("confirm_and_reset")
	if links[0].Language != "de" {
		t.Errorf("the link is in %q", links[0].Language)
	}
	usher.Must(k.ResetPassword(ctx, usher.ResetPasswordParams{Token: tokenIn(t, links[0]), NewPassword: thirdPassword}, owner))
	k.wantLanguage("password_changed", "de")
	if u := usher.Must(k.Operator("test").UserByLoginID(ctx, ann)); u.Language != "de" {
		t.Errorf("the user's language is %q", u.Language)
	}
}

// A message carries the language of the requesting client, cut and without control
// characters.
func TestMessagesCarryTheClientsLanguage(t *testing.T) {
	k := newKit(t)
	c := usher.Client{Language: "de-AT\r\n,en;q=0.5" + strings.Repeat(",x", 200)}
	if _, err := k.SignUp(ctx, usher.SignUpParams{LoginID: "ann@example.com", Password: goodPassword}, c); err != nil {
		t.Fatal(err)
	}
	m := k.lastEmail(usher.MessageVerifyEmail)
	if !strings.HasPrefix(m.Language, "de-AT,en;q=0.5,x") || len(m.Language) > 128 {
		t.Errorf("language %q", m.Language)
	}
}

// An email states the full lifetime of its link, not a minute or an hour less,
// although time passes while it is made.
func TestEmailsStateTheLifetimeOfTheirLink(t *testing.T) {
	clock := newClock()
	k := newKitOn(t, memory.New(), clock, func(c *usher.Config) {
		c.Now = func() time.Time {
			clock.add(time.Millisecond)
			return clock.now()
		}
	})
	a := k.signUp(ann)
	k.requestReset(ann, home)
	if err := k.SendEmailVerification(ctx, k.claims(a), home); err != nil {
		t.Fatal(err)
	}
	all := k.inbox()
	bob := k.signUpVerified("bob@example.com")
	k.requestReset("bob@example.com", home)
	in := usher.ChangeEmailParams{NewEmail: "bobby@example.com", CurrentPassword: goodPassword}
	if err := k.ChangeEmail(ctx, k.claims(bob), in, home); err != nil {
		t.Fatal(err)
	}
	withLink := map[usher.MessageKind]int{}
	for _, m := range append(all, k.inbox()...) {
		if m.Link == "" {
			continue
		}
		withLink[m.Kind]++
		want := 24 * time.Hour
		if m.Kind == usher.MessageResetPassword || m.Kind == usher.MessageConfirmAndReset {
			want = 10 * time.Minute
		}
		if lifetime := m.ExpiresAt.Sub(m.At); lifetime != want {
			t.Errorf("%s: %s, want %s", m.Kind, lifetime, want)
		}
	}
	if len(withLink) != 4 {
		t.Errorf("emails with links: %v", withLink)
	}
}

// Every email has the name of the program.
// A lock notifies the owner once a day, at a confirmed address, in the background, so
// that the attempt itself does the same work as any other.
func TestSI13_TheOwnerIsNotifiedOfALock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := newInstance(t, memory.New(), func(c *usher.Config) { c.Password.LockAttempts = 3 })
		known := home
		known.Device = k.signUpVerified(ann).Device
		k.signUp(mallory) // unverified
		k.wantEmails("verify_email")
		lock := func(loginID string, first int) {
			for i := range 4 {
				_ = k.trySignIn(loginID, otherPassword, nth(first+i))
			}
			time.Sleep(time.Second)
		}
		lock(mallory, 0)
		lock("nobody@example.com", 10)
		k.wantEmails("")
		lock(ann, 20)
		if m := k.wantEmails("password_locked")[0]; m.To != ann || m.Link != "" || m.Address != nth(22).Address.String() {
			t.Errorf("the email is %+v", m)
		}
		// The owner ends the lock, and the attacker repeats it.
		k.signIn(ann, goodPassword, known)
		lock(ann, 30)
		k.wantEmails("")
		time.Sleep(25 * time.Hour)
		k.signIn(ann, goodPassword, known)
		lock(ann, 40)
		k.wantEmails("password_locked")
	})
}

func TestMessagesNameTheProgram(t *testing.T) {
	for want, change := range map[string]func(*usher.Config){
		"My app":      func(c *usher.Config) { c.Name = "My app" },
		"app.example": func(c *usher.Config) { c.BaseURL = "https://app.example:8443" },
	} {
		k := newKit(t, change)
		k.signUp(ann)
		if m := k.lastEmail(usher.MessageVerifyEmail); m.Name != want || k.Name() != want {
			t.Errorf("the message has the name %q, the service %q, want %q", m.Name, k.Name(), want)
		}
	}
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
			next, err := k.UpdatePassword(ctx, k.claims(a), in, home)
			if err != nil {
				wantLimit(t, err)
				continue
			}
			a, current = next, in.NewPassword // the session is a new one
		}
		if n := len(k.inbox()); n > most || n < 4 {
			t.Errorf("%d emails within an hour, want at most %d (proven: %v)", n, most, proven)
		}
	}
}

// The password that an operator has made useless does not come back by a link to an
// address that was never confirmed, in one step or in two.
func TestPO07_AnUnconfirmedAddressDoesNotBringThePasswordBack(t *testing.T) {
	t.Parallel()
	for name, set := range map[string]func(k *kit, raw usher.Secret) func(pw usher.Secret) error{
		"in one step": func(k *kit, raw usher.Secret) func(pw usher.Secret) error {
			return func(pw usher.Secret) error {
				return errOf(k.ResetPassword(ctx, usher.ResetPasswordParams{Token: raw, NewPassword: pw}, home))
			}
		},
		"in two steps": func(k *kit, raw usher.Secret) func(pw usher.Secret) error {
			claims := usher.Must(k.ValidateReset(ctx, usher.Must(k.VerifyReset(ctx, raw, home)).Token))
			return func(pw usher.Secret) error {
				return errOf(k.UpdatePassword(ctx, claims, usher.UpdatePasswordParams{NewPassword: pw}, home))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKit(t)
			a := k.signUp(ann)
			k.wantEmails("verify_email")
			if err := k.Operator("test").RequireReset(ctx, a.User.ID); err != nil {
				t.Fatal(err)
			}
			try := set(k, k.resetToken(ann, usher.MessageConfirmAndReset))
			wantPolicy(t, try(goodPassword), password.CodeReused)
			wantErr(t, k.trySignIn(ann, goodPassword, home), usher.ErrInvalidCredentials)
			if err := try(otherPassword); err != nil {
				t.Fatal(err)
			}
			k.wantPassword(ann, otherPassword, goodPassword)
		})
	}
}

// An attacker who has guessed the password after failures could otherwise keep the owner from
// the notice, by requests that send emails to the address.
func TestSI09_OtherEmailsDoNotHideTheNotice(t *testing.T) {
	t.Parallel()
	k := newKit(t, func(c *usher.Config) { c.ConfirmFirst = true })
	k.signUpConfirmed(ann)
	k.inbox()
	for i := range 20 {
		usher.Must(k.Service.SignUp(ctx, usher.SignUpParams{LoginID: ann, Password: otherPassword}, nth(i)))
	}
	if got := k.emailKinds(); !strings.Contains(got, "already_registered") {
		t.Fatalf("the emails are %s", got)
	}
	for i := range 5 {
		k.failSignIn(ann, nth(100+i))
	}
	k.signIn(ann, goodPassword, nth(200))
	k.lastEmail(usher.MessageSignInNotice)
}

// An attempt that is being checked counts as a failure, so that guesses at the same time as
// the right one are noticed. Many right ones at once must not fill the mailbox.
func TestSI09_ManySignInsAtOnceCauseThreeNotices(t *testing.T) {
	t.Parallel()
	k := newKit(t, func(c *usher.Config) { c.Limits.Emails = 1000 })
	k.signUpVerified(ann)
	other := k.secondInstance()
	concurrently(64, func(i int) { []*kit{k, other}[i%2].signIn(ann, goodPassword, nth(i)) })
	notices := func() (n int) {
		for _, m := range append(k.inbox(), other.inbox()...) {
			if m.Kind == usher.MessageSignInNotice {
				n++
			}
		}
		return n
	}
	if n := notices(); n > 3 {
		t.Errorf("%d notices of 64 sign-ins", n)
	}
	for hour, want := range []int{3, 6} {
		for round := range 4 {
			for i := range 5 {
				k.failSignIn(ann, nth(100*(hour*4+round+1)+i))
			}
			k.signIn(ann, goodPassword, home)
		}
		if n := notices(); n != want {
			t.Errorf("%d notices in hour %d, want %d", n, hour, want)
		}
		k.clock.add(time.Hour + time.Second)
	}
}

// A lock is reported although no attempt made it: operators have lowered the limit, or the
// attempt that would have made it was given up while later ones were counted.
func TestSI13_ALockThatNoAttemptMadeIsReported(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := newInstance(t, memory.New())
		k.signUpVerified(ann)
		k.signUp(mallory) // unverified
		k.wantEmails("verify_email")
		for i := range 30 {
			k.failSignIn(ann, nth(i))
			k.failSignIn(mallory, nth(30+i))
		}
		ops := k.Operator("ops")
		p := usher.Must(ops.PasswordSettings(ctx))
		p.LockAttempts = 10
		usher.Must(ops.SetPasswordSettings(ctx, p))
		k.events.reset()
		for i := range 20 {
			k.failSignIn(ann, nth(100+i))
			k.failSignIn(mallory, nth(130+i))
			time.Sleep(time.Second)
		}
		k.wantEmails("password_locked")
		if n := k.events.count(usher.EventPasswordLocked); n != 2 {
			t.Errorf("%d events, want one for each account", n)
		}
		if n := len(usher.Must(ops.Events(ctx, usher.EventQuery{Name: usher.EventPasswordLocked})).Events); n != 2 {
			t.Errorf("%d rows, want one for each account", n)
		}
	})
}
