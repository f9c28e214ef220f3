package descope_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/descope"
	"github.com/usherkit/usher/internal/webtest"
)

type descopeConfig = descope.Config

// Each member of the key set is an array, and each key has what the SDKs need.
func TestDE12_TheKeySetHasKeysAlone(t *testing.T) {
	t.Parallel()
	k := newKit(t, setup{})
	for _, auth := range []string{"", project, "P2other"} {
		a := k.do(http.MethodGet, "/v2/keys/"+project, auth, "").want(200, "")
		var set map[string][]map[string]any
		if err := json.Unmarshal([]byte(a.text), &set); err != nil || len(set) != 1 || len(set["keys"]) == 0 {
			t.Fatalf("%v: %s", err, a.text)
		}
		for _, key := range set["keys"] {
			if key["kid"] == "" || key["alg"] != "ES256" || key["use"] != "sig" || key["d"] != nil {
				t.Errorf("the key is %v", key)
			}
		}
	}
	k.do(http.MethodGet, "/v2/keys/P2other", project, "").want(404, "E062914")
}

// What is not served says so, in the form of the SDKs, whatever the project.
func TestDE13_WhatIsNotServedSaysSo(t *testing.T) {
	t.Parallel()
	k := newKit(t, setup{})
	for _, path := range []string{"/v1/auth/otp/signin/email", "/v1/auth/password/signin/", "/v1/auth/password/SIGNIN", "/v1//auth/password/signin", "/v1/auth%2Fpassword/signin", "/v1/mgmt/tenant/create", "/v2/keys/", "/"} {
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete} {
			k.do(method, path, project, "").want(404, "E062914")
		}
	}
	a := k.do(http.MethodGet, "/v1/auth/password/signin", project, "").want(405, "E062914")
	if a.header.Get("Allow") != "POST" {
		t.Errorf("Allow is %q", a.header.Get("Allow"))
	}
	k.do(http.MethodHead, "/v1/auth/password/policy", project, "")
}

// An outage is a 503 that has changed nothing, whatever call of the store fails: the SDKs
// repeat every request that is answered 503.
func TestDE14_FB06_AnOutageIsA503WithoutEffect(t *testing.T) {
	t.Parallel()
	faults := webtest.NewFaults()
	k := newKit(t, setup{store: faults, service: webtest.Unlimited})
	_, refresh := k.signUp(ann)
	auth := project + ":" + refresh
	calls := []struct{ path, auth, body string }{
		{"/v1/auth/password/signup", project, credentials(bob, goodPassword)},
		{"/v1/auth/password/signin", project, credentials(ann, goodPassword)},
		{"/v1/auth/password/replace", project, object("loginId", ann, "oldPassword", goodPassword, "newPassword", otherPassword)},
		{"/v1/auth/password/reset", project, object("loginId", ann)},
		{"/v1/auth/password/update", auth, object("loginId", ann, "newPassword", otherPassword)},
	}
	faults.Fail(errors.New("out of reach"))
	for _, c := range calls {
		a := k.post(c.path, c.auth, c.body).want(503, "E062998")
		if a.header.Get("Retry-After") != "5" || strings.Contains(a.text, "reach") {
			t.Errorf("%s: %q %s", c.path, a.header.Get("Retry-After"), a.text)
		}
	}
	k.do(http.MethodGet, "/v1/mgmt/license", project+":wrong", "").want(503, "E062998")
	faults.Fail(nil)
	for _, c := range calls[1:2] {
		k.post(c.path, c.auth, c.body).want(200, "")
	}
	if _, err := k.Service.Operator("test").UserByLoginID(t.Context(), bob); !errors.Is(err, usher.ErrNotFound) {
		t.Errorf("the user of the failed sign-up: %v", err)
	}
	k.post(calls[4].path, calls[4].auth, calls[4].body).want(200, "")
}

// A panic is a 500 in the form of the SDKs, without details.
func TestDE15_FB03_APanicIsAnswered(t *testing.T) {
	t.Parallel()
	faults := webtest.NewFaults()
	k := newKit(t, setup{store: faults})
	faults.Arm(0, func(webtest.Ctx) error { panic("some detail") })
	a := k.post("/v1/auth/password/signin", project, credentials(ann, goodPassword))
	faults.Fail(nil)
	if a.want(500, "E062999"); strings.Contains(a.text, "detail") {
		t.Errorf("the answer has the panic: %s", a.text)
	}
}

