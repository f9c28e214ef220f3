package usher_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/password"
	"github.com/usherkit/usher/store"
)

// wantErr fails unless err is want.
func wantErr(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error is %v, want %v", err, want)
	}
}

// wantLimit fails unless err is a *LimitError, which it returns.
func wantLimit(t *testing.T, err error) *usher.LimitError {
	t.Helper()
	var l *usher.LimitError
	if !errors.As(err, &l) {
		t.Fatalf("error is %v, want a *LimitError", err)
	}
	return l
}

// wantField fails unless err is a *FieldError for that field.
func wantField(t *testing.T, err error, field string) {
	t.Helper()
	var f *usher.FieldError
	if !errors.As(err, &f) || f.Field != field {
		t.Fatalf("error is %v, want a *FieldError for %s", err, field)
	}
}

// wantPolicy fails unless err is a *PolicyError with that code.
func wantPolicy(t *testing.T, err error, code password.Code) {
	t.Helper()
	var p *password.PolicyError
	if !errors.As(err, &p) || !p.Has(code) {
		t.Fatalf("error is %v, want a *PolicyError with %s", err, code)
	}
}

// allText returns all strings and byte slices in v, in unexported fields too;
// bytes also as hex and base64.
func allText(v any) string {
	var b strings.Builder
	collect(&b, reflect.ValueOf(v))
	return b.String()
}

func collect(b *strings.Builder, v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		b.WriteString(v.String() + "\n")
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			collect(b, v.Elem())
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return
		}
		for i := range v.NumField() {
			collect(b, v.Field(i))
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			raw := v.Bytes()
			for _, s := range []string{
				string(raw), hex.EncodeToString(raw),
				base64.RawURLEncoding.EncodeToString(raw), base64.RawStdEncoding.EncodeToString(raw),
			} {
				b.WriteString(s + "\n")
			}
			return
		}
		for i := range v.Len() {
			collect(b, v.Index(i))
		}
	case reflect.Map:
		for it := v.MapRange(); it.Next(); {
			collect(b, it.Key())
			collect(b, it.Value())
		}
	}
}

// wantAbsent fails if the store holds one of the values, as given or decoded.
func (k *kit) wantAbsent(what string, values ...usher.Secret) {
	k.t.Helper()
	held := allText(k.store)
	for _, v := range values {
		forms := []string{v.Reveal()}
		if raw, err := base64.RawURLEncoding.DecodeString(v.Reveal()); err == nil {
			forms = append(forms, string(raw), hex.EncodeToString(raw))
		}
		for _, f := range forms {
			if strings.Contains(held, f) {
				k.t.Fatalf("%s is in the store", what)
			}
		}
	}
}

// wantEvents fails unless exactly these events happened since the last take.
func (k *kit) wantEvents(want string) {
	k.t.Helper()
	if got := k.events.take(); got != want {
		k.t.Fatalf("events are\n%q, want\n%q", got, want)
	}
}

// wantEmails fails unless the outbox delivered exactly these kinds (sorted) since
// the last time.
func (k *kit) wantEmails(want string) []usher.Message {
	k.t.Helper()
	all := k.inbox()
	if got := kinds(all); got != want {
		k.t.Fatalf("emails are %q, want %q", got, want)
	}
	k.mail.mu.Lock()
	k.mail.all = nil
	k.mail.mu.Unlock()
	// They are delivered at the same time, so in any order.
	slices.SortStableFunc(all, func(a, b usher.Message) int { return strings.Compare(string(a.Kind), string(b.Kind)) })
	return all
}

// wantPassword fails unless pw is the user's password, and only it.
func (k *kit) wantPassword(loginID string, pw usher.Secret, not ...usher.Secret) {
	k.t.Helper()
	k.signIn(loginID, pw, from("203.0.113.1"))
	for _, n := range not {
		_, err := k.SignIn(ctx, usher.SignInParams{LoginID: loginID, Password: n}, from("203.0.113.1"))
		wantErr(k.t, err, usher.ErrInvalidCredentials)
	}
}

// wantEnded fails unless both tokens of a are refused.
func (k *kit) wantEnded(a *usher.Authentication) {
	k.t.Helper()
	if _, err := k.ValidateSession(ctx, a.Tokens.Session); err == nil {
		k.t.Fatal("the session token is still valid")
	}
	_, err := k.RefreshSession(ctx, a.Tokens.Refresh, home)
	wantErr(k.t, err, usher.ErrInvalidSession)
}

