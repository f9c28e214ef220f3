package memory

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/usherkit/usher/store"
)

// AddOneTimeToken implements [store.OneTimeTokenStore].
func (m *Store) AddOneTimeToken(ctx context.Context, in store.TokenAddition) error {
	refused := false
	err := m.transact(ctx, []any{in}, func(s *transaction) error {
		t := copyToken(in.Token)
		refused = !s.valid(t, toMicros(t.CreatedAt)) || s.makeRoom(t, in) != nil
		switch {
		case refused && in.Refused == nil:
			return store.ErrConflict
		case refused:
			s.releaseLimits(in.Refused.ReleaseLimits)
			return s.storeEffects(in.Refused.Effects)
		}
		if err := add(s, s.tokens, string(t.Hash), t); err != nil {
			return err
		}
		return s.storeEffects(in.Effects)
	})
	if err == nil && refused {
		err = store.ErrConflict
	}
	return err
}

// makeRoom removes the tokens that t replaces.
func (s *transaction) makeRoom(t store.OneTimeToken, in store.TokenAddition) error {
	var open, replaced []store.OneTimeToken
	for _, other := range s.tokens {
		switch {
		case other.UserID != t.UserID || other.Purpose != t.Purpose:
		case other.NewEmail != t.NewEmail:
			replaced = append(replaced, other)
		case s.valid(other, toMicros(t.CreatedAt)):
			open = append(open, other)
		}
	}
	over := max(0, len(open)+1-in.MaxOpen)
	if over > 0 && !in.DropOldest {
		return store.ErrConflict
	}
	slices.SortFunc(open, byTokenAge)
	for _, old := range slices.Concat(replaced, open[:min(over, len(open))]) {
		drop(s, s.tokens, string(old.Hash))
	}
	return nil
}

// OneTimeToken implements [store.OneTimeTokenStore].
func (m *Store) OneTimeToken(ctx context.Context, hash []byte, now time.Time) (out store.OneTimeToken, err error) {
	err = m.transact(ctx, nil, func(s *transaction) error {
		t, ok := s.tokens[string(hash)]
		if !ok || !s.valid(t, toMicros(now)) {
			return store.ErrNotFound
		}
		out = copyToken(t)
		return nil
	})
	return out, err
}

// UserTokens implements [store.OneTimeTokenStore].
func (m *Store) UserTokens(ctx context.Context, userID string, purposes []store.Purpose, now time.Time) (out []store.OneTimeToken, err error) {
	err = m.transact(ctx, nil, func(s *transaction) error {
		for _, t := range s.tokens {
			if t.UserID == userID && slices.Contains(purposes, t.Purpose) && s.valid(t, toMicros(now)) {
				out = append(out, copyToken(t))
			}
		}
		slices.SortFunc(out, func(a, b store.OneTimeToken) int { return byTokenAge(b, a) })
		return nil
	})
	return out, err
}

// DropTokens implements [store.OneTimeTokenStore].
func (m *Store) DropTokens(ctx context.Context, userID string, p store.Purpose, now time.Time, fx store.Effects) error {
	return m.transact(ctx, []any{userID, fx}, func(s *transaction) error {
		n := 0
		for hash, t := range s.tokens {
			if t.UserID == userID && t.Purpose == p && s.valid(t, toMicros(now)) {
				drop(s, s.tokens, hash)
				n++
			}
		}
		if n == 0 {
			return store.ErrNotFound
		}
		return s.storeEffects(fx)
	})
}

// byTokenAge sorts tokens, oldest first.
func byTokenAge(a, b store.OneTimeToken) int {
	return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), bytes.Compare(a.Hash, b.Hash))
}

// ResetPassword implements [store.OneTimeTokenStore].
func (m *Store) ResetPassword(ctx context.Context, spend store.TokenSpend, c store.PasswordChange) (ended []store.Event, err error) {
	err = m.transact(ctx, []any{spend, c}, func(s *transaction) error {
		t, err := s.spend(spend)
		if err != nil {
			return err
		}
		if t.UserID != c.UserID {
			return store.ErrNotFound
		}
		ended, err = s.changePassword(c)
		return err
	})
	if err != nil {
		return nil, err
	}
	return ended, nil
}

// StartResetSession implements [store.OneTimeTokenStore].
func (m *Store) StartResetSession(ctx context.Context, spend store.TokenSpend, ses store.SessionRecord, end store.SessionEnd, fx store.Effects) (ended []store.Event, err error) {
	err = m.transact(ctx, []any{spend, ses, end, fx}, func(s *transaction) error {
		t, err := s.spend(spend)
		if err != nil {
			return err
		}
		if t.Purpose == store.PurposeConfirmAndReset {
			if _, ended, err = s.claim(s.accounts[t.UserID], store.UserClaim{At: spend.Now, End: end, Invitation: spend.Invitation}); err != nil {
				return err
			}
		} else if spend.Invitation != nil {
			a := s.accounts[t.UserID]
			a.User.UpdatedAt = toMicros(spend.Now)
			if err := s.grant(&a.User, spend.Invitation, spend.Now); err != nil {
				return err
			}
			put(s, s.accounts, t.UserID, copyAccount(a))
		}
		if err := s.insertSession(t.UserID, &ses); err != nil {
			return err
		}
		return s.storeEffects(fx)
	})
	if err != nil {
		return nil, err
	}
	return ended, nil
}

