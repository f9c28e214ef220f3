package model

import (
	"flag"
	"maps"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/internal/pgtest"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/memory"
	"github.com/usherkit/usher/store/postgres"
	"github.com/usherkit/usher/store/sqlite"
)

const (
	defaultChecks  = "16"
	postgresChecks = "3" // by default, for each isolation
)

// The default run is short, and always the same. A longer one, of other sequences:
//
//	go test . -args -rapid.checks=500 -rapid.seed=0
func TestMain(m *testing.M) {
	for name, value := range map[string]string{"checks": defaultChecks, "steps": "80", "seed": "9", "nofailfile": "true"} {
		if err := flag.Set("rapid."+name, value); err != nil {
			panic(err)
		}
	}
	pgtest.Main(m)
}

const (
	pass1 = "vast otter sings low"
	pass2 = "calm heron reads maps"
	guess = "grim raven eats all bread"
)

// The actors, and the passwords that each of them chooses among. No actor knows the
// password of another.
var (
	actors    = []string{"ann", "bob", "mal"}
	passwords = map[string][]string{"ann": {pass1, pass2}, "bob": {pass1, pass2}, "mal": {guess}}
)

// play runs random sequences of acts against stores that open returns.
func play(t *testing.T, open func(t *testing.T) store.Store) {
	clock := &clock{at: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}
	st := open(t)
	defer st.Close()
	w := newWorld(t, st, clock)
	checks, steps, crashes := 0, 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		checks++
		w.clock.add(40 * 24 * time.Hour) // what earlier checks left has expired
		for i := range w.instances {
			w.restart(rt, i)
		}
		m := newMachine(w, checks)
		acts := m.acts()
		for name, act := range acts {
			acts[name] = func(rt *rapid.T) {
				m.begin(rt)
				act(rt)
				steps++
			}
		}
		m.begin(rt)
		m.crash = ""
		m.signUp("ann", m.emails[0], pass1)
		rt.Repeat(acts)
		crashes += m.crashes
	})
	t.Logf("%d checks, %d acts, %d crashes", checks, steps, crashes)
}

