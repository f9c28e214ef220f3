package pages_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/handlers"
	. "github.com/usherkit/usher/internal/webtest"
	"github.com/usherkit/usher/pages"
	"github.com/usherkit/usher/texts"
)

// chooser returns what the form for the language of a page sends: the path of the page,
// and the tags.
func chooser(t *testing.T, v View) (page string, tags []string) {
	t.Helper()
	_, form, ok := strings.Cut(v.Body, `<form class="languages" method="post" action="/auth/language"`)
	if !ok {
		t.Fatalf("the page has no choice of a language:\n%s", v.Body)
	}
	for _, m := range regexp.MustCompile(`name="language" value="([^"]*)" lang="([^"]*)"`).FindAllStringSubmatch(form, -1) {
		tags = append(tags, m[1])
	}
	page = regexp.MustCompile(`name="page" value="([^"]*)"`).FindStringSubmatch(form)[1]
	return strings.ReplaceAll(page, "&amp;", "&"), tags
}

// The choice counts before the language of the browser: for pages, problems, and the
// emails of an account that signs up. It returns to the page, with the path to which the
// sign-in leads.
func TestHP24_TheChosenLanguageStays(t *testing.T) {
	k, b := NewPages(t, pages.Config{}, Setup{})
	b.Lang = "fr"
	v := b.Open("/auth/signup?return_to=%2Finside%3Ftab%3D2").WantPage(t, 200, `lang="fr"`, `>Français</button>`, `value="fr" lang="fr" aria-current="true"`)
	page, tags := chooser(t, v)
	if page != "/auth/signup?return_to=%2Finside%3Ftab%3D2" || strings.Join(tags, " ") != "en de es fr he" {
		t.Errorf("the form returns to %q, with %v", page, tags)
	}
	b.Send("/language", "language", "de", "page", page).WantRedirect(t, page)
	b.Open(page).WantPage(t, 200, `<html lang="de"`, `value="de" lang="de" aria-current="true"`, `name="return_to" value="/inside?tab=2"`)
	b.Open("/auth/nothing").WantPage(t, 404, `lang="de"`)
	if p := b.Do(http.MethodPost, "/auth/signin", `{}`, "Content-Type", "application/json", "Accept", "", "Sec-Fetch-Mode", "cors"); p.Header.Get("Content-Language") != "de" {
		t.Errorf("a problem document is in %q", p.Header.Get("Content-Language"))
	}
	b.SignUp(Ann)
	if m := k.Inbox()[0]; m.Language != "de" {
		t.Errorf("the email is in %q", m.Language)
	}
	b.Send("/signout")
	k.Clock.Add(364 * 24 * time.Hour)
	v = b.Open("/auth/signin").WantPage(t, 200, `lang="de"`)
	if got := strings.Join(v.Header["Vary"], ", "); !strings.Contains(got, "Cookie") || v.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("Vary is %q, Cache-Control %q", got, v.Header.Get("Cache-Control"))
	}
	k.Clock.Add(2 * 24 * time.Hour)
	b.Open("/auth/signin").WantPage(t, 200, `lang="fr"`)
}

// Another site chooses no language, and the form leads to no other site and keeps no
// token.
func TestHP24_TheChoiceIsSafe(t *testing.T) {
	_, b := NewPages(t, pages.Config{}, Setup{})
	if v := b.Do(http.MethodPost, "/auth/language", Form("language", "de"), "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"); v.Status != 403 {
		t.Errorf("a form of another site is answered %d", v.Status)
	}
	if v := b.Open("/auth/language?language=de"); v.Status != 405 {
		t.Errorf("a link is answered %d", v.Status)
	}
	b.Open("/auth/signin?language=de&lang=de").WantPage(t, 200, `lang="en"`)
	for _, language := range []string{"", "nl", "de,fr", "<b>", strings.Repeat("d", 5000)} {
		b.Send("/language", "language", language, "page", "/").WantPage(t, 400, "<h1>Invalid request</h1>")
	}
	for _, page := range []string{"", "https://evil.example/", "//evil.example", "/\\evil.example"} {
		b.Send("/language", "language", "de", "page", page).WantRedirect(t, "/auth/signin")
	}
	b.Cookies = map[string]*http.Cookie{}
	if page, _ := chooser(t, b.Open("/auth/reset?token="+strings.Repeat("x", 300))); page != "/auth/reset" {
		t.Errorf("the page of a link that does not work returns to %q", page)
	}
	// The answer to a form returns to the page of the form.
	page, _ := chooser(t, b.Send("/signin", "loginId", Ann, "password", GoodPassword, "return_to", "/inside").WantPage(t, 401))
	if page != "/auth/signin?return_to=%2Finside" {
		t.Errorf("after a failed sign-in the form returns to %q", page)
	}
}

