package openid

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"golang.org/x/oauth2"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/cookies"
	"github.com/usherkit/usher/handlers"
	"github.com/usherkit/usher/internal/testhash"
	"github.com/usherkit/usher/pages"
	"github.com/usherkit/usher/store/memory"
)

const (
	secret = usher.Secret("wLyp7cFmXo2Qk9vTtB4eRzN1uHsG6dJa")
	ann    = "ann@example.com"
)

type noMail struct{}

func (noMail) Send(context.Context, usher.Message) error { return nil }

// program is a running program with a real and a lying provider.
type program struct {
	*httptest.Server
	t      *testing.T
	auth   *usher.Service
	liar   *liar
	people people
}

func newProgram(t *testing.T) *program {
	t.Helper()
	p := &program{t: t, liar: newLiar(t), people: people{"1": {
		ID: "1", Username: "ann", Password: "secret", Email: ann, EmailVerified: true,
	}}}
	mux := http.NewServeMux()
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	var err error
	p.auth, err = usher.New(ctx, memory.New(), usher.Config{
		Secret: secret, BaseURL: p.URL, Mailer: noMail{}, Logger: quiet,
		Hashing: testhash.Config(),
	})
	must(t, err)
	t.Cleanup(func() { p.auth.Close(ctx) })
	jar, err := cookies.New(cookies.Config{Secret: p.auth.CookieSecrets()[0], InsecureLoopback: true, Logger: quiet})
	must(t, err)
	h, err := handlers.New(p.auth, handlers.Config{Cookies: jar, Pages: &pages.Config{Home: "/auth/account"}, Logger: quiet})
	must(t, err)
	mux.Handle("/auth/", h)
	callback := func(name string) string { return p.URL + "/openid/" + name + "/callback" }
	for name, issuer := range map[string]string{
		"honest": realProvider(t, p.people, callback("honest")).URL + "/", "liar": p.liar.URL,
	} {
		provider, err := oidc.NewProvider(ctx, issuer)
		must(t, err)
		l := &Login{Name: name, Provider: provider, Service: p.auth, Jar: jar, Handlers: h, OAuth: oauth2.Config{
			ClientID: clientID, ClientSecret: clientSecret, Endpoint: provider.Endpoint(),
			RedirectURL: callback(name), Scopes: []string{oidc.ScopeOpenID, "email"},
		}}
		mux.HandleFunc("GET /openid/"+name, l.Begin)
		mux.HandleFunc("GET /openid/"+name+"/callback", l.Callback)
	}
	return p
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// browser is a browser that follows no redirect by itself.
type browser struct {
	*http.Client
	t *testing.T
}

func (p *program) browser() *browser {
	jar, _ := cookiejar.New(nil)
	return &browser{&http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, p.t}
}

// open opens an address as a browser does and returns status, the Location and the body.
func (b *browser) open(method, address string, form url.Values) (int, *url.URL, string) {
	b.t.Helper()
	r, err := http.NewRequest(method, address, strings.NewReader(form.Encode()))
	must(b.t, err)
	r.Header.Set("Accept", "text/html")
	r.Header.Set("Sec-Fetch-Mode", "navigate")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	a, err := b.Do(r)
	must(b.t, err)
	defer a.Body.Close()
	body, _ := io.ReadAll(a.Body)
	location, _ := a.Location()
	return a.StatusCode, location, string(body)
}

// begin begins a sign-in and returns the address at the provider.
func (b *browser) begin(p *program, name string) *url.URL {
	b.t.Helper()
	_, at, _ := b.open("GET", p.URL+"/openid/"+name+"?return_to=%2Fauth%2Faccount%2Fname", nil)
	if at == nil {
		b.t.Fatal("the program does not lead to the provider")
	}
	return at
}

// atProvider signs in at the real provider and returns the address of the callback.
func (b *browser) atProvider(at *url.URL) *url.URL {
	b.t.Helper()
	_, login, body := b.open("GET", at.String(), nil)
	if login == nil {
		b.t.Fatalf("the provider shows no login: %s", body)
	}
	id := login.Query().Get("authRequestID")
	login.RawQuery = ""
	_, back, body := b.open("POST", login.String(), url.Values{"username": {"ann"}, "password": {"secret"}, "id": {id}})
	if back == nil {
		b.t.Fatalf("the provider refuses the password: %s", body)
	}
	_, callback, body := b.open("GET", back.String(), nil)
	if callback == nil {
		b.t.Fatalf("the provider does not lead back: %s", body)
	}
	return callback
}

// signIn signs in with the real provider.
func (b *browser) signIn(p *program) (status int, to *url.URL, body string) {
	b.t.Helper()
	return b.open("GET", b.atProvider(b.begin(p, "honest")).String(), nil)
}

// isIn reports whether the browser is signed in as Ann.
func (b *browser) isIn(p *program) bool {
	b.t.Helper()
	status, _, body := b.open("GET", p.URL+"/auth/account", nil)
	return status == 200 && strings.Contains(body, ann)
}

// wantRefused fails the test unless the callback refuses and the browser is not signed in.
func (b *browser) wantRefused(p *program, callback string) {
	b.t.Helper()
	if status, _, body := b.open("GET", callback, nil); status != 403 || b.isIn(p) {
		b.t.Errorf("the callback answers %d: %s", status, body)
	}
}

func TestOP06_AUserOfAProviderSignsIn(t *testing.T) {
	p := newProgram(t)
	b := p.browser()
	status, to, body := b.signIn(p)
	if status != 303 || to.Path != "/auth/account/name" || !b.isIn(p) {
		t.Fatalf("got %d to %v: %s", status, to, body)
	}
	user, err := p.auth.Operator("test").UserByLoginID(ctx, ann)
	must(t, err)
	if !user.EmailVerified {
		t.Error("the address is not verified")
	}
	again := p.browser()
	if again.signIn(p); !again.isIn(p) {
		t.Error("the second sign-in fails")
	}
}

func TestOP04_TheOwnerComesWithAProviderAfterAnAttacker(t *testing.T) {
	p := newProgram(t)
	attacker := p.browser()
	form := url.Values{"loginId": {ann}, "password": {"vast otter sings low"}}
	if attacker.open("POST", p.URL+"/auth/signup", form); !attacker.isIn(p) {
		t.Fatal("the attacker does not sign up")
	}
	owner := p.browser()
	if owner.signIn(p); !owner.isIn(p) {
		t.Fatal("the owner is not signed in")
	}
	if attacker.isIn(p) {
		t.Error("the attacker's session goes on")
	}
	if attacker.open("POST", p.URL+"/auth/signin", form); attacker.isIn(p) {
		t.Error("the attacker's password opens the account")
	}
}

func TestOP05_AnUnverifiedAddressOfAProviderOpensNothing(t *testing.T) {
	p := newProgram(t)
	owner := p.browser()
	owner.signIn(p)
	for _, verified := range []any{false, "false", nil} {
		b := p.browser()
		q := b.begin(p, "liar").Query()
		p.liar.says(ann, verified, q.Get("nonce"))
		b.wantRefused(p, p.URL+"/openid/liar/callback?code=x&state="+q.Get("state"))
	}
	p.people["1"].EmailVerified = false
	b := p.browser()
	b.wantRefused(p, b.atProvider(b.begin(p, "honest")).String())
}

func TestOP06_StateBindsTheAnswerToTheBrowser(t *testing.T) {
	p := newProgram(t)
	attacker, victim := p.browser(), p.browser()
	callback := attacker.atProvider(attacker.begin(p, "honest"))
	victim.wantRefused(p, callback.String()) // a sign-in that the victim has not begun
	victim.begin(p, "honest")
	victim.wantRefused(p, callback.String()) // another one than the victim has begun
	if attacker.open("GET", callback.String(), nil); !attacker.isIn(p) {
		t.Fatal("the browser that has begun is refused")
	}
	replayed := p.browser()
	replayed.wantRefused(p, callback.String())
	q := victim.begin(p, "liar").Query()
	p.liar.says(ann, true, q.Get("nonce")) // the state alone is wrong
	victim.wantRefused(p, p.URL+"/openid/liar/callback?code=x&state=another")
	if p.liar.redeemed != 0 {
		t.Error("the code of an answer with another state was redeemed")
	}
	for _, query := range []string{"", "state=", "state=&code=x"} {
		p.browser().wantRefused(p, p.URL+"/openid/honest/callback?"+query)
	}
}

func TestOP06_PKCEBindsTheCodeToTheSignIn(t *testing.T) {
	p := newProgram(t)
	attacker, victim := p.browser(), p.browser()
	stolen := attacker.atProvider(attacker.begin(p, "honest")).Query()
	own := victim.begin(p, "honest").Query()
	if own.Get("code_challenge") == "" || own.Get("code_challenge_method") != "S256" {
		t.Error("the request has no challenge")
	}
	victim.wantRefused(p, p.URL+"/openid/honest/callback?"+url.Values{"code": stolen["code"], "state": own["state"]}.Encode())
}

func TestOP06_TheIDTokenMustBeThatOfThisSignIn(t *testing.T) {
	for name, change := range map[string]func(l *liar){
		"another nonce":         func(l *liar) { l.id["nonce"] = "another" },
		"no nonce":              func(l *liar) { delete(l.id, "nonce") },
		"another client":        func(l *liar) { l.id["aud"] = "another" },
		"another issuer":        func(l *liar) { l.id["iss"] = "https://accounts.example" },
		"expired":               func(l *liar) { l.id["exp"] = time.Now().Add(-time.Minute).Unix() },
		"another user's info":   func(l *liar) { l.info["sub"] = "2" },
		"auth_time in text":     func(l *liar) { l.id["auth_time"] = "yesterday" },
		"auth_time not reached": func(l *liar) { l.id["auth_time"] = time.Now().Add(time.Hour).Unix() },
	} {
		t.Run(name, func(t *testing.T) {
			p := newProgram(t)
			b := p.browser()
			q := b.begin(p, "liar").Query()
			p.liar.says(ann, true, q.Get("nonce"))
			change(p.liar)
			status, _, _ := b.open("GET", p.URL+"/openid/liar/callback?code=x&state="+q.Get("state"), nil)
			if status/100 != 4 || b.isIn(p) {
				t.Errorf("the callback answers %d", status)
			}
		})
	}
}

// A provider that an attacker runs sends the browser on to another provider, so that the
// program passes that one's code to the attacker (RFC 9700 §4.4).
func TestOP06_AnswersOfTwoProvidersAreNotMixedUp(t *testing.T) {
	p := newProgram(t)
	victim := p.browser()
	atLiar := victim.begin(p, "liar").Query()
	honest := p.browser().begin(p, "honest")
	q := honest.Query()
	for _, name := range []string{"state", "nonce", "code_challenge"} {
		q[name] = atLiar[name]
	}
	honest.RawQuery = q.Encode()
	callback := victim.atProvider(honest)
	victim.wantRefused(p, callback.String())
	if p.liar.redeemed != 0 {
		t.Error("the attacker's provider got the code")
	}
}

// An answer with another state, which any page can cause, spends no sign-in that has begun.
func TestOP06_AForgedAnswerLeavesTheSignInThatHasBegun(t *testing.T) {
	p := newProgram(t)
	b := p.browser()
	callback := b.atProvider(b.begin(p, "honest"))
	b.wantRefused(p, p.URL+"/openid/honest/callback?code=x&state=another")
	if b.open("GET", callback.String(), nil); !b.isIn(p) {
		t.Error("the sign-in that the browser has begun is refused")
	}
	b.open("POST", p.URL+"/auth/signout", url.Values{})
	b.wantRefused(p, callback.String()) // it counts once
}

// A return path of any length begins a sign-in; one that is not safe is dropped.
func TestOP06_AnyReturnPathBeginsASignIn(t *testing.T) {
	p := newProgram(t)
	for _, back := range []string{"/" + strings.Repeat("a", 2047), "/?" + strings.Repeat("&", 2046), strings.Repeat("<", 9000), "https://evil.example/"} {
		status, to, body := p.browser().open("GET", p.URL+"/openid/honest?return_to="+url.QueryEscape(back), nil)
		if status != 303 || to.Host == "" {
			t.Errorf("%d bytes: got %d to %v: %s", len(back), status, to, body)
		}
	}
}

var _ storage.UserStore = people{}

// A provider that cannot be reached has not refused the user.
func TestOP06_AProviderOutOfReachIsAnOutage(t *testing.T) {
	p := newProgram(t)
	b := p.browser()
	own := b.begin(p, "liar").Query()
	p.liar.Close()
	status, _, _ := b.open("GET", p.URL+"/openid/liar/callback?"+url.Values{"code": {"x"}, "state": {own.Get("state")}}.Encode(), nil)
	if status != http.StatusServiceUnavailable {
		t.Errorf("status %d, want 503", status)
	}
}
