package pages_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing/fstest"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/handlers"
	"github.com/usherkit/usher/mail"
	"github.com/usherkit/usher/pages"
	"github.com/usherkit/usher/store/memory"
	"github.com/usherkit/usher/texts"
)

// A changed sign-in page: colors by custom.css, texts by Texts, and the page itself
// by its file. Everything else stays built in.
func ExampleConfig() {
	look := &pages.Config{
		Accent: "#0f6e66",
		Home:   "/dashboard",
		Templates: fstest.MapFS{ // os.DirFS("web/auth"), or an embed.FS
			"custom.css": {Data: []byte(`.card { border-radius: 0; } h1 { font-family: Georgia, serif; }`)},
			"signin.html": {Data: []byte(`{{define "content"}}<h1>{{.Title}}</h1>{{template "messages" .}}
<form method="post" action="{{.URL "/signin"}}">{{template "return" .}}
{{template "field" (.Field "loginId" "username")}}{{template "field" (.Field "password" "current-password")}}
<button class="primary">Ahoy</button></form>{{end}}`)},
		},
	}

	words := texts.Catalogue{Texts: map[string]map[string]string{"en": {"signin.title": "Welcome aboard"}}}

	service, err := usher.New(context.Background(), memory.New(), usher.Config{
		Name: "Harbour & Sons", BaseURL: "https://app.example.com",
		Secret: "an example of 32 bytes, not for use",
		Mailer: &mail.Folder{Path: "mail", Composer: mail.Composer{Texts: words}},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer service.Close(context.Background())
	auth, err := handlers.New(service, handlers.Config{Pages: look, Texts: words})
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/auth/", auth)

	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/auth/signin", nil))
	for line := range strings.Lines(w.Body.String()) {
		if strings.Contains(line, "<h1>") || strings.Contains(line, "</button></form>") {
			fmt.Print(line)
		}
	}
	// Output:
	// <main class="card"><h1>Welcome aboard</h1>
	// <button class="primary">Ahoy</button></form>
}
