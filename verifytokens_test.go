package usher_test

import (
	"encoding/base64"
	"testing"
	"time"

	"github.com/usherkit/usher"
)

// A thousand mailed tokens that confirm an address: 32 bytes each, none twice,
// none in the store.
func TestRS01_EV01_AThousandTokensAreRandomAndStoredHashed(t *testing.T) {
	t.Parallel()
	k := newKit(t, func(c *usher.Config) { c.InsecureNoThrottle, c.VerifyLife = true, time.Minute })
	claims := k.claims(k.signUp(ann))
	k.wantMail("verify_email")
	seen := map[usher.Secret]bool{}
	var all []usher.Secret
	for len(all) < 1000 {
		k.clock.add(61 * time.Second) // those before are too old to stand in the way
		for range 3 {
			if err := k.SendEmailVerification(ctx, claims, home); err != nil {
				t.Fatal(err)
			}
		}
		for _, m := range k.wantMail("verify_email verify_email verify_email") {
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
