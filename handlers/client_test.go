package handlers_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// request is one request to the routes; path is below /auth unless it begins
// with "~". A header is a pair of name and value; an empty value removes it.
type request struct {
	method, path, body string
	header             []string
}

func (q request) with(header ...string) request {
	q.header = append(slices.Clone(q.header), header...)
	return q
}

func post(path, body string, header ...string) request {
	return request{http.MethodPost, path, body, header}
}

func get(path string, header ...string) request { return request{http.MethodGet, path, "", header} }

// reply is an answer.
type reply struct {
	status int
	header http.Header
	body   []byte
	json   map[string]any
}

// do sends a request and checks what holds for every answer.
func (k *kit) do(q request) *reply {
	if k.t != nil {
		k.t.Helper()
	}
	target := "https://app.example/auth" + q.path
	if rest, ok := strings.CutPrefix(q.path, "~"); ok {
		target = "https://app.example" + rest
	}
	r := httptest.NewRequest(q.method, target, strings.NewReader(q.body))
	if q.body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(q.header); i += 2 {
		if q.header[i+1] == "" {
			r.Header.Del(q.header[i])
		} else {
			r.Header.Add(q.header[i], q.header[i+1])
		}
		if q.header[i] == "Content-Type" {
			r.Header.Set("Content-Type", q.header[i+1])
		}
	}
	w := httptest.NewRecorder()
	k.server.ServeHTTP(w, r)
	a := &reply{status: w.Code, header: w.Result().Header, body: w.Body.Bytes()}
	_ = json.Unmarshal(a.body, &a.json)
	if k.t != nil && !strings.HasPrefix(q.path, "~") {
		checkEveryAnswer(k.t, q, a)
	}
	return a
}

// checkEveryAnswer proves HP-01 and CK-01, CK-02 of an answer.
func checkEveryAnswer(t *testing.T, q request, a *reply) {
	t.Helper()
	want := map[string]string{
		"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
		"Content-Security-Policy":   "default-src 'none'; frame-ancestors 'none'",
		"Strict-Transport-Security": "max-age=31536000; includeSubDomains",
	}
	if strings.HasPrefix(q.path, "/keys") && (a.status == 200 || a.status == 304) {
		want["Cache-Control"] = "public, max-age=300"
	}
	if strings.HasPrefix(q.path, "/revocations") && a.status == 200 {
		want["Cache-Control"] = "public, max-age=1"
		if slices.Contains(q.header, "Authorization") { // a check may stand before it
			want["Cache-Control"] = "private, max-age=1"
		}
	}
	for name, value := range want {
		if got := a.header.Get(name); got != value {
			t.Errorf("HP-01: %s %s: %s is %q, want %q", q.method, q.path, name, got, value)
		}
	}
	contentType := a.header.Get("Content-Type")
	if len(a.body) > 0 && a.status >= 400 && contentType != "application/problem+json; charset=utf-8" ||
		len(a.body) > 0 && !strings.HasSuffix(contentType, "; charset=utf-8") {
		t.Errorf("HP-01: %s %s: Content-Type is %q", q.method, q.path, contentType)
	}
	if id := a.header.Get("X-Request-Id"); id == "" {
		t.Errorf("%s %s: no X-Request-Id", q.method, q.path)
	}
	checkCookies(t, a.header)
	if a.status < 400 {
		return
	}
	for _, member := range []string{"type", "title", "code", "detail", "requestId"} {
		if s, _ := a.json[member].(string); s == "" && q.method != http.MethodHead {
			t.Errorf("%s %s: the problem has no %s: %s", q.method, q.path, member, a.body)
		}
	}
	if q.method != http.MethodHead && (a.json["status"] != float64(a.status) || a.json["requestId"] != a.header.Get("X-Request-Id")) {
		t.Errorf("%s %s: the problem does not match its answer: %s", q.method, q.path, a.body)
	}
}

// checkCookies proves CK-01 and CK-02 of every cookie that is set.
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

func (a *reply) code() string { s, _ := a.json["code"].(string); return s }

// text returns a member by its path, such as "user.email".
func (a *reply) text(path string) string {
	var v any = a.json
	for _, name := range strings.Split(path, ".") {
		m, _ := v.(map[string]any)
		v = m[name]
	}
	s, _ := v.(string)
	return s
}

// fields returns "field:code" of every input that a problem blames.
func (a *reply) fields() string {
	var all []string
	list, _ := a.json["fields"].([]any)
	for _, f := range list {
		m, _ := f.(map[string]any)
		all = append(all, fmt.Sprintf("%v:%v", m["field"], m["code"]))
	}
	return strings.Join(all, " ")
}

// want fails unless the answer has that status and code.
func (a *reply) want(t *testing.T, status int, code string) *reply {
	t.Helper()
	if a.status != status || a.code() != code {
		t.Fatalf("answer is %d %q, want %d %q: %s", a.status, a.code(), status, code, a.body)
	}
	return a
}

// who is what a client keeps of an answer.
type who struct {
	cookie, bearer, refresh, id string
}

// keep is what a client keeps, on top of the cookies that it had.
func (a *reply) keep(before who) who {
	have := map[string]string{}
	for _, pair := range strings.Split(before.cookie, "; ") {
		if name, value, ok := strings.Cut(pair, "="); ok {
			have[name] = value
		}
	}
	for _, c := range (&http.Response{Header: a.header}).Cookies() {
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
	w := who{cookie: strings.Join(pairs, "; "), bearer: a.text("sessionToken"), refresh: a.text("refreshToken"), id: a.text("session.id")}
	if w.bearer == "" {
		w.bearer, w.refresh = before.bearer, before.refresh
	}
	return w
}

// as makes a request one of somebody who is signed in: a browser's, or a
// program's.
func (k *kit) as(u who, q request) request {
	if k.mode == inCookies {
		return q.with("Cookie", u.cookie, "Sec-Fetch-Site", "same-origin")
	}
	return q.with("Authorization", "Bearer "+u.bearer)
}

// refresh is the request for new tokens.
func (k *kit) refresh(u who) request {
	if k.mode == inCookies {
		return k.as(u, post("/session/refresh", ""))
	}
	return post("/session/refresh", object("refreshToken", u.refresh))
}

// object is a JSON object of texts.
func object(pairs ...string) string {
	m := map[string]string{}
	for i := 0; i+1 < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	b, _ := json.Marshal(m)
	return string(b)
}

func signUpBody(loginID, pw string) string { return object("loginId", loginID, "password", pw) }
