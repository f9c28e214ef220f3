package pages_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/usherkit/usher/handlers"
	"github.com/usherkit/usher/internal/guidetest"
	. "github.com/usherkit/usher/internal/webtest"
	"github.com/usherkit/usher/middleware"
	"github.com/usherkit/usher/pages"
	"github.com/usherkit/usher/texts"
)

const integrity = "sha384-OLBgp1GsljhM2TJ+sbHjaiH9txEUvgdDTAzHv2P24donTt6/529l+9Ua0vFImLlb"

// The policy allows the listed files alone: by a nonce that each answer makes anew, not
// by their hosts.
func TestHP21_FilesOfTheProgramAreAllowedByANonce(t *testing.T) {
	_, b := NewPages(t, pages.Config{
		Stylesheets: []pages.Asset{{URL: "/static/auth.css?v=2"}, {URL: "https://cdn.example/a.css", Integrity: integrity}},
		Scripts:     []pages.Asset{{URL: "/static/auth.js"}},
	}, Setup{})
	seen := map[string]bool{}
	for _, path := range everyPage {
		v := b.Open("/auth" + path)
		policy := v.Header.Get("Content-Security-Policy")
		nonce := regexp.MustCompile(`'nonce-([A-Z2-7]{26})'`).FindAllStringSubmatch(policy, -1)
		if v.Status == 303 {
			continue
		}
		if len(nonce) != 2 || nonce[0][1] != nonce[1][1] || seen[nonce[0][1]] {
			t.Fatalf("%s: the nonces are %v", path, nonce)
		}
		n := nonce[0][1]
		seen[n] = true
		for _, want := range []string{
			`<link rel="stylesheet" href="/static/auth.css?v=2" nonce="` + n + `">`,
			`<link rel="stylesheet" href="https://cdn.example/a.css" nonce="` + n + `" integrity="` + integrity + `" crossorigin="anonymous">`,
			`<script defer src="/static/auth.js" nonce="` + n + `"></script>`,
		} {
			if !strings.Contains(v.Body, want) {
				t.Errorf("%s lacks %s", path, want)
			}
		}
		if strings.Contains(policy, "unsafe") || strings.Contains(policy, "cdn.example") || strings.Contains(policy, "script-src 'self'") {
			t.Errorf("%s: the policy allows more than the files: %s", path, policy)
		}
	}
	if len(seen) == 0 {
		t.Error("no page was seen")
	}
}

func TestHP21_WrongAddressesOfTheConfigAreRefused(t *testing.T) {
	k := NewKit(t, InCookies, Setup{})
	for want, cfg := range map[string]pages.Config{
		`Config.Pages.Stylesheets[1].URL must be a path`: {Stylesheets: []pages.Asset{{URL: "/a.css"}, {URL: "http://cdn.example/a.css"}}},
		`Stylesheets[0].URL must be`:                     {Stylesheets: []pages.Asset{{URL: "//cdn.example/a.css"}}},
		`Scripts[0].URL must be`:                         {Scripts: []pages.Asset{{URL: "javascript:alert(1)"}}},
		`Scripts[0].URL must be a path of`:               {Scripts: []pages.Asset{{URL: "data:text/javascript,1"}}},
		`Scripts[0].URL must be a path of this`:          {Scripts: []pages.Asset{{URL: "https://user@cdn.example/a.js"}}},
		`Scripts[0].Integrity must be`:                   {Scripts: []pages.Asset{{URL: "/a.js", Integrity: "sha256-abc"}}},
		`Scripts[0].Integrity`:                           {Scripts: []pages.Asset{{URL: "/a.js", Integrity: "md5-1B2M2Y8AsgTpgAmY7PhCfg=="}}},
		`Links[0].Text is missing`:                       {Links: []pages.Link{{URL: "/terms"}}},
		`Links[0].URL must be`:                           {Links: []pages.Link{{Text: "Terms", URL: "javascript:alert(1)"}}},
		`Links[0].URL must be a path`:                    {Links: []pages.Link{{Text: "Terms", URL: "http://example.com/terms"}}},
		`Links[1].URL must be a path`:                    {Links: []pages.Link{{Text: "Help", URL: "mailto:help@example.com"}, {Text: "Help", URL: "mailto:help"}}},
		`there is no text "own.terms"`:                   {Links: []pages.Link{{Text: "own.terms", URL: "/terms"}}},
	} {
		if _, err := handlers.New(k.Service, handlers.Config{Pages: &cfg}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error is %v, want %q in it", err, want)
		}
	}
}

