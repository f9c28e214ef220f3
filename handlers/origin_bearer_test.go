package handlers_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/usherkit/usher"
)

// A bearer token is nothing that a browser sends unasked: the requests that are
// refused with a cookie alone are served with one, on a mount of either kind,
// and with the cookie beside it, which then counts for nothing.
func TestCS03_ABearerNeedsNoFurtherHeader(t *testing.T) {
	t.Parallel()
	const elsewhere = "new@example.com"
	acts := []struct {
		name   string
		status int
		make   func(session string) request
	}{
		{"update", 200, func(string) request {
			return post("/password/update", object("newPassword", otherPassword, "currentPassword", goodPassword))
		}},
		{"sign-out", 200, func(string) request { return post("/signout", "") }},
		{"sign-out everywhere", 200, func(string) request { return post("/signout/all", "") }},
		{"verify/send", 202, func(string) request { return post("/email/verify/send", "") }},
		{"change", 202, func(string) request {
			return post("/email/change", object("newEmail", elsewhere, "currentPassword", goodPassword))
		}},
		{"me", 200, func(string) request { return request{http.MethodPatch, "/me", `{"name":"x"}`, nil} }},
		{"revoke", 204, func(session string) request { return request{http.MethodDelete, "/sessions/" + session, "", nil} }},
	}
	bothModes(t, func(t *testing.T, m mode) {
		k := newKit(t, m, setup{service: unlimited})
		other := k.signUp(bob)
		for i, act := range acts {
			for _, beside := range []bool{false, true} {
				in := usher.SignUp{LoginID: fmt.Sprintf("ann%d%t@example.com", i, beside), Password: goodPassword}
				a, err := k.svc.SignUp(t.Context(), in, usher.Client{})
				if err != nil {
					t.Fatal(err)
				}
				q := act.make(a.Session.ID).with("Authorization", "Bearer "+a.Tokens.Session.Reveal())
				if beside {
					q = q.with("Cookie", other.cookie)
				}
				if got := k.do(q); got.status != act.status {
					t.Errorf("%s, cookie beside it %t: answer is %d %q, want %d", act.name, beside, got.status, got.code(), act.status)
				}
			}
		}
		if !k.alive(other) {
			t.Error("the session of the cookie has ended")
		}
	})
}

// What exchanges the refresh token rests on the cookie, whatever bearer token
// comes with it; on a mount without cookies it rests on its body.
func TestCS03_ABearerIsNoWayAroundForTheRefresh(t *testing.T) {
	t.Parallel()
	k := newKit(t, inCookies, setup{})
	u := k.signUp(ann)
	a, err := k.svc.SignIn(t.Context(), usher.SignIn{LoginID: ann, Password: goodPassword}, usher.Client{})
	if err != nil {
		t.Fatal(err)
	}
	bearer := "Bearer " + a.Tokens.Session.Reveal()
	got := k.do(post("/session/refresh", "", "Cookie", u.cookie, "Authorization", bearer)).want(t, 403, "cross_origin")
	if len(got.header["Set-Cookie"]) > 0 {
		t.Error("a refused refresh sets a cookie")
	}
	k.do(post("/session/refresh", "", "Authorization", bearer)).want(t, 401, "not_signed_in")
	k.do(k.refresh(u)).want(t, 200, "")

	body := newKit(t, inBodies, setup{})
	u = body.signUp(ann)
	body.do(body.refresh(u)).want(t, 200, "")
}
