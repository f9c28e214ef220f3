package pages

import (
	"cmp"
	"errors"
	"net/http"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/internal/route"
	"github.com/usherkit/usher/middleware"
	"github.com/usherkit/usher/problem"
)

// Problem answers an error with a page, or by a redirect to the sign-in page, if a
// browser will show the answer. Otherwise it writes nothing and returns false. program is
// true for the program's own routes, to which scripts may send forms, too.
func (site *Site) Problem(w http.ResponseWriter, r *http.Request, err error, program bool) bool {
	if !middleware.IsNavigation(r) && (program || !route.IsForm(r)) {
		return false
	}
	back := site.returnPath(r)
	if program {
		back = cmp.Or(middleware.ReturnTo(r, site.root), site.cfg.Home)
	}
	page := site.newPage(r, "problem")
	wait, limited := route.SetRetryAfter(w, err)
	code := route.Code(err)
	if code.Status() == http.StatusUnauthorized && code != problem.ImpersonationEnded {
		path := "/signin"
		if errors.Is(err, usher.ErrRecentSignInRequired) {
			path = "/session/confirm"
		}
		_ = redirect(w, site.pathWithReturn(path, back))
		return true
	}
	page.Code = string(code)
	page.Title = page.T("problem." + page.Code)
	page.Lead = page.problemText(code)
	var rejected *usher.Rejection
	if errors.As(err, &rejected) {
		page.Lead = page.rejectionText(rejected)
	}
	if limited {
		page.Lead = page.T("wait", page.speaker.Span(wait))
	}
	if limited || code.Status() == http.StatusServiceUnavailable {
		page.Retry = back
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
