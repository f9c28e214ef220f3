package openapi

import (
	"context"
	"crypto/sha1"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/usherkit/usher"
	rules "github.com/usherkit/usher/password"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/memory"
	"github.com/usherkit/usher/ushertest"
)

// request is a request that a route reads to the end.
type request struct {
	method, path string
	body         any  // nil for a route without a body
	user         bool // the route requires a signed-in user
}

// requests has one for each JSON route.
var requests = []request{
	{"POST", "/signup", object{"loginId": "new@example.com", "password": password}, false},
	{"POST", "/signin", object{"loginId": ann, "password": password}, false},
	{"POST", "/password/update", object{"newPassword": other, "currentPassword": password}, true},
	{"POST", "/password/replace", object{"loginId": ann, "oldPassword": password, "newPassword": other}, false},
	{"POST", "/password/reset", object{"loginId": ann}, false},
	{"POST", "/password/reset/complete", object{"token": "x", "newPassword": other}, false},
	{"POST", "/password/reset/verify", object{"token": "x"}, false},
	{"POST", "/invitation/accept", object{"token": "x", "newPassword": other}, false},
	{"GET", "/password/policy", nil, false},
	{"POST", "/email/verify/send", object{}, true},
	{"POST", "/email/verify", object{"token": "x", "password": password}, false},
	{"POST", "/email/change", object{"newEmail": "new@example.com", "currentPassword": password}, true},
	{"DELETE", "/email/change", nil, true},
	{"GET", "/me", nil, true},
	{"PATCH", "/me", object{"name": "Ann"}, true},
	{"POST", "/account/delete", object{"currentPassword": password}, true},
	{"GET", "/account/data", nil, true},
	{"POST", "/session/refresh", object{}, false},
	{"POST", "/session/confirm", object{"password": password}, true},
	{"GET", "/sessions", nil, true},
	{"DELETE", "/sessions/x", nil, true},
	{"POST", "/signout", object{}, false},
	{"POST", "/signout/all", object{}, true},
	{"GET", "/keys", nil, false},
	{"GET", "/revocations", nil, false},
}

// act makes the client an operator who acts as the user. Without cookies it has the token of
// that session from then on.
func (c *client) act(userID string) {
	c.t.Helper()
	r := httptest.NewRequest("POST", c.URL+"/act?user="+url.QueryEscape(userID), nil)
	c.authorize(r)
	w := httptest.NewRecorder()
	c.Handler().ServeHTTP(w, r)
	if c.keep(w); w.Code != 200 && w.Code != 204 {
		c.t.Fatalf("POST /act: %d %s", w.Code, w.Body)
	}
}

// guards sends requests without a session, with one that has ended, from another site, and as
// an operator who acts as a user.
func guards(t *testing.T, doc *document, cookies bool) {
	p := start(t, doc, cookies, ushertest.Config{})
	c, user := p.signedUp(ann), p.User("bob@example.com").ID
	for _, q := range requests {
		if !q.user {
			continue
		}
		p.client().do(q.method, q.path, q.body, 401)
		p.client().do(q.method, q.path, q.body, 401, header("Authorization", "Bearer x"))
		webSocket := func(r *http.Request) {
			r.Header.Set("Connection", "Upgrade")
			r.Header.Set("Upgrade", "websocket")
		}
		if q.method != "GET" {
			webSocket = func(*http.Request) {}
		}
		if cookies || q.method != "GET" { // a token is no cookie that a page could send
			c.do(q.method, q.path, q.body, 403, header("Sec-Fetch-Site", "cross-site"), webSocket)
		}
	}
	operator := p.signedUp("desk@example.com")
	operator.act(user)
	for _, q := range requests {
		switch {
		case strings.HasSuffix(q.path, "/me"):
			operator.do(q.method, q.path, q.body, 200)
		case q.user || q.path == "/session/refresh" && cookies:
			operator.do(q.method, q.path, q.body, 403)
		}
	}
	operator.do("POST", "/email/verify", object{"code": "000000"}, 403)
	if !cookies {
		p.client().do("POST", "/session/refresh", object{"refreshToken": "x"}, 401)
		return
	}
	p.client().do("POST", "/session/refresh", object{}, 401)
	if err := p.Service.Operator("ops:test").SignOutUser(t.Context(), user); err != nil {
		t.Fatal(err)
	}
	for _, q := range requests {
		if q.user {
			operator.do(q.method, q.path, q.body, 401)
		}
	}
}

