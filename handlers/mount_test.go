package handlers_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// table is every route of the mount and its methods.
var table = map[string]string{
	"/signup": "POST", "/signin": "POST", "/password/update": "POST", "/password/replace": "POST", "/password/reset": "POST",
	"/password/reset/complete": "POST", "/password/reset/verify": "POST", "/password/policy": "GET, HEAD", "/email/verify/send": "POST",
	"/email/verify": "POST", "/email/change": "DELETE, POST", "/session/refresh": "POST", "/me": "GET, HEAD, PATCH", "/sessions": "GET, HEAD",
	"/sessions/x": "DELETE", "/signout": "POST", "/signout/all": "POST", "/keys": "GET, HEAD", "/revocations": "GET, HEAD",
}

func TestCS05_HP07_OnlyKnownMethods(t *testing.T) {
	t.Parallel()
	bothModes(t, func(t *testing.T, m mode) {
		k := newKit(t, m, setup{})
		u := k.signUp(ann)
		k.events.take()
		for path, allow := range table {
			for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "get"} {
				if strings.Contains(", "+allow+",", ", "+method+",") {
					continue
				}
				a := k.do(k.as(u, request{method, path, "", nil}))
				if a.status != 405 || a.header.Get("Allow") != allow || len(a.header["Set-Cookie"]) > 0 {
					t.Errorf("%s %s: %d, Allow %q, want 405 and %q", method, path, a.status, a.header.Get("Allow"), allow)
				}
			}
		}
		if got := k.events.take(); got != "" || !k.alive(u) {
			t.Errorf("events are %q, alive %t", got, k.alive(u))
		}
		for path, allow := range table {
			if strings.HasPrefix(allow, "GET, HEAD") {
				full := k.do(k.as(u, get(path))).want(t, 200, "")
				head := k.do(k.as(u, request{http.MethodHead, path, "", nil}))
				if head.status != full.status || head.header.Get("Content-Type") != full.header.Get("Content-Type") {
					t.Errorf("HEAD %s: %d %v", path, head.status, head.header)
				}
			}
		}
	})
}

func TestHP07_PathsAreTakenAsTheyAre(t *testing.T) {
	t.Parallel()
	k := newKit(t, inCookies, setup{})
	mux := http.NewServeMux()
	mux.Handle("/auth/", k.h)
	bare := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.StripPrefix("/auth", k.h).ServeHTTP(w, r) })
	body := signUpBody(ann, goodPassword)
	for _, path := range []string{
		"//signup", "/x/../signup", "/./signup", "/signup/", "/signup/.", "/SIGNUP", "/signup%2f", "/%2e/signup", "/", "", "/nothing", "/forgot", "/reset",
		"/verify", "/account", "/sessions/", "/sessions//x", "/sessions/x/y", "/password", "/password/reset/", "/sessions/..%2fsignup", `/\signup`, "/auth/signup/x",
	} {
		for name, server := range map[string]http.Handler{"stripped": bare, "whole": mux, "both": k.server} {
			if name != "stripped" && (strings.Contains(path, "..") || strings.Contains(path, "/.") || strings.Contains(path, "//") || path == "") {
				continue // the program's own ServeMux redirects these before the mount sees them
			}
			r := httptest.NewRequest(http.MethodPost, "https://app.example/auth"+path, strings.NewReader(body))
			r.Header.Set("Content-Type", "application/json")
			w := httptest.NewRecorder()
			server.ServeHTTP(w, r)
			a := &reply{status: w.Code, header: w.Result().Header}
			if w.Code != 404 || !strings.Contains(w.Body.String(), `"code":"not_found"`) || a.header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s %q: %d %s, want a problem with 404", name, path, w.Code, w.Body)
			}
		}
	}
	if _, err := k.svc.UserByLoginID(t.Context(), ann); err == nil {
		t.Error("somebody was signed up")
	}
	// An escaped letter is the letter.
	for _, server := range []http.Handler{bare, mux, k.server} {
		r := httptest.NewRequest(http.MethodGet, "https://app.example/auth/%6beys", nil)
		w := httptest.NewRecorder()
		if server.ServeHTTP(w, r); w.Code != 200 {
			t.Errorf("/%%6beys: %d", w.Code)
		}
	}
}

