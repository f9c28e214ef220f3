package model

import (
	"errors"

	"pgregory.net/rapid"

	"github.com/usherkit/usher"
)

func (m *machine) replace(actor, email, old, next string) {
	want := refused(m.mayEnter(email, old, true))
	u := m.model.holderOf(email)
	switch {
	case want.err != nil:
	case u.pwState != "active" && old == next:
		want = refused(errAny)
	default:
		want = changes(func(s *state, a answer) {
			s.setSamePassword(s.users[u.id], next, "active")
			s.start(u.id, actor, m.now(), a)
		})
	}
	want.limited = true
	m.act("replace", want, func(s *usher.Service) answer {
		in := usher.ReplacePasswordParams{LoginID: email, OldPassword: usher.Secret(old), NewPassword: usher.Secret(next)}
		return of(s.ReplacePassword(ctx, in, client(actor)))
	})
}

func (m *machine) update(actor string, x *session, current, next string) {
	u := m.model.users[x.user]
	live := m.model.live(x, m.now())
	want := refused(usher.ErrInvalidSession)
	switch {
	case !live:
	case current == "" && !x.reset && m.now().Sub(x.authTime()) > recent:
		want = refused(usher.ErrRecentSignInRequired)
	case current != "" && !u.has(current, m.now()):
		want = refused(usher.ErrInvalidCredentials)
	case u.banned == next:
		want = refused(errAny)
	case x.reset:
		want = changes(func(s *state, _ answer) { s.setPassword(s.users[x.user], next, "active") })
	default:
		want = changes(func(s *state, a answer) {
			u := s.users[x.user]
			robbed := actor == "mal" && (x.holder != "mal" || u.robbed)
			sessionAlone := current == "" || u.leaked()
			s.setSamePassword(u, next, "active")
			u.robbed = robbed
			y := s.start(x.user, actor, m.now(), a)
			y.tenant = x.tenant
			if sessionAlone {
				u.unproven = m.now()
			}
			if sessionAlone || x.proof != "" { // it continues the old one
				y.proof = x.proof
				y.created, y.expires = x.created, x.expires
				y.idle = earlier(y.idle, y.expires)
				for t := range y.validTo {
					y.validTo[t] = y.idle
				}
			}
		})
	}
	want.limited = true
	m.act("update", want, func(s *usher.Service) answer {
		in := usher.UpdatePasswordParams{NewPassword: usher.Secret(next), CurrentPassword: usher.Secret(current)}
		return of(s.UpdatePassword(ctx, claimsOf(x), in, client(actor)))
	})
}

// replaceLeaked finds that a password has leaked, and replaces it with itself, for an attacker
// who has the list only if the address is verified.
func (m *machine) replaceLeaked(t *rapid.T, expired bool) {
	u := m.withPassword(t)
	by := m.actor(t)
	if by == "mal" && !u.verified {
		by = "ann"
	}
	m.signInLeaked(by, u.login, u.pw)
	if m.crash = ""; m.model.users[u.id].pwState != "breached" {
		return
	}
	if expired {
		m.expire(u.id)
	}
	m.replace(by, u.login, u.pw, m.password(t, by))
}

// updateLeaked finds that a password has leaked, and uses it in a live session of its user, if
// there is one. It then looks whether the new password changes the address.
func (m *machine) updateLeaked(t *rapid.T) {
	u := m.withPassword(t)
	m.signInLeaked("mal", u.login, u.pw)
	m.crash = ""
	for _, x := range m.model.sessions {
		if x.user != u.id || x.reset || x.access == "" || !m.model.live(x, m.now()) || x.holder == "mal" && !u.robbed {
			continue
		}
		m.changeEmail(x, m.anyEmail(t), u.pw)
		m.update(x.holder, x, u.pw, m.password(t, x.holder))
		if y := m.model.sessions[len(m.model.sessions)-1]; y.user == u.id && y.access != "" {
			m.changeEmail(y, m.anyEmail(t), m.model.users[u.id].pw)
		}
		return
	}
}

// limited reports whether a limit that the model does not have refused the act: on the
// changes of a password in an hour.
func limited(err error) bool {
	var limit *usher.LimitError
	return errors.As(err, &limit)
}
