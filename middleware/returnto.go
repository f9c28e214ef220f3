package middleware

import (
	"net/http"
	"net/url"
	"strings"
)

// maxReturnTo is the longest return path in bytes.
const maxReturnTo = 2048

// SafeReturnTo returns s if it is a path of this site, with or without a query
// and fragment, that every browser and proxy reads as such; else "". Check with
// it whatever a request offers as the place to go on to, for else a link to the
// sign-in page could end at a stranger's copy of it (RFC 9700 §4.11).
//
// A path has only ASCII characters as in a request line, no control characters,
// backslashes, empty or dot segments, written out or escaped, and at most 2,048
// bytes.
func SafeReturnTo(s string) string {
	if !strings.HasPrefix(s, "/") || strings.HasPrefix(s, "//") || len(s) > maxReturnTo {
		return ""
	}
	if strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '\\' }) {
		return ""
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || u.Opaque != "" {
		return ""
	}
	if strings.ContainsFunc(u.Path, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\\' }) {
		return ""
	}
	segments := strings.Split(strings.TrimPrefix(u.Path, "/"), "/")
	for i, segment := range segments {
		last := i == len(segments)-1
		if segment == "." || segment == ".." || segment == "" && !last {
			return ""
		}
	}
	return s
}

// RedirectToSignIn returns an OnRefusal for programs with pages. A browser that
// opens a page and has to sign in, for the first time or again, is sent to path
// with 303 and the page's own path as return_to; where it is signed in but not
// recently enough prompt=login is added (the name is OpenID Connect's), so that
// the sign-in page does not send it straight back. Every other refusal is
// answered by [WriteRefusal].
//
// path is "/auth/signin" if empty. It may be an absolute address; then there is
// no return_to.
func RedirectToSignIn(path string) func(w http.ResponseWriter, r *http.Request, refusal Refusal) {
	if path == "" {
		path = "/auth/signin"
	}
	local := SafeReturnTo(path) != ""
	return func(w http.ResponseWriter, r *http.Request, refusal Refusal) {
		target, err := url.Parse(path)
		if err != nil || !refusal.needsSignIn() || !isNavigation(r) {
			WriteRefusal(w, r, refusal)
			return
		}
		query := target.Query()
		// RequestURI, not URL: a router may have cut a prefix off the latter.
		if back := SafeReturnTo(r.RequestURI); local && back != "" {
			query.Set("return_to", back)
		}
		if refusal.Kind == RecentSignInRequired {
			query.Set("prompt", "login")
		}
		target.RawQuery = query.Encode()
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Location", target.String())
		w.WriteHeader(http.StatusSeeOther)
	}
}

// isNavigation reports whether a browser wants to show the answer as a page.
func isNavigation(r *http.Request) bool {
	if r.Method != http.MethodGet {
		return false
	}
	if mode := r.Header.Get("Sec-Fetch-Mode"); mode != "" {
		return mode == "navigate"
	}
	return strings.Contains(r.Header.Get("Accept"), "text/html")
}
