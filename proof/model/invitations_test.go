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

func (m *machine) learnInvitation(raw string, msg usher.Message) {
	for _, i := range m.model.invitations {
		if i.raw == "" && i.to == msg.To {
			i.raw = raw
			return
		}
	}
	m.t.Errorf("an invitation of %s that the model does not expect", msg.To)
}

// compareInvitations compares the invitations of the model with those of the store.
func (m *machine) compareInvitations() {
	now := m.now()
	for _, i := range m.model.invitations {
		hash := sha256.Sum256([]byte(i.raw))
		_, err := m.w.store.Invitation(ctx, hash[:], now)
		if works := i.works(now); works != (err == nil) {
			m.t.Fatalf("an invitation of %s works by the model: %t, in the store: %v", i.to, works, err)
		}
	}
	for _, to := range m.emails {
		want := m.model.invitation(to, now)
		got, err := m.w.store.InvitationOf(ctx, to, now)
		switch {
		case want == nil && errors.Is(err, store.ErrNotFound):
		case err != nil || want == nil || !slices.Equal(got.Roles, []string{want.role}) || !got.ExpiresAt.Equal(want.expires):
			m.t.Fatalf("the invitation of %s: the model has %+v, the store %+v, %v", to, want, got, err)
		}
	}
}

// checkRoles checks that the session token of an answer has the roles of the user, and the
// tenant of the session if the user is in it.
func (m *machine) checkRoles(name string, next *state, a answer) {
	if a.refresh == "" {
		return
	}
	claims, err := m.w.instances[m.by].ValidateSession(ctx, usher.Secret(a.access))
	if err != nil {
		m.t.Fatalf("%s: the session token of the answer: %v", name, err)
	}
	if got, want := strings.Join(claims.Roles, " "), next.users[a.userID].roles; got != want {
		m.t.Fatalf("%s: the session token has the roles %q, the model %q", name, got, want)
	}
	tenant := next.session(a.sessionID).tenant
	if !next.users[a.userID].inTenant(tenant) {
		tenant = ""
	}
	if got := claims.Tenant; got != tenant {
		m.t.Fatalf("%s: the session token has the tenant %q, the model %q", name, got, tenant)
	}
}

// invitation draws an invitation that was emailed, whether or not it still works.
func (m *machine) invitation(t *rapid.T) *invitation {
	all := m.model.invitations
	if len(all) == 0 {
		t.Skip("no invitation")
	}
	return all[len(all)-1-rapid.IntRange(0, len(all)-1).Draw(t, "invitation")]
}

