package usher

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/usherkit/usher/internal/loginid"
	"github.com/usherkit/usher/internal/logs"
	"github.com/usherkit/usher/password"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/token"
)

// ImportUserParams describes a user of another system.
type ImportUserParams struct {
	// LoginIDs name the user. The first one is the main one. At least one is required.
	LoginIDs []string
	// Email is the user's address. Defaults to the first login id if that is an email
	// address.
	Email string
	// EmailVerified is true if the other system has proven the address.
	EmailVerified bool
	// Language is the language that the user reads, as a BCP 47 tag. Defaults to the
	// language of the browser at the first sign-in.
	Language string
	// Profile, Roles, Permissions, Tenants and Attributes are stored as given. All are
	// optional.
	Profile            Profile
	Roles, Permissions []string
	Tenants            map[string]token.Tenant
	Attributes         map[string]any
	// Disabled imports the user as disabled.
	Disabled bool
	// Password is the password in clear. Hash is the hash that the other system
	// stored. Only one of them may be set. With neither, the user has no password and
	// sets one by a reset.
	Password Secret
	Hash     *password.Foreign
}

// ImportFailure is a user that was not imported, and the reason.
type ImportFailure struct {
	// Index is the position in the list, from 0.
	Index int
	// Err is a *FieldError, *InputErrors, *password.ImportError,
	// *password.PolicyError, *LimitError, ErrLoginIDTaken or ErrUnavailable.
	Err error
}

// Import creates users of another system. It imports each user in a transaction of
// its own and returns the created users, and a failure for each of the others. With
// dryRun it writes nothing, and returns the failures that the import would have.
//
// Hashes of other systems are replaced at each user's first sign-in. A hash that
// costs too much to compute is a failure.
func (o *Operator) Import(ctx context.Context, list []ImportUserParams, dryRun bool) ([]User, []ImportFailure) {
	var users []User
	var failures []ImportFailure
	var taken map[string]bool
	if dryRun {
		taken = map[string]bool{}
	}
	for i, in := range list {
		u, err := o.importUser(ctx, in, taken)
		if err != nil {
			failures = append(failures, ImportFailure{i, err})
			continue
		}
		users = append(users, u)
	}
	return users, failures
}

// ImportUser imports one user.
//
// Errors: those of [ImportFailure.Err].
func (o *Operator) ImportUser(ctx context.Context, in ImportUserParams) (User, error) {
	return o.importUser(ctx, in, nil)
}

// importUser imports one user. If taken is not nil, it only checks the user, and adds its
// login ids to those that earlier users of a dry run have taken.
func (o *Operator) importUser(ctx context.Context, in ImportUserParams, taken map[string]bool) (User, error) {
	s := o.s
	u, canonical, err := s.importedUser(in)
	if err != nil {
		return User{}, err
	}
	pw, err := s.importedPassword(ctx, in, u, o.client)
	if err != nil {
		return User{}, err
	}
	if taken != nil {
		return u, s.takeInDryRun(ctx, canonical, taken)
	}
	e := s.newEvent(EventUserImported, u.ID, "", "", o.client)
	_, err = s.store.CreateUser(ctx, store.UserCreation{
		User: u, Canonical: canonical, Password: pw, Effects: store.Effects{Events: []Event{e}},
	})
	if err != nil {
		return User{}, s.storeError(err)
	}
	s.audit.Notify(ctx, e)
	return u, nil
}

// takeInDryRun adds the login ids of one user to taken, or returns ErrLoginIDTaken if the
// store, an earlier user or the user itself has one of them already.
func (s *Service) takeInDryRun(ctx context.Context, canonical []string, taken map[string]bool) error {
	for i, id := range canonical {
		if taken[id] || slices.Contains(canonical[:i], id) {
			return ErrLoginIDTaken
		}
		if _, err := s.store.AccountByLoginID(ctx, id); err == nil {
			return ErrLoginIDTaken
		} else if !errors.Is(err, ErrNotFound) {
			return s.storeError(err)
		}
	}
	for _, id := range canonical {
		taken[id] = true
	}
	return nil
}

// importedUser checks the inputs, except the password, and returns the user and the
// canonical login ids.
func (s *Service) importedUser(in ImportUserParams) (User, []string, error) {
	if len(in.LoginIDs) == 0 {
		return User{}, nil, &FieldError{"loginIds", "required", "must have at least one"}
	}
	in.Email, in.LoginIDs = loginid.Trim(in.Email), slices.Clone(in.LoginIDs)
	canonical := make([]string, len(in.LoginIDs))
	for i, id := range in.LoginIDs {
		id = loginid.Trim(id)
		in.LoginIDs[i] = id
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
	if err := inputErrors(checkProfile(in.Profile), checkAttributes(in.Attributes)); err != nil {
		return User{}, nil, err
	}
	now := s.now()
	u := User{
		ID: "u" + randomString(16), LoginIDs: in.LoginIDs, Email: email, EmailVerified: in.EmailVerified && email != "",
		Language: logs.Clean(in.Language, 128), Roles: in.Roles, Permissions: in.Permissions, Tenants: in.Tenants, Attributes: in.Attributes,
		Status: StatusEnabled, CreatedAt: now, UpdatedAt: now,
	}
	if in.Disabled {
		u.Status = StatusDisabled
	}
	u = in.Profile.Apply(u)
	return u, canonical, nil
}

// importedPassword checks the password or the hash and returns what to store.
func (s *Service) importedPassword(ctx context.Context, in ImportUserParams, u User, c Client) (store.Password, error) {
	pw := store.Password{State: store.PasswordNone, Version: 1, ChangedAt: s.now()}
	var err error
	switch {
	case in.Password != "" && in.Hash != nil:
		return store.Password{}, &FieldError{"password", "not_allowed", "must be given in clear or as a hash, not both"}
	case in.Hash != nil:
		pw.Hash, err = s.hasher.Import(ctx, *in.Hash)
	case in.Password != "":
		if err = s.checkPasswordInput("password", in.Password); err != nil {
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
		return store.Password{}, s.hashError(ctx, err, c)
	}
	pw.State = store.PasswordActive
	return pw, nil
}
