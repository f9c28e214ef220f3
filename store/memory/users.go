package memory

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"

	"github.com/usherkit/usher/store"
)

// CreateUser implements [store.UserStore].
func (m *Store) CreateUser(ctx context.Context, c store.UserCreation) (ended []store.Event, err error) {
	err = m.transact(ctx, c, func(s *transaction) error {
		if len(c.Canonical) != len(c.User.LoginIDs) {
			return errors.New("memory: UserCreation needs one canonical form for each login id")
		}
		for _, id := range c.Canonical {
			if add(s, s.owners, id, c.User.ID) != nil {
				return store.ErrLoginIDTaken
			}
		}
		if err := setAttributes(&c.User, c.User.Attributes); err != nil {
			return err
		}
		a := store.Account{User: c.User, Password: c.Password}
		if add(s, s.accounts, c.User.ID, copyAccount(a)) != nil {
			return store.ErrConflict
		}
		put(s, s.canonical, c.User.ID, slices.Clone(c.Canonical))
		ended = s.endReplaced(c.Replaces)
		if err := s.insertSession(c.User.ID, c.Session); err != nil {
			return err
		}
		if err := s.grant(&c.User, c.Invitation, c.User.CreatedAt); err != nil {
			return err
		}
		if c.Token != nil {
			if err := add(s, s.tokens, string(c.Token.Hash), copyToken(*c.Token)); err != nil {
				return err
			}
		}
		return s.storeEffects(c.Effects)
	})
	if err != nil {
		return nil, err
	}
	return ended, nil
}

// Account implements [store.UserStore].
func (m *Store) Account(ctx context.Context, userID string) (out store.Account, err error) {
	err = m.transact(ctx, nil, func(s *transaction) error {
		a, ok := s.accounts[userID]
		if !ok {
			return store.ErrNotFound
		}
		out = copyAccount(a)
		return nil
	})
	return out, err
}

// AccountByLoginID implements [store.UserStore].
func (m *Store) AccountByLoginID(ctx context.Context, canonical string) (out store.Account, err error) {
	err = m.transact(ctx, nil, func(s *transaction) error {
		a, ok := s.accounts[s.owners[canonical]]
		if !ok {
			return store.ErrNotFound
		}
		out = copyAccount(a)
		return nil
	})
	return out, err
}

// AccountByAddress implements [store.UserStore].
func (m *Store) AccountByAddress(ctx context.Context, canonical string) (out store.Account, err error) {
	err = m.transact(ctx, nil, func(s *transaction) error {
		if a, ok := s.accounts[s.owners[canonical]]; ok {
			out = copyAccount(a)
			return nil
		}
		var proven []store.Account
		for _, a := range s.accounts {
			if a.User.EmailVerified && lowerASCII(a.User.Email) == canonical {
				proven = append(proven, a)
			}
		}
		switch len(proven) {
		case 0:
			return store.ErrNotFound
		case 1:
			out = copyAccount(proven[0])
			return nil
		}
		return store.ErrLoginIDTaken
	})
	return out, err
}

// UpdateUser implements [store.UserStore].
func (m *Store) UpdateUser(ctx context.Context, u store.UserUpdate) (out store.User, ended []store.Event, err error) {
	err = m.transact(ctx, u, func(s *transaction) error {
		a, ok := s.accounts[u.UserID]
		if !ok {
			return store.ErrNotFound
		}
		if u.LoginIDs != nil {
			s.voidInvitations(a.User, u.Canonical, s.canonical[u.UserID]...)
		}
		a.User = u.Profile.Apply(a.User)
		if u.Roles != nil {
			a.User.Roles = *u.Roles
		}
		if u.Permissions != nil {
			a.User.Permissions = *u.Permissions
		}
		if u.Tenants != nil {
			a.User.Tenants = *u.Tenants
		}
		if u.Attributes != nil {
			if err := setAttributes(&a.User, *u.Attributes); err != nil {
				return err
			}
		}
		if u.Patch != nil {
			exact := map[string]json.RawMessage{}
			if err := json.Unmarshal(a.User.StoredAttributes(), &exact); err != nil {
				return err
			}
			stored := map[string]any{}
			for key, value := range exact {
				stored[key] = value
			}
			attributes, err := u.Patch.Apply(a.User, stored)
			if err == nil {
				err = setAttributes(&a.User, attributes)
			}
			if err != nil {
				return err
			}
		}
		if u.Status != nil {
			a.User.Status = *u.Status
		}
		if u.Email != nil {
			if u.Email.Address != a.User.Email {
				s.voidInvitations(a.User, nil, s.addressesOf(a.User)...)
			}
			a.Password = u.Email.Password(a)
			a.User.Email, a.User.EmailVerified = u.Email.Address, u.Email.Verified
		}
		if u.LoginIDs != nil {
			if err := s.setLoginIDs(u.UserID, *u.LoginIDs, u.Canonical); err != nil {
				return err
			}
			a.User.LoginIDs = *u.LoginIDs
		}
		a.User.UpdatedAt = u.At
		put(s, s.accounts, u.UserID, copyAccount(a))
		if u.End != nil {
			ended = s.endUserSessions(u.UserID, *u.End)
		}
		if u.DropTokens {
			s.dropTokens(u.UserID)
		}
		out = copyUser(a.User)
		return s.storeEffects(u.Effects)
	})
	if err != nil {
		return store.User{}, nil, err
	}
	return out, ended, nil
}

