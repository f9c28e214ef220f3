package handlers_test

import (
	"cmp"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/handlers"
	. "github.com/usherkit/usher/internal/webtest"
	"github.com/usherkit/usher/pages"
)

// table is every route of the mount and its methods.
var table = map[string]string{
	"/signup": "POST", "/signin": "POST", "/password/update": "POST", "/password/replace": "POST", "/password/reset": "POST",
	"/password/reset/complete": "POST", "/password/reset/verify": "POST", "/password/policy": "GET, HEAD", "/invitation/accept": "POST", "/email/verify/send": "POST",
	"/email/verify": "POST", "/email/change": "DELETE, POST", "/session/refresh": "POST", "/session/confirm": "POST", "/me": "GET, HEAD, PATCH", "/sessions": "GET, HEAD",
	"/sessions/x": "DELETE", "/signout": "POST", "/signout/all": "POST", "/keys": "GET, HEAD", "/revocations": "GET, HEAD",
	"/account/delete": "POST", "/account/data": "GET, HEAD",
}

func TestCS05_HP07_OnlyKnownMethods(t *testing.T) {
	t.Parallel()
	BothModes(t, func(t *testing.T, m Mode) {
		k := NewKit(t, m, Setup{})
		u := k.SignUp(Ann)
		k.Events.Take()
		for path, allow := range table {
			for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "get"} {
				if strings.Contains(", "+allow+",", ", "+method+",") {
					continue
				}
				a := k.Do(k.As(u, Request{Method: method, Path: path}))
				if a.Status != 405 || a.Header.Get("Allow") != allow || len(a.Header["Set-Cookie"]) > 0 {
					t.Errorf("%s %s: %d, Allow %q, want 405 and %q", method, path, a.Status, a.Header.Get("Allow"), allow)
				}
			}
		}
		if got := k.Events.Take(); got != "" || !k.IsSignedIn(u) {
			t.Errorf("events are %q, alive %t", got, k.IsSignedIn(u))
		}
		for path, allow := range table {
			if strings.HasPrefix(allow, "GET, HEAD") {
				full := k.Do(k.As(u, Get(path))).Want(t, 200, "")
				head := k.Do(k.As(u, Request{Method: http.MethodHead, Path: path}))
				if head.Status != full.Status || head.Header.Get("Content-Type") != full.Header.Get("Content-Type") {
					t.Errorf("HEAD %s: %d %v", path, head.Status, head.Header)
				}
			}
		}
	})
}

func TestHP07_PathsAreTakenAsTheyAre(t *testing.T) {
	t.Parallel()
	k := NewKit(t, InCookies, Setup{})
	mux := http.NewServeMux()
	mux.Handle("/auth/", k.Handlers)
	bare := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.StripPrefix("/auth", k.Handlers).ServeHTTP(w, r) })
	body := SignUpBody(Ann, GoodPassword)
	for _, path := range []string{
		"//signup", "/x/../signup", "/./signup", "/signup/", "/signup/.", "/SIGNUP", "/signup%2f", "/%2e/signup", "/", "", "/nothing", "/forgot", "/reset",
		"/verify", "/account", "/sessions/", "/sessions//x", "/sessions/x/y", "/password", "/password/reset/", "/sessions/..%2fsignup", `/\signup`, "/auth/signup/x",
	} {
		for name, server := range map[string]http.Handler{"stripped": bare, "whole": mux, "both": k.Server} {
			if name != "stripped" && (strings.Contains(path, "..") || strings.Contains(path, "/.") || strings.Contains(path, "//") || path == "") {
				continue // the program's own ServeMux redirects these before the mount sees them
			}
			r := httptest.NewRequest(http.MethodPost, "https://app.example/auth"+path, strings.NewReader(body))
			r.Header.Set("Content-Type", "application/json")
			w := httptest.NewRecorder()
			server.ServeHTTP(w, r)
			a := &Reply{Status: w.Code, Header: w.Result().Header}
			if w.Code != 404 || !strings.Contains(w.Body.String(), `"code":"not_found"`) || a.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s %q: %d %s, want a problem with 404", name, path, w.Code, w.Body)
			}
		}
	}
	if _, err := k.Service.Operator("test").UserByLoginID(t.Context(), Ann); err == nil {
		t.Error("a user was signed up")
	}
	// A router may take an escaped letter for another path than the letter.
	for _, server := range []http.Handler{bare, mux, k.Server} {
		for _, path := range []string{"/auth/%6beys", "/%61uth/keys", "/auth/auth%2Fkeys", "/auth/%2Fkeys", "/auth%2Fkeys"} {
			r := httptest.NewRequest(http.MethodGet, "https://app.example"+path, nil)
			w := httptest.NewRecorder()
			if server.ServeHTTP(w, r); w.Code != 404 {
				t.Errorf("%s: %d %v", path, w.Code, w.Header())
			}
		}
	}
}

