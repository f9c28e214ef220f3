package descope_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/cookies"
)

// While an operator acts as a user in a browser, the refresh cookie is that of the operator,
// and the page shows the user.
func TestOP14_NoCallUsesTheRefreshCookieOfAnOperatorWhoActs(t *testing.T) {
	t.Parallel()
	var jar *cookies.Jar
	k := newKit(t, setup{config: func(c *descopeConfig) { inCookies(c); jar = c.Cookies }})
	k.SignUpVerified(bob)
	own := cookiesOf(t, "", k.post("/v1/auth/password/signup", project, credentials(ann, goodPassword)).want(200, ""))
	r := httptest.NewRequest(http.MethodGet, "https://app.example/", nil)
	r.Header.Set("Cookie", own)
	pair, _ := jar.Tokens(r)
	operator := usher.Must(k.Service.ValidateRefresh(t.Context(), pair.Refresh))
	acting := usher.Must(k.Service.Operator("ops:ann").Impersonate(t.Context(), k.UserID(bob), usher.Client{})).Tokens
	w := httptest.NewRecorder()
	if err := jar.SetImpersonation(w, r, acting.Session, acting.SessionExpiresAt, operator.SessionID); err != nil {
		t.Fatal(err)
	}
	both := own + "; " + strings.SplitN(w.Header().Get("Set-Cookie"), ";", 2)[0]
	password := object("loginId", ann, "newPassword", otherPassword)
	for path, body := range map[string]string{
		refreshPath: "", "/v1/auth/try-refresh": "", "/v1/auth/me/tenants": `{"dct":true}`, "/v1/auth/tenant/select": `{"tenant":""}`,
		"/v1/auth/logoutall": "", updatePath: password,
	} {
		a := k.do(http.MethodPost, path, project, body, "Cookie", both, "Sec-Fetch-Site", "same-origin")
		if a.status != http.StatusForbidden || a.header["Set-Cookie"] != nil {
			t.Errorf("%s: %d %s %v", path, a.status, a.text, a.header["Set-Cookie"])
		}
	}
	k.do(http.MethodGet, "/v1/auth/me", project, "", "Cookie", both).want(403, "E062906")
	k.post(updatePath, project+":"+acting.Session.Reveal(), password).want(401, "E062910")

	k.do(http.MethodPost, "/v1/auth/logout", project, "", "Cookie", both, "Sec-Fetch-Site", "same-origin").want(200, "")
	if _, err := k.Service.RefreshSession(t.Context(), pair.Refresh, usher.Client{}); err != nil {
		t.Errorf("the session of the operator: %v", err)
	}
	if _, err := k.Service.ValidateSession(t.Context(), acting.Session); err == nil {
		t.Error("the session as the user goes on")
	}
}
