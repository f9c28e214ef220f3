package usher

import (
	"context"
	"errors"
	"slices"

	"github.com/usherkit/usher/password"
	"github.com/usherkit/usher/store"
)

// checkPassword refuses, before any look-up and any hash, what cannot be a
// password.
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

func passwordFieldError(field string, err error) error {
	if errors.Is(err, password.ErrTooLong) {
		return &FieldError{field, "too_long", "is longer than any password may be"}
	}
	return &FieldError{field, "invalid", "must be valid UTF-8 text"}
}

// judge applies the policy to a new password of that user. What describes the
// user or names the program is no password.
func (s *Service) checkPolicy(ctx context.Context, pw Secret, u User) error {
	policy := s.cfg.Password
	policy.OnBreachError = func(err error) {
		s.cfg.Password.OnBreachError(err)
		s.audit.Store(ctx, s.newEvent(EventBreachCheckFailed, "", "", "", Client{}))
	}
	return s.checkPolicyWith(ctx, policy, pw, u)
}

// judgeHere is judge without the list of leaked passwords: it asks no other
// machine.
func (s *Service) checkPolicyLocally(ctx context.Context, pw Secret, u User) error {
	policy := s.cfg.Password
	policy.Breached = nil
	return s.checkPolicyWith(ctx, policy, pw, u)
}

func (s *Service) checkPolicyWith(ctx context.Context, policy password.Policy, pw Secret, u User) error {
	words := slices.Concat([]string{u.ID, u.Email, u.Name, u.GivenName, u.FamilyName}, u.LoginIDs, s.hostWords())
	err := policy.Check(ctx, pw.Reveal(), words...)
	var broken *password.PolicyError
	if errors.As(err, &broken) {
		return err
	}
	return s.storeError(err)
}

// reuseTries is how often in an hour one session or one mailed link may have a
// password compared with those that may not come back.
const reuseAttempts = 5

// checkReuse compares with the passwords that may not come back. Its answer tells
// whether one was guessed, so that who did not prove the current one gets few.
// They are counted before the comparison and not given back: what is not refused
// has been told apart as well.
func (s *Service) checkReuse(ctx context.Context, account store.Account, pw Secret, by proof, c Client) error {
	policy, p := s.cfg.Password, account.Password
	if policy.ReuseAmount == 0 || p.Hash == "" {
		return nil
	}
	if by != passwordProof {
		if _, err := s.takeOrRefuse(ctx, c, s.hourlyLimit(limitReuse, reuseAttempts, string(by))); err != nil {
			return err
		}
	}
	err := policy.CheckReuse(ctx, s.hasher, pw.Reveal(), append([]string{p.Hash}, p.Earlier...))
	var broken *password.PolicyError
	switch {
	case err == nil, errors.As(err, &broken):
		return err
	case errors.Is(err, password.ErrDamagedHash):
		s.cfg.Logger.Error("usher: a stored password hash is damaged", "user_id", account.User.ID, "error", err)
		return nil
	}
	return s.hashError(ctx, err, c)
}

// samePassword compares as hashing does: in another Unicode normal form it is
// still the same password. Both have been checked.
func samePassword(a, b Secret) bool {
	x, errX := password.Normalize(a.Reveal())
	y, errY := password.Normalize(b.Reveal())
	return errX == nil && errY == nil && x == y
}
