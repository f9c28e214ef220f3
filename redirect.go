package usher

import (
	"errors"
	"net/url"
	"path"
	"strings"
)

// checkRedirectEntry accepts an entry of Config.Redirects: an absolute address
// without user, query and fragment, https or (loopback only) http.
func checkRedirectEntry(raw string) error {
	u, err := parseStrictURL(raw)
	switch {
	case err != nil:
		return err
	case u.RawQuery != "" || u.Fragment != "":
		return errors.New("must have no query and no fragment")
	case u.Scheme != "https" && !isLoopback(u.Hostname()):
		return errors.New("must begin with https:// (http is for loopback only)")
	}
	return nil
}

// parseStrictURL parses an absolute http or https address, and refuses every
// spelling that some parser reads otherwise than net/url does.
func parseStrictURL(raw string) (*url.URL, error) {
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
	if err != nil || strings.ContainsFunc(query+u.Path, isControl) || strings.ContainsAny(u.Path, `\@`) {
		return nil, errors.New("must have no control characters, and neither a backslash nor an @ in its path")
	}
	if u.Path != "" && (path.Clean(u.Path) != strings.TrimSuffix(u.Path, "/") && u.Path != "/") || u.RawPath != "" {
		return nil, errors.New("must have a path without dots, doubled slashes and escaped characters")
	}
	return u, nil
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

// redirectAllowed returns the address if one of the entries allows it, with
// the parameter that will carry the token added. It fails with a *FieldError
// for redirectUrl.
func redirectAllowed(raw, parameter string, token Secret, entries []string) (Secret, error) {
	refused := &FieldError{"redirectUrl", "not_allowed", "is not among the addresses that this program allows"}
	u, err := parseStrictURL(raw)
	if err != nil {
		return "", &FieldError{"redirectUrl", "invalid", err.Error()}
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil || query.Has("t") || query.Has("token") || query.Has(parameter) || u.Fragment != "" {
		return "", &FieldError{"redirectUrl", "invalid", "must not carry a token or a fragment already"}
	}
	for _, e := range entries {
		a, err := parseStrictURL(e)
		if err != nil || a.Scheme != u.Scheme || !strings.EqualFold(a.Host, u.Host) {
			continue
		}
		under := strings.TrimSuffix(a.Path, "/")
		if u.Path == a.Path || u.Path == under || strings.HasPrefix(u.Path, under+"/") {
			query.Set(parameter, token.Reveal())
			u.RawQuery = query.Encode()
			return Secret(u.String()), nil
		}
	}
	return "", refused
}
