package usher_test

import (
	"context"
	"errors"
	"net/netip"
	"reflect"
	"testing"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/password"
	"github.com/usherkit/usher/token"
)

// documented reports whether the package documents the error.
func documented(err error) bool {
	for _, known := range []error{
		usher.ErrInvalidCredentials, usher.ErrPasswordExpired, usher.ErrUserDisabled, usher.ErrLoginIDTaken,
		usher.ErrSignUpClosed, usher.ErrInvalidToken, usher.ErrInvalidSession, usher.ErrRecentSignInRequired,
		usher.ErrPasswordRequired, usher.ErrForbidden, usher.ErrNotFound, usher.ErrConflict, usher.ErrUnavailable,
	} {
		if errors.Is(err, known) {
			return true
		}
	}
	var (
		field   *usher.FieldError
		limit   *usher.LimitError
		policy  *password.PolicyError
		foreign *password.ImportError
		tokens  *token.Error
	)
	return errors.As(err, &field) || errors.As(err, &limit) || errors.As(err, &policy) || errors.As(err, &foreign) || errors.As(err, &tokens)
}

// argument returns the value for a parameter: the zero value, or one that is filled
// with the texts.
func argument(of reflect.Type, text string, secret usher.Secret, claims *token.Claims) reflect.Value {
	v := reflect.New(of).Elem()
	switch of {
	case reflect.TypeFor[context.Context]():
		v.Set(reflect.ValueOf(ctx))
		return v
	case reflect.TypeFor[*token.Claims]():
		v.Set(reflect.ValueOf(claims))
		return v
	case reflect.TypeFor[usher.Secret]():
		v.SetString(secret.Reveal())
		return v
	case reflect.TypeFor[netip.Addr](), reflect.TypeFor[usher.Client]():
		return v
	}
	switch of.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Struct:
		for i := range of.NumField() {
			if f := of.Field(i); f.IsExported() && (f.Type.Kind() == reflect.String || f.Type.Kind() == reflect.Struct) {
				v.Field(i).Set(argument(f.Type, text, secret, claims))
			}
		}
	case reflect.Slice:
		if text != "" && of.Elem().Kind() == reflect.Struct {
			v.Set(reflect.Append(v, argument(of.Elem(), text, secret, claims)))
		}
	}
	return v
}

// Every error of every method is one that the package documents, whatever the method
// is given, and whether or not the store works.
func TestEveryErrorIsDocumented(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	a := k.signUpVerified(ann)
	claims := k.claims(a)
	texts := map[string]string{"nothing": "", "a login id": ann, "a user id": a.User.ID, "control characters": "a\x00b\x1f", "no such thing": "ghost"}
	secrets := map[string]usher.Secret{"no secret": "", "a password": goodPassword, "a token": a.Tokens.Refresh, "no text": "\xff\xfe"}
	for _, state := range []string{"the store works", "the store is closed"} {
		if state == "the store is closed" {
			if err := k.store.Close(); err != nil {
				t.Fatal(err)
			}
		}
		for _, receiver := range []any{k.Service, k.Operator("test")} {
			of := reflect.TypeOf(receiver)
			for i := range of.NumMethod() {
				m := of.Method(i)
				last := m.Type.NumOut() - 1
				if last < 0 || m.Type.Out(last) != reflect.TypeFor[error]() || m.Name == "Close" {
					continue
				}
				for what, text := range texts {
					for which, secret := range secrets {
						for _, c := range []*token.Claims{nil, claims} {
							in := []reflect.Value{reflect.ValueOf(receiver)}
							for p := 1; p < m.Type.NumIn(); p++ {
								in = append(in, argument(m.Type.In(p), text, secret, c))
							}
							if err, _ := m.Func.Call(in)[last].Interface().(error); err != nil && !documented(err) {
								t.Errorf("%s: %s of %s with %s and %s, signed in %t: %v", state, m.Name, of, what, which, c != nil, err)
							}
						}
					}
				}
			}
		}
	}
}
