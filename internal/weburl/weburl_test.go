package weburl

import (
	"net/url"
	"slices"
	"strings"
	"testing"
)

// An address that Redirect returns is below one of the allowed addresses, however
// a parser reads it, and has the token in the one parameter.
func FuzzRedirect(f *testing.F) {
	entries := []string{"https://good.test/cb", "https://kiosk.test:8443", "http://127.0.0.1:9000/x/"}
	for _, s := range []string{
		"https://good.test/cb", "https://good.test/cb/x?y=1", "https://kiosk.test:8443/", "https://%E2%84%AAiosk.test:8443/", "https://kio%C5%BFk.test:8443/", "http://127.0.0.1:9000/x/y",
		"https://good.test.evil.test/cb", "https://good.test@evil.test/cb", "//evil.test", "https:evil.test", `/\evil.test`,
		"http://good.test/cb", "javascript:alert(1)", "https://good.test/cb/../x", "https://good.test/cbx",
		"https://good.test/cb\r\n", "https://good.test/cb?t=1", "https://good.test/cb?token=1", "https://good.test/cb#x",
		"https://good.test/cb/%2e%2e/x", `https://good.test\@evil.test/cb`, "https://GOOD.test/cb", "https://good.test:443/cb",
		"http://127.0.0.1:9000/x/@", "https://good.test/cb/..;/x", "https://good.test/cb;/../x", "https://good.test/cb/@evil.test/",
	} {
		f.Add(s, "token")
		f.Add(s, "code")
	}
	f.Fuzz(func(t *testing.T, raw, parameter string) {
		const secret = "the-token"
		got, err := Redirect(raw, parameter, secret, entries)
		if err != nil {
			if got != "" {
				t.Fatal("an address and an error")
			}
			return
		}
		u, err := url.Parse(got)
		if err != nil || u.User != nil || u.Fragment != "" || u.Opaque != "" {
			t.Fatalf("%+q: %+q, %v", raw, got, err)
		}
		origin := u.Scheme + "://" + u.Host
		if !isPrintableASCII(origin) || !slices.Contains([]string{"https://good.test", "https://kiosk.test:8443", "http://127.0.0.1:9000"}, strings.ToLower(origin)) {
			t.Fatalf("%+q leads to %+q", raw, origin)
		}
		if u.Host == "good.test" && u.Path != "/cb" && !strings.HasPrefix(u.Path, "/cb/") {
			t.Fatalf("%+q leads to the path %+q", raw, u.Path)
		}
		for _, part := range []string{"\\", "\r", "\n", "\t", " ", "/../", "/./", "@", ";"} {
			if strings.Contains(origin+u.Path, part) {
				t.Fatalf("%+q holds %q", got, part)
			}
		}
		if q := u.Query(); !slices.Equal(q[parameter], []string{secret}) {
			t.Fatalf("%+q: the token arrives as %q", raw, q[parameter])
		}
	})
}

func isPrintableASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f }) < 0
}

func TestJoin(t *testing.T) {
	for _, test := range []struct {
		base  string
		paths []string
		want  string
	}{
		{"https://a.test", []string{"/auth", "reset"}, "https://a.test/auth/reset"},
		{"https://a.test/", []string{"/", "/reset/"}, "https://a.test/reset"},
		{"https://a.test/app//", []string{"/auth/"}, "https://a.test/app/auth"},
		{"", []string{"/"}, ""},
		{"", []string{"auth/"}, "/auth"},
	} {
		if got := Join(test.base, test.paths...); got != test.want {
			t.Errorf("Join(%q, %q) is %q, want %q", test.base, test.paths, got, test.want)
		}
	}
}
