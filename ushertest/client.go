package ushertest

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"sync"
	"time"

	"github.com/usherkit/usher"
)

// serve starts the server of an instance: over TLS, unless the BaseURL is http.
func serve(a *App) *httptest.Server {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { a.handler.ServeHTTP(w, r) }))
	server.Config.ErrorLog = nil
	if u, err := url.Parse(a.URL); err == nil && u.Scheme == "https" {
		server.StartTLS()
	} else {
		server.Start()
	}
	a.t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return server
}

// Handler returns the program.
func (a *App) Handler() http.Handler { return a.handler }

// Client returns a browser without JavaScript: it keeps cookies, follows redirects, and
// says in the headers Origin and Sec-Fetch-Site that the program's own page sends the
// request. It finds the program at App.URL, and connects to other hosts as usual. In a
// bubble of testing/synctest a client does not work, because connections keep the clock
// from moving: use [App.Request] there.
func (a *App) Client() *http.Client {
	jar, _ := cookiejar.New(nil) // never fails without options
	return &http.Client{Transport: &browser{a.URL, a.transport()}, Jar: jar, Timeout: time.Minute}
}

// browser adds the headers of a browser.
type browser struct {
	origin string
	next   http.RoundTripper
}

// RoundTrip implements [http.RoundTripper].
func (b *browser) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	fromOwnPage(r, b.origin)
	return b.next.RoundTrip(r)
}

// fromOwnPage adds the headers that a browser sends with a request of a page of the origin,
// unless the request has them.
func fromOwnPage(r *http.Request, origin string) {
	if r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Site") != "" || r.URL.Scheme+"://"+r.URL.Host != origin {
		return
	}
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		r.Header.Set("Origin", origin)
	}
}

// transport connects to the server of the instance for the host of App.URL.
func (a *App) transport() *http.Transport {
	server := a.server()
	base, _ := url.Parse(a.URL) // usher.New has parsed it
	dialer := &net.Dialer{}
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		if host, _, err := net.SplitHostPort(address); err == nil && host == base.Hostname() {
			address = server.Listener.Addr().String()
		}
		return dialer.DialContext(ctx, network, address)
	}
	t := &http.Transport{DialContext: dial}
	if server.TLS != nil {
		roots, err := x509.SystemCertPool()
		if err != nil {
			roots = x509.NewCertPool()
		}
		roots.AddCert(server.Certificate())
		t.DialTLSContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			host, _, err := net.SplitHostPort(address)
			if err != nil {
				return nil, err
			}
			if host == base.Hostname() {
				host = "example.com" // the name in the certificate of httptest
			}
			raw, err := dial(ctx, network, address)
			if err != nil {
				return nil, err
			}
			conn := tls.Client(raw, &tls.Config{RootCAs: roots, ServerName: host, MinVersion: tls.VersionTLS12})
			if err := conn.HandshakeContext(ctx); err != nil {
				raw.Close()
				return nil, err
			}
			return conn, nil
		}
	}
	a.t.Cleanup(t.CloseIdleConnections)
	return t
}

// SignedIn returns a client that has signed in at the mount of the program, as the user that
// [App.User] describes. If the mount keeps tokens in cookies, it is [App.Client] with these
// cookies. Otherwise it sends the session token with each request to App.URL, and
// refreshes it when it has expired by the clock of the App.
func (a *App) SignedIn(loginID string, roles ...string) *http.Client {
	a.t.Helper()
	a.User(loginID, roles...)
	client := a.Client()
	route := a.cfg.Path + "/signin"
	body, _ := json.Marshal(map[string]string{"loginId": loginID, "password": Password.Reveal()})
	r, err := http.NewRequestWithContext(a.t.Context(), http.MethodPost, a.URL+route, bytes.NewReader(body))
	if err != nil {
		a.t.Fatalf("ushertest: sign-in of %s: %v", loginID, err)
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := client.Do(r)
	if err != nil {
		a.t.Fatalf("ushertest: sign-in of %s at POST %s: %v", loginID, route, err)
	}
	defer answer.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	if answer.StatusCode != http.StatusOK {
		a.t.Fatalf("ushertest: sign-in of %s at POST %s: %s\n%s\nConfig.Path is where the program mounts the handlers, now %q.", loginID, route, answer.Status, text, a.cfg.Path)
	}
	var tokens bearerTokens
	if err := json.Unmarshal(text, &tokens); err != nil {
		a.t.Fatalf("ushertest: sign-in of %s at POST %s: %v", loginID, route, err)
	}
	if tokens.Session == "" {
		if len(answer.Cookies()) == 0 {
			a.t.Fatalf("ushertest: the sign-in of %s at POST %s returned neither cookies nor tokens", loginID, route)
		}
		return client
	}
	base, _ := url.Parse(a.URL)
	client.Jar = nil
	client.Transport = &bearer{app: a, host: base.Host, next: client.Transport, tokens: tokens, expires: a.Clock.Now().Add(tokens.lifetime())}
	return client
}

// bearerTokens are the tokens in the answer of a mount without cookies.
type bearerTokens struct {
	Session   usher.Secret `json:"sessionToken"`
	Refresh   usher.Secret `json:"refreshToken"`
	ExpiresIn int64        `json:"expiresIn"`
}

func (t bearerTokens) lifetime() time.Duration { return time.Duration(t.ExpiresIn) * time.Second }

// bearer sends the session token with each request to the program.
type bearer struct {
	app     *App
	host    string
	next    http.RoundTripper
	mu      sync.Mutex
	tokens  bearerTokens
	expires time.Time
}

// RoundTrip implements [http.RoundTripper].
func (b *bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host != b.host || r.Header.Get("Authorization") != "" {
		return b.next.RoundTrip(r)
	}
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+b.session(r.Context()))
	return b.next.RoundTrip(r)
}

// session returns the session token, which it refreshes if it has expired. If the refresh
// fails, it returns the old one, and the program answers as it does for an expired token.
func (b *bearer) session(ctx context.Context) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.app.Clock.Now().Before(b.expires) {
		return b.tokens.Session.Reveal()
	}
	body, _ := json.Marshal(map[string]string{"refreshToken": b.tokens.Refresh.Reveal()})
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, b.app.URL+b.app.cfg.Path+"/session/refresh", bytes.NewReader(body))
	if err != nil {
		return b.tokens.Session.Reveal()
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := b.next.RoundTrip(r)
	if err != nil {
		return b.tokens.Session.Reveal()
	}
	defer answer.Body.Close()
	var tokens bearerTokens
	if err := json.NewDecoder(io.LimitReader(answer.Body, 1<<20)).Decode(&tokens); err == nil && tokens.Session != "" {
		b.tokens, b.expires = tokens, b.app.Clock.Now().Add(tokens.lifetime())
	}
	return b.tokens.Session.Reveal()
}
