package descope_test

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

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

// Users choose their addresses and names in the other system. No user is imported with
// the hash of another user, and no user keeps the name of another user.
func TestDM18_NoUserGetsTheHashOfAnotherUserByTheirName(t *testing.T) {
	t.Parallel()
	const (
		kate    = `{"email":"kate@bank.test","email_verified":true}`
		hers    = `{"email":"Kate@bank.test","passwordHash":"$2a$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK"}`
		twoOf   = "the files have two users with this address, user name or telephone number"
		address = "username: must not be an email address, which may be that of another user"
	)
	hash := func(name string) string { return `{` + name + `,"passwordHash":"` + bcryptOfUU + `"}` }
	named := func(name string) string { return `{` + name + `}` }
	const username, lookalike, again = `"username":"kate@bank.test"`, `"email":"\u212aate@bank.test"`, `"email":"KATE@bank.test"`
	for name, c := range map[string]struct {
		users, hashes []string
		imported      int
		failures      map[string]string // by login id
	}{
		"hash of a user name":     {[]string{kate}, []string{hash(username)}, 1, map[string]string{"kate@bank.test": address}},
		"user name":               {[]string{named(username), kate}, []string{hers, hash(username)}, 1, map[string]string{"kate@bank.test": address}},
		"look-alike":              {[]string{named(lookalike), kate}, []string{hers, hash(lookalike)}, 1, map[string]string{"\u212aate@bank.test": "loginId: has a character that is not allowed"}},
		"two hashes":              {[]string{kate}, []string{hers, hash(again)}, 0, map[string]string{"kate@bank.test": "passwordHash: the files have two hashes for this user, keep one"}},
		"two users":               {[]string{kate, named(again)}, []string{hers, hash(again)}, 0, map[string]string{"kate@bank.test": twoOf, "KATE@bank.test": twoOf}},
		"hashes of two users":     {nil, []string{hash(again), hash(again)}, 1, nil},
		"number and user name":    {[]string{`{"phone_number":"+1555"}`}, []string{hash(`"username":"+1555"`)}, 0, map[string]string{"+1555": twoOf}},
		"the same hash, repeated": {[]string{kate}, []string{hers, hers}, 1, nil},
		"a user name of its own":  {[]string{kate, `{"username":"kate"}`}, []string{hers, hash(`"username":"kate"`)}, 2, nil},
	} {
		k := newKit(t, setup{})
		a := k.mgmt("/import", importBody(strings.Join(c.users, "\n"), strings.Join(c.hashes, "\n"))).want(200, "")
		if n := len(a.body["users"].([]any)); n != c.imported {
			t.Errorf("%s: %d users: %s", name, n, a.text)
		}
		got := map[string]string{}
		for _, f := range a.body["failures"].([]any) {
			got[f.(map[string]any)["user"].(string)], _ = f.(map[string]any)["reason"].(string)
		}
		if len(got) != len(c.failures) || !maps.Equal(got, c.failures) && c.failures != nil {
			t.Errorf("%s: the failures are %v", name, got)
		}
		if in := k.post("/v1/auth/password/signin", project, credentials("kate@bank.test", "U*U")); (in.status == http.StatusOK) != (len(c.users) == 0) {
			t.Errorf("%s: the password of the other user signs in: %s", name, in.text)
		}
	}
}

// A file that has millions of users in 4 MiB costs no more memory than a few copies of it.
func TestDM18_AnImportReadsNoMoreUsersThanItTakes(t *testing.T) {
	k := newKit(t, setup{})
	var before, after runtime.MemStats
	for _, users := range []string{strings.Repeat("{}", 1<<20), "[{}" + strings.Repeat(",{}", 1<<20) + "]"} {
		body := importBody(users, "")
		runtime.ReadMemStats(&before)
		k.mgmt("/import", body).want(400, "E011003")
		runtime.ReadMemStats(&after)
		if used := (after.TotalAlloc - before.TotalAlloc) >> 20; used > 100 {
			t.Errorf("%d MiB of users cost %d MiB", len(body)>>20, used)
		}
	}
	for path, list := range map[string]string{"/create/batch": `{"users":[`, "/delete/batch": `{"userIds":[`} {
		body := list + "{}" + strings.Repeat(",{}", 1<<20) + "]}"
		runtime.ReadMemStats(&before)
		k.mgmt(path, body).want(400, "E011003")
		runtime.ReadMemStats(&after)
		if used := (after.TotalAlloc - before.TotalAlloc) >> 20; used > 60 {
			t.Errorf("%s: a body of %d MiB costs %d MiB", path, len(body)>>20, used)
		}
	}
	tenants := `{"users":[{"loginId":"a","userTenants":[{}` + strings.Repeat(",{}", 1<<20) + `]},{"loginId":"b","userTenants":[{"tenantId":"T","roleNames":["r"` + strings.Repeat(`,"r"`, 1<<16) + `]}]}]}`
	runtime.ReadMemStats(&before)
	a := k.mgmt("/create/batch", tenants)
	runtime.ReadMemStats(&after)
	if used := (after.TotalAlloc - before.TotalAlloc) >> 20; used > 60 || len(a.text) > 4<<10 || !strings.Contains(a.text, "none twice") || !strings.Contains(a.text, "at most 500 tenants") {
		t.Errorf("a body of %d MiB of tenants costs %d MiB and an answer of %d bytes: %.1000s", len(tenants)>>20, used, len(a.text), a.text)
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
	if _, failed := k.mgmt("/create/batch", `{"users":[{"loginId":"a","verifiedEmail":false,"VerifiedEmail":true}]}`).want(200, "").lists(); !strings.Contains(failed["a"], "duplicate members") {
		t.Errorf("a user with a member twice: %v", failed)
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

// deadlines counts how often a handler sets the time to write.
type deadlines struct {
	*httptest.ResponseRecorder
	set int
}

func (d *deadlines) SetWriteDeadline(time.Time) error { d.set++; return nil }

// A batch may take longer than the server allows, but only if the request has the key.
func TestDM05_OnlyARequestWithTheKeyGetsALongerDeadline(t *testing.T) {
	t.Parallel()
	k := newKit(t, setup{})
	_, refresh := k.signUp(ann)
	for auth, want := range map[string]int{"": 0, project: 0, project + ":" + refresh: 0, project + ":wrong": 0, manager: 1} {
		r := httptest.NewRequest(http.MethodPost, "/v1/mgmt/user/create/batch", strings.NewReader(`{"users":[]}`))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer "+auth)
		w := &deadlines{ResponseRecorder: httptest.NewRecorder()}
		if k.handler.ServeHTTP(w, r); w.set != want || (w.Code == http.StatusOK) != (want == 1) {
			t.Errorf("%.20q: %d, and the time to write is set %d times", auth, w.Code, w.set)
		}
	}
}
