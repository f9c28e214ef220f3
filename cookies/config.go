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

// Config configures a [Jar]. One of Secret, KeyPairs and Store is required.
type Config struct {
	// Secret is at least 32 random bytes, the same on every instance. The keys of
	// the cookies are derived from it (HKDF, RFC 5869). It may be the Secret of
	// usher.Config. Defaults to none.
	Secret token.Secret
	// OldSecrets are earlier secrets, newest first, whose cookies are still
	// accepted. Defaults to none.
	OldSecrets []token.Secret
	// KeyPairs are explicit keys, as an alternative to Secret, newest first. The
	// first seals cookies; all of them open cookies. Defaults to none.
	KeyPairs []KeyPair
	// Store keeps the sessions, as an alternative to Secret; the cookies then
	// contain what the store puts into them, usually an id. The jar sets the
	// attributes of the cookies and ignores those of the store. If its New has no
	// session, it returns a new one, fs.ErrNotExist, or a decoding error of
	// securecookie. Every other error counts as an outage, which is answered 503.
	// Defaults to a store that keeps everything in the cookie.
	Store sessions.Store

	// Name is the name of the session cookie. A name without the prefix __Host-
	// or __Secure- is less safe and logs a warning. Defaults to "__Host-session",
	// or to "session" with InsecureLoopback.
	Name string
	// Plain puts the tokens into two cookies without encryption, so that everyone
	// who can read the cookies can read the claims. While an operator acts as a user
	// ([Jar.SetImpersonation]), a program that reads these cookies itself, without package
	// middleware, sees the operator. With such a program, do not use Finish of package
	// handlers: answer with the token of the user, which the client sends in an
	// Authorization header. Defaults to false.
	Plain bool
	// SessionName and RefreshName are the names of the two cookies of Plain.
	// Default to "DS" and "DSR".
	SessionName, RefreshName string
	// Domain makes browsers send the session cookie to every host of a domain,
	// each of which can then take over sessions. It cannot be combined with names
	// that begin with __Host-. Cookies of an earlier Domain stay valid, and are
	// deleted when the next one is set. Defaults to "": only the host that set the
	// cookie.
	Domain string
	// SameSite is http.SameSiteLaxMode or http.SameSiteStrictMode. With Plain,
	// with Domain, or with a Name without prefix, it must be
	// http.SameSiteStrictMode, which is the default then. Otherwise it defaults
	// to http.SameSiteLaxMode.
	SameSite http.SameSite
	// InsecureLoopback makes cookies for http, without Secure and without name
	// prefix, for development. The jar then sets cookies only if the request's
	// Host is localhost or a loopback address and no proxy has forwarded it. Defaults
	// to false.
	InsecureLoopback bool

	// CacheBytes limits the memory of the cache of opened session cookies, at least
	// 1 MiB. Without it, decryption would be the largest cost of most requests. It
	// cannot be set with Plain or Store. A negative value disables the cache.
	// Defaults to 32 MiB.
	CacheBytes int

	// Logger gets a warning for each unsafe setting when the jar is created, and
	// for each failure of Store. Defaults to slog.Default().
	Logger *slog.Logger
	// Now is the clock. Defaults to time.Now.
	Now func() time.Time
}

const (
	hostPrefix   = "__Host-"
	securePrefix = "__Secure-"

	defaultCacheBytes = 32 << 20
)

// complete returns a copy of c with every default filled in. Its errors name the
// invalid field.
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
		return Config{}, errors.New("cookies: Config.CacheBytes must not be set with Plain or Store")
	case c.CacheBytes > 0 && c.CacheBytes < tokencache.MinBytes:
		return Config{}, fmt.Errorf("cookies: Config.CacheBytes is %d, must be at least %d", c.CacheBytes, tokencache.MinBytes)
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
	if c.Plain && c.RefreshName == c.SessionName+impersonationSuffix {
		return Config{}, fmt.Errorf("cookies: the name %q is used by another cookie of the jar; choose another RefreshName", c.RefreshName)
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

// tokenNames returns the names of the cookies that contain tokens.
func (c Config) tokenNames() []string {
	if c.Plain {
		return []string{c.SessionName, c.RefreshName}
	}
	return []string{c.Name}
}

// checkNames rejects names that no cookie would have, and equal names.
func (c Config) checkNames() error {
	switch {
	case c.Plain && c.Name != "":
		return errors.New("cookies: Config.Name must not be set with Plain; set SessionName and RefreshName")
	case !c.Plain && (c.SessionName != "" || c.RefreshName != ""):
		return errors.New("cookies: Config.SessionName and RefreshName must not be set without Plain; set Name")
	case c.Plain && c.SessionName != "" && c.SessionName == cmp.Or(c.RefreshName, "DSR"),
		c.Plain && c.RefreshName != "" && c.RefreshName == cmp.Or(c.SessionName, "DS"):
		return errors.New("cookies: Config.SessionName and RefreshName are the same; choose different names")
	}
	return nil
}

func (c Config) checkName(name string) error {
	probe := http.Cookie{Name: name, Value: "x", Path: "/", Domain: c.Domain}
	if err := probe.Valid(); err != nil {
		return fmt.Errorf("cookies: the name %q with the domain %q is not a valid cookie: %w", name, c.Domain, err)
	}
	switch {
	case slices.Contains([]string{deviceName, flashName, endedName}, strings.TrimPrefix(name, hostPrefix)),
		strings.HasPrefix(strings.TrimPrefix(name, hostPrefix), notePrefix):
		return fmt.Errorf("cookies: the name %q is used by another cookie of the jar; choose another one", name)
	case hasPrefix(name, hostPrefix) && c.Domain != "":
		return fmt.Errorf("cookies: Config.Domain cannot be combined with the name %s, because browsers reject such cookies (RFC 6265bis §4.1.3.2); choose a name such as __Secure-session", name)
	case c.InsecureLoopback && (hasPrefix(name, hostPrefix) || hasPrefix(name, securePrefix)):
		return fmt.Errorf("cookies: Config.InsecureLoopback cannot be combined with the name %s, because browsers accept it only over https; choose a name without prefix", name)
	}
	return nil
}

// hasPrefix reports whether name begins with prefix, ignoring case as browsers do.
func hasPrefix(name, prefix string) bool {
	return len(name) >= len(prefix) && strings.EqualFold(name[:len(prefix)], prefix)
}

// logWarnings logs the settings that standards advise against.
func (c Config) logWarnings() {
	warn := func(text string) { c.Logger.Warn("cookies: unsafe setting", "warning", text) }
	if c.InsecureLoopback {
		warn("InsecureLoopback: cookies over http, for development on a loopback host only")
	}
	if c.Domain != "" {
		warn("Domain: every host of the domain can read and set the session cookie")
	}
	if c.Plain {
		warn("Plain: the tokens in the cookies are not encrypted")
	}
	for _, n := range c.tokenNames() {
		if !c.InsecureLoopback && !hasPrefix(n, hostPrefix) && !hasPrefix(n, securePrefix) {
			warn("the name " + n + " has no __Host- prefix: another host of the domain can set such a cookie")
		}
	}
}
