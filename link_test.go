package usher_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/token"
)

// Looking at a link spends nothing, and says whom it is about.
func TestRS04_ALinkCanBeLookedAt(t *testing.T) {
	k := newKit(t)
	k.signUpVerified("Ann@example.com")
	raw := k.resetToken("ann@example.com", usher.MessageResetPassword)
	for range 30 { // it counts against no limit
		l, err := k.ResetLink(ctx, raw, usher.Client{})
		if err != nil || l != (usher.Link{LoginID: "Ann@example.com", Email: "Ann@example.com"}) {
			t.Fatalf("%+v, %v", l, err)
		}
	}
	if _, err := k.VerificationLink(ctx, nil, raw, usher.Client{}); !errors.Is(err, usher.ErrInvalidToken) {
		t.Errorf("RS-09: as a verification link: %v", err)
	}
	if _, err := k.ResetPassword(ctx, usher.ResetPassword{Token: raw, NewPassword: otherPassword}, usher.Client{}); err != nil {
		t.Fatal(err)
	}
	if _, err := k.ResetLink(ctx, raw, usher.Client{}); !errors.Is(err, usher.ErrInvalidToken) {
		t.Errorf("once spent: %v", err)
	}
}

func TestEV05_ALinkToANewAddressSaysSo(t *testing.T) {
	k := newKit(t)
	a := k.signUpVerified("ann@example.com")
	claims, err := k.ValidateSession(ctx, a.Tokens.Session.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	change := usher.ChangeEmail{NewEmail: "new@example.com", CurrentPassword: goodPassword}
	if err := k.ChangeEmail(ctx, claims, change, usher.Client{}); err != nil {
		t.Fatal(err)
	}
	raw := ""
	for _, m := range k.inbox() {
		if m.Kind == usher.MessageChangeEmail {
			_, raw, _ = strings.Cut(m.Link.Reveal(), "token=")
		}
	}
	for who, password := range map[*token.Claims]bool{claims: false, nil: true} {
		l, err := k.VerificationLink(ctx, who, usher.Secret(raw), usher.Client{})
		if err != nil || l != (usher.Link{Email: "new@example.com", NewEmail: true, PasswordRequired: password}) {
			t.Errorf("%+v, %v", l, err)
		}
	}
	k.clock.add(24*time.Hour + time.Second)
	if _, err := k.VerificationLink(ctx, claims, usher.Secret(raw), usher.Client{}); !errors.Is(err, usher.ErrInvalidToken) {
		t.Errorf("a day later: %v", err)
	}
}

func TestALinkOfADisabledUserIsDead(t *testing.T) {
	k := newKit(t)
	a := k.signUpVerified("ann@example.com")
	raw := k.resetToken("ann@example.com", usher.MessageResetPassword)
	if err := k.DisableUser(ctx, a.User.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := k.ResetLink(ctx, raw, usher.Client{}); !errors.Is(err, usher.ErrInvalidToken) {
		t.Errorf("%v", err)
	}
}
