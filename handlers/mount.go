package handlers

import (
	"net/http"
	"net/url"
	"path"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/internal/logs"
	"github.com/usherkit/usher/internal/weburl"
)

// mount is where the handlers are mounted. Its paths do not end in a slash.
type mount struct {
	// path is Config.Path, or nil if that is not set.
	path *string
	// pages is usher.Config.PagesPath. links is the same path as browsers see it, with
	// the path of BaseURL before it.
	pages, links string
	hasPages     bool
	// opensPage has the patterns of the routes that show a page.
	opensPage map[string]bool

	// routed is true after the first request for a route.
	routed                  atomic.Bool
	unknownPath, otherMount sync.Once
}

// newMount returns the mount of a Config.
func newMount(auth *usher.Service, cfg Config) *mount {
	m := &mount{hasPages: cfg.Pages != nil, opensPage: map[string]bool{}}
	m.pages = strings.TrimPrefix(auth.PagesURL(), auth.BaseURL())
	if u, err := url.Parse(auth.PagesURL()); err == nil { // handlers.New has parsed it before
		m.links = u.Path
	}
	if cfg.Path != "" {
		path := weburl.Join("", cfg.Path)
		m.path = &path
	}
	return m
}

// ServeHTTP answers all routes below the path where h is mounted, with or without
// http.StripPrefix:
//
//	mux.Handle("/auth/", h)                     // net/http
//	router.Mount("/auth", h)                    // chi
//	router.PathPrefix("/auth/").Handler(h)      // gorilla/mux
//	e.Any("/auth/*", echo.WrapHandler(h))       // echo
//	engine.Any("/auth/*path", gin.WrapH(h))     // gin
//
// With another router than net/http.ServeMux and without http.StripPrefix, the path
// must be that of the pages (usher.Config.PagesPath) or Config.Path.
//
// It never cleans or redirects a path: an unknown path, or one with escapes, is answered
// 404, and a method that the route does not have 405. net/http.ServeMux redirects a
// path such as /auth//signin with 307 before h gets it, and the client sends the form or
// the body again, to the same host.
func (h *Handlers) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	below, ok := h.underMount(r)
	if !ok {
		h.warnOfUnknownPath(r)
		h.notFound.ServeHTTP(w, r)
		return
	}
	if _, pattern := h.mux.Handler(below); pattern == "/" {
		h.warnOfUnknownPath(r)
	} else {
		h.mount.routed.Store(true)
		h.warnOfOtherMount(below, pattern)
	}
	h.mux.ServeHTTP(w, below)
}

// underMount returns the request with the path below the mount, and false for a path
// that is not below the mount, that a ServeMux would clean and redirect, or that has
// needless escapes: a router or a proxy may read these in another way.
func (h *Handlers) underMount(r *http.Request) (*http.Request, bool) {
	p := r.URL.Path
	stripped, known := strippedPrefix(r)
	prefix, ok := weburl.CutPath(h.mount.at(stripped, subtree(r.Pattern)), stripped)
	if rest, below := weburl.CutPath(p, prefix); ok && below && prefix != "" {
		p = rest
		u := new(url.URL)
		*u = *r.URL
		u.Path = p
		r = r.WithContext(r.Context())
		r.URL = u
	} else if known && !(ok && below) {
		return r, false
	}
	return r, strings.HasPrefix(p, "/") && path.Clean(p) == p && r.URL.RawPath == ""
}

// at returns the path of the mount, as this program receives it, without a slash
// at its end. stripped is the prefix that is missing from the path of the request;
// pattern is the subtree of the ServeMux that passed on the request, or "".
func (m *mount) at(stripped, pattern string) string {
	if m.path != nil {
		return *m.path
	}
	seen := stripped
	if !strings.HasSuffix(stripped, pattern) {
		seen += pattern // the ServeMux is below the handler that removed the prefix
	}
	if m.hasPages {
		// What has been seen may be the path of an outer router.
		if _, outer := weburl.CutPath(m.pages, seen); outer {
			return m.pages
		}
	}
	return seen
}

// strippedPrefix returns the prefix of the path that the program has received and that
// is missing from the path of the request. It returns false if that is not known,
// because the server kept no RequestURI or a handler has rewritten the path.
func strippedPrefix(r *http.Request) (prefix string, known bool) {
	if prefix, known = strings.CutSuffix(receivedPath(r), r.URL.Path); !known {
		return "", false
	}
	return prefix, true
}

// receivedPath returns the path of the request as this program received it, or "" if the
// server has not recorded it.
func receivedPath(r *http.Request) string {
	u, err := url.ParseRequestURI(r.RequestURI)
	if err != nil {
		return ""
	}
	return u.Path
}

// subtree returns the path of a ServeMux pattern that matches everything below it, such as
// "/auth" for "POST example.com/auth/", or "". It returns "" for a path with a wildcard,
// which says nothing about a request.
func subtree(pattern string) string {
	slash := strings.IndexByte(pattern, '/')
	if slash < 0 || !strings.HasSuffix(pattern, "/") || strings.Contains(pattern, "{") {
		return ""
	}
	return strings.TrimSuffix(pattern[slash:], "/")
}

// warnOfUnknownPath logs one warning about a path that is that of a route except for
// its prefix. It logs none after the first request for a route, because then the mount
// is right and the path is a mistake of the client.
func (h *Handlers) warnOfUnknownPath(r *http.Request) {
	if h.mount.routed.Load() {
		return
	}
	full := receivedPath(r)
	for i := range min(len(full), maxLoggedPath) {
		if full[i] != '/' {
			continue
		}
		probe := &http.Request{Method: http.MethodGet, URL: &url.URL{Path: full[i:]}}
		if _, pattern := h.mux.Handler(probe); pattern == "/" || pattern == "" {
			continue
		}
		stripped, _ := strippedPrefix(r)
		h.mount.unknownPath.Do(func() {
			h.chain.Logger.WarnContext(r.Context(), "handlers: no route has this path, the handlers are probably mounted elsewhere",
				"path", logs.Clean(full, maxLoggedPath), "mount", h.mount.at(stripped, subtree(r.Pattern))+"/",
				"advice", "set handlers.Config.Path to "+logs.Clean(full[:i], maxLoggedPath)+"/ if the handlers are mounted there")
		})
		return
	}
}

// maxLoggedPath limits how much of the path of a request is logged, in bytes.
const maxLoggedPath = 200

// warnOfOtherMount logs one warning if the user opens a page at another path than that
// to which the pages link and send their forms. A proxy may change the path; a program
// for which that is right has set Config.Path.
func (h *Handlers) warnOfOtherMount(below *http.Request, pattern string) {
	m := h.mount
	if m.path != nil || below.Method != http.MethodGet || !m.opensPage[pattern] {
		return
	}
	at, known := strippedPrefix(below)
	if !known || at == "" || strings.HasSuffix(m.links, at) {
		return
	}
	m.otherMount.Do(func() {
		h.chain.Logger.WarnContext(below.Context(), "handlers: the pages are mounted at another path than their links and forms lead to",
			"path", logs.Clean(at+below.URL.Path, maxLoggedPath), "mount", logs.Clean(at, maxLoggedPath)+"/", "links", m.links+"/",
			"advice", "set usher.Config.PagesPath to the path of the mount, or handlers.Config.Path if a proxy changes the path")
	})
}
