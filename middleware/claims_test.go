package middleware_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/usherkit/usher/internal/signing"
	"github.com/usherkit/usher/middleware"
	"github.com/usherkit/usher/token"
)

func TestTV16_ClaimsAreTypedAndCopied(t *testing.T) {
	w := newWorld(t)
	raw := w.issue(func(i *signing.Claims) {
		i.Roles = []string{"editor"}
		i.Custom = map[string]any{"plan": "gold", "seats": 3}
	})
	h := w.middleware(nil).Require(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		ctx := r.Context()
		if middleware.Subject(ctx) != "user-1" || middleware.Source(ctx) != middleware.SourceBearer {
			t.Errorf("%q, %q", middleware.Subject(ctx), middleware.Source(ctx))
		}
		if plan, ok := middleware.Claim[string](ctx, "plan"); !ok || plan != "gold" {
			t.Errorf("plan %q %t", plan, ok)
		}
		if seats, ok := middleware.Claim[int](ctx, "seats"); !ok || seats != 3 {
			t.Errorf("seats %d %t", seats, ok)
		}
		if _, ok := middleware.Claim[string](ctx, "seats"); ok {
			t.Error("a number was returned as a string")
		}
		claims, _ := middleware.Claims(ctx)
		if claims.Roles[0] != "editor" {
			t.Errorf("roles %v: another request changed them", claims.Roles)
		}
		claims.Roles[0] = "admin"
		claims.Extra["plan"] = nil
		again, _ := middleware.Claims(ctx)
		if again.Roles[0] != "editor" || again.Extra["plan"] == nil {
			t.Error("a caller changed the claims")
		}
	}))
	for range 2 {
		if got := do(h, request("GET", "/", bearer(raw))); got.Code != 200 {
			t.Fatal(got.Code)
		}
	}
}

func TestContextWithoutSession(t *testing.T) {
	ctx := context.Background()
	for name, ctx := range map[string]context.Context{"none": ctx, "removed": middleware.WithClaims(middleware.WithClaims(ctx, &token.Claims{Subject: "a"}), nil)} {
		_, ok := middleware.Claims(ctx)
		_, ok2 := middleware.Claim[string](ctx, "plan")
		if ok || ok2 || middleware.Subject(ctx) != "" || middleware.Source(ctx) != middleware.SourceNone {
			t.Errorf("%s: there are claims", name)
		}
	}
}

func TestOP12_TheContextNamesTheActor(t *testing.T) {
	w := newWorld(t)
	acting := w.issue(func(c *signing.Claims) { c.Actor, c.AuthTime = "ops:alice", time.Time{} })
	m := w.middleware(nil)
	actor := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { fmt.Fprint(rw, middleware.Actor(r.Context())) })
	for name, c := range map[string]struct {
		h    http.Handler
		raw  token.Secret
		code int
		body string
	}{
		"the operator":     {m.Require(actor), acting, 200, "ops:alice"},
		"the user":         {m.Require(actor), w.issue(nil), 200, ""},
		"a recent sign-in": {m.RequireRecent(time.Hour)(actor), acting, 401, ""},
	} {
		got := do(c.h, request("GET", "/", bearer(c.raw)))
		if got.Code != c.code || c.code == 200 && got.Body.String() != c.body {
			t.Errorf("%s: %d %s", name, got.Code, got.Body)
		}
	}
	if got := middleware.Actor(t.Context()); got != "" {
		t.Errorf("no session, and the actor is %q", got)
	}
}

func TestWithClaims(t *testing.T) {
	w := newWorld(t)
	given := &token.Claims{Subject: "u", Roles: []string{"admin"}}
	ctx := middleware.WithClaims(t.Context(), given)
	given.Roles[0] = "none"
	got := do(w.middleware(nil).RequireRole("admin")(whoami), request("GET", "/", nil).WithContext(ctx))
	if got.Code != 200 || !strings.Contains(got.Body.String(), `"subject":"u"`) {
		t.Fatalf("got %d %s", got.Code, got.Body)
	}
}

func TestThousandRequestsWithClaimsOfTheirOwn(t *testing.T) {
	w := newWorld(t)
	tokens := make([]token.Secret, 50)
	for i := range tokens {
		tokens[i] = w.issue(func(is *signing.Claims) {
			is.Subject, is.ID, is.Roles = fmt.Sprint("user-", i), fmt.Sprint("t-", i), []string{fmt.Sprint("role-", i)}
		})
	}
	h := w.middleware(nil).Require(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		claims, _ := middleware.Claims(r.Context())
		claims.Roles = append(claims.Roles[:0], "admin")
		claims.Extra = nil
		again, _ := middleware.Claims(r.Context())
		fmt.Fprint(rw, again.Subject, " ", again.Roles)
	}))
	var wg sync.WaitGroup
	for n := range 1000 {
		wg.Go(func() {
			i := n % len(tokens)
			want := fmt.Sprintf("user-%d [role-%d]", i, i)
			if got := do(h, request("GET", "/", bearer(tokens[i]))); got.Body.String() != want {
				t.Errorf("got %s, want %s", got.Body, want)
			}
		})
	}
	wg.Wait()
}
