package handlers_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher"
	. "github.com/usherkit/usher/internal/webtest"
)

func TestRS12_ResetSessionSetsOnePasswordAndNothingElse(t *testing.T) {
	t.Parallel()
	BothModes(t, func(t *testing.T, m Mode) {
		k := NewKit(t, m, Setup{})
		u := k.SignUpVerified(Ann)
		a := k.Do(Post("/password/reset/verify", Object("token", k.ResetToken(Ann)))).Want(t, 200, "")
		if len(a.Header["Set-Cookie"]) > 0 || a.JSON["expiresIn"] != float64(600) {
			t.Errorf("answer is %v %s", a.Header, a.Body)
		}
		bearer := "Bearer " + a.Text("resetToken")
		for _, q := range []Request{
			Get("/me"), Get("/sessions"), Get("~/protected"), Post("/signout", ""), Post("/signout/all", ""), Post("/email/verify/send", ""),
			Post("/email/change", Object("newEmail", Bob, "currentPassword", GoodPassword)), {Method: http.MethodPatch, Path: "/me", Body: `{"name":"x"}`},
			{Method: http.MethodDelete, Path: "/sessions/" + u.ID},
		} {
			if a := k.Do(q.With("Authorization", bearer)); a.Status != 401 {
				t.Errorf("%s %s: status is %d, want 401", q.Method, q.Path, a.Status)
			}
		}
		if m == InBodies {
			k.Do(Post("/session/refresh", Object("refreshToken", a.Text("resetToken")))).Want(t, 401, "invalid_session")
		}
		weak := Post("/password/update", Object("newPassword", WeakPassword), "Authorization", bearer)
		k.Do(weak).Want(t, 400, "password_policy")
		update := Post("/password/update", Object("newPassword", OtherPassword), "Authorization", bearer)
		a = k.Do(update).Want(t, 200, "")
		wantBody, cookies := "{}\n", strings.Join(a.Header["Set-Cookie"], "\n")
		if m == InBodies {
			wantBody = Object("deviceToken", a.Text("deviceToken")) + "\n"
		}
		if string(a.Body) != wantBody || strings.Count(cookies, "=") > 0 && !strings.HasPrefix(cookies, "__Host-device=") || strings.Contains(cookies, "\n") {
			t.Errorf("answer is %v %s, want the device token alone", a.Header, a.Body)
		}
		k.Do(update).Want(t, 401, "invalid_session")
		if k.IsSignedIn(u) {
			t.Error("the session from before lives")
		}
		k.Do(Post("/signin", SignUpBody(Ann, GoodPassword))).Want(t, 401, "invalid_credentials")
		k.SignIn(Ann, OtherPassword)
	})
}

func TestRS12_ResetSessionEndsAfterTenMinutes(t *testing.T) {
	t.Parallel()
	k := NewKit(t, InBodies, Setup{})
	k.SignUpVerified(Ann)
	a := k.Do(Post("/password/reset/verify", Object("token", k.ResetToken(Ann)))).Want(t, 200, "")
	k.Clock.Add(10*time.Minute + 6*time.Second)
	k.Do(Post("/password/update", Object("newPassword", OtherPassword), "Authorization", "Bearer "+a.Text("resetToken"))).Want(t, 401, "invalid_session")
}

func TestUP03_NobodySetsThePasswordOfAnother(t *testing.T) {
	t.Parallel()
	BothModes(t, func(t *testing.T, m Mode) {
		k := NewKit(t, m, Setup{})
		u := k.SignUp(Ann)
		k.SignUp(Bob)
		k.Do(k.As(u, Post("/password/update", Object("loginId", "BOB@example.com", "newPassword", OtherPassword)))).Want(t, 403, "forbidden")
		k.SignIn(Ann, GoodPassword)
		k.SignIn(Bob, GoodPassword)
		k.Do(k.As(u, Post("/password/update", Object("loginId", "ANN@example.com", "newPassword", OtherPassword)))).Want(t, 200, "")
		k.SignIn(Ann, OtherPassword)
	})
}

