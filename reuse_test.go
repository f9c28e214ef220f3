package usher_test

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/password"
)

func withReuse(c *usher.Config) { c.Password.ReuseAmount = 3 }

// Whoever took over a session must not learn the password by offering guesses as
// the new one.
func TestPO05_AStolenSessionCannotGuessThroughTheReuseRule(t *testing.T) {
	t.Parallel()
	k := newKit(t, withReuse)
	a := k.signUp(ann)
	claims := k.claims(a)
	update := func(pw, current usher.Secret) error {
		in := usher.UpdatePassword{NewPassword: pw, CurrentPassword: current}
		return second(k.UpdatePassword(ctx, claims, in, home))
	}
	for range 5 {
		wantPolicy(t, update(goodPassword, ""), password.CodeReused)
	}
	hashes := k.Hashes()
	if l := wantLimit(t, update(goodPassword, "")); l.Limit != "reused_passwords" || l.RetryAfter != time.Hour {
		t.Errorf("wait %s for %s", l.RetryAfter, l.Limit)
	}
	if n := k.Hashes() - hashes; n != 0 {
		t.Errorf("%d hashes, want none", n)
	}
	// The owner knows the password, and is not kept out of a new one.
	wantPolicy(t, update(goodPassword, goodPassword), password.CodeReused)
	if err := update(otherPassword, goodPassword); err != nil {
		t.Fatal(err)
	}
	k.signIn(ann, otherPassword, home)
}

// Of many at once no more are compared, though each rests on the same version.
func TestPO05_GuessesAtOnceAreLimitedToo(t *testing.T) {
	t.Parallel()
	k := newKit(t, withReuse)
	claims := k.claims(k.signUp(ann))
	var limited atomic.Int64
	together(40, func(i int) {
		pw := usher.Secret(fmt.Sprintf("guess of somebody %d", i))
		_, err := k.UpdatePassword(ctx, claims, usher.UpdatePassword{NewPassword: pw}, nth(i))
		var l *usher.LimitError
		if errors.As(err, &l) {
			limited.Add(1)
		}
	})
	if limited.Load() != 35 {
		t.Errorf("%d refused, want 35", limited.Load())
	}
}

// The holder of a mailed link sets a password and learns none.
func TestPO05_AMailedLinkCannotGuessThroughTheReuseRule(t *testing.T) {
	t.Parallel()
	k := newKit(t, withReuse)
	k.signUpVerified(ann)
	raw := k.resetToken(ann, usher.MessageResetPassword)
	reset := func(raw, pw usher.Secret) error {
		return second(k.ResetPassword(ctx, usher.ResetPassword{Token: raw, NewPassword: pw}, home))
	}
	for range 5 {
		wantPolicy(t, reset(raw, goodPassword), password.CodeReused)
	}
	wantLimit(t, reset(raw, goodPassword))
	// Another link is another proof.
	if err := reset(k.resetToken(ann, usher.MessageResetPassword), otherPassword); err != nil {
		t.Fatal(err)
	}
	k.wantMail("password_changed reset_password reset_password")

	raw = k.resetToken(ann, usher.MessageResetPassword)
	session := usher.Must(k.VerifyReset(ctx, raw, home))
	claims := usher.Must(k.ValidateReset(ctx, session.Token.Reveal()))
	update := func(pw usher.Secret) error {
		return second(k.UpdatePassword(ctx, claims, usher.UpdatePassword{NewPassword: pw}, home))
	}
	for range 5 {
		wantPolicy(t, update(otherPassword), password.CodeReused)
	}
	wantLimit(t, update(otherPassword))
}
