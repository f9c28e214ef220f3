package handlers_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usherkit/usher/handlers"
	. "github.com/usherkit/usher/internal/webtest"
	"github.com/usherkit/usher/pages"
	"github.com/usherkit/usher/token"
)

func TestLM01_StrictBodies(t *testing.T) {
	t.Parallel()
	BothModes(t, func(t *testing.T, m Mode) {
		k := NewKit(t, m, Setup{})
		// nested is a body with a member that nests that deep.
		nested := func(n int) string {
			return `{"loginId":"ann@example.com","password":"vast otter sings low","x":` + strings.Repeat("[", n) + strings.Repeat("]", n) + `}`
		}
		pad := func(n int) string { return `{"loginId":"` + Ann + `","password":"` + strings.Repeat("x", n) + `"}` }
		for name, c := range map[string]struct {
			body   string
			status int
			code   string
		}{
			"17 KiB":                     {pad(17 << 10), 413, "too_large"},
			"two objects":                {`{}{}`, 400, "invalid_request"},
			"object and rubbish":         {`{} x`, 400, "invalid_request"},
			"array":                      {`[]`, 400, "invalid_request"},
			"text":                       {`"x"`, 400, "invalid_request"},
			"number":                     {`1`, 400, "invalid_request"},
			"null":                       {`null`, 400, "invalid_request"},
			"nothing":                    {` `, 400, "invalid_request"},
			"half":                       {`{"loginId":`, 400, "invalid_request"},
			"depth 7,000":                {nested(7000), 400, "invalid_request"},
			"depth 33":                   {nested(32), 400, "invalid_request"},
			"member twice":               {`{"loginId":"ann@example.com","password":"vast otter sings low","password":"calm heron reads maps"}`, 400, "invalid_request"},
			"member twice, other case":   {`{"loginId":"ann@example.com","password":"vast otter sings low","PASSWORD":"calm heron reads maps"}`, 400, "invalid_request"},
			"member twice, long s":       {`{"loginId":"ann@example.com","password":"vast otter sings low","pa\u017fſword":"calm heron reads maps"}`, 400, "invalid_request"},
			"member twice, escaped":      {`{"loginId":"ann@example.com","password":"vast otter sings low","\u0070assword":"x"}`, 400, "invalid_request"},
			"member of user twice":       {`{"loginId":"ann@example.com","password":"vast otter sings low","user":{"email":"a@b.c","Email":"d@e.f"}}`, 400, "invalid_request"},
			"unknown member twice, deep": {`{"loginId":"ann@example.com","password":"vast otter sings low","x":{"y":[{"z":1,"z":2}]}}`, 400, "invalid_request"},
		} {
			a := k.Do(Post("/signup", c.body))
			if a.Status != c.status || a.Code() != c.code {
				t.Errorf("%s: answer is %d %q, want %d %q", name, a.Status, a.Code(), c.status, c.code)
			}
		}
		for _, wrong := range []string{"1", "[]", "{}", "true", `["a"]`} {
			for _, name := range []string{"loginId", "password"} {
				body := fmt.Sprintf(`{"loginId":%s,"password":"vast otter sings low"}`, wrong)
				if name == "password" {
					body = fmt.Sprintf(`{"loginId":"%s","password":%s}`, Ann, wrong)
				}
				a := k.Do(Post("/signin", body)).Want(t, 400, "invalid_request")
				if a.InputErrors() != name+":invalid" {
					t.Errorf("%s %s: fields are %q", name, wrong, a.InputErrors())
				}
			}
		}
		a := k.Do(Post("/signin", `{"loginId":null,"password":null}`)).Want(t, 400, "invalid_request")
		if a.InputErrors() != "loginId:required password:required" {
			t.Errorf("null: fields are %q", a.InputErrors())
		}
		if a := k.Do(Post("/signup", `{"loginId":1,"password":[],"user":{"name":2}}`)); a.InputErrors() != "loginId:invalid password:invalid user.name:invalid" {
			t.Errorf("fields are %q", a.InputErrors())
		}
		if a := k.Do(Post("/signup", `{"loginId":"ann@example.com","password":"vast otter sings low","user":[]}`)); a.InputErrors() != "user:invalid" {
			t.Errorf("fields are %q", a.InputErrors())
		}
		if got := k.Events.Take(); got != "" {
			t.Errorf("events are %q, want none", got)
		}

		// Unknown members are ignored, at any depth and in any letter case.
		k.Do(Post("/signup", `{"loginId":"ann@example.com","password":"vast otter sings low","x":{"a":{"b":1,"B":2}},"user":{"y":[]}}`)).Want(t, 201, "")
		k.Do(Post("/signup", strings.Replace(nested(31), "ann@", "bob@", 1))).Want(t, 201, "")
		if a := k.Do(Post("/signin", `{"LoginID":"ann@example.com","password":"vast otter sings low"}`)); a.InputErrors() != "loginId:required" {
			t.Errorf("fields are %q", a.InputErrors())
		}

		// Refresh and sign-out need no body.
		for _, body := range []string{"", "null", "{}", `{"x":1}`} {
			u := k.SignIn(Ann, GoodPassword)
			if m == InCookies {
				k.Do(k.As(u, Post("/session/refresh", body))).Want(t, 200, "")
			} else {
				k.Do(Post("/session/refresh", body)).Want(t, 401, "not_signed_in")
			}
			k.Do(k.As(u, Post("/signout", body))).Want(t, 200, "")
		}
		k.Do(Post("/session/refresh", "[]")).Want(t, 400, "invalid_request")
	})
}

