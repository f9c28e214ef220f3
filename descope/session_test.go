package descope_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/internal/webtest"
	"github.com/usherkit/usher/token"
)

const (
	signInPath  = "/v1/auth/password/signin"
	updatePath  = "/v1/auth/password/update"
	resetPath   = "/v1/auth/password/reset"
	verifyPath  = "/v1/auth/magiclink/verify"
	refreshPath = "/v1/auth/refresh"
)

// protected reports whether the routes of the program accept a session token.
func (k *kit) protected(session string) bool {
	r := httptest.NewRequest(http.MethodGet, "/protected", nil)
	r.Header.Set("Authorization", "Bearer "+session)
	w := httptest.NewRecorder()
	k.Server.ServeHTTP(w, r)
	return w.Code == 200
}

// verify makes the address of a user proven.
func (k *kit) verify(email string) {
	k.t.Helper()
	_, err := k.Service.Operator("test").UpdateUser(k.t.Context(), k.UserID(email), usher.UpdateUserParams{Email: &usher.EmailAddress{Address: email, Verified: true}})
	if err != nil {
		k.t.Fatal(err)
	}
}

// The link of a reset is verified once, its tokens set one password of its user and do
// nothing else, and all sessions end.
func TestDE19_ResetVerifyUpdate(t *testing.T) {
	t.Parallel()
	k := newKit(t, setup{service: webtest.Unlimited})
	session, refresh := k.signUp(ann)
	k.signUp(bob)
	k.verify(ann)
	k.ClearRecords()
	k.post(resetPath, project, object("loginId", ann, "redirectUrl", "https://good.test/cb")).want(200, "")
	link := k.mailedToken("t")
	k.post(verifyPath, project, "{}").want(400, "E011002")
	k.post(verifyPath, project, object("token", link[1:])).want(401, "E062504")
	a := k.post(verifyPath, project, object("token", link)).want(200, "")
	k.post(verifyPath, project, object("token", link)).want(401, "E062504")

	first, second := payload(t, a.str("sessionJwt")), payload(t, a.str("refreshJwt"))
	u, _ := a.body["user"].(map[string]any)
	if first["drn"] != "DS" || second["drn"] != "DSR" || first["sid"] != second["sid"] || a.body["cookieMaxAge"] != 600.0 || u["verifiedEmail"] != true ||
		u["loginIds"].([]any)[0] != ann || second["amr"].([]any)[0] != "email" || a.body["firstSeen"] != false {
		t.Errorf("%v, %v, %s", first, second, a.text)
	}
	auth := project + ":" + a.str("refreshJwt")
	if k.protected(a.str("sessionJwt")) || k.protected(a.str("refreshJwt")) {
		t.Error("a protected route accepts the token of a reset")
	}
	k.post(refreshPath, auth, "").want(401, "E062910")
	k.post("/v1/auth/logoutall", auth, "").want(401, "E062910")
	k.do(http.MethodGet, "/v1/auth/me", auth, "").want(401, "E062910")
	k.post(updatePath, auth, object("loginId", bob, "newPassword", otherPassword)).want(403, "E062906")
	k.post(updatePath, auth, object("loginId", ann, "newPassword", "short")).want(400, "E062901")
	if !k.protected(session) {
		t.Error("the session ended before the password was set")
	}
	if got := k.post(updatePath, auth, object("loginId", ann, "newPassword", otherPassword)).want(200, ""); got.text != "{}\n" {
		t.Errorf("the update answers %s", got.text)
	}
	k.post(updatePath, auth, object("loginId", ann, "newPassword", webtest.ThirdPassword)).want(401, "E064001")
	k.post(refreshPath, project+":"+refresh, "").want(401, "E064001")
	if k.protected(session) {
		t.Error("a session outlives the reset")
	}
	k.post(signInPath, project, credentials(ann, goodPassword)).want(401, "E062902")
	k.post(signInPath, project, credentials(ann, otherPassword)).want(200, "")

	// A link to an unproven address ends what an earlier holder of the account has at once.
	// The session token of the answer is as good for the update, and a sign-out ends both.
	k.post(resetPath, project, object("loginId", bob)).want(200, "")
	b := k.post(verifyPath, project, object("token", k.mailedToken("token"))).want(200, "")
	k.post("/v1/auth/logout", project+":"+b.str("refreshJwt"), "").want(200, "")
	k.post(updatePath, project+":"+b.str("sessionJwt"), object("loginId", bob, "newPassword", otherPassword)).want(401, "E064001")
}

