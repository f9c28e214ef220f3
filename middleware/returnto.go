package middleware

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/usherkit/usher/problem"
)

// maxReturnTo is the longest return path in bytes.
const maxReturnTo = 2048

// SafeReturnTo returns s if it is a path of this site, optionally with a query and
// fragment, that every browser and proxy reads as such, and "" otherwise. Call it
// with every redirect target that comes from a request: otherwise a link to the
// sign-in page could lead to an attacker's copy of it (RFC 9700 §4.11).
//
// The path must have at most 2,048 bytes, all of them ASCII, and no control
// characters, backslashes, empty segments or dot segments, escaped or not.
func SafeReturnTo(s string) string {
	if !strings.HasPrefix(s, "/") || strings.HasPrefix(s, "//") || len(s) > maxReturnTo {
		return ""
	}
	if strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || r == '\\' }) {
		return ""
	}
	u, err := url.Parse(s) // without a scheme and a host, because s begins with one slash
	if err != nil {
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

// ReturnTo returns the path of the request as the browser sees it, for a sign-in page
// that returns to it. For a POST it returns the path of the page of this site that sent
// the form (Referer), because the address of a form need not be a page. It returns "" if
// there is no such path, or [SafeReturnTo] refuses it. basePath is that of
// Config.BasePath, without a slash at its end.
func ReturnTo(r *http.Request, basePath string) string {
	if r.Method == http.MethodPost {
		u, err := url.Parse(r.Referer())
		// Behind a proxy, Host may be another one than in the browser.
		if err != nil || u.Host == "" || u.Host != r.Host && r.Header.Get("Sec-Fetch-Site") != "same-origin" {
			return ""
		}
		return SafeReturnTo(u.RequestURI())
	}
	// Not r.URL, from which a router may have stripped a prefix.
	back := SafeReturnTo(r.RequestURI)
	path, _, _ := strings.Cut(back, "?")
	if back == "" || path == basePath || strings.HasPrefix(path, basePath+"/") {
		return back
	}
	return SafeReturnTo(basePath + back)
}

// RedirectToSignIn returns a Config.OnRefusal for programs with pages. If a browser opens a
// page or sends a form ([IsNavigation]) and its user must sign in, it redirects to path
// (303) with the path of the page as return_to ([ReturnTo]). If the user is signed in but
// not recently enough, it adds prompt=login, a parameter of OpenID Connect, so that the
// sign-in page does not redirect back at once. Other refusals go to [WriteRefusal].
//
// An empty path means "/auth/signin". path may be an absolute URL; then there is
// no return_to. Behind a proxy that removes a prefix from the path, use Config.SignInPath
// and Config.BasePath instead.
func RedirectToSignIn(path string) func(w http.ResponseWriter, r *http.Request, refusal Refusal) {
	return redirectToSignIn(path, "")
}

// redirectToSignIn is RedirectToSignIn with Config.BasePath.
func redirectToSignIn(path, base string) func(w http.ResponseWriter, r *http.Request, refusal Refusal) {
	if path == "" {
		path = "/auth/signin"
	}
	local := SafeReturnTo(path) != ""
	return func(w http.ResponseWriter, r *http.Request, refusal Refusal) {
		target, err := url.Parse(path)
		if err != nil || refusal.Code.Status() != http.StatusUnauthorized || refusal.Code == problem.ImpersonationEnded || !IsNavigation(r) {
			WriteRefusal(w, r, refusal)
			return
		}
		query := target.Query()
		if back := ReturnTo(r, base); local && back != "" {
			query.Set("return_to", back)
		}
		if refusal.Code == problem.RecentSignInRequired {
			query.Set("prompt", "login")
		}
		target.RawQuery = query.Encode()
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Location", target.String())
		w.WriteHeader(http.StatusSeeOther)
	}
}

// IsNavigation reports whether a browser will show the response as a page, because the
// user opens a link or sends a form. It returns false for requests of scripts and of
// other programs. It decides by Sec-Fetch-Mode, which every current browser sends, and
// without that header by Accept and by the type of the form.
func IsNavigation(r *http.Request) bool {
	if mode := r.Header.Get("Sec-Fetch-Mode"); mode != "" {
		return mode == "navigate"
	}
	if !strings.Contains(r.Header.Get("Accept"), "text/html") {
		return false
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		return true
	case http.MethodPost:
		mediaType, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
		mediaType = strings.ToLower(strings.TrimSpace(mediaType))
		return mediaType == "application/x-www-form-urlencoded" || mediaType == "multipart/form-data"
	}
	return false
}
