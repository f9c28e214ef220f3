package route

import (
	"cmp"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/justinas/alice"

	"github.com/usherkit/usher/middleware"
)

// cors allows the pages of some origins to read the answers (Fetch standard, CORS
// protocol). The origin is compared, never reflected. The null origin, which any
// sandboxed frame has, is never allowed. allow are the methods, or "" for the one that a
// preflight request asks for.
func (c *Chain) cors(allow string) alice.Constructor {
	return func(next http.Handler) http.Handler {
		if len(c.Origins) == 0 {
			return next
		}
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			header := w.Header()
			if !slices.Contains(header["Vary"], "Origin") {
				header.Add("Vary", "Origin")
			}
			allowed := c.allowOrigin(w, r)
			method := r.Header.Get("Access-Control-Request-Method")
			if r.Method != http.MethodOptions || method == "" {
				next.ServeHTTP(w, r)
				return
			}
			if allowed {
				if allow == "" && isToken(method) {
					header.Set("Access-Control-Allow-Methods", method)
				} else {
					header.Set("Access-Control-Allow-Methods", allow)
				}
				header.Set("Access-Control-Allow-Headers", cmp.Or(requestedHeaders(r), "Authorization, Content-Type, X-Requested-With, X-Request-Id"))
				header.Set("Access-Control-Max-Age", "600")
			}
			w.WriteHeader(http.StatusNoContent)
		})
	}
}

// noCORS keeps scripts of other origins from reading a page, which may have the token of
// an emailed link, also where a trusted origin may read the JSON routes. It removes
// headers that a CORS handler of the program has set.
func (c *Chain) noCORS(string) alice.Constructor {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			for _, name := range []string{"Access-Control-Allow-Origin", "Access-Control-Allow-Credentials", "Access-Control-Expose-Headers"} {
				w.Header().Del(name)
			}
			if site := r.Header.Get("Sec-Fetch-Site"); r.Header.Get("Sec-Fetch-Mode") == "cors" && (site == "same-site" || site == "cross-site") {
				c.Fail(w, r, fmt.Errorf("%w: a script of another origin asks for a page", middleware.ErrCrossOrigin))
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// CORS is the CORS protocol for the program's own routes.
func (c *Chain) CORS(next http.Handler) http.Handler { return c.cors("")(next) }

// allowOrigin sets the headers that allow the request's origin, and reports
// whether it is allowed.
func (c *Chain) allowOrigin(w http.ResponseWriter, r *http.Request) bool {
	origins := r.Header["Origin"]
	if len(origins) != 1 || origins[0] == "null" {
		return false
	}
	header := w.Header()
	switch {
	case slices.Contains(c.Origins, origins[0]):
		header.Set("Access-Control-Allow-Origin", origins[0])
	case slices.Contains(c.Origins, "*"):
		header.Set("Access-Control-Allow-Origin", "*")
	default:
		return false
	}
	if c.Visits.Cookies != nil || c.Credentials {
		header.Set("Access-Control-Allow-Credentials", "true")
	}
	header.Set("Access-Control-Expose-Headers", "Retry-After, WWW-Authenticate, X-Request-Id")
	return true
}

// The most that a preflight request may ask for.
const (
	maxRequestedHeaders = 32
	maxHeaderName       = 64 // bytes
)

// requestedHeaders returns the names of headers that a preflight request asks for, such
// as traceparent, or "" if there are none, too many, or other text among them. Any
// header is allowed: a trusted page may send what another client may send.
func requestedHeaders(r *http.Request) string {
	lines := r.Header["Access-Control-Request-Headers"]
	if len(lines) != 1 || len(lines[0]) > maxRequestedHeaders*maxHeaderName {
		return ""
	}
	names := strings.Split(lines[0], ",")
	if len(names) > maxRequestedHeaders {
		return ""
	}
	for i, name := range names {
		if names[i] = strings.Trim(name, " \t"); !isToken(names[i]) {
			return ""
		}
	}
	return strings.Join(names, ", ")
}

// token is a token of RFC 9110 §5.6.2.
var token = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")

// isToken reports whether s can be the name of a header or a method.
func isToken(s string) bool { return len(s) <= maxHeaderName && token.MatchString(s) }