func TestMountedAnywhere(t *testing.T) {
	t.Parallel()
	k := NewKit(t, InBodies, Setup{})
	outer := http.NewServeMux()
	outer.Handle("/auth/", k.Handlers)
	outer.Handle("app.example/api/v1/auth/", k.Handlers)
	outer.Handle("/stripped/", http.StripPrefix("/stripped", k.Handlers))
	outer.HandleFunc("/t/{tenant}/auth/", func(w http.ResponseWriter, r *http.Request) {
		http.StripPrefix("/t/"+r.PathValue("tenant")+"/auth", k.Handlers).ServeHTTP(w, r)
	})
	root := http.NewServeMux()
	root.Handle("/", k.Handlers)
	for path, server := range map[string]http.Handler{"/auth/keys": outer, "/api/v1/auth/keys": outer, "/stripped/keys": outer, "/t/acme/auth/keys": outer, "/keys": root} {
		w := httptest.NewRecorder()
		server.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "https://app.example"+path, nil))
		if w.Code != 200 || !strings.Contains(w.Body.String(), `"keys"`) {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}

// Under ServeMux, stripped or not, and as the only handler, a path has one meaning.
// proof/routers has the same test for other routers.
func TestHP08_EachPathHasOneMeaning(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"", "/auth", "/app/auth", "/account"} {
		withPages, _ := NewPages(t, pages.Config{}, Setup{Service: func(c *usher.Config) { c.PagesPath = at + "/" }})
		withPath := NewKit(t, InBodies, Setup{Config: func(c *handlers.Config) { c.Path = at + "/" }})
		plain := NewKit(t, InBodies, Setup{})
		mux := func(h http.Handler) http.Handler {
			m := http.NewServeMux()
			m.Handle(at+"/", h)
			return m
		}
		for name, server := range map[string]http.Handler{
			"pages": mux(withPages.Handlers), "pages, stripped": mux(http.StripPrefix(at, withPages.Handlers)), "pages, no router": withPages.Handlers,
			"path": mux(withPath.Handlers), "path, stripped": mux(http.StripPrefix(at, withPath.Handlers)), "path, no router": withPath.Handlers,
			"plain": mux(plain.Handlers), "plain, stripped": mux(http.StripPrefix(at, plain.Handlers)), "plain, no router": http.StripPrefix(at, plain.Handlers),
		} {
			for _, prefix := range []string{"", "/auth", "/app", "/app/auth", "/account", "/auth/auth", "/account/account", "/app/auth/app/auth", "/app/auth/auth"} {
				r := httptest.NewRequest(http.MethodPost, "https://app.example"+prefix+"/signup", strings.NewReader("{}"))
				r.Header.Set("Content-Type", "application/json")
				w := httptest.NewRecorder()
				want := http.StatusNotFound
				if prefix == at {
					want = http.StatusBadRequest
				}
				if server.ServeHTTP(w, r); w.Code != want {
					t.Errorf("%s at %q: %s/signup is answered %d, want %d", name, at, prefix, w.Code, want)
				}
			}
		}
	}
}

