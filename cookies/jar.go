package cookies

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"net/textproto"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/securecookie"
	"github.com/gorilla/sessions"

	"github.com/usherkit/usher/internal/logs"
	"github.com/usherkit/usher/internal/tokencache"
	"github.com/usherkit/usher/token"
)

// maxSize is the largest cookie that browsers keep, name and value together, in
// bytes (RFC 6265bis §5.6).
const maxSize = 4096

// Errors of the methods that set cookies. A method that returns one has added no cookie.
// ErrStore is also an error of the methods that read them.
var (
	// ErrTooLarge means that the tokens do not fit into a cookie of 4,096 bytes.
	// Use fewer claims, or Config.Store.
	ErrTooLarge = errors.New("cookies: too large for a cookie")
	// ErrNotLoopback means that a jar with InsecureLoopback got a request whose
	// Host is not a loopback host.
	ErrNotLoopback = errors.New("cookies: InsecureLoopback sets cookies on loopback hosts only")
	// ErrStore means that Config.Store failed, so that it is not known whether the request has
	// a session, or its tokens cannot be kept. It also matches token.ErrUnavailable.
	ErrStore error = storeError{}
	// ErrExpired means that a token is missing or expired.
	ErrExpired = errors.New("cookies: the tokens are missing or have expired")
)

// Jar sets and reads cookies. It is safe for concurrent use and never changes a
// request.
type Jar struct {
	cfg   Config
	store sessions.Store
	// serverSide means that the store keeps the values and the cookie contains an id.
	serverSide bool
	// cache maps the text of session cookies to their tokens. It is nil if it is
	// disabled.
	cache *tokencache.Cache[token.Pair]
	// pairs maps session tokens to the refresh tokens that they came with, with
	// Config.Plain; see belongTogether.
	pairs *tokencache.Cache[string]
	// impersonation is the name of the cookie of an operator who acts as a user.
	impersonation string
	// conflictLogged limits the warnings of RejectConflict.
	conflictLogged *logs.Minute
}

// New returns a Jar. Its errors name the field of cfg that is missing or invalid.
func New(cfg Config) (*Jar, error) {
	cfg, err := cfg.complete()
	if err != nil {
		return nil, err
	}
	store, serverSide, err := newStore(cfg)
	if err != nil {
		return nil, err
	}
	cfg.logWarnings()
	// Only the store's codecs need the keys.
	cfg.Secret, cfg.OldSecrets, cfg.KeyPairs = "", nil, nil
	j := &Jar{cfg: cfg, store: store, serverSide: serverSide, impersonation: cfg.tokenNames()[0] + impersonationSuffix, conflictLogged: new(logs.Minute)}
	// The sessions of another store may change while the cookie stays the same.
	if cfg.Store == nil && !cfg.Plain && cfg.CacheBytes > 0 {
		j.cache = tokencache.New[token.Pair](cfg.CacheBytes, cfg.Now)
	}
	if cfg.Plain {
		j.pairs = tokencache.New[string](tokencache.MinBytes, cfg.Now)
	}
	return j, nil
}

// cookieSpec is the name and the attributes of a cookie.
type cookieSpec struct {
	name     string
	domain   string
	sameSite http.SameSite
	// endsWithBrowser leaves out Max-Age and Expires.
	endsWithBrowser bool
	// tag begins the value.
	tag string
}

// endingWithBrowser returns the spec with that value.
func (s cookieSpec) endingWithBrowser(ends bool) cookieSpec {
	s.endsWithBrowser = ends
	return s
}

// stateSpec returns the spec of a cookie other than the session cookie, which
// never has a domain.
func (j *Jar) stateSpec(name string) cookieSpec {
	if !j.cfg.InsecureLoopback {
		name = hostPrefix + name
	}
	return cookieSpec{name: name, sameSite: http.SameSiteLaxMode}
}

// read returns the values of the session in the one cookie with the given name that
// opens, or nil.
func (j *Jar) read(r *http.Request, name string) map[string]string {
	all, _, _ := j.openAll(r, name)
	if len(all) != 1 {
		return nil
	}
	values, _ := asStrings(all[0].Values)
	return values
}

// load returns the session that the store has for the only cookie with the given name,
// or nil. The error is ErrStore.
func (j *Jar) load(r *http.Request, name string) (*sessions.Session, error) {
	value := singleCookie(r, name)
	if value == "" || len(name)+len(value) > maxSize {
		return nil, nil
	}
	// A copy of the request and New instead of Get, because gorilla's registry
	// would otherwise change the caller's request.
	s, err := j.store.New(r.WithContext(r.Context()), name)
	if err == nil && s != nil && !s.IsNew {
		return s, nil
	}
	var se securecookie.Error
	if j.serverSide && err != nil && !errors.Is(err, fs.ErrNotExist) && !(errors.As(err, &se) && se.IsDecode()) {
		j.cfg.Logger.WarnContext(r.Context(), "cookies: the session store failed", "cookie", name, "error", err)
		return nil, fmt.Errorf("%w to read: %w", ErrStore, err)
	}
	return nil, nil
}

