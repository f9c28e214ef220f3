package cookies

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/securecookie"
	"github.com/gorilla/sessions"

	"github.com/usherkit/usher/internal/tokencache"
	"github.com/usherkit/usher/token"
)

// maxSize is what browsers keep of a cookie, name and value together (RFC
// 6265bis §5.6).
const maxSize = 4096

var (
	// ErrTooLarge means that the tokens do not fit into a cookie of 4,096 bytes:
	// put fewer claims into them, or use Config.Store. Nothing was sent.
	ErrTooLarge = errors.New("cookies: too large for a cookie")
	// ErrNotLoopback means that a jar with InsecureLoopback was asked to set a
	// cookie for another machine. Nothing was sent.
	ErrNotLoopback = errors.New("cookies: plain http is for localhost only")
	// ErrExpired means that a token is missing or has no time left. Nothing was
	// sent.
	ErrExpired = errors.New("cookies: the tokens are missing or have expired")
)

// Jar sets and reads cookies. It is safe for concurrent use, and never changes a
// request.
type Jar struct {
	cfg   Config
	store sessions.Store
	// server is true where the store keeps the values, and the cookie an id.
	server bool
	// opened has the tokens of cookies that were opened before, nil where that
	// is turned off.
	opened *tokencache.Cache[token.Pair]
}

// New checks the configuration and returns a jar. What is missing or contradicts
// itself is an error that names the field.
func New(cfg Config) (*Jar, error) {
	cfg, err := cfg.complete()
	if err != nil {
		return nil, err
	}
	store, server, err := newStore(cfg)
	if err != nil {
		return nil, err
	}
	cfg.warn()
	// Only the codecs need the keys.
	cfg.Secret, cfg.OldSecrets, cfg.KeyPairs = "", nil, nil
	j := &Jar{cfg: cfg, store: store, server: server}
	// What another store opens may change behind the cookie: it is asked each time.
	if cfg.Store == nil && !cfg.Plain && cfg.CacheBytes > 0 {
		j.opened = tokencache.New[token.Pair](cfg.CacheBytes, cfg.Now)
	}
	return j, nil
}

// shape is how one cookie of the jar looks.
type shape struct {
	name     string
	domain   string
	sameSite http.SameSite
}

// own is the shape of the jar's other cookies: bound to the host in any case.
func (j *Jar) own(name string) shape {
	if !j.cfg.InsecureLoopback {
		name = hostPrefix + name
	}
	return shape{name: name, sameSite: http.SameSiteLaxMode}
}

// read returns the values of the session in the cookie of that name, or nil.
// present is true if the request has such a cookie at all.
func (j *Jar) read(r *http.Request, name string) (values map[string]string, present bool) {
	s, present := j.load(r, name)
	if s == nil {
		return nil, present
	}
	values, _ = asStrings(s.Values)
	return values, true
}

// load returns the session as the store has it, or nil.
func (j *Jar) load(r *http.Request, name string) (s *sessions.Session, present bool) {
	value, present := single(r, name)
	if value == "" || len(name)+len(value) > maxSize {
		return nil, present
	}
	// A copy, for gorilla's registry assigns through the pointer. New, not Get,
	// for the same reason.
	s, err := j.store.New(r.WithContext(r.Context()), name)
	if err == nil && s != nil && !s.IsNew {
		return s, true
	}
	var bad securecookie.Error
	if j.server && err != nil && !errors.Is(err, fs.ErrNotExist) && !(errors.As(err, &bad) && bad.IsDecode()) {
		j.cfg.Logger.WarnContext(r.Context(), "cookies: the session store failed", "cookie", name, "error", err)
	}
	return nil, true
}

// single returns the value of the request's one cookie of that name. Where there
// are two, another host of the domain has planted one of them (RFC 6265bis
// §8.6), and neither counts.
func single(r *http.Request, name string) (value string, present bool) {
	if _, n := find(r, name); n != 1 {
		return "", n > 0
	}
	c, err := r.Cookie(name)
	if err != nil {
		return "", true
	}
	return c.Value, true
}

// find returns what the request's headers have after the name and the equals
// sign, as it stands there, and how many cookies of that name there are.
func find(r *http.Request, name string) (text string, n int) {
	for _, line := range r.Header["Cookie"] {
		for more := true; more; {
			pair := line
			end := strings.IndexByte(line, ';')
			if more = end >= 0; more {
				pair, line = line[:end], line[end+1:]
			}
			key, rest := pair, ""
			if end := strings.IndexByte(pair, '='); end >= 0 {
				key, rest = pair[:end], pair[end+1:]
			}
			if strings.Trim(key, " \t") == name {
				text = strings.TrimRight(rest, " \t")
				n++
			}
		}
	}
	return text, n
}