// A wrong mount is a warning with the path, once, and the mistake of a client is none.
func TestHP09_AWrongMountIsOneWarning(t *testing.T) {
	t.Parallel()
	const unknown, other = "handlers: no route has this path", "handlers: the pages are mounted at another path"
	open := func(server http.Handler, path string) {
		r := httptest.NewRequest(http.MethodGet, "https://app.example"+path, nil)
		r.Header.Set("Accept", "text/html")
		server.ServeHTTP(httptest.NewRecorder(), r)
	}
	at := func(path string, h http.Handler) http.Handler {
		m := http.NewServeMux()
		m.Handle(path, h)
		return m
	}
	for _, test := range []struct {
		name          string
		mount         func(h http.Handler) http.Handler
		pages         bool
		baseURL, path string
		open          []string
		want          string // the message, or ""
		parts         []string
	}{
		{"a router that passes on whole paths", func(h http.Handler) http.Handler { return h }, false, "", "", []string{"/api/auth/keys"},
			unknown, []string{`"path":"/api/auth/keys"`, "handlers.Config.Path to /api/auth/"}},
		{"a proxy that removes the path of the pages", func(h http.Handler) http.Handler { return at("/", h) }, true, "", "", []string{"/signin"},
			unknown, []string{`"path":"/signin"`, `"mount":"/auth/"`, "handlers.Config.Path to / "}},
		{"pages at another path", func(h http.Handler) http.Handler { return at("/login/", h) }, true, "", "", []string{"/login/signin"},
			other, []string{`"path":"/login/signin"`, `"mount":"/login/"`, `"links":"/auth/"`, "usher.Config.PagesPath"}},
		{"pages stripped of another path", func(h http.Handler) http.Handler { return at("/login/", http.StripPrefix("/login", h)) }, true, "", "", []string{"/login/signin"},
			other, []string{`"mount":"/login/"`}},
		{"another path on purpose", func(h http.Handler) http.Handler { return at("/login/", h) }, true, "", "/login", []string{"/login/signin", "/login/account"}, "", nil},
		{"the right path", func(h http.Handler) http.Handler { return at("/auth/", h) }, true, "", "", []string{"/auth/signin", "/auth/auth/signin", "/auth/x/signin"}, "", nil},
		{"a proxy that removes the path of BaseURL", func(h http.Handler) http.Handler { return at("/auth/", h) }, true, "https://app.example/app", "", []string{"/auth/signin"}, "", nil},
		{"no route at all", func(h http.Handler) http.Handler { return at("/", h) }, true, "", "", []string{"/favicon.ico", "/wp-admin"}, "", nil},
		{"JSON routes elsewhere", func(h http.Handler) http.Handler { return at("/api/", h) }, false, "", "", []string{"/api/keys", "/api/signin"}, "", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			k := NewKit(t, Mode(test.pages), Setup{
				Service: func(c *usher.Config) { c.BaseURL = cmp.Or(test.baseURL, c.BaseURL) },
				Config: func(c *handlers.Config) {
					if c.Path = test.path; test.pages {
						c.Pages = &pages.Config{}
					}
				},
			})
			server := test.mount(k.Handlers)
			for range 3 {
				for _, path := range test.open {
					open(server, path)
				}
			}
			log := k.Logs.String()
			for _, message := range []string{unknown, other} {
				want := 0
				if message == test.want {
					want = 1
				}
				if got := strings.Count(log, message); got != want {
					t.Errorf("%q is logged %d times, want %d", message, got, want)
				}
			}
			for _, part := range test.parts {
				if !strings.Contains(log, part) {
					t.Errorf("the log lacks %s", part)
				}
			}
		})
	}
}

