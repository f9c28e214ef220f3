package handlers_test

import (
	"strings"
	"testing"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/pages"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/memory"
)

// follow opens a mailed link, and returns its page and token.
func (b *browser) follow(link string) (view, string) {
	b.t.Helper()
	b.open(link).to(b.t, "/auth/verify")
	_, token, _ := strings.Cut(link, "token=")
	return b.open("/auth/verify").page(b.t, 200), token
}

// The owner of a mailbox clicks the link of a squatter's account, is asked for a
// password that she does not know, and is led to one of her own.
func TestEV03_AClickDoesNotConfirmASquatter(t *testing.T) {
	k, squatter := newPages(t, pages.Config{}, setup{})
	squatter.signUp(ann)
	owner := k.browser(t)
	v, token := owner.follow(k.link(t, usher.MessageVerifyEmail))
	v.page(t, 200, `name="password" type="password"`, "Didn’t create this account", `href="/auth/forgot?link=1"`)
	k.forget()
	owner.send("/email/verify", "token", token).page(t, 403,
		"Enter your password.", `aria-describedby="password-error" aria-invalid="true" autofocus`, "<title>Error: ")
	if got := k.events.take(); got != "" {
		t.Errorf("events are %q", got)
	}
	v = owner.send("/email/verify", "token", token, "password", otherPassword).page(t, 401,
		"This is not the password of this account.", `id="password-error"`, `href="/auth/forgot?link=1"`, `name="token" value="`+token+`"`)
	if strings.Contains(v.body, otherPassword) {
		t.Error("the password comes back")
	}
	squatter.open("/auth/account").page(t, 200, "Not confirmed yet")

	owner.open("/auth/forgot?link=1").page(t, 200, `name="loginId"`, `value="`+ann+`"`)
	owner.send("/password/reset", "loginId", ann).to(t, "/auth/forgot?sent=1")
	link := k.link(t, usher.MessageConfirmAndReset)
	owner.open(link).to(t, "/auth/reset")
	_, claim, _ := strings.Cut(link, "token=")
	owner.send("/password/reset/complete", "token", claim, "newPassword", thirdPassword).to(t, "/auth/signin")
	squatter.open("/auth/account").to(t, "/auth/signin?return_to=%2Fauth%2Faccount")
	squatter.send("/signin", "loginId", ann, "password", goodPassword).page(t, 401)
	owner.send("/email/verify", "token", token, "password", thirdPassword).page(t, 400, "This link no longer works")
	owner.send("/signin", "loginId", ann, "password", thirdPassword).to(t, "/")
	owner.open("/auth/account").page(t, 200, "Confirmed")
}

// Who is signed in as that very user presses a button; everybody else is asked for
// the password.
func TestEV04_OnlyTheOwnSessionIsAskedForNothing(t *testing.T) {
	k, own := newPages(t, pages.Config{}, setup{})
	own.signUp(ann)
	link := k.link(t, usher.MessageVerifyEmail)
	another := k.browser(t)
	another.signUp(bob)
	ended := k.browser(t)
	ended.send("/signin", "loginId", ann, "password", goodPassword).to(t, "/")
	held := *ended.cookies["__Host-session"]
	ended.send("/signout")
	ended.cookies["__Host-session"] = &held

	asked := func(b *browser) bool {
		v, _ := b.follow(link)
		if strings.Contains(v.body, "/auth/forgot") != strings.Contains(v.body, `type="password"`) {
			t.Error("the way to a new password stands where the password is asked for")
		}
		return strings.Contains(v.body, `type="password"`)
	}
	for name, test := range map[string]struct {
		b    *browser
		want bool
	}{"own": {own, false}, "another's": {another, true}, "ended": {ended, true}, "none": {k.browser(t), true}} {
		if got := asked(test.b); got != test.want {
			t.Errorf("%s session: asked for the password: %v, want %v", name, got, test.want)
		}
	}

	// The session ends while the page is open: the answer asks for the password.
	_, token := own.follow(link)
	if _, err := k.store.EndUserSessions(t.Context(), k.userID(ann), store.SessionEnd{}, store.Effects{}); err != nil {
		t.Fatal(err)
	}
	own.send("/email/verify", "token", token).page(t, 403, "Enter your password.", `type="password"`)
	own.send("/email/verify", "token", token, "password", goodPassword).to(t, "/auth/verify?done=1")
}

// readOnce is a store in which something happens once a session has been read.
type readOnce struct {
	*memory.Store
	then func()
}

func (s *readOnce) Session(c ctx, id string) (store.SessionRecord, error) {
	session, err := s.Store.Session(c, id)
	if then := s.then; then != nil {
		s.then = nil
		then()
	}
	return session, err
}

