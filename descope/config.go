package descope

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/publicsuffix"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/cookies"
	"github.com/usherkit/usher/internal/logs"
)

// Config configures a [Handler]. ProjectID is required. Every other field may be zero,
// which means its documented default.
type Config struct {
	// ProjectID is the project id of the SDKs: 1 to 64 letters, digits, dashes and
	// underscores. usher.Config.Issuer must end in it, behind a slash, or be equal to it,
	// because the SDKs compare both. Required.
	ProjectID string
	// ManagementKey is the management key of the SDKs: at least 32 random characters, of
	// letters, digits, dashes and underscores. A client that has it may do what an
	// [usher.Operator] may do. Defaults to none: the management calls are not served.
	ManagementKey usher.Secret

	// Cookies keeps the tokens in cookies of this host, for SDKs in browsers: the answers
	// then have no refresh token in the body, and calls without one take that of the
	// cookie. The jar must have [cookies.Config.Plain], because the SDKs read the tokens.
	// Defaults to nil: both tokens are in the body, as SDKs in backends expect.
	Cookies *cookies.Jar
	// CookieDomain is the domain of the cookies that SDKs in backends set on the
	// application's own host: that of the host of usher.Config.BaseURL or a domain above it.
	// It must not be set with Cookies, whose own domain is used. Defaults to none: the
	// cookies belong to the application's host alone.
	CookieDomain string

	// TrustedProxies are the networks of the proxies in front of this program, and of
	// backends that pass on the address of their clients. See
	// [handlers.Config.TrustedProxies]. Defaults to none.
	//
	// [handlers.Config.TrustedProxies]: https://pkg.go.dev/github.com/usherkit/usher/handlers#Config
	TrustedProxies []netip.Prefix
	// TrustedOrigins are the origins, such as "https://app.example.com", whose pages may call
	// these routes from a browser (CORS, with cookies). Scheme, host and port are compared
	// exactly, and there is no wildcard. Defaults to none.
	TrustedOrigins []string

	// Timeout limits the work for one request; a request that takes longer is answered 503.
	// Defaults to 5 seconds.
	Timeout time.Duration
	// Logger gets failures and refusals, never a secret. Defaults to slog.Default().
	Logger *slog.Logger
	// Now returns the current time. Tests may set it to the clock of the Service. Defaults
	// to time.Now.
	Now func() time.Time
}

var (
	projectID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
	// A key with another character would be cut at the colon, or look like a token.
	managementKey = regexp.MustCompile(`^[A-Za-z0-9_-]{32,512}$`)
)

// complete returns a copy with every default filled in. An error names the setting that is
// wrong. Package middleware checks the proxies and the origins.
func (c Config) complete(service *usher.Service) (Config, error) {
	c.Timeout = cmp.Or(c.Timeout, 5*time.Second)
	c.Logger = logs.Guard(cmp.Or(c.Logger, slog.Default()))
	if c.Now == nil {
		c.Now = time.Now
	}
	c.TrustedProxies, c.TrustedOrigins = slices.Clone(c.TrustedProxies), slices.Clone(c.TrustedOrigins)
	switch {
	case !projectID.MatchString(c.ProjectID):
		return Config{}, errors.New("descope: Config.ProjectID must have 1 to 64 letters, digits, dashes and underscores")
	case service.Issuer() != c.ProjectID && !strings.HasSuffix(service.Issuer(), "/"+c.ProjectID):
		return Config{}, fmt.Errorf("descope: the Issuer of the Service is %q, and Descope's SDKs accept only one that ends in the project id: set usher.Config.Issuer to %q", service.Issuer(), service.BaseURL()+"/"+c.ProjectID)
	case c.ManagementKey != "" && !managementKey.MatchString(c.ManagementKey.Reveal()):
		return Config{}, errors.New("descope: Config.ManagementKey must have at least 32 letters, digits, dashes and underscores, such as the output of: head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \\n'")
	case c.Timeout < 0:
		return Config{}, errors.New("descope: Config.Timeout must not be negative")
	case slices.Contains(c.TrustedOrigins, "*"):
		return Config{}, errors.New(`descope: Config.TrustedOrigins must not have "*": name the origins`)
	}
	return c, c.checkCookies(service)
}

func (c Config) checkCookies(service *usher.Service) error {
	if c.Cookies == nil {
		return checkDomain("Config.CookieDomain", c.CookieDomain, service.BaseURL())
	}
	if session, refresh := c.Cookies.PlainNames(); session != "DS" || refresh != "DSR" {
		return errors.New("descope: Config.Cookies must have cookies.Config.Plain and its default names DS and DSR, in which the SDKs look for the tokens")
	}
	if c.CookieDomain != "" {
		return errors.New("descope: Config.CookieDomain must not be set with Config.Cookies: set cookies.Config.Domain")
	}
	if c.Cookies.LoopbackOnly() && strings.HasPrefix(service.BaseURL(), "https:") {
		return errors.New("descope: Config.Cookies has InsecureLoopback, which is for development, but the BaseURL of the Service is https")
	}
	return checkDomain("the Domain of Config.Cookies", c.Cookies.Domain(), service.BaseURL())
}

// checkDomain refuses a domain that browsers refuse in a cookie of the host of base (RFC
// 6265bis §5.6): one of another host, and a public suffix such as co.uk.
func checkDomain(setting, domain, base string) error {
	if domain == "" {
		return nil
	}
	u, err := url.Parse(base)
	if err != nil {
		return fmt.Errorf("descope: the BaseURL of the Service: %w", err)
	}
	host := strings.ToLower(u.Hostname())
	if suffix, _ := publicsuffix.PublicSuffix(domain); suffix == domain {
		return fmt.Errorf("descope: %s %q is a public suffix, in which browsers keep no cookies", setting, domain)
	}
	if _, err := netip.ParseAddr(host); err == nil || domain != strings.ToLower(domain) ||
		strings.HasPrefix(domain, ".") || host != domain && !strings.HasSuffix(host, "."+domain) {
		return fmt.Errorf("descope: %s %q must be %q or a domain above it, in lower case: browsers refuse cookies with any other", setting, domain, host)
	}
	return nil
}