// The pages of listed origins may call from a browser, with cookies. Others may not read or
// send anything.
func TestDE16_OnlyListedOriginsCallFromABrowser(t *testing.T) {
	t.Parallel()
	k := newKit(t, setup{config: func(c *descopeConfig) { c.TrustedOrigins = []string{"https://shop.test"} }})
	const path = "/v1/auth/password/signin"
	for origin, allowed := range map[string]bool{
		"https://shop.test": true, "https://evil.test": false, "https://shop.test.evil.test": false, "http://shop.test": false, "null": false, "https://SHOP.test": false,
	} {
		header := []string{"Origin", origin, "Sec-Fetch-Site", "cross-site"}
		preflight := k.do(http.MethodOptions, path, "", "", append(header, "Access-Control-Request-Method", "POST",
			"Access-Control-Request-Headers", "authorization,content-type,x-descope-project-id,x-descope-sdk-name,x-descope-sdk-session-id")...)
		if got := preflight.header.Get("Access-Control-Allow-Origin") == origin; got != allowed {
			t.Errorf("%s: preflight answers %v", origin, preflight.header)
		}
		a := k.do(http.MethodPost, path, project, credentials(ann, goodPassword), header...)
		if allowed {
			a.want(401, "E062902")
			for name, want := range map[string]string{"Access-Control-Allow-Origin": origin, "Access-Control-Allow-Credentials": "true"} {
				if a.header.Get(name) != want {
					t.Errorf("%s is %q", name, a.header.Get(name))
				}
			}
			if h := preflight.header.Get("Access-Control-Allow-Headers"); !strings.Contains(h, "x-descope-sdk-session-id") {
				t.Errorf("allowed headers: %s", h)
			}
			continue
		}
		if a.want(403, "E062916"); a.header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s may read %v", origin, a.header)
		}
	}
	if slices.Contains(k.do(http.MethodGet, "/v1/auth/password/policy", project, "").header["Access-Control-Allow-Origin"], "*") {
		t.Error("every origin may read")
	}
}

// The caller's request id is in the events; an unsafe one is replaced.
func TestDE17_TheCallersRequestIDIsInTheEvents(t *testing.T) {
	t.Parallel()
	k := newKit(t, setup{})
	k.do(http.MethodPost, "/v1/auth/password/signup", project, credentials(ann, goodPassword), "x-external-rid", "rid-7").want(200, "")
	k.do(http.MethodPost, "/v1/auth/password/signup", project, credentials(bob, goodPassword), "x-external-rid", "rid 7\nx").want(200, "")
	page, err := k.Service.Operator("test").Events(t.Context(), usher.EventQuery{Name: usher.EventUserCreated})
	if err != nil || len(page.Events) != 2 || page.Events[1].RequestID != "rid-7" || strings.Contains(page.Events[0].RequestID, "rid") || page.Events[0].RequestID == "" {
		t.Errorf("events: %+v, %v", page.Events, err)
	}
}

// With Config.Cookies the refresh token is in a cookie alone, and a request that uses it
// must come from a page of a listed origin.
func TestDE18_TheRefreshTokenInACookie(t *testing.T) {
	t.Parallel()
	k := newKit(t, setup{config: func(c *descopeConfig) {
		inCookies(c)
		c.TrustedOrigins = []string{"https://shop.test"}
	}})
	a := k.post("/v1/auth/password/signup", project, credentials(ann, goodPassword)).want(200, "")
	var cookies []string
	for _, line := range a.header["Set-Cookie"] {
		c, err := http.ParseSetCookie(line)
		if err != nil || !c.HttpOnly || !c.Secure {
			t.Errorf("%s, %v", line, err)
			continue
		}
		if cookies = append(cookies, c.Name+"="+c.Value); c.Name == "DSR" && (c.SameSite != http.SameSiteStrictMode || c.Path != "/" || c.Domain != "" || c.MaxAge != int(a.body["cookieMaxAge"].(float64))) {
			t.Errorf("DSR is %s", line)
		}
	}
	all := strings.Join(cookies, "; ")
	if a.str("refreshJwt") != "" || a.str("sessionJwt") == "" || !strings.Contains(all, "DSR=") {
		t.Fatalf("%s; %s", a.text, all)
	}
	const path = "/v1/auth/password/update"
	body := object("loginId", ann, "newPassword", otherPassword)
	k.post(path, project, body).want(401, "E011002")
	k.do(http.MethodPost, path, project, body, "Cookie", all).want(403, "E062916")
	k.do(http.MethodPost, path, project, body, "Cookie", all, "Origin", "https://evil.test", "Sec-Fetch-Site", "cross-site").want(403, "E062916")
	updated := k.do(http.MethodPost, path, project, body, "Cookie", all, "Origin", "https://shop.test", "Sec-Fetch-Site", "cross-site").want(200, "")
	if updated.str("refreshJwt") != "" || !strings.Contains(strings.Join(updated.header["Set-Cookie"], "; "), "DSR=") {
		t.Errorf("the update answers %s, %v", updated.text, updated.header["Set-Cookie"])
	}
}

