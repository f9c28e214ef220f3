package usher_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/password"
)

// replace calls ReplacePassword from home and returns the error.
func (k *kit) replace(loginID string, from, to usher.Secret) error {
	_, err := k.ReplacePassword(ctx, usher.ReplacePasswordParams{LoginID: loginID, OldPassword: from, NewPassword: to}, home)
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

// Only the owner learns that a password has expired. It does not sign in, and can be
// used for one replacement.
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
		{"by an operator", func(k *kit, id string) error { return k.Operator("test").ExpirePassword(ctx, id) }, goodPassword, "expired", true},
		{"temporary", func(k *kit, id string) error { return k.Operator("test").SetPassword(ctx, id, temporary, true) }, temporary, "temporary", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			k := newKit(t, func(cfg *usher.Config) { cfg.Password.Expiration = 30 * 24 * time.Hour })
			a := k.signUpVerified("ann@example.com")
			if err := c.expire(k, a.User.ID); err != nil {
				t.Fatal(err)
			}
			if c.endsAll && k.isLive(a) {
				t.Error("the sessions from before go on")
			}
			k.events.reset()

			if err := k.trySignIn("ann@example.com", otherPassword, home); err != usher.ErrInvalidCredentials {
				t.Errorf("wrong password: %v, want the error of every failure", err)
			}
			for range 2 {
				auth, err := k.SignIn(ctx, usher.SignInParams{LoginID: "ann@example.com", Password: c.pw}, home)
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

// The comparisons with earlier passwords wait for a slot like every other hash.
func TestPO05_ReuseChecksTakeASlot(t *testing.T) {
	k := newKit(t, func(c *usher.Config) { c.Password.ReuseAmount = 3; c.Hashing.Slots = 1 })
	a := k.signUp("ann@example.com")
	claims, err := k.ValidateSession(ctx, a.Tokens.Session)
	if err != nil {
		t.Fatal(err)
	}
	hashes := k.Hashes()
	_, err = k.UpdatePassword(ctx, claims, usher.UpdatePasswordParams{NewPassword: goodPassword}, home)
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
	if !k.isLive(k.signIn("ann@example.com", goodPassword, home)) {
		t.Error("the password has changed")
	}
	// Neither the link nor the login id was used up: both work.
	for _, i := range []int{0, 3} {
		if err := methods[i].call(otherPassword); err != nil {
			t.Errorf("%s: %v", methods[i].name, err)
		}
	}
}

func withReuse(c *usher.Config) { c.Password.ReuseAmount = 3 }

// An attacker with a stolen session must not learn the password by offering guesses
// as the new one.
func TestPO05_AStolenSessionCannotGuessThroughTheReuseRule(t *testing.T) {
	t.Parallel()
	k := newKit(t, withReuse)
	a := k.signUp(ann)
	claims := k.claims(a)
	update := func(pw, current usher.Secret) error {
		in := usher.UpdatePasswordParams{NewPassword: pw, CurrentPassword: current}
		return errOf(k.UpdatePassword(ctx, claims, in, home))
	}
	for range 5 {
		wantPolicy(t, update(goodPassword, ""), password.CodeReused)
	}
	hashes := k.Hashes()
	if l := wantLimit(t, update(goodPassword, "")); l.Limit != "password_changes" || l.RetryAfter != time.Hour {
		t.Errorf("wait %s for %s", l.RetryAfter, l.Limit)
	}
	if n := k.Hashes() - hashes; n != 0 {
		t.Errorf("%d hashes, want none", n)
	}
	// The owner knows the password and can still change it.
	wantPolicy(t, update(goodPassword, goodPassword), password.CodeReused)
	if err := update(otherPassword, goodPassword); err != nil {
		t.Fatal(err)
	}
	k.signIn(ann, otherPassword, home)
}

// Concurrent requests get no more comparisons, although each read the same version.
func TestPO05_GuessesAtOnceAreLimitedToo(t *testing.T) {
	t.Parallel()
	k := newKit(t, withReuse, withRealHash)
	claims := k.claims(k.signUp(ann))
	var limited atomic.Int64
	concurrently(40, func(i int) {
		pw := usher.Secret(fmt.Sprintf("guess of somebody %d", i))
		_, err := k.UpdatePassword(ctx, claims, usher.UpdatePasswordParams{NewPassword: pw}, nth(i))
		var l *usher.LimitError
		if errors.As(err, &l) {
			limited.Add(1)
		}
	})
	if limited.Load() != 35 {
		t.Errorf("%d refused, want 35", limited.Load())
	}
}

// The holder of an emailed link can set a password but not learn one.
func TestPO05_AMailedLinkCannotGuessThroughTheReuseRule(t *testing.T) {
	t.Parallel()
	k := newKit(t, withReuse)
	k.signUpVerified(ann)
	raw := k.resetToken(ann, usher.MessageResetPassword)
	reset := func(raw, pw usher.Secret) error {
		return errOf(k.ResetPassword(ctx, usher.ResetPasswordParams{Token: raw, NewPassword: pw}, home))
	}
	for range 5 {
		wantPolicy(t, reset(raw, goodPassword), password.CodeReused)
	}
	wantLimit(t, reset(raw, goodPassword))
	// Another link has a limit of its own.
	if err := reset(k.resetToken(ann, usher.MessageResetPassword), otherPassword); err != nil {
		t.Fatal(err)
	}
	k.wantEmails("password_changed reset_password reset_password")

	raw = k.resetToken(ann, usher.MessageResetPassword)
	session := usher.Must(k.VerifyReset(ctx, raw, home))
	claims := usher.Must(k.ValidateReset(ctx, session.Token))
	update := func(pw usher.Secret) error {
		return errOf(k.UpdatePassword(ctx, claims, usher.UpdatePasswordParams{NewPassword: pw}, home))
	}
	for range 5 {
		wantPolicy(t, update(otherPassword), password.CodeReused)
	}
	wantLimit(t, update(otherPassword))
}

// inputNames returns the inputs that an error names, in order; a policy error is "policy".
func inputNames(t *testing.T, err error) string {
	t.Helper()
	all := []error{err}
	var several *usher.InputErrors
	if errors.As(err, &several) {
		if all = several.All; len(all) < 2 {
			t.Errorf("%d of several", len(all))
		}
	}
	var names []string
	for _, one := range all {
		switch one := one.(type) {
		case *usher.FieldError:
			names = append(names, one.Field+":"+one.Code)
		case *password.PolicyError:
			names = append(names, "policy:"+string(one.Violations[0].Code))
		default:
			t.Errorf("%v is no input's", one)
		}
	}
	return strings.Join(names, " ")
}

func TestSU09_AProfileShowsSomethingAndTurnsNothingAround(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	a := k.signUpVerified(ann)
	set := func(name string) error {
		_, err := k.UpdateProfile(ctx, k.claims(a), usher.Profile{Name: &name}, home)
		return err
	}
	for _, bad := range []string{
		" ", "\u00a0", "\u200b", "\u200d\ufe0f", "\u3164", "\u2800", "\u202e\u200b",
		"Ann\u202e", "\u2066Ann", "\u200eAnn", "\u061cAnn",
	} {
		if got := inputNames(t, set(bad)); got != "name:invalid" {
			t.Errorf("%+q: inputs are %q", bad, got)
		}
	}
	for _, good := range []string{"", "Ann", "\u05d0\u05e0\u05d4", "\u0646\u200c\u0647", "\u26f9\U0001f3fd\u200d\u2640\ufe0f", "\u5b89"} {
		if err := set(good); err != nil {
			t.Errorf("%+q: %v", good, err)
		}
	}
}

// An error names all the inputs that are wrong; a single one is returned as it is.
func TestInputErrorsAreReportedTogether(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	a := k.signUpVerified(ann)
	long := usher.Secret(strings.Repeat("x", 2000))
	name, picture := "a\x00b", "no address"
	signUp := func(in usher.SignUpParams) error { _, err := k.SignUp(ctx, in, home); return err }
	hashes := k.Hashes()
	for _, c := range []struct {
		err  error
		want string
	}{
		{signUp(usher.SignUpParams{LoginID: "no address@", Password: "short"}), "loginId:invalid policy:too_short"},
		{signUp(usher.SignUpParams{LoginID: "bob@example.com", Email: "x", Password: "short"}), "email:invalid policy:too_short"},
		{signUp(usher.SignUpParams{Profile: usher.Profile{Name: &name, Picture: &picture}}), "loginId:required name:invalid picture:invalid password:required"},
		{signUp(usher.SignUpParams{LoginID: "bob@example.com", Password: "bob@example.com"}), "policy:common"},
		{signUp(usher.SignUpParams{LoginID: "bob@", Password: goodPassword}), "loginId:invalid"},
		{k.trySignIn("bob@", long, home), "loginId:invalid password:too_long"},
		{k.SendPasswordReset(ctx, usher.SendPasswordResetParams{LoginID: "bob@", RedirectURL: "https://evil.test"}, home), "loginId:invalid redirectUrl:not_allowed"},
		{k.ChangeEmail(ctx, k.claims(a), usher.ChangeEmailParams{NewEmail: "x", CurrentPassword: long}, home), "newEmail:invalid currentPassword:too_long"},
	} {
		if got := inputNames(t, c.err); got != c.want {
			t.Errorf("inputs are %q, want %q", got, c.want)
		}
	}
	_, err := k.ResetPassword(ctx, usher.ResetPasswordParams{}, home)
	if got := inputNames(t, err); got != "token:required newPassword:required" {
		t.Errorf("reset: %q", got)
	}
	_, err = k.UpdatePassword(ctx, k.claims(a), usher.UpdatePasswordParams{LoginID: "bob@", CurrentPassword: long}, home)
	if got := inputNames(t, err); got != "loginId:invalid currentPassword:too_long newPassword:required" {
		t.Errorf("update: %q", got)
	}
	_, err = k.ReplacePassword(ctx, usher.ReplacePasswordParams{LoginID: "bob@", OldPassword: "x"}, home)
	if got := inputNames(t, err); got != "loginId:invalid newPassword:required" {
		t.Errorf("replace: %q", got)
	}
	if k.Hashes() != hashes {
		t.Error("it cost a hash")
	}
	// errors.As finds both kinds.
	err = signUp(usher.SignUpParams{LoginID: "bob@", Password: "short"})
	wantField(t, err, "loginId")
	wantPolicy(t, err, password.CodeTooShort)
}
