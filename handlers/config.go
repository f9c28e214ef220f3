package handlers

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/cookies"
	"github.com/usherkit/usher/internal/logs"
	"github.com/usherkit/usher/internal/weburl"
	"github.com/usherkit/usher/middleware"
	"github.com/usherkit/usher/pages"
	"github.com/usherkit/usher/problem"
	"github.com/usherkit/usher/texts"
)

// Config configures [Handlers]. With the zero Config there are no pages, and tokens are
// in bodies and in the Authorization header.
type Config struct {
	// Path is the path of the program where the handlers are mounted, such as "/auth"; "/"
	// is the root. It is the path as the program receives it: without a prefix that a proxy
	// removes, and with one that http.StripPrefix removes. Set it if a router other than
	// net/http.ServeMux passes on whole paths to a mount without Pages, or if a proxy
	// changes the path of the pages. Defaults to usher.Config.PagesPath with Pages, and
	// otherwise to the part of the path that ServeMux matched or http.StripPrefix removed.
	Path string

	// Cookies keeps the tokens in cookies, and no body has a token. With Pages it defaults
	// to a jar whose keys are derived from the secrets of the Service, and which sets
	// cookies for http if the BaseURL of the Service is http. Without Pages it defaults to
	// nil: tokens are in the bodies, for clients that are not browsers.
	Cookies *cookies.Jar

	// Pages turns on the HTML pages. The routes then take forms as well as JSON, and
	// the embedded Middleware redirects users who navigate to the sign-in page, or shows
	// them a page about the refusal. Defaults to nil:
	// no pages, and 415 for forms.
	Pages *pages.Config

	// EndWithBrowser makes sessions end when the browser is closed
	// (usher.Client.EndWithBrowser), unless a sign-in asks for the opposite: by the checkbox
	// of the sign-in page, which is then not set at first, or by "rememberMe":true in
	// JSON. Defaults to false: the checkbox is set at first.
	EndWithBrowser bool

	// Texts are the texts of the pages and of problem documents, and their
	// languages. mail.Composer takes the same Catalogue. Defaults to the built-in
	// texts.
	Texts texts.Catalogue

	// TrustedProxies are the networks of the proxies in front of this program,
	// whose X-Forwarded-For and X-Forwarded-Proto are trusted, and
	// [middleware.UnixSocket] if a proxy connects by a Unix socket. The clients of any
	// other proxy count as one network, with the limits of one. Defaults to none.
	TrustedProxies []netip.Prefix
	// TrustedOrigins are further origins, such as "https://app.example.com", whose pages
	// may read the answers (CORS) and send requests that change something: of these
	// routes, of the program's routes behind the embedded Middleware, and of those in
	// [Handlers.CORS]. Scheme, host and port are compared exactly. "*" trusts every
	// origin, and is an error together with Cookies or Pages. The origin of the
	// request's Host and that of the BaseURL of the Service are always trusted.
	// Defaults to none.
	TrustedOrigins []string

	// HSTS is the value of the header Strict-Transport-Security (RFC 6797) in answers
	// over https, such as "max-age=31536000; includeSubDomains". It binds the whole
	// host, not only these routes: a browser that has seen it opens the host, or all
	// its subdomains, over https alone. Defaults to none.
	HSTS string
	// Timeout limits the work for one request after its body has arrived; a request that
	// takes longer is answered 503. Defaults to 5 seconds.
	Timeout time.Duration
	// OnError writes the errors of the routes and of the embedded Middleware in the
	// program's own format. p is complete and in the reader's language, and the headers
	// of the error, such as Retry-After, are set. A browser that must sign in is still
	// redirected to the sign-in page, and a form is still shown again with its errors.
	// Defaults to [problem.Write], and with Pages to a page if the user navigates
	// ([middleware.IsNavigation]).
	OnError func(w http.ResponseWriter, r *http.Request, p problem.Problem)
	// Logger gets failures and refusals, never a secret. Defaults to
	// slog.Default().
	Logger *slog.Logger
	// Now returns the current time. Defaults to the clock of the Service,
	// usher.Config.Now.
	Now func() time.Time
}

