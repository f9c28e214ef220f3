package usher

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/usherkit/usher/internal/logs"
	"github.com/usherkit/usher/internal/weburl"
	"github.com/usherkit/usher/password"
	"github.com/usherkit/usher/token"
)

// Config says how a Service behaves. Secret, BaseURL and Mailer are required:
// they have no default that would be safe. Every other field may stay zero.
type Config struct {
	// Secret is at least 32 random bytes, the same on every machine, from
	// which every other key is derived (HKDF, one key for one use). See
	// [SecretFile] for a way to make one. Required.
	Secret Secret
	// OldSecrets still open what earlier secrets sealed, newest first. Limits
	// count under Secret alone: when another one takes its place they start
	// anew, but for the failures in a row that disable a password. Defaults to
	// none.
	OldSecrets []Secret

	// Name is the program's name, as pages, emails and password managers show it:
	// one line of at most 100 characters. Defaults to the host of BaseURL.
	Name string
	// BaseURL is the public address of the program, such as
	// "https://app.example.com". It is the issuer of the tokens, and emailed
	// links begin with it; the Host header of a request is ignored. It must be
	// https, except that http is accepted, with a warning, if the host is
	// localhost or a loopback address. Required.
	BaseURL string
	// PagesPath is where, under BaseURL, the handlers that people see are
	// mounted: mailed links are its pages. Defaults to "/auth".
	PagesPath string
	// Audience is the claim aud of the tokens, and what ValidateSession
	// demands one of. Defaults to BaseURL alone.
	Audience []string
	// Redirects are the addresses that a mailed link may lead to instead of
	// the pages; a request's redirectUrl must have the scheme, host and port
	// of one of them, and its path or one below it. Defaults to none.
	Redirects []string

	// Mailer delivers mail, outside of any request. Required.
	Mailer Mailer

	// Password is the policy for new passwords. Defaults to
	// [password.NIST].
	Password password.Policy
	// Hashing says how passwords are hashed and how many at once. Defaults to
	// Argon2id with 64 MiB, 3 passes, 4 lanes, and a slot for each CPU.
	Hashing password.HasherConfig

	// ConfirmFirst makes sign-up answer with a mail and nothing else, so that
	// nobody learns from it whether an account exists; the link in it asks for the
	// password that was chosen. Defaults to false: sign-up returns tokens at once
	// and tells when a login id is taken.
	ConfirmFirst bool
	// SignUpClosed refuses sign-up to everyone. Defaults to false.
	SignUpClosed bool
	// UnicodeLoginIDs allows login ids with other than ASCII characters
	// before the @ (RFC 6531). Defaults to false.
	UnicodeLoginIDs bool
	// ResetSignsIn makes a completed reset return tokens. Anyone who can read
	// the mailbox for a moment then gets a session. Defaults to false: the
	// person signs in with the new password.
	ResetSignsIn bool

	// Sessions are the lives of sessions and tokens.
	Sessions SessionConfig
	// ResetLifetime is how long a reset link works. Defaults to 10 minutes, at
	// most 24 hours.
	ResetLifetime time.Duration
	// VerifyLifetime is how long the link to confirm an address works. Defaults to
	// 24 hours, which is also the most.
	VerifyLifetime time.Duration

	// Algorithm signs tokens: token.ES256, token.EdDSA or token.RS256.
	// Defaults to token.ES256.
	Algorithm token.Algorithm
	// Rotation is the schedule by which signing keys are replaced. Its KeepAfter is
	// at least the lifetime of a refresh token. Defaults to a new key every 90 days,
	// published a day ahead.
	Rotation Rotation
	// Claims adds the program's own claims to each session token. A claim that the
	// Service sets or that other programs trust, such as sub, roles or scope, is
	// reserved: returning it is an error, and so is a reserved name in another case.
	// The client can read the claims: leave personal data out. An error fails the
	// sign-in or refresh. Defaults to none.
	Claims func(ctx context.Context, u User) (map[string]any, error)

	// Limits are the limits on tries.
	Limits LimitConfig
	// InsecureNoThrottle switches every limit on tries off: for load tests on
	// one's own machine. Defaults to false.
	InsecureNoThrottle bool

	// OnEvent hears of every event. Defaults to none.
	OnEvent EventHook
	// EventRetention is how long the audit table keeps an event. Defaults to 400
	// days.
	EventRetention time.Duration
	// Logger gets warnings and failures, never a secret. Defaults to
	// slog.Default().
	Logger *slog.Logger
	// Now is the clock. Defaults to time.Now; tests may set it.
	Now func() time.Time

	// NoBackground leaves the background work to other instances: this Service
	// sends no emails, rotates no keys and removes no expired rows, and sees the
	// revocations of the start alone. It is for command-line tools that work on the
	// store of a running program. Defaults to false.
	NoBackground bool
}