func TestHP24_OnlyOfferedLanguagesCanBeChosen(t *testing.T) {
	one := texts.Catalogue{Languages: []string{"de"}}
	_, b := NewPages(t, pages.Config{}, Setup{Config: func(c *handlers.Config) { c.Texts = one }})
	if v := b.Open("/auth/signin"); strings.Contains(v.Body, "/auth/language") {
		t.Error("a page in one language offers a choice")
	}
	own := texts.Catalogue{Languages: []string{"en", "nl", "de-AT"}, Texts: map[string]map[string]string{"nl": {"signin.title": "Inloggen"}, "de-AT": {"language.name": "Österreichisch"}}}
	_, b = NewPages(t, pages.Config{}, Setup{Config: func(c *handlers.Config) { c.Texts = own }})
	b.Open("/auth/signin").WantPage(t, 200, ">English</button>", ">nl</button>", ">Österreichisch</button>")
	b.Send("/language", "language", "nl", "page", "/auth/signin").WantRedirect(t, "/auth/signin")
	b.Open("/auth/signin").WantPage(t, 200, "Inloggen")
	b.Send("/language", "language", "de", "page", "/auth/signin").WantPage(t, 400)
}

// A picture on a host that the program has not listed would report each visit to that host.
func TestHP25_OnlyListedHostsShowPictures(t *testing.T) {
	k, b := NewPages(t, pages.Config{PictureHosts: []string{"pic.example", "cdn.example:8443"}}, Setup{})
	b.SignUp(Ann)
	for picture, shown := range map[string]string{
		"": "", "https://pic.example/ann.png?s=2": "https://pic.example", "https://cdn.example:8443/ann.png": "https://cdn.example:8443", "https://app.example/me.png": "'self'",
		"https://evil.example/ann.png": "", "https://pic.example.evil.example/a.png": "", "https://sub.pic.example/a.png": "", "https://cdn.example/ann.png": "",
	} {
		p := picture
		if _, err := k.Service.Operator("test").UpdateUser(t.Context(), k.UserID(Ann), usher.UpdateUserParams{Profile: usher.Profile{Picture: &p}}); err != nil {
			t.Fatal(err)
		}
		v := b.Open("/auth/account").WantPage(t, 200, `<span class="avatar" aria-hidden="true">A`)
		policy := v.Header.Get("Content-Security-Policy")
		want := "img-src 'self'"
		if shown != "" && shown != "'self'" {
			want += " " + shown
		}
		if !strings.Contains(policy, want+";") {
			t.Errorf("%q: the policy is %s, want %s", picture, policy, want)
		}
		if tag := `<img src="` + picture + `" alt="" width="56" height="56" referrerpolicy="no-referrer">`; strings.Contains(v.Body, tag) != (shown != "") {
			t.Errorf("%q is shown: %v", picture, shown == "")
		}
	}
	_, b2 := NewPages(t, pages.Config{}, Setup{})
	for name, want := range map[string]string{"ann lindqvist": "AL", "Ann Maria Lindqvist": "AL", "": "A", "李小龙": "李", "Ann 😀": "A", "😀": "·", "Ölga öst": "ÖÖ"} {
		b2.Cookies = map[string]*http.Cookie{}
		login := "a" + strings.Repeat("x", len(name)) + "@example.com"
		b2.Send("/signup", "loginId", login, "password", GoodPassword, "name", name).WantRedirect(t, "/")
		b2.Open("/auth/account").WantPage(t, 200, `aria-hidden="true">`+want+`</span>`)
	}
	for _, host := range []string{"https://pic.example", "*", "*.example.com", "pic.example/", "PIC.example", "a b", "", "pic.example:"} {
		if _, err := handlers.New(k.Service, handlers.Config{Pages: &pages.Config{PictureHosts: []string{host}}}); err == nil || !strings.Contains(err.Error(), "Config.Pages.PictureHosts[0]") {
			t.Errorf("%q: %v", host, err)
		}
	}
}
