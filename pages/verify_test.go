package pages_test

import (
	"strings"
	"testing"

	"github.com/usherkit/usher"
	. "github.com/usherkit/usher/internal/webtest"
	"github.com/usherkit/usher/pages"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/memory"
)

// The owner of a mailbox opens the link of an account that an attacker made. The page
// asks for the password, which the owner does not know, and offers a reset.
func TestEV03_AClickDoesNotConfirmASquatter(t *testing.T) {
	k, squatter := NewPages(t, pages.Config{}, Setup{})
	squatter.SignUp(Ann)
	owner := k.Browser(t)
	v, token := owner.OpenVerifyLink(k.EmailedLink(t, usher.MessageVerifyEmail))
	v.WantPage(t, 200, `name="password" type="password"`, "Didn’t create this account", `href="/auth/forgot?link=1"`)
	k.ClearRecords()
	owner.Send("/email/verify", "token", token).WantPage(t, 403,
		"Enter your password.", `aria-describedby="password-error" aria-invalid="true" autofocus`, "<title>Error: ")
	if got := k.Events.Take(); got != "" {
		t.Errorf("events are %q", got)
	}
	v = owner.Send("/email/verify", "token", token, "password", OtherPassword).WantPage(t, 401,
		"This is not the password of this account.", `id="password-error"`, `href="/auth/forgot?link=1"`, `name="token" value="`+token+`"`)
	if strings.Contains(v.Body, OtherPassword) {
		t.Error("the password comes back")
	}
	squatter.Open("/auth/account").WantPage(t, 200, "Not confirmed yet")

	owner.Open("/auth/forgot?link=1").WantPage(t, 200, `name="loginId"`, `value="`+Ann+`"`)
	owner.Send("/password/reset", "loginId", Ann).WantRedirect(t, "/auth/forgot?sent=1")
	link := k.EmailedLink(t, usher.MessageConfirmAndReset)
	owner.Open(link).WantRedirect(t, "/auth/reset")
	_, claim, _ := strings.Cut(link, "token=")
	owner.Send("/password/reset/complete", "token", claim, "newPassword", ThirdPassword).WantRedirect(t, "/auth/signin")
	squatter.Open("/auth/account").WantRedirect(t, "/auth/signin?return_to=%2Fauth%2Faccount")
	squatter.Send("/signin", "loginId", Ann, "password", GoodPassword).WantPage(t, 401)
	owner.Send("/email/verify", "token", token, "password", ThirdPassword).WantPage(t, 400, "This link no longer works")
	owner.Send("/signin", "loginId", Ann, "password", ThirdPassword).WantRedirect(t, "/")
	owner.Open("/auth/account").WantPage(t, 200, "Confirmed")
}

// A browser with a session of the user shows a button. Any other browser asks for the
// password.
func TestEV04_OnlyASessionOfTheUserNeedsNoPassword(t *testing.T) {
	k, own := NewPages(t, pages.Config{}, Setup{})
	own.SignUp(Ann)
	link := k.EmailedLink(t, usher.MessageVerifyEmail)
	another := k.Browser(t)
	another.SignUp(Bob)
	ended := k.Browser(t)
	ended.Send("/signin", "loginId", Ann, "password", GoodPassword).WantRedirect(t, "/")
	held := *ended.Cookies["__Host-session"]
	ended.Send("/signout")
	ended.Cookies["__Host-session"] = &held

	asked := func(b *Browser) bool {
		v, _ := b.OpenVerifyLink(link)
		if strings.Contains(v.Body, "/auth/forgot") != strings.Contains(v.Body, `type="password"`) {
			t.Error("the way to a new password stands where the password is asked for")
		}
		return strings.Contains(v.Body, `type="password"`)
	}
	for name, test := range map[string]struct {
		b    *Browser
		want bool
	}{"own": {own, false}, "another's": {another, true}, "ended": {ended, true}, "none": {k.Browser(t), true}} {
		if got := asked(test.b); got != test.want {
			t.Errorf("%s session: asked for the password: %v, want %v", name, got, test.want)
		}
	}

	// The session has ended since the page was opened: the answer asks for the password.
	_, token := own.OpenVerifyLink(link)
	if _, err := k.Store.EndUserSessions(t.Context(), k.UserID(Ann), store.SessionEnd{}, store.Effects{}); err != nil {
		t.Fatal(err)
	}
	own.Send("/email/verify", "token", token).WantPage(t, 403, "Enter your password.", `type="password"`)
	own.Send("/email/verify", "token", token, "password", GoodPassword).WantRedirect(t, "/auth/verify?done=1")
}

// readOnce is a store that runs a function after a session was read for the first time.
type readOnce struct {
	*memory.Store
	then func()
}

func (s *readOnce) Session(c Ctx, id string) (store.SessionRecord, error) {
	session, err := s.Store.Session(c, id)
	if then := s.then; then != nil {
		s.then = nil
		then()
	}
	return session, err
}

