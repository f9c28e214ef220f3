package sqlstore

import (
	"context"
	"time"

	"github.com/usherkit/usher/store"
)

const invitationColumns = `id, email, canonical, hash, roles, permissions, tenants, created_at, expires_at`

func invitationDest(i *store.Invitation) []any {
	return []any{
		&i.ID, &i.Email, &i.Canonical, bytesColumn{&i.Hash}, jsonColumn{&i.Roles}, jsonColumn{&i.Permissions}, jsonColumn{&i.Tenants},
		timeColumn{&i.CreatedAt}, timeColumn{&i.ExpiresAt},
	}
}

// grantedColumns are the assignments of what an invitation grants, with the arguments of
// granted.
var grantedColumns = []string{"roles = ?", "permissions = ?", "tenants = ?"}

func granted(u store.User) []any {
	return []any{asJSON{u.Roles}, asJSON{u.Permissions}, asJSON{u.Tenants}}
}

// PutInvitation implements [store.InvitationStore].
func (s *Store) PutInvitation(ctx context.Context, i store.Invitation, fx store.Effects) error {
	return s.transact(ctx, "put invitation", func(t *tx) error {
		if _, err := t.exec(ctx, `
			INSERT INTO usher_invitations (`+invitationColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (canonical) DO UPDATE SET id = excluded.id, email = excluded.email, hash = excluded.hash,
				roles = excluded.roles, permissions = excluded.permissions, tenants = excluded.tenants,
				created_at = excluded.created_at, expires_at = excluded.expires_at`,
			i.ID, i.Email, i.Canonical, i.Hash, asJSON{i.Roles}, asJSON{i.Permissions}, asJSON{i.Tenants}, i.CreatedAt, i.ExpiresAt); err != nil {
			return err
		}
		return t.storeEffects(ctx, fx)
	})
}

// Invitation implements [store.InvitationStore].
func (s *Store) Invitation(ctx context.Context, hash []byte, now time.Time) (store.Invitation, error) {
	return s.invitation(ctx, `hash = ?`, hash, now)
}

// InvitationOf implements [store.InvitationStore].
func (s *Store) InvitationOf(ctx context.Context, canonical string, now time.Time) (store.Invitation, error) {
	return s.invitation(ctx, `canonical = ?`, canonical, now)
}

func (s *Store) invitation(ctx context.Context, condition string, arg any, now time.Time) (store.Invitation, error) {
	var i store.Invitation
	err := s.read(ctx, "read invitation", func(r runner) error {
		return r.get(ctx, invitationDest(&i), `SELECT `+invitationColumns+` FROM usher_invitations WHERE `+condition+` AND expires_at > ?`, arg, now)
	})
	if err != nil {
		return store.Invitation{}, err
	}
	return i, nil
}

// Invitations implements [store.InvitationStore].
func (s *Store) Invitations(ctx context.Context, after string, limit int, now time.Time) ([]store.Invitation, error) {
	var out []store.Invitation
	err := s.read(ctx, "read invitations", func(r runner) error {
		out = nil
		return r.query(ctx, func(row scanner) error {
			var i store.Invitation
			if err := row.Scan(invitationDest(&i)...); err != nil {
				return err
			}
			out = append(out, i)
			return nil
		}, `
			SELECT `+invitationColumns+` FROM usher_invitations
			WHERE canonical > ? AND expires_at > ? ORDER BY canonical LIMIT ?`, after, now, limit)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// WithdrawInvitation implements [store.InvitationStore].
func (s *Store) WithdrawInvitation(ctx context.Context, canonical string, now time.Time, fx store.Effects) error {
	return s.transact(ctx, "withdraw invitation", func(t *tx) error {
		n, err := t.exec(ctx, `DELETE FROM usher_invitations WHERE canonical = ? AND expires_at > ?`, canonical, now)
		if err != nil {
			return err
		}
		if n == 0 {
			return store.ErrNotFound
		}
		return t.storeEffects(ctx, fx)
	})
}

// AcceptInvitation implements [store.InvitationStore].
func (s *Store) AcceptInvitation(ctx context.Context, in store.InvitationAcceptance) (store.User, error) {
	var out store.User
	err := s.transactWithHook(ctx, "accept invitation", func(t *tx) error {
		a, err := t.lockAccount(ctx, in.UserID)
		if err != nil {
			return err
		}
		if !in.Allows(a.User) {
			return store.ErrConflict
		}
		i, err := t.spendInvitation(ctx, in.Hash, in.At)
		if err != nil {
			return err
		}
		out = i.Grant(a.User)
		out.UpdatedAt = toMicros(in.At)
		if err := t.setUser(ctx, out.ID, append([]string{"updated_at = ?"}, grantedColumns...), append([]any{out.UpdatedAt}, granted(out)...)); err != nil {
			return err
		}
		if err := t.runHook(ctx, UserUpdated, out); err != nil {
			return err
		}
		return t.storeEffects(ctx, in.Effects)
	})
	if err != nil {
		return store.User{}, err
	}
	return out, nil
}

// spendInvitation removes the invitation whose token has that hash, and returns it. Of
// concurrent callers one wins.
func (t *tx) spendInvitation(ctx context.Context, hash []byte, now time.Time) (store.Invitation, error) {
	var i store.Invitation
	err := t.get(ctx, invitationDest(&i), `
		DELETE FROM usher_invitations WHERE hash = ? AND expires_at > ? RETURNING `+invitationColumns, hash, now)
	return i, err
}