func TestSU03_SignUpNeverChangesAUser(t *testing.T) {
	t.Parallel()
	BothModes(t, func(t *testing.T, m Mode) {
		k := NewKit(t, m, Setup{})
		u := k.SignUp(Ann)
		k.Do(Post("/signup", `{"loginId":"ann@example.com","password":"calm heron reads maps","user":{"name":"Eve"}}`)).Want(t, 409, "login_id_taken")
		if me := k.Do(k.As(u, Get("/me"))); me.Text("user.name") != "" || me.Text("user.email") != Ann {
			t.Errorf("me is %s", me.Body)
		}
		k.Do(Post("/signin", SignUpBody(Ann, OtherPassword))).Want(t, 401, "invalid_credentials")
		k.SignIn(Ann, GoodPassword)
	})
}

func TestEV04_VerificationNeverTouchesASession(t *testing.T) {
	t.Parallel()
	BothModes(t, func(t *testing.T, m Mode) {
		k := NewKit(t, m, Setup{})
		u := k.SignUp(Ann)
		k.ClearRecords()
		k.SignUp(Bob)
		token := k.MailedToken()
		k.ClearRecords()
		noCookie(t, k, k.Do(k.As(u, Post("/email/verify", Object("token", token)))).Want(t, 403, "password_required"))
		if got := k.Events.Take(); got != "" {
			t.Errorf("another's session gives the events %q", got)
		}
		noCookie(t, k, k.Do(k.As(u, Post("/email/verify", Object("token", token, "password", GoodPassword)))).Want(t, 200, ""))
		if got := k.Events.Take(); got != "user_email_verify" {
			t.Errorf("the password gives the events %q", got)
		}
		if me := k.Do(k.As(u, Get("/me"))); me.Text("user.loginId") != Ann {
			t.Errorf("signed in as %s", me.Text("user.loginId"))
		}
		k.Do(Post("/email/verify", Object("token", token))).Want(t, 400, "invalid_token")
	})
}

func TestEV05_AddressChangeWaitsForTheNewAddress(t *testing.T) {
	t.Parallel()
	BothModes(t, func(t *testing.T, m Mode) {
		k := NewKit(t, m, Setup{})
		u := k.SignUpVerified(Ann)
		k.Do(k.As(u, Post("/email/change", Object("newEmail", "new@example.com")))).Want(t, 400, "invalid_request")
		k.Do(k.As(u, Post("/email/change", Object("newEmail", "new@example.com", "currentPassword", OtherPassword)))).Want(t, 401, "invalid_credentials")
		k.Do(Post("/email/change", Object("newEmail", "new@example.com", "currentPassword", GoodPassword))).Want(t, 401, "not_signed_in")
		k.Do(k.As(u, Post("/email/change", Object("newEmail", "new@example.com", "currentPassword", GoodPassword)))).Want(t, 202, "")
		if me := k.Do(k.As(u, Get("/me"))); me.Text("user.email") != Ann {
			t.Errorf("the address is %s before it was confirmed", me.Text("user.email"))
		}
		k.SignIn(Ann, GoodPassword)
		k.Do(Post("/signin", SignUpBody("new@example.com", GoodPassword))).Want(t, 401, "invalid_credentials")
		var link string
		for _, msg := range k.Inbox() {
			if msg.To == "new@example.com" {
				link = LinkToken(t, msg)
			}
		}
		// A reset invalidates it.
		k.Do(Post("/password/reset/complete", Object("token", k.ResetToken(Ann), "newPassword", OtherPassword))).Want(t, 200, "")
		k.Do(Post("/email/verify", Object("token", link))).Want(t, 400, "invalid_token")
	})
}

