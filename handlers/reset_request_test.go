package handlers_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// A reset is asked for one login id, as one text: who asks otherwise gets 400,
// and nobody a mail.
func TestRS07_JSONNamesOneLoginID(t *testing.T) {
	t.Parallel()
	bothModes(t, func(t *testing.T, m mode) {
		k := newKit(t, m, setup{service: unlimited})
		k.signUpVerified(ann)
		k.signUpVerified(bob)
		for name, body := range map[string]string{
			"array":                    `{"loginId":["` + ann + `"]}`,
			"array of two":             `{"loginId":["` + ann + `","` + bob + `"]}`,
			"object":                   `{"loginId":{"email":"` + ann + `"}}`,
			"member twice":             `{"loginId":"` + ann + `","loginId":"` + bob + `"}`,
			"member twice, other case": `{"loginId":"` + ann + `","LOGINID":"` + bob + `"}`,
			"member twice, escaped":    `{"loginId":"` + ann + `","\u006cog\u0069nId":"` + bob + `"}`,
			"other case alone":         `{"LoginId":"` + ann + `"}`,
			"two objects":              object("loginId", ann) + object("loginId", bob),
			"array of objects":         "[" + object("loginId", ann) + "," + object("loginId", bob) + "]",
			"comma":                    object("loginId", ann+","+bob),
			"semicolon":                object("loginId", ann+";"+bob),
			"space":                    object("loginId", ann+" "+bob),
			"line break":               object("loginId", ann+"\r\nBcc: "+bob),
			"line break, escaped":      object("loginId", ann+"%0d%0aBcc:"+bob),
			"NUL":                      object("loginId", ann+"\x00"+bob),
			"name and address":         object("loginId", `"Ann" <`+ann+`>`),
			"form":                     form("loginId", ann),
			"none":                     "{}",
		} {
			if a := k.do(post("/password/reset", body)); a.status != 400 || a.code() != "invalid_request" {
				t.Errorf("%s: answer is %d %q, want 400", name, a.status, a.code())
			}
		}
		if all := k.inbox(); len(all) > 0 {
			t.Errorf("%d mails, the first to %s", len(all), all[0].To)
		}
		if got := k.events.take(); got != "" {
			t.Errorf("events are %q, want none", got)
		}
	})
}

// Look-alikes of an address are another's, or nobody's: no mail goes to its owner.
func TestRS07_LookAlikesReachNobody(t *testing.T) {
	t.Parallel()
	k := newKit(t, inBodies, setup{service: unlimited})
	k.signUpVerified("mike@example.org")
	for _, id := range []string{"mıke@example.org", "MI\u212AE@example.org", "ｍike@example.org", "mike@exаmple.org", "mike@example.org."} {
		k.do(post("/password/reset", object("loginId", id)))
	}
	if all := k.inbox(); len(all) > 0 {
		t.Errorf("%d mails, the first to %s", len(all), all[0].To)
	}
}

// The fourth request of an hour sends nothing, and is answered like the three
// before it and like that of somebody whom nobody knows.
func TestRS13_TheFourthAnswerIsTheSame(t *testing.T) {
	t.Parallel()
	bothModes(t, func(t *testing.T, m mode) {
		k := newKit(t, m, setup{})
		k.signUpVerified(ann)
		answers := map[string]*reply{}
		for i := range 5 {
			for _, id := range []string{ann, "nobody@example.com"} {
				q := post("/password/reset", object("loginId", id), "X-Request-Id", sameID)
				answers[fmt.Sprint(id, " ", i+1)] = k.do(q).want(t, 202, "")
			}
			k.inbox()                                 // the mail is out before its link ends
			k.clock.add(10*time.Minute + time.Second) // no link is open any more
		}
		sameAnswers(t, answers)
		if got := k.mails(); got != strings.TrimSpace(strings.Repeat("reset_password ", 3)) {
			t.Errorf("mails are %q, want 3 of a reset", got)
		}
		// The limit that shows is the network's, and it does not ask who is known.
		limited := map[string]*reply{}
		for _, id := range []string{ann, "nobody@example.com"} {
			limited[id] = k.do(post("/password/reset", object("loginId", id), "X-Request-Id", sameID)).want(t, 429, "too_many_requests")
		}
		sameAnswers(t, limited)
	})
}