func TestEachHandlerIsCompleteAlone(t *testing.T) {
	t.Parallel()
	BothModes(t, func(t *testing.T, m Mode) {
		k := NewKit(t, m, Setup{})
		alone := map[string]http.HandlerFunc{
			"POST /signup": k.Handlers.SignUp, "POST /signin": k.Handlers.SignIn, "POST /password/update": k.Handlers.UpdatePassword, "POST /password/replace": k.Handlers.ReplacePassword,
			"POST /password/reset": k.Handlers.SendPasswordReset, "POST /password/reset/complete": k.Handlers.ResetPassword, "POST /password/reset/verify": k.Handlers.VerifyReset, "POST /invitation/accept": k.Handlers.AcceptInvitation,
			"GET /password/policy": k.Handlers.PasswordPolicy, "POST /email/verify/send": k.Handlers.SendEmailVerification, "POST /email/verify": k.Handlers.VerifyEmail,
			"POST /email/change": k.Handlers.ChangeEmail, "POST /account/delete": k.Handlers.DeleteAccount, "GET /account/data": k.Handlers.AccountData, "DELETE /email/change": k.Handlers.CancelEmailChange, "POST /session/refresh": k.Handlers.Refresh, "POST /session/confirm": k.Handlers.ConfirmSession, "GET /me": k.Handlers.Me, "PATCH /me": k.Handlers.UpdateMe,
			"GET /sessions": k.Handlers.Sessions, "DELETE /sessions/{id}": k.Handlers.RevokeSession, "POST /signout": k.Handlers.SignOut, "POST /signout/all": k.Handlers.SignOutEverywhere, "GET /keys": k.Handlers.Keys,
		}
		for route, handler := range alone {
			method, path, _ := strings.Cut(route, " ")
			single := &Kit{T: t, Mode: m, Server: handler}
			// This pattern has no method, so the route must check it.
			for _, other := range []string{http.MethodPut, http.MethodTrace} {
				if a := single.Do(Request{Method: other, Path: path}); a.Status != 405 || !strings.HasPrefix(a.Header.Get("Allow"), method) {
					t.Errorf("%s %s: %d %q", other, path, a.Status, a.Header.Get("Allow"))
				}
			}
			if method == http.MethodGet {
				continue
			}
			single.Do(Request{Method: method, Path: path, Body: "{}", Header: []string{"Sec-Fetch-Site", "cross-site"}}).Want(t, 403, "cross_origin")
			if a := single.Do(Request{Method: method, Path: path, Body: strings.Repeat(" ", 17<<10) + "{}"}); a.Status < 400 || a.Status >= 500 {
				t.Errorf("%s with 17 KiB: %d", route, a.Status)
			}
		}
		mux := http.NewServeMux()
		for route, handler := range alone {
			mux.HandleFunc(strings.Replace(route, " /", " /auth/", 1), handler)
		}
		k.Server = mux
		u := k.SignUp(Ann)
		other := k.SignIn(Ann, GoodPassword)
		k.Do(k.As(u, Request{Method: http.MethodDelete, Path: "/sessions/" + other.ID})).Want(t, 204, "")
		k.Do(k.As(u, Request{Method: http.MethodPatch, Path: "/me", Body: `{"name":"Ann"}`})).Want(t, 200, "")
		k.Do(k.As(u, Get("/me"))).Want(t, 200, "")
		k.Do(k.As(u, Post("/signout/all", ""))).Want(t, 200, "")
	})
}

func TestHP07_NothingIsReflected(t *testing.T) {
	t.Parallel()
	k := NewKit(t, InBodies, Setup{})
	const evil = `"><script>alert(1)</script>`
	name := `<b>"&'` + "\u2028"
	for _, q := range []Request{
		Post("/signup", SignUpBody(evil, GoodPassword)), Post("/signin", SignUpBody(evil, GoodPassword)), Get("/" + "%22%3E%3Cscript%3E"),
		Post("/password/reset", Object("loginId", Ann, "redirectUrl", evil)), Post("/signin", evil), Post("/signin", `{"`+"<script>"+`":1}`, "X-Request-Id", "<script>"),
		Get("/me", "Authorization", "Bearer <script>"), Get("/me?x=<script>"),
	} {
		a := k.Do(q)
		if strings.Contains(string(a.Body), "<") || strings.Contains(strings.Join(a.Header["X-Request-Id"], ""), "<") {
			t.Errorf("%s: %s", q.Path, a.Body)
		}
	}
	a := k.Do(Post("/signup", `{"loginId":"ann@example.com","password":"vast otter sings low","user":{"name":"<b>\"&'"}}`)).Want(t, 201, "")
	if strings.ContainsAny(string(a.Body), "<>&") || a.Text("user.name") != strings.TrimSuffix(name, "\u2028") {
		t.Errorf("body is %s", a.Body)
	}
}

