package handlers

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"github.com/usherkit/usher/internal/logs"
	"github.com/usherkit/usher/middleware"
	"github.com/usherkit/usher/pages"
	"github.com/usherkit/usher/texts"
	"github.com/usherkit/usher/token"
)

// Cookies is where a browser keeps its tokens and its device token. The Jar of
// package cookies is such.
type Cookies interface {
	middleware.TokenCookies
	// Device returns the token that SetDevice kept, or "".
	Device(r *http.Request) token.Secret
	// SetDevice keeps the token of a browser that has signed in. Signing out
	// leaves it alone.
	SetDevice(w http.ResponseWriter, r *http.Request, device token.Secret) error
}

// Config says how the handlers deliver tokens and whom they listen to. The zero
// Config is ready for use: tokens travel in bodies and in the Authorization
// header.
type Config struct {
	// Cookies keeps the tokens in the browser; no token is in any body then.
	// Defaults to nil: tokens are in the bodies, for programs that are no
	// browsers.
	Cookies Cookies

	// Pages are the pages that people see. They need Cookies. With them the
	// routes take forms beside JSON, and OnRefusal defaults to sending browsers
	// to the sign-in page. Defaults to nil: no pages, and forms are answered
	// 415.
	Pages *pages.Config

	// Texts are the words of the pages and of problem documents, and their
	// languages; the same Catalogue suits mail.Composer. Defaults to the
	// built-in ones.
	Texts texts.Catalogue

	// TrustedProxies are the networks of the proxies in front of this program,
	// whose X-Forwarded-For and X-Forwarded-Proto are believed. Defaults to
	// none.
	TrustedProxies []netip.Prefix
	// TrustedOrigins are further origins, such as "https://app.example.com",
	// whose pages may send requests that change something. Scheme, host and
	// port are compared. Defaults to none: this origin alone.
	TrustedOrigins []string
	// AllowedOrigins are origins whose pages may read the answers (CORS).
	// Scheme, host and port are compared exactly. To let them send what changes
	// something, name them in TrustedOrigins too. "*" is everybody, and an
	// error beside Cookies. Defaults to none.
	AllowedOrigins []string

	// Timeout bounds the work for one request; what takes longer is answered
	// 503. Defaults to 5 seconds.
	Timeout time.Duration
	// OnRefusal answers what the embedded Middleware refuses on the program's
	// own routes; the routes of this package answer for themselves. Defaults to
	// [middleware.WriteRefusal].
	OnRefusal func(w http.ResponseWriter, r *http.Request, refusal middleware.Refusal)
	// Logger gets failures and refusals, never a secret. Defaults to
	// slog.Default().
	Logger *slog.Logger
	// Now is the clock; tests may set it to that of the Service. Defaults to
	// time.Now.
	Now func() time.Time
}

// complete returns a copy with every default filled in, or says which setting
// is wrong. The proxies and trusted origins are checked by package middleware.
func (c Config) complete() (Config, error) {
	c.Timeout = cmp.Or(c.Timeout, 5*time.Second)
	c.Logger = logs.Guard(cmp.Or(c.Logger, slog.Default()))
	if c.Now == nil {
		c.Now = time.Now
	}
	c.TrustedProxies = slices.Clone(c.TrustedProxies)
	c.TrustedOrigins = slices.Clone(c.TrustedOrigins)
	c.AllowedOrigins = slices.Clone(c.AllowedOrigins)
	if c.Timeout < 0 {
		return Config{}, errors.New("handlers: Config.Timeout must not be negative")
	}
	return c, c.checkAllowed()
}

func (c Config) checkAllowed() error {
	for i, o := range c.AllowedOrigins {
		if o == "*" {
			if c.Cookies != nil {
				return errors.New(`handlers: Config.AllowedOrigins must not have "*" beside Cookies: name the origins`)
			}
			continue
		}
		// An origin that may be trusted is spelled as browsers spell it.
		if _, err := middleware.NewCrossOrigin(middleware.CrossOriginConfig{TrustedOrigins: []string{o}}); err != nil {
			return fmt.Errorf("handlers: Config.AllowedOrigins[%d] %q must be scheme, host and port as a browser writes them, such as https://app.example.com (http for loopback only)", i, o)
		}
	}
	return nil
}
