package handlers_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/pages"
)

const cancelForm = `action="/auth/account/email/cancel"`

// moving is a browser in which somebody has signed up and asked for another address,
// and the link that this address got.
func (k *kit) moving(t *testing.T, from, to string) (*browser, string) {
	t.Helper()
	b := k.browser(t)
	b.signUp(from)
	b.send("/email/change", "newEmail", to, "currentPassword", goodPassword).to(t, "/auth/account")
	link := k.link(t, usher.MessageChangeEmail)
	k.forget()
	return b, link
}

func TestEV05_TheAccountShowsAPendingChange(t *testing.T) {
	k, b := newPages(t, pages.Config{}, setup{})
	b.signUp(bob)
	if v := b.open("/auth/account").page(t, 200); strings.Contains(v.body, cancelForm) {
		t.Error("there is something to cancel where nothing is pending")
	}
	b, link := k.moving(t, ann, "new@example.com")
	b.open("/auth/account").page(t, 200,
		"<bdi>"+ann+"</bdi>", "<bdi>new@example.com</bdi>", cancelForm, `aria-label="Cancel the change of email address">Cancel</button>`,
		`works until <time datetime="2026-11-24T12:00:00Z">24 November 2026, 12:00 UTC</time>`)
	b.lang = "he"
	b.open("/auth/account").page(t, 200, "כתובת חדשה", "<bdi>new@example.com</bdi>", "24 בנובמבר 2026", `">ביטול</button>`)
	b.lang = ""
	stranger := k.browser(t)
	stranger.send("/signin", "loginId", bob, "password", goodPassword).to(t, "/")
	if v := stranger.open("/auth/account").page(t, 200); strings.Contains(v.body, "new@example.com") {
		t.Error("another's change is shown")
	}

	_, token, _ := strings.Cut(link, "token=")
	b.send("/email/verify", "token", token).to(t, "/auth/verify?done=1")
	if v := b.open("/auth/account").page(t, 200, "<bdi>new@example.com</bdi>"); strings.Contains(v.body, cancelForm) {
		t.Error("a change that is done can be cancelled")
	}
}

func TestEV05_APendingChangeEndsWithItsLink(t *testing.T) {
	k, _ := newPages(t, pages.Config{}, setup{})
	b, _ := k.moving(t, ann, bob)
	k.clock.add(24 * time.Hour)
	if v := b.open("/auth/account").page(t, 200, ann); strings.Contains(v.body, bob) {
		t.Error("the link is dead, and the change still pending")
	}
}

func TestEV05_APendingChangeIsCancelledOnTheAccountPage(t *testing.T) {
	k, _ := newPages(t, pages.Config{}, setup{})
	a, link := k.moving(t, ann, "ann.new@example.com")
	b, other := k.moving(t, bob, "bob.new@example.com")

	// A form of another site cancels nothing.
	a.do(http.MethodPost, "/auth/account/email/cancel", "", "Sec-Fetch-Site", "cross-site").page(t, 403)
	a.open("/auth/account").page(t, 200, "ann.new@example.com")
	if got := k.events.take(); got != "" {
		t.Errorf("events are %q", got)
	}

	a.send("/account/email/cancel").to(t, "/auth/account")
	v := a.open("/auth/account").page(t, 200, "The change has been canceled.", ann)
	if strings.Contains(v.body, "ann.new@example.com") {
		t.Error("the change is still pending")
	}
	if got := k.events.take(); got != "user_email_change_cancel" {
		t.Errorf("events are %q", got)
	}
	if got := k.mails(); got != "" {
		t.Errorf("mails are %q", got)
	}
	a.open(link).to(t, "/auth/verify")
	a.open("/auth/verify").page(t, 400, "This link no longer works")
	_, token, _ := strings.Cut(link, "token=")
	a.send("/email/verify", "token", token).page(t, 400, "This link no longer works")
	a.open("/auth/account").page(t, 200, "<bdi>"+ann+"</bdi>")

	// Another's change goes on.
	b.open("/auth/account").page(t, 200, "bob.new@example.com")
	_, token, _ = strings.Cut(other, "token=")
	b.send("/email/verify", "token", token).to(t, "/auth/verify?done=1")
	b.open("/auth/account").page(t, 200, "<bdi>bob.new@example.com</bdi>", "Confirmed")
}

// Who presses the button once more, or after the link was followed elsewhere, is not
// told that something was cancelled.
func TestEV05_WhatIsNotPendingIsNotCancelled(t *testing.T) {
	k, _ := newPages(t, pages.Config{}, setup{})
	b, link := k.moving(t, ann, bob)
	_, token, _ := strings.Cut(link, "token=")
	k.browser(t).send("/email/verify", "token", token, "password", goodPassword).to(t, "/auth/verify?done=1")
	k.forget()
	b.open("/auth/account").page(t, 200)
	b.send("/account/email/cancel").to(t, "/auth/account")
	if v := b.open("/auth/account").page(t, 200, "<bdi>"+bob+"</bdi>"); strings.Contains(v.body, "cancelled") {
		t.Error("the change is said to be cancelled")
	}
	if got := k.events.take(); got != "" {
		t.Errorf("events are %q", got)
	}
}
