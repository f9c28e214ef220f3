package usher_test

import (
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/storetest"
)

// The language of who asks travels with the mail, cut and without control
// characters.
func TestMailsKnowTheReadersLanguage(t *testing.T) {
	k := newKit(t)
	c := usher.Client{Language: "de-AT\r\n,en;q=0.5" + strings.Repeat(",x", 200)}
	if _, err := k.SignUp(ctx, usher.SignUp{LoginID: "ann@example.com", Password: goodPassword}, c); err != nil {
		t.Fatal(err)
	}
	m := k.lastMail(usher.MessageVerifyEmail)
	if !strings.HasPrefix(m.Language, "de-AT,en;q=0.5,x") || len(m.Language) > 128 {
		t.Errorf("language %q", m.Language)
	}
}

// A clock goes on while a mail is made: it says all the same how long its link
// works, and not a minute or an hour less.
func TestMailsTellTheWholeLifeOfTheirLink(t *testing.T) {
	clock := newClock()
	k := newKitOn(t, storetest.NewMemory(), clock, func(c *usher.Config) {
		c.Now = func() time.Time {
			clock.add(time.Millisecond)
			return clock.now()
		}
	})
	a := k.signUp(ann)
	k.forget(ann, home)
	if err := k.SendEmailVerification(ctx, k.claims(a), home); err != nil {
		t.Fatal(err)
	}
	all := k.inbox()
	bob := k.signUpVerified("bob@example.com")
	k.forget("bob@example.com", home)
	in := usher.ChangeEmail{NewEmail: "bobby@example.com", CurrentPassword: goodPassword}
	if err := k.ChangeEmail(ctx, k.claims(bob), in, home); err != nil {
		t.Fatal(err)
	}
	told := map[usher.MessageKind]int{}
	for _, m := range append(all, k.inbox()...) {
		if m.Link == "" {
			continue
		}
		told[m.Kind]++
		want := 24 * time.Hour
		if m.Kind == usher.MessageResetPassword || m.Kind == usher.MessageConfirmAndReset {
			want = 10 * time.Minute
		}
		if life := m.ExpiresAt.Sub(m.At); life != want {
			t.Errorf("%s: %s, want %s", m.Kind, life, want)
		}
	}
	if len(told) != 4 {
		t.Errorf("mails with links: %v", told)
	}
}