func TestMountedAnywhere(t *testing.T) {
	t.Parallel()
	k := newKit(t, inBodies, setup{})
	outer := http.NewServeMux()
	outer.Handle("/auth/", k.h)
	outer.Handle("app.example/api/v1/auth/", k.h)
	outer.Handle("/stripped/", http.StripPrefix("/stripped", k.h))
	root := http.NewServeMux()
	root.Handle("/", k.h)
	for path, server := range map[string]http.Handler{"/auth/keys": outer, "/api/v1/auth/keys": outer, "/stripped/keys": outer, "/keys": root} {
		w := httptest.NewRecorder()
		server.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "https://app.example"+path, nil))
		if w.Code != 200 || !strings.Contains(w.Body.String(), `"keys"`) {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}

func TestEachHandlerIsCompleteAlone(t *testing.T) {
	t.Parallel()
	bothModes(t, func(t *testing.T, m mode) {
		k := newKit(t, m, setup{})
		alone := map[string]http.HandlerFunc{
			"POST /signup": k.h.SignUp, "POST /signin": k.h.SignIn, "POST /password/update": k.h.UpdatePassword, "POST /password/replace": k.h.ReplacePassword,
			"POST /password/reset": k.h.SendPasswordReset, "POST /password/reset/complete": k.h.ResetPassword, "POST /password/reset/verify": k.h.VerifyReset,
			"GET /password/policy": k.h.PasswordPolicy, "POST /email/verify/send": k.h.SendEmailVerification, "POST /email/verify": k.h.VerifyEmail,
			"POST /email/change": k.h.ChangeEmail, "DELETE /email/change": k.h.CancelEmailChange, "POST /session/refresh": k.h.Refresh, "GET /me": k.h.Me, "PATCH /me": k.h.UpdateMe,
			"GET /sessions": k.h.Sessions, "DELETE /sessions/{id}": k.h.RevokeSession, "POST /signout": k.h.SignOut, "POST /signout/all": k.h.SignOutEverywhere, "GET /keys": k.h.Keys,
		}
		for route, handler := range alone {
			method, path, _ := strings.Cut(route, " ")
			single := &kit{t: t, mode: m, server: handler}
			// No method of its own pattern guards it here.
			for _, other := range []string{http.MethodPut, http.MethodTrace} {
				if a := single.do(request{other, path, "", nil}); a.status != 405 || !strings.HasPrefix(a.header.Get("Allow"), method) {
					t.Errorf("%s %s: %d %q", other, path, a.status, a.header.Get("Allow"))
				}
			}
			if method == http.MethodGet {
				continue
			}
			single.do(request{method, path, "{}", []string{"Sec-Fetch-Site", "cross-site"}}).want(t, 403, "cross_origin")
			if a := single.do(request{method, path, strings.Repeat(" ", 17<<10) + "{}", nil}); a.status < 400 || a.status >= 500 {
				t.Errorf("%s with 17 KiB: %d", route, a.status)
			}
		}
		mux := http.NewServeMux()
		for route, handler := range alone {
			mux.HandleFunc(strings.Replace(route, " /", " /auth/", 1), handler)
		}
		k.server = mux
		u := k.signUp(ann)
		other := k.signIn(ann, goodPassword)
		k.do(k.as(u, request{http.MethodDelete, "/sessions/" + other.id, "", nil})).want(t, 204, "")
		k.do(k.as(u, request{http.MethodPatch, "/me", `{"name":"Ann"}`, nil})).want(t, 200, "")
		k.do(k.as(u, get("/me"))).want(t, 200, "")
		k.do(k.as(u, post("/signout/all", ""))).want(t, 200, "")
	})
}

