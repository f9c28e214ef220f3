package handlers_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher"
)

// line is one line of the log; audit is what an event has in it.
type line struct {
	Message   string `json:"msg"`
	Refusal   string `json:"refusal"`
	Reason    string `json:"reason"`
	Network   string `json:"network"`
	RequestID string `json:"request_id"`
	At        string `json:"at"`
	Audit     struct {
		Event, At, Result, Reason, Network, Session string
		UserID                                      string `json:"user_id"`
		RequestID                                   string `json:"request_id"`
	} `json:"audit"`
}

// lines are those of a JSON log, of which each must be one object.
func lines(t *testing.T, log []byte) []line {
	t.Helper()
	var all []line
	for b := range bytes.Lines(log) {
		var l line
		if err := json.Unmarshal(b, &l); err != nil {
			t.Errorf("LG-03: a line is not one JSON object: %v: %q", err, b)
		}
		all = append(all, l)
	}
	return all
}

func TestLG01_EachActIsOneStructuredLine(t *testing.T) {
	t.Parallel()
	const failure, success = "failure", "success"
	for _, act := range []struct {
		event          usher.EventName
		result, reason string
		nobody         bool // nobody is named, since nobody is known
		operator       bool // no client is named, since there is none
		do             func(k *kit, id string)
	}{
		{event: usher.EventUserCreated, result: success, do: func(k *kit, id string) {
			k.do(post("/signup", signUpBody(bob, goodPassword), "X-Request-Id", id)).want(k.t, 201, "")
		}},
		{event: usher.EventSignUpRefused, result: failure, reason: "login_id_taken", nobody: true, do: func(k *kit, id string) {
			k.do(post("/signup", signUpBody(ann, goodPassword), "X-Request-Id", id)).want(k.t, 409, "login_id_taken")
		}},
		{event: usher.EventSignIn, result: success, do: func(k *kit, id string) {
			k.do(post("/signin", signUpBody(ann, goodPassword), "X-Request-Id", id)).want(k.t, 200, "")
		}},
		{event: usher.EventSignInFailed, result: failure, reason: "wrong_password", do: func(k *kit, id string) {
			k.do(post("/signin", signUpBody(ann, otherPassword), "X-Request-Id", id)).want(k.t, 401, "invalid_credentials")
		}},
		{event: usher.EventSignInFailed, result: failure, reason: "unknown_login_id", nobody: true, do: func(k *kit, id string) {
			k.do(post("/signin", signUpBody(bob, otherPassword), "X-Request-Id", id)).want(k.t, 401, "invalid_credentials")
		}},
		{event: usher.EventThrottled, result: failure, nobody: true, do: func(k *kit, id string) {
			for range 5 {
				k.do(post("/signin", signUpBody(bob, otherPassword)))
			}
			k.do(post("/signin", signUpBody(bob, otherPassword), "X-Request-Id", id)).want(k.t, 429, "too_many_requests")
		}},
		{event: usher.EventPasswordLocked, result: failure, do: func(k *kit, id string) {
			for range 3 {
				k.do(post("/signin", signUpBody(ann, otherPassword), "X-Request-Id", id))
			}
		}},
		{event: usher.EventPasswordChanged, result: success, do: func(k *kit, id string) {
			k.do(post("/password/replace", object("loginId", ann, "oldPassword", goodPassword, "newPassword", otherPassword), "X-Request-Id", id)).want(k.t, 200, "")
		}},
		{event: usher.EventResetRequested, result: success, do: func(k *kit, id string) {
			k.do(post("/password/reset", object("loginId", ann), "X-Request-Id", id)).want(k.t, 202, "")
		}},
		{event: usher.EventPasswordReset, result: success, do: func(k *kit, id string) {
			k.do(post("/password/reset/complete", object("token", k.resetToken(ann), "newPassword", otherPassword), "X-Request-Id", id)).want(k.t, 200, "")
		}},
		{event: usher.EventTokenRefused, result: failure, reason: "one_time_token", nobody: true, do: func(k *kit, id string) {
			k.do(post("/email/verify", object("token", "x"), "X-Request-Id", id)).want(k.t, 400, "invalid_token")
		}},
		{event: usher.EventEmailVerified, result: success, do: func(k *kit, id string) {
			k.signUp(bob)
			k.do(post("/email/verify", object("token", k.mailedToken(), "password", goodPassword), "X-Request-Id", id)).want(k.t, 200, "")
		}},
		{event: usher.EventEmailChangeRequested, result: success, do: func(k *kit, id string) {
			k.do(k.as(k.signIn(ann, goodPassword), post("/email/change", object("newEmail", bob, "currentPassword", goodPassword), "X-Request-Id", id))).want(k.t, 202, "")
		}},
		{event: usher.EventSessionRenewed, result: success, do: func(k *kit, id string) {
			k.do(k.refresh(k.signIn(ann, goodPassword)).with("X-Request-Id", id)).want(k.t, 200, "")
		}},
		{event: usher.EventTokenReused, result: failure, do: func(k *kit, id string) {
			u := k.signIn(ann, goodPassword)
			k.do(k.refresh(u)).want(k.t, 200, "")
			k.clock.add(11 * time.Second)
			k.do(k.refresh(u).with("X-Request-Id", id)).want(k.t, 401, "invalid_session")
		}},
		{event: usher.EventSignOut, result: success, do: func(k *kit, id string) {
			k.do(k.as(k.signIn(ann, goodPassword), post("/signout", "", "X-Request-Id", id))).want(k.t, 200, "")
		}},
		{event: usher.EventSessionEnded, result: success, do: func(k *kit, id string) {
			u := k.signIn(ann, goodPassword)
			k.do(k.as(u, request{http.MethodDelete, "/sessions/" + u.id, "", []string{"X-Request-Id", id}})).want(k.t, 204, "")
		}},
		{event: usher.EventUserDisabled, result: success, reason: "operator", operator: true, do: func(k *kit, _ string) {
			if err := k.svc.DisableUser(context.Background(), k.userID(ann)); err != nil {
				k.t.Fatal(err)
			}
		}},
		{event: usher.EventPasswordChanged, result: success, reason: "expired_by_operator", operator: true, do: func(k *kit, _ string) {
			if err := k.svc.ExpirePassword(context.Background(), k.userID(ann)); err != nil {
				k.t.Fatal(err)
			}
		}},
	} {
		t.Run(string(act.event)+" "+act.reason, func(t *testing.T) {
			t.Parallel()
			k := newKit(t, inBodies, setup{service: func(c *usher.Config) { c.Password.LockAttempts = 3 }})
			k.t = t
			k.signUpVerified(ann)
			k.logs.Reset()
			const id = "lg01-the-request"
			act.do(k, id)
			found := 0
			for _, l := range lines(t, k.logs.Bytes()) {
				if l.Audit.Event != string(act.event) || !act.operator && l.Audit.RequestID != id {
					continue
				}
				found++
				at, err := time.Parse(time.RFC3339Nano, l.Audit.At)
				if err != nil || !strings.HasSuffix(l.Audit.At, "Z") || !at.Equal(k.clock.now()) {
					t.Errorf("the time is %q, want %s", l.Audit.At, k.clock.now())
				}
				if l.Audit.Result != act.result || act.reason != "" && l.Audit.Reason != act.reason {
					t.Errorf("result %q, reason %q, want %q, %q", l.Audit.Result, l.Audit.Reason, act.result, act.reason)
				}
				if act.nobody != (l.Audit.UserID == "") || act.operator != (l.Audit.Network != "192.0.2.0/24") {
					t.Errorf("user %q, network %q", l.Audit.UserID, l.Audit.Network)
				}
			}
			if found != 1 {
				t.Errorf("%d lines, want 1:\n%s", found, k.logs)
			}
		})
	}
}