// Rotation is the schedule by which signing keys are replaced. A key is first
// published, then it signs, and after its successor has taken over it stays published
// until the last token that it signed has expired.
type Rotation struct {
	// Every is how long a key signs. Defaults to 90 days.
	Every time.Duration
	// PublishAhead is how long a key is published before it signs. It must be
	// shorter than Every, and longer than verifiers keep a fetched set. The very
	// first key signs at once. Defaults to 24 hours.
	PublishAhead time.Duration
	// KeepAfter is how long a retired key stays published. It is at least the
	// lifetime of the longest token, which is the default.
	KeepAfter time.Duration
}

// SessionConfig holds the lives of sessions and tokens.
type SessionConfig struct {
	// TokenLifetime is the life of a session token. Programs that validate by JWK
	// Set alone accept a signed-out token that long. Defaults to 10 minutes,
	// at most 60.
	TokenLifetime time.Duration
	// Idle ends a session that nobody refreshes. Defaults to 14 days.
	Idle time.Duration
	// Absolute ends a session, counted from the password check. Defaults to 30
	// days, or to 24 hours with KeepRefreshToken.
	Absolute time.Duration
	// Grace is how long a refresh token that was exchanged gives the same
	// successor again: two tabs, an answer that was lost. Later its use is
	// theft and ends the session. Defaults to 10 seconds, at most 60.
	Grace time.Duration
	// KeepRefreshToken switches the rotation of refresh tokens off, for
	// clients that cannot store a new one. A stolen one then serves as long
	// as the session lives. Defaults to false.
	KeepRefreshToken bool
	// Recent is how old a sign-in may be for a change of password by token
	// alone. Defaults to 5 minutes.
	Recent time.Duration
	// Max is how many sessions a user may have; a further sign-in ends the
	// oldest. Defaults to 100.
	Max int
}

// maxTokenLife is the most that TokenLifetime may be.
const maxTokenLifetime = time.Hour

// LimitConfig holds the limits on tries. A network is an IPv4 address or the
// /64 of an IPv6 address. The store keeps the counters, for all machines with the
// same [Config.Secret]; with another one they start anew.
type LimitConfig struct {
	// FreeFailures is how many failures in a row one login id has from one
	// network (or from one browser that signed in before) until further tries
	// must wait. Defaults to 5.
	FreeFailures int
	// Wait is the first wait, which doubles with each failure up to MaxWait.
	// Default to 30 seconds and 1 hour.
	Wait, MaxWait time.Duration
	// NetworkFailures is how many failures a network has within
	// NetworkWindow, over all login ids. Default to 20 in 5 minutes.
	NetworkFailures int
	NetworkWindow   time.Duration
	// NetworkAttempts is how many passwords of a network are checked within
	// NetworkWindow, right or wrong, so that nobody keeps the machine hashing.
	// Browsers that signed in to an account before are counted by account
	// instead. Raise it if more people than that sign in behind one address at
	// the same time. Defaults to 300.
	NetworkAttempts int
	// SignUps is how many sign-ups a network has in an hour. Defaults to 10.
	SignUps int
	// ResetEmails is how many reset mails an account gets in an hour at the
	// request of strangers, and as many again at that of browsers that signed in
	// to it before; more requests are answered alike and send nothing. Defaults
	// to 3.
	ResetEmails int
	// ResetRequests is how many reset requests a network may make in an hour.
	// Defaults to 10.
	ResetRequests int
	// Emails is how many mails of all kinds an address gets in an hour; the last
	// one is kept for a reset, and a browser that signed in before has one more
	// for it. Of links that prove an address, and of those that change it, an
	// account may ask for two fewer than that in an hour. Defaults to 5. Notices that the password or the
	// address was changed do not count where the address is proven: there they
	// are sent up to 20 times an hour.
	Emails int
	// OutboxSize is how many emails may wait in the outbox. Defaults to 10000.
	OutboxSize int
}

