// Package weburl checks and joins the web addresses and paths that come from the
// configuration and from clients.
package weburl

import (
	"errors"
	"net/netip"
	"net/url"
	"path"
	"regexp"
	"strings"
)

// ErrNotAllowed means that an address is not below any of the allowed ones.
var ErrNotAllowed = errors.New("is not among the addresses that this program allows")

// CheckBase accepts the public address of a program: an origin, optionally with a
// path. It must be https, except that http is accepted for localhost and loopback
// addresses.
func CheckBase(raw string) error {
	u, err := url.Parse(raw)
	switch {
	case raw == "":
		return errors.New("is missing: the public address of the program, such as https://app.example.com")
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return errors.New("must be an address such as https://app.example.com, without user, query or fragment")
	case !secure(u):
		return errors.New("must begin with https:// (http is accepted for localhost and loopback addresses only)")
	case u.Path != "" && CheckPath(u.EscapedPath()) != nil:
		return errors.New("must have a path without dots, doubled slashes and escaped characters")
	}
	return nil
}

// CheckPath accepts a path of the configuration that other paths are joined to: it
// begins with a slash, and every parser reads it in the same way.
func CheckPath(raw string) error {
	if !strings.HasPrefix(raw, "/") || path.Clean(raw) != raw && path.Clean(raw)+"/" != raw ||
		strings.ContainsFunc(raw, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`?#%\`, r) }) {
		return errors.New("must be a path such as /auth, without dots, doubled slashes, escaped characters, query and fragment")
	}
	return nil
}

// Join joins an address or a path with further paths by single slashes. The result
// does not end in a slash.
func Join(base string, paths ...string) string {
	base = strings.TrimRight(base, "/")
	for _, p := range paths {
		if p = strings.Trim(p, "/"); p != "" {
			base += "/" + p
		}
	}
	return base
}

// CutPath returns the rest of a path below prefix, and whether the path is prefix
// (then the rest is empty) or below it. An empty prefix is above every path.
func CutPath(path, prefix string) (rest string, below bool) {
	rest, below = strings.CutPrefix(path, prefix)
	return rest, below && (rest == "" || rest[0] == '/')
}

// appScheme is the form of a scheme that an app registers (RFC 3986 §3.1).
var appScheme = regexp.MustCompile(`^[a-z][a-z0-9+.-]*$`)

// HasAppScheme reports whether an app may have registered the scheme of an address,
// such as "myapp": it is none of the web, and none that a browser or a system handles
// itself.
func HasAppScheme(address string) bool {
	scheme, _, _ := strings.Cut(address, ":")
	switch scheme {
	case "http", "https", "ws", "wss", "ftp", "file", "filesystem", "blob", "data", "javascript", "vbscript", "about", "view-source", "mailto", "tel", "sms":
		return false
	}
	return appScheme.MatchString(scheme)
}

// CheckLink accepts an address that emailed links lead to: absolute, without user and
// a parameter "token". It must be https, or http for localhost and
// loopback addresses, or have the scheme of an app.
func CheckLink(raw string) error {
	var u *url.URL
	var err error
	if HasAppScheme(raw) {
		u, err = url.Parse(raw)
		if err != nil || len(raw) > 2048 || u.Opaque != "" || u.User != nil || u.Host+u.Path == "" ||
			strings.ContainsFunc(raw, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"'<>\`, r) }) {
			return errors.New("must be an address such as myapp://reset, in ASCII without spaces and quotes")
		}
	} else if u, err = Parse(raw); err != nil {
		return err
	} else if !secure(u) {
		return errors.New("must begin with https:// (http is accepted for localhost and loopback addresses only) or with the scheme of an app")
	}
	if u.Query().Has("token") {
		return errors.New("must have no parameter token")
	}
	return nil
}

// WithToken returns an address that [CheckLink] accepts, with the token as the query
// parameter "token", behind its own query and before its fragment.
func WithToken(address, token string) string {
	address, fragment, hasFragment := strings.Cut(address, "#")
	separator := "?"
	if strings.Contains(address, "?") {
		separator = "&"
	}
	address += separator + "token=" + url.QueryEscape(token)
	if hasFragment {
		address += "#" + fragment
	}
	return address
}

// CheckAllowed accepts an address for the list of allowed redirects: absolute,
// without user, query and fragment. It must be https, except that http is accepted
// for localhost and loopback addresses.
func CheckAllowed(raw string) error {
	u, err := Parse(raw)
	switch {
	case err != nil:
		return err
	case u.RawQuery != "" || u.Fragment != "":
		return errors.New("must have no query and no fragment")
	case !secure(u):
		return errors.New("must begin with https:// (http is accepted for localhost and loopback addresses only)")
	}
	return nil
}

// secure reports whether the scheme is https, or http to this computer.
func secure(u *url.URL) bool {
	return u.Scheme == "https" || u.Scheme == "http" && isLoopback(u.Hostname())
}

// IsLoopback reports whether an address that CheckBase accepts is of this computer.
func IsLoopback(base string) bool {
	u, err := url.Parse(base)
	return err == nil && isLoopback(u.Hostname())
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback()
}

// Parse parses an absolute http or https address. It refuses every spelling that
// browsers or other parsers may read differently from net/url.
func Parse(raw string) (*url.URL, error) {
	bad := errors.New("must be an absolute address such as https://app.example.com/path")
	if len(raw) > 2048 || strings.ContainsFunc(raw, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '\\' }) {
		return nil, bad
	}
	if !strings.HasPrefix(raw, "https://") && !strings.HasPrefix(raw, "http://") {
		return nil, bad
	}
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.User != nil || u.Opaque != "" {
		return nil, bad
	}
	if strings.ContainsFunc(u.Host, func(r rune) bool { return r >= 0x7f || r == '%' }) {
		return nil, errors.New("must have a host without escaped characters")
	}
	query, err := url.QueryUnescape(u.RawQuery)
	if err != nil || strings.ContainsFunc(query+u.Path, isControl) || strings.ContainsAny(u.Path, `\@;`) {
		return nil, errors.New("must have no control characters, and none of backslash, @ and ; in its path")
	}
	if u.Path != "" && (path.Clean(u.Path) != strings.TrimSuffix(u.Path, "/") && u.Path != "/") || u.RawPath != "" {
		return nil, errors.New("must have a path without dots, doubled slashes and escaped characters")
	}
	return u, nil
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

// Redirect returns the address with the token added as a query parameter, if the
// address has the scheme, host and port of an allowed one, and its path or one
// below it. The error is [ErrNotAllowed] for an address that is well-formed and
// not allowed. Entries of allowed that [Parse] refuses allow nothing.
func Redirect(raw, parameter, token string, allowed []string) (string, error) {
	u, err := Parse(raw)
	if err != nil {
		return "", err
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil || query.Has("t") || query.Has("token") || query.Has(parameter) || u.Fragment != "" {
		return "", errors.New("must not carry a token or a fragment already")
	}
	for _, entry := range allowed {
		a, err := Parse(entry)
		if err != nil || a.Scheme != u.Scheme || !strings.EqualFold(a.Host, u.Host) {
			continue
		}
		root := strings.TrimSuffix(a.Path, "/")
		if u.Path == a.Path || u.Path == root || strings.HasPrefix(u.Path, root+"/") {
			query.Set(parameter, token)
			u.RawQuery = query.Encode()
			return u.String(), nil
		}
	}
	return "", ErrNotAllowed
}
