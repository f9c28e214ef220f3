package handlers

import (
	"errors"
	"net/http"
	"strings"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/middleware"
	"github.com/usherkit/usher/problem"
)

// isPage reports whether a browser wants to show the answer as a page.
func isPage(r *http.Request) bool {
	if isForm(r) {
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

// problem answers with an error in the way of a page, if a browser wants to
// show one. It is false if nothing was written.
func (p *pages) problem(w http.ResponseWriter, r *http.Request, err error) bool {
	if p == nil || !isPage(r) {
		return false
	}
	page := p.page(r, "problem")
	wait, limited := retryAfter(w, err)
	if limited {
		err = errTooMany
	} else if input := inputOf(err); input != nil {
		err = input
	}
	k := kindOf(err)
	if k.code.Status() == http.StatusUnauthorized {
		target := p.signIn("/signin", p.returnPath(r))
		if errors.Is(err, usher.ErrRecentSignInRequired) {
			target += "&prompt=login"
		}
		_ = redirect(w, target)
		return true
	}
	page.Title = page.T("problem." + string(k.code))
	page.Lead = page.problem(k.code)
	if limited {
		page.Lead = page.T("wait", page.speaker.Span(wait))
	}
	if limited || k.code.Status() == http.StatusServiceUnavailable {
		page.Retry = p.returnPath(r)
	}
	if k.code.Status() >= http.StatusInternalServerError {
		page.Reference = problem.RequestID(w, r)
	}
	return p.show(w, k.code.Status(), page) == nil
}

// returnPath is where a person goes on after signing in again, or tries again: the
// page that was to be opened, or the account where a form was sent.
func (p *pages) returnPath(r *http.Request) string {
	if r.Method != http.MethodPost {
		// RequestURI, not URL: a router may have cut a prefix off the latter.
		if back := middleware.SafeReturnTo(r.RequestURI); back != "" {
			return back
		}
	}
	return p.base + "/account"
}