// acts are the acts that a step draws one of. If an act is not possible in the present state, it
// calls rapid.T.Skip: the step then draws another act, and no test is skipped.
func (m *machine) acts() map[string]func(*rapid.T) {
	all := map[string]func(*rapid.T){
		"sign-up":                         func(t *rapid.T) { a := m.actor(t); m.signUp(a, m.email(t, a), m.password(t, a)) },
		"sign-up of an address of others": func(t *rapid.T) { m.signUp("mal", m.anyEmail(t), guess) },
		"sign-in":                         func(t *rapid.T) { a := m.actor(t); m.signIn(a, m.email(t, a), m.password(t, a)) },
		"sign-in with the password": func(t *rapid.T) {
			a := m.owner(t)
			id := rapid.SampledFrom([]string{m.email(t, a), m.name}).Draw(t, "of them")
			if u := m.model.holderOf(id); u == nil || u.pw == "" || u.pw == guess {
				t.Skip("no such user")
			} else {
				m.signIn(a, id, u.pw)
			}
		},
		"sign-in with a leaked password": func(t *rapid.T) {
			u := m.withPassword(t)
			m.signInLeaked(m.actor(t), u.login, u.pw)
		},
		"replace a leaked password":        func(t *rapid.T) { m.replaceLeaked(t, false) },
		"replace an expired leaked one":    func(t *rapid.T) { m.replaceLeaked(t, true) },
		"a session with a leaked password": func(t *rapid.T) { m.updateLeaked(t) },
		"start a session": func(t *rapid.T) {
			a := m.owner(t)
			u := m.model.holderOf(m.email(t, a))
			if u == nil {
				t.Skip("no such user")
			}
			m.startSession(a, u.id)
		},
		"guess":   func(t *rapid.T) { m.signIn("mal", m.anyEmail(t), guess) },
		"replace": func(t *rapid.T) { a := m.owner(t); m.replace(a, m.email(t, a), m.password(t, a), m.password(t, a)) },
		"update": func(t *rapid.T) {
			x := m.session(t, "session", true)
			current := ""
			if rapid.Bool().Draw(t, "with the current password") {
				current = m.password(t, x.holder)
			}
			m.update(x.holder, x, current, m.password(t, x.holder))
		},
		"steal a session": func(t *rapid.T) {
			m.update("mal", m.session(t, "session", false), "", guess)
			m.crash = ""
			newest := func() *session { return m.model.sessions[len(m.model.sessions)-1] }
			if y := newest(); y.holder == "mal" && y.access != "" && m.model.users[y.user] != nil && rapid.Bool().Draw(t, "replace the password too") {
				m.replace("mal", m.model.users[y.user].login, guess, guess)
			}
			if y := newest(); y.holder == "mal" && y.access != "" {
				m.changeEmail(y, m.emails[3], guess)
			}
		},
		"request a reset":  func(t *rapid.T) { m.requestReset(m.actor(t), m.anyEmail(t)) },
		"complete a reset": func(t *rapid.T) { l := m.link(t); a := reader(l); m.completeReset(a, l, m.password(t, a)) },
		"reset": func(t *rapid.T) {
			email := m.anyEmail(t)
			m.requestReset(email[:3], email)
			if n := len(m.model.links); n > 0 && m.model.links[n-1].raw != "" {
				l := m.model.links[n-1]
				m.completeReset(reader(l), l, m.password(t, reader(l)))
			}
		},
		"start a reset":    func(t *rapid.T) { l := m.link(t); m.startReset(reader(l), l) },
		"finish the reset": func(t *rapid.T) { x := m.resetSession(t); m.update(x.holder, x, "", m.password(t, x.holder)) },
		"verify with a session": func(t *rapid.T) {
			l := m.link(t)
			x := m.session(t, "session", false)
			if x.holder != reader(l) {
				t.Skip("the session of another actor")
			}
			m.verify(x.holder, l, x, "")
		},
		"verify": func(t *rapid.T) {
			l := m.link(t)
			a := reader(l)
			pw := ""
			if rapid.Bool().Draw(t, "with a password") {
				pw = m.password(t, a)
			}
			m.verify(a, l, nil, pw)
		},
		"send another verification": func(t *rapid.T) { m.resendVerification(m.session(t, "session", false)) },
		"change the address": func(t *rapid.T) {
			x := m.session(t, "session", false)
			m.changeEmail(x, m.anyEmail(t), m.password(t, x.holder))
		},
		"change to an address that is taken meanwhile": func(t *rapid.T) {
			l := m.link(t)
			if l.kind != "change_email" {
				t.Skip("another link")
			}
			m.signUp(reader(l), l.to, m.password(t, reader(l)))
			m.verify(reader(l), l, m.session(t, "session", false), "")
		},
		"change the address with the password": func(t *rapid.T) {
			x := m.session(t, "session", false)
			if u := m.model.users[x.user]; u == nil || u.pw == "" {
				t.Skip("no password")
			} else {
				m.changeEmail(x, m.anyEmail(t), u.pw)
			}
		},
		"cancel the change": func(t *rapid.T) { m.cancelChange(m.session(t, "session", false)) },
		"refresh":           func(t *rapid.T) { x := m.session(t, "session", false); m.refresh(x, m.newest(t, x)) },
		"select a tenant": func(t *rapid.T) {
			x := m.session(t, "session", false)
			tenants := []string{"", "r0", "r1"}
			if u := m.model.users[x.user]; u != nil {
				tenants = append(tenants, strings.Fields(u.roles)...)
			}
			m.selectTenant(x, m.newest(t, x), tenants[len(tenants)-1-rapid.IntRange(0, len(tenants)-1).Draw(t, "tenant")])
		},
		"select a tenant with any token": func(t *rapid.T) {
			x := m.session(t, "session", false)
			m.newest(t, x)
			m.selectTenant(x, rapid.SampledFrom(x.known).Draw(t, "token"), rapid.SampledFrom([]string{"", "r0", "r1"}).Draw(t, "tenant"))
		},
		"give the password again": func(t *rapid.T) {
			x := m.session(t, "session", true)
			m.reauthenticate(x, m.password(t, x.holder))
		},
		"give the password again and update": func(t *rapid.T) {
			x := m.session(t, "session", false)
			m.reauthenticate(x, m.password(t, x.holder))
			m.update(x.holder, m.model.session(x.id), "", m.password(t, x.holder))
		},
		"refresh several times": func(t *rapid.T) {
			x := m.session(t, "session", false)
			for range rapid.IntRange(2, 3).Draw(t, "times") {
				m.refresh(x, m.newest(t, x))
				m.crash = ""
				m.w.clock.add(rapid.SampledFrom([]time.Duration{time.Second, 11 * time.Second}).Draw(t, "time"))
				if x = m.model.session(x.id); x == nil {
					return // its id was lost
				}
			}
		},
		"refresh with any token": func(t *rapid.T) {
			x := m.session(t, "session", false)
			m.newest(t, x)
			m.refresh(x, rapid.SampledFrom(x.known).Draw(t, "token"))
		},
		"refresh after a lost answer": func(t *rapid.T) {
			x := m.session(t, "session", false)
			presented := m.newest(t, x)
			m.crash = "after"
			m.refresh(x, presented)
			m.crash = ""
			m.w.clock.add(11 * time.Second)
			m.refresh(m.model.session(x.id), presented)
		},
		"refresh with an early token": func(t *rapid.T) {
			x := m.session(t, "session", false)
			m.newest(t, x)
			m.refresh(x, x.known[0])
		},
		"sign-out":            func(t *rapid.T) { m.signOut(m.session(t, "session", true)) },
		"sign-out everywhere": func(t *rapid.T) { m.signOutEverywhere(m.session(t, "session", true)) },
		"revoke":              func(t *rapid.T) { m.revoke(m.session(t, "session", false), m.session(t, "other", false)) },
		"disable":             m.operator(disable, func(o *usher.Operator, id string) error { return o.Disable(ctx, id) }),
		"enable":              m.operator(func(_ *state, u *account) { u.disabled = false }, func(o *usher.Operator, id string) error { return o.Enable(ctx, id) }),
		"enable again":        m.operator(func(_ *state, u *account) { u.disabled = false }, func(o *usher.Operator, id string) error { return o.Enable(ctx, id) }),
		"delete":              m.operator(deleteUser, func(o *usher.Operator, id string) error { return o.Delete(ctx, id) }),
		"require a reset":     m.operator(requireReset, func(o *usher.Operator, id string) error { return o.RequireReset(ctx, id) }),
		"reset as required": func(t *rapid.T) {
			id := m.user(t)
			u := m.model.users[id]
			m.operate("require a reset", id, requireReset, func(o *usher.Operator) error { return o.RequireReset(ctx, id) })
			m.requestReset(u.email[:3], u.login)
			if l := m.model.links[len(m.model.links)-1]; l.user == id && l.raw != "" {
				m.completeReset(reader(l), l, m.password(t, reader(l)))
			}
		},
		"end a session":     func(t *rapid.T) { m.operatorEnds(m.session(t, "session", true)) },
		"sign the user out": m.operator(func(s *state, u *account) { s.endSessions(u.id) }, func(o *usher.Operator, id string) error { return o.SignOutUser(ctx, id) }),
		"expire":            func(t *rapid.T) { m.expire(m.user(t)) },
		"set a password":    func(t *rapid.T) { m.setTemporary(m.user(t), m.password(t, "ann")) },
		"import":            func(t *rapid.T) { a := m.owner(t); m.importUser(m.email(t, a), m.password(t, a)) },
		"wait": func(t *rapid.T) {
			m.w.clock.add(rapid.SampledFrom([]time.Duration{11 * time.Second, 4 * time.Minute, 11 * time.Minute, 25 * time.Hour, 13 * 24 * time.Hour}).Draw(t, "time"))
			m.adopt(m.model.clone())
		},
		"wait a little": func(t *rapid.T) { m.w.clock.add(11 * time.Second); m.adopt(m.model.clone()) },
		"sign-up race":  func(t *rapid.T) { a := m.actor(t); m.raceSignUp(a, m.email(t, a)) },
		"reset race":    func(t *rapid.T) { m.raceReset(m.link(t)) },
		"refresh race":  func(t *rapid.T) { x := m.session(t, "session", false); m.raceRefresh(x, m.newest(t, x)) },
		"crash":         func(t *rapid.T) { m.w.restart(t, m.by); m.adopt(m.model.clone()) },
	}
	maps.Copy(all, m.invitationActs())
	return all
}

