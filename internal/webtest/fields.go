package webtest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/handlers"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/sqlstore"
)

// Fields are the fields of a program: a company, an invitation code and a box.
func Fields(c *usher.Config) {
	c.SignUpFields = []usher.SignUpField{
		{Name: "company", Required: true, MaxLength: 20, Autocomplete: "organization"},
		{Name: "code", Check: func(_ context.Context, value any) error {
			if value != "LET-ME-IN" {
				return &usher.Rejection{Code: "bad_code", Message: "This code is not known."}
			}
			return nil
		}},
		{Name: "terms", Checkbox: true, Required: true},
		{Name: "news", Checkbox: true},
	}
}

// FieldTexts are the labels of Fields.
func FieldTexts(c *handlers.Config) {
	c.Texts.Texts = map[string]map[string]string{
		"en": {"own.field.company": "Company", "own.field.code": "Invitation code", "own.field.terms": "I accept the terms", "own.field.news": "Send me news"},
		"de": {"own.field.company": "Firma", "own.field.code": "Einladungscode", "own.field.terms": "Ich nehme die Bedingungen an", "own.field.news": "Schicken Sie mir Neuigkeiten"},
		"fr": {"own.field.company": "Société", "own.field.code": "Code d’invitation", "own.field.terms": "J’accepte les conditions", "own.field.news": "Envoyez-moi des nouvelles"},
		"es": {"own.field.company": "Empresa", "own.field.code": "Código de invitación", "own.field.terms": "Acepto las condiciones", "own.field.news": "Quiero recibir novedades"},
		"he": {"own.field.company": "חברה", "own.field.code": "קוד הזמנה", "own.field.terms": "התנאים מקובלים עליי", "own.field.news": "אשמח לקבל חדשות"},
	}
}

// TestSignUpFields signs users up with the fields of a program on two instances. open
// opens the same database each time, in which it runs SQL statements.
func TestSignUpFields(t *testing.T, m Mode, open func(hook sqlstore.Hook) store.Store, exec func(query string), rows func(query string) int) {
	var refuse atomic.Bool
	hook := func(ctx context.Context, tx *sql.Tx, c sqlstore.Change) error {
		if c.Kind != sqlstore.UserCreated {
			return nil
		}
		if _, ok := c.Fields["news"].(bool); !ok || len(c.Fields) != 4 {
			return fmt.Errorf("the fields are %v", c.Fields)
		}
		news := 0
		if c.Fields.Checked("news") {
			news = 1
		}
		query := `INSERT INTO customers (user_id, company, news) VALUES ('%s', '%s', %d)` // no test has a quote
		if _, err := tx.ExecContext(ctx, fmt.Sprintf(query, c.UserID, c.Fields.Text("company"), news)); err != nil {
			return err
		}
		if refuse.Load() {
			return &store.Rejection{Code: "competitor", Field: "company", Message: "We cannot serve this company."}
		}
		return nil
	}
	first := open(hook)
	exec(`CREATE TABLE customers (user_id TEXT, company TEXT, news INTEGER)`)
	stores := []store.Store{first, open(hook)}
	next := 0
	a, b := Instances(t, m, func() store.Store { next++; return stores[next-1] }, Setup{
		Service: func(c *usher.Config) { Fields(c); c.Limits.SignUps = 3 }, Config: FieldTexts,
	})
	signUp := func(k *Kit, loginID, company, code string, boxes ...string) *Reply {
		if m == InCookies {
			fields := []string{"loginId", loginID, "password", GoodPassword, "company", company, "code", code}
			for _, box := range boxes {
				fields = append(fields, box, "yes")
			}
			return k.Do(Post("~/auth/signup", Form(fields...), "Content-Type", "application/x-www-form-urlencoded", "Accept", "text/html", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Site", "same-origin"))
		}
		body := `{"loginId":"` + loginID + `","password":"` + GoodPassword + `","fields":{"company":"` + company + `","code":"` + code + `"`
		for _, box := range boxes {
			body += `,"` + box + `":true`
		}
		return k.Do(Post("/signup", body+"}}"))
	}
	nothing := func(what string) {
		t.Helper()
		_, err := a.Service.Operator("test").UserByLoginID(t.Context(), Ann)
		if !errors.Is(err, usher.ErrNotFound) || rows(`SELECT count(*) FROM customers`) != 0 || a.EmailKinds() != "" {
			t.Fatalf("%s leaves something behind: %v", what, err)
		}
	}

	// The program refuses: by the check of a field, and in the transaction. Six refusals
	// spend none of the three sign-ups.
	for range 3 {
		if got := signUp(a, Ann, "ACME", "guess", "terms"); got.Status != 422 || !strings.Contains(string(got.Body), "This code is not known.") {
			t.Fatalf("a wrong code: %d %s", got.Status, got.Body)
		}
		nothing("a wrong code")
		refuse.Store(true)
		got := signUp(b, Ann, "ACME", "LET-ME-IN", "terms")
		if refuse.Store(false); got.Status != 422 || !strings.Contains(string(got.Body), "We cannot serve this company.") || m == InBodies && got.InputErrors() != "fields.company:competitor" {
			t.Fatalf("the hook refuses: %d %s", got.Status, got.Body)
		}
		nothing("a refusal of the hook")
	}

	var wg sync.WaitGroup
	var won atomic.Int32
	done := map[Mode]int{InBodies: 201, InCookies: 303}[m]
	for i := range 64 {
		k := []*Kit{a, b}[i%2]
		wg.Go(func() {
			switch got := signUp(k, Ann, fmt.Sprint("Company ", i), "", "terms", "news"); got.Status {
			case done:
				won.Add(1)
			case 409, 429:
			default:
				t.Errorf("caller %d: %d %s", i, got.Status, got.Body)
			}
		})
	}
	wg.Wait()
	if n := rows(`SELECT count(*) FROM customers WHERE news = 1`); won.Load() != 1 || n != 1 {
		t.Errorf("%d of 64 sign-ups succeed, and the hook left %d rows", won.Load(), n)
	}
	if got := a.EmailKinds(); got != "verify_email" {
		t.Errorf("the emails are %q", got)
	}
}