// A refresh takes a refresh token that is valid, whose session lives, and of this project.
func TestDE20_RefreshTakesARefreshTokenAlone(t *testing.T) {
	t.Parallel()
	k := newKit(t, setup{service: webtest.Unlimited})
	session, refresh := k.signUp(ann)
	for _, body := range []string{"", "{}", `{"externalToken":"x"}`, `{"dct":true,"ids":null}`} {
		a := k.post(refreshPath, project+":"+refresh, body).want(200, "")
		if a.str("sessionJwt") == "" || a.str("refreshJwt") == "" || a.body["user"] != nil || !k.protected(a.str("sessionJwt")) {
			t.Errorf("%q: %s", body, a.text)
		}
	}
	k.do(http.MethodPost, refreshPath, project+":"+refresh, "", "Content-Type", "").want(200, "")
	for auth, code := range map[string]string{
		project:                             "E011002",
		project + ":" + session:             "E062910",
		project + ":" + refresh[:50]:        "E011002", // a key, as far as the header tells
		project + ":" + refresh + "x":       "E062910",
		project + ":x" + refresh[5:]:        "E062910",
		"P2other:" + refresh:                "E062912",
		project + ":" + session + ":" + "K": "E062910",
	} {
		k.post(refreshPath, auth, "").want(401, code)
		if a := k.post("/v1/auth/try-refresh", auth, "{}"); code != "E062912" && (a.status != 200 || a.text != "{}\n") {
			t.Errorf("try-refresh: %d %s", a.status, a.text)
		}
	}
	if a := k.post("/v1/auth/try-refresh", project+":"+refresh, "{}").want(200, ""); a.str("sessionJwt") == "" {
		t.Errorf("try-refresh: %s", a.text)
	}
	k.post("/v1/auth/logout", project+":"+refresh, "").want(200, "")
	a := k.post(refreshPath, project+":"+refresh, "").want(401, "E064001")
	if a.str("errorMessage") == "" {
		t.Errorf("no message: %s", a.text)
	}
	if got := k.post("/v1/auth/try-refresh", project+":"+refresh, "").want(200, ""); got.text != "{}\n" {
		t.Errorf("try-refresh: %s", got.text)
	}
}

// A client that drops the new refresh token, as one function of the SDK for Go does, goes on
// with the first one. One that keeps the new tokens is protected from theft. Without
// rotation the token stays the same.
func TestDE21_RotationOnAndOff(t *testing.T) {
	t.Parallel()
	on := newKit(t, setup{service: webtest.Unlimited})
	_, first := on.signUp(ann)
	for range 30 {
		on.Clock.Add(time.Hour)
		on.post(refreshPath, project+":"+first, "").want(200, "")
	}
	// Calls that do not exchange it refuse it, after the grace time.
	on.Clock.Add(time.Minute)
	on.do(http.MethodGet, "/v1/auth/me", project+":"+first, "").want(401, "E064001")
	next := on.post(refreshPath, project+":"+first, "").want(200, "").str("refreshJwt")
	if next == first {
		t.Error("the token does not rotate")
	}
	on.do(http.MethodGet, "/v1/auth/me", project+":"+next, "").want(200, "")
	on.post(refreshPath, project+":"+next, "").want(200, "")
	on.Clock.Add(time.Minute)
	on.post(refreshPath, project+":"+first, "").want(401, "E064001") // used after its successor: theft
	on.post(refreshPath, project+":"+next, "").want(401, "E064001")

	off := newKit(t, setup{service: func(c *usher.Config) { c.Sessions.KeepRefreshToken = true }})
	_, kept := off.signUp(ann)
	for range 30 {
		off.Clock.Add(20 * time.Minute)
		a := off.post(refreshPath, project+":"+kept, "").want(200, "")
		if payload(t, a.str("refreshJwt"))["jti"] != payload(t, kept)["jti"] {
			t.Fatal("the token rotates")
		}
		off.do(http.MethodGet, "/v1/auth/me", project+":"+kept, "").want(200, "")
	}
}

