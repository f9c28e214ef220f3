package middleware

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// ErrCrossOrigin is true of every refusal by a CrossOrigin.
var ErrCrossOrigin = errors.New("middleware: cross-origin request")

// CrossOriginConfig says which origins may send requests that change something.
type CrossOriginConfig struct {
	// TrustedOrigins are origins beside the program's own: scheme, host and port
	// as a browser writes them, such as "https://app.example.com". They are
	// compared exactly. http is for loopback only. Defaults to none.
	TrustedOrigins []string
	// TrustedProxies are the networks whose X-Forwarded-Proto is believed.
	// Defaults to none.
	TrustedProxies []netip.Prefix
	// OnRefusal answers the requests that Handler refuses. Defaults to
	// [WriteRefusal].
	OnRefusal func(w http.ResponseWriter, r *http.Request, refusal Refusal)
}

// CrossOrigin refuses requests by which another site's page would change
// something in the name of a signed-in user (cross-site request forgery). It is
// safe for concurrent use.
//
// It is net/http's CrossOriginProtection, and closes what that leaves open: an
// http page of the same host does not count as the same origin of an https
// program, and (in CheckCookie) a request without Sec-Fetch-Site and Origin does
// not pass by its cookies alone. GET, HEAD and OPTIONS are let through: they
// must change nothing.
type CrossOrigin struct {
	protection http.CrossOriginProtection
	origins    []string
	proxies    []netip.Prefix
	onRefusal  func(w http.ResponseWriter, r *http.Request, refusal Refusal)
}

// NewCrossOrigin checks the configuration and returns a CrossOrigin.
func NewCrossOrigin(cfg CrossOriginConfig) (*CrossOrigin, error) {
	if err := checkProxies("TrustedProxies", cfg.TrustedProxies); err != nil {
		return nil, err
	}
	c := &CrossOrigin{
		origins:   slices.Clone(cfg.TrustedOrigins),
		proxies:   slices.Clone(cfg.TrustedProxies),
		onRefusal: cfg.OnRefusal,
	}
	if c.onRefusal == nil {
		c.onRefusal = WriteRefusal
	}
	for i, o := range c.origins {
		if err := checkOrigin(o); err != nil {
			return nil, fmt.Errorf("middleware: TrustedOrigins[%d] %q %w", i, o, err)
		}
		if err := c.protection.AddTrustedOrigin(o); err != nil {
			return nil, fmt.Errorf("middleware: TrustedOrigins[%d]: %w", i, err)
		}
	}
	return c, nil
}

// checkOrigin refuses an origin that no browser would write so: it would never
// match.
func checkOrigin(o string) error {
	u, err := url.Parse(o)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.Scheme+"://"+u.Host != o:
		return errors.New("must be scheme, host and port alone, such as https://app.example.com")
	case u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())):
		return errors.New("must begin with https:// (http is for loopback only)")
	case strings.ToLower(o) != o || strings.Contains(o, "*"):
		return errors.New("must be in lower case and without a wildcard")
	case u.Scheme == "https" && u.Port() == "443", u.Scheme == "http" && u.Port() == "80", strings.HasSuffix(o, ":"):
		return errors.New("must not name the scheme's own port")
	}
	return nil
}

// Handler refuses cross-origin requests as [CrossOrigin.Check] does.
func (c *CrossOrigin) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := c.Check(r); err != nil {
			c.onRefusal(w, r, crossOriginRefusal(err))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// Check returns an error, of which errors.Is ErrCrossOrigin is true, if the
// request could change something and comes from another origin's page. A
// request with neither Sec-Fetch-Site nor Origin passes, for no browser of today
// sends such a one: see CheckCookie.
func (c *CrossOrigin) Check(r *http.Request) error {
	if isSafe(r.Method) {
		return nil
	}
	if len(r.Header["Origin"]) > 1 || len(r.Header["Sec-Fetch-Site"]) > 1 {
		return fmt.Errorf("%w: Origin or Sec-Fetch-Site is there twice", ErrCrossOrigin)
	}
	if err := c.protection.Check(r); err != nil {
		return fmt.Errorf("%w: %w", ErrCrossOrigin, err)
	}
	return c.checkScheme(r)
}

// CheckCookie is Check for a request that proves who sent it by a cookie. Since
// an old browser attaches cookies unasked, such a request with neither
// Sec-Fetch-Site nor Origin needs an X-Requested-With header too, which no page
// can add to another origin's request.
func (c *CrossOrigin) CheckCookie(r *http.Request) error {
	if err := c.Check(r); err != nil {
		return err
	}
	if isSafe(r.Method) || KnowsOrigin(r) || r.Header.Get("X-Requested-With") != "" {
		return nil
	}
	return fmt.Errorf("%w: Sec-Fetch-Site, Origin and X-Requested-With are all missing", ErrCrossOrigin)
}

// checkScheme decides what net/http leaves open for browsers without
// Sec-Fetch-Site: an Origin that equals Host may still be http where the program
// is https, and then whoever sits on the network wrote the page.
func (c *CrossOrigin) checkScheme(r *http.Request) error {
	origin := r.Header.Get("Origin")
	if r.Header.Get("Sec-Fetch-Site") != "" || origin == "" || slices.Contains(c.origins, origin) {
		return nil
	}
	u, err := url.Parse(origin)
	if err != nil {
		return fmt.Errorf("%w: Origin cannot be read", ErrCrossOrigin)
	}
	named := slices.ContainsFunc(c.origins, func(o string) bool { return strings.HasSuffix(o, "://"+u.Host) })
	if u.Scheme != "https" && (named || ClientScheme(r, c.proxies) == "https") {
		return fmt.Errorf("%w: Origin has another scheme", ErrCrossOrigin)
	}
	return nil
}

// KnowsOrigin reports whether the request says where it comes from, by
// Sec-Fetch-Site or Origin. Every browser of today does.
func KnowsOrigin(r *http.Request) bool {
	return r.Header.Get("Sec-Fetch-Site") != "" || r.Header.Get("Origin") != ""
}

// isSafe names the methods that net/http's protection lets through.
func isSafe(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
}
