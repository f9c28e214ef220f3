package usher

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/usherkit/usher/internal/loginid"
	"github.com/usherkit/usher/internal/logs"
	"github.com/usherkit/usher/password"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/token"
)

// ImportUserParams describes a user of another system.
type ImportUserParams struct {
	// ID is the id of the user: up to 64 ASCII letters, digits, "-" and "_". Set it if
	// other tables name the user by it, and make it long and random: clients see it.
	// Defaults to a new random one.
	ID string
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
	// CreatedAt is when the user was created. Defaults to the time of the import.
	CreatedAt time.Time
	// Password is the password in clear. Hash is the hash that the other system
	// stored. Only one of them may be set. With neither, the user has no password and
	// sets one by a reset.
	Password Secret
	Hash     *password.Foreign
	// PasswordExpired makes the user replace the password at the first sign-in, which
	// returns ErrPasswordExpired. It needs a Password or a Hash.
	PasswordExpired bool
	// PasswordLeaked makes the user replace the password, as [BreachedReplaced] does: only
	// an emailed link replaces it if EmailVerified is true. It needs a Password or a Hash.
	PasswordLeaked bool
	// Invite emails the user a link that sets a password, in the transaction that creates
	// the user. It is valid for 7 days, and no limit counts it. The user needs an address
	// and must not be Disabled. RedirectURL and Parameter are those of
	// [SendPasswordResetParams]. Defaults to false: no email.
	Invite                 bool
	RedirectURL, Parameter string
}

// ImportUser creates a user of another system, in one transaction. The user gets no email,
// except by Invite. A hash of another system is replaced at the user's first sign-in.
//
// Errors: a [*FieldError] or [*InputErrors]; a [*password.ImportError] for a hash that
// is not supported, or costs too much to compute; a [*password.PolicyError]; a
// [*LimitError] if the hashing queue is full; [ErrLoginIDTaken]; a [*Rejection] of a
// hook of the store; [ErrUnavailable].
func (o *Operator) ImportUser(ctx context.Context, in ImportUserParams) (User, error) {
	u, canonical, err := o.s.importedUser(in)
	if err != nil {
		return User{}, err
	}
	if in.ID != "" {
		if _, err := o.s.store.AccountByLoginID(ctx, canonical[0]); err == nil {
			return User{}, ErrLoginIDTaken
		}
	}
	if err := o.s.checkFreeID(ctx, in.ID); err != nil {
		return User{}, err
	}
	return o.createImported(ctx, in, u, canonical)
}

// errIDTaken is the error of an import that names the id of another user.
var errIDTaken = &FieldError{"id", "not_allowed", "must not be the id of another user"}

// checkFreeID returns a *FieldError if a user has the id that an import names.
func (s *Service) checkFreeID(ctx context.Context, id string) error {
	if id == "" {
		return nil
	}
	switch _, err := s.store.Account(ctx, id); {
	case err == nil:
		return errIDTaken
	case !errors.Is(err, ErrNotFound):
		return s.storeError(err)
	}
	return nil
}

// createImported stores a user whose inputs, except the password, were checked.
func (o *Operator) createImported(ctx context.Context, in ImportUserParams, u User, canonical []string) (User, error) {
	s := o.s
	pw, err := s.importedPassword(ctx, in, u, o.client)
	if err != nil {
		return User{}, err
	}
	creation := store.UserCreation{User: u, Canonical: canonical, Password: pw}
	creation.Events = []Event{s.newEvent(EventUserImported, u.ID, "", "", o.client)}
	if in.Invite {
		if err := o.invite(in, &creation); err != nil {
			return User{}, err
		}
	}
	_, err = s.store.CreateUser(ctx, creation)
	if errors.Is(err, ErrConflict) {
		return User{}, errIDTaken
	}
	if err != nil {
		return User{}, s.storeError(err)
	}
	s.wakeOutbox(creation.Emails)
	s.audit.Notify(ctx, creation.Events...)
	return u, nil
}

// invite adds the link that sets a password to the creation of a user.
func (o *Operator) invite(in ImportUserParams, creation *store.UserCreation) error {
	s, u := o.s, creation.User
	if u.Email == "" || u.Status != StatusEnabled {
		return &FieldError{"invite", "not_allowed", "needs an email address and a user who is not disabled"}
	}
	t, m, err := s.newResetLink(store.Account{User: u, Password: creation.Password}, linkTarget{in.RedirectURL, in.Parameter}, invitationLifetime)
	if err != nil {
		return err
	}
	m.Kind = MessageInvitation
	creation.Token, creation.Emails = &t, s.sealEmail(u.Email, forUser(u, m, o.client), o.client)
	creation.Events = append(creation.Events, s.newEvent(EventResetRequested, u.ID, "", "invited", o.client))
	return nil
}

// idCharacters are the characters of an id that a program chooses.
const idCharacters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// importedUser checks the inputs, except the password, and returns the user and the
// canonical login ids.
func (s *Service) importedUser(in ImportUserParams) (User, []string, error) {
	typed, canonical, err := canonicalLoginIDs(in.LoginIDs, s.cfg.UnicodeLoginIDs)
	if err != nil {
		return User{}, nil, err
	}
	if len(in.ID) > 64 || strings.Trim(in.ID, idCharacters) != "" {
		return User{}, nil, &FieldError{"id", "invalid", "must be up to 64 ASCII letters, digits, - and _"}
	}
	in.Email = loginid.Trim(in.Email)
	email := in.Email
	switch {
	case email != "":
		if _, err := canonicalEmail("email", email, s.cfg.UnicodeLoginIDs); err != nil {
			return User{}, nil, err
		}
	case loginid.IsEmail(canonical[0]):
		email = typed[0]
	}
	if err := inputErrors(checkProfile(in.Profile), checkGrants(in.Roles, in.Permissions, in.Tenants), checkAttributes(in.Attributes)); err != nil {
		return User{}, nil, err
	}
	now := s.now()
	u := User{
		ID: cmp.Or(in.ID, "u"+randomString(16)), LoginIDs: typed, Email: email, EmailVerified: in.EmailVerified && email != "",
		Language: logs.Clean(in.Language, 128), Roles: in.Roles, Permissions: in.Permissions, Tenants: in.Tenants, Attributes: in.Attributes,
		Status: StatusEnabled, CreatedAt: now, UpdatedAt: now,
	}
	if !in.CreatedAt.IsZero() {
		u.CreatedAt = in.CreatedAt.UTC().Truncate(time.Microsecond)
	}
	if year := u.CreatedAt.Year(); year < 1 || year > 9999 { // JSON has no other years
		return User{}, nil, &FieldError{"createdAt", "invalid", "must be from the year 1 to the year 9999"}
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
	case in.PasswordExpired && in.Password == "" && in.Hash == nil:
		return store.Password{}, &FieldError{"passwordExpired", "not_allowed", "needs a password or a hash"}
	case in.PasswordLeaked && in.Password == "" && in.Hash == nil:
		return store.Password{}, &FieldError{"passwordLeaked", "not_allowed", "needs a password or a hash"}
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
	switch pw.State = store.PasswordActive; {
	case in.PasswordLeaked:
		pw.State = store.PasswordBreached
	case in.PasswordExpired:
		pw.State = store.PasswordExpired
	}
	return pw, nil
}
