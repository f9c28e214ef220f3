package pages_test

import (
	"strings"
	"testing"

	. "github.com/usherkit/usher/internal/webtest"
	"github.com/usherkit/usher/pages"
)

// A parameter of a query counts only if it is there once. Otherwise a filter in front of
// the pages could judge one value, and the page use the other.
func TestHP17_AParameterThatIsThereTwiceDoesNotCount(t *testing.T) {
	k, b := NewPages(t, pages.Config{}, Setup{})
	k.SignUpVerified(Ann)
	token := k.ResetToken(Ann)
	for _, query := range []string{"token=" + token + "&token=other", "token=other&token=" + token, "token=" + token + "&token=" + token} {
		b.Open("/auth/reset?"+query).WantPage(t, 400)
		b.Open("/auth/reset").WantPage(t, 400)
	}
	if page := b.Open("/auth/signin?return_to=/one&return_to=/two").WantPage(t, 200); strings.Contains(page.Body, "/one") || strings.Contains(page.Body, "/two") {
		t.Error("one of two return paths counts")
	}
	b.Open("/auth/reset?token="+token).WantRedirect(t, "/auth/reset")
	b.Open("/auth/reset").WantPage(t, 200)
}