// complete returns a copy with every default filled in, or says which setting
// is wrong.
func (c Config) complete() (Config, error) {
	c.PagesPath = cmp.Or(c.PagesPath, "/auth")
	c.ResetLifetime = cmp.Or(c.ResetLifetime, 10*time.Minute)
	c.VerifyLifetime = cmp.Or(c.VerifyLifetime, 24*time.Hour)
	c.Algorithm = cmp.Or(c.Algorithm, token.ES256)
	c.EventRetention = cmp.Or(c.EventRetention, 400*24*time.Hour)
	c.Logger = logs.Guard(cmp.Or(c.Logger, slog.Default()))
	if c.Now == nil {
		c.Now = time.Now
	}
	c.BaseURL = strings.TrimSuffix(c.BaseURL, "/")
	if u, err := url.Parse(c.BaseURL); err == nil {
		c.Name = cmp.Or(c.Name, u.Hostname())
	}
	if len(c.Audience) == 0 {
		c.Audience = []string{c.BaseURL}
	}
	c.Audience = slices.Clone(c.Audience)
	c.OldSecrets = slices.Clone(c.OldSecrets)
	c.Redirects = slices.Clone(c.Redirects)
	c.Sessions = c.Sessions.complete()
	c.Limits = c.Limits.complete()
	c.Rotation.PublishAhead = cmp.Or(c.Rotation.PublishAhead, 24*time.Hour)
	c.Rotation.KeepAfter = max(c.Rotation.KeepAfter, c.Sessions.Absolute, c.Sessions.TokenLifetime)

	if c.Password.OnBreachError == nil {
		logger := c.Logger
		c.Password.OnBreachError = func(err error) { logger.Warn("usher: breached passwords", "error", err) }
	}
	var err error
	if c.Password, err = c.Password.Complete(); err != nil {
		return Config{}, fmt.Errorf("usher: Config.Password: %w", err)
	}
	c.Hashing.QueueWait = cmp.Or(c.Hashing.QueueWait, password.DefaultQueueWait)
	return c, c.validate()
}

func (c SessionConfig) complete() SessionConfig {
	absolute := 30 * 24 * time.Hour
	if c.KeepRefreshToken {
		absolute = 24 * time.Hour
	}
	c.TokenLifetime = cmp.Or(c.TokenLifetime, 10*time.Minute)
	c.Absolute = cmp.Or(c.Absolute, absolute)
	c.Idle = min(cmp.Or(c.Idle, 14*24*time.Hour), c.Absolute)
	c.Grace = cmp.Or(c.Grace, 10*time.Second)
	c.Recent = cmp.Or(c.Recent, 5*time.Minute)
	c.Max = cmp.Or(c.Max, 100)
	return c
}

func (c LimitConfig) complete() LimitConfig {
	c.FreeFailures = cmp.Or(c.FreeFailures, 5)
	c.Wait = cmp.Or(c.Wait, 30*time.Second)
	c.MaxWait = cmp.Or(c.MaxWait, time.Hour)
	c.NetworkFailures = cmp.Or(c.NetworkFailures, 20)
	c.NetworkWindow = cmp.Or(c.NetworkWindow, 5*time.Minute)
	c.NetworkAttempts = cmp.Or(c.NetworkAttempts, 300)
	c.SignUps = cmp.Or(c.SignUps, 10)
	c.ResetEmails = cmp.Or(c.ResetEmails, 3)
	c.ResetRequests = cmp.Or(c.ResetRequests, 10)
	c.Emails = cmp.Or(c.Emails, 5)
	c.OutboxSize = cmp.Or(c.OutboxSize, 10000)
	return c
}

