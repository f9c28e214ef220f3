package descope_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestDM16_TheFilesOfAuth0AreImported(t *testing.T) {
	onEachStore(t, func(t *testing.T, k *kit) {
		k.signUp(bob)
		users := strings.Join([]string{
			`{"user_id":"auth0|1","email":"Ann@example.com","email_verified":true,"name":"Ann","given_name":"A","picture":"https://x.test/a.png","created_at":"2020-01-02T03:04:05.678Z","user_metadata":{"theme":"dark"},"app_metadata":{}}`,
			`{"user_id":"auth0|2","username":"carl","phone_number":"+1 555","blocked":true}`,
			`{"user_id":"auth0|3","email":"BOB@example.com"}`,
			`{"user_id":"auth0|4","email":"dora@example.com"}`, ``,
		}, "\r\n")
		hashes := strings.Join([]string{
			`{"_id":{"$oid":"1"},"email":"ANN@example.com","passwordHash":"$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW","password_set_date":{"$date":"2021-03-05T16:34:18.283Z"},"tenant":"t","_tmp_is_unique":true}`,
			`{"_id":{"$oid":"4"},"email":"dora@example.com","passwordHash":"$2x$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"}`,
			`{"_id":{"$oid":"5"},"email":"eve@example.com","email_verified":true,"passwordHash":"$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"}`,
		}, "\n")
		body := func(encode func(string) string, dryRun bool) string {
			b, _ := json.Marshal(map[string]any{"source": "Auth0", "users": encode(users), "hashes": encode(hashes), "dryrun": dryRun})
			return string(b)
		}
		plain := func(s string) string { return s }
		inBase64 := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
		const failures = `[{"reason":"loginIds: another user has one of the login ids","user":"BOB@example.com"},{"reason":"hash: Bcrypt.Hash: is not $2a$, $2b$ or $2y$","user":"dora@example.com"}]`
		k.mgmt("/import", body(plain, true)).want(200, "").wantMembers(map[string]string{"users": "[]", "failures": failures})
		k.do("GET", "/v1/mgmt/user?loginId=carl", manager, "").want(404, "E112102")
		for range 2 { // the second time nothing changes
			a := k.mgmt("/import", body(inBase64, false)).want(200, "")
			a.wantMembers(map[string]string{"failures": failures})
			if n := len(a.body["users"].([]any)); n != 3 {
				t.Errorf("%d users: %s", n, a.text)
			}
		}
		k.do("GET", "/v1/mgmt/user?loginId=ann@example.com", manager, "").want(200, "").wantMembers(map[string]string{
			"user.name": `"Ann"`, "user.givenName": `"A"`, "user.verifiedEmail": "true", "user.createdTime": "1577934245", "user.picture": `"https://x.test/a.png"`,
			"user.customAttributes": `{"user_metadata":{"theme":"dark"}}`, "user.password": "true",
		})
		k.do("GET", "/v1/mgmt/user?loginId=carl", manager, "").want(200, "").wantMembers(map[string]string{"user.status": `"disabled"`, "user.phone": `"+1 555"`, "user.password": "false"})
		for _, id := range []string{"ann@example.com", "eve@example.com"} {
			k.post("/v1/auth/password/signin", project, credentials(id, "U*U")).want(200, "")
		}
		many := strings.Repeat(`{"email": "x@example.com"} `, 501)
		for _, bad := range []string{
			`{"source": "okta"}`, `{"source": "auth0", "users": "what"}`, `{"source": "auth0", "users": "[1]"}`, `{"source": "auth0", "users": {"0": 1}}`, fmt.Sprintf(`{"source": "auth0", "users": %q}`, many),
		} {
			k.mgmt("/import", bad).want(400, "E011003")
		}
		k.mgmt("/import", `{}`).want(400, "E011002")
		k.mgmt("/import", `{"source": "auth0", "users": "[{\"email\": \"array@example.com\"}]"}`).want(200, "").wantMembers(map[string]string{"failures": "[]"})
	})
}
