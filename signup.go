package usher

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"time"

	"github.com/usherkit/usher/internal/loginid"
	"github.com/usherkit/usher/store"
)

// SignUp is what a person gives to become a user.
type SignUpParams struct {
	// LoginID names the user: an e-mail address, as a rule. Required.
	LoginID string
	// Password is the chosen password. Required.
	Password Secret
	// Email is where mail goes. Defaults to LoginID if that is an address, and
	// must then be the same.
	Email string
	// Profile is what the person says of herself.
	Profile Profile
}

// SignUp makes a user and signs it in. The address is unverified until its
// mailbox is proven; a mail asks for that.
//
// ErrLoginIDTaken if somebody has the login id. With [Config.ConfirmFirst]
// nobody is told: whether the login id is free or taken, SignUp returns an
// Authentication that holds nothing, after the same work, and a mail says the
// rest. A weak password is a [*password.PolicyError] in either case, before
// anything is looked up, and counts against no limit (with other inputs to mend it is
// among [*InputErrors]); but one that only the list
// of leaked passwords refuses counts as a sign-up. ErrSignUpClosed with
// [Config.SignUpClosed].
func (s *Service) SignUp(ctx context.Context, in SignUpParams, c Client) (Result, error) {
	if s.cfg.SignUpClosed {
		return Result{}, ErrSignUpClosed
	}
	u, canonical, err := s.newUser(in)
	unfit := s.checkPasswordInput("password", in.Password)
	if unfit == nil {
		// People try weak passwords, and judging them costs nobody anything: that
		// is not counted. A list of leaked passwords is somebody else's machine:
		// who has it asked has spent a sign-up.
		unfit = s.checkPolicyLocally(ctx, in.Password, u)
	}
	if errors.Is(unfit, ErrUnavailable) {
		return Result{}, unfit
	}
	if err := inputErrors(err, unfit); err != nil {
		return Result{}, err
	}
	limit := s.hourlyLimit(limitSignUps, s.cfg.Limits.SignUps, networkOf(c))
	if _, err := s.takeOrRefuse(ctx, c, limit); err != nil {
		return Result{}, err
	}
	if s.cfg.Password.Breached != nil {
		if err := s.checkPolicy(ctx, in.Password, u); err != nil {
			return Result{}, err
		}
	}
	hash, err := s.hasher.Hash(ctx, in.Password.Reveal())
	if err != nil {
		s.releaseLimits(ctx, limit)
		return Result{}, s.hashError(ctx, err, c)
	}
	now := s.now()
	u.Language = clientLanguage(c)
	created := store.UserCreation{
		User: u, Canonical: []string{canonical},
		Password: store.Password{Hash: hash, State: store.PasswordActive, Version: 1, ChangedAt: now},
	}
	created.Events = []Event{s.newEvent(EventUserCreated, u.ID, "", "", c)}
	if s.cfg.ConfirmFirst {
		if err := s.signUpConfirmFirst(ctx, created, canonical, c); err != nil {
			return Result{}, err
		}
		return Result{Next: NextConfirmEmail}, nil
	}
	if u.Email != "" {
		if err := s.addVerificationEmail(ctx, &created, c); err != nil {
			return Result{}, err
		}
	}
	session, jti := s.newSession(u.ID, c)
	custom, err := s.customClaims(ctx, u)
	if err != nil {
		return Result{}, err
	}
	tokens, err := s.issueTokens(u, session, jti, custom)
	if err != nil {
		return Result{}, err
	}
	created.Session = &session
	created.Events = append(created.Events, s.newEvent(EventSessionCreated, u.ID, session.ID, "", c))
	err = s.createUser(ctx, created)
	if errors.Is(err, ErrLoginIDTaken) {
		s.audit.Store(ctx, s.newEvent(EventSignUpRefused, "", "", "login_id_taken", c))
		return Result{}, ErrLoginIDTaken
	}
	if err != nil {
		return Result{}, s.storeError(err)
	}
	s.wakeOutbox(created.Emails)
	s.audit.Notify(ctx, created.Events...)
	s.endPreviousSession(ctx, c)
	return signedIn(&Authentication{
		User: u, Session: session.Session, Tokens: tokens, Device: s.newDeviceToken(u.ID, ""), FirstSeen: true,
	}), nil
}

