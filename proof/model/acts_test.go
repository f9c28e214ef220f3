package model

import (
	"errors"
	"slices"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/password"
	"github.com/usherkit/usher/token"
)

// answer is what an act returned: tokens, or a refusal.
type answer struct {
	err               error
	userID, sessionID string
	access, refresh   string
}

// effect changes the model as the act must have changed the Service. It is applied to a
// copy, with the zero answer, to get the state after an act whose answer was lost.
type effect func(s *state, a answer)

// expectation is the outcome that the model expects of an act: an effect, an error, or,
// for an invalid refresh token, both.
type expectation struct {
	effect effect
	err    error // matched by errors.Is; nil is success
	// limited says that a limit of the Service, which the model does not have, may refuse
	// the act.
	limited bool
}

func refused(err error) expectation { return expectation{err: err} }
func changes(e effect) expectation  { return expectation{effect: e} }
func succeeds() expectation         { return expectation{} }
func of(r usher.Result, err error) answer {
	if err != nil || r.Authentication == nil {
		return answer{err: err}
	}
	return authenticated(r.Authentication, err)
}

func authenticated(auth *usher.Authentication, err error) answer {
	if err != nil {
		return answer{err: err}
	}
	return answer{
		userID: auth.User.ID, sessionID: auth.Session.ID,
		access: auth.Tokens.Session.Reveal(), refresh: auth.Tokens.Refresh.Reveal(),
	}
}

// errAny is a refusal of the input: by the policy, or for a field.
var errAny = errors.New("any refusal")

// errUnproven is the refusal of a password that a session alone has set, or that has leaked.
var errUnproven = errors.New("an EmailProofError")

// The refusals of a password that has leaked: an emailed link replaces it, or it replaces itself.
var errReplaceByEmail, errReplaceItself = errors.New("a BreachedPasswordError, by email"), errors.New("a BreachedPasswordError")

// The acts. Each derives from the model what the Service must do, and does it.

func (m *machine) signUp(actor, email, pw string) {
	want := refused(usher.ErrLoginIDTaken)
	if m.model.holderOf(email) == nil {
		want = changes(func(s *state, a answer) {
			u := &account{id: a.userID, email: email, login: email, pw: pw, pwState: "active", version: 1}
			s.users[u.id] = u
			s.start(u.id, actor, m.now(), a)
			s.mail(u, "verify_email", email, m.now(), verifyLifetime)
		})
	}
	m.act("sign-up", want, func(s *usher.Service) answer {
		return of(s.SignUp(ctx, usher.SignUpParams{LoginID: email, Password: usher.Secret(pw)}, client(actor)))
	})
}

// mayEnter returns the refusal of a sign-in, or nil.
func (m *machine) mayEnter(email, pw string, replacing bool) error {
	u := m.model.holderOf(email)
	switch {
	case u == nil || !u.has(pw, m.now()):
		return usher.ErrInvalidCredentials
	case u.disabled:
		return usher.ErrUserDisabled
	case u.leaked():
		return errReplaceByEmail
	case u.pwState == "breached" && !replacing:
		return errReplaceItself
	case u.pwState != "active" && !replacing:
		return usher.ErrPasswordExpired
	}
	return nil
}

func (m *machine) signIn(actor, email, pw string) {
	want := refused(m.mayEnter(email, pw, false))
	if u := m.model.holderOf(email); want.err == nil {
		want = changes(func(s *state, a answer) { s.start(u.id, actor, m.now(), a) })
	}
	m.act("sign-in", want, func(s *usher.Service) answer {
		return of(s.SignIn(ctx, usher.SignInParams{LoginID: email, Password: usher.Secret(pw)}, client(actor)))
	})
}

// signInLeaked signs in with a password that is in the list of leaked ones, on an instance
// that has not looked it up before.
func (m *machine) signInLeaked(actor, email, pw string) {
	want := refused(m.mayEnter(email, pw, false))
	if u := m.model.holderOf(email); want.err == nil {
		want = expectation{err: errReplaceItself, effect: func(s *state, _ answer) {
			u := s.users[u.id]
			u.pwState, u.banned = "breached", u.pw
			u.version++
		}}
		if u.verified {
			want.err = errReplaceByEmail
		}
	}
	m.w.restart(m.t, m.by)
	m.w.leaks.Store(true)
	m.act("sign-in with a leaked password", want, func(s *usher.Service) answer {
		defer m.w.leaks.Store(false)
		return of(s.SignIn(ctx, usher.SignInParams{LoginID: email, Password: usher.Secret(pw)}, client(actor)))
	})
}

