package pages_test

import (
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher"
	. "github.com/usherkit/usher/internal/webtest"
	"github.com/usherkit/usher/pages"
)

func TestAD12_ThePageOfAnInvitationSetsTheFirstPassword(t *testing.T) {
	t.Parallel()
	k, b := NewPages(t, pages.Config{}, Setup{Service: func(c *usher.Config) { c.SignUpClosed = true }})
	token := k.Invite(Ann)
	link := k.EmailedLink(t, usher.MessageInvitation)
	k.Browser(t).Scan(link)
	b.Open(link).WantRedirect(t, "/auth/invitation")
	b.Open("/auth/invitation").WantPage(t, 200, "You were invited", Ann, "newPassword")
	b.Send("/invitation/accept", "token", token).WantPage(t, 400, "newPassword")
	b.Send("/invitation/accept", "token", token, "newPassword", WeakPassword).WantPage(t, 400, "easy to guess", token, Ann)
	b.Send("/invitation/accept", "token", token, "newPassword", OtherPassword).WantRedirect(t, "/")
	b.Open("/auth/account").WantPage(t, 200, Ann)
	b.Open("/auth/invitation").WantPage(t, 400, "This invitation is not valid", "/auth/account")
	k.SignIn(Ann, OtherPassword)
}

func TestAD13_AnExpiredInvitationSaysWhatToDo(t *testing.T) {
	t.Parallel()
	k, b := NewPages(t, pages.Config{}, Setup{})
	k.Invite(Ann)
	link := k.EmailedLink(t, usher.MessageInvitation)
	k.Clock.Add(8 * 24 * time.Hour)
	b.Open(link).WantRedirect(t, "/auth/invitation")
	b.Open("/auth/invitation").WantPage(t, 400, "has expired", "ask the sender for a new invitation", `href="/auth/signin"`)
}

func TestAD15_ThePageOfAnInvitationLeadsAUserWithAnAccountToTheSignIn(t *testing.T) {
	t.Parallel()
	k, b := NewPages(t, pages.Config{}, Setup{})
	k.SignUpVerified(Ann)
	k.ClearRecords()
	token := k.Invite(Ann)
	b.Open(k.EmailedLink(t, usher.MessageInvitation)).WantRedirect(t, "/auth/invitation")
	if v := b.Open("/auth/invitation").WantPage(t, 200, "you have an account with this address already"); strings.Contains(v.Body, "newPassword") {
		t.Error("the page asks for a password")
	}
	b.Send("/invitation/accept", "token", token).WantRedirect(t, "/auth/signin")
	b.Open("/auth/signin").WantPage(t, 200, "The invitation is accepted.", Ann)
	k.SignIn(Ann, GoodPassword)
}

func TestAD15_AnInvitationLeavesAnotherUserSignedIn(t *testing.T) {
	t.Parallel()
	k, b := NewPages(t, pages.Config{}, Setup{})
	k.SignUpVerified(Ann)
	b.SignUp(Bob)
	k.ClearRecords()
	token := k.Invite(Ann)
	b.Send("/invitation/accept", "token", token).WantRedirect(t, "/auth/signin?prompt=select_account")
	b.Open("/auth/account").WantPage(t, 200, Bob)
}
