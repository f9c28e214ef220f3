package pages_test

import (
	"errors"
	"html/template"
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/handlers"
	. "github.com/usherkit/usher/internal/webtest"
	"github.com/usherkit/usher/pages"
	"github.com/usherkit/usher/texts"
)

func TestPagesSpeakTheReadersLanguage(t *testing.T) {
	_, b := NewPages(t, pages.Config{}, Setup{})
	for lang, want := range map[string][]string{
		"de-AT,de;q=0.9": {`<html lang="de" dir="ltr">`, "<h1>Anmelden</h1>"},
		"fr":             {`lang="fr"`, "Mot de passe oublié"},
		"es-MX":          {`lang="es"`, "Contraseña"},
		"he":             {`<html lang="he" dir="rtl">`, "<h1>כניסה</h1>"},
		"ja":             {`lang="en"`, "<h1>Sign in</h1>"},
	} {
		b.Lang = lang
		v := b.Open("/auth/signin").WantPage(t, 200, want...)
		if v.Header.Get("Content-Language") == "" || !strings.Contains(strings.Join(v.Header["Vary"], ","), "Accept-Language") {
			t.Errorf("%s: headers %v", lang, v.Header)
		}
	}
}

func TestLanguagesAndTextsCanBeChosen(t *testing.T) {
	_, b := NewPages(t, pages.Config{}, Setup{Config: func(c *handlers.Config) {
		c.Texts = texts.Catalogue{
			Languages: []string{"de", "nl"},
			Texts: map[string]map[string]string{
				"de": {"signin.title": "Herein"},
				"nl": {"signin.title": "Inloggen"},
			},
		}
	}})
	b.Lang = "en"
	b.Open("/auth/signin").WantPage(t, 200, "<h1>Herein</h1>", "Passwort vergessen?")
	b.Lang = "nl"
	b.Open("/auth/signin").WantPage(t, 200, "<h1>Inloggen</h1>", "Forgot your password?")
}

// A program with files of its own checks every page when it starts, the built-in ones too.
func TestTheBuiltInTemplatesPassTheCheck(t *testing.T) {
	NewPages(t, pages.Config{Templates: fstest.MapFS{}}, Setup{})
}

func TestEachFileCanBeReplacedAlone(t *testing.T) {
	_, b := NewPages(t, pages.Config{
		Logo: "/logo.png", Home: "/home",
		Templates: fstest.MapFS{
			"forgot.html": {Data: []byte(`{{define "content"}}<p>{{shout .Product}}</p>{{template "field" (.Field "loginId" "username")}}{{end}}`)},
			"custom.css":  {Data: []byte(`h1 { color: {{.Accent}}; }`)},
			"custom.js":   {Data: []byte(`document.title += "!";`)},
			"icon.svg":    {Data: []byte(`<svg>{{.Initial}}</svg>`)},
		},
		Funcs: template.FuncMap{"shout": strings.ToUpper},
	}, Setup{Service: func(c *usher.Config) { c.Name = "Acme" }})
	v := b.Open("/auth/forgot").WantPage(t, 200, "<p>ACME</p>", `name="loginId"`, `<a href="/home"><img src="/logo.png" alt="Acme">`, "h1 { color: #3d4ed8; }")
	CheckPolicy(t, "/forgot", v)
	b.Open("/auth/signin").WantPage(t, 200, "<h1>Sign in</h1>")
	if v := b.Open("/auth/icon.svg"); v.Status != 200 || v.Body != "<svg>A</svg>" || v.Header.Get("Content-Type") != "image/svg+xml; charset=utf-8" {
		t.Errorf("icon: %d %s", v.Status, v.Body)
	}
}