// The session ends while the form is handled: the answer asks for the password, and
// has the input for it.
func TestEV04_ASessionThatHasJustEndedIsAskedForThePassword(t *testing.T) {
	st := &readOnce{Store: memory.New()}
	k, b := NewPages(t, pages.Config{}, Setup{Store: st})
	b.SignUp(Ann)
	_, token := b.OpenVerifyLink(k.EmailedLink(t, usher.MessageVerifyEmail))
	st.then = func() {
		if _, err := st.EndUserSessions(t.Context(), k.UserID(Ann), store.SessionEnd{}, store.Effects{}); err != nil {
			t.Error(err)
		}
	}
	b.Send("/email/verify", "token", token).WantPage(t, 403, "Enter your password.", `type="password"`)
}

// A mistyped address belongs to another user. Neither the page of the link nor the page
// for a reset names the account.
func TestEV05_ALinkToANewAddressDoesNotNameTheAccount(t *testing.T) {
	k, b := NewPages(t, pages.Config{}, Setup{})
	b.SignUp(Ann)
	b.Send("/email/change", "newEmail", Bob, "currentPassword", GoodPassword).WantRedirect(t, "/auth/account")
	unknown := k.Browser(t)
	v, token := unknown.OpenVerifyLink(k.EmailedLink(t, usher.MessageChangeEmail))
	v.WantPage(t, 200, "To make "+Bob+" the address of your account", "Nothing changes without the password.", `type="password"`)
	for _, v := range []View{
		v, unknown.Open("/auth/forgot?link=1").WantPage(t, 200),
		unknown.Send("/email/verify", "token", token, "password", OtherPassword).WantPage(t, 401, "This is not the password of this account."),
	} {
		if strings.Contains(v.Body, Ann) {
			t.Errorf("the page names the account:\n%s", MainElement(v.Body))
		}
	}
	b.Open("/auth/account").WantPage(t, 200, Ann)
	unknown.Send("/email/verify", "token", token, "password", GoodPassword).WantRedirect(t, "/auth/verify?done=1")
	b.Open("/auth/account").WantPage(t, 200, Bob, "Confirmed")
}

// The page for a reset fills in the login id only from a valid link.
func TestEV03_TheLoginIDIsFilledInFromTheLinkAlone(t *testing.T) {
	k, b := NewPages(t, pages.Config{}, Setup{})
	in := usher.SignUpParams{LoginID: "ann_l", Email: Ann, Password: GoodPassword}
	if _, err := k.Service.SignUp(t.Context(), in, usher.Client{}); err != nil {
		t.Fatal(err)
	}
	empty := `name="loginId" type="text" inputmode="email" autocomplete="username" value=""`
	b.Open("/auth/forgot?link=1").WantPage(t, 200, empty)
	link := k.EmailedLink(t, usher.MessageVerifyEmail)
	_, token := b.OpenVerifyLink(link)
	b.Open("/auth/forgot?link=1").WantPage(t, 200, `value="ann_l"`)
	b.Open("/auth/forgot").WantPage(t, 200, empty)
	b.Send("/email/verify", "token", token, "password", GoodPassword).WantRedirect(t, "/auth/verify?done=1")
	b.Open("/auth/forgot?link=1").WantPage(t, 200, empty)
	b.Open("/auth/verify?token=made-up").WantRedirect(t, "/auth/verify")
	b.Open("/auth/forgot?link=1").WantPage(t, 200, empty)
}

func TestSI06_ThePageOfALinkIsLimited(t *testing.T) {
	k, b := NewPages(t, pages.Config{}, Setup{})
	k.SignUp(Ann)
	_, token := b.OpenVerifyLink(k.EmailedLink(t, usher.MessageVerifyEmail))
	for range 5 {
		b.Send("/email/verify", "token", token, "password", OtherPassword).WantPage(t, 401)
	}
	b.Send("/email/verify", "token", token, "password", GoodPassword).WantPage(t, 429, "Too many attempts. Wait 30 seconds", `role="alert"`, `type="password"`)
}

// A link that was used already does not offer to confirm anything, and no page says
// that an email was sent.
func TestEV02_ASecondClickAfterTheFirst(t *testing.T) {
	k, b := NewPages(t, pages.Config{}, Setup{})
	b.SignUp(Ann)
	link := k.EmailedLink(t, usher.MessageVerifyEmail)
	_, token, _ := strings.Cut(link, "token=")
	b.Send("/email/verify", "token", token).WantRedirect(t, "/auth/verify?done=1")
	if v := b.Open("/auth/verify?done=1").WantPage(t, 200, "Address confirmed"); strings.Contains(v.Body, "/auth/signin") {
		t.Error("a signed-in user is asked to sign in")
	}
	b.Open(link).WantRedirect(t, "/auth/verify")
	v := b.Open("/auth/verify").WantPage(t, 400, "This link no longer works", `href="/auth/account"`)
	if strings.Contains(v.Body, "/email/verify/send") {
		t.Error("another link is offered, and there is nothing to confirm")
	}
	k.Events.Take()
	b.Send("/email/verify/send").WantRedirect(t, "/auth/account")
	if v := b.Open("/auth/account").WantPage(t, 200, "Confirmed"); strings.Contains(v.Body, "sent you an email") {
		t.Error("the page says that an email was sent")
	}
	if got := k.Events.Take(); got != "" {
		t.Errorf("events %q", got)
	}
}
