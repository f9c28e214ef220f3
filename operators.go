package usher

import (
	"context"
	"errors"
	"fmt"

	"github.com/usherkit/usher/internal/loginid"
	"github.com/usherkit/usher/internal/logs"
	"github.com/usherkit/usher/password"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/token"
)

// User returns the user with that id. ErrNotFound if there is none.
func (s *Service) User(ctx context.Context, userID string) (User, error) {
	a, err := s.store.Account(ctx, userID)
	return a.User, s.outage(err)
}

// UserByLoginID returns the user with that login id. ErrNotFound if there is
// none. Never answer a stranger by it: it tells who has an account.
func (s *Service) UserByLoginID(ctx context.Context, loginID string) (User, error) {
	canonical, err := canonicalLoginID(loginID, true)
	if err != nil {
		return User{}, err
	}
	a, err := s.store.AccountByLoginID(ctx, canonical)
	return a.User, s.outage(err)
}

// UserPatch is what an operator may change of a user. Nil leaves a field as it
// is.
type UserPatch struct {
	Profile            Profile
	Roles, Permissions *[]string
	Tenants            *map[string]token.Tenant
	Attributes         *map[string]any
	// Email sets the address and says whether its mailbox is known to be the
	// user's. It leaves the login ids alone.
	Email *EmailAddress
}

// UpdateUser changes a user. Roles, permissions and tenants are in the session
// tokens made from now on; a session token made before holds the old ones
// until its end. Setting the address voids all mailed links.
func (s *Service) UpdateUser(ctx context.Context, userID string, p UserPatch) (User, error) {
	if err := checkProfile(p.Profile); err != nil {
		return User{}, err
	}
	if p.Email != nil && p.Email.Address != "" {
		if _, err := canonicalEmail("email", p.Email.Address, s.cfg.UnicodeLoginIDs); err != nil {
			return User{}, err
		}
	}
	e := s.newEvent(EventUserUpdated, userID, "", "operator", Client{})
	u, _, err := s.store.UpdateUser(ctx, store.UserUpdate{
		UserID: userID, Profile: p.Profile, Roles: p.Roles, Permissions: p.Permissions, Tenants: p.Tenants,
		Attributes: p.Attributes, Email: p.Email, DropTokens: p.Email != nil, At: s.now(), Effects: store.Effects{Events: []Event{e}},
	})
	if err != nil {
		return User{}, s.outage(err)
	}
	s.audit.Notify(ctx, e)
	return u, nil
}

// DisableUser shuts a user out: all sessions end, mailed links die, sign-in
// and refresh fail. Nothing of the user is lost.
func (s *Service) DisableUser(ctx context.Context, userID string) error {
	status := StatusDisabled
	return s.setStatus(ctx, userID, store.UserUpdate{
		Status: &status, DropTokens: true, End: &store.SessionEnd{RevokedUntil: s.revokedUntil(s.now())},
	}, EventUserDisabled)
}

// EnableUser lets a disabled user in again.
func (s *Service) EnableUser(ctx context.Context, userID string) error {
	status := StatusEnabled
	return s.setStatus(ctx, userID, store.UserUpdate{Status: &status}, EventUserEnabled)
}

func (s *Service) setStatus(ctx context.Context, userID string, u store.UserUpdate, name EventName) error {
	e := s.newEvent(name, userID, "", "operator", Client{})
	u.UserID, u.At, u.Effects = userID, s.now(), store.Effects{Events: []Event{e}}
	_, ended, err := s.store.UpdateUser(ctx, u)
	if err != nil {
		return s.outage(err)
	}
	s.revokeHere(ended...)
	s.audit.Notify(ctx, e)
	return nil
}

