package usher

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/usherkit/usher/internal/loginid"
	"github.com/usherkit/usher/internal/watch"
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
		if m == "" || len(m) > maxProofMethodLength || strings.Trim(m, idCharacters+".") != "" {
			return p, &FieldError{"methods", "invalid", "must each have 1 to 32 ASCII letters, digits, underscores, dashes and dots"}
		}
	}
	p.At = earlier(p.At, now)
	return p, nil
}

// StartSession starts a session for a user whom the program has authenticated by other
// means than the password. It follows the rules of a sign-in after the check of its
// password: a disabled user is refused, with [Config.ConfirmFirst] also a user whose
// address is not confirmed; the oldest session above [SessionConfig.Max] ends; if
// [Client.SessionID] is set, that session ends; the sign-in is in the audit table with its
// methods as the reason, and an unknown browser has an event of its own. StartSession
// counts no attempts: the program must limit them.
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
	return s.startProven(ctx, account, p, nil, c)
}

// startProven starts a session of a user who may sign in and whom p has authenticated. It
// spends a one-time token in the same transaction, unless spend is nil.
func (s *Service) startProven(ctx context.Context, account store.Account, p Proof, spend *store.TokenSpend, c Client) (*Authentication, error) {
	userID := account.User.ID
	session, jti := s.newSession(userID, c)
	session.AMR, session.CreatedAt = slices.Clone(p.Methods), p.At
	session.ExpiresAt = earlier(session.ExpiresAt, p.At.Add(s.cfg.Sessions.Absolute))
	session.IdleExpiresAt = earlier(session.IdleExpiresAt, session.ExpiresAt)
	device := s.knownDeviceID(account, c)
	start, auth, err := s.prepareSessionStart(ctx, account, device, session, jti, c)
	if err != nil {
		return nil, err
	}
	if device == "" {
		start.Events = append(start.Events, s.newEvent(EventSignInNewDevice, userID, session.ID, "", c))
	}
	start.Spend = spend
	start.Events[0].Reason = strings.Join(p.Methods, " ")
	start.Events[1].Reason = proofReason + start.Events[0].Reason
	ended, err := s.store.StartSession(ctx, start)
	if spend != nil && errors.Is(err, ErrNotFound) {
		// The token was spent, or became void, after it was read.
		return nil, s.refuseToken(ctx, userID, c)
	}
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
		EndSession: c.SessionID, Max: s.cfg.Sessions.Max, End: s.replacedSession(ctx, c).End,
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

// EnsureUserParams is the input of [Service.EnsureUser].
type EnsureUserParams struct {
	// Email is the address as the other service names it. Required.
	Email string
	// EmailVerified says that the other service has verified that the user owns the
	// mailbox: in OpenID Connect the claim email_verified of a provider that the program
	// trusts with this address. Without it EnsureUser returns [ErrEmailNotVerified].
	EmailVerified bool
	// Profile holds the profile fields of a new user, and of one whose address was not
	// verified before. All are optional.
	Profile Profile
}

// EnsureUser returns the user with an email address that another service has verified,
// and creates the user, without a password, if there is none. The address must be the
// login id and the address of the user.
//
// If the user has never proven the address, an attacker may have signed up with it. So
// EnsureUser gives the account to the owner of the mailbox, as a reset does: in one
// transaction it marks the address as verified in the spelling of the service, removes the
// password and the profile, ends all sessions, and makes emailed links and pending changes
// void. The events are [EventEmailVerified] and, if there was a password,
// [EventPasswordChanged] with the reason "unproven_removed".
//
// A new user counts against the limits of sign-ups, and [Config.SignUpRule] is called.
//
// Errors: [ErrEmailNotVerified]; a [*FieldError] or [*InputErrors]; [ErrSignUpClosed] and
// the error of Config.SignUpRule for an unknown address; [ErrLoginIDTaken] if the address
// is the login id of a user who has another address; [ErrUserDisabled]; a [*LimitError]; a
// [*Rejection] of a hook of the store; [ErrConflict] if concurrent calls change the user
// again and again; [ErrUnavailable].
func (s *Service) EnsureUser(ctx context.Context, in EnsureUserParams, c Client) (User, error) {
	in.Email = loginid.Trim(in.Email)
	canonical, badEmail := canonicalEmail("email", in.Email, s.cfg.UnicodeLoginIDs)
	if err := inputErrors(badEmail, checkProfile(in.Profile)); err != nil {
		return User{}, err
	}
	if !in.EmailVerified {
		s.audit.StoreSampled(ctx, "unverified "+widestNetwork(c), s.newEvent(EventSignInFailed, "", "", "unverified", c))
		return User{}, ErrEmailNotVerified
	}
	for range 3 {
		u, err := s.ensureUser(ctx, in, canonical, c)
		// A concurrent call was faster.
		if errors.Is(err, ErrConflict) {
			continue
		}
		if err != nil {
			return User{}, err
		}
		return u, nil
	}
	return User{}, ErrConflict
}

// ensureUser is EnsureUser without repetition. The error is ErrConflict if another call
// has changed the user.
func (s *Service) ensureUser(ctx context.Context, in EnsureUserParams, canonical string, c Client) (User, error) {
	account, err := s.store.AccountByLoginID(ctx, canonical)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return User{}, s.storeError(err)
	}
	i, invitationErr := s.openInvitation(ctx, canonical)
	if invitationErr != nil {
		return User{}, invitationErr
	}
	if err != nil {
		return s.createProvenUser(ctx, in, canonical, i, c)
	}
	u := account.User
	switch {
	case !hasAddress(u, canonical):
		return User{}, ErrLoginIDTaken
	case u.Status != StatusEnabled:
		s.audit.Store(ctx, s.newEvent(EventSignInFailed, u.ID, "", "disabled", c))
		return User{}, ErrUserDisabled
	case u.EmailVerified && i.Hash != nil:
		granted, err := s.grantInvitation(ctx, i, u, c)
		var rejection *Rejection
		switch {
		case errors.As(err, &rejection):
			return u, nil // the user is known without it, and the invitation stays open
		case errors.Is(err, ErrNotFound):
			err = ErrConflict // the user was deleted
		}
		return granted, err
	case u.EmailVerified:
		return u, nil
	}
	claim := store.UserClaim{
		UserID: u.ID, Email: u.Email, Spelling: in.Email, Invitation: i.Hash, IfVersion: account.Password.Version, Profile: in.Profile, Language: clientLanguage(c),
		At: s.now(), End: *s.sessionEnd("password_removed", c), ClearLimits: []string{s.lockKey(u.ID)},
	}
	claim.Events = []Event{s.newEvent(EventEmailVerified, u.ID, "", "other_proof", c)}
	if account.Password.State != store.PasswordNone {
		claim.Events = append(claim.Events, s.newEvent(EventPasswordChanged, u.ID, "", "unproven_removed", c))
	}
	claim.Events = s.accepted(i, u.ID, c, claim.Events...)
	watch.StopUserWatches(ctx, claim.UserID)
	u, ended, err := s.store.ClaimUser(ctx, claim)
	if errors.Is(err, ErrNotFound) {
		err = ErrConflict // the user was deleted
	}
	if err != nil {
		return User{}, s.storeError(err)
	}
	s.afterSessionsEnded(ctx, ended, claim.Events...)
	return u, nil
}