func TestHP07_NothingIsReflected(t *testing.T) {
	t.Parallel()
	k := newKit(t, inBodies, setup{})
	const evil = `"><script>alert(1)</script>`
	name := `<b>"&'` + "\u2028"
	for _, q := range []request{
		post("/signup", signUpBody(evil, goodPassword)), post("/signin", signUpBody(evil, goodPassword)), get("/" + "%22%3E%3Cscript%3E"),
		post("/password/reset", object("loginId", ann, "redirectUrl", evil)), post("/signin", evil), post("/signin", `{"`+"<script>"+`":1}`, "X-Request-Id", "<script>"),
		get("/me", "Authorization", "Bearer <script>"), get("/me?x=<script>"),
	} {
		a := k.do(q)
		if strings.Contains(string(a.body), "<") || strings.Contains(strings.Join(a.header["X-Request-Id"], ""), "<") {
			t.Errorf("%s: %s", q.path, a.body)
		}
	}
	a := k.do(post("/signup", `{"loginId":"ann@example.com","password":"vast otter sings low","user":{"name":"<b>\"&'"}}`)).want(t, 201, "")
	if strings.ContainsAny(string(a.body), "<>&") || a.text("user.name") != strings.TrimSuffix(name, "\u2028") {
		t.Errorf("body is %s", a.body)
	}
}

func TestHP06_NoAnswerRedirects(t *testing.T) {
	t.Parallel()
	k := newKit(t, inCookies, setup{})
	u := k.signUp(ann)
	for _, next := range []string{"//evil.test", `/\evil.test`, "https:evil.test", "/%09/evil.test", "javascript:1"} {
		body := object("loginId", ann, "password", goodPassword, "next", next, "return_to", next, "redirectUrl", next)
		for _, path := range writes {
			a := k.do(k.as(u, post(path+"?next="+strings.ReplaceAll(next, `\`, "%5C"), body)))
			if a.status/100 == 3 || a.header.Get("Location") != "" || strings.Contains(string(a.body), "evil") {
				t.Errorf("%s: %d %v %s", path, a.status, a.header, a.body)
			}
		}
	}
}

func TestRequestID(t *testing.T) {
	t.Parallel()
	k := newKit(t, inBodies, setup{})
	if a := k.do(get("/keys", "X-Request-Id", "abc.DEF_1-2")); a.header.Get("X-Request-Id") != "abc.DEF_1-2" {
		t.Errorf("id is %q", a.header.Get("X-Request-Id"))
	}
	seen := map[string]bool{}
	for _, bad := range []string{"a b", "x\r\ny", strings.Repeat("a", 65), strings.Repeat("a", 1<<20), "", "é", `{"level":"x"`} {
		id := k.do(get("/keys", "X-Request-Id", bad)).header.Get("X-Request-Id")
		if id == bad || len(id) < 16 || len(id) > 64 || seen[id] {
			t.Errorf("%.20q: id is %q", bad, id)
		}
		seen[id] = true
	}
	// A middleware outside may have named the request already.
	w := httptest.NewRecorder()
	w.Header().Set("X-Request-Id", "outer")
	if k.h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/keys", nil)); w.Result().Header.Get("X-Request-Id") != "outer" {
		t.Errorf("id is %q", w.Result().Header.Get("X-Request-Id"))
	}
	_, _ = io.Copy(io.Discard, w.Result().Body)
}

func TestHP01_HSTSOverTLSOnly(t *testing.T) {
	t.Parallel()
	k := newKit(t, inBodies, setup{})
	w := httptest.NewRecorder()
	k.h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://app.example/keys", nil))
	if got := w.Result().Header.Get("Strict-Transport-Security"); got != "" {
		t.Errorf("over http: %q", got)
	}
	r := httptest.NewRequest(http.MethodGet, "http://app.example/keys", nil)
	r.Header.Set("X-Forwarded-Proto", "https")
	w = httptest.NewRecorder()
	k.h.ServeHTTP(w, r)
	if got := w.Result().Header.Get("Strict-Transport-Security"); got != "" {
		t.Errorf("a stranger says https: %q", got)
	}
}
