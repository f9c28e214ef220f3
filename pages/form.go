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

// exchange is one request of a page, and the page that answers it.
type exchange struct {
	w    http.ResponseWriter
	r    *http.Request
	page *Page
	// in is what the user typed; nil when the page is opened.
	in map[string]string
	// claims are those of the session, or nil.
	claims *token.Claims
}

// client describes the client that sent the request.
func (site *Site) client(x *exchange) usher.Client { return site.visits.Client(x.w, x.r) }

// view is a page with at most one form.
type view struct {
	// page is the name of the page, path is where it is opened.
	page, path string
	// inputs are those of the form in their order; required are those that must not
	// be empty. A form without inputs shows each error on the problem page.
	inputs, required []string
	// prepare fills in the page. If it answers in another way, it returns
	// errAnswered.
	prepare func(x *exchange) error
	// open changes the page before it is opened. Nil means that nothing changes.
	open func(x *exchange) error
	// send does the work of the form and goes on.
	send func(x *exchange) error
}

// errAnswered means that the answer is written.
var errAnswered = errors.New("pages: answered")

// exchange begins to answer a request of a page.

func (site *Site) exchange(w http.ResponseWriter, r *http.Request, v *view) *exchange {
	x := &exchange{w: w, r: r, page: site.page(r, v.page)}
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
		x := site.exchange(w, r, v)
		x.page.ReturnTo = middleware.SafeReturnTo(r.URL.Query().Get("return_to"))
		site.fillIn(x, v)
		err := site.ready(x, v)
		if err == nil && v.open != nil {
			err = v.open(x)
		}
		if err == nil {
			site.greet(x)
			x.page.begin(v.inputs, v.inputs)
			err = site.show(w, http.StatusOK, x.page)
		}
		return site.finish(x, err)
	})
}

// Form returns the handler that takes the form of a page, or nil for a nil view.
func (site *Site) Form(v *view) http.Handler {
	if v == nil {
		return nil
	}
	return site.chain.Action(func(w http.ResponseWriter, r *http.Request) error {
		if !middleware.KnowsOrigin(r) {
			// Only browsers send forms, and every current browser sends one of these
			// headers.
			return middleware.ErrCrossOrigin
		}
		in, err := route.DecodeForm(w, r)
		if err != nil {
			return err
		}
		x := site.exchange(w, r, v)
		x.in = in
		x.page.Address = site.base + v.path
		x.page.ReturnTo = middleware.SafeReturnTo(in["return_to"])
		for _, name := range v.inputs {
			if !route.IsPassword(name) {
				x.page.values[name] = in[name]
			}
		}
		if err := site.ready(x, v); err != nil {
			return site.finish(x, err)
		}
		for _, name := range v.required {
			if in[name] == "" {
				x.page.wrong(name, x.page.invalid(name, "required"))
			}
		}
		if x.page.Failed() {
			return site.again(x, v, http.StatusBadRequest)
		}
		err = v.send(x)
		if err == nil || len(v.inputs) == 0 {
			return site.finish(x, err)
		}
		status := site.explain(w, x.page, err, v.inputs)
		if status == 0 {
			return site.finish(x, err)
		}
		site.chain.LogRefused(w, r, err)
		return site.again(x, v, status)
	})
}

// ready prepares the page.
func (site *Site) ready(x *exchange, v *view) error {
	if v.prepare == nil {
		return nil
	}
	return v.prepare(x)
}

// again shows the page with what was typed and what is wrong. The focus is on the
// first input with an error, or else on another input, because a screen reader
// reads the error together with the focused input.
func (site *Site) again(x *exchange, v *view, status int) error {
	if slices.Contains(v.inputs, "loginId") {
		site.keepTyped(x, x.in["loginId"])
	}
	for _, name := range v.inputs {
		if len(x.page.errors[name]) > 0 {
			x.page.focus = name
			break
		}
	}
	x.page.begin(v.required, v.inputs)
	return site.show(x.w, status, x.page)
}

// begin puts the focus on the first of the wanted inputs that is empty, or else on
// the first input, unless an input has the focus already.
func (p *Page) begin(wanted, all []string) {
	for _, name := range wanted {
		if p.focus == "" && p.values[name] == "" {
			p.focus = name
		}
	}
	if p.focus == "" && len(all) > 0 {
		p.focus = all[0]
	}
}

// finish answers the errors that have a page of their own.
func (site *Site) finish(x *exchange, err error) error {
	switch {
	case errors.Is(err, errAnswered):
		return nil
	case errors.Is(err, errDeadLink):
		site.chain.LogRefused(x.w, x.r, usher.ErrInvalidToken)
		return site.deadLink(x)
	}
	return err
}

// greet shows the message that the last page has left.
func (site *Site) greet(x *exchange) {
	code := site.cookies.Flash(x.w, x.r)
	if code == "" {
		code = signedOut(x)
	}
	if key := "notice." + code; code != "" && x.page.speaker.Has(key) {
		x.page.Notice, x.page.NoticeCode = x.page.T(key), code
	}
}

// signedOut returns the code of the message after a sign-out. A sign-out removes all
// cookies, so the message is in the address. It is shown only if nobody is signed in
// and the browser says that this site led here, so that a forged link shows nothing.
func signedOut(x *exchange) string {
	code := x.r.URL.Query().Get("notice")
	known := code == "signed_out" || code == "signed_out_all"
	if known && x.claims == nil && x.r.Header.Get("Sec-Fetch-Site") == "same-origin" {
		return code
	}
	return ""
}

// goOn leaves a message for the next page and redirects to it. If the message cannot
// be kept, the user goes on all the same.
func (site *Site) goOn(x *exchange, path, code string) error {
	if code != "" {
		if err := site.cookies.SetFlash(x.w, x.r, code); err != nil {
			site.logger.WarnContext(x.r.Context(), "pages: the message for the next page could not be kept", "error", err)
		}
	}
	return redirect(x.w, site.base+path)
}
