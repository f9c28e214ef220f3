package middleware

import (
	"errors"
	"net/http"
	"strings"

	"github.com/usherkit/usher/token"
)

var errMalformed = errors.New("middleware: malformed Authorization header")

// bearer returns the token of the Authorization header. found is false where
// the request has no such header or one of another scheme. A header that is
// there twice, or names the scheme and carries no token, is an error: then no
// other credential of the request counts either (RFC 6750 §2, RFC 9700
// §4.3.2).
func bearer(h http.Header) (raw string, found bool, err error) {
	values := h["Authorization"]
	switch len(values) {
	case 0:
		return "", false, nil
	case 1:
	default:
		return "", true, errMalformed
	}
	v := values[0]
	end := strings.IndexFunc(v, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_')
	})
	if end < 0 {
		end = len(v)
	}
	scheme, rest := v[:end], v[end:]
	if scheme != "" && !strings.EqualFold(scheme, "Bearer") {
		return "", false, nil
	}
	raw = strings.TrimLeft(rest, " ")
	if scheme == "" || raw == rest || raw == "" || len(raw) > token.MaxSize || strings.ContainsAny(raw, " \t,") {
		return "", true, errMalformed
	}
	return raw, true, nil
}