// VerifyEmail implements [store.OneTimeTokenStore].
func (m *Store) VerifyEmail(ctx context.Context, spend store.TokenSpend, fx store.Effects) (out store.User, err error) {
	err = m.transact(ctx, []any{spend, fx}, func(s *transaction) error {
		spend.Purposes = []store.Purpose{store.PurposeVerifyEmail}
		t, err := s.spend(spend)
		if err != nil {
			return err
		}
		a := s.accounts[t.UserID]
		a.User.EmailVerified, a.User.UpdatedAt = true, toMicros(spend.Now)
		if err := s.grant(&a.User, spend.Invitation, spend.Now); err != nil {
			return err
		}
		put(s, s.accounts, t.UserID, copyAccount(a))
		out = copyUser(a.User)
		return s.storeEffects(fx)
	})
	if err != nil {
		return store.User{}, err
	}
	return out, nil
}

// ChangeEmail implements [store.OneTimeTokenStore].
func (m *Store) ChangeEmail(ctx context.Context, spend store.TokenSpend, oldCanonical, newCanonical string, fx store.Effects) (out store.User, err error) {
	err = m.transact(ctx, []any{spend, oldCanonical, newCanonical, fx}, func(s *transaction) error {
		spend.Purposes = []store.Purpose{store.PurposeChangeEmail}
		t, err := s.spend(spend)
		if err != nil {
			return err
		}
		a := copyAccount(s.accounts[t.UserID])
		s.voidInvitations(a.User, []string{newCanonical}, s.addressesOf(a.User)...)
		a.User.Email, a.User.EmailVerified, a.User.UpdatedAt = t.NewEmail, true, toMicros(spend.Now)
		if err := s.renameLoginID(&a.User, oldCanonical, newCanonical); err != nil {
			return err
		}
		if err := s.grant(&a.User, spend.Invitation, spend.Now); err != nil {
			return err
		}
		put(s, s.accounts, t.UserID, a)
		s.dropTokens(t.UserID)
		out = copyUser(a.User)
		return s.storeEffects(fx)
	})
	if err != nil {
		return store.User{}, err
	}
	return out, nil
}

// renameLoginID replaces the login id old, if u has it, by u.Email.
func (s *transaction) renameLoginID(u *store.User, old, next string) error {
	canonical := slices.Clone(s.canonical[u.ID])
	i := slices.Index(canonical, old)
	if i < 0 {
		return nil
	}
	if owner, taken := s.owners[next]; taken && owner != u.ID {
		return store.ErrLoginIDTaken
	}
	if j := slices.Index(canonical, next); j >= 0 && j != i {
		// The user has the new address as a login id already: keep only one.
		u.LoginIDs[i], canonical[i] = u.Email, next
		u.LoginIDs, canonical = slices.Delete(u.LoginIDs, j, j+1), slices.Delete(canonical, j, j+1)
	} else {
		u.LoginIDs[i], canonical[i] = u.Email, next
	}
	drop(s, s.owners, old)
	put(s, s.owners, next, u.ID)
	put(s, s.canonical, u.ID, canonical)
	return nil
}

// valid reports whether a token can be spent at now.
func (s *transaction) valid(t store.OneTimeToken, now time.Time) bool {
	a, ok := s.accounts[t.UserID]
	return ok && now.Before(t.ExpiresAt) && a.User.Status == store.StatusEnabled &&
		a.User.Email == t.Email && a.Password.Version == t.PasswordVersion
}

// spend removes a valid token of one of the purposes and returns it.
func (s *transaction) spend(in store.TokenSpend) (store.OneTimeToken, error) {
	t, ok := s.tokens[string(in.Hash)]
	if !ok || !s.valid(t, toMicros(in.Now)) || !slices.Contains(in.Purposes, t.Purpose) {
		return store.OneTimeToken{}, store.ErrNotFound
	}
	drop(s, s.tokens, string(in.Hash))
	return t, nil
}

// dropTokens removes a user's tokens and the reset sessions that came from them.
func (s *transaction) dropTokens(userID string) {
	for hash, t := range s.tokens {
		if t.UserID == userID {
			drop(s, s.tokens, hash)
		}
	}
	for id, ses := range s.sessions {
		if ses.UserID == userID && ses.Kind == store.SessionReset {
			drop(s, s.sessions, id)
		}
	}
}
