package handlers

import (
	"net/http"
	"slices"

	"github.com/justinas/alice"
)

// cors lets the pages of allowed origins read the answers (Fetch standard, CORS
// protocol). An origin is compared, never reflected. The null origin, which any
// sandboxed frame has, is never allowed.
func (h *Handlers) cors(allow string) alice.Constructor {
	return func(next http.Handler) http.Handler {
		if len(h.cfg.AllowedOrigins) == 0 {
			return next
		}
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			header := w.Header()
			header.Add("Vary", "Origin")
			allowed := h.allowOrigin(w, r)
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

// allowOrigin adds the headers that allow the request's origin, if it is
// allowed.
func (h *Handlers) allowOrigin(w http.ResponseWriter, r *http.Request) bool {
	origins := r.Header["Origin"]
	if len(origins) != 1 || origins[0] == "null" {
		return false
	}
	header := w.Header()
	switch {
	case slices.Contains(h.cfg.AllowedOrigins, origins[0]):
		header.Set("Access-Control-Allow-Origin", origins[0])
	case slices.Contains(h.cfg.AllowedOrigins, "*"):
		header.Set("Access-Control-Allow-Origin", "*")
	default:
		return false
	}
	if h.cfg.Cookies != nil {
		header.Set("Access-Control-Allow-Credentials", "true")
	}
	header.Set("Access-Control-Expose-Headers", "Retry-After, WWW-Authenticate, X-Request-Id")
	return true
}
