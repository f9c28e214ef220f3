package usher_test

import (
	"bytes"
	"errors"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/password"
)

// replace replaces from home and returns the error.
func (k *kit) replace(loginID string, from, to usher.Secret) error {
	_, err := k.ReplacePassword(ctx, usher.ReplacePassword{LoginID: loginID, OldPassword: from, NewPassword: to}, home)
	return err
}

func TestPO01_OutOfTheBox(t *testing.T) {
	k := newKit(t)
	p := k.PasswordPolicy()
	if p.MinLength != 15 || p.MaxLength != 256 {
		t.Errorf("lengths are %d to %d, want 15 to 256", p.MinLength, p.MaxLength)
	}
	if p.Lowercase || p.Uppercase || p.Number || p.NonAlphanumeric {
		t.Error("there are composition rules")
	}
	if p.Expiration != 0 || p.ReuseAmount != 0 {
		t.Error("passwords expire, or may not come back")
	}
	k.signUp("ann@example.com") // with "vast otter sings low"
	k.clock.add(10 * 365 * 24 * time.Hour)
	k.signIn("ann@example.com", goodPassword, home)
	if err := k.replace("ann@example.com", goodPassword, otherPassword); err != nil {
		t.Error(err)
	}
	if err := k.replace("ann@example.com", otherPassword, goodPassword); err != nil {
		t.Errorf("an earlier password: %v", err)
	}
}

func TestPO02_SwitchesWorkAndWarn(t *testing.T) {
	for _, c := range []struct {
		name, standard string
		code           password.Code
		on             func(*password.Policy)
		good           usher.Secret
	}{
		{"number", "NIST SP 800-63B-4", password.CodeNoNumber,
			func(p *password.Policy) { p.Number = true }, "vast otter sings 7 songs"},
		{"lowercase", "NIST SP 800-63B-4", password.CodeNoLowercase,
			func(p *password.Policy) { p.Lowercase = true }, goodPassword},
		{"uppercase", "NIST SP 800-63B-4", password.CodeNoUppercase,
			func(p *password.Policy) { p.Uppercase = true }, "Vast otter sings low"},
		{"nonAlphanumeric", "NIST SP 800-63B-4", password.CodeNoNonAlphanumeric,
			func(p *password.Policy) { p.NonAlphanumeric = true }, goodPassword},
		{"expiration", "NIST SP 800-63B-4", "",
			func(p *password.Policy) { p.Expiration = time.Hour }, goodPassword},
	} {
		t.Run(c.name, func(t *testing.T) {
			var log bytes.Buffer
			k := newKit(t, func(cfg *usher.Config) {
				c.on(&cfg.Password)
				cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
			})
			if n := strings.Count(log.String(), "level=WARN"); n != 1 ||
				!strings.Contains(log.String(), c.name) || !strings.Contains(log.String(), c.standard) {
				t.Errorf("%d warnings, want one that names %s and %s:\n%s", n, c.name, c.standard, &log)
			}
			if c.code != "" {
				bad := usher.Secret("vastottersingslow")
				if c.code == password.CodeNoLowercase {
					bad = "VAST OTTER SINGS LOW"
				}
				wantPolicy(t, k.trySignUp("ann@example.com", bad), c.code)
			}
			if err := k.trySignUp("ann@example.com", c.good); err != nil {
				t.Error(err)
			}
		})
	}
}