// The session ends while the form is looked at: the answer has the input that it
// asks for.
func TestEV04_ASessionThatHasJustEndedIsAskedForThePassword(t *testing.T) {
	st := &readOnce{Store: memory.New()}
	k, b := newPages(t, pages.Config{}, setup{store: st})
	b.signUp(ann)
	_, token := b.follow(k.link(t, usher.MessageVerifyEmail))
	st.then = func() {
		if _, err := st.EndUserSessions(t.Context(), k.userID(ann), store.SessionEnd{}, store.Effects{}); err != nil {
			t.Error(err)
		}
	}
	b.send("/email/verify", "token", token).page(t, 403, "Enter your password.", `type="password"`)
}

// An address that was mistyped is a stranger's: the page does not tell whose account
// it was to be, nor does the one for a new password.
func TestEV05_ALinkToANewAddressTellsNothingOfTheAccount(t *testing.T) {
	k, b := newPages(t, pages.Config{}, setup{})
	b.signUp(ann)
	b.send("/email/change", "newEmail", bob, "currentPassword", goodPassword).to(t, "/auth/account")
	stranger := k.browser(t)
	v, token := stranger.follow(k.link(t, usher.MessageChangeEmail))
	v.page(t, 200, "To make "+bob+" the address of your account", "Nothing changes without the password.", `type="password"`)
	for _, v := range []view{
		v, stranger.open("/auth/forgot?link=1").page(t, 200),
		stranger.send("/email/verify", "token", token, "password", otherPassword).page(t, 401, "This is not the password of this account."),
	} {
		if strings.Contains(v.body, ann) {
			t.Errorf("the page names the account:\n%s", main(v.body))
		}
	}
	b.open("/auth/account").page(t, 200, ann)
	stranger.send("/email/verify", "token", token, "password", goodPassword).to(t, "/auth/verify?done=1")
	b.open("/auth/account").page(t, 200, bob, "Confirmed")
}

// The page for a new password knows the login id only from a link that is good.
func TestEV03_TheLoginIDIsFilledInFromTheLinkAlone(t *testing.T) {
	k, b := newPages(t, pages.Config{}, setup{})
	in := usher.SignUp{LoginID: "ann_l", Email: ann, Password: goodPassword}
	if _, err := k.svc.SignUp(t.Context(), in, usher.Client{}); err != nil {
		t.Fatal(err)
	}
	empty := `name="loginId" type="text" inputmode="email" autocomplete="username" value=""`
	b.open("/auth/forgot?link=1").page(t, 200, empty)
	link := k.link(t, usher.MessageVerifyEmail)
	_, token := b.follow(link)
	b.open("/auth/forgot?link=1").page(t, 200, `value="ann_l"`)
	b.open("/auth/forgot").page(t, 200, empty)
	b.send("/email/verify", "token", token, "password", goodPassword).to(t, "/auth/verify?done=1")
	b.open("/auth/forgot?link=1").page(t, 200, empty)
	b.open("/auth/verify?token=made-up").to(t, "/auth/verify")
	b.open("/auth/forgot?link=1").page(t, 200, empty)
}

func TestSI06_ThePageOfALinkIsLimited(t *testing.T) {
	k, b := newPages(t, pages.Config{}, setup{})
	k.signUp(ann)
	_, token := b.follow(k.link(t, usher.MessageVerifyEmail))
	for range 5 {
		b.send("/email/verify", "token", token, "password", otherPassword).page(t, 401)
	}
	b.send("/email/verify", "token", token, "password", goodPassword).page(t, 429, "Too many attempts. Wait 30 seconds", `role="alert"`, `type="password"`)
}

// Who opens a link once more that was followed already is told no lie: nothing is to
// be confirmed any more, and no mail is on its way.
func TestEV02_ASecondClickAfterTheFirst(t *testing.T) {
	k, b := newPages(t, pages.Config{}, setup{})
	b.signUp(ann)
	link := k.link(t, usher.MessageVerifyEmail)
	_, token, _ := strings.Cut(link, "token=")
	b.send("/email/verify", "token", token).to(t, "/auth/verify?done=1")
	if v := b.open("/auth/verify?done=1").page(t, 200, "Address confirmed"); strings.Contains(v.body, "/auth/signin") {
		t.Error("who is signed in is told to sign in")
	}
	b.open(link).to(t, "/auth/verify")
	v := b.open("/auth/verify").page(t, 400, "This link no longer works", `href="/auth/account"`)
	if strings.Contains(v.body, "/email/verify/send") {
		t.Error("another link is offered, and there is nothing to confirm")
	}
	k.events.take()
	b.send("/email/verify/send").to(t, "/auth/account")
	if v := b.open("/auth/account").page(t, 200, "Confirmed"); strings.Contains(v.body, "sent you an email") {
		t.Error("a mail is said to be on its way")
	}
	if got := k.events.take(); got != "" {
		t.Errorf("events %q", got)
	}
}
