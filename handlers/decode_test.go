package handlers_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestLM01_StrictBodies(t *testing.T) {
	t.Parallel()
	bothModes(t, func(t *testing.T, m mode) {
		k := newKit(t, m, setup{})
		// nested is a body that is good but for its depth.
		nested := func(n int) string {
			return `{"loginId":"ann@example.com","password":"vast otter sings low","x":` + strings.Repeat("[", n) + strings.Repeat("]", n) + `}`
		}
		pad := func(n int) string { return `{"loginId":"` + ann + `","password":"` + strings.Repeat("x", n) + `"}` }
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
			a := k.do(post("/signup", c.body))
			if a.status != c.status || a.code() != c.code {
				t.Errorf("%s: answer is %d %q, want %d %q", name, a.status, a.code(), c.status, c.code)
			}
		}
		for _, wrong := range []string{"1", "[]", "{}", "true", `["a"]`} {
			for _, name := range []string{"loginId", "password"} {
				body := fmt.Sprintf(`{"loginId":%s,"password":"vast otter sings low"}`, wrong)
				if name == "password" {
					body = fmt.Sprintf(`{"loginId":"%s","password":%s}`, ann, wrong)
				}
				a := k.do(post("/signin", body)).want(t, 400, "invalid_request")
				if a.fields() != name+":invalid" {
					t.Errorf("%s %s: fields are %q", name, wrong, a.fields())
				}
			}
		}
		a := k.do(post("/signin", `{"loginId":null,"password":null}`)).want(t, 400, "invalid_request")
		if a.fields() != "loginId:required password:required" {
			t.Errorf("null: fields are %q", a.fields())
		}
		if a := k.do(post("/signup", `{"loginId":1,"password":[],"user":{"name":2}}`)); a.fields() != "loginId:invalid password:invalid user.name:invalid" {
			t.Errorf("fields are %q", a.fields())
		}
		if a := k.do(post("/signup", `{"loginId":"ann@example.com","password":"vast otter sings low","user":[]}`)); a.fields() != "user:invalid" {
			t.Errorf("fields are %q", a.fields())
		}
		if got := k.events.take(); got != "" {
			t.Errorf("events are %q, want none", got)
		}

		// Unknown members are ignored, deep ones too, and in other letter case.
		k.do(post("/signup", `{"loginId":"ann@example.com","password":"vast otter sings low","x":{"a":{"b":1,"B":2}},"user":{"y":[]}}`)).want(t, 201, "")
		k.do(post("/signup", strings.Replace(nested(31), "ann@", "bob@", 1))).want(t, 201, "")
		if a := k.do(post("/signin", `{"LoginID":"ann@example.com","password":"vast otter sings low"}`)); a.fields() != "loginId:required" {
			t.Errorf("fields are %q", a.fields())
		}

		// Refresh and sign-out ask for no body.
		for _, body := range []string{"", "null", "{}", `{"x":1}`} {
			u := k.signIn(ann, goodPassword)
			if m == inCookies {
				k.do(k.as(u, post("/session/refresh", body))).want(t, 200, "")
			} else {
				k.do(post("/session/refresh", body)).want(t, 401, "not_signed_in")
			}
			k.do(k.as(u, post("/signout", body))).want(t, 200, "")
		}
		k.do(post("/session/refresh", "[]")).want(t, 400, "invalid_request")
	})
}

func TestPW08_UnreadableTextIsRefused(t *testing.T) {
	t.Parallel()
	k := newKit(t, inBodies, setup{})
	for _, pw := range []string{
		"vast otter sings low\xff", "\xc0\xafvast otter sings low", "\xed\xa0\x80vast otter sings low",
		`vast otter sings low\ud800`, `vast otter sings low\udfff`, `vast otter \ud800\u0041 sings low`, `vast otter \udc00\ud800 sings`, `\\\ud800vast otter sings low`,
	} {
		body := `{"loginId":"ann@example.com","password":"` + pw + `"}`
		k.do(post("/signup", body)).want(t, 400, "invalid_request")
		k.do(post("/signin", body)).want(t, 400, "invalid_request")
	}
	if n := k.svc.Hashes(); n != 0 {
		t.Errorf("%d hashes were computed, want none", n)
	}
	// A whole pair, an escaped backslash before a u, and U+FFFD itself are text.
	k.do(post("/signup", `{"loginId":"ann@example.com","password":"vast \ud83d\ude00 \\ud800 otter sings \ufffd"}`)).want(t, 201, "")
	k.do(post("/signin", `{"loginId":"ann@example.com","password":"vast 😀 \u005cud800 otter sings �"}`)).want(t, 200, "")
	k.do(post("/signin", `{"loginId":"ann@example.com","password":"vast 😀 \\ud801 otter sings �"}`)).want(t, 401, "invalid_credentials")
}

func TestPW04_TooLongIsRefusedBeforeHashing(t *testing.T) {
	t.Parallel()
	k := newKit(t, inBodies, setup{})
	u := k.signUp(ann)
	hashes := k.svc.Hashes()
	for _, long := range []string{strings.Repeat("a", 1<<20), strings.Repeat("ab ", 500), strings.Repeat("é", 600)} {
		for _, q := range []request{
			post("/signup", signUpBody(bob, long)),
			post("/signin", signUpBody(ann, long)),
			post("/password/replace", object("loginId", ann, "oldPassword", long, "newPassword", otherPassword)),
			post("/password/replace", object("loginId", ann, "oldPassword", goodPassword, "newPassword", long)),
			k.as(u, post("/password/update", object("newPassword", long))),
			k.as(u, post("/password/update", object("newPassword", otherPassword, "currentPassword", long))),
			k.as(u, post("/email/change", object("newEmail", bob, "currentPassword", long))),
			post("/password/reset/complete", object("token", "x", "newPassword", long)),
		} {
			began := time.Now()
			a := k.do(q)
			if a.status != 400 && a.status != 413 {
				t.Errorf("%s: status is %d, want 400 or 413", q.path, a.status)
			}
			if took := time.Since(began); took > 200*time.Millisecond {
				t.Errorf("%s: took %s", q.path, took)
			}
		}
	}
	if n := k.svc.Hashes(); n != hashes {
		t.Errorf("%d hashes were computed, want none", n-hashes)
	}
}

