package model

import "github.com/usherkit/usher"

func (m *machine) refresh(x *session, presented string) {
	want := refused(usher.ErrInvalidSession)
	if m.model.live(x, m.now()) && m.now().Before(x.validTo[presented]) {
		trial := m.model.clone().session(x.id)
		goesOn := trial.refresh(presented, answer{}, m.now())
		want = expectation{effect: func(s *state, a answer) { s.session(x.id).refresh(presented, a, m.now()) }}
		if !goesOn {
			want.err = usher.ErrInvalidSession // and the session ends
		}
	}
	m.act("refresh", want, func(s *usher.Service) answer {
		return authenticated(s.RefreshSession(ctx, usher.Secret(presented), client(x.holder)))
	})
}

// selectTenant makes a tenant the current one of a session, and refreshes it.
func (m *machine) selectTenant(x *session, presented, tenant string) {
	want := refused(usher.ErrInvalidSession)
	if m.model.live(x, m.now()) && m.now().Before(x.validTo[presented]) {
		goesOn := m.model.clone().session(x.id).refresh(presented, answer{}, m.now())
		switch {
		case !goesOn:
			want.effect = func(s *state, _ answer) { s.session(x.id).ended = true }
		case !m.model.users[x.user].inTenant(tenant):
			want = refused(usher.ErrNotInTenant)
		default:
			want = changes(func(s *state, a answer) {
				s.session(x.id).refresh(presented, a, m.now())
				s.session(x.id).tenant = tenant
			})
		}
	}
	m.act("select a tenant", want, func(s *usher.Service) answer {
		return authenticated(s.SelectTenant(ctx, usher.Secret(presented), tenant, client(x.holder)))
	})
}

// reauthenticate gives the password again in a session.
func (m *machine) reauthenticate(x *session, pw string) {
	want := refused(m.ended(x))
	if want.err == nil {
		want = refused(m.mayEnter(m.model.users[x.user].login, pw, false))
	}
	if want.err == nil {
		want = changes(func(s *state, a answer) {
			x := s.session(x.id)
			x.got(a, m.now())
			x.confirmed = m.now()
		})
	}
	m.act("give the password again", want, func(s *usher.Service) answer {
		a := of(s.Reauthenticate(ctx, claimsOf(x), usher.ReauthenticateParams{Password: usher.Secret(pw)}, client(x.holder)))
		if claims, err := s.ValidateSession(ctx, usher.Secret(a.access)); a.err == nil && (err != nil || claims.AuthTime.Unix() != m.now().Unix()) {
			m.t.Fatalf("the session token after the password has the claims %+v: %v", claims, err)
		}
		return a
	})
}

func (m *machine) signOut(x *session) {
	want := succeeds()
	if !x.ended && m.model.users[x.user] != nil {
		want = changes(func(s *state, _ answer) { s.session(x.id).ended = true })
	}
	m.act("sign-out", want, func(s *usher.Service) answer {
		return answer{err: s.SignOut(ctx, claimsOf(x), client(x.holder))}
	})
}

func (m *machine) signOutEverywhere(x *session) {
	want := refused(m.ended(x))
	if want.err == nil {
		want = changes(func(s *state, _ answer) { s.endSessions(x.user) })
	}
	m.act("sign-out everywhere", want, func(s *usher.Service) answer {
		return answer{err: s.SignOutEverywhere(ctx, claimsOf(x), client(x.holder))}
	})
}

func (m *machine) revoke(x, other *session) {
	want := refused(m.ended(x))
	if want.err == nil {
		want = refused(usher.ErrNotFound)
		if other.user == x.user && !other.ended {
			want = changes(func(s *state, _ answer) { s.session(other.id).ended = true })
		}
	}
	m.act("revoke", want, func(s *usher.Service) answer {
		return answer{err: s.RevokeSession(ctx, claimsOf(x), other.id, client(x.holder))}
	})
}
