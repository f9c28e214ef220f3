package handlers_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/usherkit/usher"
)

// outcome is one way in which one route may end.
type outcome struct {
	name    string
	service func(*usher.Config)
	// prepare brings the kit to the point, and returns the one request.
	prepare func(k *kit) request
	status  int
	code    string
	fields  string
	// events and mails are all that the request brings about.
	events, mails string
	// check looks further.
	check func(t *testing.T, k *kit, a *reply)
}

func plain(q request) func(*kit) request { return func(*kit) request { return q } }

// asAnn is a request of a user who has just signed up and confirmed.
func asAnn(q request) func(*kit) request {
	return func(k *kit) request { return k.as(k.signUpVerified(ann), q) }
}

func TestRoutes(t *testing.T) {
	for _, o := range slices.Concat(passwordOutcomes, sessionOutcomes) {
		t.Run(o.name, func(t *testing.T) {
			t.Parallel()
			for _, m := range []mode{inCookies, inBodies} {
				k := newKit(t, m, setup{service: o.service})
				q := o.prepare(k)
				k.forget()
				a := k.do(q)
				if a.status != o.status || a.code() != o.code || a.fields() != o.fields {
					t.Errorf("%s: answer is %d %q %q, want %d %q %q: %s", m, a.status, a.code(), a.fields(), o.status, o.code, o.fields, a.body)
				}
				if got := k.events.take(); got != o.events {
					t.Errorf("%s: events are %q, want %q", m, got, o.events)
				}
				if got := k.mails(); got != o.mails {
					t.Errorf("%s: mails are %q, want %q", m, got, o.mails)
				}
				if o.check != nil {
					o.check(t, k, a)
				}
			}
		})
	}
}

// noCookie fails if the answer touches the session cookie.
func noCookie(t *testing.T, _ *kit, a *reply) {
	t.Helper()
	if len(a.header["Set-Cookie"]) > 0 || a.text("sessionToken") != "" {
		t.Error("the answer has tokens, or touches cookies")
	}
}

// cookieCleared fails unless the answer takes the session cookie away.
func cookieCleared(t *testing.T, k *kit, a *reply) {
	t.Helper()
	lines := strings.Join(a.header["Set-Cookie"], "\n")
	if k.mode == inCookies && !(strings.HasPrefix(lines, "__Host-session=;") && strings.Contains(lines, "Max-Age=0")) {
		t.Errorf("CK-08: Set-Cookie is %q", lines)
	}
}

func bodyIs(want string) func(*testing.T, *kit, *reply) {
	return func(t *testing.T, _ *kit, a *reply) {
		t.Helper()
		if strings.TrimSpace(string(a.body)) != want {
			t.Errorf("body is %s, want %s", a.body, want)
		}
	}
}

func challenged(want string) func(*testing.T, *kit, *reply) {
	return func(t *testing.T, _ *kit, a *reply) {
		t.Helper()
		if got := a.header.Get("WWW-Authenticate"); got != want {
			t.Errorf("WWW-Authenticate is %q, want %q", got, want)
		}
	}
}
