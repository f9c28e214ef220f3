package descope_test

import (
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/usherkit/usher"
)

// An event of the management names the client that had the key, so that the owner of a key
// that leaked finds out from where it was used. The emails to the user do not name it.
func TestDM17_AnEventOfTheManagementNamesItsClient(t *testing.T) {
	onEachStore(t, func(t *testing.T, k *kit) {
		call := func(method, path, body string) {
			t.Helper()
			k.do(method, "/v1/mgmt/user"+path, manager, body, "User-Agent", "Backend/7.1", "x-external-rid", "rid-9").want(200, "")
		}
		call(http.MethodPost, "/create", `{"loginId": "ann@example.com", "email": "ann@example.com", "verifiedEmail": true, "invite": true}`)
		call(http.MethodPost, "/create/batch", `{"users": [{"loginId": "bob@example.com"}]}`)
		call(http.MethodPost, "/import", `{"source": "auth0", "users": "{\"email\":\"carl@example.com\"}"}`)
		call(http.MethodPost, "/password/set/active", `{"loginId": "ann@example.com", "password": "`+goodPassword+`"}`)
		call(http.MethodPost, "/password/expire", `{"loginId": "ann@example.com"}`)
		call(http.MethodPost, "/update/status", `{"loginId": "ann@example.com", "status": "disabled"}`)
		call(http.MethodPatch, "/patch", `{"loginId": "ann@example.com", "name": "A"}`)
		call(http.MethodPost, "/logout", `{"loginId": "ann@example.com"}`)
		call(http.MethodPost, "/delete", `{"loginId": "ann@example.com"}`)
		k.do(http.MethodPost, "/v1/mgmt/password/settings", manager, `{"minLength": 20}`, "User-Agent", "Backend/7.1", "x-external-rid", "rid-9").want(200, "")
		page, err := k.Service.Operator("test").Events(t.Context(), usher.EventQuery{Limit: 100})
		if err != nil || len(page.Events) < 10 {
			t.Fatalf("%+v, %v", page.Events, err)
		}
		for _, e := range page.Events {
			if e.Name != usher.EventKeysRotated && (e.Actor != "descope" || e.Address != "192.0.2.1" || e.UserAgent != "Backend/7.1" || e.RequestID != "rid-9") {
				t.Errorf("%s names %q at %q with %q in request %q", e.Name, e.Actor, e.Address, e.UserAgent, e.RequestID)
			}
		}
		for _, m := range k.Inbox() {
			if m.Address != "" || m.UserAgent != "" {
				t.Errorf("the email %s names the client of the management: %q, %q", m.Kind, m.Address, m.UserAgent)
			}
		}
		if len(k.Inbox()) == 0 || strings.Contains(k.log.String(), managementKey) {
			t.Error("there is no email, or the log has the key")
		}
	})
}

const bcryptOfUU = "$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW" // of the password U*U

// importBody returns the body of an import of Auth0's files.
func importBody(users, hashes string) string {
	return object("source", "Auth0", "users", users, "hashes", hashes)
}

// A hash without an address is not that of another user without one.
func TestDM18_AHashOfAnImportSignsNoOtherUserIn(t *testing.T) {
	onEachStore(t, func(t *testing.T, k *kit) {
		hashes := `{"username":"carl","passwordHash":"` + bcryptOfUU + `"}` + "\n" + `{"username":"mallory","passwordHash":"` + bcryptOfUU + `"}` + "\n" + `{"passwordHash":"` + bcryptOfUU + `"}`
		k.mgmt("/import", importBody(`{"username":"carl"} {"username":"victim"}`, hashes)).want(200, "").
			wantMembers(map[string]string{"failures": `[{"reason":"loginId: must not be empty","user":""}]`})
		k.post("/v1/auth/password/signin", project, credentials("victim", "U*U")).want(401, "E062902")
		k.post("/v1/auth/password/signin", project, credentials("carl", "U*U")).want(200, "")
		k.post("/v1/auth/password/signin", project, credentials("mallory", "U*U")).want(200, "")
	})
}

// A file that has millions of users in 4 MiB costs no more memory than a few copies of it.
func TestDM18_AnImportReadsNoMoreUsersThanItTakes(t *testing.T) {
	k := newKit(t, setup{})
	for _, users := range []string{strings.Repeat("{}", 1<<20), "[{}" + strings.Repeat(",{}", 1<<20) + "]"} {
		body := importBody(users, "")
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		k.mgmt("/import", body).want(400, "E011003")
		runtime.ReadMemStats(&after)
		if used := (after.TotalAlloc - before.TotalAlloc) >> 20; used > 100 {
			t.Errorf("%d MiB of users cost %d MiB", len(body)>>20, used)
		}
	}
	for path, list := range map[string]string{"/create/batch": `{"users":[`, "/delete/batch": `{"userIds":[`} {
		body := list + "{}" + strings.Repeat(",{}", 1<<20) + "]}"
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		k.mgmt(path, body).want(400, "E011003")
		runtime.ReadMemStats(&after)
		if used := (after.TotalAlloc - before.TotalAlloc) >> 20; used > 60 {
			t.Errorf("%s: a body of %d MiB costs %d MiB", path, len(body)>>20, used)
		}
	}
	for _, bad := range []string{`[{}`, `[{}] {}`, `[{},]`, `[{}}`, `{} [`} {
		k.mgmt("/import", importBody(bad, "")).want(400, "E011003")
	}
	k.mgmt("/import", importBody(`[{"username":"ann","user_metadata":{"n":12345678901234567890}}]`, "")).want(200, "")
	if a := k.do(http.MethodGet, "/v1/mgmt/user?loginId=ann", manager, "").want(200, ""); !strings.Contains(a.text, "12345678901234567890") {
		t.Errorf("a number has lost digits: %s", a.text)
	}
}