// invitationActs are the acts around invitations.
func (m *machine) invitationActs() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"invite":                   func(t *rapid.T) { m.invite(m.anyEmail(t)) },
		"withdraw":                 func(t *rapid.T) { m.withdraw(m.anyEmail(t)) },
		"accept an invitation":     func(t *rapid.T) { i := m.invitation(t); m.accept(i, m.password(t, i.to[:3])) },
		"another service verifies": func(t *rapid.T) { email := m.anyEmail(t); m.ensureUser(email[:3], email) },
		"invite and prove": func(t *rapid.T) {
			email := m.anyEmail(t)
			crash := rapid.SampledFrom([]string{"", "before", "after"}).Draw(t, "crash in the proof")
			m.crash = ""
			m.invite(email)
			if m.model.holderOf(email) == nil {
				m.signUp(email[:3], email, m.password(t, email[:3]))
			}
			m.crash = crash
			way := rapid.SampledFrom([]string{"verify_email", "reset", "another service"}).Draw(t, "way")
			if way == "reset" {
				m.crash = ""
				m.requestReset(email[:3], email)
				m.crash = crash
			}
			for _, l := range slices.Backward(m.model.links) {
				u, pw := m.model.users[l.user], m.password(t, email[:3])
				switch {
				case l.to != email || l.raw == "" || isReset(l) != (way == "reset") || !m.model.works(l, m.now()):
					continue
				case !isReset(l) && (u.pw == guess && reader(l) != "mal" || u.pw == ""):
					m.verify(reader(l), l, nil, pw)
				case !isReset(l):
					m.verify(reader(l), l, nil, u.pw)
				case rapid.Bool().Draw(t, "complete"):
					m.completeReset(reader(l), l, pw)
				default:
					m.startReset(reader(l), l)
				}
				return
			}
			m.ensureUser(email[:3], email)
		},
		"invite a squatted address": func(t *rapid.T) {
			email := m.email(t, m.owner(t))
			crash := m.crash // in the acceptance
			m.crash = ""
			m.signUp("mal", email, guess)
			m.invite(email)
			if i := m.model.invitation(email, m.now()); i != nil {
				m.crash = crash
				m.accept(i, m.password(t, email[:3]))
				m.crash = ""
				m.signIn("mal", email, guess)
			}
		},
		"invite again": func(t *rapid.T) {
			i := m.invitation(t)
			m.invite(i.to)
			m.crash = ""
			m.accept(i, m.password(t, i.to[:3]))
		},
		"withdraw and accept": func(t *rapid.T) {
			i := m.invitation(t)
			m.withdraw(i.to)
			m.crash = ""
			m.accept(i, m.password(t, i.to[:3]))
		},
		"wait for the end of an invitation": func(t *rapid.T) {
			email := m.anyEmail(t)
			m.invite(email)
			m.crash = ""
			if i := m.model.invitation(email, m.now()); i != nil {
				before := rapid.SampledFrom([]time.Duration{0, time.Microsecond, time.Second}).Draw(t, "before")
				m.w.clock.add(i.expires.Sub(m.now()) - before)
				m.accept(i, m.password(t, email[:3]))
			}
		},
		"invitation race": func(t *rapid.T) {
			email := m.anyEmail(t)
			m.invite(email)
			if i := m.model.invitation(email, m.now()); i != nil {
				m.raceAccept(i)
			}
		},
		"take the roles away": m.operator(func(_ *state, u *account) { u.roles = "" }, takeRoles),
		"set the login id":    func(t *rapid.T) { m.setLoginID(m.user(t), rapid.SampledFrom(m.loginIDs()).Draw(t, "login id")) },
		"give another address": func(t *rapid.T) {
			id := m.user(t)
			m.giveAddress(id, m.email(t, m.model.users[id].email[:3]), rapid.Bool().Draw(t, "unverified"))
		},
		"change an invited user": func(t *rapid.T) {
			email := m.email(t, "ann")
			if rapid.Bool().Draw(t, "proven") {
				m.ensureUser("ann", email)
			}
			m.invite(email)
			m.crash = ""
			u, i := m.model.holderOf(email), m.model.invitation(email, m.now())
			if u == nil || i == nil {
				return
			}
			switch rapid.SampledFrom([]string{"login id", "address", "disabled"}).Draw(t, "change") {
			case "login id":
				m.setLoginID(u.id, m.name)
			case "address":
				m.giveAddress(u.id, m.email(t, "ann"), rapid.Bool().Draw(t, "unverified"))
			default:
				m.operate("disable", u.id, disable, func(o *usher.Operator) error { return o.Disable(ctx, u.id) })
			}
			m.accept(i, m.password(t, "ann"))
		},
		"delete the own account": func(t *rapid.T) {
			x := m.session(t, "session", false)
			if u := m.model.users[x.user]; u == nil || u.pw == "" {
				t.Skip("no password")
			} else {
				m.deleteAccount(x, rapid.SampledFrom([]string{u.pw, u.pw, m.password(t, x.holder)}).Draw(t, "given"))
			}
		},
	}
}

func (m *machine) invite(to string) {
	_, err := m.model.invited(to)
	want := refused(err)
	role := fmt.Sprintf("r%d", len(m.model.invitations))
	if err == nil {
		want = changes(func(s *state, _ answer) {
			for _, i := range s.invitations {
				i.gone = i.gone || i.to == to
			}
			s.invitations = append(s.invitations, &invitation{to: to, role: role, expires: m.now().Add(invitationTime)})
		})
	}
	m.act("invite", want, func(s *usher.Service) answer {
		_, err := s.Operator("ops").Invite(ctx, usher.InviteParams{Email: to, Roles: []string{role}, Tenants: map[string]token.Tenant{role: {}}})
		return answer{err: err}
	})
}

func (m *machine) withdraw(to string) {
	want := refused(usher.ErrNotFound)
	if m.model.invitation(to, m.now()) != nil {
		want = changes(func(s *state, _ answer) { s.invitation(to, m.now()).gone = true })
	}
	m.act("withdraw", want, func(s *usher.Service) answer {
		return answer{err: s.Operator("ops").WithdrawInvitation(ctx, to)}
	})
}

// accepted returns what the acceptance of an invitation does.
func (m *machine) accepted(i *invitation, pw string) expectation {
	to, now := i.to, m.now()
	index := slices.IndexFunc(m.model.invitations, func(other *invitation) bool { return other.role == i.role })
	works := m.model.invitations[index].works(now) // i may be from before an act
	u, err := m.model.invited(to)
	switch {
	case err != nil || !works:
		return refused(usher.ErrInvalidToken)
	case u != nil && u.verified:
		return changes(func(s *state, _ answer) { s.grant(s.users[u.id], now) })
	case u != nil && u.banned == pw:
		return refused(errAny)
	}
	return expectation{limited: true, effect: func(s *state, a answer) {
		if u == nil {
			s.users[a.userID] = &account{id: a.userID, email: to, login: to}
		} else {
			a.userID = u.id
		}
		mine := s.users[a.userID]
		mine.verified = true
		s.setPassword(mine, pw, "active")
		s.grant(mine, now)
		s.start(mine.id, to[:3], now, a).proof = "email"
	}}
}