func TestSE02_SignInEndsTheSessionOfTheRequest(t *testing.T) {
	t.Parallel()
	BothModes(t, func(t *testing.T, m Mode) {
		for name, enter := range map[string]Request{
			"sign-in": Post("/signin", SignUpBody(Ann, GoodPassword)),
			"sign-up": Post("/signup", SignUpBody("new@example.com", GoodPassword)),
			"replace": Post("/password/replace", Object("loginId", Ann, "oldPassword", GoodPassword, "newPassword", OtherPassword)),
		} {
			k := NewKit(t, m, Setup{})
			k.SignUp(Ann)
			planted := k.SignUp(Bob)
			q := enter.With("Authorization", "Bearer "+planted.Bearer)
			if m == InCookies {
				q = enter.With("Cookie", planted.Cookie) // as curl sends it
			}
			a := k.Do(q)
			if a.Status != 200 && a.Status != 201 {
				t.Fatalf("%s: %d %s", name, a.Status, a.Body)
			}
			now := a.Keep(planted)
			if now.ID == planted.ID || now.Cookie == planted.Cookie && m == InCookies || now.Bearer == planted.Bearer && m == InBodies {
				t.Errorf("%s: the session was adopted", name)
			}
			if k.IsSignedIn(planted) || !k.IsSignedIn(now) {
				t.Errorf("%s: planted alive %t, new alive %t", name, k.IsSignedIn(planted), k.IsSignedIn(now))
			}
			k.Do(k.Refresh(planted)).Want(t, 401, "invalid_session")
		}
	})
}

func TestSE02_AnExpiredSessionTokenStillNamesItsSession(t *testing.T) {
	t.Parallel()
	k := NewKit(t, InCookies, Setup{})
	k.SignUp(Ann)
	planted := k.SignUp(Bob)
	k.Clock.Add(11 * time.Minute)
	k.Do(Post("/signin", SignUpBody(Ann, GoodPassword), "Cookie", planted.Cookie)).Want(t, 200, "")
	k.Do(k.Refresh(planted)).Want(t, 401, "invalid_session")
}

func TestTV09_ATokenServesOnePurpose(t *testing.T) {
	t.Parallel()
	k := NewKit(t, InBodies, Setup{})
	u := k.SignUp(Ann)
	for _, q := range []Request{Get("/me"), Get("/sessions"), Get("~/protected"), Post("/signout", ""), Post("/signout/all", ""), Post("/password/update", Object("newPassword", OtherPassword))} {
		if a := k.Do(q.With("Authorization", "Bearer "+u.Refresh)); a.Status != 401 {
			t.Errorf("%s with a refresh token: %d, want 401", q.Path, a.Status)
		}
	}
	k.Do(Post("/session/refresh", Object("refreshToken", u.Bearer))).Want(t, 401, "invalid_session")
	k.Do(Post("/signout", Object("refreshToken", u.Bearer))).Want(t, 200, "")
	if !k.IsSignedIn(u) {
		t.Error("a session token signed out in the place of a refresh token")
	}
	k.SignIn(Ann, GoodPassword)
}

func TestTV13_OnePlaceForTheToken(t *testing.T) {
	t.Parallel()
	body := NewKit(t, InBodies, Setup{})
	u := body.SignUp(Ann)
	body.Do(Get("/me?access_token="+u.Bearer+"&token="+u.Bearer)).Want(t, 401, "not_signed_in")
	body.Do(Post("/session/refresh?refreshToken="+u.Refresh, "")).Want(t, 401, "not_signed_in")
	body.Do(Post("/signin?loginId=ann@example.com&password=vast+otter+sings+low", "{}")).Want(t, 400, "invalid_request")
	body.Do(Get("/me", "Authorization", "Bearer "+u.Bearer, "Authorization", "Bearer "+u.Bearer)).Want(t, 401, "invalid_session")
	body.Do(Get("/me", "Authorization", "bearer "+u.Bearer)).Want(t, 200, "")

	k := NewKit(t, InCookies, Setup{})
	u = k.SignUp(Ann)
	for _, bad := range []string{"Bearer x", "Bearer", "Bearer " + body.SignUp(Bob).Bearer} {
		for _, q := range []Request{Get("/me"), Post("/signout", ""), Post("/signout/all", ""), Post("/password/update", Object("newPassword", OtherPassword))} {
			if a := k.Do(k.As(u, q).With("Authorization", bad)); a.Status != 401 || len(a.Header["Set-Cookie"]) > 0 {
				t.Errorf("%s with a bad bearer token and a good cookie: %d %v, want 401 and no cookie", q.Path, a.Status, a.Header["Set-Cookie"])
			}
		}
	}
	if !k.IsSignedIn(u) {
		t.Error("a request with a bad bearer token fell back to the cookie")
	}
}