// What is refused before anybody is known is in the log by its class.
func TestLG01_RefusalsAreOneStructuredLine(t *testing.T) {
	t.Parallel()
	bothModes(t, func(t *testing.T, m mode) {
		k := newKit(t, m, setup{})
		u := k.signUp(ann)
		other := newKit(t, inBodies, setup{service: func(c *usher.Config) { c.BaseURL = "https://other.example" }}).signUp(ann)
		ended, err := k.svc.SignIn(t.Context(), usher.SignIn{LoginID: ann, Password: goodPassword}, usher.Client{})
		if err != nil {
			t.Fatal(err)
		}
		old := ended.Tokens.Session.Reveal()
		bearer := func(raw string) request { return get("/me", "Authorization", "Bearer "+raw) }
		const id = "lg01-the-refusal"
		check := func(name, refusal, reason string, q request) {
			t.Helper()
			k.logs.Reset()
			k.do(q.with("X-Request-Id", id))
			found := 0
			for _, l := range lines(t, k.logs.Bytes()) {
				if l.Refusal == "" && !strings.Contains(l.Message, "refused") || l.RequestID != id {
					continue
				}
				if refusal != "" && (l.Refusal != refusal || l.Reason != reason) {
					continue
				}
				if found++; l.Network != "192.0.2.0/24" || !strings.HasSuffix(l.At, "Z") {
					t.Errorf("%s: network %q, time %q", name, l.Network, l.At)
				}
			}
			if found != 1 {
				t.Errorf("%s: %d lines, want 1:\n%s", name, found, k.logs)
			}
		}
		check("rubbish", "invalid_session", "malformed", bearer("x"))
		check("another issuer's", "invalid_session", "issuer", bearer(other.bearer))
		check("signature", "invalid_session", "signature", bearer(old[:len(old)-8]+"AAAAAAAA"))
		check("own route of the program", "invalid_session", "malformed", get("~/protected", "Authorization", "Bearer x"))
		check("cross-site", "", "", post("/signin", signUpBody(ann, goodPassword), "Sec-Fetch-Site", "cross-site"))
		if m == inCookies {
			check("cookie without a header", "cross_origin", "", post("/signout/all", "", "Cookie", u.cookie))
		}
		k.clock.add(11 * time.Minute)
		check("expired", "invalid_session", "expired", bearer(old))
	})
}
