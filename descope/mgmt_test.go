package descope_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/descope"
	"github.com/usherkit/usher/internal/webtest"
	"github.com/usherkit/usher/store/sqlite"
	"github.com/usherkit/usher/token"
)

const manager = project + ":" + managementKey

// mgmt sends a POST request with the management key.
func (k *kit) mgmt(path, body string) answer {
	k.t.Helper()
	return k.post("/v1/mgmt/user"+path, manager, body)
}

// onEachStore runs a test on a store in memory and on one in SQLite.
func onEachStore(t *testing.T, test func(*testing.T, *kit)) {
	t.Parallel()
	t.Run("memory", func(t *testing.T) {
		t.Parallel()
		test(t, newKit(t, setup{}))
	})
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		st, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "usher.db"), sqlite.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { st.Close() })
		test(t, newKit(t, setup{store: st}))
	})
}

// member returns a part of the answer, such as "user.loginIds", as JSON.
func (a answer) member(path string) string {
	a.t.Helper()
	var v any = a.body
	for name := range strings.SplitSeq(path, ".") {
		m, _ := v.(map[string]any)
		v = m[name]
	}
	text, _ := json.Marshal(v)
	return string(text)
}

// wantMembers fails the test unless the members of the answer have these values, as JSON.
func (a answer) wantMembers(want map[string]string) {
	a.t.Helper()
	for path, value := range want {
		if got := a.member(path); got != value {
			a.t.Errorf("%s is %s, want %s in %s", path, got, value, a.text)
		}
	}
}

// What the SDK for Go sends: all members, with null for what is not set.
const fullUser = `{"loginId": "ann@example.com", "email": "ann@example.com", "phone": "+1 555", "displayName": "Ann A", "givenName": "Ann", "middleName": "",
	"familyName": "A", "picture": "", "roleNames": ["editor"], "userTenants": [{"tenantId": "T1", "roleNames": ["owner"]}],
	"customAttributes": {"seats": 3}, "additionalLoginIds": null, "verifiedEmail": true, "ssoAppIDs": null, "invite": false}`