// startSession starts a session for a user whom the program has authenticated otherwise.
func (m *machine) startSession(actor, id string) {
	want := refused(usher.ErrUserDisabled)
	if !m.model.users[id].disabled {
		want = changes(func(s *state, a answer) { s.start(id, actor, m.now(), a).proof = "hwk" })
	}
	m.act("start a session", want, func(s *usher.Service) answer {
		return authenticated(s.StartSession(ctx, id, usher.Proof{Methods: []string{"hwk"}, At: m.now()}, client(actor)))
	})
}

// claimsOf are the claims of a session, as a program has them that verified a token of it
// before.
func claimsOf(x *session) *token.Claims {
	t := token.TypeSession
	if x.reset {
		t = token.TypeReset
	}
	return &token.Claims{Subject: x.user, SessionID: x.id, Type: t, AuthTime: x.authTime()}
}

func (m *machine) requestReset(actor, loginID string) {
	want := succeeds()
	u := m.model.holderOf(loginID)
	if u != nil && !u.disabled {
		kind := "claim"
		if u.verified {
			kind = "reset"
		}
		if len(m.model.open(u.id, kind, m.now())) < openLinks {
			want = changes(func(s *state, _ answer) { s.mail(s.users[u.id], kind, u.email, m.now(), resetLifetime) })
		}
	}
	m.act("request a reset", want, func(s *usher.Service) answer {
		return answer{err: s.SendPasswordReset(ctx, usher.SendPasswordResetParams{LoginID: loginID}, client(actor))}
	})
}

func isReset(l *link) bool { return l.kind == "reset" || l.kind == "claim" }

func (m *machine) completeReset(actor string, l *link, pw string) {
	want, works := refused(usher.ErrInvalidToken), m.model.works(l, m.now())
	in := usher.ResetPasswordParams{Token: usher.Secret(l.raw), NewPassword: usher.Secret(pw)}
	if m.byCode && l.code != "" {
		in.Token, in.LoginID, in.Code = "", m.loginIDOf(l), usher.Secret(l.code)
		want, works = refused(usher.ErrInvalidCode), m.model.codeWorks(l, m.now())
	}
	switch {
	case !isReset(l) || !works:
	case m.model.users[l.user].banned == pw:
		want = refused(errAny)
	default:
		want = changes(func(s *state, _ answer) {
			u := s.users[l.user]
			u.verified = true
			s.setPassword(u, pw, "active")
			s.grant(u, m.now())
		})
	}
	want.limited = true
	m.act("complete the reset", want, func(s *usher.Service) answer {
		return of(s.ResetPassword(ctx, in, client(actor)))
	})
}

func (m *machine) startReset(actor string, l *link) {
	want := refused(usher.ErrInvalidToken)
	if isReset(l) && m.model.works(l, m.now()) {
		want = changes(func(s *state, a answer) {
			l := s.find(l)
			l.gone = true
			if u := s.users[l.user]; l.kind == "claim" {
				s.claim(u, m.now())
			} else {
				s.grant(u, m.now())
			}
			if a.sessionID == "" {
				return // the answer was lost, and with it the only token of the session
			}
			expires := m.now().Add(resetLifetime)
			s.sessions = append(s.sessions, &session{
				id: a.sessionID, user: l.user, holder: actor, reset: true, created: m.now(), idle: expires, expires: expires, access: a.access,
			})
		})
	}
	m.act("start the reset", want, func(s *usher.Service) answer {
		r, err := s.VerifyReset(ctx, usher.Secret(l.raw), client(actor))
		if err != nil {
			return answer{err: err}
		}
		claims, err := s.ValidateReset(ctx, r.Token)
		if err != nil {
			return answer{err: err}
		}
		return answer{sessionID: claims.SessionID, access: r.Token.Reveal()}
	})
}

