package openapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/handlers"
	"github.com/usherkit/usher/pages"
	"github.com/usherkit/usher/texts"
	"github.com/usherkit/usher/token"
	"github.com/usherkit/usher/ushertest"
)

const (
	ann   = "ann@example.com"
	other = "calm heron reads maps"
)

var password = string(ushertest.Password)

// object is a JSON object.
type object = map[string]any

// program is a program with a mount of one kind.
type program struct {
	*ushertest.App
	t       *testing.T
	doc     *document
	cookies bool
}

// start starts a program. With cookies the tokens are in cookies, otherwise in bodies.
func start(t *testing.T, doc *document, cookies bool, cfg ushertest.Config) *program {
	t.Helper()
	cfg.Program = func(service *usher.Service) http.Handler {
		mount := handlers.Config{Texts: texts.Catalogue{Texts: map[string]map[string]string{"en": {"own.field.company": "Company"}}}}
		if cookies {
			mount.Pages = &pages.Config{}
		}
		auth, mux := usher.Must(handlers.New(service, mount)), http.NewServeMux()
		mux.Handle("/auth/", auth)
		mux.HandleFunc("POST /act", func(w http.ResponseWriter, r *http.Request) {
			auth.Finish(w, r, usher.Must(service.Operator("ops:test").Impersonate(r.Context(), r.FormValue("user"), auth.Client(w, r))))
		})
		return mux
	}
	return &program{ushertest.New(t, cfg), t, doc, cookies}
}

// client is a client of a program: it keeps the tokens of its newest answer.
type client struct {
	*program
	jar                      map[string]*http.Cookie
	session, refresh, device string
	breaks                   bool // the first write of each answer panics
}

func (p *program) client() *client { return &client{program: p, jar: map[string]*http.Cookie{}} }

// signedUp returns a client that has signed up with that login id.
func (p *program) signedUp(loginID string) *client {
	p.t.Helper()
	c := p.client()
	c.do("POST", "/signup", object{"loginId": loginID, "password": password}, 201)
	return c
}

// anyStatus stands for each documented status.
const anyStatus = 0

// do sends a request and compares it and its answer with the document.
func (c *client) do(method, path string, body any, want int, set ...func(*http.Request)) object {
	c.t.Helper()
	text := ""
	if s, ok := body.(string); ok {
		text = s
	} else if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			c.t.Fatal(err)
		}
		text = string(b)
	}
	r := httptest.NewRequest(method, c.URL+"/auth"+path, strings.NewReader(text))
	if text == "" {
		r = httptest.NewRequest(method, c.URL+"/auth"+path, nil)
	} else {
		r.Header.Set("Content-Type", "application/json")
	}
	c.authorize(r)
	for _, f := range set {
		f(r)
	}
	sent := r.Clone(context.WithoutCancel(r.Context()))
	w := httptest.NewRecorder()
	if c.breaks {
		c.Handler().ServeHTTP(&breakingWriter{ResponseRecorder: w}, r)
	} else {
		c.Handler().ServeHTTP(w, r)
	}
	documented := path
	if strings.HasPrefix(path, "/sessions/") {
		documented = "/sessions/{id}"
	}
	c.doc.check(sent, text, documented, w)
	if w.Code != want && want != anyStatus {
		c.t.Errorf("%s %s %s: %d %s, want %d", method, path, text, w.Code, w.Body, want)
	}
	return c.keep(w)
}

// authorize adds the tokens of the client to a request.
func (c *client) authorize(r *http.Request) {
	r.Header.Set("X-Requested-With", "test")
	if c.session != "" {
		r.Header.Set("Authorization", "Bearer "+c.session)
	}
	for _, cookie := range c.jar {
		r.AddCookie(cookie)
	}
}

// keep keeps the tokens of an answer, and returns its body.
func (c *client) keep(w *httptest.ResponseRecorder) object {
	c.t.Helper()
	for _, cookie := range w.Result().Cookies() {
		if c.jar[cookie.Name] = cookie; cookie.MaxAge < 0 {
			delete(c.jar, cookie.Name)
		}
	}
	answer := object{}
	if w.Body.Len() > 0 {
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
			c.t.Errorf("%s: %v", w.Body, err)
		}
	}
	for name, into := range map[string]*string{"sessionToken": &c.session, "refreshToken": &c.refresh, "deviceToken": &c.device} {
		if value, ok := answer[name].(string); ok {
			*into = value
		}
	}
	return answer
}