func TestDM01_AUserIsCreatedLoadedChangedAndDeleted(t *testing.T) {
	onEachStore(t, func(t *testing.T, k *kit) {
		a := k.mgmt("/create", fullUser).want(200, "")
		a.wantMembers(map[string]string{
			"user.loginIds": `["ann@example.com"]`, "user.email": `"ann@example.com"`, "user.verifiedEmail": "true", "user.name": `"Ann A"`,
			"user.roleNames": `["editor"]`, "user.customAttributes": `{"seats":3}`, "user.status": `"enabled"`, "user.password": "false",
			"user.userTenants": `[{"permissions":[],"roleNames":["owner"],"tenantId":"T1","tenantName":"T1"}]`,
		})
		id, _ := a.body["user"].(map[string]any)["userId"].(string)
		if created := a.body["user"].(map[string]any)["createdTime"].(float64); created != float64(k.Clock.Now().Unix()) {
			t.Errorf("createdTime is %v", created)
		}
		k.mgmt("/create", fullUser).want(400, "E062107")
		k.mgmt("/create", `{"email": "x@example.com"}`).want(400, "E011002")
		for _, q := range []string{"loginId=ANN@example.com&userId=", "loginId=&userId=" + id, "loginId=" + id} {
			if got := k.do(http.MethodGet, "/v1/mgmt/user?"+q, manager, "").want(200, "").member("user.userId"); got != `"`+id+`"` {
				t.Errorf("%s finds %s", q, got)
			}
		}
		k.do(http.MethodGet, "/v1/mgmt/user?loginId=nobody", manager, "").want(404, "E112102")
		k.do(http.MethodGet, "/v1/mgmt/user", manager, "").want(400, "E011002")

		patched := k.do(http.MethodPatch, "/v1/mgmt/user/patch", manager, `{"loginId": "`+id+`", "name": "Anne", "phone": "", "customAttributes": {"trial": true, "seats": null}}`)
		patched.want(200, "").wantMembers(map[string]string{
			"user.name": `"Anne"`, "user.phone": `""`, "user.givenName": `"Ann"`, "user.customAttributes": `{"trial":true}`, "user.roleNames": `["editor"]`, "user.verifiedEmail": "true",
		})
		k.do(http.MethodPatch, "/v1/mgmt/user/patch", manager, `{"loginId": "ann@example.com", "status": "gone"}`).want(400, "E011003")
		k.do(http.MethodPatch, "/v1/mgmt/user/patch", manager, `{"loginId": "ann@example.com", "displayName": "Ann", "roleNames": [], "status": "disabled"}`).want(200, "").
			wantMembers(map[string]string{"user.name": `"Ann"`, "user.roleNames": "[]", "user.status": `"disabled"`})
		k.mgmt("/update/status", `{"loginId": "ann@example.com", "status": "enabled"}`).want(200, "").wantMembers(map[string]string{"user.status": `"enabled"`})
		k.mgmt("/update/status", `{"loginId": "ann@example.com"}`).want(400, "E011002")
		k.mgmt("/update/email", `{"loginId": "ann@example.com", "email": "anne@example.com", "verified": false, "failOnConflict": true}`).want(200, "").
			wantMembers(map[string]string{"user.email": `"anne@example.com"`, "user.verifiedEmail": "false", "user.loginIds": `["ann@example.com"]`})
		// An update clears what it does not have.
		k.mgmt("/update", `{"loginId": "ann@example.com", "displayName": "A", "roleNames": null, "additionalLoginIds": ["ann"]}`).want(200, "").wantMembers(map[string]string{
			"user.name": `"A"`, "user.givenName": `""`, "user.userTenants": "[]", "user.customAttributes": "{}", "user.loginIds": `["ann@example.com","ann"]`,
			"user.email": `"ann@example.com"`, "user.verifiedEmail": "false",
		})
		k.mgmt("/update", `{"loginId": "ann", "additionalLoginIds": null, "verifiedEmail": true}`).want(200, "").
			wantMembers(map[string]string{"user.loginIds": `["ann@example.com","ann"]`, "user.verifiedEmail": "true"})

		// Another address is not verified because the old one was, and permissions stay.
		tenants := map[string]token.Tenant{"T1": {Permissions: []string{"read"}}}
		if _, err := k.Service.Operator("descope").UpdateUser(t.Context(), id, usher.UpdateUserParams{Tenants: &tenants}); err != nil {
			t.Fatal(err)
		}
		k.do(http.MethodPatch, "/v1/mgmt/user/patch", manager, `{"loginId": "ann", "email": "a2@example.com", "userTenants": [{"tenantId": "T1", "roleNames": ["x"]}]}`).want(200, "").
			wantMembers(map[string]string{"user.verifiedEmail": "false", "user.userTenants": `[{"permissions":["read"],"roleNames":["x"],"tenantId":"T1","tenantName":"T1"}]`})

		k.mgmt("/delete", `{"loginId": "ann", "userId": ""}`).want(200, "")
		k.mgmt("/delete", `{"loginId": "ann"}`).want(404, "E112102")
		page, err := k.Service.Operator("test").Events(t.Context(), usher.EventQuery{UserID: id})
		if err != nil || len(page.Events) < 5 {
			t.Fatalf("%+v, %v", page.Events, err)
		}
		for _, e := range page.Events {
			if e.Actor != "descope" {
				t.Errorf("the actor of %s is %q", e.Name, e.Actor)
			}
		}
	})
}

// A user id is looked up before a login id: users choose login ids.
func TestAT03_CustomAttributesKeepTheDigitsOfNumbers(t *testing.T) {
	onEachStore(t, func(t *testing.T, k *kit) {
		const attributes = `"customAttributes":{"account":9007199254740993}`
		for _, path := range []string{"/create", "/update"} {
			if a := k.mgmt(path, `{"loginId":"ann",`+attributes+`}`).want(200, ""); !strings.Contains(a.text, attributes) {
				t.Errorf("%s: %s", path, a.text)
			}
		}
	})
}

