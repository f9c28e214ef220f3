package calls

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	sdk "github.com/descope/go-sdk/descope"
	"github.com/descope/go-sdk/descope/client"
	middleware "github.com/descope/go-sdk/descope/sdk"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/store"
)

var ctx = context.Background()

// Modes runs a test for both stores, both ways to carry the refresh token, and with and
// without rotation.
func Modes(t *testing.T, test func(t *testing.T, m Mode)) {
	for name, open := range map[string]func(testing.TB) store.Store{"SQLite": SQLite, "Postgres": Postgres} {
		for _, carry := range []string{"bodies", "cookies"} {
			for _, rotation := range []string{"rotation", "no rotation"} {
				t.Run(name+", "+carry+", "+rotation, func(t *testing.T) {
					test(t, Mode{Store: open, Cookies: carry == "cookies", Keep: rotation == "no rotation"})
				})
			}
		}
	}
}

// Passwords runs the calls of the guide "Password Authentication with Backend SDKs" in
// order, as a program does.
func Passwords(t *testing.T, m Mode) {
	w := NewWorld(t, m)
	auth, pw := w.Client.Auth, w.Client.Auth.Password()

	policy, err := pw.GetPasswordPolicy(ctx)
	must(t, err)
	if policy.MinLength != 15 || policy.Lowercase || policy.Uppercase || policy.Number || policy.NonAlphanumeric {
		t.Errorf("the policy is %+v", policy)
	}

	b, rw := Browser{}, httptest.NewRecorder()
	up, err := pw.SignUp(ctx, Ann, &sdk.User{Name: "Ann", GivenName: "A", Phone: "+41 44 000 00 00"}, First, rw)
	must(t, err)
	b.Keep(rw)
	if !up.FirstSeen || up.User.UserID != up.SessionToken.ID || up.User.Name != "Ann" || up.User.Email != Ann || up.User.LoginIDs[0] != Ann ||
		up.User.Phone != "+41 44 000 00 00" || up.User.Status != "enabled" || up.User.CreatedTime == 0 || up.SessionToken.ProjectID != Project ||
		up.RefreshToken.ID != up.User.UserID || b[sdk.RefreshCookieName] == nil {
		t.Errorf("sign-up: %+v, %+v", up, up.User)
	}
	if c := b[sdk.RefreshCookieName]; c.Path != "/" || c.MaxAge < 23*3600 || !c.HttpOnly || !c.Secure {
		t.Errorf("the cookie of the application is %s", c)
	}
	_, err = pw.SignUp(ctx, Ann, nil, First, nil)
	if WantCode(t, err, "E062107", 400); !errors.Is(err, sdk.ErrUserAlreadyExists) {
		t.Errorf("the SDK does not know %v", err)
	}
	_, err = pw.SignUp(ctx, Bob, nil, "short", nil)
	WantCode(t, err, "E062901", 400)
	_, err = pw.SignUp(ctx, Bob, nil, "", nil)
	WantCode(t, err, "E011002", 400)
	_, err = pw.SignUp(ctx, Bob, nil, First, nil)
	must(t, err)

	_, err = pw.SignIn(ctx, Ann, Second, nil)
	if e := WantCode(t, err, "E062902", 401); !sdk.IsUnauthorizedError(e) {
		t.Errorf("the SDK does not see the status of %v", err)
	}
	_, unknown := pw.SignIn(ctx, "nobody@example.com", Second, nil)
	if unknown == nil || unknown.Error() != err.Error() {
		t.Errorf("the errors differ: %v, %v", err, unknown)
	}
	rw = httptest.NewRecorder()
	in, err := pw.SignIn(ctx, Ann, First, rw)
	must(t, err)
	if b.Keep(rw); in.FirstSeen || in.User.Name != "Ann" || !in.User.Password {
		t.Errorf("sign-in: %+v", in)
	}

	me, err := auth.Me(b.Request())
	must(t, err)
	if me.UserID != up.User.UserID || me.Email != Ann {
		t.Errorf("me is %+v", me)
	}

	history, err := auth.History(b.Request())
	if must(t, err); len(history) != 2 || history[0].UserID != up.User.UserID || history[0].LoginTime == 0 || history[0].IP == "" {
		t.Errorf("the history is %+v", history)
	}

	// Update: only with the own login id, and the session of the request ends.
	WantCode(t, pw.UpdateUserPassword(ctx, Bob, Second, b.Request()), "E062906", 403)
	WantCode(t, pw.UpdateUserPassword(ctx, Ann, "short", b.Request()), "E062901", 400)
	WantCode(t, pw.UpdateUserPassword(ctx, Ann, Second, WithTokens("", in.SessionToken.JWT)), "E062910", 401)
	WantCode(t, pw.UpdateUserPassword(ctx, Ann, Second, WithTokens("", in.RefreshToken.JWT+"x")), "E062910", 401)
	must(t, pw.UpdateUserPassword(ctx, Ann, Second, b.Request()))
	_, _, err = auth.RefreshSessionWithRequest(b.Request(), nil)
	if WantCode(t, err, "E064001", 401); !errors.Is(err, sdk.ErrTokenExpiredByLoggedOut) {
		t.Errorf("the SDK does not know %v", err)
	}
	_, err = pw.SignIn(ctx, Ann, First, nil)
	WantCode(t, err, "E062902", 401)

	// Replace: by the old password, also an expired one.
	_, err = pw.ReplaceUserPassword(ctx, Ann, First, Third, nil)
	WantCode(t, err, "E062902", 401)
	must(t, w.Service.Operator("test").ExpirePassword(ctx, up.User.UserID))
	_, err = pw.SignIn(ctx, Ann, Second, nil)
	if WantCode(t, err, "E062909", 401); !errors.Is(err, sdk.ErrPasswordExpired) {
		t.Errorf("the SDK does not know %v", err)
	}
	rw = httptest.NewRecorder()
	replaced, err := pw.ReplaceUserPassword(ctx, Ann, Second, Third, rw)
	must(t, err)
	if b.Keep(rw); replaced.User.UserID != up.User.UserID {
		t.Errorf("replace: %+v", replaced)
	}
	reset(t, w, b, replaced)
}