func (m *machine) actor(t *rapid.T) string { return rapid.SampledFrom(actors).Draw(t, "actor") }
func (m *machine) owner(t *rapid.T) string { return rapid.SampledFrom(actors[:2]).Draw(t, "actor") }

// email returns a login id of the actor.
func (m *machine) email(t *rapid.T, actor string) string {
	own := map[string][]string{"ann": m.emails[:2], "bob": m.emails[2:3], "mal": m.emails[3:]}[actor]
	return rapid.SampledFrom(own).Draw(t, "login id")
}

func (m *machine) anyEmail(t *rapid.T) string { return rapid.SampledFrom(m.emails).Draw(t, "login id") }

func (m *machine) password(t *rapid.T, actor string) string {
	return rapid.SampledFrom(passwords[actor]).Draw(t, "password")
}

// session returns one of the sessions, live or not.
func (m *machine) session(t *rapid.T, label string, alsoReset bool) *session {
	var all []*session
	for _, x := range m.model.sessions {
		if x.access != "" && (alsoReset || !x.reset) {
			all = append(all, x)
		}
	}
	if len(all) == 0 {
		t.Skip("no session")
	}
	return all[len(all)-1-rapid.IntRange(0, len(all)-1).Draw(t, label)] // the newest first
}

func (m *machine) resetSession(t *rapid.T) *session {
	for i := len(m.model.sessions) - 1; i >= 0; i-- {
		if m.model.sessions[i].reset {
			return m.model.sessions[i]
		}
	}
	t.Skip("no reset session")
	return nil
}

