package usher

import (
	"context"
	"errors"
	"math"
	"net/url"
	"strings"
	"time"

	"github.com/usherkit/usher/internal/background"
	"github.com/usherkit/usher/internal/loginid"
	"github.com/usherkit/usher/password"
	"github.com/usherkit/usher/store"
)

// SignUpParams is the input of [Service.SignUp].
type SignUpParams struct {
	// LoginID names the user, usually by an email address. Required.
	LoginID string
	// Password is the chosen password. Required.
	Password Secret
	// Email is the address for emails to the user. If LoginID is an email address,
	// Email defaults to it and must be the same. Otherwise it defaults to none, except
	// that [Config.ConfirmFirst] requires one.
	Email string
	// Profile holds profile fields that the user edits. All are optional.
	Profile Profile
	// Fields are the values of [Config.SignUpFields] by name: a string for a text and a
	// bool for a box.
	Fields Fields
}

// SignUp creates a user and signs the user in: it returns [NextSignedIn]. The email
// address is unverified, and an email with a link asks the user to prove it.
//
// With [Config.ConfirmFirst] SignUp only sends the email and returns
// [NextConfirmEmail]. The result and the work are the same whether the login id is
// free or taken, so neither reveals whether an account exists. If it is taken, the
// email notifies its owner.
//
// A password that the policy refuses without a look-up does not count as a sign-up. A
// password that only the list of leaked passwords refuses counts. A sign-up that the
// program refuses, or that an outage prevents, does not count either, but a network may
// send only three times as many requests as sign-ups.
//
// Errors: [ErrSignUpClosed]; a [*FieldError], a [*password.PolicyError] or [*InputErrors]
// of both kinds; a [*LimitError] after too many sign-ups from the network or if the hashing
// queue is full; the error of [Config.SignUpRule] and of the Check of a field, which reveal
// nothing about the login id: a [*Rejection], or [*InputErrors] of several;
// [ErrLoginIDTaken], except with Config.ConfirmFirst; a [*Rejection] of a hook of the
// store, also with Config.ConfirmFirst, where it reveals that the login id is free; the
// error of [Config.Claims]; [ErrUnavailable].
func (s *Service) SignUp(ctx context.Context, in SignUpParams, c Client) (_ Result, err error) {
	in.LoginID, in.Email = loginid.Trim(in.LoginID), loginid.Trim(in.Email)
	if s.cfg.SignUpClosed {
		return Result{}, ErrSignUpClosed
	}
	u, canonical, err := s.newUser(in)
	fields, badFields := s.signUpFields(in.Fields)
	badPassword := s.checkPasswordInput("password", in.Password)
	if badPassword == nil {
		// Checks inside this process are cheap and do not count as a sign-up. A
		// query of the list of leaked passwords goes to another server and counts.
		badPassword = s.checkPolicyLocally(ctx, in.Password, u)
	}
	if errors.Is(badPassword, ErrUnavailable) {
		return Result{}, badPassword
	}
	if err := inputErrors(err, badPassword, badFields); err != nil {
		return Result{}, err
	}
	limits, err := s.countSignUp(ctx, c)
	if err != nil {
		return Result{}, err
	}
	defer s.releaseFailedSignUp(ctx, &err, c)
	if err := s.checkSignUp(ctx, u, fields, c); err != nil {
		return Result{}, err
	}
	if s.cfg.Password.Breached != nil {
		if err := s.checkPolicy(ctx, in.Password, u); err != nil {
			return Result{}, err
		}
	}
	hash, err := s.hasher.Hash(s.withHashQueue(ctx, canonical, false, c), in.Password.Reveal())
	if err != nil {
		err = s.hashError(ctx, err, c)
		if errors.As(err, new(*LimitError)) {
			s.releaseUnlessHungUp(ctx, limits...)
		}
		return Result{}, err
	}
	s.rememberAttempt(&attempt{canonical: canonical, client: c}, 1)
	ctx, cancel := background.Uncanceled(ctx) // a client that hangs up must not use up the owner's emails
	defer cancel()
	now := s.now()
	u.Language = clientLanguage(c)
	creation := store.UserCreation{
		User: u, Canonical: []string{canonical}, Fields: fields,
		Password: store.Password{Hash: hash, State: store.PasswordActive, Version: 1, ChangedAt: now},
	}
	creation.Events = []Event{s.newEvent(EventUserCreated, u.ID, "", "", c)}
	if s.cfg.ConfirmFirst {
		if err := s.signUpConfirmFirst(ctx, creation, canonical, c); err != nil {
			return Result{}, err
		}
		return Result{Next: NextConfirmEmail}, nil
	}
	session, jti := s.newSession(u.ID, c)
	custom, err := s.customClaims(ctx, u)
	if err != nil {
		return Result{}, err
	}
	tokens, err := s.newTokens(u, session, jti, custom, c)
	if err != nil {
		return Result{}, err
	}
	if u.Email != "" {
		if err := s.addVerificationEmail(ctx, &creation, c); err != nil {
			return Result{}, err
		}
	}
	creation.Session = &session
	creation.Events = append(creation.Events, s.newEvent(EventSessionCreated, u.ID, session.ID, "", c))
	creation.Replaces = s.replacedSession(ctx, c)
	ended, err := s.createUser(ctx, creation)
	if errors.Is(err, ErrLoginIDTaken) {
		s.audit.Store(ctx, s.newEvent(EventSignUpRefused, "", "", "login_id_taken", c))
		return Result{}, ErrLoginIDTaken
	}
	if err != nil {
		return Result{}, s.signUpError(ctx, err, c)
	}
	s.wakeOutbox(creation.Emails)
	s.afterSessionsEnded(ctx, ended, creation.Events...)
	return signedIn(&Authentication{
		User: u, Session: session.Session, Tokens: tokens, Device: s.newDeviceToken(u.ID, ""), UserCreated: true,
	}), nil
}

