package handlers_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/handlers"
	. "github.com/usherkit/usher/internal/webtest"
	"github.com/usherkit/usher/pages"
)

// preflight returns the answer to a preflight request that asks for headers.
func preflight(server http.Handler, origin, method, path string, headers ...string) http.Header {
	r := httptest.NewRequest(http.MethodOptions, "https://app.example"+path, nil)
	r.Header.Set("Origin", origin)
	r.Header.Set("Access-Control-Request-Method", method)
	if headers != nil {
		r.Header["Access-Control-Request-Headers"] = headers
	}
	w := httptest.NewRecorder()
	server.ServeHTTP(w, r)
	return w.Header()
}

// A trusted page may send the headers that it asks for, such as those of tracing. Too
// many of them, or other text, allow the usual ones alone.
func TestCS08_APreflightAllowsTheHeadersAskedFor(t *testing.T) {
	t.Parallel()
	const usual = "Authorization, Content-Type, X-Requested-With, X-Request-Id"
	k := NewKit(t, InBodies, Setup{Config: func(c *handlers.Config) { c.TrustedOrigins = []string{"https://good.test"} }})
	for _, test := range []struct {
		ask  []string
		want string
	}{
		{nil, usual},
		{[]string{"traceparent"}, "traceparent"},
		{[]string{"authorization,content-type, baggage\t,traceparent"}, "authorization, content-type, baggage, traceparent"},
		{[]string{""}, usual},
		{[]string{"a,,b"}, usual},
		{[]string{"x y"}, usual},
		{[]string{"x\r\nset-cookie: a=b"}, usual},
		{[]string{"traceparent", "baggage"}, usual},
		{[]string{strings.Repeat("x", 65)}, usual},
		{[]string{strings.Repeat("x,", 32) + "x"}, usual},
		{[]string{strings.Repeat("x,", 31) + "x"}, strings.Repeat("x, ", 31) + "x"},
		{[]string{strings.Repeat(" ", 1<<20)}, usual},
	} {
		if got := preflight(k.Server, "https://good.test", "POST", "/auth/signin", test.ask...).Get("Access-Control-Allow-Headers"); got != test.want {
			t.Errorf("%.80q allows %q, want %q", test.ask, got, test.want)
		}
		if got := preflight(k.Server, "https://evil.test", "POST", "/auth/signin", test.ask...).Get("Access-Control-Allow-Headers"); got != "" {
			t.Errorf("%.80q of another origin allows %q", test.ask, got)
		}
	}
}