// A sign-out ends the session of the token, and everywhere ends all of the user. Both answer
// with JSON.
func TestDE22_SignOut(t *testing.T) {
	t.Parallel()
	k := newKit(t, setup{service: webtest.Unlimited})
	session, refresh := k.signUp(ann)
	other := k.post(signInPath, project, credentials(ann, goodPassword)).want(200, "")
	for _, path := range []string{"/v1/auth/logout", "/v1/auth/logoutall"} {
		k.post(path, project, "").want(401, "E011002")
		k.post(path, project+":"+session, "{}").want(401, "E062910")
		k.post(path, project+":a.b.c", "{}").want(401, "E062910")
	}
	a := k.post("/v1/auth/logout", project+":"+refresh, "").want(200, "")
	if a.str("cookiePath") != "/" || a.body["cookieMaxAge"] != 0.0 {
		t.Errorf("the answer is %s", a.text)
	}
	k.post("/v1/auth/logout", project+":"+refresh, "{}").want(200, "") // again
	if k.protected(session) || !k.protected(other.str("sessionJwt")) {
		t.Error("the sign-out ended the wrong session")
	}
	third := k.post(signInPath, project, credentials(ann, goodPassword)).want(200, "")
	k.post("/v1/auth/logoutall", project+":"+third.str("refreshJwt"), "").want(200, "")
	for _, s := range []answer{other, third} {
		if k.protected(s.str("sessionJwt")) {
			t.Error("a session is left")
		}
		k.post(refreshPath, project+":"+s.str("refreshJwt"), "").want(401, "E064001")
	}
	k.post("/v1/auth/logoutall", project+":"+refresh, "").want(401, "E064001")
}

// Me answers with the user of the refresh token, without a wrapper and without null.
func TestDE23_Me(t *testing.T) {
	t.Parallel()
	k := newKit(t, setup{})
	session, refresh := k.signUp(ann)
	op := k.Service.Operator("test")
	roles := []string{"editor"}
	if _, err := op.UpdateUser(t.Context(), k.UserID(ann), usher.UpdateUserParams{Roles: &roles, Attributes: &map[string]any{"plan": "gold"}}); err != nil {
		t.Fatal(err)
	}
	a := k.do(http.MethodGet, "/v1/auth/me", project+":"+refresh, "").want(200, "")
	if a.str("userId") != k.UserID(ann) || a.body["roleNames"].([]any)[0] != "editor" || a.body["customAttributes"].(map[string]any)["plan"] != "gold" ||
		a.body["password"] != true || strings.Contains(a.text, "null") {
		t.Errorf("me is %s", a.text)
	}
	for _, auth := range []string{project + ":" + session, project + ":a.b.c"} {
		k.do(http.MethodGet, "/v1/auth/me", auth, "").want(401, "E062910")
	}
	k.do(http.MethodGet, "/v1/auth/me", project, "").want(401, "E011002")
}

