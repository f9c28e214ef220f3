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

// Validator validates session tokens. [token.Verifier], [Remote] and
// usher.Service implement it.
type Validator interface {
	// ValidateSession returns the claims of a valid session token. Callers do
	// not modify them. An error that matches token.ErrInvalid means that the
	// token is invalid; it also matches token.ErrExpired if expiry is the only
	// reason. Any other error means that the token could not be validated.
	ValidateSession(ctx context.Context, raw token.Secret) (*token.Claims, error)
}

// ClaimsReader is an interface that a [Validator] may implement. It reads the current
// rights of a user. A session token has the rights of the time when it was issued.
// usher.Service implements it.
type ClaimsReader interface {
	// CurrentClaims returns claims with the roles, permissions, tenants and the
	// verified address that the user has now. A guard calls it once for a request that
	// it would refuse otherwise. An error that matches token.ErrInvalid means that the
	// session has ended. Any other error means that the claims could not be read.
	CurrentClaims(ctx context.Context, claims *token.Claims) (*token.Claims, error)
}

// Refresher exchanges refresh tokens. usher.Service implements it.
type Refresher interface {
	// RefreshTokens returns the next tokens of the session. address and userAgent
	// are those of the client. An error that matches token.ErrInvalid means that
	// the session has ended. The Middleware then deletes the cookies, if the user
	// opens a page ([IsNavigation]). Any other error means that the token could not
	// be exchanged.
	RefreshTokens(ctx context.Context, refreshToken token.Secret, address netip.Addr, userAgent string) (token.Pair, error)
	// SessionToken returns a session token for the session of a refresh token, and
	// does not exchange the refresh token. It is for a protocol upgrade, whose
	// response cannot set cookies. Its errors are those of RefreshTokens.
	SessionToken(ctx context.Context, refreshToken token.Secret, address netip.Addr, userAgent string) (token.Secret, error)
}

// TokenCookies keeps the tokens of a session in cookies. cookies.Jar implements
// it.
type TokenCookies interface {
	// Tokens returns the tokens in the request's cookies. present reports whether
	// the request has a session cookie; pair is zero if that cookie is invalid.
	Tokens(r *http.Request) (pair token.Pair, present bool)
	// SetTokens adds the cookies to the response, or none of them on an error. An error that
	// matches token.ErrUnavailable is answered 503, and every other one 500.
	SetTokens(w http.ResponseWriter, r *http.Request, pair token.Pair) error
	// ClearTokens adds cookies to the response that delete those of the browser.
	ClearTokens(w http.ResponseWriter, r *http.Request)
}

// Config configures a [Middleware].
type Config struct {
	// Validator validates session tokens. Required.
	Validator Validator
	// Cookies reads and writes tokens in cookies. Defaults to nil: only the
	// Authorization header is read.
	Cookies TokenCookies
	// Refresher exchanges the refresh token in a cookie if the session token has
	// expired. On a protocol upgrade, such as the handshake of a WebSocket, it
	// validates the refresh token and exchanges nothing. Requires Cookies. Defaults
	// to nil: expired session tokens are refused.
	Refresher Refresher

	// TrustedProxies are the networks of the proxies in front of this program,
	// whose X-Forwarded-For and X-Forwarded-Proto headers are trusted, and
	// [UnixSocket] if a proxy connects by a Unix socket. Defaults to none.
	TrustedProxies []netip.Prefix
	// HTTPS means that browsers use https, as in CrossOriginConfig. Defaults to false.
	HTTPS bool
	// TrustedOrigins are further origins, such as "https://app.example.com", whose
	// pages may send requests that change something, with the cookies of this
	// program. Defaults to none: only this program's own origin may.
	TrustedOrigins []string

	// Realm is the realm of the WWW-Authenticate header (RFC 9110 §11.5).
	// Defaults to "session".
	Realm string
	// SignInPath is where browsers are redirected to sign in: a path of this
	// program, or an https URL. It is short for an OnRefusal of
	// [RedirectToSignIn], so set only one of them. Defaults to "": every refusal
	// is a problem document.
	SignInPath string
	// BasePath is the path of the program's public address, such as "/app" for
	// https://example.com/app, if a proxy removes it from the path of each request.
	// The sign-in page of SignInPath then returns to the public path. A path that
	// begins with BasePath already is left as it is. Defaults to "".
	BasePath string
	// OnRefusal writes the response to a refused request. Defaults to
	// [WriteRefusal].
	OnRefusal func(w http.ResponseWriter, r *http.Request, refusal Refusal)

	// Logger gets one record for each refusal, without tokens and with the
	// client's network instead of its address. Defaults to slog.Default().
	Logger *slog.Logger
	// Now is the clock of RequireRecent. Defaults to time.Now.
	Now func() time.Time
}

