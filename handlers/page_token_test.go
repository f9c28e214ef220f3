package handlers_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/pages"
)

// Each mailed link is answered with the way to an address without its token,
// and no page tells another site where it was.
func TestHP03_NoAddressThatAPageSendsOnHasAToken(t *testing.T) {
	t.Parallel()
	for path, mail := range map[string]func(k *kit, b *browser) string{
		"/auth/verify": func(k *kit, b *browser) string { return k.link(t, usher.MessageVerifyEmail) },
		"/auth/reset": func(k *kit, b *browser) string {
			b.send("/password/reset", "loginId", ann)
			return k.link(t, usher.MessageConfirmAndReset)
		},
	} {
		k, b := newPages(t, pages.Config{}, setup{})
		b.signUp(ann)
		link := mail(k, b)
		_, token, _ := strings.Cut(link, "token=")
		reader := k.browser(t)
		way := reader.open(link).to(t, path)
		if way.header.Get("Referrer-Policy") != "no-referrer" || way.body != "" {
			t.Errorf("%s: Referrer-Policy %q, body %q", path, way.header.Get("Referrer-Policy"), way.body)
		}
		for _, c := range reader.cookies {
			if strings.Contains(c.Value, token) {
				t.Errorf("%s: the cookie %s can be read", path, c.Name)
			}
		}
		v := reader.open(way.location).page(t, 200, `name="token" value="`+token+`"`)
		if v.header.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s: Referrer-Policy %q", path, v.header.Get("Referrer-Policy"))
		}
		// The element takes the place of the header for what the page itself sends.
		metas := regexp.MustCompile(`<meta name="referrer" content="([^"]*)">`).FindAllStringSubmatch(v.body, -1)
		if len(metas) != 1 || metas[0][1] != "same-origin" {
			t.Errorf("%s: elements for the referrer: %v", path, metas)
		}
		if n := strings.Count(v.body, token); n != 1 {
			t.Errorf("%s: the token is %d times in the page, want once, in its form", path, n)
		}
	}
}