// DeleteUser removes a user and everything that belongs to it, but the audit
// trail. All sessions end.
func (s *Service) DeleteUser(ctx context.Context, userID string) error {
	e := s.newEvent(EventUserDeleted, userID, "", "operator", Client{})
	ended, err := s.store.DeleteUser(ctx, store.UserDeletion{
		UserID: userID, End: store.SessionEnd{RevokedUntil: s.revokedUntil(s.now())}, Effects: store.Effects{Events: []Event{e}},
		// The one counter of an account that has no end of its own.
		ClearLimits: []string{s.lockKey(userID)},
	})
	if err != nil {
		return s.outage(err)
	}
	s.revokeHere(ended...)
	s.audit.Notify(ctx, e)
	return nil
}

// SignOutUser ends all sessions of a user.
func (s *Service) SignOutUser(ctx context.Context, userID string) error {
	if _, err := s.store.Account(ctx, userID); err != nil {
		return s.outage(err)
	}
	return s.endUserSessions(ctx, userID, s.newEvent(EventSignOut, userID, "", "operator", Client{}))
}

// SetPassword gives a user a password, under the same policy as everybody's.
// A temporary one signs in nowhere and is good for one [Service.ReplacePassword].
// All sessions end and the owner is told.
func (s *Service) SetPassword(ctx context.Context, userID string, pw Secret, temporary bool) error {
	if err := s.checkPassword("password", pw); err != nil {
		return err
	}
	account, err := s.store.Account(ctx, userID)
	if err != nil {
		return s.outage(err)
	}
	change, err := s.newPassword(ctx, account, pw, provenNow, Client{})
	if err != nil {
		return err
	}
	change.RequireEnabled = false
	change.ClearLimits = []string{s.lockKey(userID)}
	if temporary {
		change.State = store.PasswordTemporary
	}
	return s.changePassword(ctx, change, "", "operator", Client{})
}

// ExpirePassword makes a user choose a new password, after a compromise say,
// without anybody choosing one for her. All sessions end; the next right
// sign-in is answered with ErrPasswordExpired.
func (s *Service) ExpirePassword(ctx context.Context, userID string) error {
	account, err := s.store.Account(ctx, userID)
	if err != nil {
		return s.outage(err)
	}
	if account.Password.State == store.PasswordNone {
		return ErrConflict
	}
	now := s.now()
	return s.changePassword(ctx, store.PasswordChange{
		UserID: userID, IfVersion: account.Password.Version, State: store.PasswordExpired, At: account.Password.ChangedAt,
		KeepEarlier: len(account.Password.Earlier), End: &store.SessionEnd{RevokedUntil: s.revokedUntil(now)},
	}, "", "expired_by_operator", Client{})
}

// UserImport is a user of another system.
type UserImport struct {
	// LoginIDs name the user; the first is the main one. Required.
	LoginIDs []string
	// Email is the address. Defaults to the first login id if that is one.
	Email string
	// EmailVerified says that the mailbox is known to be the user's.
	EmailVerified bool
	// Language is what the user reads, as a BCP 47 tag. Defaults to what the
	// browser of her first sign-in says.
	Language string
	// Profile, Roles, Permissions, Tenants and Attributes are taken as they
	// are.
	Profile            Profile
	Roles, Permissions []string
	Tenants            map[string]token.Tenant
	Attributes         map[string]any
	// Disabled imports the user shut out.
	Disabled bool
	// Password is the password in clear, or Hash what the other system stored.
	// Neither means that the user starts with a reset.
	Password Secret
	Hash     *password.Foreign
}

// ImportFailure is a user that was not imported, and why.
type ImportFailure struct {
	// Index is its place in the list.
	Index int
	// Err is a *FieldError, *password.ImportError, *password.PolicyError,
	// ErrLoginIDTaken, or an outage.
	Err error
}

// ImportUsers makes users who signed up elsewhere. Each stands for itself:
// those that cannot be imported are in the failures, the others are made. With
// dryRun everything is checked and nothing written. Hashes of other systems
// are replaced by ours at each user's first sign-in; what costs more than we
// are willing to compute is a failure.
func (s *Service) ImportUsers(ctx context.Context, list []UserImport, dryRun bool) ([]User, []ImportFailure) {
	var users []User
	var failures []ImportFailure
	for i, in := range list {
		u, err := s.importUser(ctx, in, dryRun)
		if err != nil {
			failures = append(failures, ImportFailure{i, err})
			continue
		}
		users = append(users, u)
	}
	return users, failures
}

