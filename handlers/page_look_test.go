package handlers_test

import (
	"html/template"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/usherkit/usher/handlers"
)

func TestPagesSpeakTheReadersLanguage(t *testing.T) {
	_, b := newPages(t, handlers.Pages{}, setup{})
	for lang, want := range map[string][]string{
		"de-AT,de;q=0.9": {`<html lang="de" dir="ltr">`, "<h1>Anmelden</h1>"},
		"fr":             {`lang="fr"`, "Mot de passe oublié"},
		"es-MX":          {`lang="es"`, "Contraseña"},
		"he":             {`<html lang="he" dir="rtl">`, "<h1>כניסה</h1>"},
		"ja":             {`lang="en"`, "<h1>Sign in</h1>"},
	} {
		b.lang = lang
		v := b.open("/auth/signin").page(t, 200, want...)
		if v.header.Get("Content-Language") == "" || !strings.Contains(strings.Join(v.header["Vary"], ","), "Accept-Language") {
			t.Errorf("%s: headers %v", lang, v.header)
		}
	}
}

func TestLanguagesAndTextsCanBeChosen(t *testing.T) {
	_, b := newPages(t, handlers.Pages{
		Languages: []string{"de", "nl"},
		Texts: map[string]map[string]string{
			"de": {"signin.title": "Herein"},
			"nl": {"signin.title": "Inloggen"},
		},
	}, setup{})
	b.lang = "en"
	b.open("/auth/signin").page(t, 200, "<h1>Herein</h1>", "Passwort vergessen?")
	b.lang = "nl"
	b.open("/auth/signin").page(t, 200, "<h1>Inloggen</h1>", "Forgot your password?")
}

func TestEachFileCanBeReplacedAlone(t *testing.T) {
	_, b := newPages(t, handlers.Pages{
		Name: "Acme", Logo: "/logo.png", Home: "/home",
		Templates: fstest.MapFS{
			"forgot.html": {Data: []byte(`{{define "content"}}<p>{{shout .Product}}</p>{{template "field" (.Field "loginId" "username")}}{{end}}`)},
			"custom.css":  {Data: []byte(`h1 { color: {{.Accent}}; }`)},
			"custom.js":   {Data: []byte(`document.title += "!";`)},
			"icon.svg":    {Data: []byte(`<svg>{{.Initial}}</svg>`)},
		},
		Funcs: template.FuncMap{"shout": strings.ToUpper},
	}, setup{})
	v := b.open("/auth/forgot").page(t, 200, "<p>ACME</p>", `name="loginId"`, `<a href="/home"><img src="/logo.png" alt="Acme">`, "h1 { color: #3d4ed8; }")
	checkPolicy(t, "/forgot", v)
	b.open("/auth/signin").page(t, 200, "<h1>Sign in</h1>")
	if v := b.open("/auth/icon.svg"); v.status != 200 || v.body != "<svg>A</svg>" || v.header.Get("Content-Type") != "image/svg+xml; charset=utf-8" {
		t.Errorf("icon: %d %s", v.status, v.body)
	}
}

func TestPagesRefuseWhatIsWrong(t *testing.T) {
	k := newKit(t, inCookies, setup{})
	for name, p := range map[string]handlers.Pages{
		"Home":      {Home: "https://evil.test"},
		"Logo":      {Logo: "https://evil.test/logo.png"},
		"Accent":    {Accent: "red"},
		"Languages": {Languages: []string{"not a tag"}},
		"Templates": {Templates: fstest.MapFS{"signin.html": {Data: []byte("{{")}}},
		"style":     {Templates: fstest.MapFS{"custom.css": {Data: []byte("</style><script>")}}},
	} {
		if _, err := handlers.New(k.svc, handlers.Config{Cookies: k.jar, Pages: &p}); err == nil || !strings.Contains(err.Error(), "Config.Pages") {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

// A template that fails while it is filled in leaves no half page.
func TestABrokenTemplateIsAPageOfItsOwn(t *testing.T) {
	_, b := newPages(t, handlers.Pages{Templates: fstest.MapFS{
		"forgot.html": {Data: []byte(`{{define "content"}}half{{index .Sessions 9}}{{end}}`)},
	}}, setup{})
	v := b.open("/auth/forgot").page(t, 500, "Internal error", "Reference: ")
	if strings.Contains(v.body, "half") || strings.Contains(v.body, "Sessions") {
		t.Error("the page shows what failed")
	}
}

func TestPageFilesAndTexts(t *testing.T) {
	for _, name := range []string{"layout.html", "parts.html", "signin.html", "style.css", "page.js", "icon.svg"} {
		if _, err := fs.Stat(handlers.PageFiles(), name); err != nil {
			t.Error(err)
		}
	}
	texts := handlers.PageTexts("de")
	if texts["signin.title"] != "Anmelden" || handlers.PageTexts("xx") != nil {
		t.Error("texts")
	}
	texts["signin.title"] = "changed"
	if handlers.PageTexts("de")["signin.title"] != "Anmelden" {
		t.Error("the built-in texts can be changed")
	}
}
