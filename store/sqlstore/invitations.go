package sqlstore

import (
	"context"
	"errors"
	"slices"
	"strings"
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

// PutInvitation implements [store.InvitationStore].
func (s *Store) PutInvitation(ctx context.Context, i store.Invitation, replaced store.Event, fx store.Effects) ([]store.Event, error) {
	var out []store.Event
	err := s.transact(ctx, "put invitation", func(t *tx) error {
		out = nil
		// The row of an earlier invitation stays as it is, and is locked.
		var there store.Invitation
		if err := t.get(ctx, invitationDest(&there), `
			INSERT INTO usher_invitations (`+invitationColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (canonical) DO UPDATE SET canonical = excluded.canonical RETURNING `+invitationColumns,
			i.ID, i.Email, i.Canonical, i.Hash, asJSON{i.Roles}, asJSON{i.Permissions}, asJSON{i.Tenants}, i.CreatedAt, i.ExpiresAt); err != nil {
			return err
		}
		if there.ID == i.ID {
			return t.storeEffects(ctx, fx)
		}
		if there.ExpiresAt.After(i.CreatedAt) {
			replaced.Reason = there.ID
			out = []store.Event{replaced}
		}
		update := statement{`UPDATE usher_invitations SET id = ?, email = ?, hash = ?, roles = ?, permissions = ?, tenants = ?, created_at = ?, expires_at = ?
			WHERE canonical = ?`, []any{i.ID, i.Email, i.Hash, asJSON{i.Roles}, asJSON{i.Permissions}, asJSON{i.Tenants}, i.CreatedAt, i.ExpiresAt, i.Canonical}}
		return t.execAll(ctx, []statement{update}, effects(store.Effects{Events: slices.Concat(fx.Events, out), Emails: fx.Emails}))
	})
	if err != nil {
		return nil, err
	}
	return out, nil
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
func (s *Store) WithdrawInvitation(ctx context.Context, hash []byte, now time.Time, fx store.Effects) error {
	return s.transact(ctx, "withdraw invitation", func(t *tx) error {
		n, err := t.exec(ctx, `DELETE FROM usher_invitations WHERE hash = ? AND expires_at > ?`, hash, now)
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
		out = a.User
		out.UpdatedAt = toMicros(in.At)
		if err := t.grantAndSet(ctx, &out, in.Hash, in.At, []string{"updated_at = ?"}, []any{out.UpdatedAt}); err != nil {
			return err
		}
		if err := t.runHook(ctx, UserUpdated, out, nil); err != nil {
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
// concurrent callers one wins, and the others get store.ErrConflict.
func (t *tx) spendInvitation(ctx context.Context, hash []byte, now time.Time) (store.Invitation, error) {
	var i store.Invitation
	err := t.get(ctx, invitationDest(&i), `
		DELETE FROM usher_invitations WHERE hash = ? AND expires_at > ? RETURNING `+invitationColumns, hash, now)
	if errors.Is(err, store.ErrNotFound) {
		err = store.ErrConflict
	}
	return i, err
}

// grantAndSet changes columns of a user's row, as setUser does. If hash is not nil, it
// removes the invitation and adds what it grants to the user and to the row.
func (t *tx) grantAndSet(ctx context.Context, u *store.User, hash []byte, now time.Time, set []string, args []any) error {
	if hash != nil {
		i, err := t.spendInvitation(ctx, hash, now)
		if err != nil {
			return err
		}
		*u = i.Grant(*u)
		set = append(set, "roles = ?", "permissions = ?", "tenants = ?")
		args = append(args, asJSON{u.Roles}, asJSON{u.Permissions}, asJSON{u.Tenants})
	}
	return t.setUser(ctx, u.ID, set, args)
}

// ofLoginIDs and ofAddress select the canonical addresses whose invitations a user loses,
// as the user's rows have them.
const ofLoginIDs = `SELECT l.canonical FROM usher_login_ids l WHERE l.user_id = ?`

func (d Dialect) ofAddress() string {
	return `SELECT ` + d.lower("u.email") + ` FROM usher_users u WHERE u.id = ?`
}

// voidInvitations removes the invitations of the addresses in a query, if the user has
// verified the address, except those of the addresses in keep.
func (t *tx) voidInvitations(ctx context.Context, u store.User, keep []string, addresses ...string) error {
	if !u.EmailVerified {
		return nil
	}
	s := statement{query: `DELETE FROM usher_invitations WHERE canonical IN (` + strings.Join(addresses, ` UNION ALL `) + `)`}
	for range addresses {
		s.args = append(s.args, u.ID)
	}
	if len(keep) > 0 {
		s.query += ` AND canonical NOT IN (` + placeholders(len(keep)) + `)`
		for _, canonical := range keep {
			s.args = append(s.args, canonical)
		}
	}
	return t.execAll(ctx, []statement{s})
}