func TestDM02_AChangeForAUserIDNeverChangesAUserWithThatLoginID(t *testing.T) {
	t.Parallel()
	k := newKit(t, setup{})
	victim, _ := k.mgmt("/create", object("loginId", ann)).want(200, "").body["user"].(map[string]any)["userId"].(string)
	attacker, _ := k.mgmt("/create", object("loginId", victim)).want(200, "").body["user"].(map[string]any)["userId"].(string)
	k.mgmt("/update/status", object("loginId", victim, "status", "disabled")).want(200, "").wantMembers(map[string]string{"user.userId": `"` + victim + `"`})
	k.mgmt("/logout", object("loginId", victim)).want(200, "")
	k.mgmt("/delete", object("loginId", victim)).want(200, "")
	k.do(http.MethodGet, "/v1/mgmt/user?userId="+attacker, manager, "").want(200, "")
	k.do(http.MethodGet, "/v1/mgmt/user?userId="+victim, manager, "").want(404, "E112102") // not as a login id
	// Nor after the deletion, although the login id is that of a user.
	k.do(http.MethodGet, "/v1/mgmt/user?loginId="+victim, manager, "").want(404, "E112102")
	k.mgmt("/update", `{"loginId":"`+victim+`","roleNames":["admin"]}`).want(404, "E112102")
	k.mgmt("/signin/embeddedlink", object("loginId", victim)).want(404, "E112102")
	k.do(http.MethodGet, "/v1/mgmt/user?userId="+attacker, manager, "").want(200, "").wantMembers(map[string]string{"user.roleNames": "[]"})
}

func TestDM03_PasswordsAreSetExpiredAndEndSessions(t *testing.T) {
	onEachStore(t, func(t *testing.T, k *kit) {
		_, refresh := k.signUp(ann)
		signIn := func(pw string) answer { return k.post("/v1/auth/password/signin", project, credentials(ann, pw)) }
		live := func() error {
			a, err := k.Service.RefreshSession(t.Context(), usher.Secret(refresh), usher.Client{})
			if err == nil {
				refresh = a.Tokens.Refresh.Reveal()
			}
			return err
		}
		k.mgmt("/password/set/active", `{"loginId": "ann@example.com", "password": "short", "setActive": true}`).want(400, "E062901")
		if err := live(); err != nil {
			t.Errorf("a refused password ends the session: %v", err)
		}
		k.mgmt("/password/set/active", object("loginId", ann, "password", otherPassword)).want(200, "")
		if err := live(); !errors.Is(err, usher.ErrInvalidSession) {
			t.Errorf("the session after a new password: %v", err)
		}
		signIn(otherPassword).want(200, "")
		temporary := "a temporary one 17"
		k.mgmt("/password/set/temporary", object("loginId", ann, "password", temporary)).want(200, "")
		signIn(temporary).want(401, "E062909")
		k.post("/v1/auth/password/replace", project, object("loginId", ann, "oldPassword", temporary, "newPassword", goodPassword+" x")).want(200, "")
		k.mgmt("/password/expire", object("loginId", ann)).want(200, "")
		signIn(goodPassword+" x").want(401, "E062909")
		k.mgmt("/password/set", `{"loginId": "ann@example.com", "password": "one more of them 17"}`).want(200, "")
		signIn("one more of them 17").want(401, "E062909")
		k.mgmt("/password/set", `{"loginId": "ann@example.com", "password": "one more of them 18", "setActive": true}`).want(200, "")
		refresh = signIn("one more of them 18").want(200, "").str("refreshJwt")
		k.mgmt("/logout", object("loginId", ann)).want(200, "")
		if err := live(); !errors.Is(err, usher.ErrInvalidSession) {
			t.Errorf("the session after a sign-out: %v", err)
		}
		k.mgmt("/create", object("loginId", "bob")).want(200, "")
		k.mgmt("/password/expire", object("loginId", "bob")).want(409, "E062915")
		k.mgmt("/password/set/active", object("loginId", "carl", "password", otherPassword)).want(404, "E112102")

		id, _ := signIn("one more of them 18").want(200, "").body["user"].(map[string]any)["userId"].(string)
		a := k.do(http.MethodPost, "/v1/mgmt/user/history", manager, `["`+id+`", "nobody"]`).want(200, "")
		var logins []struct {
			UserID, IP string
			LoginTime  int32
		}
		if err := json.Unmarshal([]byte(a.text), &logins); err != nil || len(logins) < 3 || logins[0].UserID != id || logins[0].LoginTime != int32(k.Clock.Now().Unix()) || logins[0].IP == "" {
			t.Errorf("%v: %s", err, a.text)
		}
		k.do(http.MethodPost, "/v1/mgmt/user/history", manager, `{}`).want(400, "E011003")
	})
}

