package webtest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// Request is one request to the routes. Path is below /auth unless it begins with
// "~". A header is a pair of name and value; an empty value removes it.
type Request struct {
	Method, Path, Body string
	Header             []string
}

// With returns a copy of the request with further headers.
func (q Request) With(header ...string) Request {
	q.Header = append(slices.Clone(q.Header), header...)
	return q
}

// Post returns a POST request.
func Post(path, body string, header ...string) Request {
	return Request{Method: http.MethodPost, Path: path, Body: body, Header: header}
}

// Get returns a GET request.
func Get(path string, header ...string) Request {
	return Request{Method: http.MethodGet, Path: path, Header: header}
}

// Reply is an answer.
type Reply struct {
	Status int
	Header http.Header
	Body   []byte
	JSON   map[string]any
}

// Do sends a request and checks what holds for every answer.
func (k *Kit) Do(q Request) *Reply {
	if k.T != nil {
		k.T.Helper()
	}
	target := "https://app.example/auth" + q.Path
	if rest, ok := strings.CutPrefix(q.Path, "~"); ok {
		target = "https://app.example" + rest
	}
	r := httptest.NewRequest(q.Method, target, strings.NewReader(q.Body))
	if q.Body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(q.Header); i += 2 {
		if q.Header[i+1] == "" {
			r.Header.Del(q.Header[i])
		} else {
			r.Header.Add(q.Header[i], q.Header[i+1])
		}
		if q.Header[i] == "Content-Type" {
			r.Header.Set("Content-Type", q.Header[i+1])
		}
	}
	w := httptest.NewRecorder()
	k.Server.ServeHTTP(w, r)
	a := &Reply{Status: w.Code, Header: w.Result().Header, Body: w.Body.Bytes()}
	_ = json.Unmarshal(a.Body, &a.JSON)
	if k.T != nil && !strings.HasPrefix(q.Path, "~") {
		checkEveryAnswer(k.T, q, a)
	}
	return a
}

// checkEveryAnswer checks HP-01, CK-01 and CK-02 in an answer.
func checkEveryAnswer(t *testing.T, q Request, a *Reply) {
	t.Helper()
	want := map[string]string{
		"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
		"Content-Security-Policy":      "default-src 'none'; frame-ancestors 'none'",
		"Strict-Transport-Security":    HSTS,
		"Cross-Origin-Resource-Policy": "same-origin",
	}
	if strings.HasPrefix(q.Path, "/keys") && (a.Status == 200 || a.Status == 304) {
		want["Cache-Control"] = "public, max-age=60"
	}
	for name, value := range want {
		if got := a.Header.Get(name); got != value {
			t.Errorf("HP-01: %s %s: %s is %q, want %q", q.Method, q.Path, name, got, value)
		}
	}
	contentType := a.Header.Get("Content-Type")
	if len(a.Body) > 0 && a.Status >= 400 && contentType != "application/problem+json; charset=utf-8" ||
		len(a.Body) > 0 && !strings.HasSuffix(contentType, "; charset=utf-8") {
		t.Errorf("HP-01: %s %s: Content-Type is %q", q.Method, q.Path, contentType)
	}
	if got := a.Header.Get("Retry-After"); a.Status == 503 && got != "5" {
		t.Errorf("FB-06: %s %s: Retry-After of an outage is %q", q.Method, q.Path, got)
	}
	if id := a.Header.Get("X-Request-Id"); id == "" {
		t.Errorf("%s %s: no X-Request-Id", q.Method, q.Path)
	}
	checkCookies(t, a.Header)
	if a.Status < 400 {
		return
	}
	for _, member := range []string{"type", "title", "code", "detail", "requestId"} {
		if s, _ := a.JSON[member].(string); s == "" && q.Method != http.MethodHead {
			t.Errorf("%s %s: the problem has no %s: %s", q.Method, q.Path, member, a.Body)
		}
	}
	if q.Method != http.MethodHead && (a.JSON["status"] != float64(a.Status) || a.JSON["requestId"] != a.Header.Get("X-Request-Id")) {
		t.Errorf("%s %s: the problem does not match its answer: %s", q.Method, q.Path, a.Body)
	}
}