// ImportUser is ImportUsers for one.
func (s *Service) ImportUser(ctx context.Context, in UserImport) (User, error) {
	return s.importUser(ctx, in, false)
}

func (s *Service) importUser(ctx context.Context, in UserImport, dryRun bool) (User, error) {
	u, canonical, err := s.importedUser(in)
	if err != nil {
		return User{}, err
	}
	pw, err := s.importedPassword(ctx, in, u)
	if err != nil {
		return User{}, err
	}
	if dryRun {
		for _, id := range canonical {
			_, err := s.store.AccountByLoginID(ctx, id)
			if err == nil {
				return User{}, ErrLoginIDTaken
			}
			if !errors.Is(err, ErrNotFound) {
				return User{}, s.outage(err)
			}
		}
		return u, nil
	}
	e := s.newEvent(EventUserImported, u.ID, "", "", Client{})
	err = s.store.CreateUser(ctx, store.UserCreation{
		User: u, Canonical: canonical, Password: pw, Effects: store.Effects{Events: []Event{e}},
	})
	if err != nil {
		return User{}, s.outage(err)
	}
	s.audit.Notify(ctx, e)
	return u, nil
}

func (s *Service) importedUser(in UserImport) (User, []string, error) {
	if len(in.LoginIDs) == 0 {
		return User{}, nil, &FieldError{"loginIds", "required", "must have at least one"}
	}
	canonical := make([]string, len(in.LoginIDs))
	for i, id := range in.LoginIDs {
		var err error
		if canonical[i], err = canonicalLoginID(id, s.cfg.UnicodeLoginIDs); err != nil {
			return User{}, nil, err
		}
	}
	email := in.Email
	switch {
	case email != "":
		if _, err := canonicalEmail("email", email, s.cfg.UnicodeLoginIDs); err != nil {
			return User{}, nil, err
		}
	case loginid.IsEmail(canonical[0]):
		email = in.LoginIDs[0]
	}
	if err := checkProfile(in.Profile); err != nil {
		return User{}, nil, err
	}
	now := s.now()
	u := User{
		ID: "u" + random(16), LoginIDs: in.LoginIDs, Email: email, EmailVerified: in.EmailVerified && email != "",
		Language: logs.Clean(in.Language, 128), Roles: in.Roles, Permissions: in.Permissions, Tenants: in.Tenants, Attributes: in.Attributes,
		Status: StatusEnabled, CreatedAt: now, UpdatedAt: now,
	}
	if in.Disabled {
		u.Status = StatusDisabled
	}
	applyProfile(in.Profile, &u)
	return u, canonical, nil
}

func (s *Service) importedPassword(ctx context.Context, in UserImport, u User) (store.Password, error) {
	pw := store.Password{State: store.PasswordNone, Version: 1, ChangedAt: s.now()}
	var err error
	switch {
	case in.Password != "" && in.Hash != nil:
		return store.Password{}, &FieldError{"password", "not_allowed", "must be given in clear or as a hash, not both"}
	case in.Hash != nil:
		pw.Hash, err = s.hasher.Import(ctx, *in.Hash)
	case in.Password != "":
		if err = s.checkPassword("password", in.Password); err != nil {
			return store.Password{}, err
		}
		if err = s.checkPolicy(ctx, in.Password, u); err != nil {
			return store.Password{}, err
		}
		pw.Hash, err = s.hasher.Hash(ctx, in.Password.Reveal())
	default:
		return pw, nil
	}
	var refused *password.ImportError
	if errors.As(err, &refused) {
		return store.Password{}, fmt.Errorf("usher: hash: %w", err)
	}
	if err != nil {
		return store.Password{}, s.hashing(ctx, err, Client{})
	}
	pw.State = store.PasswordActive
	return pw, nil
}