// singleCookie returns the value of the only cookie with the given name, and "" if
// there is none, or several, or one with a malformed value.
func singleCookie(r *http.Request, name string) string {
	if _, n := findCookie(r, name); n != 1 {
		return ""
	}
	c, err := r.Cookie(name)
	if err != nil {
		return ""
	}
	return c.Value
}

// findCookie returns how many cookies with the given name the request has, and the
// raw value of the last one.
func findCookie(r *http.Request, name string) (text string, n int) {
	eachCookie(r, func(key, value string) {
		if key == name {
			text, n = value, n+1
		}
	})
	return text, n
}

// cookieTexts returns the raw values of the cookies with the given name.
func cookieTexts(r *http.Request, name string) (all []string) {
	eachCookie(r, func(key, value string) {
		if key == name {
			all = append(all, value)
		}
	})
	return all
}

// eachCookie calls do with the name and the raw value of each cookie.
func eachCookie(r *http.Request, do func(name, value string)) {
	for _, line := range r.Header["Cookie"] {
		for more := true; more; {
			var pair string
			pair, line, more = strings.Cut(line, ";")
			name, value, _ := strings.Cut(textproto.TrimString(pair), "=")
			do(textproto.TrimString(name), value)
		}
	}
}

// Delivery is a cookie, or the two of Config.Plain, that can be added to a response. See
// [Jar.Prepare].
type Delivery struct {
	set     func(w http.ResponseWriter) error
	discard func()
}

// Set adds the cookies to the response. Call it before the response is written. An error
// can occur only with Config.Store, and only for the tokens of a session that the
// request belongs to; then it has added no cookie.
func (d *Delivery) Set(w http.ResponseWriter) error { return d.set(w) }

// Discard removes what [Jar.Prepare] has saved in Config.Store. Call it if the cookies
// will not be set.
func (d *Delivery) Discard() {
	if d.discard != nil {
		d.discard()
	}
}

// prepare makes a cookie. If the store keeps sessions, it saves a new one, except if the
// store already has a session for the request for whose values sameSession returns true.
// That one is updated by Delivery.Set. Otherwise Delivery.Set deletes those of the
// request, so that an attacker who planted or knows an old id gains nothing.
func (j *Jar) prepare(r *http.Request, spec cookieSpec, values map[string]string, lifetime time.Duration, sameSession func(old map[string]string) bool) (*Delivery, error) {
	if err := j.checkHost(r); err != nil {
		return nil, err
	}
	s := sessions.NewSession(j.store, spec.name)
	s.Options = j.options(spec, lifetime)
	for k, v := range values {
		s.Values[k] = v
	}
	add := func(w http.ResponseWriter, c *http.Cookie, old []*sessions.Session) {
		j.addWithTwins(w, r, c)
		j.erase(r, spec, old)
	}
	old := j.stored(r, spec)
	for i, one := range old {
		if oldValues, ok := asStrings(one.Values); ok && sameSession != nil && sameSession(oldValues) {
			s.ID, old = one.ID, slices.Delete(old, i, i+1)
			return &Delivery{set: func(w http.ResponseWriter) error {
				c, err := j.saved(r, spec, s, lifetime)
				if err == nil {
					add(w, c, old)
				}
				return err
			}}, nil
		}
	}
	c, err := j.saved(r, spec, s, lifetime)
	if err != nil {
		return nil, err
	}
	d := &Delivery{set: func(w http.ResponseWriter) error { add(w, c, old); return nil }}
	if j.serverSide {
		d.discard = func() { j.erase(r.WithContext(context.WithoutCancel(r.Context())), spec, []*sessions.Session{s}) }
	}
	return d, nil
}

// saved saves the session in the store and returns its cookie.
func (j *Jar) saved(r *http.Request, spec cookieSpec, s *sessions.Session, lifetime time.Duration) (*http.Cookie, error) {
	value, err := j.save(r, s)
	if err != nil {
		return nil, err
	}
	c := j.cookie(spec, spec.tag+value, lifetime)
	return c, checkCookie(c)
}

// stored returns the request's sessions if a store keeps them.
func (j *Jar) stored(r *http.Request, spec cookieSpec) []*sessions.Session {
	if !j.serverSide {
		return nil
	}
	all, _, _ := j.openAll(r, spec.name)
	return all
}

// save saves the session in the store and returns the value of its cookie. The
// attributes that the store sets are ignored.
func (j *Jar) save(r *http.Request, s *sessions.Session) (string, error) {
	response := headerOnly{}
	if err := j.store.Save(r.WithContext(r.Context()), response, s); err != nil {
		if se := securecookie.Error(nil); !j.serverSide || errors.As(err, &se) {
			return "", fmt.Errorf("cookies: the session cannot be saved: %w", err)
		}
		return "", fmt.Errorf("%w to save: %w", ErrStore, err)
	}
	for _, line := range response["Set-Cookie"] {
		if c, err := http.ParseSetCookie(line); err == nil && c.Name == s.Name() {
			return c.Value, nil
		}
	}
	return "", errors.New("cookies: the session store set no cookie")
}

