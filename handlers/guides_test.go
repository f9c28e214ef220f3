package handlers_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/usherkit/usher/internal/guidetest"
	. "github.com/usherkit/usher/internal/webtest"
	"github.com/usherkit/usher/pages"
)

// sendForm sends a form as a guide shows it.
func sendForm(t *testing.T, b *Browser, form guidetest.Block) View {
	t.Helper()
	target := regexp.MustCompile(`^<form method="post" action="([^"]+)">`).FindStringSubmatch(form.Text)
	if target == nil || strings.Count(form.Text, "<form") != 1 || !strings.Contains(form.Text, "<button>") {
		t.Fatalf("%s:%d: this is no form with a button", form.Page, form.Line)
	}
	var fields []string
	for _, input := range regexp.MustCompile(`<input [^>]*>`).FindAllString(form.Text, -1) {
		m := regexp.MustCompile(` name="([^"]*)" value="([^"]*)"`).FindStringSubmatch(input)
		if m == nil {
			t.Fatalf("%s:%d: an input without name and value", form.Page, form.Line)
		}
		fields = append(fields, m[1], m[2])
	}
	return b.Do(http.MethodPost, target[1], Form(fields...))
}

// The form of docs/pages.md signs out and leads on to its page.
func TestCF07_TheFormThatSignsOut(t *testing.T) {
	t.Parallel()
	for _, form := range guidetest.Blocks(t, "docs/pages.md", "html") {
		_, b := NewPages(t, pages.Config{}, Setup{})
		b.SignUp(Ann)
		sendForm(t, b, form).WantRedirect(t, "/")
		if v := b.Open("/auth/account"); v.Status != http.StatusSeeOther {
			t.Errorf("the account is open after the sign-out: %d", v.Status)
		}
	}
}

// The form of docs/users.md ends what the operator does as a user, and leads back to the desk.
func TestCF07_TheFormThatStopsImpersonation(t *testing.T) {
	t.Parallel()
	for _, form := range guidetest.Blocks(t, "docs/users.md", "html") {
		k, b := NewPages(t, pages.Config{}, Setup{})
		addSupport(k)
		k.Browser(t).SignUp(Ann)
		b.SignUp("desk@example.com")
		b.Do(http.MethodPost, "/finish?user="+k.UserID(Ann), "")
		if v := b.Open("/actor"); v.Body != "ops:alice" {
			t.Fatalf("the operator does not act: %d %s", v.Status, v.Body)
		}
		sendForm(t, b, form).WantRedirect(t, "/support")
		b.Open("/auth/account").WantPage(t, http.StatusOK, "desk@example.com")
		if v := b.Open("/actor"); v.Status != http.StatusOK || v.Body != "" {
			t.Errorf("the operator still acts: %d %q", v.Status, v.Body)
		}
	}
}
