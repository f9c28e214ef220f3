package usher

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"go/version"
	"log/slog"
	"maps"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/usherkit/usher/internal/logs"
	"github.com/usherkit/usher/internal/signing"
	"github.com/usherkit/usher/internal/testonly"
	"github.com/usherkit/usher/internal/weburl"
	"github.com/usherkit/usher/password"
	"github.com/usherkit/usher/token"
)

// Config holds the settings of a [Service]. Secret, BaseURL and Mailer are
// required, because no default would be safe. Every other field may be zero, which
// means its documented default.
type Config struct {
	// Secret is at least 32 random bytes, the same in every instance. Every other key
	// is derived from it (HKDF, one key for each use). [SecretFile] makes one.
	// Required.
	Secret Secret
	// OldSecrets are earlier values of Secret, newest first. The Service still opens
	// what they sealed. The counters of [LimitConfig] depend on Secret alone, so a new
	// Secret resets them. The count of consecutive failures that locks a password is
	// kept. Defaults to none.
	OldSecrets []Secret

	// Name is the program's name in pages, emails and password managers: one line of
	// at most 100 characters. Defaults to the host of BaseURL.
	Name string
	// BaseURL is the public URL of the program, such as "https://app.example.com". Emailed
	// links begin with it. The Host header of a request is ignored. The scheme must be
	// https. For localhost and loopback addresses http is accepted, and New logs a warning.
	// Required.
	BaseURL string
	// Issuer is the iss claim of the tokens: a URL, or a name without a colon. A change ends
	// every session. Defaults to BaseURL.
	Issuer string
	// PagesPath is the path of the HTML pages under BaseURL. Defaults to "/auth".
	PagesPath string
	// Links says where emailed links lead if not to the pages.
	Links Links
	// Audience is the aud claim of session tokens. ValidateSession accepts a token that
	// has at least one of these values. Defaults to Issuer alone. Refresh tokens and
	// tokens of reset sessions have another one, which only the Service accepts.
	Audience []string
	// Redirects are the URLs to which a reset link may lead instead of the page, if a
	// request asks for one of them. The redirectUrl of a request must have the scheme, host
	// and port of one of them, and the same path or a path below it. Defaults to none.
	Redirects []string

	// Mailer delivers emails, outside of any request. Required.
	Mailer Mailer

	// Password is the policy for new passwords. Operators may replace some of its rules
	// ([Operator.SetPasswordSettings]). Defaults to [password.NIST].
	Password password.Policy
	// Hashing sets how passwords are hashed, and how many at the same time. Defaults
	// to Argon2id with 64 MiB, 3 passes, 1 lane, and one slot for each two CPUs.
	Hashing password.HasherConfig

	// BreachedAtSignIn says what a sign-in does if the right password is in the list of
	// leaked passwords. Any value except BreachedAllowed needs Password.Breached. Defaults to
	// BreachedAllowed.
	BreachedAtSignIn BreachedAction

	// ConfirmFirst makes sign-up only send an email, so that the answer never reveals
	// whether an account exists. The link in the email asks for the chosen password.
	// Defaults to false: sign-up returns tokens at once, and ErrLoginIDTaken if the
	// login id is taken.
	ConfirmFirst bool
	// SignUpRule is called for every sign-up with acceptable input, before the login id is
	// looked up, so that a refusal does not reveal which login ids are free. u has what the
	// client gave: login id, email and profile. The rule should call no other server. A
	// [*Rejection] refuses the sign-up, and reaches the client as 422; any other error
	// fails it. A refusal does not count as a sign-up; see [LimitConfig].
	// [Service.EnsureUser] calls it for each user that it would create, with EmailVerified.
	// Operators' imports do not call it. Defaults to none.
	SignUpRule func(ctx context.Context, u User) error
	// NoEmailCodes leaves the six-digit codes out of emails. Set it if the program has neither
	// the pages nor a form of its own for a code. Defaults to false: an email that confirms an
	// address or sets a password has a code beside its link.
	NoEmailCodes bool
	// SignUpFields are fields of the program in a sign-up. The hook of the store gets their
	// values in the transaction that creates the user, and stores them; the Service does
	// not. Neither EnsureUser, an invitation nor an import asks for them. Defaults to none.
	SignUpFields []SignUpField
	// SignUpClosed refuses every sign-up, except by the link of [Operator.Invite].
	// Defaults to false.
	SignUpClosed bool
	// UnicodeLoginIDs allows non-ASCII characters before the @ of a login id (RFC
	// 6531). Defaults to false.
	UnicodeLoginIDs bool
	// ResetSignsIn makes a completed reset return tokens. An attacker who can read one
	// email then gets a session. Defaults to false: the user signs in with the new
	// password.
	ResetSignsIn bool

	// Sessions holds the lifetimes of sessions and tokens.
	Sessions SessionConfig
	// ResetLifetime is how long a reset link is valid. Defaults to 10 minutes; from 1
	// minute to 24 hours.
	ResetLifetime time.Duration
	// VerifyLifetime is how long a link that confirms an address is valid. Defaults to
	// 24 hours; from 1 minute to 24 hours.
	VerifyLifetime time.Duration

	// Algorithm signs the tokens: token.ES256, token.EdDSA or token.RS256. Defaults to
	// token.ES256.
	Algorithm token.Algorithm
	// Rotation is the schedule by which signing keys are replaced. Defaults to a new
	// key every 90 days, published 24 hours before it signs.
	Rotation Rotation
	// Claims returns the program's own claims for a session token. Names that the
	// Service sets or that other programs trust, such as sub, roles or scope, are
	// reserved in any letter case; to return one is an error. The client can read the
	// claims, so they should contain no personal data. An error fails the sign-in or
	// refresh, which then returns it; a [*Rejection] reaches the client as 422.
	// Defaults to none.
	Claims func(ctx context.Context, u User) (map[string]any, error)

	// Limits holds the limits on attempts and emails.
	Limits LimitConfig
	// InsecureNoThrottle switches off every limit on attempts. It is for load tests on
	// a developer's computer, and New accepts it only if the host of BaseURL is localhost
	// or a loopback address. Defaults to false.
	InsecureNoThrottle bool

	// OnEvent is called for every event. Defaults to none.
	OnEvent EventHook
	// EventRetention is how long the audit table keeps an event. Defaults to 400 days;
	// at least 1 hour.
	EventRetention time.Duration
	// EventRetentionByName holds shorter times for the events of some names; from 1 minute
	// to EventRetention. EventSessionRenewed and EventTenantSelected default to 24 hours,
	// because a session can cause them without end. Every other name defaults to
	// EventRetention.
	EventRetentionByName map[EventName]time.Duration
	// Logger receives warnings and failures, never a secret. Defaults to
	// slog.Default().
	Logger *slog.Logger
	// Now returns the current time. It is for tests. Defaults to time.Now.
	Now func() time.Time

	// NoBackground leaves the background work to other instances. This Service then
	// sends no emails, rotates no keys, removes no expired rows, and knows only the
	// revocations that were in force when it started. It is for command-line tools
	// that use the store of a running program, and for programs whose process is stopped
	// between requests, which call [Service.RunBackground]. Defaults to false.
	NoBackground bool
}