// Middleware validates the session of a request and puts its claims into the
// context. It is safe for concurrent use.
type Middleware struct {
	cfg       Config
	origins   *CrossOrigin
	vary      string
	exchanges exchanges
	// impersonation is Config.Cookies if it can keep the session of an operator who acts as a user.
	impersonation impersonationCookies
}

// New returns a Middleware. Its errors name the field of cfg that is missing or
// invalid.
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
		HTTPS:          cfg.HTTPS,
	})
	if err != nil {
		return nil, err
	}
	cfg.TrustedProxies = slices.Clone(cfg.TrustedProxies)
	if cfg.SignInPath != "" {
		cfg.OnRefusal = redirectToSignIn(cfg.SignInPath, strings.TrimSuffix(cfg.BasePath, "/"))
	} else if cfg.OnRefusal == nil {
		cfg.OnRefusal = WriteRefusal
	}
	m := &Middleware{cfg: cfg, origins: origins, vary: "Authorization"}
	if cfg.Cookies != nil {
		m.vary = "Authorization, Cookie"
		m.impersonation, _ = cfg.Cookies.(impersonationCookies)
	}
	return m, nil
}

func (c Config) validate() error {
	if c.Validator == nil {
		return errors.New("middleware: Config.Validator is missing: set it to an *usher.Service, a *token.Verifier, or the result of OpenRemote")
	}
	if c.Refresher != nil && c.Cookies == nil {
		return errors.New("middleware: Config.Refresher requires Config.Cookies, which keeps the new tokens")
	}
	if strings.ContainsFunc(c.Realm, func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' }) {
		return errors.New("middleware: Config.Realm must be printable ASCII without quotes and backslashes")
	}
	if c.BasePath != "" && SafeReturnTo(c.BasePath) == "" {
		return fmt.Errorf("middleware: Config.BasePath %q must be a path such as /app", c.BasePath)
	}
	if c.SignInPath == "" {
		return nil
	}
	if c.OnRefusal != nil {
		return errors.New("middleware: Config.SignInPath and Config.OnRefusal are both set: set one of them, and call RedirectToSignIn in an OnRefusal of your own")
	}
	if u, err := url.Parse(c.SignInPath); SafeReturnTo(c.SignInPath) == "" &&
		(err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && !isLoopback(u.Hostname())) {
		return fmt.Errorf("middleware: Config.SignInPath %q must be a path such as /auth/signin, or an https URL", c.SignInPath)
	}
	return nil
}

// checkProxies rejects prefixes that match no address, and those that no network of
// proxies has: with a few of them, clients could choose the address that they count as.
func checkProxies(field string, proxies []netip.Prefix) error {
	for i, p := range proxies {
		switch {
		case !p.IsValid():
			return fmt.Errorf("middleware: %s[%d] is not a valid prefix", field, i)
		case p.Addr().Is4In6():
			return fmt.Errorf("middleware: %s[%d] %s must be written as an IPv4 prefix", field, i, p)
		case p.Bits() < minPrefixBits(p.Addr()):
			return fmt.Errorf("middleware: %s[%d] %s is too wide, every host in it could choose its address: use the networks of the proxies", field, i, p)
		}
	}
	return nil
}

// minPrefixBits returns how many bits a prefix with the address must have at least: 8 for IPv4,
// 16 for IPv6, and 7 for private networks of IPv6.
func minPrefixBits(a netip.Addr) int {
	switch {
	case a.Is4():
		return 8
	case a.IsPrivate() || a.IsLinkLocalUnicast():
		return 7
	}
	return 16
}