func TestDM04_UsersAreFoundPageByPage(t *testing.T) {
	onEachStore(t, func(t *testing.T, k *kit) {
		var users []string
		for i := range 25 {
			users = append(users, fmt.Sprintf(`{"loginId": "user%02d@example.com", "roleNames": ["r%d"], "status": %q}`, i, i%2, []string{"enabled", "disabled"}[i%5/4]))
		}
		k.mgmt("/create/batch", `{"users": [`+strings.Join(users, ",")+`]}`).want(200, "")
		find := func(body string) answer { return k.post("/v2/mgmt/user/search", manager, body) }
		// What the SDK for Go sends without conditions.
		const none = `"tenantIds": null, "roleNames": null, "limit": 0, "page": 0, "sort": null, "text": "", "loginIds": null, "testUsersOnly": false, "withTestUser": false,
			"customAttributes": null, "statuses": null, "emails": null, "phones": null, "ssoAppIds": null, "fromCreatedTime": 0, "toCreatedTime": 0, "userIds": null, "tenantRoleIds": null`
		if a := find(`{`+none+`}`).want(200, ""); len(a.body["users"].([]any)) != 25 || a.member("total") != "25" {
			t.Errorf("all users: %s", a.text)
		}
		seen := map[string]bool{}
		for page := range 6 {
			a := find(fmt.Sprintf(`{"limit": 5, "page": %d}`, page)).want(200, "")
			got := a.body["users"].([]any)
			if want := []int{5, 5, 5, 5, 5, 0}[page]; len(got) != want || a.member("total") != "25" {
				t.Errorf("page %d: %s", page, a.text)
			}
			for _, u := range got {
				seen[u.(map[string]any)["userId"].(string)] = true
			}
		}
		if len(seen) != 25 {
			t.Errorf("%d users on all pages", len(seen))
		}
		for body, want := range map[string]int{
			`{"roleNames": ["r1"]}`:                                                             12,
			`{"statuses": ["disabled"]}`:                                                        5,
			`{"statuses": ["disabled", "enabled"]}`:                                             25,
			`{"text": "USER1"}`:                                                                 10,
			`{"text": "user1", "roleNames": ["r0"]}`:                                            5,
			`{"loginIds": ["user03@example.com", "USER03@example.com"]}`:                        1,
			`{"loginIds": ["nobody", "", "user04@example.com"], "statuses": ["disabled"]}`:      1,
			`{"loginIds": ["user03@example.com"], "statuses": ["disabled"]}`:                    0,
			`{"emails": ["user1", "User11@example.com", ""]}`:                                   1,
			`{"userIds": ["nobody"]}`:                                                           0,
			`{"userIds": []}`:                                                                   0,
			`{"loginIds": ["user01@example.com", "user02@example.com"], "limit": 1, "page": 1}`: 1,
			`{"fromCreatedTime": 4102444800000}`:                                                0,
		} {
			if a := find(body).want(200, ""); len(a.body["users"].([]any)) != want {
				t.Errorf("%s finds %s, want %d", body, a.text, want)
			}
		}
		for _, body := range []string{
			`{"roleNames": ["a", "b"]}`, `{"statuses": ["invited"]}`, `{"limit": 1001}`, `{"limit": -1}`, `{"page": -1}`, `{"limit": 1000, "page": 10}`,
			`{"tenantIds": ["T1"]}`, `{"sort": [{"field": "email"}]}`, `{"phones": ["1"]}`, `{"customAttributes": {"a": 1}}`, `{"testUsersOnly": true}`, `{"limit": "5"}`,
			`{"toCreatedTime": 5}`, `{"userIds": [` + strings.Repeat(`"u",`, 500) + `"u"]}`,
		} {
			find(body).want(400, "E011003")
		}
		a := k.post("/v1/mgmt/users/load", manager, `{"userIds": ["`+strings.Join(keys(seen), `","`)+`", "nobody"], "includeInvalidUsers": false}`).want(200, "")
		if a.member("total") != "20" {
			t.Errorf("loaded %s", a.text)
		}
		k.mgmt("/delete/batch", `{"userIds": ["`+strings.Join(keys(seen), `","`)+`", "nobody"]}`).want(200, "")
		if a := find(`{}`).want(200, ""); a.member("total") != "0" || a.member("users") != "[]" {
			t.Errorf("after all were deleted: %s", a.text)
		}
	})
}

