package pages

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/internal/route"
	"github.com/usherkit/usher/internal/visit"
	"github.com/usherkit/usher/middleware"
)

// languageLifetime is how long a browser keeps the language that the user has chosen.
const languageLifetime = 365 * 24 * time.Hour

// Language is a language that the user may choose.
type Language struct {
	// Tag is the BCP 47 tag, and Name the name in the language itself.
	Tag, Name string
	// Current is true for the language of the page.
	Current bool
}

// Languages returns the languages that the user may choose. There are none if only one is
// offered.
func (p *Page) Languages() (all []Language) {
	tags := p.site.catalogue.Languages()
	if len(tags) < 2 {
		return nil
	}
	for _, tag := range tags {
		all = append(all, Language{tag, p.site.catalogue.Name(tag), tag == p.Lang})
	}
	return all
}

// CurrentURL returns the path and the query of the page, to which the choice of a language
// returns. It has no token of an emailed link.
func (p *Page) CurrentURL() string {
	if p.Address != "" { // the answer to a form, whose own path need not be a page
		return withReturn(p.Address, p.ReturnTo)
	}
	r := *p.request
	if u, err := url.ParseRequestURI(r.RequestURI); err == nil && r.Method != http.MethodPost {
		query := u.Query()
		query.Del("token")
		for name, values := range query {
			if len(values) > 1 { // does not count
				query.Del(name)
			}
		}
		u.RawQuery = query.Encode()
		r.RequestURI = u.RequestURI()
	}
	return cmp.Or(middleware.ReturnTo(&r, p.site.root), p.site.cfg.Home)
}

// languageView keeps the language that the user has chosen, and returns to the page.
func (site *Site) languageView() *view {
	return &view{page: "signin", path: "/signin", send: func(x *exchange) error {
		chosen := x.in["language"]
		if !slices.Contains(site.catalogue.Languages(), chosen) {
			return route.BadBody("The site does not have this language.")
		}
		if err := site.cookies.SetNote(x.w, x.r, visit.NoteLanguage, usher.Secret(chosen), languageLifetime); err != nil {
			return err
		}
		return redirect(x.w, cmp.Or(middleware.SafeReturnTo(x.in["page"]), site.base+"/signin"))
	}}
}

// setVary says that a page depends on the language of the browser and on the one that the
// user has chosen, which is in a cookie.
func setVary(h http.Header) {
	for _, name := range []string{"Accept-Language", "Cookie"} {
		if !slices.ContainsFunc(h["Vary"], func(line string) bool { return strings.EqualFold(line, name) }) {
			h.Add("Vary", name)
		}
	}
}
