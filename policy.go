package usher

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/usherkit/usher/password"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/token"
)

// checkPasswordInput refuses, before any look-up and any hash, a string that cannot
// be a password.
func (s *Service) checkPasswordInput(field string, pw Secret) error {
	if pw == "" {
		return &FieldError{field, "required", "must not be empty"}
	}
	if err := password.CheckSize(pw.Reveal(), s.cfg.Password.MaxLength); err != nil {
		return passwordFieldError(field, err)
	}
	if _, err := password.Normalize(pw.Reveal()); err != nil {
		return passwordFieldError(field, err)
	}
	return nil
}

// passwordFieldError returns an error of package password as a *FieldError.
func passwordFieldError(field string, err error) error {
	if errors.Is(err, password.ErrTooLong) {
		return &FieldError{field, "too_long", "is longer than any password may be"}
	}
	return &FieldError{field, "invalid", "must be valid UTF-8 text"}
}

// checkPolicy applies the policy to a new password of the user. It refuses a
// password that consists of words that describe the user or the program.
func (s *Service) checkPolicy(ctx context.Context, pw Secret, u User) error {
	policy := s.cfg.Password
	policy.OnBreachError = func(err error) {
		s.cfg.Password.OnBreachError(err)
		s.audit.Store(ctx, s.newEvent(EventBreachCheckFailed, "", "", "", Client{}))
	}
	return s.checkPolicyWith(ctx, policy, pw, u)
}

// checkPolicyLocally is checkPolicy without the list of leaked passwords, which is
// on another server.
func (s *Service) checkPolicyLocally(ctx context.Context, pw Secret, u User) error {
	policy := s.cfg.Password
	policy.Breached = nil
	return s.checkPolicyWith(ctx, policy, pw, u)
}

// checkPolicyWith is checkPolicy with the given policy.
func (s *Service) checkPolicyWith(ctx context.Context, policy password.Policy, pw Secret, u User) error {
	words := slices.Concat([]string{u.ID, u.Email, u.Name, u.GivenName, u.FamilyName}, u.LoginIDs, s.hostWords())
	err := policy.Check(ctx, pw.Reveal(), words...)
	var refused *password.PolicyError
	if errors.As(err, &refused) {
		return err
	}
	return s.storeError(err)
}

// How many new passwords of a user are hashed in an hour. A change costs a hash, and
// with a reuse rule one more for each earlier password. The answer of the reuse rule
// reveals whether a guess was right, so a caller without the current password gets
// fewer attempts.
const (
	maxPasswordChanges         = 10
	maxUnprovenPasswordChanges = 5 // without the current password
	// How many of them are looked up in the list of leaked passwords, on another server.
	maxPasswordLookUps = 30
)

// countPasswordChange counts a change before anything is hashed, in the queue of the
// attempts. The count is released only after an outage, or if the queue was full before
// anything was hashed, because an accepted password reveals something as well, and because
// all concurrent calls hash, also those that then fail.
func (s *Service) countPasswordChange(ctx context.Context, by proof, c Client) error {
	limits := s.passwordChangeLimits(by)
	if len(limits) == 0 {
		return nil
	}
	return s.admitAttempt(withProvenHashQueue(ctx, c), c, func() (*refusedLimit, error) {
		_, refused, err := s.takeLimits(ctx, limits...)
		return refused, err
	})
}

// passwordChangeLimits returns the limit of countPasswordChange, or none for operators.
func (s *Service) passwordChangeLimits(by proof) []namedLimit {
	limit := s.hourlyLimit(limitChanges, maxUnprovenPasswordChanges, by.kind, by.id)
	switch by.kind {
	case proofOperator:
		return nil
	case proofPassword:
		limit.Max = maxPasswordChanges
	}
	return []namedLimit{limit}
}

// unprovenAt returns when a session alone set the password that replaces p. A change that
// only p authorizes keeps the time, because an attacker who set p knows it.
func (s *Service) unprovenAt(p store.Password, by proof) time.Time {
	switch by.kind {
	case proofSession:
		return s.now()
	case proofPassword:
		return p.UnprovenAt
	}
	return time.Time{}
}

