package handlers_test

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/usherkit/usher"
	. "github.com/usherkit/usher/internal/webtest"
	"github.com/usherkit/usher/middleware"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/memory"
	"github.com/usherkit/usher/token"
)

// A route of the program signs the user out by the Service, and goes on with the context of
// its request.
func TestHP16_ARouteThatSignsOutIsNotCanceled(t *testing.T) {
	t.Parallel()
	BothModes(t, func(t *testing.T, m Mode) {
		k := NewKit(t, m, Setup{})
		mux := http.NewServeMux()
		mux.Handle("/", k.Server)
		mux.Handle("/bye", k.Handlers.RequireFunc(func(w http.ResponseWriter, r *http.Request) {
			ctx := r.Context()
			_ = ctx.Done() // as a database call asks for it
			claims, _ := middleware.Claims(ctx)
			if err := k.Service.SignOut(ctx, &claims, usher.Client{}); err != nil {
				t.Error(err)
			}
			if ctx.Err() != nil {
				t.Errorf("the context is canceled: %v", context.Cause(ctx))
			}
		}))
		k.Server = mux
		u := k.SignUp(Ann)
		k.Do(k.As(u, Post("~/bye", ""))).Want(t, 200, "")
		if k.IsSignedIn(u) {
			t.Error("the session goes on")
		}
	})
}

// An operator ends the session while one of the kit's own routes runs. The route is not
// interrupted between two transactions.
func TestHP16_TheRoutesOfTheKitAreNotInterrupted(t *testing.T) {
	t.Parallel()
	BothModes(t, func(t *testing.T, m Mode) {
		var k *Kit
		armed := false
		k = NewKit(t, m, Setup{Service: func(c *usher.Config) {
			c.Claims = func(ctx context.Context, _ usher.User) (map[string]any, error) {
				if !armed {
					return nil, nil
				}
				_ = ctx.Done()
				if err := k.Service.Operator("ops:test").SignOutUser(context.Background(), k.UserID(Ann)); err != nil {
					t.Error(err)
				}
				if ctx.Err() != nil {
					t.Errorf("the context is canceled: %v", context.Cause(ctx))
				}
				armed = false
				return nil, nil
			}
		}})
		u := k.SignUp(Ann)
		armed = true
		k.Do(k.As(u, Post("/email/verify", Object("token", k.MailedToken())))).Want(t, 200, "")
		if armed {
			t.Error("the route did not ask for claims")
		}
	})
}

// endedBefore is a store that runs a function just before a session or all sessions of a
// user end.
type endedBefore struct {
	*memory.Store
	first func()
}

func (s *endedBefore) run() {
	if f := s.first; f != nil {
		s.first = nil
		f()
	}
}

func (s *endedBefore) EndSession(ctx context.Context, user, id string, end store.SessionEnd, fx store.Effects) error {
	s.run()
	return s.Store.EndSession(ctx, user, id, end, fx)
}

func (s *endedBefore) EndUserSessions(ctx context.Context, user string, end store.SessionEnd, fx store.Effects) ([]store.Event, error) {
	s.run()
	return s.Store.EndUserSessions(ctx, user, end, fx)
}

func (s *endedBefore) ChangePassword(ctx context.Context, c store.PasswordChange) ([]store.Event, error) {
	s.run()
	return s.Store.ChangePassword(ctx, c)
}

func (s *endedBefore) CreateUser(ctx context.Context, c store.UserCreation) ([]store.Event, error) {
	s.run()
	return s.Store.CreateUser(ctx, c)
}

func (s *endedBefore) StartSession(ctx context.Context, in store.SessionStart) ([]store.Event, error) {
	s.run()
	return s.Store.StartSession(ctx, in)
}

func (s *endedBefore) UpdateUser(ctx context.Context, u store.UserUpdate) (store.User, []store.Event, error) {
	s.run()
	return s.Store.UpdateUser(ctx, u)
}

func (s *endedBefore) DeleteUser(ctx context.Context, d store.UserDeletion) ([]store.Event, error) {
	s.run()
	return s.Store.DeleteUser(ctx, d)
}

// Another request ends the session at the same moment, so this instance learns of the end
// while the transaction of the request runs. The request is not canceled in it.
func TestHP16_ARequestThatEndsItsSessionIsNotCanceledInItsTransaction(t *testing.T) {
	t.Parallel()
	for name, ends := range map[string]func(context.Context, *usher.Service, *token.Claims) error{
		"sign-out": func(ctx context.Context, s *usher.Service, claims *token.Claims) error {
			return s.SignOut(ctx, claims, usher.Client{})
		},
		"everywhere": func(ctx context.Context, s *usher.Service, claims *token.Claims) error {
			return s.SignOutEverywhere(ctx, claims, usher.Client{})
		},
		"password": func(ctx context.Context, s *usher.Service, claims *token.Claims) error {
			_, err := s.UpdatePassword(ctx, claims, usher.UpdatePasswordParams{NewPassword: "calm heron reads maps"}, usher.Client{})
			if errors.Is(err, usher.ErrInvalidSession) {
				return nil // the other request was first
			}
			return err
		},
		"sign-up": func(ctx context.Context, s *usher.Service, claims *token.Claims) error {
			_, err := s.SignUp(ctx, usher.SignUpParams{LoginID: Bob, Password: GoodPassword}, usher.Client{SessionID: claims.SessionID})
			return err
		},
		"another session": func(ctx context.Context, s *usher.Service, claims *token.Claims) error {
			proof := usher.Proof{Methods: []string{"otp"}, At: claims.IssuedAt}
			_, err := s.StartSession(ctx, claims.Subject, proof, usher.Client{SessionID: claims.SessionID})
			return err
		},
		"deletion": func(ctx context.Context, s *usher.Service, claims *token.Claims) error {
			return s.Operator("ops:test").Delete(ctx, claims.Subject)
		},
		"disabled": func(ctx context.Context, s *usher.Service, claims *token.Claims) error {
			return s.Operator("ops:test").Disable(ctx, claims.Subject)
		},
		"login ids": func(ctx context.Context, s *usher.Service, claims *token.Claims) error {
			_, err := s.Operator("ops:test").SetLoginIDs(ctx, claims.Subject, []string{"ann"})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			st := &endedBefore{Store: memory.New()}
			k := NewKit(t, InBodies, Setup{Store: st})
			mux := http.NewServeMux()
			mux.Handle("/", k.Server)
			mux.Handle("/bye", k.Handlers.RequireFunc(func(w http.ResponseWriter, r *http.Request) {
				ctx := r.Context()
				_ = ctx.Done() // as a database call asks for it
				claims, _ := middleware.Claims(ctx)
				st.first = func() {
					if err := k.Service.Operator("ops:test").SignOutUser(context.Background(), claims.Subject); err != nil {
						t.Error(err)
					}
					if ctx.Err() != nil {
						t.Errorf("the context is canceled: %v", context.Cause(ctx))
					}
				}
				if err := ends(ctx, k.Service, &claims); err != nil {
					t.Error(err)
				}
			}))
			k.Server = mux
			k.Do(k.As(k.SignUp(Ann), Post("~/bye", ""))).Want(t, 200, "")
			if st.first != nil {
				t.Error("no session ended")
			}
		})
	}
}
