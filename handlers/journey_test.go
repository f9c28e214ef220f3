package handlers_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher/store/sqlite"
)

// device is one browser, or one program, of a person.
type device struct {
	t      *testing.T
	mode   mode
	base   string
	client *http.Client

	bearer, refresh string
	seen            []string // every secret that came by
}

// journey is a server over TLS on a database in a file.
type journey struct {
	*kit
	server *httptest.Server
}

func newJourney(t *testing.T, m mode) *journey {
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
	k := newKit(t, m, setup{store: store})
	server := httptest.NewTLSServer(k.server)
	t.Cleanup(server.Close)
	return &journey{k, server}
}

func (j *journey) device() *device {
	client := *j.server.Client() // each has a jar of its own
	if j.mode == inCookies {
		client.Jar, _ = cookiejar.New(nil)
	}
	return &device{t: j.t, mode: j.mode, base: j.server.URL, client: &client}
}

// send sends a request as the device would, and keeps what it is given.
func (d *device) send(method, path, body string) *reply {
	d.t.Helper()
	r, err := http.NewRequest(method, d.base+path, strings.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	r.Header.Set("User-Agent", "journey")
	if d.mode == inCookies {
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	} else if d.bearer != "" {
		r.Header.Set("Authorization", "Bearer "+d.bearer)
	}
	answer, err := d.client.Do(r)
	if err != nil {
		d.t.Fatal(err)
	}
	defer answer.Body.Close()
	a := &reply{status: answer.StatusCode, header: answer.Header}
	if a.body, err = io.ReadAll(answer.Body); err != nil {
		d.t.Fatal(err)
	}
	_ = json.Unmarshal(a.body, &a.json)
	for _, c := range answer.Cookies() {
		d.seen = append(d.seen, c.Value)
	}
	if s := a.text("sessionToken"); s != "" {
		d.bearer, d.refresh = s, a.text("refreshToken")
		d.seen = append(d.seen, d.bearer, d.refresh)
	}
	return a
}

func (d *device) post(path, body string) *reply {
	d.t.Helper()
	return d.send(http.MethodPost, "/auth"+path, body)
}

func (d *device) get(path string) *reply {
	d.t.Helper()
	return d.send(http.MethodGet, "/auth"+path, "")
}

func (d *device) renew() *reply {
	d.t.Helper()
	if d.mode == inCookies {
		return d.post("/session/refresh", "")
	}
	return d.post("/session/refresh", object("refreshToken", d.refresh))
}

// mustBeIn fails unless the device is signed in.
func (d *device) mustBeIn() {
	d.t.Helper()
	d.get("/me").want(d.t, 200, "")
	if a := d.send(http.MethodGet, "/protected", ""); a.status != 200 {
		d.t.Fatalf("the protected page answers %d", a.status)
	}
}

// mustBeOut fails unless the device is signed out, with both its tokens.
func (d *device) mustBeOut() {
	d.t.Helper()
	if a := d.renew(); a.status != 401 {
		d.t.Fatalf("refresh answers %d, want 401", a.status)
	}
	if a := d.send(http.MethodGet, "/protected", ""); a.status != 401 {
		d.t.Fatalf("the protected page answers %d, want 401", a.status)
	}
	if a := d.get("/me"); a.status != 401 {
		d.t.Fatalf("/me answers %d, want 401", a.status)
	}
}

// live walks through the whole life of an account, and returns every secret
// that came by.
func (j *journey) live() (secrets []string) {
	t := j.t
	home, phone := j.device(), j.device()
	passwords := []string{goodPassword, "canary second password", "canary third password", "canary fourth password"}
	onlyPassword := func(n int) {
		t.Helper()
		for i, pw := range passwords {
			want := 401
			if i == n {
				want = 200
			}
			probe := j.device()
			if a := probe.post("/signin", signUpBody(ann, pw)); a.status != want {
				t.Fatalf("sign-in with password %d answers %d, want %d", i, a.status, want)
			}
			if i == n {
				probe.post("/signout", object("refreshToken", probe.refresh)).want(t, 200, "")
				probe.mustBeOut()
			}
			secrets = append(secrets, probe.seen...)
		}
		j.clock.add(time.Hour) // the waits of the wrong ones are over
		home.renew()
		phone.renew()
	}

	// Sign up, see oneself, confirm the address.
	home.post("/signup", `{"loginId":"ann@example.com","password":"`+goodPassword+`","user":{"name":"Ann"}}`).want(t, 201, "")
	home.mustBeIn()
	home.post("/email/verify", object("token", j.mailedToken())).want(t, 200, "")
	home.renew().want(t, 200, "")
	if me := home.get("/me").want(t, 200, ""); me.json["user"].(map[string]any)["emailVerified"] != true || me.text("session.userAgent") != "journey" {
		t.Fatalf("me is %s", me.body)
	}
	home.send(http.MethodPatch, "/auth/me", `{"name":"Ann B."}`).want(t, 200, "")

	// Update at home: the phone is out, home stays in.
	phone.post("/signin", signUpBody(ann, passwords[0])).want(t, 200, "")
	home.post("/password/update", object("newPassword", passwords[1])).want(t, 200, "")
	phone.mustBeOut()
	home.mustBeIn()
	home.renew().want(t, 200, "")
	onlyPassword(1)

	// Replace on the phone: home is out.
	phone.post("/password/replace", object("loginId", ann, "oldPassword", passwords[1], "newPassword", passwords[2])).want(t, 200, "")
	home.mustBeOut()
	phone.mustBeIn()
	onlyPassword(2)

	// Forget it, follow the link: everyone is out.
	j.mail.reset()
	home.post("/signin", signUpBody(ann, passwords[2])).want(t, 200, "")
	j.device().post("/password/reset", object("loginId", "ANN@Example.com")).want(t, 202, "")
	link := j.mailedToken()
	home.mustBeIn()
	for range 2 { // those who only look at a link
		j.device().get("/password/reset/complete?token="+link).want(t, 405, "method_not_allowed")
	}
	reader := j.device()
	reader.post("/password/reset/complete", object("token", link, "newPassword", passwords[3])).want(t, 200, "")
	reader.mustBeOut()
	home.mustBeOut()
	phone.mustBeOut()
	reader.post("/password/reset/complete", object("token", link, "newPassword", passwords[0])).want(t, 400, "invalid_token")
	onlyPassword(3)

	// Sign in, list, end one, end all.
	home.post("/signin", signUpBody(ann, passwords[3])).want(t, 200, "")
	phone.post("/signin", signUpBody(ann, passwords[3])).want(t, 200, "")
	list, _ := home.get("/sessions").want(t, 200, "").json["sessions"].([]any)
	if len(list) != 2 {
		t.Fatalf("%d sessions, want 2", len(list))
	}
	for _, s := range list {
		if m := s.(map[string]any); m["current"] == false {
			home.send(http.MethodDelete, "/auth/sessions/"+m["id"].(string), "").want(t, 204, "")
		}
	}
	phone.mustBeOut()
	home.mustBeIn()
	phone.post("/signin", signUpBody(ann, passwords[3])).want(t, 200, "")
	home.post("/signout/all", "").want(t, 200, "")
	home.mustBeOut()
	phone.mustBeOut()

	secrets = append(secrets, passwords...)
	for _, m := range j.inbox() {
		if m.Link != "" {
			secrets = append(secrets, m.Link.Reveal(), linkToken(t, m))
		}
	}
	for _, d := range []*device{home, phone, reader} {
		secrets = append(secrets, d.seen...)
	}
	return append(secrets, link, secret.Reveal())
}

func TestJourney_LG02(t *testing.T) {
	t.Parallel()
	bothModes(t, func(t *testing.T, m mode) {
		j := newJourney(t, m)
		secrets := j.live()
		log := j.logs.Bytes()
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

// Secrets in places where they do not belong stay out of the log too.
func TestLG02_CanariesInEveryInput(t *testing.T) {
	t.Parallel()
	bothModes(t, func(t *testing.T, m mode) {
		k := newKit(t, m, setup{service: unlimited})
		const canary = "canary-0c9b7e5f"
		u := k.signUp(ann)
		body := object("loginId", canary+"@example.com", "password", canary, "newPassword", canary, "oldPassword", canary, "currentPassword", canary,
			"token", canary, "refreshToken", canary, "redirectUrl", "https://good.test/"+canary, "newEmail", canary)
		for path := range table {
			for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPatch, http.MethodDelete} {
				for _, b := range []string{body, `{"` + canary, canary, `{"loginId":{"` + canary + `":1}}`, `{"` + canary + `":1,"` + canary + `":2}`} {
					q := request{method, path + "?token=" + canary + "&password=" + canary, b, nil}
					for _, q := range []request{
						q, k.as(u, q), q.with("Authorization", "Bearer "+canary), q.with("Authorization", "Basic "+canary), q.with("Cookie", "__Host-session="+canary),
						q.with("Cookie", "__Host-session="+canary, "Sec-Fetch-Site", "same-origin"), q.with("Origin", "https://"+canary+".test"), q.with("Referer", "https://x/"+canary),
					} {
						if path == "/signout" || path == "/signout/all" || path == "/sessions/x" {
							q = q.with("X-Requested-With", "test")
						}
						if a := k.do(q); bytes.Contains(a.body, []byte(canary)) && path != "/me" {
							t.Errorf("%s %s: the answer has the canary: %s", method, path, a.body)
						}
					}
				}
			}
		}
		if log := k.logs.String(); strings.Contains(log, canary) {
			i := strings.Index(log, canary)
			t.Errorf("LG-02: the log has the canary: %s", log[max(0, i-300):min(len(log), i+100)])
		}
	})
}
