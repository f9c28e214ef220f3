package handlers_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/cookies"
	"github.com/usherkit/usher/handlers"
	"github.com/usherkit/usher/password"
	"github.com/usherkit/usher/storetest"
)

const (
	secret        = usher.Secret("wLyp7cFmXo2Qk9vTtB4eRzN1uHsG6dJa")
	goodPassword  = "vast otter sings low"
	otherPassword = "calm heron reads maps"
	thirdPassword = "brisk walrus bakes pie"
	weakPassword  = "passwordpassword"
	ann, bob      = "ann@example.com", "bob@example.com"
)

// mode is how a mount delivers tokens.
type mode bool

const (
	inCookies mode = true
	inBodies  mode = false
)

func (m mode) String() string {
	if m {
		return "cookies"
	}
	return "bodies"
}

// kit is the handlers with everything around them that a test looks at.
type kit struct {
	t      *testing.T
	mode   mode
	store  usher.Store
	svc    *usher.Service
	jar    *cookies.Jar
	h      *handlers.Handlers
	server http.Handler
	clock  *clock
	mail   *mailbox
	events *recorder
	logs   *bytes.Buffer
}

// setup changes how a kit is made.
type setup struct {
	store   usher.Store
	service func(*usher.Config)
	config  func(*handlers.Config)
	jar     func(*cookies.Config)
}

// newKit mounts handlers at /auth, on a store in memory, with a clock that
// stands still, the cheapest hash that is allowed, and a log of everything.
func newKit(t testing.TB, m mode, s setup) *kit {
	t.Helper()
	k := &kit{mode: m, store: s.store, clock: newClock(), mail: &mailbox{}, events: &recorder{}, logs: &bytes.Buffer{}}
	k.t, _ = t.(*testing.T)
	if k.store == nil {
		k.store = storetest.NewMemory()
	}
	logger := slog.New(slog.NewJSONHandler(&lockedWriter{w: k.logs}, &slog.HandlerOptions{Level: slog.LevelDebug}))
	cfg := usher.Config{
		Secret: secret, BaseURL: "https://app.example", Mailer: k.mail,
		Redirects: []string{"https://good.test/cb"},
		Hashing:   password.HasherConfig{Params: password.Params{Memory: 19456, Time: 2, Threads: 1}, QueueWait: time.Minute},
		OnEvent:   k.events.hook, Logger: logger, Now: k.clock.now,
	}
	if s.service != nil {
		s.service(&cfg)
	}
	must := func(err error) {
		if err != nil {
			t.Helper()
			t.Fatal(err)
		}
	}
	var err error
	k.svc, err = usher.New(k.store, cfg)
	must(err)
	t.Cleanup(func() { k.svc.Close() })
	hc := handlers.Config{Logger: logger, Now: k.clock.now}
	if m == inCookies {
		jc := cookies.Config{Secret: secret, Logger: logger, Now: k.clock.now}
		if s.jar != nil {
			s.jar(&jc)
		}
		k.jar, err = cookies.New(jc)
		must(err)
		hc.Cookies = k.jar
	}
	if s.config != nil {
		s.config(&hc)
	}
	k.h, err = handlers.New(k.svc, hc)
	must(err)
	mux := http.NewServeMux()
	mux.Handle("/auth/", http.StripPrefix("/auth", k.h))
	mux.Handle("/protected", k.h.Require(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "in")
	})))
	k.server = mux
	k.forget()
	return k
}

