package usher

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/usherkit/usher/internal/background"
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
	if err := password.CheckSize(pw.Reveal(), s.PasswordPolicy().MaxLength); err != nil {
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
	policy := s.PasswordPolicy()
	policy.OnBreachError = func(err error) {
		s.cfg.Password.OnBreachError(err)
		s.audit.Store(ctx, s.newEvent(EventBreachCheckFailed, "", "", "", Client{}))
	}
	return s.checkPolicyWith(ctx, policy, pw, u)
}

// BreachedAction is what a sign-in does with the right password if it is in the list of
// leaked passwords ([password.Policy.Breached]). [Service.Reauthenticate] does the same. A
// wrong password is never looked up. An instance looks a password up again after one to two
// days. A look-up delays the sign-in by at most one second. If the list cannot be queried,
// the sign-in continues, and EventBreachCheckFailed is stored.
type BreachedAction string

// The actions.
const (
	// BreachedAllowed signs the user in, and looks nothing up.
	BreachedAllowed BreachedAction = ""
	// BreachedNotified signs the user in, stores EventPasswordBreached, and emails a notice
	// to a verified address: both at most once a week for each password.
	BreachedNotified BreachedAction = "notify"
	// BreachedReplaced refuses the sign-in with a [*BreachedPasswordError], from then on
	// also without a look-up, until the password is replaced. It stores
	// EventPasswordBreached and emails the notice once. Sessions continue. An attacker with
	// the list knows the password too, so [Service.ReplacePassword] refuses the password of
	// a user with a verified address, who needs an emailed link. It needs one also after an
	// operator has given the user an unverified address.
	BreachedReplaced BreachedAction = "replace"
)

func (a BreachedAction) validate(p password.Policy) error {
	switch {
	case a != BreachedAllowed && a != BreachedNotified && a != BreachedReplaced:
		return fmt.Errorf("usher: Config.BreachedAtSignIn is %q, use usher.BreachedAllowed, usher.BreachedNotified or usher.BreachedReplaced", a)
	case a != BreachedAllowed && p.Breached == nil:
		return fmt.Errorf("usher: Config.BreachedAtSignIn is %q and needs a list of leaked passwords: set Config.Password.Breached, for example to a password.RangeClient", a)
	}
	return nil
}

// checkBreached looks the right password of an attempt up in the list of leaked passwords,
// and does what Config.BreachedAtSignIn says. If the list cannot be queried, it returns nil.
// Concurrent attempts each look it up, because one that did not wait for the answer of
// another would sign in with a leaked password.
func (s *Service) checkBreached(ctx context.Context, a *attempt, pw Secret) error {
	key := fmt.Sprint(a.account.User.ID, " ", a.account.Password.Version)
	if s.cfg.BreachedAtSignIn == BreachedAllowed || s.lookedUp.Count(s.now(), key) > 0 {
		return nil
	}
	leaked, err := s.cfg.Password.CheckBreached(ctx, pw.Reveal())
	var failed *password.BreachError
	switch {
	case errors.As(err, &failed):
		s.cfg.Password.OnBreachError(failed)
		s.audit.StoreSampled(ctx, "look-up at a sign-in", s.newEvent(EventBreachCheckFailed, "", "", "", Client{}))
		return nil
	case err == nil && leaked && s.cfg.BreachedAtSignIn == BreachedReplaced:
		if err = s.demandReplacement(ctx, a); err == nil {
			return s.refuseBreached(ctx, a)
		}
	case err == nil && leaked:
		err = s.notifyOfBreach(ctx, a)
	}
	if err != nil {
		s.releaseRightPassword(ctx, a)
		return s.storeError(err)
	}
	s.lookedUp.Add(s.now(), key, 1)
	return nil
}

// checkMayReplace returns an error if only an emailed link may replace the password,
// because anyone with the list of leaked passwords can give it as the old one.
func (s *Service) checkMayReplace(ctx context.Context, a *attempt, pw Secret) error {
	switch u := a.account.User; {
	case a.account.LeakedPasswordNeedsLink():
		return s.refuseBreached(ctx, a)
	case u.Email == "" || !u.EmailVerified:
		return nil
	case s.cfg.BreachedAtSignIn == BreachedReplaced:
		return s.checkBreached(ctx, a, pw)
	}
	return nil
}

// refuseBreached refuses an attempt whose right password has leaked.
func (s *Service) refuseBreached(ctx context.Context, a *attempt) error {
	u := a.account.User
	err := &BreachedPasswordError{ByEmail: u.Email != "" && u.EmailVerified}
	if err.ByEmail {
		s.resetLimits(ctx, a) // no notice is needed: the password does not sign in, and the user got an email about it
	}
	return s.refuseRightPassword(ctx, a, EventPasswordExpired, string(store.PasswordBreached), err)
}

