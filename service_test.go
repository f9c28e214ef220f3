package usher_test

import (
	"context"
	"errors"
	"net/netip"
	"reflect"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/password"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/memory"
	"github.com/usherkit/usher/token"
)

// The test goes through the whole lifetime of an account and checks its events.
func TestLifecycleOfAnAccount(t *testing.T) {
	k := newKit(t)
	step := func(what, events, mail string) {
		t.Helper()
		if got := k.emailKinds(); got != mail {
			t.Fatalf("%s: emails are %q, want %q", what, got, mail)
		}
		if got := k.events.take(); got != events {
			t.Fatalf("%s: events are\n%q, want\n%q", what, got, events)
		}
		k.mail.mu.Lock()
		k.mail.all = nil
		k.mail.mu.Unlock()
	}

	a := k.signUp("Ann@Example.com")
	if !a.UserCreated || a.User.EmailVerified || a.User.Email != "Ann@Example.com" {
		t.Fatalf("signed up as %+v", a.User)
	}
	link := k.lastEmail(usher.MessageVerifyEmail)
	step("sign-up", "user_created session_created", "verify_email")

	if _, err := k.confirm(tokenIn(t, link), home); err != nil {
		t.Fatal(err)
	}
	step("verify", "user_email_verify", "")

	b := k.signIn("ann@example.com", goodPassword, home)
	step("sign-in", "authn_login_success session_created authn_login_newdevice", "")

	claims, err := k.ValidateSession(ctx, b.Tokens.Session)
	if err != nil {
		t.Fatal(err)
	}
	if claims.Subject != a.User.ID || !claims.EmailVerified || claims.SessionID != b.Session.ID {
		t.Fatalf("claims are %+v", claims)
	}
	list, err := k.Sessions(ctx, claims)
	if err != nil || len(list) != 2 {
		t.Fatalf("%d sessions, %v", len(list), err)
	}

	c, err := k.UpdatePassword(ctx, claims, usher.UpdatePasswordParams{NewPassword: otherPassword}, home)
	if err != nil {
		t.Fatal(err)
	}
	step("update", "session_created:update authn_password_change:update session_ended:password_changed session_ended:password_changed", "password_changed")
	if k.isLive(a) || k.isLive(b) || !k.isLive(c) {
		t.Fatal("an update must end all sessions and start one")
	}

	d, err := k.ReplacePassword(ctx, usher.ReplacePasswordParams{
		LoginID: "ann@example.com", OldPassword: otherPassword, NewPassword: thirdPassword,
	}, home)
	if err != nil {
		t.Fatal(err)
	}
	step("replace", "session_created authn_password_change:replace session_ended:password_changed", "password_changed")
	if k.isLive(c) || !k.isLive(d) {
		t.Fatal("a replacement must end the sessions before it")
	}

	reset := k.resetToken("ann@example.com", usher.MessageResetPassword)
	step("forget", "authn_password_reset_request", "reset_password")
	if s, err := k.ResetPassword(ctx, usher.ResetPasswordParams{Token: reset, NewPassword: goodPassword}, home); err != nil || s != nil {
		t.Fatal(s, err)
	}
	step("reset", "authn_password_reset:reset authn_password_change:reset session_ended:password_changed", "password_changed")
	if k.isLive(d) {
		t.Fatal("a reset must end all sessions")
	}
	_, err = k.SignIn(ctx, usher.SignInParams{LoginID: "ann@example.com", Password: thirdPassword}, home)
	wantErr(t, err, usher.ErrInvalidCredentials)
	step("old password", "authn_login_fail:wrong_password", "")

	e := k.signIn("ann@example.com", goodPassword, home)
	f := k.signIn("ann@example.com", goodPassword, home)
	k.events.reset()
	claims, _ = k.ValidateSession(ctx, f.Tokens.Session)
	if err := k.RevokeSession(ctx, claims, e.Session.ID, home); err != nil {
		t.Fatal(err)
	}
	step("revoke", "session_ended:revoked", "")
	if k.isLive(e) || !k.isLive(f) {
		t.Fatal("one session was to end")
	}

	g, err := k.RefreshSession(ctx, f.Tokens.Refresh, home)
	if err != nil {
		t.Fatal(err)
	}
	step("refresh", "session_renewed", "")
	if err := k.SignOutEverywhere(ctx, claims, home); err != nil {
		t.Fatal(err)
	}
	step("sign out everywhere", "authn_logout:everywhere session_ended:signed_out", "")
	if k.isLive(f) || k.isLive(g) {
		t.Fatal("all sessions were to end")
	}
	_, err = k.RefreshSession(ctx, g.Tokens.Refresh, home)
	wantErr(t, err, usher.ErrInvalidSession)
}

// hangingAudit is a store whose Record waits until the context of the caller ends.
type hangingAudit struct{ store.Store }

func (hangingAudit) Record(ctx context.Context, _ store.Effects) error {
	<-ctx.Done()
	return ctx.Err()
}