// setLoginIDs replaces the canonical login ids of a user.
func (s *transaction) setLoginIDs(userID string, loginIDs, canonical []string) error {
	if len(canonical) != len(loginIDs) {
		return errors.New("memory: UserUpdate needs one canonical form for each login id")
	}
	for _, id := range s.canonical[userID] {
		drop(s, s.owners, id)
	}
	for _, id := range canonical {
		if add(s, s.owners, id, userID) != nil {
			return store.ErrLoginIDTaken
		}
	}
	put(s, s.canonical, userID, slices.Clone(canonical))
	return nil
}

// DeleteUser implements [store.UserStore].
func (m *Store) DeleteUser(ctx context.Context, d store.UserDeletion) (ended []store.Event, err error) {
	err = m.transact(ctx, d, func(s *transaction) error {
		a, ok := s.accounts[d.UserID]
		if !ok || d.IfSession != "" && s.sessions[d.IfSession].UserID != d.UserID {
			return store.ErrNotFound
		}
		ended = s.endUserSessions(d.UserID, d.End)
		s.dropTokens(d.UserID)
		s.voidInvitations(a.User, nil, s.addressesOf(a.User)...)
		for _, id := range s.canonical[d.UserID] {
			drop(s, s.owners, id)
		}
		drop(s, s.canonical, d.UserID)
		drop(s, s.accounts, d.UserID)
		s.clearLimits(d.ClearLimits)
		return s.storeEffects(d.Effects)
	})
	if err != nil {
		return nil, err
	}
	return ended, nil
}

// ChangePassword implements [store.UserStore].
func (m *Store) ChangePassword(ctx context.Context, c store.PasswordChange) (ended []store.Event, err error) {
	err = m.transact(ctx, c, func(s *transaction) (err error) {
		ended, err = s.changePassword(c)
		return err
	})
	if err != nil {
		return nil, err
	}
	return ended, nil
}

func (s *transaction) changePassword(c store.PasswordChange) ([]store.Event, error) {
	a, ok := s.accounts[c.UserID]
	if !ok {
		return nil, store.ErrNotFound
	}
	if !c.Allows(a) {
		return nil, store.ErrConflict
	}
	p := &a.Password
	p.State, p.Version, p.ChangedAt, p.UnprovenAt = c.State, c.IfVersion+1, c.At, c.UnprovenAt
	if c.Hash != "" {
		p.Earlier = earlierHashes(*p, c.KeepEarlier)
		p.Hash = c.Hash
	}
	if c.VerifyEmail && a.User.Email != "" && !a.User.EmailVerified {
		a.User.EmailVerified, a.User.UpdatedAt = true, c.At
	}
	a.User.Language = cmp.Or(c.Language, a.User.Language)
	if c.ClearProfile {
		a.User = store.WithoutProfile(a.User)
	}
	a.User = a.User.Respelled(c.Spelling)
	if err := s.grant(&a.User, c.Invitation, c.At); err != nil {
		return nil, err
	}
	put(s, s.accounts, c.UserID, copyAccount(a))

	var ended []store.Event
	if c.End != nil {
		ended = s.endUserSessions(c.UserID, *c.End)
	}
	if c.IfSession != "" && !slices.ContainsFunc(ended, func(e store.Event) bool { return e.SessionID == c.IfSession }) {
		return nil, store.ErrNotFound
	}
	ended = append(ended, s.endReplaced(c.Replaces)...)
	if c.DropTokens {
		s.dropTokens(c.UserID)
	}
	if err := s.insertSession(c.UserID, c.Session); err != nil {
		return nil, err
	}
	s.clearLimits(c.ClearLimits)
	return ended, s.storeEffects(c.Effects)
}

// ClaimUser implements [store.UserStore].
func (m *Store) ClaimUser(ctx context.Context, c store.UserClaim) (out store.User, ended []store.Event, err error) {
	err = m.transact(ctx, c, func(s *transaction) error {
		a, ok := s.accounts[c.UserID]
		switch {
		case !ok:
			return store.ErrNotFound
		case !c.Allows(a):
			return store.ErrConflict
		}
		if out, ended, err = s.claim(a, c); err != nil {
			return err
		}
		s.clearLimits(c.ClearLimits)
		return s.storeEffects(c.Effects)
	})
	if err != nil {
		return store.User{}, nil, err
	}
	return out, ended, nil
}

// claim gives a user to the owner of the mailbox: see store.UserStore.ClaimUser.
func (s *transaction) claim(a store.Account, c store.UserClaim) (store.User, []store.Event, error) {
	c.At = toMicros(c.At)
	a = copyAccount(c.Apply(a))
	if err := s.grant(&a.User, c.Invitation, c.At); err != nil {
		return store.User{}, nil, err
	}
	put(s, s.accounts, a.User.ID, a)
	ended := s.endUserSessions(a.User.ID, c.End)
	s.dropTokens(a.User.ID)
	return copyUser(a.User), ended, nil
}

// earlierHashes returns the current hash and the earlier ones, newest first, at most
// keep of them.
func earlierHashes(p store.Password, keep int) []string {
	var all []string
	if p.Hash != "" {
		all = append(all, p.Hash)
	}
	all = append(all, p.Earlier...)
	return all[:min(len(all), max(keep, 0))]
}