// The session of a browser ends when the tokens of a link overwrite its cookies.
func TestDE18_ALinkEndsTheSessionWhoseCookiesItOverwrites(t *testing.T) {
	t.Parallel()
	k := newKit(t, setup{config: inCookies})
	jar := cookiesOf(t, "", k.post("/v1/auth/password/signup", project, credentials(bob, goodPassword)).want(200, ""))
	from := []string{"Cookie", jar, "Origin", "https://app.example", "Sec-Fetch-Site", "same-origin"}
	k.mgmt("/create", fullUser).want(200, "")
	k.Inbox()
	k.ClearRecords()
	k.post(resetPath, project, object("loginId", ann, "redirectUrl", "https://good.test/cb")).want(200, "")
	k.do(http.MethodPost, verifyPath, project, object("token", "wrong"), from...).want(401, "E062504")
	k.do(http.MethodGet, "/v1/auth/me", project, "", from...).want(200, "")
	k.do(http.MethodPost, verifyPath, project, object("token", k.mailedToken("t")), from...).want(200, "")
	k.do(http.MethodGet, "/v1/auth/me", project, "", from...).want(401, "E064001")
}

// A reset session in the cookies ends with a sign-out, also beside a cookie that another host
// has set, and with everything that overwrites the cookies.
func TestDE22_ASignOutEndsTheResetOfABrowser(t *testing.T) {
	t.Parallel()
	k := newKit(t, setup{service: webtest.Unlimited, config: inCookies})
	k.mgmt("/create", fullUser).want(200, "")
	from := func(jar string) []string {
		return []string{"Cookie", jar, "Origin", "https://app.example", "Sec-Fetch-Site", "same-origin"}
	}
	link := func() string {
		k.ClearRecords()
		k.post(resetPath, project, object("loginId", ann, "redirectUrl", "https://good.test/cb")).want(200, "")
		return object("token", k.mailedToken("t"))
	}
	twin := cookiesOf(t, "", k.post("/v1/auth/password/signup", project, credentials("mallory@example.com", goodPassword)).want(200, ""))
	for name, end := range map[string]func(jar string){
		"a sign-out": func(jar string) { k.do(http.MethodPost, "/v1/auth/logout", project, "{}", from(jar)...).want(200, "") },
		"a sign-out beside a twin": func(jar string) {
			k.do(http.MethodPost, "/v1/auth/logout", project, "{}", from(jar+"; "+twin)...).want(200, "")
		},
		"a sign-up": func(jar string) {
			k.do(http.MethodPost, "/v1/auth/password/signup", project, credentials(bob, goodPassword), from(jar)...).want(200, "")
		},
		"another link": func(jar string) { k.do(http.MethodPost, verifyPath, project, link(), from(jar)...).want(200, "") },
	} {
		jar := cookiesOf(t, "", k.post(verifyPath, project, link()).want(200, ""))
		end(jar)
		a := k.do(http.MethodPost, updatePath, project, object("loginId", ann, "newPassword", otherPassword), from(jar)...)
		if a.status != http.StatusUnauthorized || a.str("errorCode") != "E064001" {
			t.Errorf("after %s the reset goes on: %d %s", name, a.status, a.text)
		}
	}
}

// FuzzFB04_Calls sends arbitrary headers and bodies to every call. No answer is a failure of
// the program, and each is JSON.
func FuzzFB04_Calls(f *testing.F) {
	for i, body := range []string{`{"loginId":"ann@example.com","password":"vast otter sings low"}`, `{"loginId":null,"ids":[null],"tenant":1}`, `[1,"x"]`, `{"token":"x","loginOptions":{"stepup":1}}`, "\xff"} {
		f.Add(uint(i), "Bearer "+project+":a.b.c", body, "application/json", "x=1")
		f.Add(uint(i+40), "Bearer "+project+":"+managementKey, body, "text/plain", "loginId=%00&loginId=2")
	}
	calls := descope.Calls()
	f.Fuzz(func(t *testing.T, n uint, auth, body, contentType, query string) {
		k := newKit(t, setup{service: webtest.Unlimited})
		method, path, _ := strings.Cut(calls[n%uint(len(calls))], " ")
		r := httptest.NewRequest(method, path, strings.NewReader(body))
		r.URL.RawQuery = query
		r.Header["Authorization"], r.Header["Content-Type"] = []string{auth}, []string{contentType}
		if a := k.send(r); a.status >= 500 {
			t.Errorf("%s %s: %d %s", method, path, a.status, a.text)
		}
	})
}