// Storing events does not delay the answer beyond the deadline of the caller, or,
// without a deadline, beyond a short time.
func TestAnswerDoesNotWaitForTheAuditLog(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := newInstance(t, hangingAudit{memory.New()})
		k.signUp("ann@example.com")
		for patience, most := range map[time.Duration]time.Duration{
			500 * time.Millisecond: 600 * time.Millisecond, time.Second: 1100 * time.Millisecond, time.Hour: 2100 * time.Millisecond,
		} {
			bounded, cancel := context.WithTimeout(ctx, patience)
			start := time.Now()
			_, err := k.SignIn(bounded, usher.SignInParams{LoginID: "ann@example.com", Password: otherPassword}, from("203.0.113.7"))
			cancel()
			wantErr(t, err, usher.ErrInvalidCredentials)
			if took := time.Since(start); took > most {
				t.Errorf("with %s: the answer took %s", patience, took)
			}
		}
	})
}

// documented reports whether the package documents the error.
func documented(err error) bool {
	for _, known := range []error{
		usher.ErrInvalidCredentials, usher.ErrPasswordExpired, usher.ErrUserDisabled, usher.ErrLoginIDTaken,
		usher.ErrSignUpClosed, usher.ErrInvalidToken, usher.ErrInvalidSession, usher.ErrRecentSignInRequired,
		usher.ErrPasswordRequired, usher.ErrForbidden, usher.ErrNotFound, usher.ErrConflict, usher.ErrEmailNotVerified, usher.ErrUnavailable,
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

// deleting is a store that deletes the user before it changes anything.
type deleting struct{ store.Store }

func (d deleting) UpdateUser(ctx context.Context, u store.UserUpdate) (usher.User, []store.Event, error) {
	_, err := d.DeleteUser(ctx, store.UserDeletion{UserID: u.UserID})
	if err != nil {
		return usher.User{}, nil, err
	}
	return d.Store.UpdateUser(ctx, u)
}

func (d deleting) ChangePassword(ctx context.Context, c store.PasswordChange) ([]store.Event, error) {
	if _, err := d.DeleteUser(ctx, store.UserDeletion{UserID: c.UserID}); err != nil {
		return nil, err
	}
	return d.Store.ChangePassword(ctx, c)
}

// A user who is deleted in the middle of a call has no valid session.
func TestAUserWhoIsDeletedMeanwhileHasNoSession(t *testing.T) {
	t.Parallel()
	for name, act := range map[string]func(k *kit, a *usher.Authentication) error{
		"UpdateProfile": func(k *kit, a *usher.Authentication) error {
			name := "Ann"
			return errOf(k.UpdateProfile(ctx, k.claims(a), usher.Profile{Name: &name}, home))
		},
		"UpdatePassword": func(k *kit, a *usher.Authentication) error {
			return errOf(k.UpdatePassword(ctx, k.claims(a), usher.UpdatePasswordParams{NewPassword: otherPassword}, home))
		},
		"UpdatePassword in a reset session": func(k *kit, a *usher.Authentication) error {
			reset := usher.Must(k.VerifyReset(ctx, k.resetToken(ann, usher.MessageResetPassword), home))
			claims := usher.Must(k.ValidateReset(ctx, reset.Token))
			return errOf(k.UpdatePassword(ctx, claims, usher.UpdatePasswordParams{NewPassword: otherPassword}, home))
		},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKitOn(t, deleting{memory.New()}, newClock())
			wantErr(t, act(k, k.signUpVerified(ann)), usher.ErrInvalidSession)
		})
	}
}

// The program's refusal is about the user, so only a live session gets it. A
// stolen token is noticed even while the program refuses.
func TestSE18_OnlyALiveSessionGetsTheRefusalOfConfigClaims(t *testing.T) {
	t.Parallel()
	unpaid := &usher.Rejection{Code: "unpaid"}
	var refuse atomic.Bool
	k := newKit(t, func(c *usher.Config) {
		c.Claims = func(context.Context, usher.User) (map[string]any, error) {
			if refuse.Load() {
				return nil, unpaid
			}
			return nil, nil
		}
	})
	ended, stolen := k.signUp(ann), k.signUp("ben@example.com")
	k.clock.add(time.Minute)
	used := usher.Must(k.RefreshSession(ctx, stolen.Tokens.Refresh, home))
	used = usher.Must(k.RefreshSession(ctx, used.Tokens.Refresh, home))
	if err := k.signOutByRefreshToken(ended.Tokens.Refresh); err != nil {
		t.Fatal(err)
	}
	k.clock.add(time.Minute)
	refuse.Store(true)
	_, err := k.RefreshSession(ctx, used.Tokens.Refresh, home)
	wantErr(t, err, unpaid)
	_, err = k.RefreshSession(ctx, ended.Tokens.Refresh, home)
	wantErr(t, err, usher.ErrInvalidSession)
	k.events.reset()
	_, err = k.RefreshSession(ctx, stolen.Tokens.Refresh, home)
	wantErr(t, err, usher.ErrInvalidSession)
	k.wantEvents("authn_token_reuse session_ended:token_reused")
	k.wantEnded(used)
}