func TestPW08_UnreadableTextIsRefused(t *testing.T) {
	t.Parallel()
	k := NewKit(t, InBodies, Setup{})
	for _, pw := range []string{
		"vast otter sings low\xff", "\xc0\xafvast otter sings low", "\xed\xa0\x80vast otter sings low",
		`vast otter sings low\ud800`, `vast otter sings low\udfff`, `vast otter \ud800\u0041 sings low`, `vast otter \udc00\ud800 sings`, `\\\ud800vast otter sings low`,
	} {
		body := `{"loginId":"ann@example.com","password":"` + pw + `"}`
		k.Do(Post("/signup", body)).Want(t, 400, "invalid_request")
		k.Do(Post("/signin", body)).Want(t, 400, "invalid_request")
	}
	if n := k.Service.Hashes(); n != 0 {
		t.Errorf("%d hashes were computed, want none", n)
	}
	// A whole surrogate pair, an escaped backslash before a u, and U+FFFD are accepted.
	k.Do(Post("/signup", `{"loginId":"ann@example.com","password":"vast \ud83d\ude00 \\ud800 otter sings \ufffd"}`)).Want(t, 201, "")
	k.Do(Post("/signin", `{"loginId":"ann@example.com","password":"vast 😀 \u005cud800 otter sings �"}`)).Want(t, 200, "")
	k.Do(Post("/signin", `{"loginId":"ann@example.com","password":"vast 😀 \\ud801 otter sings �"}`)).Want(t, 401, "invalid_credentials")
}

func TestPW04_TooLongIsRefusedBeforeHashing(t *testing.T) {
	t.Parallel()
	k := NewKit(t, InBodies, Setup{})
	u := k.SignUp(Ann)
	hashes := k.Service.Hashes()
	for _, long := range []string{strings.Repeat("a", 1<<20), strings.Repeat("ab ", 500), strings.Repeat("é", 600)} {
		for _, q := range []Request{
			Post("/signup", SignUpBody(Bob, long)),
			Post("/signin", SignUpBody(Ann, long)),
			Post("/password/replace", Object("loginId", Ann, "oldPassword", long, "newPassword", OtherPassword)),
			Post("/password/replace", Object("loginId", Ann, "oldPassword", GoodPassword, "newPassword", long)),
			k.As(u, Post("/password/update", Object("newPassword", long))),
			k.As(u, Post("/password/update", Object("newPassword", OtherPassword, "currentPassword", long))),
			k.As(u, Post("/email/change", Object("newEmail", Bob, "currentPassword", long))),
			Post("/password/reset/complete", Object("token", "x", "newPassword", long)),
		} {
			began := time.Now()
			a := k.Do(q)
			if a.Status != 400 && a.Status != 413 {
				t.Errorf("%s: status is %d, want 400 or 413", q.Path, a.Status)
			}
			if took := time.Since(began); took > 200*time.Millisecond {
				t.Errorf("%s: took %s", q.Path, took)
			}
		}
	}
	if n := k.Service.Hashes(); n != hashes {
		t.Errorf("%d hashes were computed, want none", n-hashes)
	}
}

