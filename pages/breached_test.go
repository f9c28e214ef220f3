package pages_test

import (
	"strings"
	"testing"
	"time"

	. "github.com/usherkit/usher/internal/webtest"
	"github.com/usherkit/usher/pages"
)

// leakedPages returns pages whose sign-in demands another password, and the list, which has
// every password once it is true.
func leakedPages(t *testing.T) (*Kit, *Browser, *LeakList) {
	t.Helper()
	l := &LeakList{}
	k, b := NewPages(t, pages.Config{}, Setup{Service: l.Demand})
	return k, b, l
}

func TestPO10_ThePageLeadsFromALeakedPasswordToAReset(t *testing.T) {
	t.Parallel()
	k, _, l := leakedPages(t)
	k.SignUpVerified(Ann)
	l.Store(true)
	const lead = "list of leaked passwords"
	b := k.Browser(t)
	if v := b.Send("/signin", "loginId", Ann, "password", OtherPassword).WantPage(t, 401, "wrong"); strings.Contains(v.Body, lead) {
		t.Error("a wrong password learns of the list")
	}
	for _, v := range []View{
		b.Send("/signin", "loginId", Ann, "password", GoodPassword),
		b.Send("/password/replace", "loginId", Ann, "oldPassword", GoodPassword, "newPassword", OtherPassword),
	} {
		v.WantPage(t, 403, "Choose a new password", lead, `action="/auth/password/reset"`, `value="`+Ann+`"`)
		if strings.Contains(v.Body, "oldPassword") || strings.Contains(v.Body, GoodPassword) {
			t.Errorf("the page asks for the old password or has it: %s", v.Body)
		}
	}
	k.ClearRecords()
	b.Send("/password/reset", "loginId", Ann).WantRedirect(t, "/auth/forgot?sent=1")
	if kinds := k.EmailKinds(); kinds != "reset_password" {
		t.Errorf("emails are %q", kinds)
	}
}

func TestPO10_ThePageReplacesALeakedPasswordOfAnUnverifiedUser(t *testing.T) {
	t.Parallel()
	k, _, l := leakedPages(t)
	k.SignUp(Ann)
	l.Store(true)
	b := k.Browser(t)
	b.Send("/signin", "loginId", Ann, "password", GoodPassword, "rememberMe", "true").
		WantPage(t, 403, "Choose a new password", "list of leaked passwords", `action="/auth/password/replace"`, `name="rememberMe" value="true"`)
	l.Store(false)
	b.Send("/password/replace", "loginId", Ann, "oldPassword", GoodPassword, "newPassword", OtherPassword).WantRedirect(t, "/")
}

func TestPO10_TheConfirmationOfASessionLeadsToAReset(t *testing.T) {
	t.Parallel()
	k, b, l := leakedPages(t)
	k.SignUpVerified(Ann)
	b.Send("/signin", "loginId", Ann, "password", GoodPassword).WantRedirect(t, "/")
	l.Store(true)
	k.Clock.Add(48 * time.Hour)
	b.Send("/session/confirm", "password", GoodPassword, "return_to", "/pay").WantPage(t, 403, "list of leaked passwords", `value="`+Ann+`"`, `action="/auth/password/reset"`)
}

// The page and the email are in each language.
func TestPO10_TheLeakedPasswordIsExplainedInEachLanguage(t *testing.T) {
	t.Parallel()
	k, _, l := leakedPages(t)
	k.SignUpVerified(Ann)
	l.Store(true)
	for language, text := range map[string]string{"de": "Liste gestohlener Passwörter", "es": "contraseñas filtradas", "fr": "mots de passe divulgués", "he": "סיסמאות שדלפו"} {
		b := k.Browser(t)
		b.Lang = language
		b.Send("/signin", "loginId", Ann, "password", GoodPassword).WantPage(t, 403, text)
	}
}
