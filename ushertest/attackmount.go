package ushertest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"

	"github.com/usherkit/usher"
)

// attackCookies checks the cookies of a sign-in.
func (x *attack) attackCookies() {
	https := strings.HasPrefix(x.app.URL, "https:")
	for _, c := range x.signIn().Result().Cookies() {
		switch {
		case c.MaxAge < 0 || c.Value == "":
		case https && !c.Secure:
			x.report("cookies: %s is sent over plain http: it lacks Secure", c.Name)
		case !c.HttpOnly:
			x.report("cookies: scripts can read %s: it lacks HttpOnly", c.Name)
		case c.SameSite == 0:
			x.report("cookies: %s lacks SameSite", c.Name)
		}
	}
}

// attackReturnTo signs in at the page with a return path to another site.
func (x *attack) attackReturnTo() {
	const evil = "evil.example"
	for _, to := range []string{"https://" + evil + "/", "//" + evil + "/", `/\` + evil, "https:" + evil} {
		form := url.Values{"loginId": {attackedUser}, "password": {Password.Reveal()}, "return_to": {to}}.Encode()
		r := httptest.NewRequest("POST", x.app.URL+x.app.cfg.Path+"/signin?"+url.Values{"return_to": {to}}.Encode(), strings.NewReader(form))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", x.app.URL)
		r = x.prepare(r)
		if got := x.do(r).Header().Get("Location"); leadsTo(got, evil) {
			x.report("open redirect: a sign-in with return_to=%s is redirected to %s", to, got)
			return
		}
	}
}

// attackAddress forges the address of a client.
func (x *attack) attackAddress() {
	const forged = "198.51.100.77"
	r := x.post(x.app.cfg.Path+"/signin", map[string]string{"loginId": attackedUser, "password": "wrong horse battery"})
	r.RemoteAddr = "203.0.113.9:4711"
	for name, value := range map[string]string{
		"X-Forwarded-For": forged, "X-Real-IP": forged, "True-Client-IP": forged, "CF-Connecting-IP": forged, "Forwarded": "for=" + forged,
	} {
		r.Header.Set(name, value)
	}
	x.do(r)
	page, err := x.app.Service.Operator("ushertest").Events(x.app.t.Context(), usher.EventQuery{UserID: x.app.User(attackedUser).ID, Limit: 1})
	if err != nil || len(page.Events) == 0 {
		x.app.t.Fatalf("ushertest: the audit table has no event of a sign-in that failed: %v", err)
	}
	if strings.Contains(page.Events[0].Address, forged) {
		x.report("addresses: a client at 203.0.113.9 that is no proxy chooses its address by a header, and so the counter of its attempts. Is a network in TrustedProxies too wide?")
	}
}

// attackAnswers compares the answers for a user with those for a free login id.
func (x *attack) attackAnswers(requests []func(loginID string) *http.Request) {
	const free = "ushertest.stranger@example.com" // as long as attackedUser
	path := x.app.cfg.Path
	mine := []func(loginID string) *http.Request{
		func(id string) *http.Request {
			return x.post(path+"/signin", map[string]string{"loginId": id, "password": "wrong horse battery"})
		},
		func(id string) *http.Request {
			return x.post(path+"/password/reset", map[string]string{"loginId": id})
		},
	}
	if x.app.Service.ConfirmFirst() {
		mine = append(mine, func(id string) *http.Request {
			return x.post(path+"/signup", map[string]string{"loginId": id, "password": Password.Reveal()})
		})
	}
	for _, request := range append(mine, requests...) {
		taken, unknown := request(attackedUser), request(free)
		route := taken.Method + " " + taken.URL.Path
		a, b := x.do(taken), x.do(unknown)
		if got, want := answer(b, free), answer(a, attackedUser); got != want {
			x.report("%s reveals whether a user exists:\n  for a user:          %s\n  for a free login id: %s", route, want, got)
		}
	}
}

// answer describes an answer without what differs between any two of them.
func answer(w *httptest.ResponseRecorder, loginID string) string {
	var text strings.Builder
	fmt.Fprint(&text, w.Code)
	for _, name := range slices.Sorted(maps.Keys(w.Header())) {
		switch name {
		case "Date", "X-Request-Id", "Content-Length":
		case "Set-Cookie":
			for _, c := range w.Result().Cookies() {
				fmt.Fprintf(&text, " %s: %s", name, c.Name)
			}
		default:
			fmt.Fprintf(&text, " %s: %s", name, strings.Join(w.Header()[name], ", "))
		}
	}
	content := strings.ReplaceAll(w.Body.String(), loginID, "LOGINID")
	if id := w.Header().Get("X-Request-Id"); id != "" {
		content = strings.ReplaceAll(content, id, "REQUEST")
	}
	return text.String() + " " + content
}

// leadsTo reports whether a browser that gets this Location asks the host.
func leadsTo(location, host string) bool {
	location = strings.ReplaceAll(location, `\`, "/")
	u, err := url.Parse(location)
	if location == "" {
		return false
	}
	return err != nil || u.Hostname() == host || u.Host == "" && u.Opaque == host
}

// request returns a request of a client elsewhere, without a session.
func (x *attack) request(method, path string) *http.Request {
	return x.prepare(httptest.NewRequest(method, x.app.URL+path, nil))
}

// prepare adds what each request of the attacks has.
func (x *attack) prepare(r *http.Request) *http.Request {
	r.RemoteAddr = "192.0.2.1:1234"
	if r.Header.Get("Content-Type") == "" && r.ContentLength != 0 {
		r.Header.Set("Content-Type", "application/json")
	}
	return r.WithContext(x.app.t.Context())
}

// route returns a request to the route.
func (x *attack) route(r route) *http.Request {
	if !r.changes() {
		return x.request(r.method, r.path)
	}
	return x.prepare(httptest.NewRequest(r.method, x.app.URL+r.path, strings.NewReader("{}")))
}

// post returns a request with a JSON body.
func (x *attack) post(path string, fields map[string]string) *http.Request {
	text, _ := json.Marshal(fields)
	return x.prepare(httptest.NewRequest("POST", x.app.URL+path, bytes.NewReader(text)))
}

// as adds the session of a sign-in to the request, and the headers of the program's own page.
func (x *attack) as(in *httptest.ResponseRecorder, r *http.Request) *http.Request {
	var tokens bearerTokens
	_ = json.Unmarshal(in.Body.Bytes(), &tokens)
	if tokens.Session != "" {
		r.Header.Set("Authorization", "Bearer "+tokens.Session.Reveal())
	}
	for _, c := range in.Result().Cookies() {
		if c.MaxAge >= 0 {
			r.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value})
		}
	}
	fromOwnPage(r, x.app.URL)
	return r
}

func (x *attack) signInRequest() *http.Request {
	return x.post(x.app.cfg.Path+"/signin", map[string]string{"loginId": attackedUser, "password": Password.Reveal()})
}

// signIn signs the attacked user in at the mount.
func (x *attack) signIn() *httptest.ResponseRecorder { return x.do(x.signInRequest()) }

// do calls the program. A panic of it is a finding.
func (x *attack) do(r *http.Request) (w *httptest.ResponseRecorder) {
	w = httptest.NewRecorder()
	defer func() {
		if p := recover(); p != nil && p != http.ErrAbortHandler {
			x.report("%s %s: the program panics: %v", r.Method, r.URL.Path, p)
		}
	}()
	x.app.handler.ServeHTTP(w, r)
	return w
}
