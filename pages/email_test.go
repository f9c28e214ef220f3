package pages_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher"
	. "github.com/usherkit/usher/internal/webtest"
	"github.com/usherkit/usher/pages"
)

const cancelForm = `action="/auth/account/email/cancel"`

func TestEV05_TheAccountShowsAPendingChange(t *testing.T) {
	k, b := NewPages(t, pages.Config{}, Setup{})
	b.SignUp(Bob)
	if v := b.Open("/auth/account").WantPage(t, 200); strings.Contains(v.Body, cancelForm) {
		t.Error("there is something to cancel where nothing is pending")
	}
	b, link := k.ChangeEmail(t, Ann, "new@example.com")
	b.Open("/auth/account").WantPage(t, 200,
		"<bdi>"+Ann+"</bdi>", "<bdi>new@example.com</bdi>", cancelForm, `aria-label="Cancel the change of email address">Cancel</button>`,
		`works until <time datetime="2026-11-24T12:00:00Z">24 November 2026, 12:00 UTC</time>`)
	b.Lang = "he"
	b.Open("/auth/account").WantPage(t, 200, "כתובת חדשה", "<bdi>new@example.com</bdi>", "24 בנובמבר 2026", `">ביטול</button>`)
	b.Lang = ""
	unknown := k.Browser(t)
	unknown.Send("/signin", "loginId", Bob, "password", GoodPassword).WantRedirect(t, "/")
	if v := unknown.Open("/auth/account").WantPage(t, 200); strings.Contains(v.Body, "new@example.com") {
		t.Error("another's change is shown")
	}

	_, token, _ := strings.Cut(link, "token=")
	b.Send("/email/verify", "token", token).WantRedirect(t, "/auth/verify?done=1")
	if v := b.Open("/auth/account").WantPage(t, 200, "<bdi>new@example.com</bdi>"); strings.Contains(v.Body, cancelForm) {
		t.Error("a change that is done can be cancelled")
	}
}

func TestEV05_APendingChangeEndsWithItsLink(t *testing.T) {
	k, _ := NewPages(t, pages.Config{}, Setup{})
	b, _ := k.ChangeEmail(t, Ann, Bob)
	k.Clock.Add(24 * time.Hour)
	if v := b.Open("/auth/account").WantPage(t, 200, Ann); strings.Contains(v.Body, Bob) {
		t.Error("the link is dead, and the change still pending")
	}
}

func TestEV05_APendingChangeIsCancelledOnTheAccountPage(t *testing.T) {
	k, _ := NewPages(t, pages.Config{}, Setup{})
	a, link := k.ChangeEmail(t, Ann, "ann.new@example.com")
	b, other := k.ChangeEmail(t, Bob, "bob.new@example.com")

	// A form of another site cancels nothing.
	a.Do(http.MethodPost, "/auth/account/email/cancel", "", "Sec-Fetch-Site", "cross-site").WantPage(t, 403)
	a.Open("/auth/account").WantPage(t, 200, "ann.new@example.com")
	if got := k.Events.Take(); got != "" {
		t.Errorf("events are %q", got)
	}

	a.Send("/account/email/cancel").WantRedirect(t, "/auth/account")
	v := a.Open("/auth/account").WantPage(t, 200, "The change has been canceled.", Ann)
	if strings.Contains(v.Body, "ann.new@example.com") {
		t.Error("the change is still pending")
	}
	if got := k.Events.Take(); got != "user_email_change_cancel" {
		t.Errorf("events are %q", got)
	}
	if got := k.EmailKinds(); got != "" {
		t.Errorf("emails are %q", got)
	}
	a.Open(link).WantRedirect(t, "/auth/verify")
	a.Open("/auth/verify").WantPage(t, 400, "This link no longer works")
	_, token, _ := strings.Cut(link, "token=")
	a.Send("/email/verify", "token", token).WantPage(t, 400, "This link no longer works")
	a.Open("/auth/account").WantPage(t, 200, "<bdi>"+Ann+"</bdi>")

	// The change of another user is not affected.
	b.Open("/auth/account").WantPage(t, 200, "bob.new@example.com")
	_, token, _ = strings.Cut(other, "token=")
	b.Send("/email/verify", "token", token).WantRedirect(t, "/auth/verify?done=1")
	b.Open("/auth/account").WantPage(t, 200, "<bdi>bob.new@example.com</bdi>", "Confirmed")
}

// A second press of the button, or one after the link was followed elsewhere, does not
// report that something was cancelled.
func TestEV05_WhatIsNotPendingIsNotCancelled(t *testing.T) {
	k, _ := NewPages(t, pages.Config{}, Setup{})
	b, link := k.ChangeEmail(t, Ann, Bob)
	_, token, _ := strings.Cut(link, "token=")
	k.Browser(t).Send("/email/verify", "token", token, "password", GoodPassword).WantRedirect(t, "/auth/verify?done=1")
	k.ClearRecords()
	b.Open("/auth/account").WantPage(t, 200)
	b.Send("/account/email/cancel").WantRedirect(t, "/auth/account")
	if v := b.Open("/auth/account").WantPage(t, 200, "<bdi>"+Bob+"</bdi>"); strings.Contains(v.Body, "cancelled") {
		t.Error("the change is said to be cancelled")
	}
	if got := k.Events.Take(); got != "" {
		t.Errorf("events are %q", got)
	}
}

func TestUP07_ThePageSaysWhatAPasswordSetByASessionNeeds(t *testing.T) {
	k, b := NewPages(t, pages.Config{}, Setup{})
	b.SignUp(Ann)
	a := usher.Must(k.Service.SignIn(t.Context(), usher.SignInParams{LoginID: Ann, Password: GoodPassword}, usher.Client{}))
	claims := usher.Must(k.Service.ValidateSession(t.Context(), a.Authentication.Tokens.Session))
	usher.Must(k.Service.UpdatePassword(t.Context(), claims, usher.UpdatePasswordParams{NewPassword: OtherPassword}, usher.Client{}))
	b.Send("/signin", "loginId", Ann, "password", OtherPassword).WantRedirect(t, "/")
	b.Send("/email/change", "newEmail", Bob, "currentPassword", OtherPassword).WantPage(t, 403, "request a new password by email.", `value="`+Bob+`"`, `href="/auth/forgot"`)
}