// write puts a session into the store and its cookie into the answer. keep says
// of the values of the session that the request came with, in a store that has
// them, whether this is the same one with new values; if not, the request's is
// erased, so that nobody who planted or knows its id has a part in the new one.
func (j *Jar) write(w http.ResponseWriter, r *http.Request, sh shape, values map[string]string, life time.Duration, keep func(old map[string]string) bool) error {
	if err := j.checkHost(r); err != nil {
		return err
	}
	s := sessions.NewSession(j.store, sh.name)
	s.Options = j.options(sh, life)
	for k, v := range values {
		s.Values[k] = v
	}
	old := j.stored(r, sh)
	if old != nil && keep != nil {
		if was, ok := asStrings(old.Values); ok && keep(was) {
			s.ID, old = old.ID, nil
		}
	}
	value, err := j.save(r, s)
	if err != nil {
		return err
	}
	c := j.cookie(sh, value, life)
	if err := check(c); err != nil {
		return err
	}
	add(w, c)
	j.erase(r, sh, old)
	return nil
}

// stored returns the request's session where a store keeps it, or nil.
func (j *Jar) stored(r *http.Request, sh shape) *sessions.Session {
	if !j.server {
		return nil
	}
	s, _ := j.load(r, sh.name)
	return s
}

// save returns what the store would put into the cookie. Of what it writes only
// the value counts: the attributes are the jar's.
func (j *Jar) save(r *http.Request, s *sessions.Session) (string, error) {
	answer := headerOnly{}
	if err := j.store.Save(r.WithContext(r.Context()), answer, s); err != nil {
		return "", fmt.Errorf("cookies: the session store cannot save: %w", err)
	}
	for _, line := range answer["Set-Cookie"] {
		if c, err := http.ParseSetCookie(line); err == nil && c.Name == s.Name() {
			return c.Value, nil
		}
	}
	return "", errors.New("cookies: the session store set no cookie")
}

// erase takes a session out of the store that keeps it. A failure is logged and
// no more: the id is of no use to the browser any longer, and the store drops
// the session in time.
func (j *Jar) erase(r *http.Request, sh shape, s *sessions.Session) {
	if s == nil {
		return
	}
	s.Options = j.options(sh, -time.Second)
	if err := j.store.Save(r.WithContext(r.Context()), headerOnly{}, s); err != nil {
		j.cfg.Logger.WarnContext(r.Context(), "cookies: a session stays in the store", "cookie", sh.name, "error", err)
	}
}

func (j *Jar) options(sh shape, life time.Duration) *sessions.Options {
	return &sessions.Options{
		Path: "/", Domain: sh.domain, MaxAge: int(life / time.Second),
		Secure: !j.cfg.InsecureLoopback, HttpOnly: true, SameSite: sh.sameSite,
	}
}

// cookie makes the cookie; a life that is not positive makes the browser drop
// it.
func (j *Jar) cookie(sh shape, value string, life time.Duration) *http.Cookie {
	c := &http.Cookie{
		Name: sh.name, Value: value, Path: "/", Domain: sh.domain,
		Secure: !j.cfg.InsecureLoopback, HttpOnly: true, SameSite: sh.sameSite,
		MaxAge: int(life / time.Second), Expires: j.cfg.Now().Add(life),
	}
	if life <= 0 {
		c.MaxAge, c.Expires = -1, time.Unix(1, 0)
	}
	return c
}

// check is what makes a browser drop a cookie without a word.
func check(c *http.Cookie) error {
	if size := len(c.Name) + len(c.Value); size > maxSize {
		return fmt.Errorf("%w: %s has %d bytes, browsers keep %d", ErrTooLarge, c.Name, size, maxSize)
	}
	if err := c.Valid(); err != nil {
		return fmt.Errorf("cookies: %s: %w", c.Name, err)
	}
	return nil
}

// add replaces what was said of the same cookie earlier in this answer: a
// refresh in passing and then a sign-out (RFC 6265bis §4.1.1).
func add(w http.ResponseWriter, c *http.Cookie) {
	h := w.Header()
	h["Set-Cookie"] = append(slices.DeleteFunc(h["Set-Cookie"], func(line string) bool {
		return strings.HasPrefix(line, c.Name+"=")
	}), c.String())
}

// drop clears a cookie, and erases its session where a store has it.
func (j *Jar) drop(w http.ResponseWriter, r *http.Request, sh shape) {
	j.erase(r, sh, j.stored(r, sh))
	add(w, j.cookie(sh, "", -1))
}

func (j *Jar) checkHost(r *http.Request) error {
	if !j.cfg.InsecureLoopback {
		return nil
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	if a, err := netip.ParseAddr(host); host == "localhost" || err == nil && a.IsLoopback() {
		return nil
	}
	return fmt.Errorf("%w: Host is another", ErrNotLoopback)
}

// headerOnly is a ResponseWriter that keeps the headers.
type headerOnly http.Header

func (h headerOnly) Header() http.Header         { return http.Header(h) }
func (h headerOnly) Write(b []byte) (int, error) { return len(b), nil }
func (h headerOnly) WriteHeader(int)             {}
