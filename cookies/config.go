package cookies

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/sessions"

	"github.com/usherkit/usher/internal/logs"
	"github.com/usherkit/usher/internal/tokencache"
	"github.com/usherkit/usher/token"
)

// Config says what a jar's cookies look like and what seals them. One of Secret,
// KeyPairs and Store is required.
type Config struct {
	// Secret is at least 32 random bytes, the same on every machine; the keys of
	// the cookies are derived from it (HKDF, RFC 5869). It may be the Secret of
	// usher.Config. Defaults to none.
	Secret token.Secret
	// OldSecrets still open what earlier secrets sealed, newest first. Defaults
	// to none.
	OldSecrets []token.Secret
	// KeyPairs are explicit keys in the place of Secret, newest first: the first
	// seals, all of them open. Defaults to none.
	KeyPairs []KeyPair
	// Store keeps the sessions in the place of the cookies, which then hold what
	// the store puts into them, an id as a rule. Its codecs are its own affair;
	// the attributes of the cookies are not, they are the jar's. Defaults to a
	// store that keeps everything in the cookie.
	Store sessions.Store

	// Name is the name of the session cookie. One without the prefix __Host- or
	// __Secure- is a risk that is warned of. Defaults to "__Host-session", or to
	// "session" with InsecureLoopback.
	Name string
	// Plain makes the tokens themselves the cookies, without encryption: whoever
	// reads the cookies reads the claims. Defaults to false.
	Plain bool
	// SessionName and RefreshName are the names of the two cookies with Plain.
	// Default to "DS" and "DSR".
	SessionName, RefreshName string
	// Domain sends the session cookie to all hosts of a domain, each of which can
	// then take over a session. It excludes names with __Host-. Defaults to none:
	// the one host.
	Domain string
	// SameSite is http.SameSiteLaxMode or http.SameSiteStrictMode, the latter
	// alone with Plain, Domain, or a Name without prefix. Defaults to Lax, and to
	// Strict in those cases.
	SameSite http.SameSite
	// InsecureLoopback makes cookies for plain http, without Secure and prefix,
	// and only for a Host of localhost or a loopback address: for development on
	// one's own machine. Defaults to false.
	InsecureLoopback bool

	// CacheBytes bounds the memory of the cache of opened session cookies, at least
	// 1 MiB: a browser sends the same one with each request, and opening it costs
	// more than all else of a request. It serves cookies that hold everything
	// themselves, so neither Plain nor Store goes with it. A negative number turns
	// it off. Defaults to 32 MiB.
	CacheBytes int

	// Logger gets a warning for each risky setting, at New, and for a Store that
	// fails. Defaults to slog.Default().
	Logger *slog.Logger
	// Now is the clock. Defaults to time.Now.
	Now func() time.Time
}

const (
	hostPrefix   = "__Host-"
	securePrefix = "__Secure-"

	defaultCacheBytes = 32 << 20
)

// complete returns a copy with every default filled in, or says which setting is
// wrong.
func (c Config) complete() (Config, error) {
	if err := c.checkNames(); err != nil {
		return Config{}, err
	}
	c.Logger = logs.Guard(cmp.Or(c.Logger, slog.Default()))
	if c.Now == nil {
		c.Now = time.Now
	}
	switch {
	case c.CacheBytes != 0 && (c.Plain || c.Store != nil):
		return Config{}, errors.New("cookies: Config.CacheBytes is not used with Plain or Store")
	case c.CacheBytes > 0 && c.CacheBytes < tokencache.MinBytes:
		return Config{}, fmt.Errorf("cookies: Config.CacheBytes of %d is less than %d", c.CacheBytes, tokencache.MinBytes)
	}
	c.CacheBytes = cmp.Or(c.CacheBytes, defaultCacheBytes)
	name := hostPrefix + "session"
	if c.InsecureLoopback {
		name = "session"
	}
	c.Name = cmp.Or(c.Name, name)
	c.SessionName = cmp.Or(c.SessionName, "DS")
	c.RefreshName = cmp.Or(c.RefreshName, "DSR")
	for _, n := range c.tokenNames() {
		if err := c.checkName(n); err != nil {
			return Config{}, err
		}
	}
	strict := c.Domain != "" || c.Plain || !c.InsecureLoopback && !hasPrefix(c.Name, hostPrefix) && !hasPrefix(c.Name, securePrefix)
	switch {
	case c.SameSite == 0 && strict:
		c.SameSite = http.SameSiteStrictMode
	case c.SameSite == 0:
		c.SameSite = http.SameSiteLaxMode
	case c.SameSite != http.SameSiteLaxMode && c.SameSite != http.SameSiteStrictMode:
		return Config{}, errors.New("cookies: Config.SameSite must be http.SameSiteLaxMode or http.SameSiteStrictMode")
	case strict && c.SameSite != http.SameSiteStrictMode:
		return Config{}, errors.New("cookies: Config.SameSite must be http.SameSiteStrictMode with Plain, Domain or a Name without prefix")
	}
	return c, nil
}