// bothModes runs a test for both ways to deliver tokens.
func bothModes(t *testing.T, test func(t *testing.T, m mode)) {
	for _, m := range []mode{inCookies, inBodies} {
		t.Run(m.String(), func(t *testing.T) {
			t.Parallel()
			test(t, m)
		})
	}
}

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
	for _, line := range a.header["Set-Cookie"] {
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

// signUp makes a user that must not exist yet.
func (k *kit) signUp(loginID string) who {
	k.t.Helper()
	return k.do(post("/signup", signUpBody(loginID, goodPassword))).want(k.t, 201, "").keep(who{})
}

// signUpVerified makes a user whose address is proven.
func (k *kit) signUpVerified(loginID string) who {
	k.t.Helper()
	u := k.signUp(loginID)
	k.do(post("/email/verify", object("token", k.mailedToken()))).want(k.t, 200, "")
	k.forget()
	return u
}

func (k *kit) signIn(loginID, pw string) who {
	k.t.Helper()
	return k.do(post("/signin", signUpBody(loginID, pw))).want(k.t, 200, "").keep(who{})
}

// alive reports whether the session still serves, by its session token and in
// the store.
func (k *kit) alive(u who) bool {
	k.t.Helper()
	return k.do(k.as(u, get("~/protected"))).status == 200 && k.do(k.as(u, get("/me"))).status == 200
}

// userID is the id of the user with that login id.
func (k *kit) userID(loginID string) string {
	k.t.Helper()
	u, err := k.svc.UserByLoginID(context.Background(), loginID)
	if err != nil {
		k.t.Fatal(err)
	}
	return u.ID
}

// resetToken asks for a reset and returns the token that was mailed.
func (k *kit) resetToken(loginID string) string {
	k.t.Helper()
	k.do(post("/password/reset", object("loginId", loginID))).want(k.t, 202, "")
	return k.mailedToken()
}

// inbox returns the messages since the last forget, once the outbox is empty.
func (k *kit) inbox() []usher.Message {
	deadline := time.Now().Add(10 * time.Second)
	for time.Now().Before(deadline) {
		if n, err := k.store.MailCount(context.Background()); err == nil && n == 0 {
			return k.mail.messages()
		}
		time.Sleep(time.Millisecond)
	}
	k.t.Fatal("the outbox was not emptied within 10 s")
	return nil
}

// mails returns the kinds of the messages, sorted.
func (k *kit) mails() string {
	var kinds []string
	for _, m := range k.inbox() {
		kinds = append(kinds, string(m.Kind))
	}
	slices.Sort(kinds)
	return strings.Join(kinds, " ")
}

// mailedToken returns the token of the newest link.
func (k *kit) mailedToken() string {
	k.t.Helper()
	all := k.inbox()
	for _, m := range slices.Backward(all) {
		if u, err := url.Parse(m.Link.Reveal()); err == nil && m.Link != "" {
			return u.Query().Get("token")
		}
	}
	k.t.Fatal("no mail has a link")
	return ""
}

// forget drops the events and mails so far.
func (k *kit) forget() {
	k.inbox()
	k.mail.reset()
	k.events.take()
}

// clock is a clock that moves only when told to.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// mailbox is a Mailer that keeps what it is given.
type mailbox struct {
	mu  sync.Mutex
	all []usher.Message
}

func (m *mailbox) Send(_ context.Context, msg usher.Message) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.all = append(m.all, msg)
	return nil
}

func (m *mailbox) messages() []usher.Message {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.all)
}

func (m *mailbox) reset() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.all = nil
}

// recorder keeps the names of events, with their reasons.
type recorder struct {
	mu  sync.Mutex
	all []string
}

func (r *recorder) hook(_ context.Context, e usher.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	name := string(e.Name)
	if e.Reason != "" {
		name += ":" + e.Reason
	}
	r.all = append(r.all, name)
}

// take returns the events since the last take, in order.
func (r *recorder) take() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := strings.Join(r.all, " ")
	r.all = nil
	return all
}

// lockedWriter lets many goroutines log into one buffer.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// linkToken is the one-time token of a mailed link.
func linkToken(t *testing.T, m usher.Message) string {
	t.Helper()
	u, err := url.Parse(m.Link.Reveal())
	if err != nil || u.Query().Get("token") == "" {
		t.Fatalf("no token in the link of a %s mail", m.Kind)
	}
	return u.Query().Get("token")
}