// The history has the sign-ins of the user of the refresh token alone, newest first, as an
// array.
func TestDE30_TheHistoryIsThatOfTheUser(t *testing.T) {
	t.Parallel()
	k := newKit(t, setup{service: webtest.Unlimited})
	session, refresh := k.signUp(ann)
	k.signUp(bob)
	k.post(signInPath, project, credentials(bob, goodPassword)).want(200, "")
	for range 2 {
		k.Clock.Add(time.Minute)
		k.post(signInPath, project, credentials(ann, goodPassword)).want(200, "")
	}
	var list []map[string]any
	a := k.do(http.MethodGet, "/v1/auth/me/history", project+":"+refresh, "").want(200, "")
	if err := json.Unmarshal([]byte(a.text), &list); err != nil || len(list) != 3 { // a sign-up signs in
		t.Fatalf("%v: %s", err, a.text)
	}
	for i, one := range list {
		if one["userId"] != k.UserID(ann) || one["ip"] != "192.0.2.1" || one["loginTime"] != float64(k.Clock.Now().Add(-time.Duration(i)*time.Minute).Unix()) {
			t.Errorf("sign-in %d is %v", i, one)
		}
	}
	k.do(http.MethodGet, "/v1/auth/me/history", project+":"+session, "").want(401, "E062910")
	k.post("/v1/auth/logout", project+":"+refresh, "").want(200, "")
	k.do(http.MethodGet, "/v1/auth/me/history", project+":"+refresh, "").want(401, "E064001")
}

// A user selects a tenant that the user is in, and no other. The session tokens then have it
// as dct, and the tenants of the user are listed.
func TestDE28_SelectTenant(t *testing.T) {
	t.Parallel()
	k := newKit(t, setup{service: webtest.Unlimited})
	session, refresh := k.signUp(ann)
	set := func(tenants map[string]token.Tenant) {
		t.Helper()
		if _, err := k.Service.Operator("test").UpdateUser(t.Context(), k.UserID(ann), usher.UpdateUserParams{Tenants: &tenants}); err != nil {
			t.Fatal(err)
		}
	}
	set(map[string]token.Tenant{"a": {}, "b": {Roles: []string{"owner", "editor"}}})
	const path = "/v1/auth/tenant/select"
	tenants := func(body, want string) {
		t.Helper()
		var list struct{ Tenants []struct{ ID, Name string } }
		a := k.post("/v1/auth/me/tenants", project+":"+refresh, body).want(200, "")
		got := ""
		if err := json.Unmarshal([]byte(a.text), &list); err != nil {
			t.Fatal(err)
		}
		for _, one := range list.Tenants {
			got += one.ID
		}
		if got != want || strings.Contains(a.text, "null") {
			t.Errorf("%s: %s", body, a.text)
		}
	}
	for _, body := range []string{"", "{}", `{"dct":false,"ids":null}`, `{"ids":[]}`} {
		tenants(body, "ab")
	}
	tenants(`{"ids":["b","c"]}`, "b")
	tenants(`{"dct":true,"ids":null}`, "")
	k.post("/v1/auth/me/tenants", project+":"+refresh, `{"ids":"b"}`).want(400, "E011003")
	k.post("/v1/auth/me/tenants", project+":"+session, "{}").want(401, "E062910")

	k.post(path, project+":"+refresh, object("tenant", "c")).want(403, "E062906")
	k.post(path, project+":"+session, object("tenant", "b")).want(401, "E062910")
	a := k.post(path, project+":"+refresh, object("tenant", "b")).want(200, "")
	claims := payload(t, a.str("sessionJwt"))
	if claims["dct"] != "b" || len(claims["tenants"].(map[string]any)) != 2 {
		t.Errorf("the claims are %v", claims)
	}
	refresh = a.str("refreshJwt")
	tenants(`{"dct":true}`, "b")
	if claims := payload(t, k.post(refreshPath, project+":"+refresh, "").want(200, "").str("sessionJwt")); claims["dct"] != "b" {
		t.Errorf("after a refresh: %v", claims)
	}
	set(map[string]token.Tenant{"a": {}})
	if claims := payload(t, k.post(refreshPath, project+":"+refresh, "").want(200, "").str("sessionJwt")); claims["dct"] != nil {
		t.Errorf("after the removal: %v", claims)
	}
	tenants(`{"dct":true}`, "")
}

// cookiesOf returns the Cookie header after an answer.
func cookiesOf(t *testing.T, before string, a answer) string {
	t.Helper()
	kept := map[string]string{}
	for _, pair := range strings.Split(before, "; ") {
		if name, value, ok := strings.Cut(pair, "="); ok {
			kept[name] = value
		}
	}
	for _, line := range a.header["Set-Cookie"] {
		c, err := http.ParseSetCookie(line)
		if err != nil {
			t.Fatal(err)
		}
		if kept[c.Name] = c.Value; c.MaxAge < 0 {
			delete(kept, c.Name)
		}
	}
	var all []string
	for name, value := range kept {
		all = append(all, name+"="+value)
	}
	return strings.Join(all, "; ")
}

