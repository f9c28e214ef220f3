package route

import (
	"net/http"
	"slices"

	"github.com/justinas/alice"
)

// cors allows the pages of some origins to read the answers (Fetch standard, CORS
// protocol). The origin is compared, never reflected. The null origin, which any
// sandboxed frame has, is never allowed.
func (c *Chain) cors(allow string) alice.Constructor {
	return func(next http.Handler) http.Handler {
		if len(c.AllowedOrigins) == 0 {
			return next
		}
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			header := w.Header()
			header.Add("Vary", "Origin")
			allowed := c.allowOrigin(w, r)
			if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
				next.ServeHTTP(w, r)
				return
			}
			if allowed {
				header.Set("Access-Control-Allow-Methods", allow)
				header.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, X-Requested-With, X-Request-Id")
				header.Set("Access-Control-Max-Age", "600")
			}
			w.WriteHeader(http.StatusNoContent)
		})
	}
}

// allowOrigin sets the headers that allow the request's origin, and reports
// whether it is allowed.
func (c *Chain) allowOrigin(w http.ResponseWriter, r *http.Request) bool {
	origins := r.Header["Origin"]
	if len(origins) != 1 || origins[0] == "null" {
		return false
	}
	header := w.Header()
	switch {
	case slices.Contains(c.AllowedOrigins, origins[0]):
		header.Set("Access-Control-Allow-Origin", origins[0])
	case slices.Contains(c.AllowedOrigins, "*"):
		header.Set("Access-Control-Allow-Origin", "*")
	default:
		return false
	}
	if c.Visits.Cookies != nil {
		header.Set("Access-Control-Allow-Credentials", "true")
	}
	header.Set("Access-Control-Expose-Headers", "Retry-After, WWW-Authenticate, X-Request-Id")
	return true
}