// hashed returns the hash of a one-time token that the store keeps.
func hashed(raw usher.Secret) []byte {
	h := sha256.Sum256([]byte(raw.Reveal()))
	return h[:]
}

// within and beyond are times within and beyond the grace time of a refresh token.
const within, beyond = 4 * time.Second, 11 * time.Second

// search tries all histories of the refresh tokens of one session, on two instances.
// It goes back in a history by restoring the session in the store.
type search struct {
	*testing.T
	instances [2]*kit
	version   int64 // of the user's password
	next      func(history) []history
	check     func(history)
}

// history is a list of events and what they led to. A token is an index into tokens.
type history struct {
	events  []string
	at      time.Time
	session store.SessionRecord
	ended   bool
	tokens  []issuedToken
	owner   []int // the tokens that were in the owner's jar; the last one still is
	held    []int // tokens of answers to the owner that are under way
	thief   []int // the tokens that the thief got; none before the theft
}

type issuedToken struct {
	raw         usher.Secret
	hash        string
	parent      int
	firstChild  int       // the child that was presented first, or 0
	exchangedAt time.Time // when its newest child was issued
}

// newSearch returns a search, and a session whose owner has its first token.
func newSearch(t *testing.T) (*search, history) {
	k := newKit(t, func(c *usher.Config) { c.OnEvent = nil })
	a := k.signUp(ann)
	h := history{at: k.clock.now(), session: usher.Must(k.store.Session(ctx, a.Session.ID)), owner: []int{1}}
	h.tokens = []issuedToken{{}, {raw: a.Tokens.Refresh, hash: string(h.session.Refresh.Current)}} // 0 is no token
	version := usher.Must(k.store.Account(ctx, a.User.ID)).Password.Version
	return &search{T: t, instances: [2]*kit{k, k.secondInstance()}, version: version}, h
}

// present returns the history after a token was presented, and the token of the answer.
func (s *search) present(h history, who string, presented int) (history, int) {
	h.events = append(slices.Clone(h.events), fmt.Sprint(who, " presents ", presented))
	k := s.instances[len(h.events)%2]
	if err := k.store.EndSession(ctx, h.session.UserID, h.session.ID, store.SessionEnd{}, store.Effects{}); err != nil && !errors.Is(err, store.ErrNotFound) {
		s.Fatal(err)
	}
	usher.Must(k.store.StartSession(ctx, store.SessionStart{Session: h.session, IfPasswordVersion: s.version}))
	k.clock.add(h.at.Sub(k.clock.now()))
	a, err := k.RefreshSession(ctx, h.tokens[presented].raw, home)
	if err != nil {
		wantErr(s.T, err, usher.ErrInvalidSession)
		h.ended = true
		return h, 0
	}
	h.session, h.tokens = usher.Must(k.store.Session(ctx, h.session.ID)), slices.Clone(h.tokens)
	if p := &h.tokens[h.tokens[presented].parent]; p.firstChild == 0 {
		p.firstChild = presented
	} else if p.firstChild != presented && p != &h.tokens[0] {
		s.Fatalf("two children of one token were exchanged: %q", h.events)
	}
	answer := slices.IndexFunc(h.tokens, func(i issuedToken) bool { return i.raw == a.Tokens.Refresh })
	if answer < 0 {
		answer = len(h.tokens)
		h.tokens = append(h.tokens, issuedToken{raw: a.Tokens.Refresh, hash: string(h.session.Refresh.Current), parent: presented})
		h.tokens[presented].exchangedAt = h.at
	}
	return h, answer
}

// ownerPresents returns the histories in which the answer arrives, is lost, or is still
// under way.
func (s *search) ownerPresents(h history, presented int) []history {
	lost, answer := s.present(h, "owner", presented)
	if lost.ended {
		return []history{lost}
	}
	held := lost
	held.held = append(slices.Clone(lost.held), answer)
	return []history{lost.arrives(answer), lost, held}
}

func (h history) arrives(answer int) history {
	h.events = append(slices.Clone(h.events), fmt.Sprint(answer, " arrives"))
	h.owner = got(h.owner, answer)
	return h
}

// got returns the list with the token as the last one.
func got(list []int, token int) []int {
	list = slices.DeleteFunc(slices.Clone(list), func(i int) bool { return i == token })
	return append(list, token)
}

