package pages_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/usherkit/usher"
	. "github.com/usherkit/usher/internal/webtest"
	"github.com/usherkit/usher/pages"
)

// recentPages returns pages beside a page of the program that needs a sign-in at most five
// minutes old, and a browser that signed in six minutes ago.
func recentPages(t *testing.T, s Setup) (*Kit, *Browser) {
	t.Helper()
	k, b := NewPages(t, pages.Config{}, s)
	k.Server.(*http.ServeMux).Handle("/pay", k.Handlers.RequireRecent(5*time.Minute)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
	b.SignUp(Ann)
	k.Clock.Add(6 * time.Minute)
	return k, b
}

func TestUP09_APageAsksForThePasswordAndLeadsBack(t *testing.T) {
	t.Parallel()
	_, b := recentPages(t, Setup{})
	const page = "/auth/session/confirm?return_to=%2Fpay%3Fid%3D7"
	b.Open("/pay?id=7").WantRedirect(t, page)
	b.Open(page).WantPage(t, 200, "Confirm that it’s you", `name="return_to" value="/pay?id=7"`, `name="username" autocomplete="username" value="`+Ann+`"`, `autocomplete="current-password"`)
	b.Send("/session/confirm", "password", OtherPassword, "return_to", "/pay?id=7").WantPage(t, 401, `value="/pay?id=7"`, `id="password-error"`)
	b.Send("/session/confirm", "password", "", "return_to", "/pay?id=7").WantPage(t, 400, `id="password-error"`)
	b.Send("/session/confirm", "password", GoodPassword, "return_to", "/pay?id=7").WantRedirect(t, "/pay?id=7")
	if v := b.Open("/pay?id=7"); v.Status != 200 {
		t.Errorf("the page is %d", v.Status)
	}
	b.Send("/session/confirm", "password", GoodPassword, "return_to", "//evil.test").WantRedirect(t, "/")
}

func TestUP09_AnExpiredPasswordIsReplaced(t *testing.T) {
	t.Parallel()
	k, b := recentPages(t, Setup{Service: func(c *usher.Config) { c.Password.Expiration = 5 * time.Minute }})
	b.Send("/session/confirm", "password", GoodPassword, "return_to", "/pay").WantPage(t, 403, "Choose a new password", `name="loginId"`, Ann, `value="/pay"`)
	b.Send("/password/replace", "loginId", Ann, "oldPassword", GoodPassword, "newPassword", OtherPassword, "return_to", "/pay").WantRedirect(t, "/pay")
	k.SignIn(Ann, OtherPassword)
}

func TestUP09_WithoutASessionThePageLeadsToTheSignIn(t *testing.T) {
	t.Parallel()
	k, _ := recentPages(t, Setup{})
	b := k.Browser(t)
	b.Open("/auth/session/confirm?return_to=%2Fpay").WantRedirect(t, "/auth/signin?return_to=%2Fauth%2Fsession%2Fconfirm%3Freturn_to%3D%252Fpay")
	b.Send("/session/confirm", "password", GoodPassword).WantRedirect(t, "/auth/signin?return_to=%2Fauth%2Faccount")
}