// checkCookies checks CK-01 and CK-02 in every cookie that is set.
func checkCookies(t *testing.T, header http.Header) {
	t.Helper()
	for _, line := range header["Set-Cookie"] {
		c, err := http.ParseSetCookie(line)
		if err != nil {
			t.Errorf("CK-01: Set-Cookie cannot be read: %v", err)
			continue
		}
		if !strings.HasPrefix(c.Name, "__Host-") || !c.Secure || !c.HttpOnly || c.Path != "/" || c.Domain != "" ||
			c.SameSite != http.SameSiteLaxMode && c.SameSite != http.SameSiteStrictMode || len(c.Name)+len(c.Value) > 4096 {
			t.Errorf("CK-01: cookie %s has wrong attributes", c.Name)
		}
	}
}

// Code returns the code of a problem document, or "".
func (a *Reply) Code() string { s, _ := a.JSON["code"].(string); return s }

// Text returns a member by its path, such as "user.email".
func (a *Reply) Text(path string) string {
	var v any = a.JSON
	for _, name := range strings.Split(path, ".") {
		m, _ := v.(map[string]any)
		v = m[name]
	}
	s, _ := v.(string)
	return s
}

// InputErrors returns "field:code" of every input in a problem document.
func (a *Reply) InputErrors() string {
	var all []string
	list, _ := a.JSON["fields"].([]any)
	for _, f := range list {
		m, _ := f.(map[string]any)
		all = append(all, fmt.Sprintf("%v:%v", m["field"], m["code"]))
	}
	return strings.Join(all, " ")
}

// Want fails the test unless the answer has that status and code.
func (a *Reply) Want(t *testing.T, status int, code string) *Reply {
	t.Helper()
	if a.Status != status || a.Code() != code {
		t.Fatalf("answer is %d %q, want %d %q: %s", a.Status, a.Code(), status, code, a.Body)
	}
	return a
}

// Tokens has the credentials that a client keeps from an answer.
type Tokens struct {
	Cookie, Bearer, Refresh, ID string
}

// Keep returns the credentials after an answer: those from before, updated with the
// cookies and tokens of the answer.
func (a *Reply) Keep(before Tokens) Tokens {
	have := map[string]string{}
	for _, pair := range strings.Split(before.Cookie, "; ") {
		if name, value, ok := strings.Cut(pair, "="); ok {
			have[name] = value
		}
	}
	for _, c := range (&http.Response{Header: a.Header}).Cookies() {
		have[c.Name] = c.Value
		if c.MaxAge < 0 {
			delete(have, c.Name)
		}
	}
	var pairs []string
	for name, value := range have {
		pairs = append(pairs, name+"="+value)
	}
	slices.Sort(pairs)
	w := Tokens{Cookie: strings.Join(pairs, "; "), Bearer: a.Text("sessionToken"), Refresh: a.Text("refreshToken"), ID: a.Text("session.id")}
	w.Bearer, w.Refresh, w.ID = cmp.Or(w.Bearer, before.Bearer), cmp.Or(w.Refresh, before.Refresh), cmp.Or(w.ID, before.ID)
	return w
}

// As returns the request as a signed-in client sends it: a browser with cookies, or
// a program with a bearer token.
func (k *Kit) As(u Tokens, q Request) Request {
	if k.Mode == InCookies {
		return q.With("Cookie", u.Cookie, "Sec-Fetch-Site", "same-origin")
	}
	return q.With("Authorization", "Bearer "+u.Bearer)
}

// Refresh returns the request for new tokens.
func (k *Kit) Refresh(u Tokens) Request {
	if k.Mode == InCookies {
		return k.As(u, Post("/session/refresh", ""))
	}
	return Post("/session/refresh", Object("refreshToken", u.Refresh))
}

// Object returns a JSON object of strings.
func Object(pairs ...string) string {
	m := map[string]string{}
	for i := 0; i+1 < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	b, _ := json.Marshal(m)
	return string(b)
}

// SignUpBody returns a body for POST /signup and POST /signin.
func SignUpBody(loginID, pw string) string { return Object("loginId", loginID, "password", pw) }
