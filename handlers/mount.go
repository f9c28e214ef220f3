package handlers

import (
	"net/http"
	"net/url"
	"path"
	"strings"
)

// ServeHTTP answers all routes below the path where h is mounted. A
// net/http.ServeMux needs no http.StripPrefix, but works with it, too; other
// routers need it:
//
//	mux.Handle("/auth/", h)
//	router.Mount("/auth", http.StripPrefix("/auth", h))
//
// It never cleans or redirects a path: an unknown path is answered 404, and a method
// that the route does not have 405.
func (h *Handlers) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r, ok := underMount(r)
	if !ok {
		h.notFound.ServeHTTP(w, r)
		return
	}
	h.mux.ServeHTTP(w, r)
}

// underMount returns the request with the path below the mount, and false for a
// path that a ServeMux would clean and redirect.
func underMount(r *http.Request) (*http.Request, bool) {
	p, raw := r.URL.Path, r.URL.RawPath
	if prefix := subtree(r.Pattern); prefix != "" && strings.HasPrefix(p, prefix+"/") {
		p = p[len(prefix):]
		if raw != "" {
			var ok bool
			if raw, ok = strings.CutPrefix(raw, prefix); !ok {
				return r, false
			}
		}
		u := new(url.URL)
		*u = *r.URL
		u.Path, u.RawPath = p, raw
		r = r.WithContext(r.Context())
		r.URL = u
	}
	return r, strings.HasPrefix(p, "/") && path.Clean(p) == p
}

// subtree returns the path of a ServeMux pattern that matches everything below it,
// such as "/auth" for "POST example.com/auth/", or "".
func subtree(pattern string) string {
	slash := strings.IndexByte(pattern, '/')
	if slash < 0 || !strings.HasSuffix(pattern, "/") {
		return ""
	}
	return strings.TrimSuffix(pattern[slash:], "/")
}