// failures sends requests whose bodies or origin no route accepts, and one whose client has gone.
func failures(t *testing.T, doc *document, cookies bool) {
	p := start(t, doc, cookies, ushertest.Config{})
	c := p.signedUp(ann)
	gone := func(r *http.Request) {
		ctx, cancel := context.WithCancel(r.Context())
		cancel()
		*r = *r.WithContext(ctx)
	}
	c.do("POST", "/signin", object{"loginId": ann, "password": password}, 503, gone)
	for _, q := range requests {
		if q.body == nil {
			continue
		}
		c.do(q.method, q.path, "[]", 400)
		c.do(q.method, q.path, `{"a":"`+strings.Repeat("a", 1<<14)+`"}`, 413)
		c.do(q.method, q.path, "a=b", 415, header("Content-Type", "text/plain"))
		c.do(q.method, q.path, "{}", 403, header("Sec-Fetch-Site", "cross-site"))
	}
}

// outages sends requests while the store is down, and requests whose work panics.
func outages(t *testing.T, doc *document, cookies bool) {
	p := start(t, doc, cookies, ushertest.Config{})
	for i, q := range requests {
		c := p.signedUp(fmt.Sprint(i, ann))
		c.breaks = true
		c.do(q.method, q.path, q.body, 500)
	}
	c := p.signedUp(ann)
	if err := p.Store.Close(); err != nil {
		t.Fatal(err)
	}
	for _, q := range requests {
		if q.path == "/session/refresh" && !cookies {
			q.body = object{"refreshToken": c.refresh}
		}
		want := 503
		if strings.Contains("/password/policy /keys /revocations", q.path) {
			want = 200 // from memory
		}
		c.do(q.method, q.path, q.body, want)
	}
}

// breakingWriter panics at the first write of an answer, in place of an action that fails.
type breakingWriter struct {
	*httptest.ResponseRecorder
	broken bool
}

func (w *breakingWriter) WriteHeader(status int) {
	w.breakOnce()
	w.ResponseRecorder.WriteHeader(status)
}

func (w *breakingWriter) Write(b []byte) (int, error) {
	w.breakOnce()
	return w.ResponseRecorder.Write(b)
}

func (w *breakingWriter) breakOnce() {
	if !w.broken {
		w.broken = true
		panic("the action fails")
	}
}

// claims sends requests while Config.Claims refuses the user.
func claims(t *testing.T, doc *document, cookies bool) {
	var refuse atomic.Bool
	p := start(t, doc, cookies, ushertest.Config{Service: usher.Config{
		ResetSignsIn: true,
		Claims: func(context.Context, usher.User) (map[string]any, error) {
			if refuse.Load() {
				return nil, &usher.Rejection{Code: "no_license", Message: "Buy one."}
			}
			return nil, nil
		},
	}})
	p.User(ann)
	c := p.client()
	c.do("POST", "/signin", object{"loginId": ann, "password": password}, 200)
	c.do("POST", "/password/reset", object{"loginId": ann}, 202)
	reset, _ := p.mailed(ann, usher.MessageResetPassword)
	if _, err := p.Service.Operator("ops:test").Invite(t.Context(), usher.InviteParams{Email: "new@example.com"}); err != nil {
		t.Fatal(err)
	}
	invitation, _ := p.mailed("new@example.com", usher.MessageInvitation)

	refuse.Store(true)
	for _, q := range requests {
		body := q.body
		switch q.path {
		case "/invitation/accept":
			body = object{"token": invitation, "newPassword": other}
		case "/session/refresh":
			if !cookies {
				body = object{"refreshToken": c.refresh}
			}
		case "/signup":
			body = object{"loginId": "eve@example.com", "password": password}
		case "/password/update", "/session/confirm", "/signin", "/password/replace":
		default:
			continue
		}
		c.do(q.method, q.path, body, 422)
	}
	p.client().do("POST", "/password/reset/complete", object{"token": reset, "newPassword": other}, 422)
	if !cookies {
		return
	}
	p.Clock.Add(11 * time.Minute) // the session token of the cookie has expired
	for _, q := range requests {
		if q.user {
			c.do(q.method, q.path, q.body, 422)
		}
	}
}