// A page behind the first thousand is found by several pages of the store.
func TestDM04_ASearchReachesPagesFarBehind(t *testing.T) {
	t.Parallel()
	k := newKit(t, setup{})
	var lines strings.Builder
	for i := range 2003 {
		fmt.Fprintf(&lines, "{\"loginIds\": [\"user%d\"]}\n", i)
	}
	if _, err := k.Service.Operator("test").Import(t.Context(), usher.ImportParams{Users: strings.NewReader(lines.String())}); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for page, want := range []int{700, 700, 603, 0} {
		a := k.post("/v2/mgmt/user/search", manager, fmt.Sprintf(`{"limit": 700, "page": %d}`, page)).want(200, "")
		if got := len(a.body["users"].([]any)); got != want || a.member("total") != "2003" {
			t.Errorf("page %d has %d users of %s", page, got, a.member("total"))
		}
		for _, u := range a.body["users"].([]any) {
			seen[u.(map[string]any)["userId"].(string)] = true
		}
	}
	if len(seen) != 2003 {
		t.Errorf("%d users on all pages", len(seen))
	}
}

// Names that begin with an address do not hide the user who has the address.
func TestDM04_NamesOfOthersHideNoAddress(t *testing.T) {
	t.Parallel()
	k := newKit(t, setup{})
	op, name := k.Service.Operator("test"), ann
	usher.Must(op.ImportUser(t.Context(), usher.ImportUserParams{ID: "z", LoginIDs: []string{"ann"}, Email: ann}))
	for i := range 1001 {
		usher.Must(op.ImportUser(t.Context(), usher.ImportUserParams{ID: fmt.Sprint("a", i), LoginIDs: []string{fmt.Sprint("m", i)}, Profile: usher.Profile{Name: &name}}))
	}
	k.post("/v2/mgmt/user/search", manager, `{"emails": ["`+ann+`"]}`).want(200, "").wantMembers(map[string]string{"total": "1"})
}

func keys(m map[string]bool) (all []string) {
	for k := range m {
		all = append(all, k)
	}
	return all
}

