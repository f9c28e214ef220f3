package pages

import (
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/usherkit/usher"
)

// check executes the template of every page, with and without optional parts. So a
// broken template is an error when the program starts. Built-in templates are executed once,
// for the texts of the program: a test holds them to the rest.
func (site *Site) check() error {
	variants := []string{"/signin"}
	if site.cfg.Templates != nil {
		variants = []string{"", "/forgot", "/signup", "/signin"}
		if err := site.checkFiles(); err != nil {
			return err
		}
	}
	for _, name := range pageNames {
		for _, again := range variants {
			page := site.samplePage(name, again)
			if err := site.files.pages[name].ExecuteTemplate(io.Discard, "layout", page); err != nil {
				return fmt.Errorf("%s.html: %w", name, err)
			}
			if keys := *page.missing; len(keys) > 0 {
				return fmt.Errorf("%s.html: there is no text %q", name, keys[0])
			}
		}
	}
	return nil
}

// checkFiles returns an error for a file that no page reads, because its name is
// probably misspelt.
func (site *Site) checkFiles() error {
	known := map[string]bool{"layout.html": true, "parts.html": true, "style.css": true, "custom.css": true, "page.js": true, "custom.js": true, "icon.svg": true}
	for _, name := range pageNames {
		known[name+".html"] = true
	}
	return fs.WalkDir(site.cfg.Templates, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case name != "." && strings.HasPrefix(path.Base(name), "."):
			if d.IsDir() {
				return fs.SkipDir
			}
		case !d.IsDir() && !known[name]:
			return fmt.Errorf("%s is no file of the pages: see pages.Files", name)
		}
		return nil
	})
}

// samplePage returns a page for the check of a template. If again is not empty, the page
// has all optional parts, and again is its field ResendPath.
func (site *Site) samplePage(name, again string) *Page {
	page := site.newPage(&http.Request{Method: http.MethodGet, URL: &url.URL{Path: site.base + "/" + name}, Header: http.Header{}}, name)
	page.missing, page.ResendPath = &[]string{}, again
	if again == "" {
		return page
	}
	const text = "sample"
	page.Title, page.Lead, page.Notice, page.NoticeCode, page.Alert = text, text, text, text, text
	page.Address, page.ReturnTo, page.Retry = site.base+"/"+name, site.cfg.Home, site.cfg.Home
	page.SignedIn, page.Token, page.LoginID, page.OtherUser, page.SentTo, page.Reference = true, text, text, text, text+"@gmail.com", text
	page.User = usher.User{ID: text, LoginIDs: []string{text}, Name: text, Email: text}
	page.setPendingEmail(usher.PendingEmail{Address: text})
	page.setSessions(make([]usher.Session, maxShownSessions+1), "-", netip.Addr{}, time.Time{})
	page.Sessions[0].Current, page.Sessions[1].Address, page.Sessions[2].SameNetwork = true, text, true
	page.NoPassword = again == "/signup"
	for _, input := range []string{"name", "loginId", "code", "newEmail", "password", "newPassword", "currentPassword", "oldPassword"} {
		page.values[input] = text
		page.addError(input, text)
		page.links[input] = []Link{{text, site.cfg.Home}}
	}
	page.focus = "loginId"
	return page
}