// countSignUp counts a sign-up of a network, and returns the limits.
func (s *Service) countSignUp(ctx context.Context, c Client) ([]namedLimit, error) {
	n := s.cfg.Limits.SignUps
	limits := s.hourlyNetworkLimits(limitSignUps, n, c)
	limits = append(limits, s.hourlyNetworkLimits(limitSignUpRequests, min(3*n, math.MaxInt32), c)...)
	_, err := s.takeLimitsOrError(ctx, c, limits...)
	return limits, err
}

// releaseFailedSignUp releases the sign-up that the program has refused, or that an outage
// or an error of the program has prevented. It stays counted as a request, of which a network
// has three times as many, so that an attacker cannot guess the program's codes without end,
// also if the hook fails with an error of its database in place of a refusal. It is to be
// deferred.
func (s *Service) releaseFailedSignUp(ctx context.Context, err *error, c Client) {
	switch {
	case *err == nil, errors.Is(*err, ErrLoginIDTaken), errors.As(*err, new(*password.PolicyError)):
		// They count.
	case errors.Is(*err, ErrConflict), errors.As(*err, new(*LimitError)):
		// The caller has released them.
	default:
		s.releaseUnlessHungUp(ctx, s.hourlyNetworkLimits(limitSignUps, s.cfg.Limits.SignUps, c)...)
	}
}

// signUpConfirmFirst is the part of SignUp for Config.ConfirmFirst. Result, work
// and time are the same whether the login id is free or taken.
func (s *Service) signUpConfirmFirst(ctx context.Context, creation store.UserCreation, canonical string, c Client) error {
	account, err := s.store.AccountByLoginID(ctx, canonical)
	if errors.Is(err, ErrNotFound) {
		if err := s.addVerificationEmail(ctx, &creation, c); err != nil {
			return err
		}
		_, err = s.createUser(ctx, creation)
		if err == nil {
			s.wakeOutbox(creation.Emails)
			s.audit.Notify(ctx, creation.Events...)
			return nil
		}
		if !errors.Is(err, ErrLoginIDTaken) {
			return s.signUpError(ctx, err, c)
		}
		account, err = s.store.AccountByLoginID(ctx, canonical) // a concurrent sign-up was faster
		if errors.Is(err, ErrNotFound) {
			err = errors.New("the login id was taken and is free again") // that user was deleted
		}
	}
	if err != nil {
		return s.storeError(err)
	}
	return s.refuseTakenLoginID(ctx, account, canonical, c)
}

// refuseTakenLoginID notifies the owner of a login id that another client tried to
// sign up with it.
func (s *Service) refuseTakenLoginID(ctx context.Context, account store.Account, canonical string, c Client) error {
	u := account.User
	effects := store.Effects{Events: []Event{s.newEvent(EventSignUpRefused, u.ID, "", "login_id_taken", c)}}
	known := u.Email != "" && u.Status == StatusEnabled
	if known && !u.EmailVerified {
		// The client that signed up first may not own the mailbox. The owner gets
		// a link that sets a new password and ends all sessions.
		return s.sendReset(ctx, account, canonical, linkTarget{}, effects.Events[0], c)
	}
	to, limits := u.Email, []namedLimit{s.sharedEmailLimit(u.Email)}
	if !known {
		to, limits = canonical, s.dummyEmailLimits(canonical)
	}
	refusal, err := s.countEmailEvenly(ctx, to, limits)
	if err != nil {
		return err
	}
	m := forUser(u, Message{Kind: MessageAlreadyRegistered}, c)
	switch queued := s.sealEmail(to, m, c); {
	case !known:
	case refusal != "":
		s.reportDroppedEmail(ctx, m, refusal, c)
	default:
		effects.Emails = queued
	}
	return s.recordTakenLoginID(ctx, effects, limits)
}

