package handlers

import (
	"cmp"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"

	"github.com/usherkit/usher/internal/color"
	"github.com/usherkit/usher/middleware"
	"github.com/usherkit/usher/token"
)

// Pages are the pages that people see: sign-up, sign-in, the way back after a
// forgotten password, confirming an address, and the account. The zero Pages
// works; each field replaces one thing. They work without JavaScript, load
// nothing from elsewhere, and run under a policy (CSP) that forbids it.
//
// The words are those of [Config.Texts].
//
// Pages link to each other and from mails: mount the Handlers at
// usher.Config.PagesPath.
type Pages struct {
	// Name is the product's name, in titles and beside the logo. Defaults to
	// the host of usher.Config.BaseURL.
	Name string
	// Logo is an image of this site, as a path such as "/static/logo.svg", to
	// be shown 32 CSS pixels high in the place of the name. Defaults to the
	// name beside its initial.
	Logo string
	// Accent is the colour of buttons and links, as "#rrggbb". Links are made
	// darker or lighter until they can be read (WCAG 2.2, 1.4.3), buttons lighter
	// on a dark page, and with a line around them where they are pale, until they
	// can be seen (1.4.11); the text on them is black or white, whichever can be
	// read better. Defaults to "#3d4ed8".
	Accent string
	// Home is where a finished sign-in goes: a path of this site. Defaults to
	// "/".
	Home string

	// Templates has files that replace built-in ones of the same name, one by
	// one: see [PageFiles]. "custom.css" and "custom.js" are added to the
	// built-in style and script. [New] reads them, fills every page in once, and
	// refuses a file or the key of a text that there is not; files whose name
	// begins with a dot are left alone. Defaults to none.
	Templates fs.FS
	// Funcs are further functions for the templates. Defaults to none.
	Funcs template.FuncMap
}

//go:embed pages
var pageFiles embed.FS

// PageFiles returns the built-in files of the pages, to copy from: layout.html,
// parts.html, one file for each page, style.css, page.js and icon.svg. All but
// page.js are templates; the data of the html files is a [*Page].
func PageFiles() fs.FS {
	sub, err := fs.Sub(pageFiles, "pages")
	if err != nil {
		panic(err) // the name is a constant
	}
	return sub
}

// PageCookies is what a mount with pages asks of [Config.Cookies] besides. The
// Jar of package cookies is such.
type PageCookies interface {
	Cookies
	// Flash returns the code that SetFlash kept, once, or "".
	Flash(w http.ResponseWriter, r *http.Request) string
	// SetFlash keeps the code of a message for the next page.
	SetFlash(w http.ResponseWriter, r *http.Request, code string) error
	// Note returns the text that SetNote kept under the name, or "".
	Note(r *http.Request, name string) token.Secret
	// SetNote keeps a short text for some minutes.
	SetNote(w http.ResponseWriter, r *http.Request, name string, text token.Secret) error
	// DropNote makes the browser drop the note.
	DropNote(w http.ResponseWriter, r *http.Request, name string)
}

// pages is a mount's Pages, ready for use.
type pages struct {
	Pages
	h       *Handlers
	cookies PageCookies
	// base is the path of the pages, such as "/auth".
	base    string
	palette palette
	files   pageTemplates
}

// newPages returns the pages of a mount. An error names the setting that is
// wrong.
func newPages(h *Handlers, cfg Pages) (*pages, error) {
	jar, ok := h.cfg.Cookies.(PageCookies)
	if !ok {
		return nil, errors.New("handlers: Config.Pages needs Config.Cookies with the methods of PageCookies: a *cookies.Jar has them")
	}
	u, err := url.Parse(h.auth.PagesURL())
	if err != nil {
		return nil, fmt.Errorf("handlers: the address of the pages: %w", err)
	}
	cfg.Name = cmp.Or(cfg.Name, u.Hostname())
	cfg.Home = cmp.Or(cfg.Home, "/")
	cfg.Accent = cmp.Or(cfg.Accent, color.DefaultAccent)
	for field, path := range map[string]string{"Home": cfg.Home, "Logo": cfg.Logo} {
		if path != "" && middleware.SafeReturnTo(path) == "" {
			return nil, fmt.Errorf("handlers: Config.Pages.%s must be a path of this site, such as /start", field)
		}
	}
	p := &pages{Pages: cfg, h: h, cookies: jar, base: u.Path}
	if p.palette, err = newPalette(cfg.Accent); err != nil {
		return nil, fmt.Errorf("handlers: Config.Pages.Accent %w", err)
	}
	if p.files, err = p.load(); err == nil {
		err = p.check()
	}
	if err != nil {
		return nil, fmt.Errorf("handlers: Config.Pages.Templates: %w", err)
	}
	return p, nil
}