// complete returns a copy with every default filled in. An error names the setting
// that is wrong. Package middleware checks the proxies.
func (c Config) complete(auth *usher.Service) (Config, error) {
	c.Timeout = cmp.Or(c.Timeout, 5*time.Second)
	c.Logger = logs.Guard(cmp.Or(c.Logger, slog.Default()))
	if c.Now == nil {
		c.Now = auth.Now
	}
	c.TrustedProxies = slices.Clone(c.TrustedProxies)
	own, err := url.Parse(auth.PagesURL())
	if err != nil {
		return Config{}, fmt.Errorf("handlers: the BaseURL of the Service: %w", err)
	}
	c.TrustedOrigins = slices.Clone(c.TrustedOrigins)
	if c.Path != "" {
		if err := weburl.CheckPath(c.Path); err != nil {
			return Config{}, fmt.Errorf("handlers: Config.Path %w", err)
		}
	}
	if c.Timeout < 0 {
		return Config{}, errors.New("handlers: Config.Timeout must not be negative")
	}
	if c.Cookies != nil && c.Cookies.LoopbackOnly() && own.Scheme == "https" {
		return Config{}, errors.New("handlers: Config.Cookies has InsecureLoopback, which is for development, but the BaseURL of the Service is https")
	}
	if c.Pages != nil && c.Cookies == nil {
		if c.Cookies, err = c.newJar(auth, own.Scheme == "http"); err != nil {
			return Config{}, err
		}
	}
	return c, c.checkOrigins()
}

// newJar returns the jar of a Service. For http it has no Logger, because usher.New has
// warned of that.
func (c Config) newJar(auth *usher.Service, loopback bool) (*cookies.Jar, error) {
	secrets, logger := auth.CookieSecrets(), c.Logger
	if loopback {
		logger = slog.New(slog.DiscardHandler)
	}
	return cookies.New(cookies.Config{
		Secret: secrets[0], OldSecrets: secrets[1:], InsecureLoopback: loopback, Logger: logger, Now: c.Now,
	})
}

func (c Config) checkOrigins() error {
	for i, o := range c.TrustedOrigins {
		if o == "*" {
			if c.Cookies != nil {
				return errors.New(`handlers: Config.TrustedOrigins must not have "*" beside Cookies: name the origins`)
			}
			continue
		}
		// NewCrossOrigin checks that an origin is spelled as browsers spell it.
		if _, err := middleware.NewCrossOrigin(middleware.CrossOriginConfig{TrustedOrigins: []string{o}}); err != nil {
			return fmt.Errorf("handlers: Config.TrustedOrigins[%d] %q must be scheme, host and port as a browser writes them, such as https://app.example.com (http for loopback only)", i, o)
		}
	}
	return nil
}

// writers returns the origins whose pages may send requests that are authenticated by a
// cookie. The origin of BaseURL is the program's own, also behind a proxy that changes
// Host.
func (c Config) writers(auth *usher.Service) []string {
	all := slices.DeleteFunc(slices.Clone(c.TrustedOrigins), func(o string) bool { return o == "*" })
	if own, err := url.Parse(auth.BaseURL()); err == nil { // complete has parsed it before
		all = append(all, own.Scheme+"://"+own.Host)
	}
	return all
}

// usesHTTPS reports whether browsers use https, by the BaseURL of the Service.
func usesHTTPS(auth *usher.Service) bool {
	u, err := url.Parse(auth.BaseURL())
	return err == nil && u.Scheme == "https"
}

// warnOfWideProxies logs a warning for each network of TrustedProxies that probably has
// other hosts than proxies. Each of those can choose the address that it counts as.
func (c Config) warnOfWideProxies() {
	for _, p := range c.TrustedProxies {
		if p.Bits() < 16 && !p.Addr().IsLoopback() || p.Addr().Is6() && p.Bits() < 48 {
			c.Logger.Warn("handlers: a network in Config.TrustedProxies is wide: every host in it can choose the address that its attempts count for", "network", p.String(),
				"advice", "name the networks of the proxies alone")
		}
	}
}
