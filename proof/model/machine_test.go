package model

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/token"
)

// machine drives the Service and the model with the same acts.
type machine struct {
	t     *rapid.T
	w     *world
	model *state
	// by is the instance of the step. crash is when it is killed: "before" or "after" the
	// commit of the change, or "".
	by      int
	byCode  bool // the code is given instead of the link
	crash   string
	emails  []string // the addresses of this check
	name    string   // a login id that is no address
	crashes int
}

func newMachine(w *world, check int) *machine {
	m := &machine{w: w, model: &state{users: map[string]*account{}}, name: fmt.Sprintf("name.%d", check)}
	for _, name := range []string{"ann1", "ann2", "bob1", "mal1"} {
		m.emails = append(m.emails, fmt.Sprintf("%s.%d@example.com", name, check))
	}
	return m
}

// loginIDs returns the login ids that a user may have.
func (m *machine) loginIDs() []string { return append(slices.Clone(m.emails), m.name) }

func (m *machine) now() time.Time { return m.w.clock.now() }

// begin starts a step.
func (m *machine) begin(t *rapid.T) {
	m.t, m.w.store.t = t, t
	m.w.clock.add(time.Second)
	m.by = rapid.IntRange(0, 1).Draw(t, "instance")
	m.byCode = rapid.Bool().Draw(t, "by code")
	m.crash = rapid.SampledFrom([]string{"", "", "", "", "before", "after"}).Draw(t, "crash")
}

// act does something to the Service and to the model, and compares them.
func (m *machine) act(name string, want expectation, do func(s *usher.Service) answer) {
	t, w := m.t, m.w
	w.store.mode, w.store.hit = m.crash, false
	a := do(w.instances[m.by])
	crashed := w.store.hit
	w.store.mode = ""
	t.Logf("%s on instance %d, crash %q (%t): %v", name, m.by, m.crash, crashed, a.err)
	next := m.model.clone()
	switch {
	case crashed:
		m.crashes++
		if !errors.Is(a.err, usher.ErrUnavailable) {
			t.Errorf("%s: %v after a crash, want ErrUnavailable", name, a.err)
		}
		if m.crash == "after" && want.effect != nil {
			want.effect(next, answer{})
		}
		w.restart(t, m.by)
	case want.limited && limited(a.err):
	default:
		if !want.matches(a.err) {
			t.Fatalf("%s: %v, want %v", name, a.err, want.err)
		}
		if want.effect != nil {
			want.effect(next, a)
		}
		m.checkRoles(name, next, a)
	}
	m.adopt(next)
}

func (e expectation) matches(err error) bool {
	var unproven *usher.EmailProofError
	var breached *usher.BreachedPasswordError
	switch {
	case e.err == nil:
		return err == nil
	case errors.Is(e.err, errUnproven):
		return errors.As(err, &unproven)
	case e.err == errReplaceByEmail, e.err == errReplaceItself:
		return errors.As(err, &breached) && breached.ByEmail == (e.err == errReplaceByEmail)
	case errors.Is(e.err, errAny):
		return isPolicy(err)
	}
	return errors.Is(err, e.err)
}

// adopt makes next the state of the model, learns what lost answers held, and compares
// the model with the store and with the instances.
func (m *machine) adopt(next *state) {
	ended := 0
	for i, x := range next.sessions {
		if x.ended && (i >= len(m.model.sessions) || !m.model.sessions[i].ended) {
			ended++
		}
	}
	deleted := len(next.users) < len(m.model.users)
	m.model = next
	m.learn()
	m.compareUsers()
	m.compareSessions()
	m.compareLinks()
	m.compareInvitations()
	m.checkTokens(m.w.instances[m.by])
	if err := m.w.follower.Poll(ctx); err != nil {
		m.t.Fatalf("following revocations: %v", err)
	}
	if ended > 0 || deleted {
		m.w.restart(m.t, 1-m.by)
	}
	m.checkTokens(m.w.instances[1-m.by])
	m.checkAttacker()
}

// learn completes the model with the ids that a lost answer held, and with the links of
// the emails.
func (m *machine) learn() {
	if u := m.model.users[""]; u != nil {
		a, err := m.w.store.AccountByLoginID(ctx, u.login)
		if err != nil {
			m.t.Fatalf("the user of a lost answer: %v", err)
		}
		delete(m.model.users, "")
		u.id = a.User.ID
		m.model.users[u.id] = u
		for _, x := range m.model.sessions {
			if x.user == "" {
				x.user = u.id
			}
		}
		for _, l := range m.model.links {
			if l.user == "" {
				l.user = u.id
			}
		}
	}
	for _, x := range m.model.sessions {
		if x.id == "" && !x.ended {
			list, err := m.w.store.UserSessions(ctx, x.user, m.now())
			if err != nil {
				m.t.Fatalf("the session of a lost answer: %v", err)
			}
			for _, s := range list {
				if m.model.session(s.ID) == nil {
					x.id = s.ID
				}
			}
		}
	}
	for _, msg := range m.w.emails(m.t) {
		if raw := tokenOf(msg); raw != "" {
			if msg.Kind == usher.MessageInvitation {
				m.learnInvitation(raw, msg)
			} else {
				m.learnLink(raw, msg)
			}
		}
	}
}

func (m *machine) learnLink(raw string, msg usher.Message) {
	kind := map[usher.MessageKind]string{
		usher.MessageResetPassword: "reset", usher.MessageConfirmAndReset: "claim",
		usher.MessageVerifyEmail: "verify_email", usher.MessageChangeEmail: "change_email",
	}[msg.Kind]
	for _, l := range m.model.links {
		if l.raw == "" && !l.hidden && l.kind == kind && l.to == msg.To {
			l.raw, l.code = raw, msg.Code.Reveal()
			return
		}
	}
	m.t.Errorf("an email %s to %s that the model does not expect", msg.Kind, msg.To)
}