// newest returns the newest refresh token that the holder of a session got.
func (m *machine) newest(t *rapid.T, x *session) string {
	if len(x.known) == 0 {
		t.Skip("the answer with the tokens was lost")
	}
	return x.known[len(x.known)-1]
}

// link returns one of the emailed links, whether or not it still works.
func (m *machine) link(t *rapid.T) *link {
	var all []*link
	for _, l := range m.model.links {
		if l.raw != "" {
			all = append(all, l)
		}
	}
	if len(all) == 0 {
		t.Skip("no link")
	}
	return all[len(all)-1-rapid.IntRange(0, len(all)-1).Draw(t, "link")]
}

// reader returns the actor who reads the mailbox that a link was sent to.
func reader(l *link) string { return l.to[:3] }

// user returns the id of a user.
func (m *machine) user(t *rapid.T) string {
	u := m.model.holderOf(rapid.SampledFrom(m.loginIDs()).Draw(t, "login id"))
	if u == nil {
		t.Skip("no such user")
	}
	return u.id
}

// withPassword returns a user who has a password, mostly one with a verified address.
func (m *machine) withPassword(t *rapid.T) *account {
	var all, verified []*account
	for _, id := range m.loginIDs() {
		if u := m.model.holderOf(id); u != nil && u.pw != "" {
			if all = append(all, u); u.verified {
				verified = append(verified, u)
			}
		}
	}
	if len(verified) > 0 && rapid.IntRange(0, 3).Draw(t, "any user") > 0 {
		all = verified
	}
	if len(all) == 0 {
		t.Skip("no user with a password")
	}
	return rapid.SampledFrom(all).Draw(t, "user")
}

func (m *machine) operator(effect func(s *state, u *account), do func(o *usher.Operator, id string) error) func(*rapid.T) {
	return func(t *rapid.T) {
		id := m.user(t)
		m.operate("operator", id, effect, func(o *usher.Operator) error { return do(o, id) })
	}
}

func TestFB08_ModelOnMemory(t *testing.T) {
	play(t, func(*testing.T) store.Store { return memory.New() })
}

func TestFB08_ModelOnSQLite(t *testing.T) {
	play(t, func(t *testing.T) store.Store {
		st, err := sqlite.Open(ctx, filepath.Join(t.TempDir(), "usher.db"))
		check(t, err)
		return st
	})
}

func TestFB08_ModelOnPostgres(t *testing.T) {
	if checks := flag.Lookup("rapid.checks"); checks.Value.String() == defaultChecks {
		_ = checks.Value.Set(postgresChecks)
		defer func() { _ = checks.Value.Set(defaultChecks) }()
	}
	for _, level := range []string{"read committed", "repeatable read", "serializable"} {
		t.Run(level, func(t *testing.T) {
			play(t, func(t *testing.T) store.Store {
				st, err := postgres.Open(ctx, pgtest.With(t, pgtest.Schema(t), "default_transaction_isolation", level))
				check(t, err)
				return st
			})
		})
	}
}
