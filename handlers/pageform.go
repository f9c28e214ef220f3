package handlers

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/middleware"
	"github.com/usherkit/usher/token"
)

const formType = "application/x-www-form-urlencoded"

// isForm reports whether the request is a form of a page, as browsers send it.
func isForm(r *http.Request) bool {
	if r.Method != http.MethodPost || len(r.Header["Content-Type"]) != 1 {
		return false
	}
	mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && mediaType == formType
}

// decodeForm reads the body of a form. A name that is there twice is an error:
// two readers could take different ones. Nothing is read from the query.
func decodeForm(w http.ResponseWriter, r *http.Request) (map[string]string, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return nil, errTooLarge
	}
	if err != nil || len(r.Header["Content-Encoding"]) > 0 {
		return nil, badBody("The form could not be read.")
	}
	return parseForm(string(body))
}

func parseForm(body string) (map[string]string, error) {
	values, err := url.ParseQuery(body)
	if err != nil {
		return nil, badBody("The form could not be read.")
	}
	in := map[string]string{}
	for name, all := range values {
		if len(all) != 1 {
			return nil, badBody("The form has an input twice.")
		}
		if !utf8.ValidString(name) || !utf8.ValidString(all[0]) {
			return nil, badBody("The form is not valid UTF-8.")
		}
		in[name] = all[0]
	}
	return in, nil
}

// isPassword reports whether an input of that name is for a password.
func isPassword(name string) bool { return strings.HasSuffix(strings.ToLower(name), "password") }

// exchange is one request of a page, and the page that answers it.
type exchange struct {
	w    http.ResponseWriter
	r    *http.Request
	page *Page
	// in is what was typed; nil where the page is opened.
	in map[string]string
	// claims are those of the session, or nil.
	claims *token.Claims
}

// client is who asks.
func (p *pages) client(x *exchange) usher.Client { return p.h.client(x.w, x.r) }

// view is a page with at most one form.
type view struct {
	// page is the page's name, path where it is opened.
	page, path string
	// inputs are the form's, in their order; required those that must not be
	// empty. Without inputs every error has a page of its own.
	inputs, required []string
	// prepare makes the page ready to be shown, or answers otherwise: then it
	// returns errAnswered.
	prepare func(x *exchange) error
	// open answers a request to open the page in the place of showing it.
	open func(x *exchange) error
	// send does the work of the form and goes on.
	send func(x *exchange) error
}

// errAnswered means that the answer is written.
var errAnswered = errors.New("handlers: answered")

func (p *pages) exchange(w http.ResponseWriter, r *http.Request, v *view) *exchange {
	x := &exchange{w: w, r: r, page: p.page(r, v.page)}
	if claims, ok := middleware.Claims(r.Context()); ok {
		x.claims, x.page.SignedIn = &claims, true
	}
	return x
}

// opened answers who opens the page.
func (p *pages) opened(v *view) http.Handler {
	return p.h.answer(func(w http.ResponseWriter, r *http.Request) error {
		x := p.exchange(w, r, v)
		x.page.ReturnTo = middleware.SafeReturnTo(r.URL.Query().Get("return_to"))
		p.fillIn(x, v)
		err := p.ready(x, v)
		if err == nil && v.open != nil {
			err = v.open(x)
		}
		if err == nil {
			p.greet(x)
			x.page.begin(v.inputs, v.inputs)
			err = p.show(w, http.StatusOK, x.page)
		}
		return p.finish(x, err)
	})
}

// sent answers who sends the form of the page.
func (p *pages) sent(v *view) http.Handler {
	return p.h.answer(func(w http.ResponseWriter, r *http.Request) error {
		if !middleware.KnowsOrigin(r) {
			// Nothing but a browser sends forms, and every browser of today says
			// where from.
			return middleware.ErrCrossOrigin
		}
		in, err := decodeForm(w, r)
		if err != nil {
			return err
		}
		x := p.exchange(w, r, v)
		x.in = in
		x.page.Address = p.base + v.path
		x.page.ReturnTo = middleware.SafeReturnTo(in["return_to"])
		for _, name := range v.inputs {
			if !isPassword(name) {
				x.page.values[name] = in[name]
			}
		}
		if err := p.ready(x, v); err != nil {
			return p.finish(x, err)
		}
		for _, name := range v.required {
			if in[name] == "" {
				x.page.wrong(name, x.page.invalid(name, "required"))
			}
		}
		if x.page.Failed() {
			return p.again(x, v, http.StatusBadRequest)
		}
		err = v.send(x)
		if err == nil || len(v.inputs) == 0 {
			return p.finish(x, err)
		}
		status := p.explain(w, x.page, err, v.inputs)
		if status == 0 {
			return p.finish(x, err)
		}
		p.h.noteRefused(w, r, err)
		return p.again(x, v, status)
	})
}

func (p *pages) ready(x *exchange, v *view) error {
	if v.prepare == nil {
		return nil
	}
	return v.prepare(x)
}

// again shows the page with what was typed and what is wrong, and puts the
// focus on the first input to mend: with nothing to mend on one all the same, for
// that is how what is wrong gets read aloud.
func (p *pages) again(x *exchange, v *view, status int) error {
	if slices.Contains(v.inputs, "loginId") {
		p.keepTyped(x, x.in["loginId"])
	}
	for _, name := range v.inputs {
		if len(x.page.errors[name]) > 0 {
			x.page.focus = name
			break
		}
	}
	x.page.begin(v.required, v.inputs)
	return p.show(x.w, status, x.page)
}

// begin puts the focus, if nothing has it, on the first of the wanted inputs that
// is empty, or on the first of all.
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
func (p *pages) finish(x *exchange, err error) error {
	switch {
	case errors.Is(err, errAnswered):
		return nil
	case errors.Is(err, errDeadLink):
		p.h.noteRefused(x.w, x.r, usher.ErrInvalidToken)
		return p.deadLink(x)
	}
	return err
}

// greet puts the message that the last page left into this one.
func (p *pages) greet(x *exchange) {
	code := p.cookies.Flash(x.w, x.r)
	if code == "" {
		code = signedOut(x)
	}
	if key := "notice." + code; code != "" && x.page.speaker.Has(key) {
		x.page.Notice, x.page.NoticeCode = x.page.T(key), code
	}
}

// signedOut is the message after a sign-out: that takes all cookies away, and so the
// message is in the address. It counts only where nobody is signed in and the browser
// says that this site led here, so that no stranger's link makes the page say it.
func signedOut(x *exchange) string {
	code := x.r.URL.Query().Get("notice")
	known := code == "signed_out" || code == "signed_out_all"
	if known && x.claims == nil && x.r.Header.Get("Sec-Fetch-Site") == "same-origin" {
		return code
	}
	return ""
}

// goOn leaves a message for the next page and goes there. Without the message
// the person still gets on.
func (p *pages) goOn(x *exchange, path, code string) error {
	if code != "" {
		if err := p.cookies.SetFlash(x.w, x.r, code); err != nil {
			p.h.cfg.Logger.WarnContext(x.r.Context(), "handlers: a message for the next page was lost", "error", err)
		}
	}
	return redirect(x.w, p.base+path)
}