func (c Config) validate() error {
	if err := checkSecrets(c.Secret, c.OldSecrets, c.Hashing.Peppers); err != nil {
		return err
	}
	if err := weburl.CheckBase(c.BaseURL); err != nil {
		return fmt.Errorf("usher: Config.BaseURL %w", err)
	}
	if !isName(c.Name) {
		return errors.New("usher: Config.Name must be one line of at most 100 characters, without control characters")
	}
	for i, r := range c.Redirects {
		if err := weburl.CheckAllowed(r); err != nil {
			return fmt.Errorf("usher: Config.Redirects[%d]: %w", i, err)
		}
	}
	for _, d := range []struct {
		name           string
		value, at, max time.Duration
	}{
		{"ResetLifetime", c.ResetLifetime, time.Minute, 24 * time.Hour},
		{"VerifyLifetime", c.VerifyLifetime, time.Minute, 24 * time.Hour},
		{"EventRetention", c.EventRetention, time.Hour, 100 * 365 * 24 * time.Hour},
		{"Sessions.TokenLifetime", c.Sessions.TokenLifetime, 10 * time.Second, maxTokenLifetime},
		{"Sessions.Absolute", c.Sessions.Absolute, time.Minute, 366 * 24 * time.Hour},
		{"Sessions.Idle", c.Sessions.Idle, time.Minute, c.Sessions.Absolute},
		{"Sessions.Grace", c.Sessions.Grace, 0, time.Minute},
		{"Sessions.Recent", c.Sessions.Recent, time.Second, 24 * time.Hour},
		{"Limits.MaxWait", c.Limits.MaxWait, time.Second, 24 * time.Hour},
		{"Limits.Wait", c.Limits.Wait, time.Second, c.Limits.MaxWait},
		{"Limits.NetworkWindow", c.Limits.NetworkWindow, time.Second, 24 * time.Hour},
	} {
		if d.value < d.at || d.value > d.max {
			return fmt.Errorf("usher: Config.%s is %s, must be from %s to %s", d.name, d.value, d.at, d.max)
		}
	}
	for _, n := range []struct {
		name       string
		value, max int
	}{
		{"Sessions.Max", c.Sessions.Max, 10_000},
		{"Limits.FreeFailures", c.Limits.FreeFailures, 100},
		{"Limits.NetworkFailures", c.Limits.NetworkFailures, 1_000_000},
		{"Limits.NetworkAttempts", c.Limits.NetworkAttempts, 1_000_000},
		{"Limits.SignUps", c.Limits.SignUps, 1_000_000},
		{"Limits.ResetEmails", c.Limits.ResetEmails, 100},
		{"Limits.ResetRequests", c.Limits.ResetRequests, 1_000_000},
		{"Limits.Emails", c.Limits.Emails, 1000},
		{"Limits.OutboxSize", c.Limits.OutboxSize, 10_000_000},
	} {
		if n.value < 1 || n.value > n.max {
			return fmt.Errorf("usher: Config.%s is %d, must be from 1 to %d", n.name, n.value, n.max)
		}
	}
	if !strings.HasPrefix(c.PagesPath, "/") || strings.ContainsAny(c.PagesPath, "?#\\ ") {
		return errors.New("usher: Config.PagesPath must be a path that begins with a slash")
	}
	for _, a := range c.Audience {
		if a == "" {
			return errors.New("usher: Config.Audience has an empty entry")
		}
	}
	switch c.Algorithm {
	case token.ES256, token.EdDSA, token.RS256:
	default:
		return fmt.Errorf("usher: Config.Algorithm %q cannot sign, use token.ES256, token.EdDSA or token.RS256", c.Algorithm)
	}
	if c.Mailer == nil {
		return errors.New("usher: Config.Mailer is missing: mail.Dir writes mail into a folder, mail.SMTP sends it")
	}
	return nil
}

// isName reports whether s can be in the subject of an email and in the title of a
// page.
func isName(s string) bool {
	return utf8.ValidString(s) && utf8.RuneCountInString(s) <= 100 && !strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp)
	})
}

// warn says once, at start, what the operator chose that a standard advises
// against.
func (c Config) logWarnings() {
	for _, w := range c.Password.Warnings() {
		c.Logger.Warn("usher: password policy", "warning", w)
	}
	for _, s := range []struct {
		on   bool
		text string
	}{
		{!strings.HasPrefix(strings.ToLower(c.BaseURL), "https:"), "BaseURL is plain http: use it for development on this computer only, and https in production"},
		{c.InsecureNoThrottle, "InsecureNoThrottle: passwords can be guessed without limit"},
		{c.ResetSignsIn, "ResetSignsIn: who reads a reset mail is signed in (OWASP Forgot Password Cheat Sheet advises against it)"},
		{c.Sessions.KeepRefreshToken, "Sessions.KeepRefreshToken: a stolen refresh token goes unnoticed (RFC 9700 §4.14.2)"},
	} {
		if s.on {
			c.Logger.Warn("usher: unsafe setting", "warning", s.text)
		}
	}
}