// mailed returns the token and the code of the next email of that kind.
func (p *program) mailed(to string, kind usher.MessageKind) (raw, code string) {
	p.t.Helper()
	m := p.Mailbox.Next(to, kind)
	link, err := url.Parse(string(m.Link))
	if err != nil {
		p.t.Fatal(err)
	}
	return link.Query().Get("token"), string(m.Code)
}

// withTokens adds the tokens that only a mount without cookies takes in bodies.
func (c *client) withTokens(body object) object {
	if !c.cookies {
		body["deviceToken"] = c.device
	}
	return body
}

func header(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

// Each JSON route gets requests that succeed and requests that fail, on a mount with and
// without cookies. Each request and each answer is what docs/openapi.json says, and each
// documented answer is seen.
func TestCF06_TheAnswersAreThoseOfTheOpenAPIDocument(t *testing.T) {
	doc := openDocument(t)
	for _, cookies := range []bool{false, true} {
		for _, walk := range []func(*testing.T, *document, bool){signUps, accounts, sessions, emails, resets, invitations, limits, failures, guards, outages, claims, passwords, unproven, conflicts, exhausted} {
			walk(t, doc, cookies)
		}
	}
	for _, answer := range doc.missing() {
		t.Errorf("no request got the documented answer %s: if no request can get it, it does not belong in the document", answer)
	}
}

func signUps(t *testing.T, doc *document, cookies bool) {
	p := start(t, doc, cookies, ushertest.Config{Service: usher.Config{
		SignUpFields: []usher.SignUpField{{Name: "company"}},
		SignUpRule: func(_ context.Context, u usher.User) error {
			if u.Name == "Eve" {
				return &usher.Rejection{Code: "not_invited", Field: "loginId", Message: "Ask for an invitation."}
			}
			return nil
		},
	}})
	c := p.client()
	c.do("POST", "/signup", object{
		"loginId": ann, "password": password, "rememberMe": false, "fields": object{"company": "Acme"},
		"user": object{"name": "Ann", "email": nil, "givenName": "Ann", "middleName": "", "familyName": "B", "phone": "+1", "picture": ""},
	}, 201)
	c.do("POST", "/signup", object{"loginId": ann, "password": password}, 409)
	c.do("POST", "/signup", object{"loginId": "bob@example.com", "password": "short"}, 400)
	c.do("POST", "/signup", object{"loginId": "bob@example.com", "password": password, "user": object{"name": "Eve"}}, 422)
	for _, member := range []string{"loginId", "password"} {
		body := object{"loginId": "bob@example.com", "password": password}
		delete(body, member)
		c.do("POST", "/signup", body, 400)
	}
	c.do("POST", "/signup", `{"loginId":"`+strings.Repeat("a", 1<<14)+`"}`, 413)
	c.do("POST", "/signup", "a=b", 415, header("Content-Type", "text/plain"))
	c.do("POST", "/signup", object{}, 403, header("Sec-Fetch-Site", "cross-site"))

	p = start(t, doc, cookies, ushertest.Config{Service: usher.Config{ConfirmFirst: true}})
	p.client().do("POST", "/signup", object{"loginId": ann, "password": password}, 202)
	p = start(t, doc, cookies, ushertest.Config{Service: usher.Config{SignUpClosed: true}})
	p.client().do("POST", "/signup", object{"loginId": ann, "password": password}, 403)
}

func accounts(t *testing.T, doc *document, cookies bool) {
	p := start(t, doc, cookies, ushertest.Config{Limits: true})
	c, nobody := p.signedUp(ann), p.client()
	c.do("GET", "/me", nil, 200)
	nobody.do("GET", "/me", nil, 401)
	nobody.do("GET", "/me", nil, 401, header("Authorization", "Bearer x"))
	c.do("PATCH", "/me", object{"name": "Ann", "phone": nil, "picture": ""}, 200)
	c.do("PATCH", "/me", object{"name": 5}, 400)
	c.do("GET", "/password/policy", nil, 200)

	attributes := object{"plan": "pro"}
	op, id := p.Service.Operator("ops:test"), c.do("GET", "/me", nil, 200)["user"].(object)["id"].(string)
	roles, tenants := []string{"admin"}, map[string]token.Tenant{"acme": {Roles: []string{"owner"}, Permissions: []string{"read"}}}
	if _, err := op.UpdateUser(t.Context(), id, usher.UpdateUserParams{Roles: &roles, Permissions: &roles, Tenants: &tenants, Attributes: &attributes}); err != nil {
		t.Fatal(err)
	}
	c.do("POST", "/email/change", object{"newEmail": "new@example.com", "currentPassword": password}, 202)
	c.do("GET", "/me", nil, 200)
	for range 10 {
		c.do("GET", "/account/data", nil, 200)
	}
	c.do("GET", "/account/data", nil, 429)
	for range 99 { // after the first one above
		c.do("PATCH", "/me", object{"name": "Ann"}, 200)
	}
	c.do("PATCH", "/me", object{"name": "Ann"}, 429)
	c.do("POST", "/account/delete", object{"currentPassword": "wrong"}, 401)
	c.do("POST", "/account/delete", c.withTokens(object{"currentPassword": password}), 204)
	c.do("POST", "/account/delete", object{"currentPassword": password}, 401)
}

func sessions(t *testing.T, doc *document, cookies bool) {
	p := start(t, doc, cookies, ushertest.Config{})
	c := p.signedUp(ann)
	laptop := p.client()
	first := laptop.do("POST", "/signin", object{"loginId": ann, "password": password, "rememberMe": true}, 200)
	laptop.do("POST", "/signin", object{"loginId": ann, "password": "wrong"}, 401)
	laptop.do("POST", "/signin", object{"password": password}, 400)
	id := first["session"].(object)["id"].(string)

	refresh := func() any {
		if cookies {
			return nil
		}
		return object{"refreshToken": c.refresh}
	}
	c.do("POST", "/session/refresh", refresh(), 200)
	p.client().do("POST", "/session/refresh", object{}, 401)
	body := object{"password": password}
	if !cookies {
		body["refreshToken"] = c.refresh
	}
	c.do("POST", "/session/confirm", c.withTokens(body), 200)
	c.do("POST", "/session/confirm", object{"password": "wrong"}, 401)
	c.do("GET", "/sessions", nil, 200)
	p.client().do("GET", "/sessions", nil, 401)
	c.do("DELETE", "/sessions/"+id, nil, 204)
	c.do("DELETE", "/sessions/"+id, nil, 404)

	c.do("GET", "/keys", nil, 200)
	c.do("GET", "/revocations", nil, 200)
	for _, path := range []string{"/keys", "/revocations"} {
		r := httptest.NewRequest("GET", c.URL+"/auth"+path, nil)
		w := httptest.NewRecorder()
		c.Handler().ServeHTTP(w, r)
		c.do("GET", path, nil, 304, header("If-None-Match", w.Header().Get("ETag")))
	}

	c.do("POST", "/password/update", c.withTokens(object{"newPassword": other, "currentPassword": password, "loginId": ann}), 200)
	c.do("POST", "/password/update", object{"newPassword": "short"}, 400)
	c.do("POST", "/password/update", object{"newPassword": other, "loginId": "bob@example.com"}, 403)
	p.client().do("POST", "/password/update", object{"newPassword": other}, 401)
	laptop.do("POST", "/password/replace", laptop.withTokens(object{"loginId": ann, "oldPassword": other, "newPassword": password, "rememberMe": false}), 200)
	laptop.do("POST", "/password/replace", object{"loginId": ann, "oldPassword": "wrong", "newPassword": other}, 401)
	laptop.do("POST", "/password/replace", object{"loginId": ann, "oldPassword": password}, 400)

	p.Clock.Add(6 * time.Minute)
	laptop.do("POST", "/password/update", object{"newPassword": other}, 401)
	p.client().do("POST", "/signout", object{}, 200)
	p.client().do("POST", "/signout", object{}, 401, header("Authorization", "Bearer x"))
	body = object{}
	if !cookies {
		body["refreshToken"] = laptop.refresh
	}
	laptop.do("POST", "/signout", body, 200)
	last := p.client()
	last.do("POST", "/signin", object{"loginId": ann, "password": password}, 200)
	last.do("POST", "/signout/all", nil, 200)
	last.do("POST", "/signout/all", nil, 401)
}

func emails(t *testing.T, doc *document, cookies bool) {
	p := start(t, doc, cookies, ushertest.Config{Limits: true})
	c := p.signedUp(ann)
	raw, _ := p.mailed(ann, usher.MessageVerifyEmail)
	p.client().do("POST", "/email/verify", object{"token": raw}, 403)
	p.client().do("POST", "/email/verify", object{"token": raw, "password": "wrong"}, 401)
	p.client().do("POST", "/email/verify", object{}, 400)
	p.client().do("POST", "/email/verify", object{"loginId": ann, "code": "000000", "password": password}, 400)
	c.do("POST", "/email/verify/send", nil, 202)
	raw, _ = p.mailed(ann, usher.MessageVerifyEmail)
	c.do("POST", "/email/verify", c.withTokens(object{"token": raw}), 200)
	c.do("POST", "/email/verify", object{"token": "x"}, 400)
	p.client().do("POST", "/email/verify/send", nil, 401)

	c.do("DELETE", "/email/change", nil, 404)
	for range 3 {
		c.do("POST", "/email/change", c.withTokens(object{"newEmail": "new@example.com", "currentPassword": password}), 202)
	}
	c.do("POST", "/email/change", object{"newEmail": "new@example.com", "currentPassword": password}, 429)
	c.do("POST", "/email/change", object{"newEmail": "new@example.com", "currentPassword": "wrong"}, 401)
	c.do("POST", "/email/change", object{"currentPassword": password}, 400)
	c.do("DELETE", "/email/change", nil, 204)
	p.client().do("DELETE", "/email/change", nil, 401)
}

func resets(t *testing.T, doc *document, cookies bool) {
	for _, signsIn := range []bool{false, true} {
		p := start(t, doc, cookies, ushertest.Config{Service: usher.Config{ResetSignsIn: signsIn, Redirects: []string{ushertest.DefaultBaseURL + "/reset"}}})
		p.User(ann)
		c := p.client()
		c.do("POST", "/password/reset", c.withTokens(object{"loginId": ann, "redirectUrl": ushertest.DefaultBaseURL + "/reset"}), 202)
		raw, code := p.mailed(ann, usher.MessageResetPassword)
		c.do("POST", "/password/reset/complete", object{"token": raw, "newPassword": "short"}, 400)
		c.do("POST", "/password/reset/complete", c.withTokens(object{"loginId": ann, "code": code, "newPassword": other}), 200)
		c.do("POST", "/password/reset/complete", object{"token": raw, "newPassword": other}, 400)
		c.do("POST", "/password/reset/complete", object{"loginId": ann, "code": "000000", "newPassword": other}, 400)
		c.do("POST", "/password/reset/complete", object{"token": raw}, 400)

		c.do("POST", "/password/reset", object{"loginId": ann}, 202)
		c.do("POST", "/password/reset", object{"loginId": ann, "redirectUrl": "https://evil.example"}, 400)
		c.do("POST", "/password/reset", object{}, 400)
		raw, _ = p.mailed(ann, usher.MessageResetPassword)
		reset := c.do("POST", "/password/reset/verify", object{"token": raw}, 200)
		c.do("POST", "/password/reset/verify", object{"token": raw}, 400)
		c.do("POST", "/password/reset/verify", object{}, 400)
		bearer := header("Authorization", "Bearer "+reset["resetToken"].(string))
		p.client().do("POST", "/password/update", object{"newPassword": password}, 200, bearer)
		p.client().do("POST", "/password/update", object{"newPassword": other}, 401, bearer)
	}
}

func invitations(t *testing.T, doc *document, cookies bool) {
	p := start(t, doc, cookies, ushertest.Config{})
	op := p.Service.Operator("ops:test")
	p.User("bob@example.com")
	for _, to := range []string{ann, "bob@example.com"} {
		if _, err := op.Invite(t.Context(), usher.InviteParams{Email: to}); err != nil {
			t.Fatal(err)
		}
		raw, _ := p.mailed(to, usher.MessageInvitation)
		c := p.client()
		if to == ann {
			c.do("POST", "/invitation/accept", object{"token": raw, "newPassword": "short"}, 400)
		}
		c.do("POST", "/invitation/accept", object{"token": raw, "newPassword": password}, 200)
		c.do("POST", "/invitation/accept", object{"token": raw, "newPassword": password}, 400)
		c.do("POST", "/invitation/accept", object{}, 400)
	}
}

func limits(t *testing.T, doc *document, cookies bool) {
	p := start(t, doc, cookies, ushertest.Config{Limits: true})
	p.User(ann)
	c := p.client()
	for range 5 {
		c.do("POST", "/signin", object{"loginId": ann, "password": "wrong"}, 401)
	}
	c.do("POST", "/signin", object{"loginId": ann, "password": password}, 429)
	c.do("POST", "/password/replace", object{"loginId": ann, "oldPassword": password, "newPassword": other}, 429)
	for i := range 10 {
		c.do("POST", "/signup", object{"loginId": fmt.Sprint(i, ann), "password": password}, 201)
	}
	c.do("POST", "/signup", object{"loginId": "x" + ann, "password": password}, 429)
}
