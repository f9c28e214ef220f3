package descope_test

import (
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/usherkit/usher"
)

// A request with a missing, malformed or foreign project id changes nothing.
func TestDE02_TheHeaderNamesTheProject(t *testing.T) {
	k := newKit(t, setup{})
	body := credentials(ann, goodPassword)
	for _, c := range []struct{ header, code string }{
		{"", "E062911"},
		{"Bearer", "E062911"},
		{"Bearer ", "E062911"},
		{"Bearer :x", "E062911"},
		{"Basic " + project, "E062911"},
		{project, "E062911"},
		{"Bearer " + project + ":a.b.c:d.e.f", "E062911"},
		{"Bearer " + project + ":a:b:c", "E062911"},
		{"Bearer " + project + ":wrong:" + managementKey, "E062911"},
		{"Bearer " + project + "::" + managementKey, "E062911"},
		{"Bearer P2other", "E062912"},
		{"Bearer " + strings.ToLower(project), "E062912"},
		{"Bearer " + project + " x", "E062912"},
	} {
		k.do(http.MethodPost, "/v1/auth/password/signup", "", body, "Authorization", c.header).want(401, c.code)
		k.do(http.MethodGet, "/v1/auth/password/policy", "", "", "Authorization", c.header).want(401, c.code)
		k.do(http.MethodGet, "/v1/mgmt/license", "", "", "Authorization", c.header).want(401, c.code)
	}
	r := httptest.NewRequest(http.MethodPost, "/v1/auth/password/signup", strings.NewReader(body))
	r.Header["Authorization"], r.Header["Content-Type"] = []string{"Bearer " + project, "Bearer " + project}, []string{"application/json"}
	k.send(r).want(401, "E062911")
	// Whatever a header has, it costs no more memory than a few copies of it.
	for _, many := range []string{strings.Repeat(":", 1<<20), ":" + strings.Repeat(".", 1<<20)} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		k.do(http.MethodGet, "/v1/mgmt/license", "", "", "Authorization", "Bearer "+project+many)
		runtime.ReadMemStats(&after)
		if used := (after.TotalAlloc - before.TotalAlloc) >> 20; used > 8 {
			t.Errorf("a header of 1 MiB costs %d MiB", used)
		}
	}
	if _, err := k.Service.Operator("test").UserByLoginID(t.Context(), ann); err == nil {
		t.Error("the user was created")
	}
	for _, header := range []string{"Bearer " + project, "bearer " + project, "BEARER " + project, "Bearer " + project + ":K2someauthkey"} {
		k.do(http.MethodGet, "/v1/auth/password/policy", "", "", "Authorization", header).want(200, "")
	}
}

// The management key opens the management calls alone, is never logged, and wrong ones are
// limited, stored once, and lock nobody out who has the right one.
func TestDE03_CF05_TheManagementKey(t *testing.T) {
	t.Parallel()
	k := newKit(t, setup{service: func(c *usher.Config) { c.Limits.NetworkFailures = 5 }})
	_, refresh := k.signUp(ann)
	license := func(auth string) answer { return k.do(http.MethodGet, "/v1/mgmt/license", auth, "") }
	if got := license(project+":"+managementKey).want(200, ""); got.str("rateLimitTier") == "" {
		t.Errorf("the license is %s", got.text)
	}
	k.Events.Take()
	wrong := "00000000000000000000000000000000000000000000dead"
	for _, auth := range []string{project, project + ":", project + ":" + wrong, project + ":" + refresh, project + ":" + refresh + ":" + managementKey} {
		license(auth).want(401, "E062913")
	}
	limited := license(project+":"+wrong).want(429, "E130429")
	if n, err := strconv.Atoi(limited.header.Get("Retry-After")); err != nil || n < 1 || n > 300 {
		t.Errorf("Retry-After is %q", limited.header.Get("Retry-After"))
	}
	license(project+":"+managementKey).want(200, "")
	k.do(http.MethodGet, "/v1/mgmt/license", "P2other:"+managementKey, "").want(401, "E062912")
	// No call of users accepts the key.
	k.post("/v1/auth/password/update", project+":"+managementKey, object("loginId", ann, "newPassword", otherPassword)).want(401, "E011002")
	if got := k.Events.Take(); strings.Count(got, "authn_operator_refused") != 5 || strings.Count(got, "excess_rate_limit_exceeded:operator") != 1 {
		t.Errorf("events: %s", got)
	}
	page, err := k.Service.Operator("test").Events(t.Context(), usher.EventQuery{Name: usher.EventOperatorRefused})
	if err != nil || len(page.Events) != 1 || page.Events[0].Actor != "descope" || page.Events[0].Address != "192.0.2.1" {
		t.Errorf("stored: %+v, %v", page.Events, err)
	}
	for _, secret := range []string{managementKey, wrong, refresh} {
		if strings.Contains(k.log.String()+k.Logs.String(), secret) {
			t.Errorf("the log has %s", secret)
		}
	}
	none := newKit(t, setup{config: func(c *descopeConfig) { c.ManagementKey = "" }})
	none.do(http.MethodGet, "/v1/mgmt/license", project+":"+managementKey, "").want(404, "E062914")
	none.do(http.MethodGet, "/v1/mgmt/license", project+":", "").want(404, "E062914")
}