// What a call cannot mean is refused, and not read as something else.
func TestDM19_WhatTheManagementCannotMeanIsRefused(t *testing.T) {
	t.Parallel()
	k := newKit(t, setup{})
	k.mgmt("/create/batch", `{"users":[{"loginId":"a","hashedPassword":{"sha":{"hash":"`+strings.Repeat("00", 32)+`","type":"sha256","salt":"00"},"bcrypt":{"hash":"`+bcryptOfUU+`"}}}]}`).
		want(200, "").wantMembers(map[string]string{"createdUsers": "[]"})
	for _, tenants := range []string{`[null]`, `[{"tenantId":""}]`, `[{"tenantId":"T","roleNames":["a"]},{"tenantId":"T","roleNames":["b"]}]`} {
		k.mgmt("/create", `{"loginId":"b","userTenants":`+tenants+`}`).want(400, "E011003")
	}
	// PostgreSQL does not store it: no batch may stop because of it, as in an outage.
	k.mgmt("/create/batch", `{"users":[{"loginId":"c","customAttributes":{"a":["\u0000"]}},{"loginId":"d","customAttributes":{"a":"\\u0000"}}]}`).want(200, "")
	if created, failed := k.mgmt("/create/batch", `{"users":[{"loginId":"e","customAttributes":{"\u0000":1}},{"loginId":"f"}]}`).want(200, "").lists(); len(created) != 1 || !strings.Contains(failed["e"], "U+0000") {
		t.Errorf("created %v, failed %v", created, failed)
	}
	k.mgmt("/delete/batch", `{"userIds":["\u0000"]}`).want(400, "E011003")
	k.mgmt("/delete", `{"loginId":"\u0000"}`).want(400, "E011003")
	for _, search := range []string{`{"roleNames":[null]}`, `{"statuses":[""]}`} {
		k.post("/v2/mgmt/user/search", manager, search).want(400, "E011003")
	}
	k.mgmt("/create", `{"loginId":"g","roleNames":[null]}`).want(400, "E011003")
	// 30,501 weeks overflow into 3 days.
	for _, weeks := range []string{"30501", "15001", "0", "-1"} {
		k.do(http.MethodPost, "/v1/mgmt/password/settings", manager, `{"expiration":true,"expirationWeeks":`+weeks+`}`).want(400, "E011003")
	}
	k.do(http.MethodPost, "/v1/mgmt/password/settings", manager, `{"expiration":true,"expirationWeeks":15000}`).want(200, "")
}

// A change that is refused changes nothing, although it has several parts.
func TestDM19_ARefusedChangeLeavesNothing(t *testing.T) {
	onEachStore(t, func(t *testing.T, k *kit) {
		k.mgmt("/create", `{"loginId":"other@example.com"}`).want(200, "")
		k.mgmt("/create", fullUser).want(200, "")
		load := func() string {
			return k.do(http.MethodGet, "/v1/mgmt/user?loginId=ann@example.com", manager, "").want(200, "").text
		}
		before := load()
		for _, change := range []struct{ method, path, body string }{
			{http.MethodPatch, "/patch", `{"loginId":"ann@example.com","name":"Eve","customAttributes":{"seats":4},"email":"no address"}`},
			{http.MethodPatch, "/patch", `{"loginId":"ann@example.com","name":"Eve","customAttributes":{"":4}}`},
			{http.MethodPatch, "/patch", `{"loginId":"ann@example.com","name":"Eve","customAttributes":{"big":"` + strings.Repeat("x", 10<<10) + `"},"status":"gone"}`},
			{http.MethodPost, "/update", `{"loginId":"ann@example.com","displayName":"Eve","additionalLoginIds":["other@example.com"]}`},
			{http.MethodPost, "/update", `{"loginId":"ann@example.com","displayName":"Eve","additionalLoginIds":["a\tb"]}`},
			{http.MethodPost, "/update", `{"loginId":"ann@example.com","additionalLoginIds":["ann"],"email":"no address"}`},
		} {
			if a := k.do(change.method, "/v1/mgmt/user"+change.path, manager, change.body); a.status != http.StatusBadRequest {
				t.Errorf("%s %s: %d %s", change.path, change.body, a.status, a.text)
			}
			if after := load(); after != before {
				t.Errorf("%s %.100s has changed the user:\n%s\n%s", change.path, change.body, before, after)
			}
		}
	})
}
