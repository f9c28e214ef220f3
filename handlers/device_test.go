package handlers_test

import (
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher"
	. "github.com/usherkit/usher/internal/webtest"
)

// An attacker uses up the attempts of unknown browsers and apps. The user's own app has
// signed in before.
func TestSI11_TheDeviceTokenOfAnAppIsInTheBody(t *testing.T) {
	t.Parallel()
	k := NewKit(t, InBodies, Setup{Service: func(c *usher.Config) { c.Limits.Emails = 100 }})
	a := k.Do(Post("/signup", SignUpBody(Ann, GoodPassword))).Want(t, 201, "")
	u, device := a.Keep(Tokens{}), a.Text("deviceToken")
	link := k.MailedToken()
	bob := k.Do(Post("/signup", SignUpBody(Bob, GoodPassword))).Want(t, 201, "").Text("deviceToken")
	if device == "" || bob == "" || device == bob || strings.Contains(device, a.Text("user.id")) {
		t.Fatalf("the device tokens are %q and %q", device, bob)
	}
	block := func() {
		for range 6 {
			k.Do(Post("/signin", SignUpBody(Ann, OtherPassword)))
		}
	}
	block()
	with := func(device string, pairs ...string) string { return Object(append(pairs, "deviceToken", device)...) }
	signIn := []string{"loginId", Ann, "password", GoodPassword}
	for name, d := range map[string]string{"none": "", "of another user": bob, "damaged": device[:20], "long": strings.Repeat("A", 10_000)} {
		if a := k.Do(Post("/signin", with(d, signIn...))); a.Status != 429 {
			t.Errorf("with the token %s: %d, want 429", name, a.Status)
		}
	}
	if a := k.Do(Post("/signin", `{"loginId":"x","password":"y","deviceToken":7}`)).Want(t, 400, "invalid_request"); a.InputErrors() != "deviceToken:invalid" {
		t.Errorf("a number is %s", a.InputErrors())
	}
	// Every route that checks a password takes the token.
	next := k.Do(Post("/signin", with(device, signIn...))).Want(t, 200, "").Text("deviceToken")
	if next == "" || next == device {
		t.Errorf("the next token is %q", next)
	}
	k.Do(Post("/signin", with(device, signIn...))).Want(t, 200, "") // the answer was lost
	k.Do(Post("/email/verify", Object("token", link, "password", GoodPassword))).Want(t, 429, "too_many_requests")
	k.Do(Post("/email/verify", with(next, "token", link, "password", GoodPassword))).Want(t, 200, "")
	k.Do(k.As(u, Post("/email/change", Object("newEmail", "new@example.com", "currentPassword", GoodPassword)))).Want(t, 429, "too_many_requests")
	k.Do(k.As(u, Post("/email/change", with(next, "newEmail", "new@example.com", "currentPassword", GoodPassword)))).Want(t, 202, "")
	k.Clock.Add(time.Second)
	update := []string{"newPassword", OtherPassword, "currentPassword", GoodPassword}
	k.Do(k.As(u, Post("/password/update", Object(update...)))).Want(t, 429, "too_many_requests")
	changed := k.Do(k.As(u, Post("/password/update", with(next, update...)))).Want(t, 200, "").Text("deviceToken")
	// A change of the password invalidates the tokens before it.
	block()
	replace := []string{"loginId", Ann, "oldPassword", OtherPassword, "newPassword", ThirdPassword}
	k.Do(Post("/password/replace", with(next, replace...))).Want(t, 429, "too_many_requests")
	last := k.Do(Post("/password/replace", with(changed, replace...))).Want(t, 200, "")
	if last.Text("deviceToken") == "" {
		t.Error("a replacement gives no token")
	}
	if got := k.Do(Post("/session/refresh", Object("refreshToken", last.Text("refreshToken")))).Want(t, 200, ""); got.JSON["deviceToken"] != nil {
		t.Error("a refresh gives a device token")
	}
	// Others in the network cannot use up the resets of a known app.
	k.ClearRecords()
	for range 11 {
		k.Do(Post("/password/reset", Object("loginId", "nobody@example.com")))
	}
	k.Do(Post("/password/reset", Object("loginId", Ann))).Want(t, 429, "too_many_requests")
	k.Do(Post("/password/reset", with(last.Text("deviceToken"), "loginId", Ann))).Want(t, 202, "")
	if got := k.EmailKinds(); got != "reset_password" {
		t.Errorf("emails are %q for the known app", got)
	}
}

// Other clients of the network use up the attempts before and after a reset, with cookies
// and without.
func TestSI12_AResetMakesTheClientKnown(t *testing.T) {
	t.Parallel()
	for _, m := range []Mode{InCookies, InBodies} {
		for _, path := range []string{"/password/reset/complete", "/password/update"} {
			k := NewKit(t, m, Setup{Service: func(c *usher.Config) { c.Limits.FreeFailures, c.Limits.NetworkFailures = 1, 100 }})
			k.SignUpVerified(Ann)
			q := Post(path, Object("token", k.ResetToken(Ann), "newPassword", OtherPassword))
			if path == "/password/update" {
				verified := k.Do(Post("/password/reset/verify", Object("token", k.ResetToken(Ann)))).Want(t, 200, "")
				q = Post(path, Object("newPassword", OtherPassword)).With("Authorization", "Bearer "+verified.Text("resetToken"))
			}
			a := k.Do(q).Want(t, 200, "")
			for range 3 {
				k.Do(Post("/signin", SignUpBody(Ann, ThirdPassword)))
			}
			k.Do(Post("/signin", SignUpBody(Ann, OtherPassword))).Want(t, 429, "too_many_requests")
			next := Post("/signin", Object("loginId", Ann, "password", OtherPassword, "deviceToken", a.Text("deviceToken")))
			if m == InCookies {
				next = k.As(a.Keep(Tokens{}), Post("/signin", SignUpBody(Ann, OtherPassword)))
			}
			k.Do(next).Want(t, 200, "")
			if (a.JSON["deviceToken"] != nil) != (m == InBodies) {
				t.Errorf("%v, %s: the body is %v", m, path, a.JSON)
			}
		}
	}
}

// With cookies the token is in its cookie alone.
func TestSI11_WithCookiesNoBodyHasADeviceToken(t *testing.T) {
	t.Parallel()
	k := NewKit(t, InCookies, Setup{Service: func(c *usher.Config) { c.Limits.FreeFailures = 3 }})
	a := k.Do(Post("/signup", SignUpBody(Ann, GoodPassword))).Want(t, 201, "")
	if a.JSON["deviceToken"] != nil {
		t.Error("the body has the token")
	}
	for range 4 {
		k.Do(Post("/signin", SignUpBody(Ann, OtherPassword)))
	}
	client := usher.Client{}
	result, err := k.Service.SignIn(t.Context(), usher.SignInParams{LoginID: Ann, Password: GoodPassword}, client)
	if err != nil {
		t.Fatal(err)
	}
	body := Object("loginId", Ann, "password", GoodPassword, "deviceToken", result.Authentication.Device.Reveal())
	k.Do(Post("/signin", body)).Want(t, 429, "too_many_requests")
}