// demandReplacement makes the password of an attempt useless for a sign-in, because it has
// leaked, and notifies the user. Of concurrent attempts one does so.
func (s *Service) demandReplacement(ctx context.Context, a *attempt) error {
	u, p := a.account.User, a.account.Password
	effects := s.breachEffects(a, "must_be_replaced")
	_, err := s.store.ChangePassword(ctx, store.PasswordChange{
		UserID: u.ID, IfVersion: p.Version, State: store.PasswordBreached, At: p.ChangedAt,
		UnprovenAt: p.UnprovenAt, KeepEarlier: len(p.Earlier), Effects: effects,
	})
	switch {
	case errors.Is(err, ErrConflict), errors.Is(err, ErrNotFound):
		return nil // another attempt did it, or the password or the user is gone
	case err != nil:
		return err
	}
	s.wakeOutbox(effects.Emails)
	s.audit.Notify(ctx, effects.Events...)
	return nil
}

// breachNoticeEvery is how often a user is notified of one leaked password.
const breachNoticeEvery = 7 * 24 * time.Hour

// notifyOfBreach stores that the right password has leaked, and notifies the user, at most
// once in breachNoticeEvery for each password.
func (s *Service) notifyOfBreach(ctx context.Context, a *attempt) error {
	ctx, cancel := background.Uncanceled(ctx) // a client that hangs up must not use up the notice
	defer cancel()
	limit := s.hourlyLimit(limitNotices, 1, "breach", a.account.User.ID, fmt.Sprint(a.account.Password.Version))
	limit.Window = breachNoticeEvery
	if _, refused, err := s.takeLimits(ctx, limit); err != nil || refused != nil {
		return err
	}
	effects := s.breachEffects(a, "notified")
	if err := s.store.Record(ctx, effects); err != nil {
		s.releaseUnlessHungUp(ctx, limit) // nothing was sent
		return err
	}
	s.wakeOutbox(effects.Emails)
	s.audit.Notify(ctx, effects.Events...)
	return nil
}

// breachEffects returns the event of a leaked password, and the notice if the user has a
// verified address.
func (s *Service) breachEffects(a *attempt, reason string) store.Effects {
	u, c := a.account.User, a.client
	effects := store.Effects{Events: []Event{s.newEvent(EventPasswordBreached, u.ID, "", reason, c)}}
	if u.Email != "" && u.EmailVerified {
		effects.Emails = s.sealEmail(u.Email, forUser(u, Message{Kind: MessagePasswordBreached}, c), c)
	}
	return effects
}

// checkPolicyLocally is checkPolicy without the list of leaked passwords, which is
// on another server.
func (s *Service) checkPolicyLocally(ctx context.Context, pw Secret, u User) error {
	policy := s.PasswordPolicy()
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
// unprovenTime ago, or if the password has leaked. Every call that the password authorizes, and that takes an account from
// its user for good, has to call it, and must fail in its transaction if the version of the
// password has changed.
func (s *Service) checkProves(ctx context.Context, account store.Account, sessionID string, c Client) error {
	u, until, reason := account.User, account.Password.UnprovenAt.Add(unprovenTime), "password_set_by_session"
	switch {
	case account.LeakedPasswordNeedsLink():
		until, reason = time.Time{}, "password_leaked"
	case !s.now().Before(until):
		return nil
	}
	s.audit.StoreSampled(ctx, "forbidden "+u.ID, s.newEvent(EventForbidden, u.ID, sessionID, reason, c))
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
	case account.Password.State != store.PasswordNone:
		return &FieldError{"currentPassword", "required", "must not be empty"} // a sign-in does not replace it
	case s.isRecent(claims):
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
	case p.State == store.PasswordNone, p.State == store.PasswordBreached:
		return max(s.PasswordPolicy().ReuseAmount, 1)
	}
	return s.PasswordPolicy().ReuseAmount
}

// checkReuse compares the new password with earlier ones: as many as the policy says, and
// always with one that others know: it has leaked, or an operator has made it useless. It
// returns the number of passwords that it compared. The error is a *PolicyError if the new
// password equals one of them, or an error of the Hasher.
func (s *Service) checkReuse(ctx context.Context, account store.Account, pw Secret, c Client) (compared int, err error) {
	policy := s.PasswordPolicy()
	policy.ReuseAmount = s.comparedPasswords(account.Password)
	earlier := append([]string{account.Password.Hash}, account.Password.Earlier...)
	for _, stored := range earlier[:min(len(earlier), policy.ReuseAmount)] {
		err := policy.CheckReuse(withProvenHashQueue(ctx, c), s.hasher, pw.Reveal(), []string{stored})
		if errors.Is(err, password.ErrDamagedHash) {
			s.cfg.Logger.Error("usher: a stored password hash is damaged", "user_id", account.User.ID, "error", err)
		} else if err != nil {
			return compared, err
		}
		compared++
	}
	return compared, nil
}

// withoutHistory returns the password of an account whose address was never proven, for the
// owner of the mailbox, who must not find out the passwords of an earlier holder by the rule
// against reuse. A password that others know stays, because it must not come back.
func withoutHistory(p store.Password) store.Password {
	p.Earlier = nil
	if p.State != store.PasswordNone && p.State != store.PasswordBreached {
		p.Hash = ""
	}
	return p
}

// samePassword reports whether two passwords are equal after the Unicode
// normalization that hashing applies. Both have passed checkPasswordInput.
func samePassword(a, b Secret) bool {
	x, errX := password.Normalize(a.Reveal())
	y, errY := password.Normalize(b.Reveal())
	return errX == nil && errY == nil && x == y
}
