package handlers_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/usherkit/usher/internal/webtest"
	"github.com/usherkit/usher/store/sqlite"
)

// device is one browser or program of a user.
type device struct {
	t      *testing.T
	mode   Mode
	base   string
	client *http.Client

	bearer, refresh string
	seen            []string // every secret that it has received
}

// testServer is a server over TLS on a database in a file.
type testServer struct {
	*Kit
	server *httptest.Server
}

func newTestServer(t *testing.T, m Mode) *testServer {
	t.Helper()
	store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "usher.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	k := NewKit(t, m, Setup{Store: store})
	server := httptest.NewTLSServer(k.Server)
	t.Cleanup(server.Close)
	return &testServer{k, server}
}

func (j *testServer) device() *device {
	client := *j.server.Client() // each device has its own jar
	if j.Mode == InCookies {
		client.Jar, _ = cookiejar.New(nil)
	}
	return &device{t: j.T, mode: j.Mode, base: j.server.URL, client: &client}
}

// send sends a request as the device would, and keeps the tokens that it gets.
func (d *device) send(method, path, body string) *Reply {
	d.t.Helper()
	r, err := http.NewRequest(method, d.base+path, strings.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	r.Header.Set("User-Agent", "lifecycle")
	if d.mode == InCookies {
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	} else if d.bearer != "" {
		r.Header.Set("Authorization", "Bearer "+d.bearer)
	}
	answer, err := d.client.Do(r)
	if err != nil {
		d.t.Fatal(err)
	}
	defer answer.Body.Close()
	a := &Reply{Status: answer.StatusCode, Header: answer.Header}
	if a.Body, err = io.ReadAll(answer.Body); err != nil {
		d.t.Fatal(err)
	}
	_ = json.Unmarshal(a.Body, &a.JSON)
	for _, c := range answer.Cookies() {
		d.seen = append(d.seen, c.Value)
	}
	if s := a.Text("sessionToken"); s != "" {
		d.bearer, d.refresh = s, cmp.Or(a.Text("refreshToken"), d.refresh)
		d.seen = append(d.seen, d.bearer, d.refresh)
		if device := a.Text("deviceToken"); device != "" {
			d.seen = append(d.seen, device)
		}
	}
	return a
}

func (d *device) post(path, body string) *Reply {
	d.t.Helper()
	return d.send(http.MethodPost, "/auth"+path, body)
}

func (d *device) get(path string) *Reply {
	d.t.Helper()
	return d.send(http.MethodGet, "/auth"+path, "")
}

func (d *device) refreshTokens() *Reply {
	d.t.Helper()
	if d.mode == InCookies {
		return d.post("/session/refresh", "")
	}
	return d.post("/session/refresh", Object("refreshToken", d.refresh))
}

// wantSignedIn fails unless the device is signed in.
func (d *device) wantSignedIn() {
	d.t.Helper()
	d.get("/me").Want(d.t, 200, "")
	if a := d.send(http.MethodGet, "/protected", ""); a.Status != 200 {
		d.t.Fatalf("the protected page answers %d", a.Status)
	}
}

// wantSignedOut fails unless the device is signed out, with both its tokens.
func (d *device) wantSignedOut() {
	d.t.Helper()
	if a := d.refreshTokens(); a.Status != 401 {
		d.t.Fatalf("refresh answers %d, want 401", a.Status)
	}
	if a := d.send(http.MethodGet, "/protected", ""); a.Status != 401 {
		d.t.Fatalf("the protected page answers %d, want 401", a.Status)
	}
	if a := d.get("/me"); a.Status != 401 {
		d.t.Fatalf("/me answers %d, want 401", a.Status)
	}
}

// runLifecycle goes through the lifecycle of an account, and returns every secret that
// occurred.
func (j *testServer) runLifecycle() (secrets []string) {
	t := j.T
	home, phone := j.device(), j.device()
	passwords := []string{GoodPassword, "canary second password", "canary third password", "canary fourth password"}
	onlyPassword := func(n int) {
		t.Helper()
		for i, pw := range passwords {
			want := 401
			if i == n {
				want = 200
			}
			probe := j.device()
			if a := probe.post("/signin", SignUpBody(Ann, pw)); a.Status != want {
				t.Fatalf("sign-in with password %d answers %d, want %d", i, a.Status, want)
			}
			if i == n {
				probe.post("/signout", Object("refreshToken", probe.refresh)).Want(t, 200, "")
				probe.wantSignedOut()
			}
			secrets = append(secrets, probe.seen...)
		}
		j.Clock.Add(time.Hour) // the waits after failures are over
		home.refreshTokens()
		phone.refreshTokens()
	}

	// Sign up, read the account, confirm the address.
	home.post("/signup", `{"loginId":"ann@example.com","password":"`+GoodPassword+`","user":{"name":"Ann"}}`).Want(t, 201, "")
	home.wantSignedIn()
	home.post("/email/verify", Object("token", j.MailedToken())).Want(t, 200, "")
	home.refreshTokens().Want(t, 200, "")
	if me := home.get("/me").Want(t, 200, ""); me.JSON["user"].(map[string]any)["emailVerified"] != true || me.Text("session.userAgent") != "lifecycle" {
		t.Fatalf("me is %s", me.Body)
	}
	home.send(http.MethodPatch, "/auth/me", `{"name":"Ann B."}`).Want(t, 200, "")

	// Update at home: the phone is signed out, home is not.
	phone.post("/signin", SignUpBody(Ann, passwords[0])).Want(t, 200, "")
	home.post("/password/update", Object("newPassword", passwords[1])).Want(t, 200, "")
	phone.wantSignedOut()
	home.wantSignedIn()
	home.refreshTokens().Want(t, 200, "")
	onlyPassword(1)

	// Replace on the phone: home is signed out.
	phone.post("/password/replace", Object("loginId", Ann, "oldPassword", passwords[1], "newPassword", passwords[2])).Want(t, 200, "")
	home.wantSignedOut()
	phone.wantSignedIn()
	onlyPassword(2)

	// Reset by the emailed link: all devices are signed out.
	j.Mailbox.Reset()
	home.post("/signin", SignUpBody(Ann, passwords[2])).Want(t, 200, "")
	j.device().post("/password/reset", Object("loginId", "ANN@Example.com")).Want(t, 202, "")
	link := j.MailedToken()
	home.wantSignedIn()
	for range 2 { // opening a link changes nothing
		j.device().get("/password/reset/complete?token="+link).Want(t, 405, "method_not_allowed")
	}
	reader := j.device()
	reader.post("/password/reset/complete", Object("token", link, "newPassword", passwords[3])).Want(t, 200, "")
	reader.wantSignedOut()
	home.wantSignedOut()
	phone.wantSignedOut()
	reader.post("/password/reset/complete", Object("token", link, "newPassword", passwords[0])).Want(t, 400, "invalid_token")
	onlyPassword(3)

	// Sign in, list, end one, end all.
	home.post("/signin", SignUpBody(Ann, passwords[3])).Want(t, 200, "")
	phone.post("/signin", SignUpBody(Ann, passwords[3])).Want(t, 200, "")
	list, _ := home.get("/sessions").Want(t, 200, "").JSON["sessions"].([]any)
	if len(list) != 2 {
		t.Fatalf("%d sessions, want 2", len(list))
	}
	for _, s := range list {
		if m := s.(map[string]any); m["current"] == false {
			home.send(http.MethodDelete, "/auth/sessions/"+m["id"].(string), "").Want(t, 204, "")
		}
	}
	phone.wantSignedOut()
	home.wantSignedIn()
	phone.post("/signin", SignUpBody(Ann, passwords[3])).Want(t, 200, "")
	home.post("/signout/all", "").Want(t, 200, "")
	home.wantSignedOut()
	phone.wantSignedOut()

	secrets = append(secrets, passwords...)
	for _, m := range j.Inbox() {
		if m.Link != "" {
			secrets = append(secrets, m.Link.Reveal(), LinkToken(t, m))
		}
	}
	for _, d := range []*device{home, phone, reader} {
		secrets = append(secrets, d.seen...)
	}
	return append(secrets, link, Secret.Reveal())
}

func TestLG02_TheLifecycleLogsNoSecret(t *testing.T) {
	t.Parallel()
	BothModes(t, func(t *testing.T, m Mode) {
		j := newTestServer(t, m)
		secrets := j.runLifecycle()
		log := []byte(j.Logs.String())
		if len(log) == 0 {
			t.Fatal("nothing was logged")
		}
		for _, s := range secrets {
			if len(s) > 8 && bytes.Contains(log, []byte(s)) {
				t.Errorf("LG-02: a secret of %d bytes is in the log", len(s))
			}
		}
		for line := range bytes.Lines(log) {
			if !json.Valid(line) {
				t.Errorf("LG-03: no JSON: %s", line)
			}
		}
	})
}

// Secrets in the wrong inputs are not in the log either.
func TestLG02_CanariesInEveryInput(t *testing.T) {
	t.Parallel()
	BothModes(t, func(t *testing.T, m Mode) {
		k := NewKit(t, m, Setup{Service: Unlimited})
		const canary = "canary-0c9b7e5f"
		u := k.SignUp(Ann)
		body := Object("loginId", canary+"@example.com", "password", canary, "newPassword", canary, "oldPassword", canary, "currentPassword", canary,
			"token", canary, "refreshToken", canary, "deviceToken", canary, "redirectUrl", "https://good.test/"+canary, "newEmail", canary)
		for path := range table {
			for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPatch, http.MethodDelete} {
				for _, b := range []string{body, `{"` + canary, canary, `{"loginId":{"` + canary + `":1}}`, `{"` + canary + `":1,"` + canary + `":2}`} {
					q := Request{Method: method, Path: path + "?token=" + canary + "&password=" + canary, Body: b}
					for _, q := range []Request{
						q, k.As(u, q), q.With("Authorization", "Bearer "+canary), q.With("Authorization", "Basic "+canary), q.With("Cookie", "__Host-session="+canary),
						q.With("Cookie", "__Host-session="+canary, "Sec-Fetch-Site", "same-origin"), q.With("Origin", "https://"+canary+".test"), q.With("Referer", "https://x/"+canary),
					} {
						if path == "/signout" || path == "/signout/all" || path == "/sessions/x" {
							q = q.With("X-Requested-With", "test")
						}
						if a := k.Do(q); bytes.Contains(a.Body, []byte(canary)) && path != "/me" {
							t.Errorf("%s %s: the answer has the canary: %s", method, path, a.Body)
						}
					}
				}
			}
		}
		if log := k.Logs.String(); strings.Contains(log, canary) {
			i := strings.Index(log, canary)
			t.Errorf("LG-02: the log has the canary: %s", log[max(0, i-300):min(len(log), i+100)])
		}
	})
}

// An expired bearer token ends nothing. The session goes on with its refresh token, so
// the answer must not say that it has ended.
func TestSE17_AnExpiredTokenIsNoSignOut(t *testing.T) {
	t.Parallel()
	k := NewKit(t, InBodies, Setup{})
	u := k.SignUp(Ann)
	k.Clock.Add(11 * time.Minute)
	k.Do(k.As(u, Post("/signout", ""))).Want(t, 401, "invalid_session")
	k.Do(k.Refresh(u)).Want(t, 200, "")

	bearer := "Bearer " + u.Bearer
	k = NewKit(t, InCookies, Setup{Store: k.Store})
	browser := k.SignIn(Ann, GoodPassword)
	k.Clock.Add(11 * time.Minute)
	k.Do(Post("/signout", "", "Authorization", bearer)).Want(t, 401, "invalid_session")
	k.Do(Post("/signout", "", "Authorization", bearer, "Cookie", browser.Cookie, "Sec-Fetch-Site", "same-origin")).Want(t, 200, "")
	k.Do(k.As(browser, Get("/me"))).Want(t, 401, "invalid_session")
}
