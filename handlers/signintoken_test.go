package handlers_test

import (
	"fmt"
	"html/template"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/usherkit/usher"
	. "github.com/usherkit/usher/internal/webtest"
	"github.com/usherkit/usher/pages"
)

// The routes are those of docs/users.md.
func TestOP18_ALinkSignsInByPostAlone(t *testing.T) {
	t.Parallel()
	k, b := NewPages(t, pages.Config{Home: "/start"}, Setup{})
	h, service, mux := k.Handlers, k.Service, k.Server.(*http.ServeMux)
	mux.HandleFunc("GET /enter", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Referrer-Policy", "same-origin")
		fmt.Fprintf(w, `<!doctype html><form method="post" action="/enter">
<input type="hidden" name="t" value="%s"><button>Sign in</button></form>`, template.HTMLEscapeString(r.URL.Query().Get("t")))
	})
	enter := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a, err := service.SignInWithToken(r.Context(), usher.Secret(r.PostFormValue("t")), h.Client(w, r))
		if err != nil {
			h.Fail(w, r, err)
			return
		}
		h.Finish(w, r, a)
	})
	mux.Handle("POST /enter", http.NewCrossOriginProtection().Handler(enter))
	source, err := os.ReadFile("signintoken_test.go")
	page, pageErr := os.ReadFile("../docs/users.md")
	_, routes, _ := strings.Cut(string(source), "\tmux.HandleFunc(\"GET /enter\"")
	routes, _, _ = strings.Cut(routes, "\tsource, err :=")
	if err != nil || pageErr != nil || !strings.Contains(string(page), strings.ReplaceAll(routes, "\n\t", "\n")) {
		t.Errorf("the page has other routes: %v, %v", err, pageErr)
	}

	k.SignUp(Ann)
	raw := usher.Must(service.Operator("links").CreateSignInToken(t.Context(), k.UserID(Ann), 0)).Reveal()
	for range 2 { // a scanner of emails, and the user
		if v := b.Open("/enter?t=" + raw); v.Status != 200 || !strings.Contains(v.Body, `value="`+raw+`"`) {
			t.Errorf("the page is %d %s", v.Status, v.Body)
		}
	}
	if v := k.Browser(t).Do(http.MethodPost, "/enter", Form("t", raw), "Sec-Fetch-Site", "cross-site"); v.Status != 403 {
		t.Errorf("a page of another site: %d", v.Status)
	}
	b.Do(http.MethodPost, "/enter", Form("t", raw)).WantRedirect(t, "/start")
	b.Open("/auth/account").WantPage(t, 200, Ann)
	k.Browser(t).Do(http.MethodPost, "/enter", Form("t", raw)).WantPage(t, 400)
}
