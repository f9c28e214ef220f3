package handlers_test

import (
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/usherkit/usher"
	. "github.com/usherkit/usher/internal/webtest"
	"github.com/usherkit/usher/middleware"
)

// addRecent adds a route that needs a sign-in at most five minutes old, and answers with
// the id of the session.
func addRecent(k *Kit) {
	k.Server.(*http.ServeMux).Handle("/recent", k.Handlers.RequireRecent(5*time.Minute)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		claims, _ := middleware.Claims(r.Context())
		_, _ = io.WriteString(w, claims.SessionID)
	})))
}

func TestUP08_TheSessionGoesOnWithANewTime(t *testing.T) {
	t.Parallel()
	BothModes(t, func(t *testing.T, m Mode) {
		k := NewKit(t, m, Setup{})
		addRecent(k)
		u := k.SignUpVerified(Ann)
		for range 2 { // the second time in a session whose token has expired
			k.Clock.Add(6 * time.Minute)
			u = k.Do(k.Refresh(u)).Want(t, 200, "").Keep(u)
			k.Do(k.As(u, Get("~/recent"))).Want(t, 401, "recent_sign_in_required")
			body := Object("password", GoodPassword)
			if m == InBodies {
				body = Object("password", GoodPassword, "refreshToken", u.Refresh)
			}
			u = k.Do(k.As(u, Post("/session/confirm", body))).Want(t, 200, "").Keep(u)
			if got := k.Do(k.As(u, Get("~/recent"))).Want(t, 200, ""); string(got.Body) != u.ID {
				t.Errorf("the session is %s, want %s", got.Body, u.ID)
			}
			u = k.Do(k.Refresh(u)).Want(t, 200, "").Keep(u)
			k.Do(k.As(u, Get("~/recent"))).Want(t, 200, "")
		}
	})
}

// The session token in the cookie has expired, so the request that confirms also
// refreshes.
func TestUP08_AConfirmationWithAnExpiredSessionToken(t *testing.T) {
	t.Parallel()
	k := NewKit(t, InCookies, Setup{})
	addRecent(k)
	u := k.SignUpVerified(Ann)
	for range 2 {
		k.Clock.Add(11 * time.Minute)
		u = k.Do(k.As(u, Post("/session/confirm", Object("password", GoodPassword)))).Want(t, 200, "").Keep(u)
		k.Do(k.As(u, Get("~/recent"))).Want(t, 200, "")
	}
	u = k.Do(k.Refresh(u)).Want(t, 200, "").Keep(u)
	k.Do(k.As(u, Get("~/recent"))).Want(t, 200, "")
}

// A bearer token beside cookies gets a new token in the body, and the cookies stay.
func TestUP08_ABearerTokenIsAnsweredInTheBody(t *testing.T) {
	t.Parallel()
	k := NewKit(t, InCookies, Setup{})
	addRecent(k)
	k.SignUpVerified(Ann)
	other := k.SignUpVerified(Bob)
	auth := usher.Must(k.Service.StartSession(t.Context(), k.UserID(Ann), usher.Proof{Methods: []string{"oidc"}, At: k.Clock.Now()}, usher.Client{})).Tokens.Session
	k.Clock.Add(6 * time.Minute)
	q := k.As(other, Post("/session/confirm", Object("password", GoodPassword), "Authorization", "Bearer "+auth.Reveal()))
	a := k.Do(q).Want(t, 200, "")
	if a.Text("sessionToken") == "" || a.JSON["refreshToken"] != nil || a.Header["Set-Cookie"] != nil {
		t.Fatalf("the answer is %v %s", a.Header, a.Body)
	}
	k.Do(Get("~/recent", "Authorization", "Bearer "+a.Text("sessionToken"))).Want(t, 200, "")
	if !k.IsSignedIn(other) {
		t.Error("the session of the cookies has ended")
	}
}
