package middleware

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/usherkit/usher/problem"
)

// ErrCrossOrigin is wrapped by every error of [CrossOrigin.Check] and
// [CrossOrigin.CheckCookie].
var ErrCrossOrigin = errors.New("middleware: cross-origin request")

// CrossOriginConfig configures a [CrossOrigin].
type CrossOriginConfig struct {
	// TrustedOrigins are origins that may send requests that change something,
	// besides the program's own: scheme, host and port as browsers write them,
	// such as "https://app.example.com". They are compared exactly. The scheme
	// must be https, except on loopback hosts, or that of an app whose pages are in
	// a web view, such as "capacitor://localhost". Defaults to none.
	TrustedOrigins []string
	// TrustedProxies are the networks of the proxies whose X-Forwarded-Proto
	// header is trusted, and [UnixSocket] if a proxy connects by a Unix socket.
	// Defaults to none.
	TrustedProxies []netip.Prefix
	// HTTPS means that browsers use https for this program, also where a proxy that is
	// not in TrustedProxies ends TLS. An http page of the same host is then another
	// origin, except on loopback hosts. Defaults to false: that is known only from the
	// connection or from a trusted proxy.
	HTTPS bool
	// OnRefusal writes the response to requests that Handler refuses. Defaults
	// to [WriteRefusal].
	OnRefusal func(w http.ResponseWriter, r *http.Request, refusal Refusal)
}

// CrossOrigin refuses cross-site request forgery: requests by which a page of
// another site would change something for a signed-in user. [Middleware] checks
// requests with a session cookie by itself. It is safe for concurrent use.
//
// CrossOrigin extends [http.CrossOriginProtection]: an http page of the same host
// is not the same origin for an https program, and [CrossOrigin.CheckCookie]
// refuses requests without Sec-Fetch-Site and Origin. GET, HEAD and OPTIONS are
// always allowed and must not change anything.
type CrossOrigin struct {
	protection http.CrossOriginProtection
	origins    []string
	proxies    []netip.Prefix
	https      bool
	onRefusal  func(w http.ResponseWriter, r *http.Request, refusal Refusal)
}

// NewCrossOrigin returns a CrossOrigin. Its errors name the field of cfg that is
// invalid.
func NewCrossOrigin(cfg CrossOriginConfig) (*CrossOrigin, error) {
	if err := checkProxies("TrustedProxies", cfg.TrustedProxies); err != nil {
		return nil, err
	}
	c := &CrossOrigin{
		origins:   slices.Clone(cfg.TrustedOrigins),
		proxies:   slices.Clone(cfg.TrustedProxies),
		https:     cfg.HTTPS,
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

// checkOrigin rejects origins in a form that no browser sends, because they would
// never match.
func checkOrigin(o string) error {
	u, err := url.Parse(o)
	switch {
	case err != nil || u.Host == "" || u.Scheme+"://"+u.Host != o:
		return errors.New("must consist of scheme, host and port, such as https://app.example.com")
	case u.Scheme == "http" && !isLoopback(u.Hostname()) || slices.Contains([]string{"ftp", "ws", "wss"}, u.Scheme):
		return errors.New("must begin with https:// (http is for loopback only) or with the scheme of an app")
	case strings.ToLower(o) != o || strings.Contains(o, "*"):
		return errors.New("must be in lower case and without a wildcard")
	case u.Scheme == "https" && u.Port() == "443", u.Scheme == "http" && u.Port() == "80", strings.HasSuffix(o, ":"):
		return errors.New("must not contain the default port of the scheme")
	}
	return nil
}

// Handler returns a handler that refuses the requests for which
// [CrossOrigin.Check] returns an error.
func (c *CrossOrigin) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := c.Check(r); err != nil {
			c.onRefusal(w, r, *newRefusal(problem.CrossOrigin, err))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// Check returns an error that wraps [ErrCrossOrigin] if the request could change
// something and comes from a page of another origin. A request with neither
// Sec-Fetch-Site nor Origin is allowed, because current browsers send one of
// them; see [CrossOrigin.CheckCookie].
func (c *CrossOrigin) Check(r *http.Request) error {
	if isSafe(r.Method) {
		return nil
	}
	if len(r.Header["Origin"]) > 1 || len(r.Header["Sec-Fetch-Site"]) > 1 {
		return fmt.Errorf("%w: several Origin or Sec-Fetch-Site headers", ErrCrossOrigin)
	}
	if err := c.protection.Check(r); err != nil {
		return fmt.Errorf("%w: %w", ErrCrossOrigin, err)
	}
	return c.checkScheme(r)
}

// CheckCookie is [CrossOrigin.Check] for a request that authenticates by a cookie.
// Old browsers send cookies with cross-site requests but neither Sec-Fetch-Site
// nor Origin. So a request without both needs an X-Requested-With header, which a
// page cannot add to a request to another origin.
func (c *CrossOrigin) CheckCookie(r *http.Request) error {
	if err := c.Check(r); err != nil {
		return err
	}
	if isSafe(r.Method) || HasOrigin(r) || r.Header.Get("X-Requested-With") != "" {
		return nil
	}
	return fmt.Errorf("%w: Sec-Fetch-Site, Origin and X-Requested-With are all missing", ErrCrossOrigin)
}

// checkScheme refuses an Origin that equals Host except for its scheme, which
// net/http allows without Sec-Fetch-Site. If the program uses https, an attacker
// on the network could have written the http page.
func (c *CrossOrigin) checkScheme(r *http.Request) error {
	origin := r.Header.Get("Origin")
	if r.Header.Get("Sec-Fetch-Site") != "" || origin == "" || slices.Contains(c.origins, origin) {
		return nil
	}
	u, err := url.Parse(origin)
	if err != nil {
		return fmt.Errorf("%w: malformed Origin header", ErrCrossOrigin)
	}
	named := slices.ContainsFunc(c.origins, func(o string) bool { return strings.HasSuffix(o, "://"+u.Host) })
	if u.Scheme != "https" && (named || c.https && !isLoopback(u.Hostname()) || ClientScheme(r, c.proxies) == "https") {
		return fmt.Errorf("%w: Origin has another scheme", ErrCrossOrigin)
	}
	return nil
}

// HasOrigin reports whether the request has a Sec-Fetch-Site or an Origin
// header. Current browsers send one of them with every request that could change
// something.
func HasOrigin(r *http.Request) bool {
	return r.Header.Get("Sec-Fetch-Site") != "" || r.Header.Get("Origin") != ""
}

// isSafe reports whether http.CrossOriginProtection always allows the method.
func isSafe(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
}