// reset sends a link, follows it, and sets a new password with the tokens of the link.
func reset(t *testing.T, w *World, b Browser, before *sdk.AuthenticationInfo) {
	auth, pw := w.Client.Auth, w.Client.Auth.Password()
	w.Verified(Ann)
	const page = "https://shop.example.com/reset"
	WantCode(t, pw.SendPasswordReset(ctx, Ann, "https://evil.example/", nil), "E011003", 400)
	must(t, pw.SendPasswordReset(ctx, "nobody@example.com", page, nil))
	must(t, pw.SendPasswordReset(ctx, Ann, page+"?lang=de", map[string]string{"name": "<b>"}))
	link := w.Link(page)
	if link.Query().Get("lang") != "de" {
		t.Errorf("the link is %s", link)
	}
	_, err := auth.MagicLink().Verify(ctx, "x"+link.Query().Get("t"), nil)
	WantCode(t, err, "E062504", 401)
	rw := httptest.NewRecorder()
	verified, err := auth.MagicLink().Verify(ctx, link.Query().Get("t"), rw)
	must(t, err)
	b.Keep(rw)
	if verified.SessionToken == nil || verified.RefreshToken == nil || !verified.User.VerifiedEmail || verified.User.LoginIDs[0] != Ann ||
		verified.RefreshToken.Expiration > time.Now().Add(11*time.Minute).Unix() {
		t.Errorf("verify: %+v", verified)
	}
	_, err = auth.MagicLink().Verify(ctx, link.Query().Get("t"), nil)
	WantCode(t, err, "E062504", 401)
	_, _, err = auth.RefreshSessionWithRequest(b.Request(), nil)
	WantCode(t, err, "E062910", 401)
	WantCode(t, pw.UpdateUserPassword(ctx, Bob, First, b.Request()), "E062906", 403)
	must(t, pw.UpdateUserPassword(ctx, Ann, First, b.Request()))
	if ok, _, err := auth.RefreshSessionWithToken(ctx, before.RefreshToken.JWT); ok {
		t.Errorf("a session outlives the reset: %v", err)
	}
	_, err = pw.SignIn(ctx, Ann, First, nil)
	must(t, err)
}