func TestSignOut_EndsWhatIsGiven(t *testing.T) {
	t.Parallel()
	k := NewKit(t, InBodies, Setup{})
	one := k.SignUp(Ann)
	two := k.SignIn(Ann, GoodPassword)
	k.Events.Take()
	k.Do(k.As(one, Post("/signout", Object("refreshToken", two.Refresh)))).Want(t, 200, "")
	if k.IsSignedIn(one) || k.IsSignedIn(two) {
		t.Error("a session lives")
	}
	if got := k.Events.Take(); got != "authn_logout session_ended:signed_out authn_logout session_ended:signed_out" {
		t.Errorf("events are %q", got)
	}
	three := k.SignIn(Ann, GoodPassword)
	k.Events.Take()
	k.Do(k.As(three, Post("/signout", Object("refreshToken", three.Refresh)))).Want(t, 200, "")
	if got := k.Events.Take(); got != "authn_logout session_ended:signed_out" {
		t.Errorf("events are %q, want one sign-out", got)
	}
	four := k.SignIn(Ann, GoodPassword)
	k.Do(Post("/signout", Object("refreshToken", four.Refresh))).Want(t, 200, "")
	if k.IsSignedIn(four) {
		t.Error("the refresh token alone did not end the session")
	}
	five := k.SignIn(Ann, GoodPassword)
	k.Clock.Add(11 * time.Minute)
	k.Do(k.As(five, Post("/signout", Object("refreshToken", five.Refresh)))).Want(t, 200, "")
	k.Do(k.Refresh(five)).Want(t, 401, "invalid_session")
	k.Do(k.As(five, Post("/signout", ""))).Want(t, 200, "") // it has ended
	k.Do(Post("/signout", `{"refreshToken":"x"}`)).Want(t, 200, "")
	k.Do(Post("/signout", `{"refreshToken":1}`)).Want(t, 400, "invalid_request")
}

func TestSE06_SignedOutTokensAreDead(t *testing.T) {
	t.Parallel()
	BothModes(t, func(t *testing.T, m Mode) {
		k := NewKit(t, m, Setup{})
		one := k.SignUp(Ann)
		two := k.SignIn(Ann, GoodPassword)
		k.Do(k.As(one, Post("/signout", ""))).Want(t, 200, "")
		if k.IsSignedIn(one) || !k.IsSignedIn(two) {
			t.Errorf("signed out alive %t, other alive %t", k.IsSignedIn(one), k.IsSignedIn(two))
		}
		k.Do(k.Refresh(one)).Want(t, 401, "invalid_session")
		k.Do(k.As(two, Post("/signout/all", ""))).Want(t, 200, "")
		k.Do(k.Refresh(two)).Want(t, 401, "invalid_session")
	})
}

func TestRefreshInPassing(t *testing.T) {
	t.Parallel()
	k := NewKit(t, InCookies, Setup{})
	u := k.SignUp(Ann)
	k.Clock.Add(11 * time.Minute)
	a := k.Do(k.As(u, Get("/me"))).Want(t, 200, "")
	if lines := a.Header["Set-Cookie"]; len(lines) != 1 || !strings.HasPrefix(lines[0], "__Host-session=") {
		t.Fatalf("Set-Cookie is %v, want the renewed session", lines)
	}
	u = a.Keep(u)
	k.Do(k.As(u, Get("/me"))).Want(t, 200, "")

	// After an update the newest tokens stay valid.
	k.Clock.Add(11 * time.Minute)
	a = k.Do(k.As(u, Post("/password/update", Object("newPassword", OtherPassword, "currentPassword", GoodPassword)))).Want(t, 200, "")
	var names []string
	for _, line := range a.Header["Set-Cookie"] {
		name, _, _ := strings.Cut(line, "=")
		names = append(names, name)
	}
	slices.Sort(names)
	if got := strings.Join(names, " "); got != "__Host-device __Host-session" {
		t.Errorf("cookies set are %q, want each once", got)
	}
	u = a.Keep(u)
	k.Do(k.Refresh(u)).Want(t, 200, "")
}

