package model

import (
	"maps"
	"slices"
	"time"
)

// state is the state of the model: the users with their passwords, the sessions, the links
// and the invitations.
type state struct {
	users       map[string]*account // by id; a user whose id is not known yet is at ""
	sessions    []*session
	links       []*link
	invitations []*invitation
}

// account is a user.
type account struct {
	id, email string
	login     string // the only login id, which an operator may have replaced
	verified  bool
	disabled  bool
	roles     string // of the invitations that were accepted, separated by blanks
	// pw is the password. pwState is what it may be used for: active, expired,
	// temporary, breached, none.
	pw, pwState string
	// lapses is when a temporary password becomes a wrong one.
	lapses time.Time
	// version grows with every change of the password.
	version int
	// banned is the password that an operator has made useless, or that has leaked.
	banned string
	// unproven is when a session alone set the password.
	unproven time.Time
	// robbed says that the attacker set the password, with a stolen session.
	robbed bool
}

// session is a session, live or not.
type session struct {
	id, user string
	reset    bool // it can only set a password
	holder   string
	proof    string // what it began with: "" is the password
	ended    bool
	created  time.Time
	idle     time.Time // when it expires without a refresh
	expires  time.Time

	// The refresh tokens: parent was exchanged for the children, of which the last is
	// the newest. A child is "" if its answer was lost.
	parent    string
	children  []string
	rotatedAt time.Time
	retired   map[string]time.Time // until when an earlier parent still gets the newest
	known     []string             // every refresh token that the holder got
	validTo   map[string]time.Time // when each of them expires

	access   string // the newest session token, or the token of the reset session
	accessAt time.Time
	// confirmed is when the password was given again for that token. tenant is the current
	// one of the session.
	confirmed time.Time
	tenant    string
}

// authTime is when the holder of the newest session token has proven to be the user.
func (x *session) authTime() time.Time {
	if x.confirmed.IsZero() {
		return x.created
	}
	return x.confirmed
}

// link is an emailed link.
type link struct {
	raw     string // "" if the email was not read yet
	code    string
	kind    string // reset, claim, verify_email, change_email
	user    string
	email   string // the address of the user when it was made
	to      string // where it was sent to
	version int
	made    time.Time
	expires time.Time
	gone    bool // spent, dropped or replaced
	hidden  bool // stored without being sent
}

func (s *state) clone() *state {
	c := &state{users: map[string]*account{}}
	for id, u := range s.users {
		copied := *u
		c.users[id] = &copied
	}
	for _, x := range s.sessions {
		copied := *x
		copied.children, copied.known = slices.Clone(x.children), slices.Clone(x.known)
		copied.retired, copied.validTo = maps.Clone(x.retired), maps.Clone(x.validTo)
		c.sessions = append(c.sessions, &copied)
	}
	for _, l := range s.links {
		copied := *l
		c.links = append(c.links, &copied)
	}
	for _, i := range s.invitations {
		copied := *i
		c.invitations = append(c.invitations, &copied)
	}
	return c
}

// has reports whether pw is the password of the user.
func (u *account) has(pw string, now time.Time) bool {
	return u.pwState != "none" && u.pw == pw && (u.pwState != "temporary" || now.Before(u.lapses))
}

// leaked reports whether only an emailed link may replace the password.
func (u *account) leaked() bool { return u.pwState == "breached" && u.verified }

// holderOf returns the user with that login id, or nil.
func (s *state) holderOf(loginID string) *account {
	for _, u := range s.users {
		if u.login == loginID {
			return u
		}
	}
	return nil
}

// session returns the session with that id.
func (s *state) session(id string) *session {
	for _, x := range s.sessions {
		if x.id == id {
			return x
		}
	}
	return nil
}

// live reports whether the session can be used at now.
func (s *state) live(x *session, now time.Time) bool {
	u := s.users[x.user]
	return !x.ended && u != nil && !u.disabled && now.Before(x.idle) && now.Before(x.expires)
}

// works reports whether the link can be used at now.
func (s *state) works(l *link, now time.Time) bool {
	u := s.users[l.user]
	return !l.gone && u != nil && !u.disabled && u.email == l.email && u.version == l.version && now.Before(l.expires)
}

// codeWorks reports whether the code beside a link works: not as long as a link to confirm
// an address.
func (s *state) codeWorks(l *link, now time.Time) bool {
	return s.works(l, now) && now.Before(l.made.Add(codeLifetime))
}

// open returns the working links of one kind, oldest first.
func (s *state) open(user, kind string, now time.Time) (open []*link) {
	for _, l := range s.links {
		if l.user == user && l.kind == kind && s.works(l, now) {
			open = append(open, l)
		}
	}
	return open
}

