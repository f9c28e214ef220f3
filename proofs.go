package usher

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/usherkit/usher/store"
)

// Proof says how and when the program itself has authenticated a user, for example by
// OpenID Connect, a passkey or a link in an email.
type Proof struct {
	// Methods become the claim amr: values of RFC 8176 §2 such as "hwk", "otp" and
	// "mfa", or names of the program's own such as "email". Each has 1 to 32 ASCII
	// letters, digits, "_", "-" and ".". Required, at most 8.
	Methods []string
	// At is when the user was authenticated. It becomes the claim auth_time, and the
	// absolute lifetime of the session counts from it. Required: not in the future, and
	// less than [SessionConfig.Absolute] ago. A time at most one minute in the future is
	// a difference between clocks, and counts as now.
	At time.Time
}

const (
	maxProofMethods      = 8
	maxProofMethodLength = 32
	// proofClockSkew is how far Proof.At may be in the future.
	proofClockSkew = time.Minute
)

// checkProof returns the proof with a time that is not in the future, or a *FieldError.
func (s *Service) checkProof(p Proof) (Proof, error) {
	now := s.now()
	p.At = p.At.UTC().Truncate(time.Microsecond)
	switch {
	case len(p.Methods) == 0:
		return p, &FieldError{"methods", "required", "must name at least one method, such as those of RFC 8176"}
	case len(p.Methods) > maxProofMethods:
		return p, &FieldError{"methods", "too_long", "must be at most 8 methods"}
	case p.At.IsZero():
		return p, &FieldError{"at", "required", "must be the time at which the user was authenticated"}
	case p.At.After(now.Add(proofClockSkew)):
		return p, &FieldError{"at", "invalid", "must not be in the future"}
	case !p.At.Add(s.cfg.Sessions.Absolute).After(now):
		return p, &FieldError{"at", "invalid", "must be less than the absolute lifetime of a session ago"}
	}
	for _, m := range p.Methods {
		if m == "" || len(m) > maxProofMethodLength || strings.ContainsFunc(m, isNoMethodRune) {
			return p, &FieldError{"methods", "invalid", "must each have 1 to 32 ASCII letters, digits, underscores, dashes and dots"}
		}
	}
	p.At = earlier(p.At, now)
	return p, nil
}

// isNoMethodRune reports whether r must not be in the name of a method.
func isNoMethodRune(r rune) bool {
	letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
	return !letter && !(r >= '0' && r <= '9') && !strings.ContainsRune("_-.", r)
}

// StartSession starts a session for a user whom the program has authenticated by other
// means than the password. What holds for a sign-in after its password was checked holds
// for it too: a disabled user is refused, with [Config.ConfirmFirst] also a user whose
// address is not confirmed; the oldest session above [SessionConfig.Max] ends; if
// [Client.SessionID] is set, that session ends; the sign-in is in the audit table with
// its methods as the reason, and an unknown browser has an event of its own. Limits on
// attempts are the program's: StartSession counts none.
//
// The caller decides whose account a proof opens. For an email address that another
// service has verified, [Service.EnsureUser] does. Package handlers describes the client
// (Client) and delivers the tokens (Finish).
//
// Errors: a [*FieldError] for the fields "methods" and "at"; [ErrNotFound];
// [ErrUserDisabled]; [ErrEmailNotVerified]; [ErrConflict] if the password was changed or
// the user was disabled at the same moment; the error of [Config.Claims];
// [ErrUnavailable].
func (s *Service) StartSession(ctx context.Context, userID string, p Proof, c Client) (*Authentication, error) {
	p, err := s.checkProof(p)
	if err != nil {
		return nil, err
	}
	account, err := s.store.Account(ctx, userID)
	if err != nil {
		return nil, s.storeError(err)
	}
	switch u := account.User; {
	case u.Status != StatusEnabled:
		s.audit.Store(ctx, s.newEvent(EventSignInFailed, u.ID, "", "disabled", c))
		return nil, ErrUserDisabled
	case s.needsConfirmation(u):
		s.audit.Store(ctx, s.newEvent(EventSignInFailed, u.ID, "", "unverified", c))
		return nil, ErrEmailNotVerified
	}
	session, jti := s.newSession(userID, c)
	session.AMR, session.CreatedAt = slices.Clone(p.Methods), p.At
	session.ExpiresAt = p.At.Add(s.cfg.Sessions.Absolute)
	session.IdleExpiresAt = earlier(session.IdleExpiresAt, session.ExpiresAt)
	device := s.knownDeviceID(account, c)
	start, auth, err := s.prepareSessionStart(ctx, account, device, session, jti, c)
	if err != nil {
		return nil, err
	}
	if device == "" {
		start.Events = append(start.Events, s.newEvent(EventSignInNewDevice, userID, session.ID, "", c))
	}
	start.Events[0].Reason = strings.Join(p.Methods, " ")
	ended, err := s.store.StartSession(ctx, start)
	if err != nil {
		return nil, s.storeError(err)
	}
	s.afterSessionsEnded(ctx, ended, start.Events...)
	return auth, nil
}

// prepareSessionStart returns the transaction that starts a session, with the events
// that every sign-in has, and what the client gets after it. device is the id of the
// browser if it is known.
func (s *Service) prepareSessionStart(ctx context.Context, account store.Account, device string, session store.SessionRecord, jti string, c Client) (store.SessionStart, *Authentication, error) {
	u := account.User
	custom, err := s.customClaims(ctx, u)
	if err != nil {
		return store.SessionStart{}, nil, err
	}
	tokens, err := s.newTokens(u, session, jti, custom, c)
	if err != nil {
		return store.SessionStart{}, nil, err
	}
	start := store.SessionStart{
		Session: session, IfPasswordVersion: account.Password.Version,
		EndSession: c.SessionID, Max: s.cfg.Sessions.Max, End: *s.sessionEnd("replaced", c),
	}
	if language := clientLanguage(c); language != u.Language && (device != "" || u.Language == "") {
		start.Language = language
	}
	start.Events = []Event{
		s.newEvent(EventSignIn, u.ID, session.ID, "", c),
		s.newEvent(EventSessionCreated, u.ID, session.ID, "", c),
	}
	auth := &Authentication{User: u, Session: session.Session, Tokens: tokens, Device: s.newDeviceToken(u.ID, device)}
	return start, auth, nil
}
