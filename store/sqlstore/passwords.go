package sqlstore

import (
	"context"
	"slices"
	"strings"

	"github.com/usherkit/usher/store"
)

// ChangePassword implements [store.UserStore].
func (s *Store) ChangePassword(ctx context.Context, c store.PasswordChange) ([]store.Event, error) {
	var ended []store.Event
	err := s.transactWithHook(ctx, "change password", func(t *tx) error {
		a, err := t.lockAccountAndOwner(ctx, c.UserID, c.Replaces.ID)
		if err != nil {
			return err
		}
		ended, err = t.changePassword(ctx, a, c)
		return err
	})
	if err != nil {
		return nil, err
	}
	return ended, nil
}

// emptyProfile are the assignments of store.WithoutProfile.
var emptyProfile = []string{
	"name = ''", "given_name = ''", "middle_name = ''", "family_name = ''", "phone = ''", "picture = ''",
}

// changePassword is ChangePassword for a user whose row is locked already.
func (t *tx) changePassword(ctx context.Context, a store.Account, c store.PasswordChange) ([]store.Event, error) {
	if !c.Allows(a) {
		return nil, store.ErrConflict
	}
	set := []string{"password_state = ?", "password_version = ?", "password_changed_at = ?", "password_unproven_at = ?"}
	args := []any{string(c.State), c.IfVersion + 1, c.At, optionalTime{c.UnprovenAt}}
	if c.Hash != "" {
		set = append(set, "password_hash = ?", "password_earlier = ?")
		args = append(args, c.Hash, asJSON{earlierHashes(a.Password, c.KeepEarlier)})
	}
	if c.VerifyEmail && a.User.Email != "" && !a.User.EmailVerified {
		set = append(set, "email_verified = ?", "updated_at = ?")
		args = append(args, true, c.At)
		a.User.EmailVerified, a.User.UpdatedAt = true, toMicros(c.At)
	}
	if c.Language != "" {
		set, args = append(set, "language = ?"), append(args, c.Language)
		a.User.Language = c.Language
	}
	if c.ClearProfile {
		set = append(set, emptyProfile...)
		a.User = store.WithoutProfile(a.User)
	}
	if c.Spelling != "" {
		a.User = a.User.Respelled(c.Spelling)
		set, args = append(set, "email = ?", "login_ids = ?"), append(args, a.User.Email, asJSON{a.User.LoginIDs})
	}
	if err := t.grantAndSet(ctx, &a.User, c.Invitation, c.At, set, args); err != nil {
		return nil, err
	}

	var ended []store.Event
	if c.End != nil {
		var err error
		if ended, err = t.endSessions(ctx, a.User.ID, *c.End); err != nil {
			return nil, err
		}
	}
	if c.IfSession != "" && !slices.ContainsFunc(ended, func(e store.Event) bool { return e.SessionID == c.IfSession }) {
		return nil, store.ErrNotFound
	}
	replaced, err := t.endReplaced(ctx, c.Replaces)
	if err != nil {
		return nil, err
	}
	ended = append(ended, replaced...)
	if c.DropTokens {
		if err := t.dropTokens(ctx, a.User.ID); err != nil {
			return nil, err
		}
	}
	session, err := sessionInsert(a.User.ID, c.Session)
	if err != nil {
		return nil, err
	}
	if err := t.execAll(ctx, session, lowerLimits(c.ClearLimits, nil)); err != nil {
		return nil, err
	}
	if err := t.runHook(ctx, PasswordChanged, a.User, nil); err != nil {
		return nil, err
	}
	return ended, t.storeEffects(ctx, c.Effects)
}

// ClaimUser implements [store.UserStore].
func (s *Store) ClaimUser(ctx context.Context, c store.UserClaim) (user store.User, ended []store.Event, err error) {
	err = s.transactWithHook(ctx, "claim user", func(t *tx) error {
		a, err := t.lockAccount(ctx, c.UserID)
		if err != nil {
			return err
		}
		if !c.Allows(a) {
			return store.ErrConflict
		}
		if user, ended, err = t.claim(ctx, a, c); err != nil {
			return err
		}
		return t.execAll(ctx, lowerLimits(c.ClearLimits, nil), effects(c.Effects))
	})
	if err != nil {
		return store.User{}, nil, err
	}
	return user, ended, nil
}

// claim gives a user whose row is locked to the owner of the mailbox: see
// store.UserStore.ClaimUser.
func (t *tx) claim(ctx context.Context, a store.Account, c store.UserClaim) (store.User, []store.Event, error) {
	c.At = toMicros(c.At)
	a = c.Apply(a)
	u, p := a.User, a.Password
	err := t.grantAndSet(ctx, &u, c.Invitation, c.At,
		[]string{
			"email = ?", "login_ids = ?", "email_verified = ?", "updated_at = ?", "language = ?",
			"name = ?", "given_name = ?", "middle_name = ?", "family_name = ?", "phone = ?", "picture = ?",
			"password_hash = ?", "password_state = ?", "password_version = ?", "password_changed_at = ?", "password_earlier = ?", "password_unproven_at = ?",
		},
		[]any{
			u.Email, asJSON{u.LoginIDs}, u.EmailVerified, u.UpdatedAt, u.Language,
			u.Name, u.GivenName, u.MiddleName, u.FamilyName, u.Phone, u.Picture,
			p.Hash, string(p.State), p.Version, p.ChangedAt, asJSON{p.Earlier}, optionalTime{p.UnprovenAt},
		})
	if err != nil {
		return store.User{}, nil, err
	}
	ended, err := t.endSessions(ctx, u.ID, c.End)
	if err != nil {
		return store.User{}, nil, err
	}
	if err := t.dropTokens(ctx, u.ID); err != nil {
		return store.User{}, nil, err
	}
	return u, ended, t.runHook(ctx, PasswordChanged, u, nil)
}

// setUser changes columns of a user's row. set is SQL from this package, never input.
func (t *tx) setUser(ctx context.Context, userID string, set []string, args []any) error {
	return t.execAll(ctx, []statement{{`UPDATE usher_users SET ` + strings.Join(set, ", ") + ` WHERE id = ?`, append(args, userID)}})
}

// earlierHashes returns the current hash and the earlier ones, newest first, at most
// keep of them.
func earlierHashes(p store.Password, keep int) []string {
	var hashes []string
	if p.Hash != "" {
		hashes = append(hashes, p.Hash)
	}
	hashes = append(hashes, p.Earlier...)
	return hashes[:min(len(hashes), max(keep, 0))]
}
