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
	end := 0
	for end < len(v) && isSchemeByte(v[end]) {
		end++
	}
	scheme, rest := v[:end], v[end:]
	if scheme != "" && !strings.EqualFold(scheme, "Bearer") {
		return "", false, nil
	}
	raw = strings.TrimLeft(rest, " ")
	if scheme == "" || raw == rest || raw == "" || len(raw) > token.MaxSize ||
		// Three quick looks at a long text; strings.ContainsAny takes it byte by byte.
		strings.IndexByte(raw, ' ') >= 0 || strings.IndexByte(raw, '\t') >= 0 || strings.IndexByte(raw, ',') >= 0 {
		return "", true, errMalformed
	}
	return raw, true, nil
}

func isSchemeByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_'
}
