package model

import (
	"errors"

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
			s.setSamePassword(u, next, "active")
			u.robbed = robbed
			y := s.start(x.user, actor, m.now(), a)
			y.tenant = x.tenant
			if current == "" {
				u.unproven = m.now()
			}
			if current == "" || x.proof != "" { // it continues the old one
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

// limited reports whether a limit that the model does not have refused the act: on the
// changes of a password in an hour.
func limited(err error) bool {
	var limit *usher.LimitError
	return errors.As(err, &limit)
}