// recordTakenLoginID stores effects, and releases the limits unless they have an email.
// It adds a link without a user, which the store refuses, to make as many round trips as
// for a new user.
func (s *Service) recordTakenLoginID(ctx context.Context, effects store.Effects, limits []namedLimit) error {
	refused := &store.TokenRefusal{Effects: effects}
	if len(effects.Emails) == 0 {
		refused.ReleaseLimits = limitKeys(limits)
	}
	err := s.store.AddOneTimeToken(ctx, store.TokenAddition{
		Token:   store.OneTimeToken{Hash: hashOf(randomString(32)), Purpose: store.PurposeVerifyEmail, CreatedAt: s.now()},
		Refused: refused,
	})
	if !errors.Is(err, ErrConflict) {
		s.releaseUnlessHungUp(ctx, limits...) // nothing was sent
		return s.storeError(err)
	}
	s.wakeOutbox(effects.Emails)
	s.audit.Notify(ctx, effects.Events...)
	return nil
}

// signUpError is storeError for a new user. It records the refusal by a hook.
func (s *Service) signUpError(ctx context.Context, err error, c Client) error {
	var rejection *Rejection
	if errors.As(err, &rejection) {
		s.audit.Store(ctx, s.newEvent(EventSignUpRefused, "", "", "rejected", c))
	}
	return s.storeError(err)
}

// createUser stores a new user. If that fails, the email does not count against the
// limits of the address, because it was not sent.
func (s *Service) createUser(ctx context.Context, creation store.UserCreation) ([]Event, error) {
	ended, err := s.store.CreateUser(ctx, creation)
	if err != nil {
		s.releaseEmail(ctx, creation.User, creation.Emails)
	}
	return ended, err
}

// newUser checks the inputs, except the password, and returns the user and the
// canonical login id. If there is an error, the user has those inputs that are
// acceptable, so that the caller can still apply the password policy.
func (s *Service) newUser(in SignUpParams) (User, string, error) {
	now := s.now()
	u := User{ID: "u" + randomString(16), Status: StatusEnabled, CreatedAt: now, UpdatedAt: now}
	canonical, badID := canonicalLoginID(in.LoginID, s.cfg.UnicodeLoginIDs)
	if badID == nil {
		u.LoginIDs = []string{in.LoginID}
	}
	email, badEmail := s.signUpEmail(in.LoginID, canonical, in.Email)
	if badID == nil && badEmail == nil && email == "" && s.cfg.ConfirmFirst {
		badEmail = &FieldError{"email", "required", "must be given, because it is confirmed first"}
	}
	u.Email = email
	badProfile := checkProfile(in.Profile)
	if badProfile == nil {
		u = in.Profile.Apply(u)
	}
	return u, canonical, inputErrors(badID, badEmail, badProfile)
}

// signUpEmail returns the address of a new user. If the login id is an email
// address, the two must be equal: otherwise emails about one user's login id would
// go to another user.
func (s *Service) signUpEmail(loginID, canonical, email string) (string, error) {
	if email == "" {
		if loginid.IsEmail(canonical) {
			return loginID, nil
		}
		return "", nil
	}
	c, err := canonicalEmail("email", email, s.cfg.UnicodeLoginIDs)
	if err != nil {
		return "", err
	}
	if loginid.IsEmail(canonical) && c != canonical {
		return "", &FieldError{"email", "not_allowed", "must be the login id, since that is an address"}
	}
	return email, nil
}

// hostWords returns the host of Config.BaseURL and its labels except the last. A
// password must not consist of them.
func (s *Service) hostWords() []string {
	u, err := url.Parse(s.cfg.BaseURL)
	if err != nil {
		return nil
	}
	labels := strings.Split(u.Hostname(), ".")
	return append(labels[:max(len(labels)-1, 1)], u.Hostname())
}

// addVerificationEmail adds the link that proves the address, and its email, to the
// transaction that creates the user.
func (s *Service) addVerificationEmail(ctx context.Context, creation *store.UserCreation, c Client) error {
	now := s.now()
	raw := randomString(32)
	m := Message{
		Kind: MessageVerifyEmail, Link: linkWithToken(s.Links().VerifyEmail, raw), At: now, ExpiresAt: now.Add(s.cfg.VerifyLifetime),
	}
	t := &store.OneTimeToken{
		Hash: hashOf(raw), UserID: creation.User.ID, Purpose: store.PurposeVerifyEmail,
		Email: creation.User.Email, PasswordVersion: creation.Password.Version,
		CreatedAt: now, ExpiresAt: m.ExpiresAt.Truncate(time.Microsecond),
	}
	m.Code = s.addCode(t)
	queued, err := s.prepareEmail(ctx, creation.User.Email, forUser(creation.User, m, c), c)
	if len(queued) == 0 {
		return err
	}
	creation.Emails, creation.Token = queued, t
	return nil
}