func TestSignInAfterExpiredPassword(t *testing.T) {
	t.Parallel()
	k := NewKit(t, InBodies, Setup{Service: func(c *usher.Config) { c.Password.Expiration = 24 * time.Hour }})
	k.SignUp(Ann)
	k.Clock.Add(25 * time.Hour)
	k.Do(Post("/signin", SignUpBody(Ann, OtherPassword))).Want(t, 401, "invalid_credentials")
	k.Do(Post("/signin", SignUpBody(Ann, GoodPassword))).Want(t, 403, "password_expired")
	k.Do(Post("/password/replace", Object("loginId", Ann, "oldPassword", GoodPassword, "newPassword", GoodPassword))).Want(t, 400, "password_policy")
	k.Do(Post("/password/replace", Object("loginId", Ann, "oldPassword", GoodPassword, "newPassword", OtherPassword))).Want(t, 200, "")
}

// The response with the new refresh token does not reach the client: the network loses
// it, a wrapper of the program sends other headers, or the client hangs up.
func TestSE12_ALostResponseSignsNobodyOut(t *testing.T) {
	t.Parallel()
	BothModes(t, func(t *testing.T, m Mode) {
		k := NewKit(t, m, Setup{})
		u := k.SignUp(Ann)
		for range 3 {
			k.Clock.Add(11 * time.Minute)
			k.Do(k.Refresh(u)).Want(t, 200, "") // it never arrives
			if m == InBodies {
				continue
			}
			k.Clock.Add(11 * time.Minute)
			r := httptest.NewRequest(http.MethodGet, "https://app.example/protected", nil)
			r.Header.Set("Cookie", u.Cookie)
			discarded := httptest.NewRecorder()
			if k.Server.ServeHTTP(discarded, r); discarded.Code != 200 {
				t.Fatalf("through a wrapper: %d", discarded.Code)
			}
			k.Clock.Add(11 * time.Minute)
			gone, cancel := context.WithCancel(t.Context())
			cancel()
			k.Server.ServeHTTP(httptest.NewRecorder(), r.WithContext(gone))
		}
		k.Clock.Add(11 * time.Minute)
		u = k.Do(k.Refresh(u)).Want(t, 200, "").Keep(u)
		k.Clock.Add(11 * time.Minute)
		if u = k.Do(k.Refresh(u)).Want(t, 200, "").Keep(u); !k.IsSignedIn(u) {
			t.Error("the session ended")
		}
	})
}

// The handshake of a WebSocket is authenticated by the refresh token too, and the
// library that writes the 101 response does not know of our cookies.
func TestSE16_AWebSocketLeavesTheRefreshTokenToTheBrowser(t *testing.T) {
	t.Parallel()
	k := NewKit(t, InCookies, Setup{})
	u := k.SignUp(Ann)
	socket := k.Handlers.Require(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		_, _ = rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
		_ = rw.Flush()
	}))
	server := httptest.NewServer(socket)
	defer server.Close()
	connect := func() int {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header = http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Fetch-Site": {"same-origin"}, "Cookie": {u.Cookie}}
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		return res.StatusCode
	}
	k.Events.Take()
	for range 3 {
		k.Clock.Add(time.Hour)
		if status := connect(); status != http.StatusSwitchingProtocols {
			t.Fatalf("status is %d", status)
		}
	}
	if got := k.Events.Take(); got != "" {
		t.Errorf("events are %q", got)
	}
	k.Clock.Add(time.Hour)
	next := k.Do(k.Refresh(u)).Want(t, 200, "").Keep(u)
	k.Clock.Add(time.Hour)
	next = k.Do(k.Refresh(next)).Want(t, 200, "").Keep(next)
	k.Clock.Add(time.Hour)
	if status := connect(); status != http.StatusUnauthorized || k.IsSignedIn(next) {
		t.Errorf("a stolen cookie that is two exchanges old: %d", status)
	}
}
