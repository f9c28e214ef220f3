package model

import (
	"sync"
	"sync/atomic"

	"github.com/usherkit/usher"
)

// meeting makes the first of two instances that wants to change the store wait for the
// other, so that both have read the same.
type meeting struct {
	arrived atomic.Int32
	met     chan struct{}
	open    sync.Once
}

// arrive returns when the other instance has arrived or left.
func (m *meeting) arrive() {
	if m.arrived.Add(1) >= 2 {
		m.leave()
	}
	<-m.met
}

func (m *meeting) leave() { m.open.Do(func() { close(m.met) }) }

// race lets both instances do something at the same time. Each result but one must match
// the error of the loser, which is nil if all may succeed. It returns the number of the
// instance that succeeded, or -1, and its answer.
func (m *machine) race(name string, loser expectation, do func(i int, s *usher.Service) answer) (winner int, won answer) {
	m.crash = ""
	var answers [2]answer
	var done sync.WaitGroup
	first := &meeting{met: make(chan struct{})}
	m.w.store.race.Store(first)
	for i, s := range m.w.instances {
		done.Go(func() { answers[i] = do(i, s); first.leave() })
	}
	done.Wait()
	m.w.store.race.Store(nil)
	m.t.Logf("%s on both instances: %v, %v", name, answers[0].err, answers[1].err)
	for i := range m.w.instances {
		m.w.restart(m.t, i) // which of them was first is not known
	}
	winner = -1
	for i, a := range answers {
		switch {
		case a.err == nil && (winner < 0 || loser.err == nil):
			winner, won = i, a
		case a.err == nil:
			m.t.Fatalf("%s: both instances succeeded", name)
		case !loser.matches(a.err) && !(loser.limited && limited(a.err)):
			m.t.Fatalf("%s: %v, want %v", name, a.err, loser.err)
		}
	}
	return winner, won
}

func (m *machine) raceSignUp(actor, email string) {
	holder := m.model.holderOf(email)
	next := m.model.clone()
	winner, a := m.race("sign-up", refused(usher.ErrLoginIDTaken), func(i int, s *usher.Service) answer {
		return of(s.SignUp(ctx, usher.SignUpParams{LoginID: email, Password: usher.Secret(passwords[actor][i%len(passwords[actor])])}, client(actor)))
	})
	if (winner >= 0) != (holder == nil) {
		m.t.Fatalf("the sign-up succeeded on instance %d, and the login id was held: %t", winner, holder != nil)
	}
	if winner >= 0 {
		u := &account{id: a.userID, email: email, login: email, pw: passwords[actor][winner%len(passwords[actor])], pwState: "active", version: 1}
		next.users[u.id] = u
		next.start(u.id, actor, m.now(), a)
		next.mail(u, "verify_email", email, m.now(), verifyLifetime)
	}
	m.adopt(next)
}

// raceReset lets both instances spend the same link, for two passwords.
func (m *machine) raceReset(l *link) {
	works := isReset(l) && m.model.works(l, m.now())
	if works && m.model.users[l.user].banned != "" {
		return // one of the passwords may be refused
	}
	chosen := []string{pass1, pass2}
	next := m.model.clone()
	winner, _ := m.race("complete the reset", expectation{err: usher.ErrInvalidToken, limited: true}, func(i int, s *usher.Service) answer {
		return of(s.ResetPassword(ctx, usher.ResetPasswordParams{Token: usher.Secret(l.raw), NewPassword: usher.Secret(chosen[i])}, client(reader(l))))
	})
	if winner >= 0 && !works || winner < 0 && works {
		m.t.Fatalf("the link works by the model: %t, and instance %d spent it", works, winner)
	}
	if winner >= 0 {
		u := next.users[l.user]
		u.verified = true
		next.setPassword(u, chosen[winner], "active")
		next.grant(u, m.now())
	}
	m.adopt(next)
}

// raceRefresh lets two tabs exchange the same token on both instances. Both go on, with
// the same tokens.
func (m *machine) raceRefresh(x *session, presented string) {
	next := m.model.clone()
	y := next.session(x.id)
	live := m.model.live(x, m.now()) && m.now().Before(x.validTo[presented])
	loser := refused(usher.ErrInvalidSession)
	goesOn := live && m.model.clone().session(x.id).refresh(presented, answer{}, m.now())
	if goesOn {
		loser = succeeds()
	}
	winner, a := m.race("refresh", loser, func(_ int, s *usher.Service) answer {
		return authenticated(s.RefreshSession(ctx, usher.Secret(presented), client(x.holder)))
	})
	if (winner >= 0) != goesOn {
		m.t.Fatalf("the session goes on by the model: %t, and instance %d exchanged the token", goesOn, winner)
	}
	if live {
		y.refresh(presented, a, m.now())
	}
	m.adopt(next)
	if goesOn && m.model.session(x.id).children[len(m.model.session(x.id).children)-1] != a.refresh {
		m.t.Fatalf("two tabs got different tokens")
	}
}
