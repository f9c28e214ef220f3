package pages

import (
	"errors"
	"net/http"
	"strings"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/internal/route"
	"github.com/usherkit/usher/middleware"
	"github.com/usherkit/usher/problem"
)

// isPage reports whether a browser will show the answer as a page.
func isPage(r *http.Request) bool {
	if route.IsForm(r) {
		return true
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	if mode := r.Header.Get("Sec-Fetch-Mode"); mode != "" {
		return mode == "navigate"
	}
	return strings.Contains(r.Header.Get("Accept"), "text/html")
}

// Problem answers an error with a page, or by a redirect to the sign-in page, if a
// browser will show the answer. Otherwise it writes nothing and returns false.
func (site *Site) Problem(w http.ResponseWriter, r *http.Request, err error) bool {
	if !isPage(r) {
		return false
	}
	page := site.newPage(r, "problem")
	wait, limited := route.SetRetryAfter(w, err)
	code := route.Code(err)
	if code.Status() == http.StatusUnauthorized {
		target := site.pathWithReturn("/signin", site.returnPath(r))
		if errors.Is(err, usher.ErrRecentSignInRequired) {
			target += "&prompt=login"
		}
		_ = redirect(w, target)
		return true
	}
	page.Title = page.T("problem." + string(code))
	page.Lead = page.problemText(code)
	if limited {
		page.Lead = page.T("wait", page.speaker.Span(wait))
	}
	if limited || code.Status() == http.StatusServiceUnavailable {
		page.Retry = site.returnPath(r)
	}
	if code.Status() >= http.StatusInternalServerError {
		page.Reference = problem.RequestID(w, r)
	}
	return site.show(w, code.Status(), page) == nil
}

// returnPath returns the path to which the user returns after a sign-in or after a
// temporary problem: the page that was opened, or the account page after a form.
func (site *Site) returnPath(r *http.Request) string {
	if r.Method != http.MethodPost {
		if back := middleware.ReturnTo(r, site.root); back != "" {
			return back
		}
	}
	return site.base + "/account"
}
