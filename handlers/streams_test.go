package handlers_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/usherkit/usher"
	. "github.com/usherkit/usher/internal/webtest"
	"github.com/usherkit/usher/middleware"
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
