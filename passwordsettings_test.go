package usher_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/password"
)

func TestPO12_SettingsOfOperatorsReplaceThoseOfTheProgram(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	k := newKit(t, func(c *usher.Config) {
		c.Password = password.Policy{MinLength: 12, MaxLength: 100, ReuseAmount: 3, LockAttempts: 50, Words: []string{"usherette"}}
		c.Logger = slog.New(slog.NewTextHandler(&log, nil))
	})
	o := k.Operator("ops:alice")
	before := usher.Must(o.PasswordSettings(ctx))
	if before.MinLength != 12 || before.ReuseAmount != 3 || before.LockAttempts != 50 || before.Version != 0 || before.Extra != nil {
		t.Fatalf("before a change the settings are %+v", before)
	}
	a := k.signUpVerified(ann)
	change := before
	change.MinLength, change.Uppercase, change.Expiration = 18, true, 7*24*time.Hour+time.Millisecond
	change.Extra = json.RawMessage(`{"lock":true,"expirationWeeks":1,"new":"<é>"}`)
	set := usher.Must(o.SetPasswordSettings(ctx, change))
	if set.Version != 1 || set.MinLength != 18 || set.Expiration != 7*24*time.Hour {
		t.Errorf("the answer is %+v", set)
	}
	k.wantEvents("password_settings_change")
	page := usher.Must(o.Events(ctx, usher.EventQuery{Name: usher.EventPasswordSettings}))
	if len(page.Events) != 1 || page.Events[0].Actor != "ops:alice" {
		t.Errorf("the events are %+v", page.Events)
	}
	if !strings.Contains(log.String(), "password policy: uppercase") {
		t.Errorf("no warning of a rule that NIST forbids:\n%s", &log)
	}
	got := usher.Must(k.Operator("test").PasswordSettings(ctx))
	var extra map[string]any
	if err := json.Unmarshal(got.Extra, &extra); err != nil || extra["new"] != "<é>" || extra["lock"] != true || len(extra) != 3 {
		t.Errorf("the extra settings are %s", got.Extra)
	}
	if p := k.PasswordPolicy(); p.MinLength != 18 || p.MaxLength != 100 || !p.Uppercase || p.ReuseAmount != 3 || len(p.Words) != 1 {
		t.Errorf("the policy is %+v", p)
	}
	var policy *password.PolicyError
	_, err := k.UpdatePassword(ctx, k.claims(a), usher.UpdatePasswordParams{CurrentPassword: goodPassword, NewPassword: otherPassword}, home)
	if !errors.As(err, &policy) || !policy.Has(password.CodeNoUppercase) {
		t.Errorf("a password without a capital: %v", err)
	}
	k.signIn(ann, goodPassword, home) // what is set stays valid until it expires
	k.clock.add(7 * 24 * time.Hour)
	_, err = k.SignIn(ctx, usher.SignInParams{LoginID: ann, Password: goodPassword}, home)
	wantErr(t, err, usher.ErrPasswordExpired)

	_, err = o.SetPasswordSettings(ctx, before)
	wantErr(t, err, usher.ErrConflict)
	before.Version, before.LockAttempts = 1, 2
	usher.Must(o.SetPasswordSettings(ctx, before))
	for range 2 {
		_, err = k.SignIn(ctx, usher.SignInParams{LoginID: ann, Password: otherPassword}, nth(1))
		wantErr(t, err, usher.ErrInvalidCredentials)
	}
	_, err = k.SignIn(ctx, usher.SignInParams{LoginID: ann, Password: goodPassword}, nth(2))
	wantErr(t, err, usher.ErrInvalidCredentials)
}

// No operator goes below the floors of the policy, and a refusal changes nothing.
func TestPO12_TheFloorsStay(t *testing.T) {
	t.Parallel()
	k := newKit(t, func(c *usher.Config) { c.Password.MaxLength = 64 })
	o := k.Operator("ops:alice")
	for field, change := range map[string]func(*usher.PasswordSettings){
		"minLength":    func(p *usher.PasswordSettings) { p.MinLength = 7 },
		"minLength ":   func(p *usher.PasswordSettings) { p.MinLength = 65 },
		"minLength  ":  func(p *usher.PasswordSettings) { p.MinLength = -1 },
		"expiration":   func(p *usher.PasswordSettings) { p.Expiration = -time.Hour },
		"reuseAmount":  func(p *usher.PasswordSettings) { p.ReuseAmount = 11 },
		"lockAttempts": func(p *usher.PasswordSettings) { p.LockAttempts = 101 },
		"extra":        func(p *usher.PasswordSettings) { p.Extra = json.RawMessage(`{`) },
		"extra ":       func(p *usher.PasswordSettings) { p.Extra = json.RawMessage("\"\xff\"") },
		"extra  ":      func(p *usher.PasswordSettings) { p.Extra = json.RawMessage(`"` + strings.Repeat("x", 8<<10) + `"`) },
	} {
		p := usher.PasswordSettings{MinLength: 15}
		change(&p)
		_, err := o.SetPasswordSettings(ctx, p)
		var refused *usher.FieldError
		if !errors.As(err, &refused) || refused.Field != strings.TrimSpace(field) {
			t.Errorf("%s: %v", field, err)
		}
	}
	k.wantEvents("")
	if p := usher.Must(o.PasswordSettings(ctx)); p.Version != 0 {
		t.Errorf("the settings are %+v", p)
	}
	if p := usher.Must(o.SetPasswordSettings(ctx, usher.PasswordSettings{})); p.MinLength != 15 || p.LockAttempts != 100 {
		t.Errorf("settings without a value are %+v", p)
	}
}

// Another instance applies the settings within two seconds. During an outage it keeps them.
func TestPO12_SettingsHoldEverywhereWithinTwoSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, other := twoInstances(t)
		usher.Must(k.Operator("test").SetPasswordSettings(ctx, usher.PasswordSettings{MinLength: 20}))
		if got := k.PasswordPolicy().MinLength; got != 20 {
			t.Errorf("the same instance wants %d characters", got)
		}
		time.Sleep(2 * time.Second)
		if got := other.PasswordPolicy().MinLength; got != 20 {
			t.Errorf("the other instance wants %d characters", got)
		}
		if err := other.store.Close(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if got := other.PasswordPolicy().MinLength; got != 20 {
			t.Errorf("during an outage it wants %d characters", got)
		}
	})
}