// In a browser the cookies alone refresh, name the user, set a new password after a reset,
// and sign out. Every such POST must come from a listed page.
func TestDE24_ABrowserNeedsItsCookiesAlone(t *testing.T) {
	t.Parallel()
	k := newKit(t, setup{service: webtest.Unlimited, config: func(c *descopeConfig) {
		inCookies(c)
		c.TrustedOrigins = []string{"https://shop.test"}
	}})
	jar := ""
	do := func(method, path, body string) answer {
		t.Helper()
		a := k.do(method, path, project, body, "Cookie", jar, "Origin", "https://shop.test", "Sec-Fetch-Site", "cross-site")
		jar = cookiesOf(t, jar, a)
		return a
	}
	do(http.MethodPost, "/v1/auth/password/signup", credentials(ann, goodPassword)).want(200, "")
	before := jar
	a := do(http.MethodPost, refreshPath, "{}").want(200, "")
	if a.str("refreshJwt") != "" || !k.protected(a.str("sessionJwt")) || jar == before {
		t.Errorf("refresh: %s", a.text)
	}
	if do(http.MethodGet, "/v1/auth/me", "").want(200, "").str("email") != ann {
		t.Error("me is another user")
	}
	for _, path := range []string{refreshPath, "/v1/auth/logout", "/v1/auth/logoutall", "/v1/auth/try-refresh"} {
		k.do(http.MethodPost, path, project, "{}", "Cookie", jar).want(403, "E062916")
		k.do(http.MethodPost, path, project, "{}", "Cookie", jar, "Origin", "https://evil.test", "Sec-Fetch-Site", "cross-site").want(403, "E062916")
	}
	for _, malformed := range []string{":undefined", ":a..c", ":" + managementKey} { // the cookies do not replace a token
		for _, path := range []string{refreshPath, "/v1/auth/logout", "/v1/auth/logoutall"} {
			k.do(http.MethodPost, path, project+malformed, "{}", "Cookie", jar, "Origin", "https://shop.test", "Sec-Fetch-Site", "cross-site").want(401, "E011002")
		}
		k.do(http.MethodGet, "/v1/auth/me", project+malformed, "", "Cookie", jar).want(401, "E011002")
	}
	k.ClearRecords()
	do(http.MethodPost, resetPath, object("loginId", ann, "redirectUrl", "https://good.test/cb")).want(200, "")
	if v := do(http.MethodPost, verifyPath, object("token", k.mailedToken("t"))).want(200, ""); v.str("refreshJwt") != "" {
		t.Errorf("verify: %s", v.text)
	}
	do(http.MethodPost, updatePath, object("loginId", ann, "newPassword", otherPassword)).want(200, "")
	if strings.Contains(jar, "DSR=") {
		t.Errorf("the cookies after the reset are %s", jar)
	}
	do(http.MethodPost, refreshPath, "{}").want(401, "E011002")
	do(http.MethodPost, signInPath, credentials(ann, otherPassword)).want(200, "")
	old := jar
	do(http.MethodPost, "/v1/auth/logout", "{}").want(200, "")
	if strings.Contains(jar, "DSR=") || strings.Contains(jar, "DS=") {
		t.Errorf("the cookies after the sign-out are %s", jar)
	}
	jar = old
	do(http.MethodPost, refreshPath, "{}").want(401, "E064001")
	jar = ""
	do(http.MethodPost, "/v1/auth/logout", "{}").want(200, "")
	do(http.MethodPost, signInPath, credentials(ann, otherPassword)).want(200, "")
	do(http.MethodPost, "/v1/auth/logoutall", "{}").want(200, "")
	if strings.Contains(jar, "DSR=") {
		t.Errorf("the cookies after the sign-out everywhere are %s", jar)
	}
}
