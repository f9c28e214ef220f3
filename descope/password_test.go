package descope_test

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/internal/webtest"
	"github.com/usherkit/usher/password"
	"github.com/usherkit/usher/token"
)

// payload returns the claims of a token without verifying it.
func payload(t *testing.T, raw string) map[string]any {
	t.Helper()
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		t.Fatalf("not a token: %q", raw)
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(text, &claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

// Sign-up and sign-in answer with the tokens and the user in the form of the SDKs: whole
// numbers that fit an int32, and no null.
func TestDE06_ASessionHasTheFormOfTheSDKs(t *testing.T) {
	t.Parallel()
	k := newKit(t, setup{config: func(c *descopeConfig) { c.CookieDomain = "app.example" }})
	up := k.post("/v1/auth/password/signup", project, `{"loginId":"ann@example.com","password":"`+goodPassword+`","user":{"name":"Ann","givenName":"A","phone":"+41 44 000 00 00","email":"","familyName":null}}`).want(200, "")
	in := k.post("/v1/auth/password/signin", project, credentials(ann, goodPassword)).want(200, "")
	for name, a := range map[string]answer{"sign-up": up, "sign-in": in} {
		if strings.Contains(a.text, "null") {
			t.Errorf("%s has a null: %s", name, a.text)
		}
		for _, member := range []string{"cookieMaxAge", "cookieExpiration", "sessionExpiration"} {
			n, ok := a.body[member].(float64)
			if !ok || n != math.Trunc(n) || n < 1 || n > math.MaxInt32 {
				t.Errorf("%s: %s is %v", name, member, a.body[member])
			}
		}
		if a.str("cookiePath") != "/" || a.str("cookieDomain") != "app.example" || a.body["firstSeen"] != (name == "sign-up") {
			t.Errorf("%s: %s", name, a.text)
		}
		if got, want := int64(a.body["cookieExpiration"].(float64)), k.Clock.Now().Add(14*24*time.Hour).Unix(); got != want {
			t.Errorf("%s: the cookie expires at %d, want %d", name, got, want)
		}
		u, _ := a.body["user"].(map[string]any)
		session, refresh := payload(t, a.str("sessionJwt")), payload(t, a.str("refreshJwt"))
		if session["drn"] != "DS" || refresh["drn"] != "DSR" || session["sub"] != u["userId"] || refresh["sub"] != u["userId"] {
			t.Errorf("%s: %v, %v, %v", name, session, refresh, u)
		}
		for _, claims := range []map[string]any{session, refresh} {
			if claims["iss"] != "https://app.example/"+project {
				t.Errorf("%s: iss is %v", name, claims["iss"])
			}
		}
		if _, ok := session["tenants"].(map[string]any); !ok {
			t.Errorf("%s: tenants is %v", name, session["tenants"])
		}
		if u["name"] != "Ann" || u["givenName"] != "A" || u["phone"] != "+41 44 000 00 00" || u["email"] != ann || u["password"] != true || u["status"] != "enabled" ||
			u["verifiedEmail"] != false || u["createdTime"] != float64(k.Clock.Now().Unix()) {
			t.Errorf("%s: the user is %v", name, u)
		}
	}
	if in.header.Get("Set-Cookie") != "" {
		t.Error("a cookie is set without Config.Cookies")
	}
	// The tokens are those of the Service.
	if claims, err := k.Service.ValidateSession(t.Context(), token.Secret(in.str("sessionJwt"))); err != nil || claims.SessionID == "" {
		t.Errorf("the Service refuses the session token: %v", err)
	}
}

// Each error has the status and the code of the table, and the same cause always has the
// same answer.
func TestDE07_ErrorsHaveTheFormOfTheSDKs(t *testing.T) {
	t.Parallel()
	k := newKit(t, setup{service: func(c *usher.Config) { c.Limits.FreeFailures = 3 }})
	k.signUp(ann)
	const up, in, replace = "/v1/auth/password/signup", "/v1/auth/password/signin", "/v1/auth/password/replace"
	k.post(up, project, credentials(ann, goodPassword)).want(400, "E062107")
	if a := k.post(up, project, credentials(bob, "short")).want(400, "E062901"); a.str("errorMessage") == a.str("errorDescription") {
		t.Errorf("the message does not say what the policy wants: %s", a.text)
	}
	k.post(up, project, credentials("no\x00id", goodPassword)).want(400, "E011003")
	wrong, unknown := k.post(in, project, credentials(ann, otherPassword)), k.post(in, project, credentials("nobody@example.com", otherPassword))
	wrong.want(401, "E062902")
	if wrong.text != unknown.text {
		t.Errorf("the answers differ: %s, %s", wrong.text, unknown.text)
	}
	k.post(replace, project, object("loginId", ann, "oldPassword", otherPassword, "newPassword", otherPassword)).want(401, "E062902")
	k.post(in, project, credentials(ann, otherPassword)).want(401, "E062902")
	limited := k.post(in, project, credentials(ann, goodPassword)).want(429, "E130429")
	if limited.header.Get("Retry-After") != "30" {
		t.Errorf("Retry-After is %q", limited.header.Get("Retry-After"))
	}
	op := k.Service.Operator("test")
	k.Clock.Add(time.Minute)
	if err := op.ExpirePassword(t.Context(), k.UserID(ann)); err != nil {
		t.Fatal(err)
	}
	k.post(in, project, credentials(ann, goodPassword)).want(401, "E062909")
	k.post(replace, project, object("loginId", ann, "oldPassword", goodPassword, "newPassword", otherPassword)).want(200, "")
	if err := op.Disable(t.Context(), k.UserID(ann)); err != nil {
		t.Fatal(err)
	}
	k.post(in, project, credentials(ann, otherPassword)).want(403, "E062903")

	l := &webtest.LeakList{}
	leaked := newKit(t, setup{service: l.Demand})
	leaked.SignUpVerified(ann)
	l.Store(true)
	leaked.post(in, project, credentials(ann, goodPassword)).want(401, "E062909")
	leaked.post(replace, project, object("loginId", ann, "oldPassword", goodPassword, "newPassword", otherPassword)).want(401, "E062909")

	closed := newKit(t, setup{service: func(c *usher.Config) { c.SignUpClosed = true }})
	closed.post(up, project, credentials(ann, goodPassword)).want(403, "E062905")
	rejecting := newKit(t, setup{service: func(c *usher.Config) {
		c.SignUpRule = func(webtest.Ctx, usher.User) error { return &usher.Rejection{Code: "no", Message: "Not here."} }
	}})
	if a := rejecting.post(up, project, credentials(ann, goodPassword)).want(400, "E062908"); a.str("errorMessage") != "Not here." {
		t.Errorf("the rejection is %s", a.text)
	}
}

// With ConfirmFirst a sign-up has the same answer whether the login id is free or taken.
func TestDE08_ConfirmFirstRevealsNothing(t *testing.T) {
	t.Parallel()
	k := newKit(t, setup{service: func(c *usher.Config) { c.ConfirmFirst = true }})
	first := k.post("/v1/auth/password/signup", project, credentials(ann, goodPassword)).want(403, "E062904")
	again := k.post("/v1/auth/password/signup", project, credentials(ann, otherPassword)).want(403, "E062904")
	if first.text != again.text {
		t.Errorf("the answers differ: %s, %s", first.text, again.text)
	}
}

// The policy is that of the Service, in the spelling of the SDKs.
func TestDE09_ThePolicy(t *testing.T) {
	t.Parallel()
	k := newKit(t, setup{service: func(c *usher.Config) {
		c.Password = password.Policy{MinLength: 12, Number: true, NonAlphanumeric: true}
	}})
	a := k.do(http.MethodGet, "/v1/auth/password/policy", project, "").want(200, "")
	if a.text != `{"minLength":12,"lowercase":false,"uppercase":false,"number":true,"nonAlphanumeric":true}`+"\n" {
		t.Errorf("the policy is %s", a.text)
	}
}

// An update takes the refresh token of the user whom the body names, and nothing else. The
// session of the token ends, and the answer has the tokens in which the user continues.
func TestDE10_UpdateTakesTheRefreshTokenOfItsUser(t *testing.T) {
	t.Parallel()
	k := newKit(t, setup{service: webtest.Unlimited})
	session, refresh := k.signUp(ann)
	_, other := k.signUp(bob)
	_, further := k.signUp("carol@example.com")
	const path = "/v1/auth/password/update"
	body := object("loginId", ann, "newPassword", otherPassword)
	forged := refresh[:len(refresh)-4] + "AAAA"
	for _, c := range []struct {
		auth, body, code string
		status           int
	}{
		{project, body, "E011002", 401},
		{project + ":" + session, body, "E062910", 401},
		{project + ":" + forged, body, "E062910", 401},
		{project + ":a.b.c", body, "E062910", 401},
		{project + ":" + other, body, "E062906", 403},
		{"P2other:" + refresh, body, "E062912", 401},
		{project + ":" + refresh, object("newPassword", otherPassword), "E011002", 400},
		{project + ":" + refresh, object("loginId", "", "newPassword", otherPassword), "E011002", 400},
		{project + ":" + refresh, object("loginId", ann, "newPassword", "short"), "E062901", 400},
		{project + ":" + refresh, object("loginId", ann), "E011002", 400},
	} {
		if a := k.post(path, c.auth, c.body); a.status != c.status || a.str("errorCode") != c.code {
			t.Errorf("%.20s… %s: %d %s, want %d %s", c.auth, c.body, a.status, a.text, c.status, c.code)
		}
	}
	k.post("/v1/auth/password/signin", project, credentials(ann, goodPassword)).want(200, "")
	a := k.post(path, project+":"+refresh, body).want(200, "")
	k.post(path, project+":"+refresh, object("loginId", ann, "newPassword", webtest.ThirdPassword)).want(401, "E064001")
	k.post("/v1/auth/password/signin", project, credentials(ann, goodPassword)).want(401, "E062902")
	if claims, err := k.Service.ValidateRefresh(t.Context(), token.Secret(a.str("refreshJwt"))); err != nil {
		t.Errorf("the tokens of the answer: %v, %v", claims, err)
	}
	// A sign-in that is too old needs the old password: replace.
	k.Clock.Add(6 * time.Minute)
	k.post(path, project+":"+further, object("loginId", "carol@example.com", "newPassword", otherPassword)).want(401, "E062907")
}

// A reset has the same answer for every login id, and leads only to listed addresses, with
// the token in the parameter t.
func TestDE11_ResetRevealsNothingAndLeadsNowhereElse(t *testing.T) {
	t.Parallel()
	k := newKit(t, setup{service: webtest.Unlimited})
	k.signUp("anna@example.com")
	k.ClearRecords()
	const path = "/v1/auth/password/reset"
	known := k.post(path, project, object("loginId", "anna@example.com", "redirectUrl", "https://good.test/cb?lang=de")).want(200, "")
	unknown := k.post(path, project, object("loginId", "andy@example.com", "redirectUrl", "https://good.test/cb?lang=de")).want(200, "")
	if known.text != unknown.text || known.str("resetMethod") != "magiclink" || known.str("maskedEmail") != "a***@e***.com" {
		t.Errorf("the answers are %s, %s", known.text, unknown.text)
	}
	for _, m := range k.Inbox() {
		if link := m.Link.Reveal(); !strings.HasPrefix(link, "https://good.test/cb?lang=de&t=") {
			t.Errorf("the link is %s", link)
		}
	}
	k.mailedToken("t")
	for _, redirect := range []string{
		"https://evil.test/cb", "https://good.test.evil.test/cb", "http://good.test/cb", "https://good.test/cbx", "//good.test/cb", "javascript:alert(1)",
		"https://good.test/cb?t=x", "https://good.test@evil.test/cb", "https://good.test/cb#t=x",
	} {
		k.post(path, project, object("loginId", "anna@example.com", "redirectUrl", redirect)).want(400, "E011003")
		k.post(path, project, object("loginId", "andy@example.com", "redirectUrl", redirect)).want(400, "E011003")
	}
	for loginID, masked := range map[string]string{"anna": "", "é@ü.example": "é***@ü***.example", "a@localhost": "a***@l***"} {
		if a := k.post(path, project, object("loginId", loginID)); a.status == 200 && a.str("maskedEmail") != masked {
			t.Errorf("%s: %s", loginID, a.text)
		}
	}
}