// leakedList is a list of leaked passwords that has every password, once it is known.
type leakedList struct{ known atomic.Bool }

func (l *leakedList) Breached(context.Context, [sha1.Size]byte) (bool, error) {
	return l.known.Load(), nil
}

// passwords sends right passwords that are not enough.
func passwords(t *testing.T, doc *document, cookies bool) {
	p := start(t, doc, cookies, ushertest.Config{Service: usher.Config{Password: rules.Policy{Expiration: 24 * time.Hour}}})
	p.User(ann)
	p.client().do("POST", "/password/replace", object{"loginId": ann, "oldPassword": password, "newPassword": "short"}, 400)
	if err := p.Service.Operator("ops:test").Disable(t.Context(), p.User("bob@example.com").ID); err != nil {
		t.Fatal(err)
	}
	p.client().do("POST", "/signin", object{"loginId": "bob@example.com", "password": password}, 403)
	p.client().do("POST", "/password/replace", object{"loginId": "bob@example.com", "oldPassword": password, "newPassword": other}, 403)

	p.Clock.Add(23*time.Hour + 55*time.Minute)
	c := p.client()
	c.do("POST", "/signin", object{"loginId": ann, "password": password}, 200)
	c.do("POST", "/password/update", object{"newPassword": other, "currentPassword": "wrong"}, 401)
	p.Clock.Add(6 * time.Minute)
	c.do("POST", "/session/confirm", object{"password": password}, 403)
	c.do("POST", "/signin", object{"loginId": ann, "password": password}, 403)

	list := &leakedList{}
	p = start(t, doc, cookies, ushertest.Config{Service: usher.Config{Password: rules.Policy{Breached: list}, BreachedAtSignIn: usher.BreachedReplaced}})
	c = p.otpSession(p.User(ann), 0)
	list.known.Store(true)
	c.do("POST", "/session/confirm", object{"password": password}, 403)
	c.do("POST", "/signin", object{"loginId": ann, "password": password}, 403)
	c.do("POST", "/password/replace", object{"loginId": ann, "oldPassword": password, "newPassword": other}, 403)
}

// otpSession returns a client that has signed in that long ago, without a password.
func (p *program) otpSession(user usher.User, ago time.Duration) *client {
	p.t.Helper()
	a, err := p.Service.StartSession(p.t.Context(), user.ID, usher.Proof{Methods: []string{"otp"}, At: p.Clock.Now().Add(-ago)}, usher.Client{})
	if err != nil {
		p.t.Fatal(err)
	}
	c := p.client()
	c.session = a.Tokens.Session.Reveal()
	return c
}

// unproven sends requests of users who have no password, or have set it without another proof.
func unproven(t *testing.T, doc *document, cookies bool) {
	p := start(t, doc, cookies, ushertest.Config{})
	c := p.signedUp(ann)
	c.do("POST", "/password/update", object{"newPassword": other}, 200)
	for _, q := range []request{
		{"POST", "/account/delete", object{"currentPassword": other}, true},
		{"POST", "/email/change", object{"newEmail": "new@example.com", "currentPassword": other}, true},
	} {
		c.do(q.method, q.path, q.body, 403)
	}
	user, err := p.Service.Operator("ops:test").ImportUser(t.Context(), usher.ImportUserParams{LoginIDs: []string{"bob@example.com"}})
	if err != nil {
		t.Fatal(err)
	}
	c = p.otpSession(user, time.Hour)
	c.do("POST", "/account/delete", object{}, 401)
	c.do("POST", "/email/change", object{"newEmail": "new@example.com"}, 401)
}