func TestCS04_OnlyJSON(t *testing.T) {
	t.Parallel()
	BothModes(t, func(t *testing.T, m Mode) {
		k := NewKit(t, m, Setup{})
		u := k.SignUp(Ann)
		body := SignUpBody(Bob, GoodPassword)
		for _, contentType := range []string{
			"text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/json+x", "application/jsonx",
			"application/problem+json", "", "application/json; charset=iso-8859-1", "application/json, text/plain",
		} {
			for _, q := range []Request{
				Post("/signup", body), Post("/signin", body), Post("/password/replace", body), Post("/password/reset", body),
				Post("/password/reset/complete", body), Post("/password/reset/verify", body), Post("/email/verify", body), Post("/session/refresh", body),
				Post("/signout", body), k.As(u, Post("/signout/all", body)), k.As(u, Post("/email/change", body)), k.As(u, Post("/email/verify/send", body)),
				k.As(u, Post("/password/update", body)), k.As(u, Request{Method: http.MethodPatch, Path: "/me", Body: body}),
			} {
				if a := k.Do(q.With("Content-Type", contentType)); a.Status != 415 || a.Code() != "unsupported_media_type" {
					t.Errorf("%s with %q: %d %q, want 415", q.Path, contentType, a.Status, a.Code())
				}
			}
		}
		k.Do(Post("/signup", body, "Content-Encoding", "gzip")).Want(t, 415, "unsupported_media_type")
		k.Do(Post("/signup", body, "Content-Type", `Application/JSON; charset="UTF-8"`)).Want(t, 201, "")
	})
}

func TestSU06_MalformedLoginIDsAreRefusedOnEveryRoute(t *testing.T) {
	t.Parallel()
	k := NewKit(t, InBodies, Setup{})
	u := k.SignUp("bob")
	hashes := k.Service.Hashes()
	for _, id := range []string{
		strings.Repeat("a", 250) + "@b.co", strings.Repeat("a", 65) + "@b.co", "a\x00@b.co", "a\r@b.co", "a\n@b.co", "a\t@b.co",
		`"A" <a@b.c>`, "a(x)@b.c", "a@b.c,d@e.f", "a@b.c d@e.f", "", "@", "a@", "@b.c",
		strings.Repeat("(", 5000) + "a@b.co", "a@[" + strings.Repeat("1", 5000) + "]", strings.Repeat(`"x" `, 2000) + "<a@b.co>",
	} {
		began := time.Now()
		for _, q := range []Request{
			Post("/signup", SignUpBody(id, GoodPassword)),
			Post("/signin", SignUpBody(id, GoodPassword)),
			Post("/password/replace", Object("loginId", id, "oldPassword", GoodPassword, "newPassword", OtherPassword)),
			Post("/password/reset", Object("loginId", id)),
			k.As(u, Post("/email/change", Object("newEmail", id, "currentPassword", GoodPassword))),
		} {
			if a := k.Do(q); a.Status != 400 || a.Code() != "invalid_request" {
				t.Errorf("%s with %.30q: %d %q, want 400", q.Path, id, a.Status, a.Code())
			}
		}
		if id != "" {
			k.Do(k.As(u, Post("/password/update", Object("newPassword", OtherPassword, "loginId", id)))).Want(t, 400, "invalid_request")
		}
		if took := time.Since(began); took > 200*time.Millisecond {
			t.Errorf("LM-03: %.30q took %s", id, took)
		}
	}
	if n := k.Service.Hashes(); n != hashes {
		t.Errorf("%d hashes were computed, want none", n-hashes)
	}
}