func (m *machine) compareUsers() {
	for _, id := range m.loginIDs() {
		u := m.model.holderOf(id)
		a, err := m.w.store.AccountByLoginID(ctx, id)
		switch {
		case errors.Is(err, store.ErrNotFound) && u == nil:
		case err != nil || u == nil:
			m.t.Fatalf("%s: the model has %+v, the store %+v, %v", id, u, a.User, err)
		default:
			got := account{
				id: a.User.ID, login: id, roles: strings.Join(a.User.Roles, " "), email: a.User.Email, verified: a.User.EmailVerified, disabled: a.User.Status == usher.StatusDisabled,
				pw: u.pw, pwState: string(a.Password.State), version: int(a.Password.Version), banned: u.banned,
				unproven: a.Password.UnprovenAt, robbed: u.robbed,
			}
			if got.pwState == "temporary" {
				got.lapses = a.Password.ChangedAt.Add(temporaryTime)
			}
			if got != *u || len(a.User.LoginIDs) != 1 || a.User.LoginIDs[0] != id {
				m.t.Fatalf("%s: the store has %+v with the login ids %q, the model %+v", id, got, a.User.LoginIDs, *u)
			}
		}
	}
}

func (m *machine) compareSessions() {
	live := map[string]int{}
	for _, x := range m.model.sessions {
		if m.model.live(x, m.now()) && !x.reset {
			live[x.user]++
		}
		if x.id == "" {
			continue
		}
		r, err := m.w.store.Session(ctx, x.id)
		if gone := x.ended || m.model.users[x.user] == nil; gone || err != nil {
			if !gone || !errors.Is(err, store.ErrNotFound) {
				m.t.Fatalf("session %s: ended by the model: %t, in the store: %v", x.id, gone, err)
			}
			continue
		}
		if r.UserID != x.user || !r.ExpiresAt.Equal(x.expires) || !r.IdleExpiresAt.Equal(x.idle) || r.Tenant != x.tenant || !x.reset && !r.Refresh.RotatedAt.Equal(x.rotatedAt) {
			m.t.Fatalf("session %s: the store has %+v, the model %+v", x.id, r, *x)
		}
	}
	for id := range m.model.users {
		list, err := m.w.store.UserSessions(ctx, id, m.now())
		if err != nil || len(list) != live[id] {
			m.t.Fatalf("user %s has %d live sessions, the model %d: %v", id, len(list), live[id], err)
		}
	}
}

func (m *machine) compareLinks() {
	now := m.now()
	for _, l := range m.model.links {
		if l.raw == "" {
			continue
		}
		hash := sha256.Sum256([]byte(l.raw))
		_, err := m.w.store.OneTimeToken(ctx, hash[:], now)
		if works := m.model.works(l, now); works != (err == nil) {
			m.t.Fatalf("a link %s of %s works by the model: %t, in the store: %v", l.kind, l.email, works, err)
		}
	}
	for id, u := range m.model.users {
		for _, kind := range []string{"reset", "claim", "verify_email", "change_email"} {
			list, err := m.w.store.UserTokens(ctx, id, []store.Purpose{store.Purpose(kind)}, now)
			if n := len(m.model.open(id, kind, now)); err != nil || len(list) != n {
				m.t.Fatalf("%s has %d open links %s, the model %d: %v", u.email, len(list), kind, n, err)
			}
		}
	}
}

// checkTokens presents the newest session token of each session to an instance, and the
// program that has only keys and revocations.
func (m *machine) checkTokens(s *usher.Service) {
	now := m.now()
	for _, x := range m.model.sessions {
		if x.access == "" || x.reset {
			continue
		}
		live := m.model.live(x, now)
		fresh := now.Before(x.accessAt.Add(tokenLifetime)) && now.Before(x.idle)
		_, err := s.ValidateSession(ctx, usher.Secret(x.access))
		if err == nil && !live || err != nil && live && fresh {
			m.t.Fatalf("the token of session %s: live %t, fresh %t: %v", x.id, live, fresh, err)
		}
		if _, _, err := s.Me(ctx, claimsOf(x)); (err == nil) != live {
			m.t.Fatalf("session %s: live %t: %v", x.id, live, err)
		}
	}
}

// checkFollower presents them to the program that has only the keys and the list.
func (m *machine) checkFollower() {
	now := m.now()
	for _, x := range m.model.sessions {
		if x.access == "" || x.reset {
			continue
		}
		_, err := m.w.remote.ValidateSession(ctx, token.Secret(x.access))
		live := m.model.live(x, now)
		if err == nil && !live || err != nil && live && now.Before(x.accessAt.Add(tokenLifetime)) {
			m.t.Fatalf("the token of session %s beside the list of revocations: live %t: %v", x.id, live, err)
		}
	}
}

// checkAttacker checks that the attacker, who reads no mailbox of others and knows none of
// their passwords, has no live session of a user who has proven the address, unless by a
// password that the attacker set with a stolen session. Such an account keeps its address
// for a day, so that its owner can take it back.
func (m *machine) checkAttacker() {
	m.checkFollower()
	for _, x := range m.model.sessions {
		u := m.model.users[x.user]
		if x.holder == "mal" && m.model.live(x, m.now()) && u.verified && !u.robbed && !strings.HasPrefix(u.email, "mal") {
			m.t.Fatalf("the attacker has a live session of %s", u.email)
		}
	}
	for _, u := range m.model.users {
		if u.robbed && strings.HasPrefix(u.email, "mal") && m.now().Before(u.unproven.Add(unprovenTime)) {
			m.t.Fatalf("the attacker has the account %s for good", u.id)
		}
	}
}