func (h history) waits(d time.Duration) history {
	h.events = append(slices.Clone(h.events), fmt.Sprint(d))
	h.at = h.at.Add(d)
	return h
}

func (h history) jar() int { return h.owner[len(h.owner)-1] }

// late returns the tokens that another tab may have read before the jar got the next
// one: those that were exchanged within the grace time.
func (h history) late() (out []int) {
	for _, i := range h.owner {
		if i != h.jar() && !slices.Contains(out, i) && h.at.Sub(h.tokens[i].exchangedAt) < 10*time.Second {
			out = append(out, i)
		}
	}
	return out
}

// obsolete reports whether a sibling or a child of the token was presented.
func (h history) obsolete(i int) bool {
	t := h.tokens[i]
	first := h.tokens[t.parent].firstChild
	return t.firstChild != 0 || t.parent != 0 && first != 0 && first != i
}

// key describes everything that matters for how the history can continue.
func (h history) key() string {
	names, key := map[int]int{0: 0}, ""
	name := func(i int) int {
		if _, ok := names[i]; !ok {
			names[i] = len(names)
			t := h.tokens[i]
			key += fmt.Sprint(" of ", names[t.parent], h.obsolete(i), t.firstChild != 0, min(h.at.Sub(t.exchangedAt), 10*time.Second))
		}
		return names[i]
	}
	hashed := func(hash []byte) int {
		return name(max(0, slices.IndexFunc(h.tokens, func(t issuedToken) bool { return t.hash == string(hash) })))
	}
	r := h.session.Refresh
	for _, t := range r.Retired {
		if t.Until.After(h.at) {
			key += fmt.Sprint(hashed(t.Hash), t.Until.Sub(h.at), ",")
		}
	}
	key += fmt.Sprint(hashed(r.Previous), min(h.at.Sub(r.RotatedAt), 10*time.Second), ";")
	for _, hash := range append(r.Siblings, r.Current) {
		key += fmt.Sprint(hashed(hash), ",")
	}
	key += fmt.Sprint("jar ", name(h.jar()))
	for what, list := range [][]int{h.late(), h.held, h.thief} {
		for _, i := range list {
			key += fmt.Sprint(" ", what, ":", name(i))
		}
	}
	return key
}

// mustEnd continues a history with refreshes of both clients in turn, beyond the grace
// time. The session must end at the second refresh of the loser at the latest.
func (s *search) mustEnd(h history) {
	for n := 0; len(h.thief) > 0 && !h.ended; n++ {
		if n == 4 {
			s.Fatalf("both go on: %q", h.events)
		}
		h = h.waits(beyond)
		var answer int
		if n%2 == 0 {
			h, answer = s.present(h, "thief", h.thief[len(h.thief)-1])
			h.thief = got(h.thief, answer)
		} else {
			h, answer = s.present(h, "owner", h.jar())
			h.owner = got(h.owner, answer)
		}
	}
}

// A verifier of another program checks the signature, the issuer, the audience and the
// time, as most do, and not the type.
func TestTV09_AnotherVerifierRefusesARefreshToken(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	a := k.signUpVerified(ann)
	reset := usher.Must(k.VerifyReset(ctx, k.resetToken(ann, usher.MessageResetPassword), home))
	set, err := keyfunc.NewJWKSetJSON(k.JWKS())
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		raw      usher.Secret
		accepted bool
	}{
		"session token": {a.Tokens.Session, true}, "refresh token": {a.Tokens.Refresh, false}, "reset token": {reset.Token, false},
	} {
		_, err := jwt.Parse(c.raw.Reveal(), set.Keyfunc, jwt.WithAudience(k.BaseURL()), jwt.WithIssuer(k.BaseURL()), jwt.WithTimeFunc(k.clock.now))
		if (err == nil) != c.accepted {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := k.RefreshSession(ctx, a.Tokens.Refresh, home); err != nil {
		t.Errorf("the Service: %v", err)
	}
	cfg := k.cfg
	cfg.Audience = []string{k.BaseURL(), k.BaseURL() + "/#refresh"}
	if _, err := usher.New(ctx, k.store, cfg); err == nil || !strings.Contains(err.Error(), "Config.Audience") {
		t.Errorf("the audience of refresh tokens as that of session tokens: %v", err)
	}
}
