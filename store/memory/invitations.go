package memory

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/usherkit/usher/store"
)

// PutInvitation implements [store.InvitationStore].
func (m *Store) PutInvitation(ctx context.Context, i store.Invitation, fx store.Effects) error {
	return m.transact(ctx, []any{i, fx}, func(s *transaction) error {
		put(s, s.invitations, i.Canonical, copyInvitation(i))
		return s.storeEffects(fx)
	})
}

// Invitation implements [store.InvitationStore].
func (m *Store) Invitation(ctx context.Context, hash []byte, now time.Time) (out store.Invitation, err error) {
	err = m.transact(ctx, nil, func(s *transaction) error {
		i, err := s.invitation(hash, now)
		out = copyInvitation(i)
		return err
	})
	return out, err
}

// InvitationOf implements [store.InvitationStore].
func (m *Store) InvitationOf(ctx context.Context, canonical string, now time.Time) (out store.Invitation, err error) {
	err = m.transact(ctx, nil, func(s *transaction) error {
		i, ok := s.invitations[canonical]
		if !ok || !toMicros(now).Before(i.ExpiresAt) {
			return store.ErrNotFound
		}
		out = copyInvitation(i)
		return nil
	})
	return out, err
}

// Invitations implements [store.InvitationStore].
func (m *Store) Invitations(ctx context.Context, after string, limit int, now time.Time) (out []store.Invitation, err error) {
	err = m.transact(ctx, after, func(s *transaction) error {
		for canonical, i := range s.invitations {
			if canonical > after && toMicros(now).Before(i.ExpiresAt) {
				out = append(out, copyInvitation(i))
			}
		}
		slices.SortFunc(out, func(a, b store.Invitation) int { return cmp.Compare(a.Canonical, b.Canonical) })
		out = out[:min(limit, len(out))]
		return nil
	})
	return out, err
}

// WithdrawInvitation implements [store.InvitationStore].
func (m *Store) WithdrawInvitation(ctx context.Context, canonical string, now time.Time, fx store.Effects) error {
	return m.transact(ctx, []any{canonical, fx}, func(s *transaction) error {
		i, ok := s.invitations[canonical]
		if !ok || !toMicros(now).Before(i.ExpiresAt) {
			return store.ErrNotFound
		}
		drop(s, s.invitations, canonical)
		return s.storeEffects(fx)
	})
}

// AcceptInvitation implements [store.InvitationStore].
func (m *Store) AcceptInvitation(ctx context.Context, in store.InvitationAcceptance) (out store.User, err error) {
	err = m.transact(ctx, in, func(s *transaction) error {
		a, ok := s.accounts[in.UserID]
		if !ok {
			return store.ErrNotFound
		}
		if !in.Allows(a.User) {
			return store.ErrConflict
		}
		i, err := s.spendInvitation(in.Hash, in.At)
		if err != nil {
			return err
		}
		a.User = i.Grant(a.User)
		a.User.UpdatedAt = in.At
		put(s, s.accounts, in.UserID, copyAccount(a))
		out = copyUser(a.User)
		return s.storeEffects(in.Effects)
	})
	if err != nil {
		return store.User{}, err
	}
	return out, nil
}

// invitation returns the invitation whose token has that hash.
func (s *transaction) invitation(hash []byte, now time.Time) (store.Invitation, error) {
	for _, i := range s.invitations {
		if bytes.Equal(i.Hash, hash) && toMicros(now).Before(i.ExpiresAt) {
			return i, nil
		}
	}
	return store.Invitation{}, store.ErrNotFound
}

// spendInvitation removes the invitation whose token has that hash, and returns it.
func (s *transaction) spendInvitation(hash []byte, now time.Time) (store.Invitation, error) {
	i, err := s.invitation(hash, now)
	if err == nil {
		drop(s, s.invitations, i.Canonical)
	}
	return i, err
}