func TestPW11_SU04_SU05_OnlyNamedMembersCount(t *testing.T) {
	t.Parallel()
	k := NewKit(t, InBodies, Setup{})
	a := k.Do(Post("/signup", `{"loginId":"ann@example.com","password":"vast otter sings low","hint":"canaryhint","securityQuestion":"canaryquestion",
		"roles":["admin"],"isAdmin":true,"userId":"u1","emailVerified":true,
		"customClaims":{"sub":"x","roles":["admin"],"permissions":["*"],"drn":"DSR","iss":"x","aud":"x","exp":9999999999,"email_verified":true},
		"user":{"verifiedEmail":true,"emailVerified":true,"status":"enabled","roleNames":["admin"],"roles":["admin"],"userId":"u1","id":"u1","name":"Ann"}}`)).Want(t, 201, "")
	claims, err := k.Service.ValidateSession(t.Context(), token.Secret(a.Text("sessionToken")))
	if err != nil {
		t.Fatal(err)
	}
	if claims.Subject == "x" || claims.Subject == "u1" || len(claims.Roles)+len(claims.Permissions) > 0 || claims.EmailVerified ||
		claims.Issuer != "https://app.example" || claims.ExpiresAt.After(k.Clock.Now().Add(time.Hour)) {
		t.Errorf("claims are %+v", claims)
	}
	me := k.Do(k.As(a.Keep(Tokens{}), Get("/me"))).Want(t, 200, "")
	if me.JSON["user"].(map[string]any)["emailVerified"] != false || strings.Contains(string(me.Body)+string(a.Body), "canary") || len(me.Text("user.id")) < 22 {
		t.Errorf("me is %s", me.Body)
	}
	u, err := k.Service.Operator("test").UserByLoginID(t.Context(), Ann)
	if err != nil || len(u.Roles) > 0 || strings.Contains(fmt.Sprintf("%+v", u), "canary") {
		t.Errorf("user is %+v, %v", u, err)
	}
}

// Clients that are careless but clear are understood: another spelling of UTF-8, a
// byte order mark, an encoding that is none.
func TestHarmlessSpellingsOfJSONAreAccepted(t *testing.T) {
	t.Parallel()
	k := NewKit(t, InBodies, Setup{})
	k.SignUp(Ann)
	body := SignUpBody(Ann, GoodPassword)
	for name, q := range map[string]Request{
		"charset":           Post("/signin", body, "Content-Type", "application/json; charset=UTF8"),
		"byte order mark":   Post("/signin", "\ufeff"+body),
		"identity encoding": Post("/signin", body, "Content-Encoding", "Identity"),
	} {
		if a := k.Do(q); a.Status != 200 {
			t.Errorf("%s: %d %s", name, a.Status, a.Body)
		}
	}
	for name, q := range map[string]Request{
		"another charset": Post("/signin", body, "Content-Type", "application/json; charset=latin1"),
		"gzip":            Post("/signin", body, "Content-Encoding", "gzip"),
		"two encodings":   Post("/signin", body, "Content-Encoding", "identity", "Content-Encoding", "gzip"),
		"two marks":       Post("/signin", "\ufeff\ufeff"+body),
	} {
		if a := k.Do(q); a.Status != 415 && a.Status != 400 {
			t.Errorf("%s: %d", name, a.Status)
		}
	}
}

// slowBody is a body of which a few bytes arrive at a time, and which may break off.
type slowBody struct {
	io.Reader
	end error
}

func (b slowBody) Read(p []byte) (int, error) {
	time.Sleep(4 * time.Second)
	n, err := b.Reader.Read(p[:min(len(p), 30)])
	if err == io.EOF {
		err = b.end
	}
	return n, err
}

// The time for the work begins when the body has arrived.
func TestFB06_ASlowBodyIsNoOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := NewKit(t, InCookies, Setup{Config: func(c *handlers.Config) { c.Pages = &pages.Config{} }})
		k.SignUp(Ann)
		send := func(contentType, body string, end error) int {
			r := httptest.NewRequest(http.MethodPost, "https://app.example/auth/signin", slowBody{strings.NewReader(body), end})
			r.Header.Set("Content-Type", contentType)
			r.Header.Set("Sec-Fetch-Site", "same-origin")
			w := httptest.NewRecorder()
			k.Server.ServeHTTP(w, r)
			return w.Code
		}
		const form = "application/x-www-form-urlencoded"
		for name, c := range map[string]struct {
			contentType, body string
			end               error
			want              int
		}{
			"JSON":           {"application/json", SignUpBody(Ann, GoodPassword), io.EOF, 200},
			"form":           {form, Form("loginId", Ann, "password", GoodPassword), io.EOF, 303},
			"wrong password": {form, Form("loginId", Ann, "password", OtherPassword), io.EOF, 401},
			"broken off":     {"application/json", `{"loginId":`, io.ErrUnexpectedEOF, 400},
			"no end":         {"application/json", SignUpBody(Ann, strings.Repeat("x", 17<<10)), io.EOF, 413},
		} {
			if got := send(c.contentType, c.body, c.end); got != c.want {
				t.Errorf("%s: status %d, want %d", name, got, c.want)
			}
		}
		if log := k.Logs.String(); strings.Contains(log, `"ERROR"`) {
			t.Errorf("the log reports a failure: %s", log)
		}
	})
}
