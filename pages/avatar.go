package pages

import (
	"cmp"
	"net/url"
	"slices"
	"strings"
)

// Initials returns one or two letters for a user without a picture: of the first and the
// last word of the name, or of the login id.
func (p *Page) Initials() string {
	words := strings.Fields(cmp.Or(p.User.Name, p.LoginID))
	if len(words) == 0 {
		return initial("")
	}
	out := initial(words[0])
	if last := initial(words[len(words)-1]); len(words) > 1 && last != noInitial {
		out += last
	}
	return out
}

// Picture returns the address of the picture of the user, if it is on this site or on one
// of Config.PictureHosts, and otherwise empty: another host would learn who opens the page.
func (p *Page) Picture() string {
	u, err := url.Parse(p.User.Picture)
	own, _ := url.Parse(p.site.service.BaseURL()) // handlers.New has parsed it
	switch {
	case err != nil || u.Host == "":
		return ""
	case u.Scheme == "https" && slices.Contains(p.site.cfg.PictureHosts, u.Host), u.Scheme == own.Scheme && u.Host == own.Host:
		return u.String()
	}
	return ""
}

// pictureSources are the sources of images that the policy (CSP) of the page allows.
func (p *Page) pictureSources() []string {
	sources := []string{"'self'"}
	if u, err := url.Parse(p.Picture()); err == nil && slices.Contains(p.site.cfg.PictureHosts, u.Host) {
		sources = append(sources, "https://"+u.Host)
	}
	return sources
}
