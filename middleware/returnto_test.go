package middleware_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/usherkit/usher/middleware"
)

func TestHP06_ReturnPathIsLocal(t *testing.T) {
	for _, good := range []string{
		"/", "/a", "/a/", "/a/b?c=d&e=f", "/a?u=https://x.test/y", "/a#b", "/caf%C3%A9", "/a%20b", "/a:b", "/@x", "/a?x=%0d%0a", "/...", "/a.b",
	} {
		if got := middleware.SafeReturnTo(good); got != good {
			t.Errorf("%q gives %q", good, got)
		}
	}
	for _, bad := range []string{
		"", "a", "//", "///", "//h", `/\h`, `\\h`, `\/h`, "/%09/h", "/\t/h", "///h", "////h", "https:h", "http:/h", "https://h", "javascript:1", "JaVaScRiPt:alert(1)",
		"/a\r\nSet-Cookie: x=y", "/\n/h", "/a\x00", " /a", "/a ", "/ /h", "/%2Fh", "/%2fh", "/%5Ch", "/%5c%5ch", "/a/%2F%2Fh", "/%0d%0ah", "/%00", "/.", "/..", "/./h", "/..//h",
		"/.//h", "/%2e%2e//h", "/%2e", "/a/../b", "/a//b", "/%zz", "/é", "/\u2028h", "?a", "#a", "data:text/html,x", "/a\\b", "/a?\\", "/\x7f",
		"/" + strings.Repeat("a", 2048),
	} {
		if got := middleware.SafeReturnTo(bad); got != "" {
			t.Errorf("%q gives %q", bad, got)
		}
	}
}

func FuzzReturnTo(f *testing.F) {
	for _, s := range []string{"/", "//h", `/\h`, "/%09/h", "/a?b#c", "/%2e/x", "/a/%2f"} {
		f.Add(s)
	}
	base, err := url.Parse("https://app.example.com/auth/signin")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := middleware.SafeReturnTo(s)
		if got == "" {
			return
		}
		if got != s || strings.ContainsAny(got, "\\\r\n\t ") || !strings.HasPrefix(got, "/") || strings.HasPrefix(got, "//") {
			t.Fatalf("%q gives %q", s, got)
		}
		u, err := base.Parse(got)
		if err != nil || u.Scheme != "https" || u.Host != "app.example.com" || u.User != nil || strings.Contains(u.Path, "//") {
			t.Fatalf("%q leads to %v, %v", s, u, err)
		}
	})
}
