package descope_test

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/cookies"
	"github.com/usherkit/usher/descope"
	"github.com/usherkit/usher/internal/webtest"
	"github.com/usherkit/usher/store"
)

const (
	project       = "P2shop"
	managementKey = "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a6978"

	goodPassword  = webtest.GoodPassword
	otherPassword = webtest.OtherPassword
	ann, bob      = webtest.Ann, webtest.Bob
)

// kit is a Handler and all its parts.
type kit struct {
	*webtest.Kit
	t       *testing.T
	handler *descope.Handler
	log     webtest.Log // of the Handler
}

// setup changes the defaults of a kit.
type setup struct {
	store   store.Store
	service func(*usher.Config)
	config  func(*descope.Config)
}

// newKit mounts a Handler in front of a Service on a store in memory.
func newKit(t *testing.T, s setup) *kit {
	t.Helper()
	k := &kit{t: t}
	k.Kit = webtest.NewKit(t, webtest.InBodies, webtest.Setup{Store: s.store, Service: func(c *usher.Config) {
		c.Issuer = c.BaseURL + "/" + project
		if s.service != nil {
			s.service(c)
		}
	}})
	// A loaded computer may need seconds for a hash of another system.
	cfg := descope.Config{ProjectID: project, ManagementKey: managementKey, Timeout: time.Minute, Now: k.Clock.Now}
	cfg.Logger = slog.New(slog.NewJSONHandler(&k.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	if s.config != nil {
		s.config(&cfg)
	}
	var err error
	if k.handler, err = descope.New(k.Service, cfg); err != nil {
		t.Fatal(err)
	}
	return k
}

// inCookies makes a kit keep the tokens in cookies.
func inCookies(c *descope.Config) {
	c.Cookies = usher.Must(cookies.New(cookies.Config{Secret: webtest.Secret, Plain: true, Now: c.Now, Logger: c.Logger}))
}

// answer is what a client gets.
type answer struct {
	t      *testing.T
	status int
	header http.Header
	body   map[string]any
	text   string
}

// do sends a request. auth is what follows "Bearer " in the Authorization header; none is
// sent if it is empty. header has pairs of name and value.
func (k *kit) do(method, path, auth, body string, header ...string) answer {
	k.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Host = "app.example"
	if auth != "" {
		r.Header.Set("Authorization", "Bearer "+auth)
	}
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		if r.Header.Del(header[i]); header[i+1] != "" {
			r.Header.Set(header[i], header[i+1])
		}
	}
	return k.send(r)
}

// send sends a request and checks what holds for every answer.
func (k *kit) send(r *http.Request) answer {
	k.t.Helper()
	w := httptest.NewRecorder()
	k.handler.ServeHTTP(w, r)
	a := answer{t: k.t, status: w.Code, header: w.Result().Header, text: w.Body.String()}
	if r.Method == http.MethodHead || w.Code == http.StatusNoContent {
		return a
	}
	if !json.Valid(w.Body.Bytes()) || a.header.Get("Content-Type") != "application/json; charset=utf-8" {
		k.t.Errorf("%s %s: %d %q is not JSON: %q", r.Method, r.URL.Path, w.Code, a.header.Get("Content-Type"), a.text)
	}
	_ = json.Unmarshal(w.Body.Bytes(), &a.body) // an array leaves it nil
	keys := a.status == 200 && strings.HasPrefix(r.URL.Path, "/v2/keys/")
	if got := a.header.Get("Cache-Control"); got != "no-store" && !keys {
		k.t.Errorf("%s %s: Cache-Control is %q", r.Method, r.URL.Path, got)
	}
	if a.status >= 300 {
		for _, name := range []string{"errorCode", "errorDescription", "errorMessage"} {
			if s, _ := a.body[name].(string); s == "" {
				k.t.Errorf("%s %s: %d has no %s: %s", r.Method, r.URL.Path, a.status, name, a.text)
			}
		}
	}
	return a
}

// post sends a POST request of the project.
func (k *kit) post(path, auth, body string) answer {
	k.t.Helper()
	return k.do(http.MethodPost, path, auth, body)
}

// want fails the test unless the answer has that status and errorCode.
func (a answer) want(status int, code string) answer {
	a.t.Helper()
	if got, _ := a.body["errorCode"].(string); a.status != status || got != code {
		a.t.Fatalf("got %d %s, want %d %q", a.status, a.text, status, code)
	}
	return a
}

// str returns a member of the answer that is a string.
func (a answer) str(name string) string {
	s, _ := a.body[name].(string)
	return s
}

// credentials returns the body of a sign-up or sign-in.
func credentials(loginID, password string) string {
	return object("loginId", loginID, "password", password)
}

// object returns a JSON object of strings, from pairs of name and value.
func object(pairs ...string) string {
	m := map[string]string{}
	for i := 0; i+1 < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	text, _ := json.Marshal(m)
	return string(text)
}

// signUp signs a user up and returns the tokens.
func (k *kit) signUp(loginID string) (session, refresh string) {
	k.t.Helper()
	a := k.post("/v1/auth/password/signup", project, credentials(loginID, goodPassword)).want(200, "")
	return a.str("sessionJwt"), a.str("refreshJwt")
}

// mailedToken returns the token of the newest link with that parameter.
func (k *kit) mailedToken(parameter string) string {
	k.t.Helper()
	for _, m := range slices.Backward(k.Inbox()) {
		if u, err := url.Parse(m.Link.Reveal()); err == nil && u.Query().Get(parameter) != "" {
			return u.Query().Get(parameter)
		}
	}
	k.t.Fatal("no email has a link with the parameter " + parameter)
	return ""
}