// Rotation is the schedule by which signing keys are replaced. A key is first
// published, then it signs. After its successor starts to sign, it stays published
// until the last token that it signed has expired.
type Rotation struct {
	// Every is how long a key signs. Defaults to 90 days.
	Every time.Duration
	// PublishAhead is how long a key is published before it signs. It must be shorter
	// than Every, and longer than verifiers cache a fetched key set: less than 5 minutes
	// logs a warning. The first key of a store signs at once. Defaults to 24 hours.
	PublishAhead time.Duration
	// KeepAfter is how long a key stays published after it stopped signing. A value
	// below the lifetime of the longest token is raised to it. Defaults to that
	// lifetime.
	KeepAfter time.Duration
}

// minPublishAhead is the shortest PublishAhead without a warning: caches keep the key set
// for a minute, and a verifier fetches it every minute, or after a pause if that failed.
const minPublishAhead = 5 * time.Minute

// maxTokenLifetime is the maximum of SessionConfig.TokenLifetime.
const maxTokenLifetime = time.Hour

// complete returns a copy with every default filled in, or an error that names the
// wrong setting.
func (c Config) complete() (Config, error) {
	c.PagesPath = cmp.Or(c.PagesPath, "/auth")
	c.ResetLifetime = cmp.Or(c.ResetLifetime, 10*time.Minute)
	c.VerifyLifetime = cmp.Or(c.VerifyLifetime, 24*time.Hour)
	c.Algorithm = cmp.Or(c.Algorithm, token.ES256)
	c.EventRetention = cmp.Or(c.EventRetention, 400*24*time.Hour)
	short := min(24*time.Hour, c.EventRetention)
	byName := map[EventName]time.Duration{EventSessionRenewed: short, EventTenantSelected: short}
	maps.Copy(byName, c.EventRetentionByName)
	c.EventRetentionByName = byName
	c.Logger = logs.Guard(cmp.Or(c.Logger, slog.Default()))
	if c.Now == nil {
		c.Now = time.Now
	}
	c.BaseURL = strings.TrimRight(c.BaseURL, "/")
	if u, err := url.Parse(c.BaseURL); err == nil {
		c.Name = cmp.Or(c.Name, u.Hostname())
	}
	c.Issuer = cmp.Or(c.Issuer, c.BaseURL)
	if len(c.Audience) == 0 {
		c.Audience = []string{c.Issuer}
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
		c.Password.OnBreachError = func(err error) { logger.Warn("usher: the list of leaked passwords could not be queried", "error", err) }
	}
	var err error
	if c.Password, err = c.Password.WithDefaults(); err != nil {
		return Config{}, fmt.Errorf("usher: Config.Password: %w", err)
	}
	if c.SignUpFields, err = completeSignUpFields(c.SignUpFields); err != nil {
		return Config{}, err
	}
	c.Hashing.QueueWait = cmp.Or(c.Hashing.QueueWait, password.DefaultQueueWait)
	return c, c.validate()
}