// accept follows the link of an invitation. The reader of the mailbox does.
func (m *machine) accept(i *invitation, pw string) {
	m.act("accept an invitation", m.accepted(i, pw), func(s *usher.Service) answer {
		in := usher.AcceptInvitationParams{Token: usher.Secret(i.raw), NewPassword: usher.Secret(pw)}
		return of(s.AcceptInvitation(ctx, in, client(i.to[:3])))
	})
}

// raceAccept lets both instances accept one invitation.
func (m *machine) raceAccept(i *invitation) {
	pw := passwords[i.to[:3]][0]
	want := m.accepted(i, pw)
	if errors.Is(want.err, errAny) {
		return // the password is refused
	}
	next := m.model.clone()
	winner, a := m.race("accept an invitation", expectation{err: usher.ErrInvalidToken, limited: true}, func(_ int, s *usher.Service) answer {
		in := usher.AcceptInvitationParams{Token: usher.Secret(i.raw), NewPassword: usher.Secret(pw)}
		return of(s.AcceptInvitation(ctx, in, client(i.to[:3])))
	})
	if (winner >= 0) != (want.err == nil) {
		m.t.Fatalf("the invitation works by the model: %v, and instance %d accepted it", want.err, winner)
	}
	if winner >= 0 {
		want.effect(next, a)
	}
	m.adopt(next)
}

// ensureUser is the sign-in at another service, which has verified the address.
func (m *machine) ensureUser(actor, email string) {
	u, now := m.model.holderOf(email), m.now()
	var want expectation
	switch {
	case u == nil:
		want = changes(func(s *state, a answer) {
			u := &account{id: a.userID, email: email, login: email, verified: true, pwState: "none", version: 1}
			s.users[u.id] = u
			s.grant(u, now)
		})
	case u.email != email:
		want = refused(usher.ErrLoginIDTaken)
	case u.disabled:
		want = refused(usher.ErrUserDisabled)
	case u.verified:
		want = changes(func(s *state, _ answer) { s.grant(s.users[u.id], now) })
	default:
		want = changes(func(s *state, _ answer) { s.claim(s.users[u.id], now) })
	}
	m.act("another service verifies", want, func(s *usher.Service) answer {
		u, err := s.EnsureUser(ctx, usher.EnsureUserParams{Email: email, EmailVerified: true}, client(actor))
		return answer{err: err, userID: u.ID}
	})
}

func (m *machine) deleteAccount(x *session, current string) {
	want := refused(m.ended(x))
	u := m.model.users[x.user]
	switch {
	case want.err != nil:
	case !u.has(current, m.now()):
		want = refused(usher.ErrInvalidCredentials)
	case m.now().Before(u.unproven.Add(unprovenTime)):
		want = refused(errUnproven)
	default:
		want = changes(func(s *state, _ answer) { deleteUser(s, s.users[u.id]) })
	}
	want.limited = true
	m.act("delete the own account", want, func(s *usher.Service) answer {
		in := usher.DeleteAccountParams{CurrentPassword: usher.Secret(current)}
		return answer{err: s.DeleteAccount(ctx, claimsOf(x), in, client(x.holder))}
	})
}

func takeRoles(o *usher.Operator, id string) error {
	_, err := o.UpdateUser(ctx, id, usher.UpdateUserParams{Roles: &[]string{}, Tenants: &map[string]token.Tenant{}})
	return err
}

func (m *machine) setLoginID(id, loginID string) {
	want := refused(usher.ErrLoginIDTaken)
	if holder := m.model.holderOf(loginID); holder == nil || holder.id == id {
		want = changes(func(s *state, _ answer) {
			u := s.users[id]
			s.voidInvitations(u, loginID, u.login)
			u.login = loginID
			s.endSessions(id)
			s.dropLinks(id)
		})
	}
	m.act("set the login id", want, func(s *usher.Service) answer {
		_, err := s.Operator("ops").SetLoginIDs(ctx, id, []string{loginID})
		return answer{err: err}
	})
}

// giveAddress sets the address of a user, which stays as verified as it was, or becomes
// unverified.
func (m *machine) giveAddress(id, to string, unverified bool) {
	verified := m.model.users[id].verified && !unverified
	m.operate("give another address", id, func(s *state, u *account) {
		if u.email != to {
			s.voidInvitations(u, "", u.login, u.email)
		}
		if u.leaked() && !verified {
			u.pw, u.pwState = "", "none" // only an emailed link replaces it, as before
			u.version++
		}
		u.email, u.verified = to, verified
		s.dropLinks(id)
	}, func(o *usher.Operator) error {
		_, err := o.UpdateUser(ctx, id, usher.UpdateUserParams{Email: &usher.EmailAddress{Address: to, Verified: verified}})
		return err
	})
}
