package pages_test

import (
	"net/http"
	"strings"
	"testing"

	. "github.com/usherkit/usher/internal/webtest"
	"github.com/usherkit/usher/pages"
)

func TestOP17_ThePagesSayAsWhomTheOperatorActs(t *testing.T) {
	t.Parallel()
	k, b := NewPages(t, pages.Config{}, Setup{})
	k.Server.(*http.ServeMux).HandleFunc("POST /act", func(w http.ResponseWriter, r *http.Request) {
		a, err := k.Service.Operator("ops:alice").Impersonate(r.Context(), k.UserID(Ann), k.Handlers.Client(w, r))
		if err != nil {
			k.Handlers.Fail(w, r, err)
			return
		}
		k.Handlers.Finish(w, r, a)
	})
	k.Browser(t).SignUp(Ann)
	b.SignUp(Bob)
	b.Do(http.MethodPost, "/act", "").WantRedirect(t, "/")
	for lang, says := range map[string][2]string{
		"en": {"You’re acting as ann@example.com.", "Stop"}, "de": {"Sie handeln als ann@example.com.", "Beenden"},
		"es": {"Está actuando como ann@example.com.", "Dejar de hacerlo"}, "fr": {"Vous agissez en tant que ann@example.com.", "Arrêter"},
		"he": {"הפעולות מתבצעות בשם \u2068ann@example.com\u2069.", "סיום"},
	} {
		b.Lang = lang
		for path, status := range map[string]int{
			"/signin?prompt=login": 200, "/forgot": 200, "/reset": 400, "/invitation": 400, "/verify": 400,
			"/account": 200, "/account/name": 200, "/account/signout": 200, "/account/email": 403, "/account/password": 403, "/session/confirm": 403,
		} {
			v := b.Open("/auth"+path).WantPage(t, status, "<p>"+says[0]+"</p>", `<form method="post" action="/auth/signout"><button class="plain">`+says[1]+"</button>")
			if n := strings.Count(v.Body, says[0]); n != 1 {
				t.Errorf("%s says it %d times", path, n)
			}
		}
	}
	b.Lang = "de"
	b.Send("/signout").WantRedirect(t, "/auth/account")
	if v := b.Open("/auth/account").WantPage(t, 200, "Sie handeln wieder als Sie selbst.", Bob); strings.Contains(v.Body, "Sie handeln als") {
		t.Error("the page still says that the operator acts")
	}
}