func (c Config) validate() error {
	if err := checkSecrets(c.Secret, c.OldSecrets, c.Hashing.Peppers); err != nil {
		return err
	}
	if err := weburl.CheckBase(c.BaseURL); err != nil {
		return fmt.Errorf("usher: Config.BaseURL %w", err)
	}
	if err := signing.CheckIssuer(c.Issuer); err != nil {
		return fmt.Errorf("usher: Config.Issuer %w", err)
	}
	if c.InsecureNoThrottle && !weburl.IsLoopback(c.BaseURL) && !testonly.NoThrottleAllowed() {
		return errors.New("usher: Config.InsecureNoThrottle is for this computer alone: BaseURL must name localhost or a loopback address; elsewhere raise Config.Limits")
	}
	if err := c.BreachedAtSignIn.validate(c.Password); err != nil {
		return err
	}
	if err := weburl.CheckPath(c.PagesPath); err != nil {
		return fmt.Errorf("usher: Config.PagesPath %w", err)
	}
	if err := c.Links.validate(); err != nil {
		return err
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
		name            string
		value, min, max time.Duration
	}{
		{"ResetLifetime", c.ResetLifetime, time.Minute, 24 * time.Hour},
		{"VerifyLifetime", c.VerifyLifetime, time.Minute, 24 * time.Hour},
		{"EventRetention", c.EventRetention, time.Hour, 100 * 365 * 24 * time.Hour},
		{"Sessions.TokenLifetime", c.Sessions.TokenLifetime, 10 * time.Second, maxTokenLifetime},
		{"Sessions.Absolute", c.Sessions.Absolute, time.Minute, 366 * 24 * time.Hour},
		{"Sessions.Idle", c.Sessions.Idle, time.Minute, c.Sessions.Absolute},
		{"Sessions.BrowserAbsolute", c.Sessions.BrowserAbsolute, time.Minute, c.Sessions.Absolute},
		{"Sessions.Grace", c.Sessions.Grace, 0, time.Minute},
		{"Sessions.Recent", c.Sessions.Recent, time.Second, 24 * time.Hour},
		{"Limits.MaxWait", c.Limits.MaxWait, time.Second, 24 * time.Hour},
		{"Limits.Wait", c.Limits.Wait, time.Second, c.Limits.MaxWait},
		{"Limits.NetworkWindow", c.Limits.NetworkWindow, time.Second, 24 * time.Hour},
	} {
		if d.value < d.min || d.value > d.max {
			return fmt.Errorf("usher: Config.%s is %s, must be from %s to %s", d.name, d.value, d.min, d.max)
		}
	}
	for name, d := range c.EventRetentionByName {
		if d < time.Minute || d > c.EventRetention {
			return fmt.Errorf("usher: Config.EventRetentionByName[%q] is %s, must be from 1m to Config.EventRetention (%s)", name, d, c.EventRetention)
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
	for _, a := range c.Audience {
		switch {
		case a == "":
			return errors.New("usher: Config.Audience has an empty entry")
		case slices.Contains(c.ownAudience(), a):
			return fmt.Errorf("usher: Config.Audience has %q, the audience of refresh tokens", a)
		}
	}
	switch c.Algorithm {
	case token.ES256, token.EdDSA, token.RS256:
	default:
		return fmt.Errorf("usher: Config.Algorithm %q cannot sign, use token.ES256, token.EdDSA or token.RS256", c.Algorithm)
	}
	if c.Mailer == nil {
		return errors.New("usher: Config.Mailer is missing: mail.Dir writes emails into a folder, mail.SMTP sends them")
	}
	return nil
}

// ownAudience is the aud claim of the tokens that only the Service accepts. A verifier
// that does not check typ refuses them because of it (RFC 8725 §3.12).
func (c Config) ownAudience() []string { return []string{c.BaseURL + "/#refresh"} }

// isName reports whether s can be part of an email subject and a page title.
func isName(s string) bool {
	return utf8.ValidString(s) && utf8.RuneCountInString(s) <= 100 && !strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp)
	})
}