// tokenNames are the cookies that hold tokens.
func (c Config) tokenNames() []string {
	if c.Plain {
		return []string{c.SessionName, c.RefreshName}
	}
	return []string{c.Name}
}

// checkNames refuses what nothing would read.
func (c Config) checkNames() error {
	switch {
	case c.Plain && c.Name != "":
		return errors.New("cookies: Config.Name is not used with Plain; set SessionName and RefreshName")
	case !c.Plain && (c.SessionName != "" || c.RefreshName != ""):
		return errors.New("cookies: Config.SessionName and RefreshName are used with Plain only; set Name")
	case c.Plain && c.SessionName != "" && c.SessionName == cmp.Or(c.RefreshName, "DSR"),
		c.Plain && c.RefreshName != "" && c.RefreshName == cmp.Or(c.SessionName, "DS"):
		return errors.New("cookies: Config.SessionName and RefreshName are the same")
	}
	return nil
}

func (c Config) checkName(name string) error {
	probe := http.Cookie{Name: name, Value: "x", Path: "/", Domain: c.Domain}
	if err := probe.Valid(); err != nil {
		return fmt.Errorf("cookies: the name %q with the domain %q makes no cookie: %w", name, c.Domain, err)
	}
	switch {
	case slices.Contains([]string{"device", "return_to", "flash"}, strings.TrimPrefix(name, hostPrefix)),
		strings.HasPrefix(strings.TrimPrefix(name, hostPrefix), notePrefix):
		return fmt.Errorf("cookies: the name %q is taken by another cookie of the jar", name)
	case hasPrefix(name, hostPrefix) && c.Domain != "":
		return fmt.Errorf("cookies: Config.Domain cannot go with the name %s: browsers refuse it (RFC 6265bis §4.1.3.2); choose a name such as __Secure-session", name)
	case c.InsecureLoopback && (hasPrefix(name, hostPrefix) || hasPrefix(name, securePrefix)):
		return fmt.Errorf("cookies: Config.InsecureLoopback cannot go with the name %s: browsers demand https for it", name)
	}
	return nil
}

// hasPrefix ignores case as browsers do.
func hasPrefix(name, prefix string) bool {
	return len(name) >= len(prefix) && strings.EqualFold(name[:len(prefix)], prefix)
}

// warn says once, at start, what was chosen that a standard advises against.
func (c Config) warn() {
	warn := func(text string) { c.Logger.Warn("cookies: unsafe setting", "warning", text) }
	if c.InsecureLoopback {
		warn("InsecureLoopback: plain http on this machine only, for development")
	}
	if c.Domain != "" {
		warn("Domain: every host of the domain reads the session cookie, and can set one")
	}
	if c.Plain {
		warn("Plain: the tokens are readable in the cookies")
	}
	for _, n := range c.tokenNames() {
		if !c.InsecureLoopback && !hasPrefix(n, hostPrefix) && !hasPrefix(n, securePrefix) {
			warn("the name " + n + " has no __Host- prefix: another host of the domain can set such a cookie")
		}
	}
}