// An expired password tells so to nobody but its owner, signs in nowhere and
// is good for one replacement.
func TestPO03_PO04_ExpiredAndTemporaryPasswords(t *testing.T) {
	const temporary = usher.Secret("quiet badger paints sky")
	for _, c := range []struct {
		name    string
		expire  func(k *kit, userID string) error
		pw      usher.Secret
		reason  string
		endsAll bool
	}{
		{"by age", func(k *kit, _ string) error { k.clock.add(31 * 24 * time.Hour); return nil }, goodPassword, "age", false},
		{"by an operator", func(k *kit, id string) error { return k.ExpirePassword(ctx, id) }, goodPassword, "expired", true},
		{"temporary", func(k *kit, id string) error { return k.SetPassword(ctx, id, temporary, true) }, temporary, "temporary", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			k := newKit(t, func(cfg *usher.Config) { cfg.Password.Expiration = 30 * 24 * time.Hour })
			a := k.signUpVerified("ann@example.com")
			if err := c.expire(k, a.User.ID); err != nil {
				t.Fatal(err)
			}
			if c.endsAll && k.alive(a) {
				t.Error("the sessions from before go on")
			}
			k.events.reset()

			if err := k.trySignIn("ann@example.com", otherPassword, home); err != usher.ErrInvalidCredentials {
				t.Errorf("wrong password: %v, want the error of every failure", err)
			}
			for range 2 {
				auth, err := k.SignIn(ctx, usher.SignIn{LoginID: "ann@example.com", Password: c.pw}, home)
				if auth != nil || !errors.Is(err, usher.ErrPasswordExpired) {
					t.Errorf("right password: %v, %v, want nothing and ErrPasswordExpired", auth, err)
				}
			}
			want := "authn_login_fail:wrong_password authn_password_expired:" + c.reason + " authn_password_expired:" + c.reason
			if got := k.events.take(); got != want {
				t.Errorf("events are %q, want %q", got, want)
			}
			wantPolicy(t, k.replace("ann@example.com", c.pw, c.pw), password.CodeReused)
			wantErr(t, k.replace("ann@example.com", otherPassword, thirdPassword), usher.ErrInvalidCredentials)
			if err := k.replace("ann@example.com", c.pw, thirdPassword); err != nil {
				t.Fatal(err)
			}
			k.signIn("ann@example.com", thirdPassword, home)
			wantErr(t, k.trySignIn("ann@example.com", c.pw, home), usher.ErrInvalidCredentials)
			wantErr(t, k.replace("ann@example.com", c.pw, otherPassword), usher.ErrInvalidCredentials)
		})
	}
}

func TestPO05_TheLastPasswordsCannotComeBack(t *testing.T) {
	wantConfigError(t, "Password", func(c *usher.Config) { c.Password.ReuseAmount = 1000 })
	wantConfigError(t, "Password", func(c *usher.Config) { c.Password.ReuseAmount = 11 })

	k := newKit(t, func(c *usher.Config) { c.Password.ReuseAmount = 3 })
	all := []usher.Secret{goodPassword, otherPassword, thirdPassword, "quiet badger paints sky"}
	k.signUp("ann@example.com")
	for i := 1; i < len(all); i++ {
		if err := k.replace("ann@example.com", all[i-1], all[i]); err != nil {
			t.Fatal(err)
		}
	}
	now := all[3]
	for _, pw := range all[1:] {
		wantPolicy(t, k.replace("ann@example.com", now, pw), password.CodeReused)
	}
	if n := len(k.account("ann@example.com").Password.Earlier); n != 2 {
		t.Errorf("%d earlier hashes are kept, want 2", n)
	}
	hashes := k.Hashes()
	if err := k.replace("ann@example.com", now, all[0]); err != nil {
		t.Errorf("the fourth back: %v", err)
	}
	if n := k.Hashes() - hashes; n != 5 {
		t.Errorf("%d hashes, want the old one, three comparisons and the new one", n)
	}
}

// The comparisons of the reuse rule wait for a slot like every other hash.
func TestPO05_ReuseChecksTakeASlot(t *testing.T) {
	k := newKit(t, func(c *usher.Config) { c.Password.ReuseAmount = 3; c.Hashing.Slots = 1 })
	a := k.signUp("ann@example.com")
	claims, err := k.ValidateSession(ctx, a.Tokens.Session.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	hashes := k.Hashes()
	_, err = k.UpdatePassword(ctx, claims, usher.UpdatePassword{NewPassword: goodPassword}, home)
	wantPolicy(t, err, password.CodeReused)
	if n := k.Hashes() - hashes; n != 1 {
		t.Errorf("%d counted hashes, want one comparison", n)
	}
}

func TestPO06_OnePolicyForAllWays(t *testing.T) {
	k := newKit(t)
	methods := settingMethods(k)
	want := methods[0].call("passwordpassword")
	wantPolicy(t, want, password.CodeCommon)
	for _, m := range methods {
		if got := m.call("passwordpassword"); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, want %v", m.name, got, want)
		}
		wantPolicy(t, m.call("short"), password.CodeTooShort)
	}
	if !k.alive(k.signIn("ann@example.com", goodPassword, home)) {
		t.Error("the password has changed")
	}
	// The link was not spent, the new login id not taken: now they work.
	for _, i := range []int{0, 3} {
		if err := methods[i].call(otherPassword); err != nil {
			t.Errorf("%s: %v", methods[i].name, err)
		}
	}
}
