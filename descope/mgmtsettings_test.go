package descope_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/usherkit/usher"
)

func TestDM14_TheRulesForPasswordsAreReadAndReplaced(t *testing.T) {
	onEachStore(t, func(t *testing.T, k *kit) {
		const path = "/v1/mgmt/password/settings"
		get := func() answer { return k.do(http.MethodGet, path+"?tenantId=", manager, "").want(200, "") }
		set := func(body string) answer { return k.do(http.MethodPost, path, manager, body) }
		const before = `{"enabled":true,"expiration":false,"expirationWeeks":0,"lock":true,"lockAttempts":100,"lowercase":false,"minLength":15,"nonAlphanumeric":false,"number":false,"reuse":false,"reuseAmount":0,"uppercase":false}` + "\n"
		if a := get(); a.text != before {
			t.Errorf("before: %s", a.text)
		}
		// What the SDKs send: that for Go leaves out what is zero, that for Node spells one member in its own way.
		set(`{"tenantId": "", "enabled": true, "minLength": 17, "number": true, "expiration": true, "expirationWeeks": 3, "reuse": true, "reuseAmount": 2, "lock": true, "lockAttempts": 5,
			"nonAlphaNumeric": true, "tempPassword": {"weeks": 1.50}, "maskErrors": false}`).want(200, "")
		get().wantMembers(map[string]string{
			"minLength": "17", "number": "true", "lowercase": "false", "expiration": "true", "expirationWeeks": "3", "reuse": "true", "reuseAmount": "2", "lock": "true", "lockAttempts": "5",
			"nonAlphanumeric": "true", "nonAlphaNumeric": "null", "tempPassword": `{"weeks":1.5}`, "maskErrors": "false", "enabled": "true", "tenantId": "null",
		})
		if p, err := k.Service.Operator("test").PasswordSettings(t.Context()); err != nil || p.Expiration != 21*24*time.Hour || !strings.Contains(string(p.Extra), "1.50") {
			t.Errorf("%+v, %v", p, err)
		}
		k.do(http.MethodGet, "/v1/auth/password/policy", project, "").want(200, "").wantMembers(map[string]string{"minLength": "17", "nonAlphanumeric": "true"})
		k.post("/v1/auth/password/signup", project, credentials(ann, "only 16 letters.")).want(400, "E062901")

		for _, bad := range []string{
			`{"minLength": 7}`, `{"minLength": 1000}`, `{"minLength": "20"}`, `{"minLength": 20.5}`, `{"enabled": false}`, `{"expiration": true}`, `{"expiration": true, "expirationWeeks": -1}`,
			`{"reuse": true}`, `{"reuse": true, "reuseAmount": 11}`, `{"lock": true, "lockAttempts": 101}`, `{"lock": true, "lockAttempts": -1}`, `{"tenantId": "T1"}`, `{"lowercase": 1}`,
			`{"x": "` + strings.Repeat("x", 9000) + `"}`,
		} {
			set(bad).want(400, "E011003")
		}
		set(`{"nonAlphaNumeric": true, "nonAlphanumeric": false}`).want(400, "E011001")
		k.do(http.MethodGet, path+"?tenantId=T1", manager, "").want(400, "E011003")
		get().wantMembers(map[string]string{"minLength": "17", "maskErrors": "false"})
		// All rules are replaced.
		set(`{"enabled": true, "reuseAmount": 4, "expirationWeeks": 9, "lockAttempts": 7, "lock": false}`).want(200, "")
		if a := get(); a.text != before {
			t.Errorf("after an empty configuration: %s", a.text)
		}
	})
}

// A time that is no whole number of weeks survives a configuration that does not mean to
// change it.
func TestDM14_NinetyDaysStayNinetyDays(t *testing.T) {
	t.Parallel()
	k := newKit(t, setup{service: func(c *usher.Config) { c.Password.Expiration = 90 * 24 * time.Hour }})
	const path = "/v1/mgmt/password/settings"
	a := k.do(http.MethodGet, path, manager, "").want(200, "")
	a.wantMembers(map[string]string{"expiration": "true", "expirationWeeks": "13"})
	k.do(http.MethodPost, path, manager, a.text).want(200, "")
	if p, err := k.Service.Operator("test").PasswordSettings(t.Context()); err != nil || p.Expiration != 90*24*time.Hour {
		t.Errorf("%v, %v", p.Expiration, err)
	}
}

// Two configurations at once do not fail, and one of them is in force afterwards, whole.
func TestDM14_TwoConfigurationsAtOnce(t *testing.T) {
	onEachStore(t, func(t *testing.T, k *kit) {
		var wg sync.WaitGroup
		for _, body := range []string{`{"minLength": 20, "number": true}`, `{"minLength": 30, "uppercase": true}`} {
			wg.Go(func() {
				if a := k.do(http.MethodPost, "/v1/mgmt/password/settings", manager, body); a.status != 200 {
					t.Errorf("%s: %s", body, a.text)
				}
			})
		}
		wg.Wait()
		p, err := k.Service.Operator("test").PasswordSettings(t.Context())
		if err != nil || p.Version != 2 || (p.MinLength == 20) != p.Number || (p.MinLength == 30) != p.Uppercase {
			t.Errorf("%+v, %v", p, err)
		}
	})
}