func TestHP21_LinksAreInTheFooterOfEveryPage(t *testing.T) {
	own := texts.Catalogue{Texts: map[string]map[string]string{"en": {"own.terms": "Terms"}, "de": {"own.terms": "Nutzungsbedingungen"}}}
	_, b := NewPages(t, pages.Config{Links: []pages.Link{
		{Text: "own.terms", URL: "/terms"}, {Text: "Support <24/7>", URL: "mailto:help@example.com"}, {Text: "Status", URL: "https://status.example/"},
	}}, Setup{Config: func(c *handlers.Config) { c.Texts = own }})
	b.SignUp(Ann)
	for _, path := range []string{"/auth/account", "/auth/signin?prompt=login", "/auth/nothing"} {
		v := b.Open(path)
		_, foot, _ := strings.Cut(v.Body, "<footer")
		for _, want := range []string{
			`<a href="/terms" rel="noopener noreferrer">Terms</a>`, `<a href="mailto:help@example.com" rel="noopener noreferrer">Support &lt;24/7&gt;</a>`,
			`<a href="https://status.example/" rel="noopener noreferrer">Status</a>`,
		} {
			if !strings.Contains(foot, want) {
				t.Errorf("%s lacks %s:\n%s", path, want, foot)
			}
		}
	}
	b.Lang = "de"
	if v := b.Open("/auth/account"); !strings.Contains(v.Body, ">Nutzungsbedingungen</a>") {
		t.Error("the text of the link is not in the language of the page")
	}
}

// Every page has the data of the program, also one that reports a problem. It is asked
// for once, and only if a template uses it.
func TestHP22_DataOfTheProgramReachesEveryTemplate(t *testing.T) {
	type data struct{ Path, User string }
	calls := 0
	ask := func(r *http.Request) any {
		calls++
		claims, _ := middleware.Claims(r.Context())
		return data{r.URL.Path, claims.Subject}
	}
	frame := fstest.MapFS{"layout.html": {Data: []byte(`{{define "layout"}}<html><head>{{template "meta" .}}</head><main>[{{.Data.Path}} {{.Data.User}}]{{template "content" .}}</main>{{.Script}}</html>{{end}}`)}}
	k, b := NewPages(t, pages.Config{Data: ask, Templates: frame}, Setup{})
	b.SignUp(Ann)
	id := k.UserID(Ann)
	for path, want := range map[string]string{
		"/auth/account": "/account " + id, "/auth/signin?prompt=login": "/signin " + id, "/auth/account/name": "/account/name " + id, "/auth/nothing": "/nothing ", "/auth/reset": "/reset " + id,
	} {
		calls = 0
		if v := b.Open(path); !strings.Contains(v.Body, "["+want+"]") || calls != 1 {
			t.Errorf("%s: %d calls, the page lacks %q:\n%s", path, calls, want, MainElement(v.Body))
		}
	}
	_, b = NewPages(t, pages.Config{Data: ask}, Setup{})
	if calls = 0; b.Open("/auth/signin").WantPage(t, 200).Status == 200 && calls != 0 {
		t.Error("the data is asked for, and no template uses it")
	}
	if _, err := handlers.New(k.Service, handlers.Config{Pages: &pages.Config{Templates: frame}}); err == nil || !strings.Contains(err.Error(), "Data") {
		t.Errorf("a template that needs data without Config.Data is %v", err)
	}
	broken := pages.Config{Templates: frame, Data: func(r *http.Request) any {
		if r.Header.Get("X-Panic") != "" {
			panic("broken")
		}
		return data{}
	}}
	_, b = NewPages(t, broken, Setup{})
	if v := b.Open("/auth/signin", "X-Panic", "1"); v.Status != 500 || strings.Contains(v.Body, "broken") {
		t.Errorf("data that panics is %d %s", v.Status, v.Body)
	}
}

// The layout in docs/pages.md has at most ten lines, and every page works in it.
func TestHP23_TheLayoutOfTheGuideWorks(t *testing.T) {
	blocks := guidetest.Blocks(t, "docs/pages.md", "html layout")
	if len(blocks) != 1 || strings.Count(blocks[0].Text, "\n") > 10 {
		t.Fatalf("the guide has %d layouts, want one of at most ten lines", len(blocks))
	}
	_, b := NewPages(t, pages.Config{
		Stylesheets: []pages.Asset{{URL: "/static/site.css"}}, Links: []pages.Link{{Text: "Terms", URL: "/terms"}},
		Templates: fstest.MapFS{"layout.html": {Data: []byte(blocks[0].Text)}},
	}, Setup{})
	for _, path := range []string{"/signin", "/signup", "/forgot", "/nothing"} {
		v := b.Open("/auth" + path)
		for _, want := range []string{"<nav>", `<meta name="referrer" content="same-origin">`, `href="/static/site.css"`, "<h1>", "Terms</a>", "<script>"} {
			if !strings.Contains(v.Body, want) {
				t.Errorf("%s lacks %s", path, want)
			}
		}
	}
	b.Send("/signin", "loginId", Ann, "password", GoodPassword).WantPage(t, 401, "<nav>", `<meta name="address" content="/auth/signin">`)
	b.SignUp(Ann)
	b.Open("/auth/account").WantPage(t, 200, "<nav>", Ann)
}
