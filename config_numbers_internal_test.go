package usher

import (
	"context"
	"testing"
	"time"

	"github.com/usherkit/usher/password"
)

type noMailer struct{}

func (noMailer) Send(context.Context, Message) error { return nil }

// New fills in the defaults that SECURITY.md states.
func TestCF06_TheNumbersAreThoseOfTheCode(t *testing.T) {
	t.Parallel()
	c, err := Config{Secret: "wLyp7cFmXo2Qk9vTtB4eRzN1uHsG6dJa", BaseURL: "https://app.example", Mailer: noMailer{}}.complete()
	if err != nil {
		t.Fatal(err)
	}
	const day = 24 * time.Hour
	for what, is := range map[string]bool{
		"password length":     c.Password.MinLength == 15 && c.Password.MaxLength == 256 && password.MaxBytes == 1024,
		"password floors":     password.FloorMinLength == 8 && password.FloorMaxLength == 64,
		"PBKDF2":              password.DefaultPBKDF2Iterations == 600_000,
		"queue of hashes":     c.Hashing.QueueWait == time.Second,
		"failures of one":     c.Limits.FreeFailures == 5 && c.Limits.Wait == 30*time.Second && c.Limits.MaxWait == time.Hour,
		"lock":                c.Password.LockAttempts == 100,
		"failures of network": c.Limits.NetworkFailures == 20 && c.Limits.NetworkWindow == 5*time.Minute,
		"checks of network":   c.Limits.NetworkAttempts == 300,
		"sign-ups":            c.Limits.SignUps == 10,
		"reset link":          c.ResetLifetime == 10*time.Minute,
		"verification link":   c.VerifyLifetime == day,
		"codes":               codeLifetime == 10*time.Minute && maxWrongCodes == 10 && maxNetworkWrongCodes == 20,
		"reset mails":         c.Limits.ResetEmails == 3 && c.Limits.ResetRequests == 10,
		"mails":               c.Limits.Emails == 5,
		"session token":       c.Sessions.TokenLifetime == 10*time.Minute && maxTokenLifetime == time.Hour,
		"impersonation":       impersonationLifetime == 15*time.Minute,
		"lives":               c.Sessions.Idle == 14*day && c.Sessions.Absolute == 30*day,
		"grace":               c.Sessions.Grace == 10*time.Second,
		"sessions":            c.Sessions.Max == 100,
		"recent":              c.Sessions.Recent == 5*time.Minute,
	} {
		if !is {
			t.Errorf("%s: the default differs from the one in SECURITY.md", what)
		}
	}
	for what, change := range map[string]func(*Config){
		"reset link":            func(c *Config) { c.ResetLifetime = day + time.Second },
		"verification link":     func(c *Config) { c.VerifyLifetime = day + time.Second },
		"session token":         func(c *Config) { c.Sessions.TokenLifetime = time.Hour + time.Second },
		"grace":                 func(c *Config) { c.Sessions.Grace = time.Minute + time.Second },
		"password minimum":      func(c *Config) { c.Password = password.Policy{MinLength: 7} },
		"password maximum":      func(c *Config) { c.Password = password.Policy{MaxLength: 63} },
		"failures until locked": func(c *Config) { c.Password = password.Policy{LockAttempts: 101} },
		"sessions":              func(c *Config) { c.Sessions.Max = 10_001 },
		"reset mails":           func(c *Config) { c.Limits.ResetEmails = 101 },
		"mails":                 func(c *Config) { c.Limits.Emails = 1001 },
		"life in all":           func(c *Config) { c.Sessions.Absolute = 366*day + time.Second },
	} {
		beyond := Config{Secret: c.Secret, BaseURL: c.BaseURL, Mailer: c.Mailer}
		change(&beyond)
		if _, err := beyond.complete(); err == nil {
			t.Errorf("%s: New accepts a value beyond the hard limit", what)
		}
	}
}

func TestCF04_AnOldReleaseOfGoIsAWarning(t *testing.T) {
	t.Parallel()
	for release, old := range map[string]bool{
		"go1.26.0": true, "go1.26.5": true, "go1.26.6": false, "go1.26.8": false, "go1.27rc1": false, "go1.27.0": false,
		"devel go1.28-3f2a": false, "go1.26.5-custom": true,
	} {
		if got := isOldGo(release); got != old {
			t.Errorf("isOldGo(%q) is %v", release, got)
		}
	}
}