// Every management call needs the key, and refuses a token in its place.
func TestDM05_EveryManagementCallNeedsTheKey(t *testing.T) {
	t.Parallel()
	k := newKit(t, setup{service: webtest.Unlimited})
	closed := newKit(t, setup{config: func(c *descope.Config) { c.ManagementKey = "" }})
	_, refresh := k.signUp(ann)
	for _, c := range managementCalls {
		body := `{}`
		if strings.HasSuffix(c, "history") {
			body = `[]`
		}
		method, path, _ := strings.Cut(c, " ")
		for _, auth := range []string{project, project + ":" + refresh, project + ":" + strings.Repeat("0", 48), project + ":" + refresh + ":" + managementKey} {
			k.do(method, path, auth, body).want(401, "E062913")
		}
		closed.do(method, path, manager, body).want(404, "E062914")
		if a := k.do(method, path, manager, body); a.status == 404 && a.str("errorCode") == "E062914" || a.status == 401 {
			t.Errorf("%s with the key: %s", c, a.text)
		}
	}
}

var managementCalls = []string{
	"GET /v1/mgmt/license", "POST /v1/mgmt/user/create", "POST /v1/mgmt/user/create/batch", "POST /v1/mgmt/user/import", "POST /v1/mgmt/user/update", "PATCH /v1/mgmt/user/patch",
	"POST /v1/mgmt/user/update/email", "POST /v1/mgmt/user/update/status", "GET /v1/mgmt/user", "POST /v1/mgmt/users/load", "POST /v2/mgmt/user/search",
	"POST /v1/mgmt/user/delete", "POST /v1/mgmt/user/delete/batch", "POST /v1/mgmt/user/logout", "POST /v1/mgmt/user/history",
	"POST /v1/mgmt/user/password/set/active", "POST /v1/mgmt/user/password/set/temporary", "POST /v1/mgmt/user/password/set", "POST /v1/mgmt/user/password/expire",
	"GET /v1/mgmt/password/settings", "POST /v1/mgmt/password/settings",
}

// An option that would make the call do something else is refused, and not ignored.
func TestDM06_WhatAUserCannotHaveIsRefused(t *testing.T) {
	t.Parallel()
	k := newKit(t, setup{})
	for _, extra := range []string{`"test": true`, `"seed": "x"`, `"ssoAppIDs": ["x"]`, `"sendSMS": true`, `"status": "expired"`, `"roleNames": "x"`, `"userTenants": {}`, `"customAttributes": []`} {
		k.mgmt("/create", `{"loginId": "ann", `+extra+`}`).want(400, "E011003")
	}
	k.mgmt("/create", `{"loginId": "ann", "test": false, "seed": null, "ssoAppIDs": [], "sendSMS": false, "status": "invited", "templateId": "t", "templateOptions": {"a": "b"}}`).want(200, "")
	if len(k.Inbox()) != 0 {
		t.Error("the user gets an email that the caller did not ask for")
	}
}

// After an outage of any call of the store, the same call again succeeds.
func TestDM07_AnOutageOfAManagementCallIsA503(t *testing.T) {
	t.Parallel()
	faults := webtest.NewFaults()
	k := newKit(t, setup{store: faults})
	k.mgmt("/create", fullUser).want(200, "")
	faults.Fail(errors.New("out of reach"))
	start := time.Now()
	for _, c := range managementCalls[1:] {
		method, path, _ := strings.Cut(c, " ")
		if strings.HasSuffix(path, "history") || c == "GET /v1/mgmt/password/settings" {
			continue // Faults lets these reads through
		}
		body := `{"loginId": "ann@example.com", "status": "enabled", "userIds": ["x"], "password": "vast otter sings low", "users": [{"loginId": "x"}]}`
		if strings.HasSuffix(path, "import") {
			body = `{"source": "Auth0", "users": "{\"email\": \"x@example.com\"}"}`
		}
		if path == "/v1/mgmt/user" {
			path += "?loginId=ann@example.com"
		}
		if a := k.do(method, path, manager, body); a.status != 503 || a.str("errorCode") != "E062998" {
			t.Errorf("%s: %d %s", c, a.status, a.text)
		}
	}
	if d := time.Since(start); d > 10*time.Second {
		t.Errorf("the outage took %v", d)
	}
	faults.Fail(nil)
	k.mgmt("/update/status", object("loginId", ann, "status", "disabled")).want(200, "")
}
