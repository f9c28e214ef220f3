package usher_test

import (
	"testing"

	"github.com/usherkit/usher"
)

// A change of the secret opens no locked password, nor does it start the run of
// failures again.
func TestSI02_ALockOutlivesAChangeOfSecret(t *testing.T) {
	t.Parallel()
	lockAt3 := func(c *usher.Config) { c.Password.LockAttempts = 3 }
	before := newKit(t, lockAt3)
	before.signUp(ann)
	before.signUp("bob@example.com")
	for i := range 3 {
		before.fail(ann, nth(i))
		if i > 0 {
			before.fail("bob@example.com", nth(i))
		}
	}
	before.Close(ctx)

	k := newKitOn(t, before.store, before.clock, lockAt3, withSecrets(secret2, secret))
	wantErr(t, k.trySignIn(ann, goodPassword, nth(10)), usher.ErrInvalidCredentials)
	k.wantEvents("authn_login_fail:locked")
	k.fail("bob@example.com", nth(11))
	k.wantEvents("authn_login_fail:wrong_password authn_login_lock")
	wantErr(t, k.trySignIn("bob@example.com", goodPassword, nth(12)), usher.ErrInvalidCredentials)

	// During the change machines have the secrets in different order.
	other := newKitOn(t, before.store, before.clock, lockAt3, withSecrets(secret, secret2))
	wantErr(t, other.trySignIn(ann, goodPassword, nth(13)), usher.ErrInvalidCredentials)
	raw := other.resetToken(ann, usher.MessageConfirmAndReset)
	usher.Must(other.ResetPassword(ctx, usher.ResetPassword{Token: raw, NewPassword: otherPassword}, home))
	k.signIn(ann, otherPassword, nth(14))
}