// Sessions runs the calls that check, refresh and end sessions.
func Sessions(t *testing.T, m Mode) {
	w := NewWorld(t, m)
	auth, pw := w.Client.Auth, w.Client.Auth.Password()
	b, rw := Browser{}, httptest.NewRecorder()
	in, err := pw.SignUp(ctx, Ann, nil, First, rw)
	must(t, err)
	b.Keep(rw)
	session, refresh := in.SessionToken.JWT, in.RefreshToken.JWT

	// Checks, with fetched keys and offline.
	offline := w.NewClient(client.Config{PublicKey: w.firstKey()})
	for name, c := range map[string]*client.DescopeClient{"fetched": w.Client, "offline": offline} {
		if name == "offline" {
			w.Answer()
		}
		ok, token, err := c.Auth.ValidateSessionWithToken(ctx, session)
		if !ok || err != nil || token.ID != in.User.UserID {
			t.Errorf("%s: %v, %v", name, token, err)
		}
		if ok, _, err := c.Auth.ValidateSessionWithRequest(WithTokens(session, "")); !ok || err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if ok, _, err := c.Auth.ValidateSessionWithToken(ctx, session[:len(session)-4]+"AAAA"); ok || err == nil {
			t.Errorf("%s: a forged token is valid", name)
		}
		if n := w.Requests(); name == "offline" && n > 0 {
			t.Errorf("%d requests by an offline client", n)
		}
	}
	if auth.ValidateRoles(ctx, in.SessionToken, []string{"editor"}) || !auth.ValidateRoles(ctx, in.SessionToken, nil) {
		t.Error("the roles are wrong")
	}
	op := w.Service.Operator("test")
	_, err = op.UpdateUser(ctx, in.User.UserID, usher.UpdateUserParams{Roles: &[]string{"reader", "editor"}, Permissions: &[]string{"post"}})
	must(t, err)

	// The plain refresh drops the new refresh token, and goes on with the first one.
	for range 12 {
		ok, token, err := auth.RefreshSessionWithToken(ctx, refresh)
		if !ok || err != nil || token.ID != in.User.UserID || token.RefreshExpiration == 0 {
			t.Fatalf("refresh: %v, %v", token, err)
		}
		if !auth.ValidateRoles(ctx, token, []string{"editor", "reader"}) || !auth.ValidatePermissions(ctx, token, []string{"post"}) || auth.ValidateRoles(ctx, token, []string{"admin"}) {
			t.Error("the roles are wrong after the refresh")
		}
	}
	for _, bad := range []string{session, refresh + "x"} {
		if ok, _, err := auth.RefreshSessionWithToken(ctx, bad); ok || err == nil {
			t.Errorf("refresh with a bad token: %v", err)
		}
	}

	// With a writer the browser gets the new tokens, here several times in a row.
	for range 3 {
		rw = httptest.NewRecorder()
		ok, _, err := auth.RefreshSessionWithRequest(b.Request(), rw)
		if !ok || err != nil {
			t.Fatal(err)
		}
		b.Keep(rw)
	}
	if rotated := b[sdk.RefreshCookieName].Value != refresh; rotated == m.Keep {
		t.Errorf("the refresh token rotates: %v", rotated)
	}
	middlewares(t, w, b)

	// The sign-out ends one session, and everywhere all of them.
	other, err := pw.SignIn(ctx, Ann, First, nil)
	must(t, err)
	rw = httptest.NewRecorder()
	must(t, auth.Logout(b.Request(), rw))
	gone := b[sdk.RefreshCookieName].Value
	if b.Keep(rw); b[sdk.RefreshCookieName] != nil {
		t.Errorf("the cookies after the sign-out: %v", rw.Header()["Set-Cookie"])
	}
	_, _, err = auth.RefreshSessionWithToken(ctx, gone)
	if WantCode(t, err, "E064001", 401); !errors.Is(err, sdk.ErrTokenExpiredByLoggedOut) {
		t.Errorf("the SDK does not know %v", err)
	}
	if ok, _, err := auth.RefreshSessionWithToken(ctx, other.RefreshToken.JWT); !ok {
		t.Errorf("the sign-out ended another session: %v", err)
	}
	third, err := pw.SignIn(ctx, Ann, First, nil)
	must(t, err)
	must(t, auth.LogoutAll(WithTokens("", third.RefreshToken.JWT), nil))
	for _, info := range []*sdk.AuthenticationInfo{other, third} {
		_, _, err = auth.RefreshSessionWithToken(ctx, info.RefreshToken.JWT)
		WantCode(t, err, "E064001", 401)
		_, err = auth.Me(WithTokens("", info.RefreshToken.JWT))
		WantCode(t, err, "E064001", 401)
	}
}