// erase deletes sessions from the store that keeps them. A failure is only logged,
// because the browser has lost the ids, and the sessions expire in the store.
func (j *Jar) erase(r *http.Request, spec cookieSpec, all []*sessions.Session) {
	for _, s := range all {
		s.Options = j.options(spec, -time.Second)
		if err := j.store.Save(r.WithContext(r.Context()), headerOnly{}, s); err != nil {
			j.cfg.Logger.WarnContext(r.Context(), "cookies: the session store failed to delete a session", "cookie", spec.name, "error", err)
		}
	}
}

func (j *Jar) options(spec cookieSpec, lifetime time.Duration) *sessions.Options {
	return &sessions.Options{
		Path: "/", Domain: spec.domain, MaxAge: int(lifetime / time.Second),
		Secure: !j.cfg.InsecureLoopback, HttpOnly: true, SameSite: spec.sameSite,
	}
}

// cookie returns a cookie that expires after lifetime, or with the browser. If lifetime is
// not positive, the browser deletes the cookie.
func (j *Jar) cookie(spec cookieSpec, value string, lifetime time.Duration) *http.Cookie {
	c := &http.Cookie{
		Name: spec.name, Value: value, Path: "/", Domain: spec.domain,
		Secure: !j.cfg.InsecureLoopback, HttpOnly: true, SameSite: spec.sameSite,
		MaxAge: int(lifetime / time.Second), Expires: j.cfg.Now().Add(lifetime),
	}
	switch {
	case lifetime <= 0:
		c.MaxAge, c.Expires = -1, time.Unix(1, 0)
	case spec.endsWithBrowser:
		c.MaxAge, c.Expires = 0, time.Time{}
	}
	return c
}

// checkCookie returns an error for a cookie that browsers would silently ignore.
func checkCookie(c *http.Cookie) error {
	if size := len(c.Name) + len(c.Value); size > maxSize {
		return fmt.Errorf("%w: %s has %d bytes, browsers keep %d", ErrTooLarge, c.Name, size, maxSize)
	}
	if err := c.Valid(); err != nil {
		return fmt.Errorf("cookies: %s: %w", c.Name, err)
	}
	return nil
}

// addCookie adds cookies of one name to the response. It removes earlier ones, as when a
// request refreshes and then signs out (RFC 6265bis §4.1.1). The last cookie is the one
// that stays, even in browsers to which the others are the same cookie.
func addCookie(w http.ResponseWriter, cookies ...*http.Cookie) {
	h := w.Header()
	h["Set-Cookie"] = slices.DeleteFunc(h["Set-Cookie"], func(line string) bool {
		return strings.HasPrefix(line, cookies[0].Name+"=")
	})
	for _, c := range cookies {
		h["Set-Cookie"] = append(h["Set-Cookie"], c.String())
	}
}

// deleteCookie deletes a cookie and its twins, and their sessions if a store keeps them.
func (j *Jar) deleteCookie(w http.ResponseWriter, r *http.Request, spec cookieSpec) {
	j.erase(r, spec, j.stored(r, spec))
	j.addWithTwins(w, r, j.cookie(spec, "", -1))
}

// checkHost returns ErrNotLoopback if InsecureLoopback forbids cookies for the request: it
// has another Host, or was forwarded by a proxy. Proxies often send a Host of their own,
// such as 127.0.0.1. The address of the peer does not count, because the port of a
// container is reached through another address than the browser's.
func (j *Jar) checkHost(r *http.Request) error {
	if !j.cfg.InsecureLoopback {
		return nil
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	if a, err := netip.ParseAddr(host); host != "localhost" && (err != nil || !a.IsLoopback()) {
		return fmt.Errorf("%w: the request has another Host", ErrNotLoopback)
	}
	for _, name := range []string{"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip", "Forwarded", "Via"} {
		if r.Header[name] != nil {
			return fmt.Errorf("%w: a proxy has forwarded the request", ErrNotLoopback)
		}
	}
	return nil
}

// LoopbackOnly reports whether the jar has Config.InsecureLoopback.
func (j *Jar) LoopbackOnly() bool { return j.cfg.InsecureLoopback }

// headerOnly is a ResponseWriter that keeps only the headers.
type headerOnly http.Header

func (h headerOnly) Header() http.Header         { return http.Header(h) }
func (h headerOnly) Write(b []byte) (int, error) { return len(b), nil }
func (h headerOnly) WriteHeader(int)             {}

// PlainNames returns the names of the two cookies of Config.Plain, or empty strings without
// it.
func (j *Jar) PlainNames() (session, refresh string) {
	if !j.cfg.Plain {
		return "", ""
	}
	return j.cfg.SessionName, j.cfg.RefreshName
}

// Domain returns Config.Domain.
func (j *Jar) Domain() string { return j.cfg.Domain }