// verify follows a link that proves an address, or gives its code, with a session or a
// password.
func (m *machine) verify(actor string, l *link, x *session, pw string) {
	now := m.now()
	u := m.model.users[l.user]
	want, works := refused(usher.ErrInvalidToken), m.model.works(l, now)
	in := usher.VerifyEmailParams{Token: usher.Secret(l.raw), Password: usher.Secret(pw)}
	byCode := m.byCode && l.code != ""
	if byCode {
		in.Token, in.LoginID, in.Code = "", m.loginIDOf(l), usher.Secret(l.code)
		want, works = refused(usher.ErrInvalidCode), m.model.codeWorks(l, now)
	}
	switch {
	case isReset(l) || !works:
	case x != nil && x.user == l.user && !x.reset && m.model.live(x, now), pw != "" && u.has(pw, now):
		holder := m.model.holderOf(l.to)
		switch {
		case l.kind == "verify_email":
			want = changes(func(s *state, _ answer) {
				s.find(l).gone = true
				s.users[l.user].verified = true
				s.grant(s.users[l.user], now)
			})
		case holder == nil || holder.id == l.user || u.login != u.email:
			want = changes(func(s *state, _ answer) {
				u := s.users[l.user]
				s.voidInvitations(u, l.to, u.login, u.email)
				if u.login == u.email {
					u.login = l.to
				}
				u.email, u.verified = l.to, true
				s.grant(u, now)
				s.dropLinks(l.user)
			})
		default:
			want = refused(usher.ErrInvalidToken) // the new address is another user's login id
		}
	case pw == "":
		want = refused(usher.ErrPasswordRequired)
	default:
		want = refused(usher.ErrInvalidCredentials)
	}
	want.limited = byCode
	m.act("verify", want, func(s *usher.Service) answer {
		var claims *token.Claims
		if x != nil {
			claims = claimsOf(x)
		}
		_, err := s.VerifyEmail(ctx, claims, in, client(actor))
		return answer{err: err}
	})
}

// ended returns the refusal of an act that needs a live session, or nil.
func (m *machine) ended(x *session) error {
	switch {
	case x.reset:
		return usher.ErrForbidden
	case !m.model.live(x, m.now()):
		return usher.ErrInvalidSession
	}
	return nil
}

func (m *machine) changeEmail(x *session, to, current string) {
	want := refused(m.ended(x))
	u := m.model.users[x.user]
	switch {
	case want.err != nil:
	case u.email == to:
		want = refused(errAny)
	case !u.has(current, m.now()):
		want = refused(usher.ErrInvalidCredentials)
	case u.leaked(), m.now().Before(u.unproven.Add(unprovenTime)):
		want = refused(errUnproven)
	default:
		holder := m.model.holderOf(to)
		taken := holder != nil && holder.id != u.id
		want = changes(func(s *state, _ answer) {
			s.mail(s.users[u.id], "change_email", to, m.now(), verifyLifetime).hidden = taken
		})
	}
	m.act("change the address", want, func(s *usher.Service) answer {
		return answer{err: s.ChangeEmail(ctx, claimsOf(x), usher.ChangeEmailParams{NewEmail: to, CurrentPassword: usher.Secret(current)}, client(x.holder))}
	})
}

func (m *machine) resendVerification(x *session) {
	want := refused(m.ended(x))
	if u := m.model.users[x.user]; want.err == nil {
		want = succeeds()
		if !u.verified {
			want = changes(func(s *state, _ answer) {
				s.mail(s.users[u.id], "verify_email", u.email, m.now(), verifyLifetime)
			})
		}
	}
	m.act("send another verification", want, func(s *usher.Service) answer {
		return answer{err: s.SendEmailVerification(ctx, claimsOf(x), client(x.holder))}
	})
}

func (m *machine) cancelChange(x *session) {
	want := refused(m.ended(x))
	if want.err == nil {
		want = refused(usher.ErrNotFound)
		if len(m.model.open(x.user, "change_email", m.now())) > 0 {
			want = changes(func(s *state, _ answer) {
				for _, l := range s.open(x.user, "change_email", m.now()) {
					l.gone = true
				}
			})
		}
	}
	m.act("cancel the change", want, func(s *usher.Service) answer {
		return answer{err: s.CancelEmailChange(ctx, claimsOf(x), client(x.holder))}
	})
}

// loginIDOf returns the login id that its reader gives with the code of a link.
func (m *machine) loginIDOf(l *link) string {
	if u := m.model.users[l.user]; u != nil {
		return u.login
	}
	return l.email
}

// find returns the copy of a link in s.
func (s *state) find(l *link) *link {
	i := slices.IndexFunc(s.links, func(other *link) bool {
		return other.raw == l.raw && other.kind == l.kind && other.user == l.user && other.made.Equal(l.made)
	})
	return s.links[i]
}

func isPolicy(err error) bool {
	var policy *password.PolicyError
	var field *usher.FieldError
	return errors.As(err, &policy) || errors.As(err, &field)
}
