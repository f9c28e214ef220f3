package handlers_test

import (
	"context"
	"strings"
	"testing"

	"github.com/usherkit/usher"
	. "github.com/usherkit/usher/internal/webtest"
)

func TestAD12_AD15_TheRouteOfAnInvitation(t *testing.T) {
	t.Parallel()
	BothModes(t, func(t *testing.T, m Mode) {
		k := NewKit(t, m, Setup{Service: func(c *usher.Config) { c.SignUpClosed = true }})
		token := k.Invite(Ann)
		body := Object("token", token, "newPassword", OtherPassword)
		k.Do(Post("/invitation/accept", Object("newPassword", OtherPassword))).Want(t, 400, "invalid_request")
		k.Do(Post("/invitation/accept", Object("token", token, "newPassword", WeakPassword))).Want(t, 400, "password_policy")
		a := k.Do(Post("/invitation/accept", body)).Want(t, 200, "")
		if !strings.Contains(string(a.Body), `"emailVerified":true`) {
			t.Errorf("the answer is %s", a.Body)
		}
		if cookie := len(a.Header["Set-Cookie"]) > 0; cookie != (m == InCookies) {
			t.Errorf("cookies are set: %t", cookie)
		}
		k.Do(Post("/invitation/accept", body)).Want(t, 400, "invalid_token")
		k.SignIn(Ann, OtherPassword)

		a = k.Do(Post("/invitation/accept", Object("token", k.Invite(Ann)))).Want(t, 200, "")
		if string(a.Body) != "{\"hasAccount\":true}\n" || len(a.Header["Set-Cookie"]) > 0 {
			t.Errorf("the answer for a user with an account is %s, %v", a.Body, a.Header["Set-Cookie"])
		}
		u, err := k.Service.Operator("test").UserByLoginID(context.Background(), Ann)
		if err != nil || len(u.Roles) != 1 {
			t.Errorf("the user is %+v, %v", u, err)
		}
	})
}