func TestPagesRefuseWhatIsWrong(t *testing.T) {
	k := NewKit(t, InCookies, Setup{})
	for name, p := range map[string]pages.Config{
		"Home":      {Home: "https://evil.test"},
		"Logo":      {Logo: "https://evil.test/logo.png"},
		"Accent":    {Accent: "red"},
		"Templates": {Templates: fstest.MapFS{"signin.html": {Data: []byte("{{")}}},
		"style":     {Templates: fstest.MapFS{"custom.css": {Data: []byte("</style><script>")}}},
	} {
		if _, err := handlers.New(k.Service, handlers.Config{Cookies: k.Jar, Pages: &p}); err == nil || !strings.Contains(err.Error(), "Config.Pages") {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

// handlers.New returns an error that names a misspelt file or key, or a template that
// fails.
func TestPagesAreFilledInAtTheStart(t *testing.T) {
	k := NewKit(t, InCookies, Setup{})
	content := func(s string) fstest.MapFS {
		return fstest.MapFS{"forgot.html": {Data: []byte(`{{define "content"}}` + s + `{{end}}`)}}
	}
	for want, c := range map[string]struct {
		files fs.FS
		texts map[string]map[string]string
	}{
		"signin.htm is no file":                    {files: fstest.MapFS{"signin.htm": {}}},
		"de/signin.html is no file":                {files: fstest.MapFS{"de/signin.html": {}}},
		"no such file or directory":                {files: os.DirFS("nowhere")},
		"Nothing":                                  {files: content("{{.Nothing}}")},
		"forgot.html: template":                    {files: content("{{if .Retry}}{{index .Sessions 9}}{{end}}")},
		`forgot.html: there is no text "forgot.t"`: {files: content(`{{.T "forgot.t"}}`)},
		`no such template "nothing"`:               {files: content(`{{if eq .ResendPath "/signup"}}{{template "nothing"}}{{end}}`)},
		`the texts of "de": signin.titel`:          {texts: map[string]map[string]string{"de": {"signin.titel": "x"}}},
		`needs a plural category`:                  {texts: map[string]map[string]string{"en": {"minutes": "x"}}},
		`has no plural categories`:                 {texts: map[string]map[string]string{"en": {"signin.title#one": "x"}}},
		`"not a tag"`:                              {texts: map[string]map[string]string{"not a tag": {"signin.title": "x"}}},
	} {
		_, err := handlers.New(k.Service, handlers.Config{
			Cookies: k.Jar, Pages: &pages.Config{Templates: c.files}, Texts: texts.Catalogue{Texts: c.texts},
		})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "handlers: Config.") {
			t.Errorf("want an error with %s, got %v", want, err)
		}
	}
	// A text of the program has a key with its own prefix.
	_, b := NewPages(t, pages.Config{Templates: fstest.MapFS{
		".DS_Store": {}, ".git/config": {},
		"forgot.html": {Data: []byte(`{{define "content"}}{{.T "own.help" 2}}{{end}}`)},
	}}, Setup{Config: func(c *handlers.Config) {
		c.Texts.Texts = map[string]map[string]string{"de": {"own.help#one": "%d Tür", "own.help#other": "%d Türen"}}
	}})
	b.Lang = "de"
	b.Open("/auth/forgot").WantPage(t, 200, "2 Türen")
}

// A template that fails sends no part of the page.
func TestABrokenTemplateSendsNoPartOfThePage(t *testing.T) {
	broken := false
	_, b := NewPages(t, pages.Config{
		Templates: fstest.MapFS{"forgot.html": {Data: []byte(`{{define "content"}}half{{canary}}{{end}}`)}},
		Funcs: template.FuncMap{"canary": func() (string, error) {
			if broken {
				return "", errors.New("canary")
			}
			return "", nil
		}},
	}, Setup{})
	broken = true
	v := b.Open("/auth/forgot").WantPage(t, 500, "Internal error", "Reference: ")
	if strings.Contains(v.Body, "half") || strings.Contains(v.Body, "canary") {
		t.Error("the page shows what failed")
	}
}

func TestPageFiles(t *testing.T) {
	for _, name := range []string{"layout.html", "parts.html", "signin.html", "style.css", "page.js", "icon.svg"} {
		if _, err := fs.Stat(pages.Files(), name); err != nil {
			t.Error(err)
		}
	}
}