// middlewares runs the middleware of the SDK: a valid session token passes, an absent one
// is refreshed, and nothing else passes.
func middlewares(t *testing.T, w *World, b Browser) {
	t.Helper()
	passed := ""
	protected := middleware.AuthenticationMiddleware(w.Client.Auth, nil, nil)(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		passed, _ = r.Context().Value(sdk.ContextUserIDPropertyKey).(string)
	}))
	do := func(r *http.Request) (int, string) {
		passed = ""
		rw := httptest.NewRecorder()
		protected.ServeHTTP(rw, r)
		if rw.Code == 200 {
			b.Keep(rw)
		}
		return rw.Code, passed
	}
	user, err := w.Service.Operator("test").UserByLoginID(ctx, Ann)
	must(t, err)
	if code, id := do(b.Request()); code != 200 || id != user.ID {
		t.Errorf("the refresh token alone: %d, %q", code, id)
	}
	ok, token, err := w.Client.Auth.RefreshSessionWithRequest(b.Request(), nil)
	if !ok || err != nil {
		t.Fatal(err)
	}
	w.Answer()
	if code, id := do(WithTokens(token.JWT, "")); code != 200 || id != user.ID || w.Requests() > 0 {
		t.Errorf("the session token alone: %d, %q, %d requests", code, id, w.Requests())
	}
	for _, r := range []*http.Request{WithTokens("", ""), WithTokens("x.y.z", ""), WithTokens("", "x.y.z"), WithTokens("", token.JWT)} {
		if code, id := do(r); code != 401 || id != "" {
			t.Errorf("%v: %d, %q", r.Cookies(), code, id)
		}
	}
}

// Limits checks what the SDK makes of a limit, and that a repeated request has no second
// effect.
func Limits(t *testing.T, repeats bool) {
	w := NewWorld(t, Mode{Store: SQLite, Config: func(c *usher.Config) { c.Limits.FreeFailures = 2 }})
	pw := w.Client.Auth.Password()
	w.Answer(0, 0)
	if repeats {
		w.Answer(503)
	}
	_, err := pw.SignUp(ctx, Ann, nil, First, nil)
	must(t, err)
	for range 2 {
		_, err := pw.SignIn(ctx, Ann, Second, nil)
		WantCode(t, err, "E062902", 401)
	}
	w.Answer()
	_, err = pw.SignIn(ctx, Ann, First, nil)
	e := WantCode(t, err, "E130429", 429)
	if seconds, _ := e.Info[sdk.ErrorInfoKeys.RateLimitExceededRetryAfter].(int); seconds < 1 || seconds > 30 || w.Requests() != 1 || !errors.Is(err, sdk.ErrRateLimitExceeded) {
		t.Errorf("the limit: %v, %v, %d requests", err, e.Info, w.Requests())
	}
	if !repeats {
		return
	}
	// The answer to a sign-up is lost: the repetition finds the user, and makes no second one.
	w.Answer(-503)
	_, err = pw.SignUp(ctx, Bob, nil, First, nil)
	WantCode(t, err, "E062107", 400)
	if w.Requests() < 2 {
		t.Error("the SDK does not repeat a 503")
	}
	in, err := pw.SignIn(ctx, Bob, First, nil)
	must(t, err)
	// The answer to a refresh is lost: the same token is good for the repetition.
	w.Answer(-503)
	if ok, _, err := w.Client.Auth.RefreshSessionWithToken(ctx, in.RefreshToken.JWT); !ok {
		t.Error(err)
	}
	// A sign-out that is repeated is one.
	w.Answer(-503)
	must(t, w.Client.Auth.Logout(WithTokens("", in.RefreshToken.JWT), nil))
}