// One list of origins holds for reading and for writing, for the routes of the mount and
// for those of the program.
func TestCS08_OneListOfOrigins(t *testing.T) {
	t.Parallel()
	BothModes(t, func(t *testing.T, m Mode) {
		const good, evil = "https://good.test", "https://evil.test"
		k := NewKit(t, m, Setup{Config: func(c *handlers.Config) { c.TrustedOrigins = []string{good} }})
		user := k.SignUp(Ann)
		program := http.NewServeMux()
		program.Handle("/auth/", k.Handlers)
		program.Handle("/api/", k.Handlers.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Add("Access-Control-Expose-Headers", "X-Total")
			_, _ = io.WriteString(w, "in")
		})))
		k.Server = k.Handlers.CORS(program)
		for origin, want := range map[string]int{good: 200, evil: 403} {
			if m == InBodies && origin == evil {
				want = 200 // the token shows that the page is the program's, and the answer cannot be read
			}
			q := k.As(user, Request{Method: http.MethodPut, Path: "~/api/x"})
			a := k.Do(q.With("Origin", origin, "Sec-Fetch-Site", "", "Sec-Fetch-Site", "cross-site"))
			allowed := map[string]string{good: good}[origin]
			if a.Status != want || a.Header.Get("Access-Control-Allow-Origin") != allowed || strings.Count(strings.Join(a.Header["Vary"], ","), "Origin") != 1 {
				t.Errorf("PUT from %s: %d %v", origin, a.Status, a.Header)
			}
			if want == 200 && !strings.Contains(strings.Join(a.Header["Access-Control-Expose-Headers"], ","), "X-Total") {
				t.Errorf("the program's exposed header is missing: %v", a.Header)
			}
			for _, path := range []string{"/api/x", "/auth/me"} {
				if got := preflight(k.Server, origin, "PUT", path).Get("Access-Control-Allow-Methods"); got != map[string]string{good: "PUT"}[origin] {
					t.Errorf("preflight for %s from %s allows %q", path, origin, got)
				}
			}
			// Below the program's mux, the mount adds nothing twice.
			a = k.Do(k.As(user, Get("/me", "Origin", origin)))
			if len(a.Header["Access-Control-Allow-Origin"]) > 1 || strings.Count(strings.Join(a.Header["Vary"], ","), "Origin") != 1 {
				t.Errorf("GET from %s: %v", origin, a.Header)
			}
		}
		if got := preflight(k.Server, good, "P T", "/api/x").Get("Access-Control-Allow-Methods"); got != "" {
			t.Errorf("the method %q is allowed", got)
		}
	})

	// The web view of an app has an origin of its own.
	app := NewKit(t, InBodies, Setup{Config: func(c *handlers.Config) { c.TrustedOrigins = []string{"capacitor://localhost"} }})
	for origin, want := range map[string]int{"capacitor://localhost": 201, "capacitor://evil": 403, "null": 403} {
		a := app.Do(Post("/signup", SignUpBody(Ann, GoodPassword), "Origin", origin))
		if got := a.Header.Get("Access-Control-Allow-Origin"); a.Status != want || (got == origin) != (want == 201) {
			t.Errorf("%s: %d, allowed %q", origin, a.Status, got)
		}
	}

	// Without cookies every origin may be trusted.
	all := NewKit(t, InBodies, Setup{Config: func(c *handlers.Config) { c.TrustedOrigins = []string{"*"} }})
	a := all.Do(Post("/signup", SignUpBody(Ann, GoodPassword), "Origin", "https://any.test", "Sec-Fetch-Site", "cross-site")).Want(t, 201, "")
	if a.Header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("every origin: %v", a.Header)
	}
	all.Server = all.Handlers.CORS(http.NotFoundHandler())
	if got := preflight(all.Server, "https://any.test", "DELETE", "/api/x").Get("Access-Control-Allow-Methods"); got != "DELETE" {
		t.Errorf("every origin: preflight allows %q", got)
	}
}

// A page may have the token of an emailed link. A script of a trusted origin reads the
// JSON routes, and no page.
func TestCS09_NoScriptOfAnotherOriginReadsAPage(t *testing.T) {
	t.Parallel()
	const good = "https://good.app.example"
	k, b := NewPages(t, pages.Config{}, Setup{Config: func(c *handlers.Config) { c.TrustedOrigins = []string{good} }})
	b.SignUp(Ann)
	b.Open(k.EmailedLink(t, usher.MessageVerifyEmail)).WantRedirect(t, "/auth/verify")
	plain := k.Server
	for _, server := range []http.Handler{plain, k.Handlers.CORS(plain)} {
		k.Server = server
		for _, path := range []string{"/auth/verify", "/auth/account", "/auth/signin", "/auth/icon.svg"} {
			for _, mode := range []string{"cors", ""} {
				v := b.Open(path, "Origin", good, "Sec-Fetch-Site", "same-site", "Sec-Fetch-Mode", mode, "Accept", "text/html")
				for name := range v.Header {
					if strings.HasPrefix(name, "Access-Control-") {
						t.Errorf("%s, mode %q: has %s", path, mode, name)
					}
				}
				if mode == "cors" && v.Status != 403 {
					t.Errorf("%s for a script: %d", path, v.Status)
				}
			}
		}
		if v := b.Open("/auth/me", "Origin", good, "Sec-Fetch-Site", "same-site", "Sec-Fetch-Mode", "cors"); v.Status != 200 || v.Header.Get("Access-Control-Allow-Origin") != good {
			t.Errorf("a JSON route: %d %v", v.Status, v.Header)
		}
		// The script of a page itself, and a link on another site, open it.
		b.Open("/auth/verify", "Sec-Fetch-Mode", "cors").WantPage(t, 200)
		b.Open("/auth/verify", "Sec-Fetch-Site", "cross-site").WantPage(t, 200)
	}
}
