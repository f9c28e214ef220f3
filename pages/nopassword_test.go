package pages_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher"
	. "github.com/usherkit/usher/internal/webtest"
	"github.com/usherkit/usher/pages"
)

// provided returns a browser in which a user without a password is signed in, through a
// route of the program at /openid.
func provided(t *testing.T) (*Kit, *Browser, func()) {
	t.Helper()
	k, b := NewPages(t, pages.Config{Providers: []pages.Provider{{Name: "Example", Path: "/openid"}}}, Setup{})
	in := usher.EnsureUserParams{Email: Ann, EmailVerified: true}
	user := usher.Must(k.Service.EnsureUser(context.Background(), in, usher.Client{}))
	k.Server.(*http.ServeMux).HandleFunc("/openid", func(w http.ResponseWriter, r *http.Request) {
		proof := usher.Proof{Methods: []string{"oidc"}, At: k.Clock.Now()}
		k.Handlers.Finish(w, r, usher.Must(k.Service.StartSession(r.Context(), user.ID, proof, k.Handlers.Client(w, r))))
	})
	signIn := func() { t.Helper(); b.Open("/openid").WantRedirect(t, "/") }
	signIn()
	return k, b, signIn
}

func TestOP08_TheAccountPageOffersToSetAPasswordByEmail(t *testing.T) {
	t.Parallel()
	k, b, _ := provided(t)
	b.Open("/auth/account").WantPage(t, 200, "No password yet", "Set one by email", `action="/auth/password/reset"`, `name="loginId" value="`+Ann+`"`)
	b.Open("/auth/account/password").WantRedirect(t, "/auth/account")
	b.Send("/password/reset", "loginId", Ann).WantRedirect(t, "/auth/forgot?sent=1")
	link := k.EmailedLink(t, usher.MessageResetPassword)
	b.Open(link)
	token := link[strings.Index(link, "token=")+len("token="):]
	b.Send("/password/reset/complete", "token", token, "newPassword", OtherPassword)
	b.Send("/signin", "loginId", Ann, "password", OtherPassword).WantRedirect(t, "/")
	if v := b.Open("/auth/account").WantPage(t, 200, "Change password"); strings.Contains(v.Body, "No password yet") {
		t.Error("the page still says that there is no password")
	}
}

func TestOP08_NoPageAsksForAPasswordThatDoesNotExist(t *testing.T) {
	t.Parallel()
	k, b, signIn := provided(t)
	// A verified address is changed only with a password, which the account page offers.
	b.Open("/auth/account/email").WantRedirect(t, "/auth/account")
	b.Open("/auth/account").WantPage(t, 200, "To change your email address, set a password by email first.", "Set one by email")
	b.Send("/email/change", "newEmail", Bob).WantRedirect(t, "/auth/account")
	if got := k.EmailKinds(); got != "" {
		t.Errorf("emails: %s", got)
	}
	unverified := usher.EmailAddress{Address: Ann}
	usher.Must(k.Service.Operator("ops").UpdateUser(t.Context(), usher.Must(k.Service.Operator("ops").UserByLoginID(t.Context(), Ann)).ID, usher.UpdateUserParams{Email: &unverified}))
	if v := b.Open("/auth/account/email").WantPage(t, 200); strings.Contains(v.Body, `type="password"`) {
		t.Error("the page for another address asks for a password")
	}
	k.Clock.Add(6 * time.Minute)
	v := b.Send("/email/change", "newEmail", Bob)
	if v.Status != 303 || v.Location != "/auth/session/confirm?return_to=%2Fauth%2Faccount%2Femail" {
		t.Errorf("without a recent sign-in: %d to %q", v.Status, v.Location)
	}
	b.Open(v.Location).WantPage(t, 200, "your account has no password", "Continue with Example", `href="/openid`)
	signIn()
	b.Send("/email/change", "newEmail", Bob).WantRedirect(t, "/auth/account")
	link := k.EmailedLink(t, usher.MessageChangeEmail)
	other := k.Browser(t)
	other.Open(link).WantRedirect(t, "/auth/verify") // the token leaves the address
	other.Open("/auth/verify").WantRedirect(t, "/auth/signin?return_to=%2Fauth%2Fverify")
}

func TestOP08_ProvidersAreOfferedWithTheWayBack(t *testing.T) {
	t.Parallel()
	_, b := NewPages(t, pages.Config{Providers: []pages.Provider{{Name: "Example & Co", Path: "/openid/example"}}}, Setup{})
	for _, page := range []string{"/auth/signin", "/auth/signup"} {
		b.Open(page).WantPage(t, 200, `<a href="/openid/example">Continue with Example &amp; Co</a>`)
		b.Open(page+"?return_to=%2Forders").WantPage(t, 200, `href="/openid/example?return_to=%2Forders"`)
	}
}
