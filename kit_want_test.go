package usher_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/password"
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