// signUpUnseen is the private form: the answer, the work and its time are the
// same whether the login id was free or taken.
func (s *Service) signUpConfirmFirst(ctx context.Context, created store.UserCreation, canonical string, c Client) error {
	account, err := s.store.AccountByLoginID(ctx, canonical)
	if errors.Is(err, ErrNotFound) {
		if err := s.addVerificationEmail(ctx, &created, c); err != nil {
			return err
		}
		err = s.createUser(ctx, created)
		if err == nil {
			s.wakeOutbox(created.Emails)
			s.audit.Notify(ctx, created.Events...)
			return nil
		}
		if !errors.Is(err, ErrLoginIDTaken) {
			return s.storeError(err)
		}
		account, err = s.store.AccountByLoginID(ctx, canonical) // somebody was faster
		if errors.Is(err, ErrNotFound) {
			err = errors.New("the login id was taken and is free again") // and is gone
		}
	}
	if err != nil {
		return s.storeError(err)
	}
	return s.refuseTakenLoginID(ctx, account, canonical, c)
}

// signUpTaken tells the owner of a login id that somebody tried to sign up with
// it, and the caller nothing.
func (s *Service) refuseTakenLoginID(ctx context.Context, account store.Account, canonical string, c Client) error {
	u := account.User
	fx := store.Effects{Events: []Event{s.newEvent(EventSignUpRefused, u.ID, "", "login_id_taken", c)}}
	var err error
	switch {
	case u.Email == "" || u.Status != StatusEnabled:
		err = s.countDummyEmail(ctx, canonical, c)
	case u.EmailVerified:
		fx.Emails, err = s.prepareEmail(ctx, u.Email, forUser(u, Message{Kind: MessageAlreadyRegistered}, c), c)
	default:
		// Whoever signed up first may not own the mailbox. Whoever reads this
		// mail does, and starts afresh.
		return s.sendReset(ctx, account, resetLink{}, fx, c)
	}
	if err != nil {
		return err
	}
	if err := s.store.Record(ctx, fx); err != nil {
		return s.storeError(err)
	}
	s.wakeOutbox(fx.Emails)
	s.audit.Notify(ctx, fx.Events...)
	return nil
}

// createUser stores a new user. If that fails, its mail does not count against
// the address: it was never sent, and the address may be another person's.
func (s *Service) createUser(ctx context.Context, created store.UserCreation) error {
	err := s.store.CreateUser(ctx, created)
	if err != nil && len(created.Emails) > 0 {
		s.releaseLimits(ctx, s.emailLimit(created.User.Email))
	}
	return err
}

// newUser checks what the person gave and returns the user it makes. With an error
// it is one of those inputs that can be accepted: a password can be judged by it.
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
		applyProfile(in.Profile, &u)
	}
	return u, canonical, inputErrors(badID, badEmail, badProfile)
}

// emailOf returns the address of a new user. A login id that is an address is
// the address too: with another one, mail about one person's login id would go
// to somebody else.
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

// hostWords are the host of the program's address and its labels, without the
// last one, which names no program.
func (s *Service) hostWords() []string {
	u, err := url.Parse(s.cfg.BaseURL)
	if err != nil {
		return nil
	}
	labels := strings.Split(u.Hostname(), ".")
	return append(labels[:max(len(labels)-1, 1)], u.Hostname())
}

// addVerification puts the link that proves the address into the step that
// makes the user.
func (s *Service) addVerificationEmail(ctx context.Context, created *store.UserCreation, c Client) error {
	now := s.now()
	raw := randomString(32)
	m := Message{
		Kind: MessageVerifyEmail, Link: s.pageLink("verify", raw), At: now, ExpiresAt: now.Add(s.cfg.VerifyLifetime),
	}
	mail, err := s.prepareEmail(ctx, created.User.Email, forUser(created.User, m, c), c)
	if len(mail) == 0 {
		return err
	}
	created.Emails = mail
	created.Token = &store.OneTimeToken{
		Hash: hashOf(raw), UserID: created.User.ID, Purpose: store.PurposeVerifyEmail,
		Email: created.User.Email, PasswordVersion: created.Password.Version,
		CreatedAt: now, ExpiresAt: m.ExpiresAt.Truncate(time.Microsecond),
	}
	return nil
}
