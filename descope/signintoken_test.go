package descope_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/internal/webtest"
)

// A token for a link, which a backend gets with the management key, starts one session.
func TestDE36_AnEmbeddedLinkSignsInOnce(t *testing.T) {
	t.Parallel()
	k := newKit(t, setup{service: webtest.Unlimited})
	k.signUp(ann)
	k.verify(ann)
	management := project + ":" + managementKey
	const path = "/v1/mgmt/user/signin/embeddedlink"
	body := func(timeout string) string {
		return `{"loginId":"` + ann + `","customClaims":null` + timeout + `}`
	}
	for _, auth := range []string{project, project + ":wrong"} {
		k.post(path, auth, body("")).want(401, "E062913")
	}
	k.post(path, management, "{}").want(400, "E011002")
	k.post(path, management, object("loginId", "nobody@example.com")).want(404, "E112102")
	refused := k.post(path, management, `{"loginId":"`+ann+`","customClaims":{"admin":true}}`).want(400, "E011003")
	if !strings.Contains(refused.str("errorMessage"), "customClaims: is not served: usher.Config.Claims") {
		t.Errorf("the answer is %s", refused.text)
	}
	for _, timeout := range []int{-1, 86401} {
		if a := k.post(path, management, body(fmt.Sprintf(`,"timeout":%d`, timeout))).want(400, "E011003"); !strings.Contains(a.str("errorMessage"), "timeout: ") {
			t.Errorf("the answer is %s", a.text)
		}
	}
	link := k.post(path, management, `{"loginId":"`+ann+`","customClaims":{},"timeout":60}`).want(200, "").str("token")
	late := k.post(path, management, body(`,"timeout":30`)).want(200, "").str("token")
	k.Clock.Add(31 * time.Second)
	k.post(verifyPath, project, object("token", late)).want(401, "E062504")
	k.post(verifyPath, project, object("token", link+"x")).want(401, "E062504")
	k.ClearRecords()
	a := k.post(verifyPath, project, object("token", link)).want(200, "")
	k.post(verifyPath, project, object("token", link)).want(401, "E062504")
	u, _ := a.body["user"].(map[string]any)
	claims := payload(t, a.str("sessionJwt"))
	if !k.protected(a.str("sessionJwt")) || claims["drn"] != "DS" || claims["amr"].([]any)[0] != "sign_in_token" || u["loginIds"].([]any)[0] != ann || a.body["firstSeen"] != false {
		t.Errorf("%v, %s", claims, a.text)
	}
	k.post(refreshPath, project+":"+a.str("refreshJwt"), "").want(200, "")

	created := usher.Must(k.Service.Operator("test").Events(t.Context(), usher.EventQuery{Name: usher.EventSignInTokenCreated})).Events
	if len(created) != 2 || created[0].Actor != "descope" {
		t.Errorf("the events are %+v", created)
	}
	if strings.Contains(k.log.String(), link) || strings.Contains(k.log.String(), late) {
		t.Error("a token is in the log")
	}

	k.post("/v1/mgmt/user/create", management, object("loginId", bob)).want(200, "")
	for loginID, has := range map[string]bool{ann: true, bob: false} {
		link := k.post(path, management, object("loginId", loginID)).want(200, "").str("token")
		a := k.post(verifyPath, project, object("token", link)).want(200, "")
		if u, _ := a.body["user"].(map[string]any); u["password"] != has {
			t.Errorf("%s: %s", loginID, a.text)
		}
	}

	browser := newKit(t, setup{service: webtest.Unlimited, config: inCookies})
	browser.post("/v1/auth/password/signup", project, credentials(ann, goodPassword)).want(200, "")
	link = browser.post(path, management, body("")).want(200, "").str("token")
	b := browser.post(verifyPath, project, object("token", link)).want(200, "")
	if b.str("refreshJwt") != "" || !strings.Contains(strings.Join(b.header["Set-Cookie"], "\n"), "DSR=") {
		t.Errorf("%v %s", b.header, b.text)
	}
}