func TestHP06_NoAnswerRedirects(t *testing.T) {
	t.Parallel()
	k := NewKit(t, InCookies, Setup{})
	u := k.SignUp(Ann)
	for _, next := range []string{"//evil.test", `/\evil.test`, "https:evil.test", "/%09/evil.test", "javascript:1"} {
		body := Object("loginId", Ann, "password", GoodPassword, "next", next, "return_to", next, "redirectUrl", next)
		for _, path := range writes {
			a := k.Do(k.As(u, Post(path+"?next="+strings.ReplaceAll(next, `\`, "%5C"), body)))
			if a.Status/100 == 3 || a.Header.Get("Location") != "" || strings.Contains(string(a.Body), "evil") {
				t.Errorf("%s: %d %v %s", path, a.Status, a.Header, a.Body)
			}
		}
	}
}

func TestRequestID(t *testing.T) {
	t.Parallel()
	k := NewKit(t, InBodies, Setup{})
	if a := k.Do(Get("/keys", "X-Request-Id", "abc.DEF_1-2")); a.Header.Get("X-Request-Id") != "abc.DEF_1-2" {
		t.Errorf("id is %q", a.Header.Get("X-Request-Id"))
	}
	seen := map[string]bool{}
	for _, bad := range []string{"a b", "x\r\ny", strings.Repeat("a", 65), strings.Repeat("a", 1<<20), "", "é", `{"level":"x"`} {
		id := k.Do(Get("/keys", "X-Request-Id", bad)).Header.Get("X-Request-Id")
		if id == bad || len(id) < 16 || len(id) > 64 || seen[id] {
			t.Errorf("%.20q: id is %q", bad, id)
		}
		seen[id] = true
	}
	// An outer middleware may have set the id of the request.
	w := httptest.NewRecorder()
	w.Header().Set("X-Request-Id", "outer")
	if k.Handlers.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/keys", nil)); w.Result().Header.Get("X-Request-Id") != "outer" {
		t.Errorf("id is %q", w.Result().Header.Get("X-Request-Id"))
	}
	_, _ = io.Copy(io.Discard, w.Result().Body)
}

// The header binds the whole host, so the mount sends it only if the program says so.
func TestHP01_HSTSOnlyIfConfigured(t *testing.T) {
	t.Parallel()
	for _, value := range []string{"", "max-age=86400"} {
		k := NewKit(t, InBodies, Setup{Config: func(c *handlers.Config) { c.HSTS = value }})
		w := httptest.NewRecorder()
		k.Handlers.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "https://app.example/keys", nil))
		if got := w.Result().Header.Get("Strict-Transport-Security"); got != value {
			t.Errorf("configured as %q, sent as %q", value, got)
		}
	}
}

func TestHP01_HSTSOverTLSOnly(t *testing.T) {
	t.Parallel()
	k := NewKit(t, InBodies, Setup{})
	w := httptest.NewRecorder()
	k.Handlers.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://app.example/keys", nil))
	if got := w.Result().Header.Get("Strict-Transport-Security"); got != "" {
		t.Errorf("over http: %q", got)
	}
	r := httptest.NewRequest(http.MethodGet, "http://app.example/keys", nil)
	r.Header.Set("X-Forwarded-Proto", "https")
	w = httptest.NewRecorder()
	k.Handlers.ServeHTTP(w, r)
	if got := w.Result().Header.Get("Strict-Transport-Security"); got != "" {
		t.Errorf("an untrusted client says https: %q", got)
	}
}

func TestLM05_TheServerDoesNotWait(t *testing.T) {
	t.Parallel()
	k := NewKit(t, InBodies, Setup{})
	s := handlers.NewServer("127.0.0.1:0", k.Server)
	if s.ReadHeaderTimeout != 5*time.Second || s.ReadTimeout != 15*time.Second || s.WriteTimeout != 30*time.Second || s.IdleTimeout != time.Minute || s.MaxHeaderBytes != 32<<10 {
		t.Errorf("server is %+v", s)
	}
	if s.Addr != "127.0.0.1:0" || s.Handler == nil {
		t.Errorf("address is %s", s.Addr)
	}
	l, err := net.Listen("tcp", s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	r, err := http.NewRequest(http.MethodGet, "http://"+l.Addr().String()+"/auth/keys", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Cookie", strings.Repeat("a=b; ", 10_000))
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("10,000 cookies: %d, want 431", answer.StatusCode)
	}
}
