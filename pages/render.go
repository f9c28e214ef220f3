package pages

import (
	"bytes"
	"net/http"
	"net/url"

	"github.com/usherkit/usher/internal/locale"
	"github.com/usherkit/usher/middleware"
)

// newPage returns a page in the language of the browser, with its title and lead.
func (site *Site) newPage(r *http.Request, name string) *Page {
	page := site.newPageIn(site.catalogue.For(site.visits.Languages(r)...), name)
	page.request = r
	page.ActingAs = site.actingAs(r)
	return page
}

// actingAs returns the login id of the user as whom an operator sends the request, or "". If
// it cannot be read, it returns the id of the user, because the page must say that an
// operator acts.
func (site *Site) actingAs(r *http.Request) string {
	if middleware.Actor(r.Context()) == "" {
		return ""
	}
	claims, _ := middleware.Claims(r.Context())
	u, _, err := site.service.Me(r.Context(), &claims)
	if err != nil {
		return claims.Subject
	}
	return u.LoginID()
}

// newPageIn is newPage in the language of the speaker.
func (site *Site) newPageIn(s *locale.Speaker, name string) *Page {
	page := &Page{
		Name: name, Product: site.service.Name(), Logo: site.cfg.Logo, Home: site.cfg.Home, Initial: site.palette.Initial,
		Lang: s.Lang(), Dir: s.Dir(), RememberMe: !site.visits.EndWithBrowser, SignUpClosed: site.service.SignUpClosed(), Policy: site.policy(s),
		nonce: site.cfg.newNonce(), speaker: s, site: site, values: map[string]string{}, errors: map[string][]string{}, links: map[string][]Link{},
	}
	if s.Has(name + ".title") {
		page.Title = page.T(name + ".title")
	}
	if s.Has(name + ".lead") {
		page.Lead = page.T(name + ".lead")
	}
	return page
}

// show answers with a page.
func (site *Site) show(w http.ResponseWriter, status int, page *Page) error {
	var body bytes.Buffer
	if err := site.files.pages[page.Name].ExecuteTemplate(&body, "layout", page); err != nil {
		return err
	}
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Language", page.Lang)
	header.Set("Content-Security-Policy", site.csp(page))
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	setVary(header)
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes())
	return nil
}

// redirect answers with 303 to a path of this site, so that no browser sends a form
// again (RFC 9700 §4.12).
func redirect(w http.ResponseWriter, path string) error {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Location", path)
	w.WriteHeader(http.StatusSeeOther)
	return nil
}

// pathWithReturn returns a path of the mount that passes on the path to which the
// sign-in leads.
func (site *Site) pathWithReturn(path, returnTo string) string {
	return withReturn(site.base+path, returnTo)
}

// withReturn adds the path to which the sign-in leads to a path.
func withReturn(target, returnTo string) string {
	if returnTo != "" {
		target += "?" + url.Values{"return_to": {returnTo}}.Encode()
	}
	return target
}

// destination returns the path to which a sign-in leads.
func (site *Site) destination(returnTo string) string {
	if safe := middleware.SafeReturnTo(returnTo); safe != "" {
		return safe
	}
	return site.cfg.Home
}
