package pages

import (
	"errors"
	"net/http"
	"slices"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/internal/route"
	"github.com/usherkit/usher/middleware"
	"github.com/usherkit/usher/token"
)

// exchange is a request for a page and the page that answers it.
type exchange struct {
	w    http.ResponseWriter
	r    *http.Request
	page *Page
	// in has the inputs of the form, or is nil when the page is opened.
	in map[string]string
	// notAsked are required inputs that this user is not asked for.
	notAsked []string
	// claims are the claims of the session, or nil.
	claims *token.Claims
}

// client describes the client that sent the request.
func (site *Site) client(x *exchange) usher.Client { return site.visits.Client(x.w, x.r) }

// view is a page with at most one form.
type view struct {
	// page is the name of the page, path is where it is opened.
	page, path string
	// inputs are the inputs of the form in their order. required are the inputs that
	// must not be empty. A form without inputs shows each error on the problem page.
	inputs, required []string
	// together leaves the check of required inputs to send, which returns the errors of
	// all inputs together.
	together bool
	// prepare fills in the page. It returns errAnswered if it has answered the request
	// itself, for example with a redirect.
	prepare func(x *exchange) error
	// open runs after prepare when the page is opened. It may be nil.
	open func(x *exchange) error
	// send does the work of the form and redirects to the next page.
	send func(x *exchange) error
}

// errAnswered means that the answer is already written.
var errAnswered = errors.New("pages: answered")

// newExchange returns an exchange with the page of a view.
func (site *Site) newExchange(w http.ResponseWriter, r *http.Request, v *view) *exchange {
	x := &exchange{w: w, r: r, page: site.newPage(r, v.page)}
	if claims, ok := middleware.Claims(r.Context()); ok {
		x.claims, x.page.SignedIn = &claims, true
	}
	return x
}

// Open returns the handler that shows a page, or nil for a nil view.
func (site *Site) Open(v *view) http.Handler {
	if v == nil {
		return nil
	}
	return site.chain.Action(func(w http.ResponseWriter, r *http.Request) error {
		x := site.newExchange(w, r, v)
		x.page.ReturnTo = middleware.SafeReturnTo(queryValue(r, "return_to"))
		site.fillInLoginID(x, v)
		err := site.prepare(x, v)
		if err == nil && v.open != nil {
			err = v.open(x)
		}
		if err == nil {
			site.setNotice(x)
			x.page.setFocus(v.inputs, v.inputs)
			err = site.show(w, http.StatusOK, x.page)
		}
		return site.finish(x, err)
	})
}

// queryValue returns the value of a parameter that is in the query exactly once, or "".
func queryValue(r *http.Request, name string) string {
	if values := r.URL.Query()[name]; len(values) == 1 {
		return values[0]
	}
	return ""
}

// Form returns the handler that takes the form of a page, or nil for a nil view.
func (site *Site) Form(v *view) http.Handler {
	if v == nil {
		return nil
	}
	return site.chain.Action(func(w http.ResponseWriter, r *http.Request) error {
		if !middleware.HasOrigin(r) {
			// Only browsers send forms, and every current browser sends one of these
			// headers.
			return middleware.ErrCrossOrigin
		}
		in, err := route.DecodeForm(w, r)
		if err != nil {
			return err
		}
		x := site.newExchange(w, r, v)
		x.in = in
		x.page.Address = site.base + v.path
		x.page.ReturnTo = middleware.SafeReturnTo(in["return_to"])
		if in["rememberMe"] != "" || in["rememberMeShown"] != "" {
			x.page.RememberMe = in["rememberMe"] == "true"
		}
		if shown := in["user"]; shown != "" && x.claims != nil && shown != x.claims.Subject {
			// The page was shown to another user, who has signed out in another tab since.
			site.keepNote(x, noteNotice, "other_user")
			return redirect(w, site.pathWithReturn(v.path, x.page.ReturnTo))
		}
		for _, name := range v.inputs {
			if !route.IsPassword(name) {
				x.page.values[name] = in[name]
			}
		}
		if err := site.prepare(x, v); err != nil {
			return site.finish(x, err)
		}
		for _, name := range v.required {
			if !v.together && in[name] == "" && !slices.Contains(x.notAsked, name) {
				x.page.addError(name, x.page.invalidText(name, "required"))
			}
		}
		if x.page.Failed() {
			return site.showAgain(x, v, http.StatusBadRequest)
		}
		err = v.send(x)
		if err == nil || len(v.inputs) == 0 {
			return site.finish(x, err)
		}
		status := site.showError(w, x.page, err, v.inputs)
		if status == 0 {
			return site.finish(x, err)
		}
		site.chain.LogError(w, r, err)
		return site.showAgain(x, v, status)
	})
}

// prepare calls the prepare function of the view, if it has one.
func (site *Site) prepare(x *exchange, v *view) error {
	if v.prepare == nil {
		return nil
	}
	return v.prepare(x)
}

// showAgain shows the page with the inputs that the user typed and with the errors. The
// focus is on the first input with an error, or else on another input, because a screen
// reader reads the error together with the focused input.
func (site *Site) showAgain(x *exchange, v *view, status int) error {
	if slices.Contains(v.inputs, "loginId") {
		site.rememberLoginID(x, x.in["loginId"])
	}
	for _, name := range v.inputs {
		if len(x.page.errors[name]) > 0 {
			x.page.focus = name
			break
		}
	}
	x.page.setFocus(v.required, v.inputs)
	return site.show(x.w, status, x.page)
}

// setFocus sets the input that gets the focus, unless one is set already: the first of
// the wanted inputs that is empty, or else the first of all inputs.
func (p *Page) setFocus(wanted, all []string) {
	for _, name := range wanted {
		if p.focus == "" && p.values[name] == "" {
			p.focus = name
		}
	}
	if p.focus == "" && len(all) > 0 {
		p.focus = all[0]
	}
}

// finish answers an error that has its own page. It returns nil if the request is
// answered, and every other error unchanged.
func (site *Site) finish(x *exchange, err error) error {
	switch {
	case errors.Is(err, errAnswered):
		return nil
	case errors.Is(err, errDeadLink):
		site.chain.LogError(x.w, x.r, usher.ErrInvalidToken)
		return site.showDeadLink(x)
	case errors.Is(err, errNoLink):
		return site.showLink(x, "link.missing.title", "link.missing.text")
	}
	return err
}

// setNotice sets the notice that the previous request stored for this page. It is in a
// note of the pages: a flash message is the program's.
func (site *Site) setNotice(x *exchange) {
	code := site.cookies.Note(x.r, noteNotice).Reveal()
	site.cookies.ClearNote(x.w, x.r, noteNotice)
	if key := "notice." + code; code != "" && x.page.speaker.Has(key) {
		x.page.Notice, x.page.NoticeCode = x.page.T(key), code
	}
}

// redirectWithNotice redirects to a page and stores a notice for it in a cookie. If
// the notice cannot be stored, it redirects without one. An empty code means no notice.
func (site *Site) redirectWithNotice(x *exchange, path, code string) error {
	if code != "" {
		site.keepNote(x, noteNotice, code)
	}
	return redirect(x.w, site.base+path)
}
