package browser

import (
	"cmp"
	"context"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/cookies"
	"github.com/usherkit/usher/handlers"
	"github.com/usherkit/usher/internal/testhash"
	"github.com/usherkit/usher/internal/webtest"
	"github.com/usherkit/usher/mail"
	"github.com/usherkit/usher/pages"
	"github.com/usherkit/usher/password"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/memory"
	"github.com/usherkit/usher/texts"
)

// site describes a program with pages.
type site struct {
	name     string // defaults to Northwind
	service  func(*usher.Config)
	pages    pages.Config
	texts    texts.Catalogue
	throttle bool
	// http serves plain http, on a loopback host.
	http bool
	// secureCookies makes the cookies as for https.
	secureCookies bool
	// logs gets the log. Defaults to nowhere.
	logs io.Writer
	// seen is called with each request.
	seen func(*http.Request)
	// box gets the emails. Defaults to a new one.
	box *mailbox
	// breakable wraps the store so that a test can make it fail.
	breakable bool
}

// sites are the programs that the tests visit.
var sites = map[string]site{
	"plain":        {},
	"confirmFirst": {service: func(c *usher.Config) { c.ConfirmFirst = true }},
	"closed":       {service: func(c *usher.Config) { c.SignUpClosed = true }},
	"throttled":    {throttle: true},
	"broken":       {breakable: true},
	"composed": {service: func(c *usher.Config) {
		c.Password = password.PCIDSS()
		c.Password.Uppercase, c.Password.NonAlphanumeric = true, true
	}},
	// The pages in the frame of a program, with its style sheet, script, links and data.
	"framed": {pages: pages.Config{
		Stylesheets: []pages.Asset{{URL: "/site.css"}}, Scripts: []pages.Asset{{URL: "/site.js", Integrity: integrity(siteScript)}},
		Links: []pages.Link{{Text: "Terms", URL: "/terms"}, {Text: "Privacy", URL: "/privacy"}, {Text: "Support", URL: "mailto:help@example.com"}},
		Data:  func(*http.Request) any { return []string{"Products", "Prices"} },
		Templates: fstest.MapFS{"layout.html": {Data: []byte(`{{define "layout"}}<!doctype html>
<html lang="{{.Lang}}" dir="{{.Dir}}">
<head>{{template "meta" .}}</head>
<body>
<nav><a href="/">{{.Product}}</a>{{range .Data}} <a href="/#{{.}}">{{.}}</a>{{end}}</nav>
<main class="card">{{template "content" .}}</main>
<footer>{{template "foot" .}}</footer>
{{.Script}}
</body>
</html>{{end}}`)}},
	}},
	// Fields of the program in the sign-up.
	"fields": {service: webtest.Fields, texts: func() texts.Catalogue {
		var c handlers.Config
		webtest.FieldTexts(&c)
		return c.Texts
	}()},
	// A near-black accent and a very long name.
	"night": {name: "Northwindandsouthwindandeastwind Trading Company", pages: pages.Config{Accent: "#111827"}},
	"branded": {name: "Harbour & Sons", pages: pages.Config{
		Accent: "#e8b931", Logo: "/logo.svg",
		Templates: fstest.MapFS{"custom.css": {Data: []byte(brand)}},
	}, texts: texts.Catalogue{Texts: map[string]map[string]string{"en": {"signin.title": "Welcome aboard", "signin.submit": "Step aboard"}}}},
}

// siteStyle and siteScript are files of the site "framed".
const (
	siteStyle = `
body { padding: 0; }
nav { display: flex; flex-wrap: wrap; gap: .5rem 1.5rem; padding: 1rem 1.5rem; background: #16324f; }
nav a { color: #fff; padding-block: .25rem; text-decoration: none; }
nav a:first-child { font-weight: 700; margin-inline-end: auto; }
.card { max-width: 28rem; margin: 2rem auto; }
footer { display: grid; gap: .75rem; max-width: 28rem; margin: 0 auto 2rem; font-size: .9375rem; }
@media (max-width: 30rem) { .card, footer { margin-inline: 1.25rem; } }
`
	siteScript = `document.documentElement.dataset.own = "1";`
)

