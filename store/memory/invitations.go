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
func (m *Store) PutInvitation(ctx context.Context, i store.Invitation, replaced store.Event, fx store.Effects) (out []store.Event, err error) {
	err = m.transact(ctx, []any{i, replaced, fx}, func(s *transaction) error {
		if there, ok := s.invitations[i.Canonical]; ok && there.ExpiresAt.After(i.CreatedAt) {
			replaced.Reason = there.ID
			out = []store.Event{replaced}
		}
		put(s, s.invitations, i.Canonical, copyInvitation(i))
		return s.storeEffects(store.Effects{Events: slices.Concat(fx.Events, out), Emails: fx.Emails})
	})
	if err != nil {
		return nil, err
	}
	return out, nil
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
func (m *Store) WithdrawInvitation(ctx context.Context, hash []byte, now time.Time, fx store.Effects) error {
	return m.transact(ctx, fx, func(s *transaction) error {
		i, err := s.invitation(hash, now)
		if err != nil {
			return err
		}
		drop(s, s.invitations, i.Canonical)
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
		if err := s.grant(&a.User, in.Hash, in.At); err != nil {
			return err
		}
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

// grant removes the invitation whose token has that hash, and adds what it grants to the
// user. A nil hash changes nothing.
func (s *transaction) grant(u *store.User, hash []byte, now time.Time) error {
	if hash == nil {
		return nil
	}
	i, err := s.invitation(hash, now)
	if err != nil {
		return store.ErrConflict
	}
	drop(s, s.invitations, i.Canonical)
	*u = i.Grant(*u)
	return nil
}

// voidInvitations removes the invitations of the addresses, if the user has verified the
// address, except those of the addresses in keep.
func (s *transaction) voidInvitations(u store.User, keep []string, addresses ...string) {
	for _, canonical := range addresses {
		if u.EmailVerified && !slices.Contains(keep, canonical) {
			drop(s, s.invitations, canonical)
		}
	}
}

// addressesOf returns the canonical login ids of a user, and the address.
func (s *transaction) addressesOf(u store.User) []string {
	return append(slices.Clone(s.canonical[u.ID]), lowerASCII(u.Email))
}