// logWarnings logs each setting that a standard advises against.
func (c Config) logWarnings() {
	for _, w := range c.Password.Warnings() {
		c.Logger.Warn("usher: password policy", "warning", w)
	}
	for _, s := range []struct {
		on   bool
		text string
	}{
		{!strings.HasPrefix(strings.ToLower(c.BaseURL), "https:"), "BaseURL is plain http: use it for development on this computer only, and https in production"},
		{
			weburl.HasAppScheme(c.Links.ResetPassword) || weburl.HasAppScheme(c.Links.VerifyEmail) || weburl.HasAppScheme(c.Links.AcceptInvitation),
			"Links has the scheme of an app: mail programs remove such links, and another app may register the scheme; an https URL that the app claims avoids both",
		},
		{c.InsecureNoThrottle && !testonly.NoThrottleAllowed(), "InsecureNoThrottle: attackers can guess passwords without limit"},
		{isOldGo(runtime.Version()), "the program was built with " + runtime.Version() + ": releases before " + patchedGo + " have known vulnerabilities in net/http and crypto/tls"},
		{c.ResetSignsIn, "ResetSignsIn: an attacker who can read a reset email is signed in (the OWASP Forgot Password Cheat Sheet advises against it)"},
		{c.Rotation.PublishAhead < minPublishAhead, "Rotation.PublishAhead is shorter than 5 minutes: verifiers and caches may still have the key set without a key that signs already, and refuse its tokens"},
		{c.Sessions.KeepRefreshToken, "Sessions.KeepRefreshToken: the use of a stolen refresh token is not detected (RFC 9700 §4.14.2)"},
	} {
		if s.on {
			c.Logger.Warn("usher: unsafe setting", "warning", s.text)
		}
	}
}

// patchedGo is the release of Go that fixes the vulnerabilities which affect this module.
// go.mod does not require it, so that the program chooses its release of Go.
const patchedGo = "go1.26.6"

// isOldGo reports whether a release of Go is older than patchedGo.
func isOldGo(release string) bool {
	return version.IsValid(release) && version.Compare(release, patchedGo) < 0
}