// createProvenUser creates a user without a password whose address is verified.
func (s *Service) createProvenUser(ctx context.Context, in EnsureUserParams, canonical string, i store.Invitation, c Client) (_ User, err error) {
	if s.cfg.SignUpClosed {
		return User{}, ErrSignUpClosed
	}
	limits, err := s.countSignUp(ctx, c)
	if err != nil {
		return User{}, err
	}
	defer s.releaseFailedSignUp(ctx, &err, c)
	now := s.now()
	u := in.Profile.Apply(i.Grant(User{
		ID: "u" + randomString(16), LoginIDs: []string{in.Email}, Email: in.Email, EmailVerified: true,
		Language: clientLanguage(c), Status: StatusEnabled, CreatedAt: now, UpdatedAt: now,
	}))
	if err := s.checkSignUp(ctx, u, nil, c); err != nil {
		return User{}, err
	}
	creation := store.UserCreation{
		User: u, Canonical: []string{canonical}, Invitation: i.Hash,
		Password: store.Password{State: store.PasswordNone, Version: 1, ChangedAt: now},
	}
	creation.Events = s.accepted(i, u.ID, c, s.newEvent(EventUserCreated, u.ID, "", "other_proof", c))
	_, err = s.store.CreateUser(ctx, creation)
	if errors.Is(err, ErrLoginIDTaken) || errors.Is(err, ErrConflict) {
		s.releaseUnlessHungUp(ctx, limits...)
		return User{}, ErrConflict
	}
	if err != nil {
		return User{}, s.signUpError(ctx, err, c)
	}
	s.audit.Notify(ctx, creation.Events...)
	return u, nil
}

// prepareLinkSession returns a session of a user whom an emailed link has proven.
func (s *Service) prepareLinkSession(ctx context.Context, u User, c Client) (*Authentication, *store.SessionRecord, error) {
	custom, err := s.customClaims(ctx, u)
	if err != nil {
		return nil, nil, err
	}
	session, jti := s.newSession(u.ID, c)
	session.AMR = []string{"email"}
	tokens, err := s.newTokens(u, session, jti, custom, c)
	if err != nil {
		return nil, nil, err
	}
	return &Authentication{User: u, Session: session.Session, Tokens: tokens, Device: s.newDeviceToken(u.ID, "")}, &session, nil
}

// addResetSignIn adds the session of Config.ResetSignsIn to the change. It returns
// nil if that is not set.
func (s *Service) addResetSignIn(ctx context.Context, u User, change *store.PasswordChange, c Client) (*Authentication, error) {
	if !s.cfg.ResetSignsIn {
		return nil, nil
	}
	u.EmailVerified = true
	auth, session, err := s.prepareLinkSession(ctx, u, c)
	if err != nil {
		return nil, err
	}
	change.Session = session
	change.Events = append(change.Events, s.newEvent(EventSessionCreated, u.ID, session.ID, "reset", c))
	return auth, nil
}
