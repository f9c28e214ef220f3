package handlers_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/usherkit/usher"
	. "github.com/usherkit/usher/internal/webtest"
)

func withFields(fields string) string {
	return `{"loginId":"` + Ann + `","password":"` + GoodPassword + `","fields":` + fields + `}`
}

func TestSF01_EveryErrorOfAFieldNamesTheField(t *testing.T) {
	t.Parallel()
	BothModes(t, func(t *testing.T, m Mode) {
		k := NewKit(t, m, Setup{Service: Fields})
		for body, want := range map[string]string{
			`{"loginId":"` + Ann + `","password":"` + GoodPassword + `"}`: "fields.company:required fields.terms:required",
			withFields(`null`):                                                        "fields.company:required fields.terms:required",
			withFields(`{"company":null,"terms":false}`):                              "fields.company:required fields.terms:required",
			withFields(`{"company":" ","terms":true}`):                                "fields.company:required",
			withFields(`{"company":7,"terms":true}`):                                  "fields.company:invalid",
			withFields(`{"company":"ACME","terms":"yes"}`):                            "fields.terms:invalid",
			withFields(`{"company":"ACME","terms":true,"news":{}}`):                   "fields.news:invalid",
			withFields(`{"company":"ACME","terms":true,"code":1e999}`):                "fields.code:invalid",
			withFields(`{"company":"A\nB","terms":true}`):                             "fields.company:invalid",
			withFields(`{"company":"` + strings.Repeat("ö", 21) + `","terms":true}`):  "fields.company:too_long",
			withFields(`{"company":"ACME","terms":true,"role":"admin"}`):              "fields.role:not_allowed",
			withFields(`{"company":"ACME","terms":true,"<b>":"x"}`):                   "fields:not_allowed",
			withFields(`{"company":"ACME","terms":true,"Company":"EMCA"}`):            "fields.Company:invalid",
			withFields(`{"company":"ACME","terms":true,"terms":false}`):               "fields.terms:invalid",
			withFields(`"ACME"`):                                                      "fields:invalid",
			strings.Replace(withFields(`{"terms":false}`), GoodPassword, "secret", 1): "password:too_short fields.company:required fields.terms:required",
		} {
			if a := k.Do(Post("/signup", body)).Want(t, 400, "invalid_request"); a.InputErrors() != want {
				t.Errorf("%s: %s, want %s", body, a.InputErrors(), want)
			}
		}
		many := ""
		for i := range 1500 {
			many += fmt.Sprintf(`,"u%d":0`, i)
		}
		if a := k.Do(Post("/signup", withFields(`{"company":"ACME","terms":true`+many+`}`))).Want(t, 400, "invalid_request"); len(a.Body) > len(many) {
			t.Errorf("%d bytes of unknown fields get an answer of %d bytes: %.300s", len(many), len(a.Body), a.Body)
		}
		k.Do(Post("/signup", withFields(`{"company":"`+strings.Repeat("x", 1<<20)+`"}`))).Want(t, 413, "too_large")
		if got := k.Events.Take(); got != "" || k.EmailKinds() != "" {
			t.Errorf("events are %q, emails %q", got, k.EmailKinds())
		}
		k.Do(Post("/signup", withFields(`{"company":"`+strings.Repeat("ö", 20)+`","terms":true}`))).Want(t, 201, "")
	})
}

// Several refusals of the program come together, and they are the same for a free and a
// taken login id.
func TestSF03_ARefusedFieldRevealsNoLoginID(t *testing.T) {
	t.Parallel()
	k := NewKit(t, InBodies, Setup{Service: func(c *usher.Config) {
		Unlimited(c)
		Fields(c)
		c.ConfirmFirst = true
		c.SignUpFields[0].Check = func(_ context.Context, value any) error {
			if value == "Rival" {
				return &usher.Rejection{Code: "competitor"}
			}
			return nil
		}
	}})
	good := withFields(`{"company":"ACME","code":"LET-ME-IN","terms":true}`)
	k.Do(Post("/signup", good)).Want(t, 202, "")
	k.ClearRecords()
	var answers []string
	for _, loginID := range []string{Ann, "free@example.com"} {
		a := k.Do(Post("/signup", strings.Replace(withFields(`{"company":"Rival","code":"guess","terms":true}`), Ann, loginID, 1))).Want(t, 422, "rejected")
		if a.InputErrors() != "fields.company:competitor fields.code:bad_code" {
			t.Errorf("%s: %s", loginID, a.Body)
		}
		answers = append(answers, strings.ReplaceAll(string(a.Body), a.Text("requestId"), ""))
		k.Do(Post("/signup", strings.Replace(good, Ann, loginID, 1))).Want(t, 202, "")
	}
	if answers[0] != answers[1] {
		t.Errorf("the answers differ: %q", answers)
	}
}

func TestSF04_RefusedRequestsAreLimited(t *testing.T) {
	t.Parallel()
	k := NewKit(t, InBodies, Setup{Service: Fields})
	for range 30 {
		k.Do(Post("/signup", withFields(`{"company":"ACME","code":"guess","terms":true}`))).Want(t, 422, "rejected")
	}
	k.Do(Post("/signup", withFields(`{"company":"ACME","code":"LET-ME-IN","terms":true}`))).Want(t, 429, "too_many_requests")
}