// unprovenTime is how long a password that a session alone has set does not prove the
// user. The user gets an email about the change, and a reset undoes it.
const unprovenTime = 24 * time.Hour

// checkProves returns an *EmailProofError if a session alone has set the password less than
// unprovenTime ago. Every call that the password authorizes, and that takes an account from
// its user for good, has to call it, and must fail in its transaction if the version of the
// password has changed.
func (s *Service) checkProves(ctx context.Context, account store.Account, sessionID string, c Client) error {
	u, until := account.User, account.Password.UnprovenAt.Add(unprovenTime)
	if !s.now().Before(until) {
		return nil
	}
	s.audit.StoreSampled(ctx, "forbidden "+u.ID, s.newEvent(EventForbidden, u.ID, sessionID, "password_set_by_session", c))
	return &EmailProofError{Until: until}
}

// authorizeByPassword requires the current password, or a recent sign-in of a user who
// has none.
func (s *Service) authorizeByPassword(ctx context.Context, account store.Account, claims *token.Claims, current Secret, c Client) error {
	switch {
	case current != "":
		if err := s.checkCurrentPassword(ctx, &account, current, c); err != nil {
			return err
		}
		return s.checkProves(ctx, account, claims.SessionID, c)
	case account.Password.State == store.PasswordNone && s.isRecent(claims):
		return nil
	}
	return ErrRecentSignInRequired
}

// lookUpLimits returns the limit on look-ups in the list of leaked passwords, or none for
// operators.
func (s *Service) lookUpLimits(by proof) []namedLimit {
	if by.kind == proofOperator {
		return nil
	}
	return []namedLimit{s.hourlyLimit(limitChanges, maxPasswordLookUps, "look-ups", by.kind, by.id)}
}

// releaseChange releases what was counted for a change that *err has prevented: after an
// outage the change and its notice, and otherwise the notice alone, which was not sent. It
// is to be deferred.
func (s *Service) releaseChange(ctx context.Context, err *error, u User, change store.PasswordChange, by proof) {
	var limits []namedLimit
	if len(change.Emails) > 0 {
		limits = append(limits, s.noticeLimit(u))
	}
	switch {
	case *err == nil:
	case errors.Is(*err, ErrUnavailable):
		s.releaseUnlessHungUp(ctx, append(limits, s.passwordChangeLimits(by)...)...)
	default:
		s.releaseLimits(ctx, limits...)
	}
}

// comparedPasswords returns the maximum number of earlier passwords for checkReuse.
func (s *Service) comparedPasswords(p store.Password) int {
	switch {
	case p.Hash == "":
		return 0
	case p.State == store.PasswordNone:
		return max(s.cfg.Password.ReuseAmount, 1)
	}
	return s.cfg.Password.ReuseAmount
}

// checkReuse compares the new password with earlier ones: as many as the policy says, and
// always with one that an operator has made useless, because others know it.
func (s *Service) checkReuse(ctx context.Context, account store.Account, pw Secret, c Client) error {
	policy := s.cfg.Password
	if policy.ReuseAmount = s.comparedPasswords(account.Password); policy.ReuseAmount == 0 {
		return nil
	}
	earlier := append([]string{account.Password.Hash}, account.Password.Earlier...)
	err := policy.CheckReuse(withProvenHashQueue(ctx, c), s.hasher, pw.Reveal(), earlier)
	var refused *password.PolicyError
	switch {
	case err == nil, errors.As(err, &refused):
		return err
	case errors.Is(err, password.ErrDamagedHash):
		s.cfg.Logger.Error("usher: a stored password hash is damaged", "user_id", account.User.ID, "error", err)
		return nil
	}
	return s.hashError(ctx, err, c)
}

// samePassword reports whether two passwords are equal after the Unicode
// normalization that hashing applies. Both have passed checkPasswordInput.
func samePassword(a, b Secret) bool {
	x, errX := password.Normalize(a.Reveal())
	y, errY := password.Normalize(b.Reveal())
	return errX == nil && errY == nil && x == y
}
