package middleware

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/usherkit/usher/internal/logs"
	"github.com/usherkit/usher/token"
)

// Sessions judges session tokens. A [token.Verifier], a [Remote] and the
// Service of package usher are such.
type Sessions interface {
	// ValidateSession returns the claims of a valid session token; they are
	// shared and only read. An error of which errors.Is token.ErrInvalid is true
	// refuses the token, with token.ErrExpired because its time is over and for
	// no other reason. Any other error means that nothing could be judged.
	ValidateSession(ctx context.Context, raw string) (*token.Claims, error)
}

// Refresher exchanges refresh tokens. The Service of package usher is one.
type Refresher interface {
	// RefreshTokens returns the next pair of the session. An error of which
	// errors.Is token.ErrInvalid is true means that the session has ended, and
	// signs the browser out. Any other error is an outage, and does not.
	RefreshTokens(ctx context.Context, refreshToken string, address netip.Addr, userAgent string) (token.Pair, error)
}

// Cookies is where a browser keeps its tokens. The Jar of package cookies is
// such.
type Cookies interface {
	// Tokens returns the tokens in the request's cookies. present is true if the
	// request has a session cookie at all; the pair is zero if that one was
	// forged, damaged or sent twice.
	Tokens(r *http.Request) (pair token.Pair, present bool)
	// SetTokens adds the cookies to the answer, or none of them on an error.
	SetTokens(w http.ResponseWriter, r *http.Request, pair token.Pair) error
	// ClearTokens makes the browser drop the cookies.
	ClearTokens(w http.ResponseWriter, r *http.Request)
}

// Config says how a Middleware finds and judges sessions.
type Config struct {
	// Sessions judges session tokens. Required.
	Sessions Sessions
	// Cookies finds tokens in cookies. Defaults to none: then only the
	// Authorization header counts.
	Cookies Cookies
	// Refresher exchanges the refresh token of a browser whose session token has
	// expired, in the middle of a request; no cache stores the answer then, unless
	// the handler sets a Cache-Control of its own. It needs Cookies. Defaults to
	// none: then an expired session token is refused.
	Refresher Refresher

	// TrustedProxies are the networks of the proxies in front of this program,
	// whose X-Forwarded-For and X-Forwarded-Proto are believed. Defaults to none.
	TrustedProxies []netip.Prefix
	// TrustedOrigins are further origins, such as "https://app.example.com",
	// whose pages may send requests that change something with the cookies of
	// this one. Defaults to none: this origin alone.
	TrustedOrigins []string

	// Realm is the realm of the WWW-Authenticate header (RFC 9110 §11.5).
	// Defaults to "session".
	Realm string
	// SignInPath is where a browser that opens a page is sent to sign in: a path
	// of this program, or an https address. It is short for an OnRefusal of
	// [RedirectToSignIn], and excludes another. Defaults to none: every refusal
	// is a problem document.
	SignInPath string
	// OnRefusal answers a request that is refused. Defaults to [WriteRefusal].
	OnRefusal func(w http.ResponseWriter, r *http.Request, refusal Refusal)

	// Logger gets one line for each refusal, by class, without tokens and with
	// the network instead of the address. Defaults to slog.Default().
	Logger *slog.Logger
	// Now is the clock that RequireRecent reads. Defaults to time.Now.
	Now func() time.Time
}

// Middleware validates the session of a request and puts its claims into the
// context. It is safe for concurrent use. See [New].
type Middleware struct {
	cfg     Config
	origins *CrossOrigin
	vary    string
	flights flights
}

// New checks the configuration and returns a Middleware. What is missing or
// contradicts itself is an error that names the field.
func New(cfg Config) (*Middleware, error) {
	cfg.Realm = cmp.Or(cfg.Realm, "session")
	cfg.Logger = logs.Guard(cmp.Or(cfg.Logger, slog.Default()))
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	origins, err := NewCrossOrigin(CrossOriginConfig{
		TrustedOrigins: cfg.TrustedOrigins,
		TrustedProxies: cfg.TrustedProxies,
	})
	if err != nil {
		return nil, err
	}
	cfg.TrustedProxies = slices.Clone(cfg.TrustedProxies)
	if cfg.SignInPath != "" {
		cfg.OnRefusal = RedirectToSignIn(cfg.SignInPath)
	} else if cfg.OnRefusal == nil {
		cfg.OnRefusal = WriteRefusal
	}
	m := &Middleware{cfg: cfg, origins: origins, vary: "Authorization"}
	if cfg.Cookies != nil {
		m.vary = "Authorization, Cookie"
	}
	return m, nil
}

func (c Config) validate() error {
	if c.Sessions == nil {
		return errors.New("middleware: Config.Sessions is missing: an *usher.Service, a *token.Verifier, or what OpenRemote returns")
	}
	if c.Refresher != nil && c.Cookies == nil {
		return errors.New("middleware: Config.Refresher needs Config.Cookies: it has nowhere to put the new tokens")
	}
	if strings.ContainsFunc(c.Realm, func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' }) {
		return errors.New("middleware: Config.Realm must be printable ASCII without quotes and backslashes")
	}
	if c.SignInPath == "" {
		return nil
	}
	if c.OnRefusal != nil {
		return errors.New("middleware: Config.SignInPath and Config.OnRefusal exclude each other; RedirectToSignIn can be called from an OnRefusal")
	}
	if u, err := url.Parse(c.SignInPath); SafeReturnTo(c.SignInPath) == "" &&
		(err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && !isLoopback(u.Hostname())) {
		return fmt.Errorf("middleware: Config.SignInPath %q must be a path such as /auth/signin, or an https address", c.SignInPath)
	}
	return nil
}

// checkProxies refuses prefixes that match nothing and those that match
// everybody.
func checkProxies(field string, proxies []netip.Prefix) error {
	for i, p := range proxies {
		switch {
		case !p.IsValid():
			return fmt.Errorf("middleware: %s[%d] is not a valid prefix", field, i)
		case p.Addr().Is4In6():
			return fmt.Errorf("middleware: %s[%d] %s must be written as an IPv4 prefix", field, i, p)
		case p.Bits() == 0:
			return fmt.Errorf("middleware: %s[%d] %s trusts everybody: name the proxies", field, i, p)
		}
	}
	return nil
}
