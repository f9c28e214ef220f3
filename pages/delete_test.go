package pages_test

import (
	"context"
	"database/sql"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher"
	. "github.com/usherkit/usher/internal/webtest"
	"github.com/usherkit/usher/pages"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/sqlite"
	"github.com/usherkit/usher/store/sqlstore"
)

func TestAC01_ThePageDeletesTheAccountInEveryLanguage(t *testing.T) {
	t.Parallel()
	k, b := NewPages(t, pages.Config{}, Setup{})
	for lang, texts := range map[string][3]string{
		"en": {"Delete account", "This can’t be undone.", "Your account has been deleted."},
		"de": {"Konto löschen", "Das lässt sich nicht rückgängig machen.", "Ihr Konto wurde gelöscht."},
		"fr": {"Supprimer le compte", "Cette action est irréversible.", "Votre compte a été supprimé."},
		"es": {"Eliminar la cuenta", "Esta acción no se puede deshacer.", "Su cuenta se ha eliminado."},
		"he": {"מחיקת החשבון", "אי אפשר לבטל את המחיקה.", "החשבון שלך נמחק."},
	} {
		b.Lang = lang
		b.SignUp(Ann)
		b.Open("/auth/account").WantPage(t, 200, texts[0], `href="/auth/account/delete"`, `href="/auth/account/data" download`)
		b.Open("/auth/account/delete").WantPage(t, 200, texts[0], texts[1], Ann, `name="currentPassword"`)
		b.Send("/account/delete").WantPage(t, 400, `aria-invalid="true"`)
		b.Send("/account/delete", "currentPassword", OtherPassword).WantPage(t, 401, `aria-invalid="true"`)
		b.Send("/account/delete", "currentPassword", GoodPassword).WantRedirect(t, "/auth/signin")
		b.Open("/auth/signin").WantPage(t, 200, texts[2])
		b.Open("/auth/account").WantRedirect(t, "/auth/signin?return_to=%2Fauth%2Faccount")
		if kinds := k.EmailKinds(); !strings.Contains(kinds, "account_deleted") {
			t.Errorf("%s: the emails are %q", lang, kinds)
		}
		k.ClearRecords()
		k.Clock.Add(time.Hour) // the limits on emails of the address
	}
}

// The program refuses with a reason. Nothing is deleted, and the user is still signed in.
func TestAC01_ThePageSaysWhyTheProgramRefuses(t *testing.T) {
	t.Parallel()
	st, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "usher.db"), sqlite.Options{
		Hook: func(_ context.Context, _ *sql.Tx, c sqlstore.Change) error {
			if c.Kind == sqlstore.UserDeleted {
				return &store.Rejection{Code: "open_orders", Message: "You still have open orders."}
			}
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	k, b := NewPages(t, pages.Config{}, Setup{Store: st, Service: func(c *usher.Config) { c.Now = time.Now }})
	b.SignUp(Ann)
	b.Send("/account/delete", "currentPassword", GoodPassword).WantPage(t, 422, `role="alert"`, "You still have open orders.")
	b.Open("/auth/account").WantPage(t, 200, Ann)
	if kinds := k.EmailKinds(); kinds != "verify_email" {
		t.Errorf("the emails are %q", kinds)
	}
}

func TestAC02_ThePageAsksAUserWithoutAPasswordForARecentSignIn(t *testing.T) {
	t.Parallel()
	k, b, signIn := provided(t)
	if v := b.Open("/auth/account/delete").WantPage(t, 200); strings.Contains(v.Body, `type="password"`) {
		t.Error("the page asks for a password")
	}
	k.Clock.Add(6 * time.Minute)
	b.Send("/account/delete").WantRedirect(t, "/auth/session/confirm?return_to=%2Fauth%2Faccount%2Fdelete")
	signIn()
	b.Send("/account/delete").WantRedirect(t, "/auth/signin")
}
