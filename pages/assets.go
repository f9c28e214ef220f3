package pages

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"html"
	"html/template"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/usherkit/usher/internal/locale"
	"github.com/usherkit/usher/middleware"
)

// Asset is a style sheet or a script of the program.
type Asset struct {
	// URL is a path of this site, such as "/static/auth.css", or an https address.
	// Required.
	URL string
	// Integrity is the hash that the file must have, such as "sha384-…" (Subresource
	// Integrity). Set it for a file on another host. Defaults to none.
	Integrity string
}

// checkExtras returns an error that names the field of the Config with a wrong address.
func (c Config) checkExtras() error {
	for field, all := range map[string][]Asset{"Stylesheets": c.Stylesheets, "Scripts": c.Scripts} {
		for i, a := range all {
			if !goodAddress(a.URL, "https") {
				return fmt.Errorf("handlers: Config.Pages.%s[%d].URL must be a path of this site, such as /static/auth.css, or an https address, not %q", field, i, a.URL)
			}
			if a.Integrity != "" && !goodIntegrity(a.Integrity) {
				return fmt.Errorf("handlers: Config.Pages.%s[%d].Integrity must be sha256-, sha384- or sha512- and the hash in base64, not %q", field, i, a.Integrity)
			}
		}
	}
	for i, host := range c.PictureHosts {
		if u, err := url.Parse("https://" + host); err != nil || !pictureHost.MatchString(host) || u.Host != host {
			return fmt.Errorf("handlers: Config.Pages.PictureHosts[%d] must be a host, such as images.example.com, not %q", i, host)
		}
	}
	for i, l := range c.Links {
		switch {
		case l.Text == "":
			return fmt.Errorf("handlers: Config.Pages.Links[%d].Text is missing", i)
		case !goodAddress(l.URL, "https", "mailto"):
			return fmt.Errorf("handlers: Config.Pages.Links[%d].URL must be a path of this site, such as /terms, or an address that begins with https:// or mailto:, not %q", i, l.URL)
		}
	}
	return nil
}

// pictureHost is a host without a wildcard, optionally with a port.
var pictureHost = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]+)?$`)

// goodAddress reports whether s is a path of this site, or an absolute address with one of
// the schemes.
func goodAddress(s string, schemes ...string) bool {
	if middleware.SafeReturnTo(s) != "" {
		return true
	}
	u, err := url.Parse(s)
	if err != nil || !slices.Contains(schemes, u.Scheme) || u.User != nil ||
		strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || r == '\\' }) {
		return false
	}
	if u.Scheme == "mailto" {
		return strings.Contains(u.Opaque, "@")
	}
	return u.Hostname() != "" && u.Opaque == ""
}

// goodIntegrity reports whether s is one hash as Subresource Integrity defines it.
func goodIntegrity(s string) bool {
	algorithm, hash, _ := strings.Cut(s, "-")
	size := map[string]int{"sha256": 32, "sha384": 48, "sha512": 64}[algorithm]
	raw, err := base64.StdEncoding.DecodeString(hash)
	return err == nil && size > 0 && len(raw) == size
}

// newNonce returns the nonce that allows the assets of one response, or "" without assets.
func (c Config) newNonce() string {
	if len(c.Stylesheets)+len(c.Scripts) == 0 {
		return ""
	}
	return rand.Text()
}

// csp returns the policy (CSP) of a page. The assets of the program are allowed by the
// nonce, so that no other file of their hosts is.
func (site *Site) csp(page *Page) string {
	directives := []string{"default-src 'none'"}
	add := func(name string, sources ...string) {
		directives = append(directives, name+" "+strings.Join(sources, " "))
	}
	style, script := []string{site.files.styleHash}, []string{site.files.scriptHash}
	if len(site.cfg.Stylesheets) > 0 {
		style = append(style, "'nonce-"+page.nonce+"'")
		add("font-src", "'self'")
	}
	if len(site.cfg.Scripts) > 0 {
		script = append(script, "'nonce-"+page.nonce+"'")
		add("connect-src", "'self'")
	}
	add("style-src", style...)
	add("script-src", script...)
	add("img-src", page.pictureSources()...)
	return strings.Join(append(directives, "form-action 'self'", "base-uri 'none'", "object-src 'none'", "frame-ancestors 'none'"), "; ")
}

// attributes returns the attributes of the element of an asset, after that with its
// address.
func (a Asset) attributes(nonce string) string {
	out := ` nonce="` + nonce + `"`
	if a.Integrity != "" {
		out += ` integrity="` + html.EscapeString(a.Integrity) + `"`
	}
	if !strings.HasPrefix(a.URL, "/") {
		out += ` crossorigin="anonymous"`
	}
	return out
}

// Style returns the style element, and a link to each of Config.Stylesheets. The policy
// (CSP) of the page allows no other style.
func (p *Page) Style() template.HTML {
	out := p.site.files.style
	for _, a := range p.site.cfg.Stylesheets {
		out += template.HTML("\n<link rel=\"stylesheet\" href=\"" + html.EscapeString(a.URL) + "\"" + a.attributes(p.nonce) + ">") //nolint:gosec // escaped
	}
	return out
}

// Script returns the script element, and one for each of Config.Scripts. The policy (CSP)
// of the page allows no other script.
func (p *Page) Script() template.HTML {
	out := p.site.files.script
	for _, a := range p.site.cfg.Scripts {
		out += template.HTML("\n<script defer src=\"" + html.EscapeString(a.URL) + "\"" + a.attributes(p.nonce) + "></script>") //nolint:gosec // escaped
	}
	return out
}

// FooterLinks returns Config.Links in the language of the page.
func (p *Page) FooterLinks() []Link {
	all := slices.Clone(p.site.cfg.Links)
	for i, l := range all {
		if strings.HasPrefix(l.Text, locale.OwnPrefix) {
			all[i].Text = p.T(l.Text)
		}
	}
	return all
}

// Data returns what Config.Data returns for the request, or nil.
func (p *Page) Data() any {
	if p.site.cfg.Data == nil {
		return nil
	}
	if p.data == nil {
		p.data = p.site.cfg.Data(p.request)
	}
	return p.data
}