// integrity returns the hash of a file as Subresource Integrity.
func integrity(text string) string {
	sum := sha512.Sum384([]byte(text))
	return "sha384-" + base64.StdEncoding.EncodeToString(sum[:])
}

// brand is a style sheet of a program.
const brand = `
:root { --ground: #eef3f4; }
h1 { font-family: Georgia, "Times New Roman", serif; font-weight: 500; font-size: 1.75rem; }
button, .button, input { border-radius: 2px; }
.card { border-radius: 4px; border-block-start: 4px solid var(--accent); }
@media (prefers-color-scheme: dark) { :root { --ground: #0d1517; } }
@media (max-width: 30rem) { .card { padding-block-start: 1.5rem; } }
`

// logo has other colors on a dark page.
const logo = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 200 32" role="img"><style>.ink{fill:#35626d}@media (prefers-color-scheme:dark){.ink{fill:#a9d0d8}}</style><path d="M4 22h24l-3 6H8z" fill="#e8b931"/><path class="ink" d="M15 3v17H5zM17 7v13h8z"/><text class="ink" x="40" y="22" font-family="Georgia, serif" font-size="18">Harbour &amp; Sons</text></svg>`

// mailbox keeps all email.
type mailbox struct {
	mu  sync.Mutex
	all []usher.Message
}

func (p *mailbox) Send(_ context.Context, m usher.Message) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all = append(p.all, m)
	return nil
}

// newest returns the newest email of a kind to an address, or an empty one.
func (p *mailbox) newest(to, kind string) usher.Message {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := len(p.all) - 1; i >= 0; i-- {
		if m := p.all[i]; m.To == to && string(m.Kind) == kind {
			return m
		}
	}
	return usher.Message{}
}

func (p *mailbox) count(to string) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range p.all {
		if m.To == to {
			n++
		}
	}
	return n
}

