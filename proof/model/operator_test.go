package model

import "github.com/usherkit/usher"

// operate is an act of the operator on a user, who may have been deleted.
func (m *machine) operate(name, id string, effect func(s *state, u *account), do func(o *usher.Operator) error) {
	want := refused(usher.ErrNotFound)
	if m.model.users[id] != nil {
		want = changes(func(s *state, _ answer) { effect(s, s.users[id]) })
	}
	m.act(name, want, func(s *usher.Service) answer { return answer{err: do(s.Operator("ops"))} })
}

func (m *machine) importUser(email, pw string) {
	want := refused(usher.ErrLoginIDTaken)
	if m.model.holderOf(email) == nil {
		want = changes(func(s *state, a answer) {
			s.users[a.userID] = &account{id: a.userID, email: email, login: email, verified: true, pw: pw, pwState: "active", version: 1}
		})
	}
	m.act("import", want, func(s *usher.Service) answer {
		in := usher.ImportUserParams{LoginIDs: []string{email}, EmailVerified: true, Password: usher.Secret(pw)}
		u, err := s.Operator("ops").ImportUser(ctx, in)
		return answer{err: err, userID: u.ID}
	})
}

func (m *machine) expire(id string) {
	u := m.model.users[id]
	want := refused(usher.ErrConflict)
	if u.pwState != "none" {
		want = changes(func(s *state, _ answer) {
			u := s.users[id]
			next := "expired"
			if u.pwState == "temporary" || u.pwState == "breached" {
				next = u.pwState
			}
			s.setSamePassword(u, u.pw, next)
		})
	}
	m.act("expire", want, func(s *usher.Service) answer { return answer{err: s.Operator("ops").ExpirePassword(ctx, id)} })
}

func (m *machine) setTemporary(id, pw string) {
	want := refused(errAny)
	if m.model.users[id].banned != pw {
		want = changes(func(s *state, _ answer) {
			s.setPassword(s.users[id], pw, "temporary")
			s.users[id].lapses = m.now().Add(temporaryTime)
		})
	}
	m.act("set a password", want, func(s *usher.Service) answer {
		return answer{err: s.Operator("ops").SetPassword(ctx, id, usher.Secret(pw), true)}
	})
}

func (m *machine) operatorEnds(x *session) {
	want := refused(usher.ErrNotFound)
	if !x.ended && m.model.users[x.user] != nil {
		want = changes(func(s *state, _ answer) { s.session(x.id).ended = true })
	}
	m.act("the operator ends a session", want, func(s *usher.Service) answer {
		return answer{err: s.Operator("ops").EndSession(ctx, x.user, x.id)}
	})
}

// requireReset makes the password of a user useless.
func requireReset(s *state, u *account) {
	banned := u.banned
	if u.pw != "" {
		banned = u.pw
	}
	s.setPassword(u, "", "none")
	u.banned = banned
}

func disable(s *state, u *account) {
	u.disabled = true
	s.endSessions(u.id)
	s.dropLinks(u.id)
}
