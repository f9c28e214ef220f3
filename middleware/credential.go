package middleware

import (
	"errors"
	"net/http"
	"strings"

	"github.com/usherkit/usher/token"
)

var errMalformed = errors.New("middleware: malformed Authorization header")

// bearer returns the token of the Authorization header. found reports whether the
// request has such a header with the scheme Bearer. Several headers, or a header
// without a token, are an error, so that no other credential of the request is
// used (RFC 6750 §2, RFC 9700 §4.3.2).
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
		// Three searches for one byte are faster than strings.ContainsAny.
		strings.Contains(raw, " ") || strings.Contains(raw, "\t") || strings.Contains(raw, ",") {
		return "", true, errMalformed
	}
	return raw, true, nil
}

func isSchemeByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_'
}
