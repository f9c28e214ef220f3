package handlers_test

import (
	"testing"

	. "github.com/usherkit/usher/internal/webtest"

	"github.com/usherkit/usher"
)

func TestCO09_ProgramsSendTheCodeByJSON(t *testing.T) {
	t.Parallel()
	BothModes(t, func(t *testing.T, m Mode) {
		k := NewKit(t, m, Setup{})
		k.SignUpVerified(Ann)
		k.ClearRecords()
		k.Do(Post("/password/reset", Object("loginId", Ann))).Want(t, 202, "")
		code := k.MailedCode()
		complete := func(pairs ...string) *Reply {
			return k.Do(Post("/password/reset/complete", Object(append(pairs, "newPassword", OtherPassword)...)))
		}
		complete("loginId", Ann, "code", k.WrongCode()).Want(t, 400, "invalid_code")
		for fields, pairs := range map[string][]string{
			"code:invalid": {"loginId", Ann, "code", "12345"}, "code:required": {"loginId", Ann},
			"loginId:required": {"code", code}, "token:required": {},
			"code:not_allowed": {"token", "x", "loginId", Ann, "code", code},
		} {
			if got := complete(pairs...).Want(t, 400, "invalid_request").InputErrors(); got != fields {
				t.Errorf("%v: %s, want %s", pairs, got, fields)
			}
		}
		complete("loginId", Ann, "code", code[:3]+" "+code[3:]).Want(t, 200, "")
		complete("loginId", Ann, "code", code).Want(t, 400, "invalid_code")
		k.SignIn(Ann, OtherPassword)
	})
}

func TestCO09_TheSessionNamesTheAccountOfACode(t *testing.T) {
	t.Parallel()
	BothModes(t, func(t *testing.T, m Mode) {
		k := NewKit(t, m, Setup{})
		ann := k.SignUp(Ann)
		code := k.MailedCode()
		verify := Post("/email/verify", Object("code", code))
		if got := k.Do(verify).Want(t, 400, "invalid_request").InputErrors(); got != "loginId:required" {
			t.Errorf("without a session: %s", got)
		}
		k.Do(k.As(ann, Post("/email/verify", Object("code", k.WrongCode())))).Want(t, 400, "invalid_code")
		k.Do(Post("/email/verify", Object("loginId", Ann, "code", code))).Want(t, 403, "password_required")
		k.Do(Post("/email/verify", Object("loginId", Ann, "code", code, "password", OtherPassword))).Want(t, 401, "invalid_credentials")
		k.Do(k.As(ann, verify)).Want(t, 200, "")

		k.Do(k.As(ann, Post("/email/change", Object("newEmail", Bob, "currentPassword", GoodPassword)))).Want(t, 202, "")
		k.Inbox()
		code = ""
		for _, mail := range k.Inbox() {
			if mail.Kind == usher.MessageChangeEmail {
				code = mail.Code.Reveal()
			}
		}
		k.Do(k.As(ann, Post("/email/verify", Object("code", code)))).Want(t, 200, "")
		if me := k.Do(k.As(ann, Request{Method: "GET", Path: "/me"})); me.Text("user.email") != Bob {
			t.Errorf("the user is %s", me.Body)
		}
	})
}

// Nothing in the answers to wrong codes depends on whether the login id has a user.
func TestCO08_WrongCodesAreAlike(t *testing.T) {
	t.Parallel()
	BothModes(t, func(t *testing.T, m Mode) {
		k := NewKit(t, m, Setup{})
		k.SignUpVerified("known@example.com")
		k.SignUp("unverified@example.com")
		k.SignUpVerified("disabled@example.com")
		if err := k.Service.Operator("test").Disable(t.Context(), k.UserID("disabled@example.com")); err != nil {
			t.Fatal(err)
		}
		k.ClearRecords()
		k.Do(Post("/password/reset", Object("loginId", "known@example.com"))).Want(t, 202, "")
		wrong := k.WrongCode()
		send := func(path, id string) *Reply {
			return k.Do(Post(path, Object("loginId", id, "code", wrong, "newPassword", OtherPassword, "password", OtherPassword), "X-Request-Id", sameID))
		}
		reset, verify := map[string]*Reply{}, map[string]*Reply{}
		for _, id := range []string{"known@example.com", "unknown@example.com", "unverified@example.com", "disabled@example.com", "nobody"} {
			reset[id], verify[id] = send("/password/reset/complete", id), send("/email/verify", id)
		}
		reset["nobody"].Want(t, 400, "invalid_code")
		sameAnswers(t, reset)
		sameAnswers(t, verify)
		for i := range 7 { // ten codes were judged for the network, and twenty may be
			known, unknown := send("/password/reset/complete", "known@example.com"), send("/password/reset/complete", "unknown@example.com")
			sameAnswers(t, map[string]*Reply{"known": known, "unknown": unknown})
			if want := map[bool]int{true: 400, false: 429}[i < 5]; known.Status != want {
				t.Errorf("round %d: status %d, want %d", i, known.Status, want)
			}
		}
	})
}

// A wrong code and a weak password come in one answer, which does not depend on the account.
func TestCO08_AWrongCodeAndAWeakPasswordComeTogether(t *testing.T) {
	t.Parallel()
	BothModes(t, func(t *testing.T, m Mode) {
		k := NewKit(t, m, Setup{})
		k.SignUpVerified(Ann)
		k.Do(Post("/password/reset", Object("loginId", Ann))).Want(t, 202, "")
		name := "Ludwig Wittgenstein"
		usher.Must(k.Service.Operator("test").UpdateUser(t.Context(), k.UserID(Ann), usher.UpdateUserParams{Profile: usher.Profile{Name: &name}}))
		for pw, want := range map[string]string{WeakPassword: "invalid_request", name: "invalid_code"} {
			all := map[string]*Reply{}
			for _, id := range []string{Ann, Bob} {
				all[id] = k.Do(Post("/password/reset/complete", Object("loginId", id, "code", k.WrongCode(), "newPassword", pw), "X-Request-Id", sameID))
			}
			all[Ann].Want(t, 400, want)
			if got := all[Ann].InputErrors(); want == "invalid_request" && got != "code:wrong newPassword:common" {
				t.Errorf("fields are %q", got)
			}
			sameAnswers(t, all)
		}
	})
}
