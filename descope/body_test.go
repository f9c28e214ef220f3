package descope_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/usherkit/usher/internal/webtest"
)

// Bodies are read as the SDKs send them, and refused if two readers may differ.
func TestDE04_BodiesAreReadInOneWay(t *testing.T) {
	t.Parallel()
	k := newKit(t, setup{service: webtest.Unlimited})
	k.signUp(ann)
	const path = "/v1/auth/password/signin"
	good := fmt.Sprintf(`"loginId":%q,"password":%q`, ann, goodPassword)
	for _, body := range []string{
		"{" + good + `,"loginOptions":{},"providerId":"x","further":[1,{"a":null}]}`,
		"{" + good + `,"loginOptions":null,"user":null}`,
		fmt.Sprintf(`{"LOGINID":%q,"Password":%q}`, ann, goodPassword),
		"\ufeff{" + good + "}",
		" {" + good + "}\n",
	} {
		k.post(path, project, body).want(200, "")
	}
	for _, c := range []struct {
		body, code string
		status     int
	}{
		{"", "E011002", 400},
		{"{}", "E011002", 400},
		{"null", "E011001", 400},
		{"[]", "E011001", 400},
		{`"text"`, "E011001", 400},
		{"{" + good, "E011001", 400},
		{"{" + good + "}{}", "E011001", 400},
		{"{" + good + `,"loginId":"x"}`, "E011001", 400},
		{"{" + good + `,"LoginID":"x"}`, "E011001", 400},
		{"{" + good + `,"x":"\ud800"}`, "E011001", 400},
		{"{" + good + ",\"x\":\"\xff\"}", "E011001", 400},
		{"{" + good + `,"x":` + strings.Repeat(`[`, 40) + strings.Repeat("]", 40) + "}", "E011001", 400},
		{`{"loginId":null,"password":"x"}`, "E011002", 400},
		{fmt.Sprintf(`{"loginId":%q,"password":null}`, ann), "E011002", 400},
		{fmt.Sprintf(`{"loginId":%q,"password":""}`, ann), "E011002", 400},
		{`{"loginId":["` + ann + `"],"password":"x"}`, "E011003", 400},
		{`{"loginId":1,"password":"x"}`, "E011003", 400},
		{"{" + good + `,"loginOptions":[]}`, "E011003", 400},
		{"{" + good + `,"loginOptions":{"stepup":"yes"}}`, "E011003", 400},
		{"{" + good + `,"loginOptions":{"mfa":false,"MFA":true}}`, "E011003", 400},
		{"{" + good + `,"x":"` + strings.Repeat("x", 1<<20) + `"}`, "E062917", 413},
	} {
		if a := k.post(path, project, c.body); a.status != c.status || a.str("errorCode") != c.code {
			t.Errorf("%.80q: %d %s, want %d %s", c.body, a.status, a.text, c.status, c.code)
		}
	}
	for _, contentType := range []string{"text/plain", "application/x-www-form-urlencoded", ""} {
		k.do(http.MethodPost, path, project, "{"+good+"}", "Content-Type", contentType).want(415, "E062918")
	}
}

// Options that would make the session a stronger or another one are refused by name, not
// ignored.
func TestDE05_LoginOptionsThatAreNotServedAreRefused(t *testing.T) {
	t.Parallel()
	k := newKit(t, setup{service: webtest.Unlimited})
	k.signUp(ann)
	for _, option := range []string{`"stepup":true`, `"mfa":true`, `"revokeOtherSessions":true`, `"customClaims":{"a":1}`, `"tenantId":"t1"`} {
		name := strings.Trim(strings.Split(option, ":")[0], `"`)
		for _, path := range []string{"signin", "signup"} {
			a := k.post("/v1/auth/password/"+path, project, fmt.Sprintf(`{"loginId":%q,"password":%q,"loginOptions":{%s}}`, ann, goodPassword, option))
			if a.status != 400 || a.str("errorCode") != "E011003" || !strings.Contains(a.str("errorMessage"), "loginOptions."+name) {
				t.Errorf("%s %s: %d %s", path, option, a.status, a.text)
			}
		}
	}
	k.post("/v1/auth/password/signin", project, fmt.Sprintf(`{"loginId":%q,"password":%q,"loginOptions":{"stepup":false,"mfa":false,"customClaims":{},"templateId":"x","templateOptions":{"a":"b"}}}`, ann, goodPassword)).want(200, "")
}