// contended is a store in which another request is always faster, and in which other
// instances may have ended all sessions.
type contended struct {
	store.Store
	ended *atomic.Bool
}

func (s contended) Unwrap() store.Store { return s.Store }

func (s contended) Session(ctx context.Context, id string) (store.SessionRecord, error) {
	if s.ended.Load() {
		return store.SessionRecord{}, store.ErrNotFound
	}
	return s.Store.Session(ctx, id)
}

func (contended) ChangePassword(context.Context, store.PasswordChange) ([]store.Event, error) {
	return nil, store.ErrConflict
}

func (contended) AcceptInvitation(context.Context, store.InvitationAcceptance) (usher.User, error) {
	return usher.User{}, store.ErrConflict
}

func (contended) VerifyEmail(context.Context, store.TokenSpend, store.Effects) (usher.User, error) {
	return usher.User{}, store.ErrConflict
}

// conflicts sends requests that lose against another one.
func conflicts(t *testing.T, doc *document, cookies bool) {
	st := contended{memory.New(), new(atomic.Bool)}
	p := start(t, doc, cookies, ushertest.Config{Store: st})
	user := p.User("bob@example.com")
	c := p.signedUp(ann)
	c.do("POST", "/password/update", object{"newPassword": other, "currentPassword": password}, 409)
	raw, _ := p.mailed(ann, usher.MessageVerifyEmail)
	c.do("POST", "/email/verify", object{"token": raw}, 409)
	if _, err := p.Service.Operator("ops:test").Invite(t.Context(), usher.InviteParams{Email: user.Email}); err != nil {
		t.Fatal(err)
	}
	raw, _ = p.mailed(user.Email, usher.MessageInvitation)
	p.client().do("POST", "/invitation/accept", object{"token": raw, "newPassword": password}, 409)
	st.ended.Store(true)
	c.do("POST", "/email/verify", object{"code": "000000"}, 401)
}

// exhausted repeats requests until a limit refuses them.
func exhausted(t *testing.T, doc *document, cookies bool) {
	list := &leakedList{}
	list.known.Store(true)
	p := start(t, doc, cookies, ushertest.Config{Limits: true, Service: usher.Config{Password: rules.Policy{Breached: list}}})
	if _, err := p.Service.Operator("ops:test").Invite(t.Context(), usher.InviteParams{Email: ann}); err != nil {
		t.Fatal(err)
	}
	raw, _ := p.mailed(ann, usher.MessageInvitation)
	p.client().repeat(request{"POST", "/invitation/accept", object{"token": raw, "newPassword": other}, false})
	for _, q := range []request{
		{"POST", "/account/delete", object{"currentPassword": "wrong"}, true},
		{"POST", "/session/confirm", object{"password": "wrong"}, true},
		{"POST", "/password/update", object{"newPassword": other, "currentPassword": "wrong"}, true},
		{"POST", "/email/verify", object{"loginId": ann, "code": "000000", "password": "wrong"}, false},
		{"POST", "/email/verify/send", object{}, true},
		{"POST", "/password/reset", object{"loginId": ann}, false},
		{"POST", "/password/reset/complete", object{"loginId": ann, "code": "000000", "newPassword": other}, false},
	} {
		p := start(t, doc, cookies, ushertest.Config{Limits: true})
		if c := p.signedUp(ann); q.user {
			c.repeat(q)
		} else {
			p.client().repeat(q)
		}
	}
}

// repeat sends the request until a limit refuses it.
func (c *client) repeat(q request) {
	c.t.Helper()
	for range 100 {
		if c.do(q.method, q.path, q.body, anyStatus)["code"] == "too_many_requests" {
			return
		}
	}
	c.t.Errorf("%s %s has no limit", q.method, q.path)
}