func TestCS04_OnlyJSON(t *testing.T) {
	t.Parallel()
	bothModes(t, func(t *testing.T, m mode) {
		k := newKit(t, m, setup{})
		u := k.signUp(ann)
		body := signUpBody(bob, goodPassword)
		for _, contentType := range []string{
			"text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/json+x", "application/jsonx",
			"application/problem+json", "", "application/json; charset=iso-8859-1", "application/json, text/plain",
		} {
			for _, q := range []request{
				post("/signup", body), post("/signin", body), post("/password/replace", body), post("/password/reset", body),
				post("/password/reset/complete", body), post("/password/reset/verify", body), post("/email/verify", body), post("/session/refresh", body),
				post("/signout", body), k.as(u, post("/signout/all", body)), k.as(u, post("/email/change", body)), k.as(u, post("/email/verify/send", body)),
				k.as(u, post("/password/update", body)), k.as(u, request{http.MethodPatch, "/me", body, nil}),
			} {
				if a := k.do(q.with("Content-Type", contentType)); a.status != 415 || a.code() != "unsupported_media_type" {
					t.Errorf("%s with %q: %d %q, want 415", q.path, contentType, a.status, a.code())
				}
			}
		}
		k.do(post("/signup", body, "Content-Encoding", "gzip")).want(t, 415, "unsupported_media_type")
		k.do(post("/signup", body, "Content-Type", `Application/JSON; charset="UTF-8"`)).want(t, 201, "")
	})
}

func TestSU06_MalformedLoginIDsAreRefusedOnEveryRoute(t *testing.T) {
	t.Parallel()
	k := newKit(t, inBodies, setup{})
	u := k.signUp("bob")
	hashes := k.svc.Hashes()
	for _, id := range []string{
		strings.Repeat("a", 250) + "@b.co", strings.Repeat("a", 65) + "@b.co", "a\x00@b.co", "a\r@b.co", "a\n@b.co", "a\t@b.co",
		`"A" <a@b.c>`, "a(x)@b.c", "a@b.c,d@e.f", "a@b.c d@e.f", "", "@", "a@", "@b.c",
		strings.Repeat("(", 5000) + "a@b.co", "a@[" + strings.Repeat("1", 5000) + "]", strings.Repeat(`"x" `, 2000) + "<a@b.co>",
	} {
		began := time.Now()
		for _, q := range []request{
			post("/signup", signUpBody(id, goodPassword)),
			post("/signin", signUpBody(id, goodPassword)),
			post("/password/replace", object("loginId", id, "oldPassword", goodPassword, "newPassword", otherPassword)),
			post("/password/reset", object("loginId", id)),
			k.as(u, post("/email/change", object("newEmail", id, "currentPassword", goodPassword))),
		} {
			if a := k.do(q); a.status != 400 || a.code() != "invalid_request" {
				t.Errorf("%s with %.30q: %d %q, want 400", q.path, id, a.status, a.code())
			}
		}
		if id != "" {
			k.do(k.as(u, post("/password/update", object("newPassword", otherPassword, "loginId", id)))).want(t, 400, "invalid_request")
		}
		if took := time.Since(began); took > 200*time.Millisecond {
			t.Errorf("LM-03: %.30q took %s", id, took)
		}
	}
	if n := k.svc.Hashes(); n != hashes {
		t.Errorf("%d hashes were computed, want none", n-hashes)
	}
}

func TestPW11_SU04_SU05_OnlyNamedMembersCount(t *testing.T) {
	t.Parallel()
	k := newKit(t, inBodies, setup{})
	a := k.do(post("/signup", `{"loginId":"ann@example.com","password":"vast otter sings low","hint":"canaryhint","securityQuestion":"canaryquestion",
		"roles":["admin"],"isAdmin":true,"userId":"u1","emailVerified":true,
		"customClaims":{"sub":"x","roles":["admin"],"permissions":["*"],"drn":"DSR","iss":"x","aud":"x","exp":9999999999,"email_verified":true},
		"user":{"verifiedEmail":true,"emailVerified":true,"status":"enabled","roleNames":["admin"],"roles":["admin"],"userId":"u1","id":"u1","name":"Ann"}}`)).want(t, 201, "")
	claims, err := k.svc.ValidateSession(t.Context(), a.text("sessionToken"))
	if err != nil {
		t.Fatal(err)
	}
	if claims.Subject == "x" || claims.Subject == "u1" || len(claims.Roles)+len(claims.Permissions) > 0 || claims.EmailVerified ||
		claims.Issuer != "https://app.example" || claims.ExpiresAt.After(k.clock.now().Add(time.Hour)) {
		t.Errorf("claims are %+v", claims)
	}
	me := k.do(k.as(a.keep(who{}), get("/me"))).want(t, 200, "")
	if me.json["user"].(map[string]any)["emailVerified"] != false || strings.Contains(string(me.body)+string(a.body), "canary") || len(me.text("user.id")) < 22 {
		t.Errorf("me is %s", me.body)
	}
	u, err := k.svc.UserByLoginID(t.Context(), ann)
	if err != nil || len(u.Roles) > 0 || strings.Contains(fmt.Sprintf("%+v", u), "canary") {
		t.Errorf("user is %+v, %v", u, err)
	}
}