// serve starts a site over TLS and returns its URL. Tests read email and expire
// passwords by the routes under /test.
func serve(t *testing.T, s site) string {
	t.Helper()
	mux := http.NewServeMux()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.seen != nil {
			s.seen(r)
		}
		mux.ServeHTTP(w, r)
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // Chromium first refuses the certificate
	scheme := "https"
	if s.http {
		scheme = "http"
		server.Start()
	} else {
		server.StartTLS()
	}
	t.Cleanup(server.Close)
	// The name localhost, not the IP address, because browsers derive the site from it.
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	base := scheme + "://localhost:" + u.Port()
	box := cmp.Or(s.box, &mailbox{})
	logger := slog.New(slog.NewTextHandler(cmp.Or(s.logs, io.Discard), nil))
	cfg := usher.Config{
		Name: cmp.Or(s.name, "Northwind"), Secret: "wLyp7cFmXo2Qk9vTtB4eRzN1uHsG6dJa", BaseURL: base, Mailer: box, Logger: logger, InsecureNoThrottle: !s.throttle,
		Hashing: testhash.Config(),
	}
	if s.service != nil {
		s.service(&cfg)
	}
	var store store.Store = memory.New()
	if s.breakable {
		b := &breakable{Store: store}
		mux.HandleFunc("POST /test/break", b.serve)
		store = b
	}
	service, err := usher.New(context.Background(), store, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { service.Close(context.Background()) })
	var jar *cookies.Jar // of the pages
	if s.secureCookies {
		if jar, err = cookies.New(cookies.Config{Secret: service.CookieSecrets()[0], Logger: logger}); err != nil {
			t.Fatal(err)
		}
	}
	auth, err := handlers.New(service, handlers.Config{Pages: &s.pages, Texts: s.texts, Cookies: jar, Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	mux.Handle("/auth/", http.StripPrefix("/auth", auth))
	mux.HandleFunc("GET /.well-known/change-password", auth.WellKnownChangePassword)
	mux.HandleFunc("GET /{$}", page("Home"))
	mux.Handle("GET /inside", auth.Require(page("Inside")))
	// A page with forms: to a route for signed-in users, and to one for a role.
	mux.Handle("GET /write", page("Write", `<form method=post action=/write><button>Save</button></form><form method=post action=/admin><button>Publish</button></form>`))
	mux.Handle("POST /write", auth.Require(page("Saved")))
	mux.Handle("POST /admin", auth.RequireRole("admin")(page("Published")))
	mux.Handle("GET /recent", auth.RequireRecent(time.Nanosecond)(page("Recent")))
	// The desk of an operator, who acts as the user of a login id.
	mux.Handle("GET /desk", auth.Require(page("Desk", `<form method=post action=/desk><input name=user><input type=hidden name=return_to value=/auth/account><button>Act</button></form>`)))
	mux.Handle("POST /desk", auth.RequireFunc(func(w http.ResponseWriter, r *http.Request) {
		operator := service.Operator("ops:desk")
		user, err := operator.UserByLoginID(r.Context(), r.FormValue("user"))
		var a *usher.Authentication
		if err == nil {
			a, err = operator.Impersonate(r.Context(), user.ID, auth.Client(w, r))
		}
		if err != nil {
			auth.Fail(w, r, err)
			return
		}
		auth.Finish(w, r, a)
	}))
	mux.HandleFunc("GET /favicon.ico", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.HandleFunc("GET /logo.svg", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "image/svg+xml")
		_, _ = io.WriteString(w, logo)
	})
	for path, file := range map[string]struct{ contentType, text string }{"/site.css": {"text/css", siteStyle}, "/site.js": {"text/javascript", siteScript}, "/unlisted.js": {"text/javascript", `document.documentElement.dataset.unlisted = "1";`}} {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", file.contentType)
			_, _ = io.WriteString(w, file.text)
		})
	}
	mux.HandleFunc("GET /test/email", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		composer := mail.Composer{Name: cfg.Name, Support: "help@example.com", Accent: s.pages.Accent}
		now := time.Date(2026, 11, 3, 8, 5, 0, 0, time.UTC)
		_, _, html, err := composer.Render(usher.Message{
			ID: "1", Kind: usher.MessageKind(q.Get("kind")), To: "ann@example.com", Language: q.Get("lang"), Link: usher.Secret(base + "/auth/verify?token=" + strings.Repeat("x", 43)),
			Code: "481926", CodeExpiresAt: now.Add(10 * time.Minute), At: now, ExpiresAt: now.Add(24 * time.Hour), Address: "203.0.113.7",
			UserAgent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
		})
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, html)
	})
	mux.HandleFunc("POST /test/restored", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /test/link", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		m := box.newest(q.Get("to"), q.Get("kind"))
		_ = json.NewEncoder(w).Encode(map[string]any{"link": m.Link.Reveal(), "code": m.Code.Reveal(), "count": box.count(q.Get("to"))})
	})
	mux.HandleFunc("POST /test/expire", func(w http.ResponseWriter, r *http.Request) {
		user, err := service.Operator("test").UserByLoginID(r.Context(), r.URL.Query().Get("user"))
		if err == nil {
			err = service.Operator("test").ExpirePassword(r.Context(), user.ID)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	return base
}

// page returns a page of a program. Its script reports when a browser shows the page again without a request.
func page(text string, more ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, "<!doctype html><html lang=en><title>"+text+"</title><h1>"+text+"</h1>"+strings.Join(more, "")+
			`<script>addEventListener("pageshow", (e) => { if (e.persisted) fetch("/test/restored", {method: "POST"}); })</script>`)
	}
}

// breakable is a store whose look-ups of accounts fail or panic on request.
type breakable struct {
	store.Store
	how atomic.Value // of string
}

func (b *breakable) serve(_ http.ResponseWriter, r *http.Request) {
	b.how.Store(r.URL.Query().Get("how"))
}

func (b *breakable) fail() error {
	switch b.how.Load() {
	case "down":
		return errors.New("the store is unavailable")
	case "panic":
		panic("broken")
	}
	return nil
}

func (b *breakable) Account(ctx context.Context, userID string) (store.Account, error) {
	if err := b.fail(); err != nil {
		return store.Account{}, err
	}
	return b.Store.Account(ctx, userID)
}

func (b *breakable) AccountByLoginID(ctx context.Context, canonical string) (store.Account, error) {
	if err := b.fail(); err != nil {
		return store.Account{}, err
	}
	return b.Store.AccountByLoginID(ctx, canonical)
}