// endSessions ends the sessions of a user.
func (s *state) endSessions(user string) {
	for _, x := range s.sessions {
		if x.user == user {
			x.ended = true
		}
	}
}

// dropLinks makes the links and the reset sessions of a user useless.
func (s *state) dropLinks(user string) {
	for _, l := range s.links {
		if l.user == user {
			l.gone = true
		}
	}
	for _, x := range s.sessions {
		if x.user == user && x.reset {
			x.ended = true
		}
	}
}

// setPassword changes a password: sessions end, and links become void.
func (s *state) setPassword(u *account, pw, pwState string) {
	u.pw, u.pwState, u.banned, u.lapses, u.unproven, u.robbed = pw, pwState, "", time.Time{}, time.Time{}, false
	u.version++
	s.endSessions(u.id)
	s.dropLinks(u.id)
}

// setSamePassword is setPassword for a change that only the present password authorizes.
func (s *state) setSamePassword(u *account, pw, pwState string) {
	before := *u
	s.setPassword(u, pw, pwState)
	u.unproven, u.robbed = before.unproven, before.robbed
	if pwState == "breached" {
		u.banned = before.banned
	}
	if pwState == "temporary" {
		u.lapses = before.lapses
	}
}

// The lifetimes and limits of the Service, as its documentation says.
const (
	tokenLifetime  = 10 * time.Minute
	idleTimeout    = 14 * 24 * time.Hour
	absolute       = 30 * 24 * time.Hour
	grace          = 10 * time.Second
	recent         = 5 * time.Minute
	resetLifetime  = 10 * time.Minute
	codeLifetime   = 10 * time.Minute
	verifyLifetime = 24 * time.Hour
	openLinks      = 3
	maxChildren    = 8
	unprovenTime   = 24 * time.Hour
	temporaryTime  = 7 * 24 * time.Hour
	invitationTime = 7 * 24 * time.Hour
)

// start adds a session. Its id and its tokens are those of the answer, or "".
func (s *state) start(user, holder string, now time.Time, a answer) *session {
	x := &session{
		id: a.sessionID, user: user, holder: holder, created: now, idle: now.Add(idleTimeout), expires: now.Add(absolute),
		rotatedAt: now, children: []string{a.refresh}, retired: map[string]time.Time{}, validTo: map[string]time.Time{},
	}
	x.got(a, now)
	s.sessions = append(s.sessions, x)
	return x
}

// got records the tokens of an answer.
func (x *session) got(a answer, now time.Time) {
	if a.refresh != "" && !slices.Contains(x.known, a.refresh) {
		x.known = append(x.known, a.refresh)
		x.validTo[a.refresh] = x.idle
	}
	if a.access != "" {
		x.access, x.accessAt, x.confirmed = a.access, now, time.Time{}
	}
}

// mail adds a link. If it replaces the oldest of several, that one is gone.
func (s *state) mail(u *account, kind, to string, now time.Time, lifetime time.Duration) *link {
	for _, l := range s.links {
		if l.user == u.id && l.kind == kind && l.to != to {
			l.gone = true // only one change of address is pending
		}
	}
	if open := s.open(u.id, kind, now); len(open) >= openLinks {
		open[0].gone = true
	}
	l := &link{kind: kind, user: u.id, email: u.email, to: to, version: u.version, made: now, expires: now.Add(lifetime)}
	s.links = append(s.links, l)
	return l
}

// refresh presents a refresh token. It returns whether the session goes on. next is the
// token of the answer, or "".
func (x *session) refresh(presented string, a answer, now time.Time) bool {
	repeatsUntil := x.rotatedAt.Add(grace)
	if len(x.children) >= maxChildren {
		repeatsUntil = time.Time{}
	}
	newest := len(x.children) - 1
	until, retired := x.retired[presented]
	switch {
	case slices.Contains(x.children, presented):
		for t, until := range x.retired {
			if !now.Before(until) {
				delete(x.retired, t)
			}
		}
		if x.parent != "" && now.Before(repeatsUntil) {
			x.retired[x.parent] = repeatsUntil
		}
		x.parent, x.children, x.rotatedAt = presented, []string{a.refresh}, now
	case retired && now.Before(until), !retired && presented == x.parent && now.Before(repeatsUntil):
		if a.refresh != "" {
			x.children[newest] = a.refresh // the answer with it may have been lost
		}
		x.got(a, now)
		return true
	case !retired && presented == x.parent:
		x.children = append(x.children, a.refresh)
		x.children = x.children[max(0, len(x.children)-maxChildren):]
		x.rotatedAt = now
	default:
		x.ended = true
		return false
	}
	x.idle = earlier(now.Add(idleTimeout), x.expires)
	x.got(a, now)
	return true
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
