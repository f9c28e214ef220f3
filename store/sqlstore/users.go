package sqlstore

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	"github.com/usherkit/usher/store"
)

const userColumns = `u.id, u.login_ids, u.email, u.email_verified,
	u.name, u.given_name, u.middle_name, u.family_name, u.phone, u.picture, u.language,
	u.roles, u.permissions, u.tenants, u.attributes, u.status, u.created_at, u.updated_at`

const accountColumns = userColumns + `,
	u.password_hash, u.password_state, u.password_version, u.password_changed_at, u.password_earlier, u.password_unproven_at`

func userDest(u *store.User) []any {
	return []any{
		&u.ID, jsonColumn{&u.LoginIDs}, &u.Email, &u.EmailVerified,
		&u.Name, &u.GivenName, &u.MiddleName, &u.FamilyName, &u.Phone, &u.Picture, &u.Language,
		jsonColumn{&u.Roles}, jsonColumn{&u.Permissions}, jsonColumn{&u.Tenants}, attributesColumn{u},
		&u.Status, timeColumn{&u.CreatedAt}, timeColumn{&u.UpdatedAt},
	}
}

func accountDest(a *store.Account) []any {
	p := &a.Password
	return append(userDest(&a.User),
		&p.Hash, &p.State, &p.Version, timeColumn{&p.ChangedAt}, jsonColumn{&p.Earlier}, optionalTimeColumn{&p.UnprovenAt})
}

// CreateUser implements [store.UserStore].
func (s *Store) CreateUser(ctx context.Context, c store.UserCreation) ([]store.Event, error) {
	if len(c.Canonical) != len(c.User.LoginIDs) {
		return nil, errors.New("sqlstore: create user: as many canonical forms as login ids are needed")
	}
	var ended []store.Event
	err := s.transactWithHook(ctx, "create user", func(t *tx) (err error) {
		u, p := c.User, c.Password
		if c.Replaces.ID != "" {
			// The new user has no row to lock.
			if _, err := t.lockAccountAndOwner(ctx, u.ID, c.Replaces.ID); err != nil && !errors.Is(err, store.ErrNotFound) {
				return err
			}
		}
		if ended, err = t.endReplaced(ctx, c.Replaces); err != nil {
			return err
		}
		if c.Invitation != nil {
			if _, err := t.spendInvitation(ctx, c.Invitation, u.CreatedAt); err != nil {
				return err
			}
		}
		n, err := t.exec(ctx, `
			INSERT INTO usher_users (id, login_ids, email, email_verified,
				name, given_name, middle_name, family_name, phone, picture, language,
				roles, permissions, tenants, attributes, status, created_at, updated_at,
				password_hash, password_state, password_version, password_changed_at, password_earlier, password_unproven_at)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (id) DO NOTHING`,
			u.ID, asJSON{u.LoginIDs}, u.Email, u.EmailVerified,
			u.Name, u.GivenName, u.MiddleName, u.FamilyName, u.Phone, u.Picture, u.Language,
			asJSON{u.Roles}, asJSON{u.Permissions}, asJSON{u.Tenants}, asJSON{u.Attributes},
			string(u.Status), u.CreatedAt, u.UpdatedAt,
			p.Hash, string(p.State), p.Version, p.ChangedAt, asJSON{p.Earlier}, optionalTime{p.UnprovenAt})
		if err != nil {
			return err
		}
		if n == 0 {
			return store.ErrConflict
		}
		if err := t.takeLoginIDs(ctx, u.ID, u.LoginIDs, c.Canonical); err != nil {
			return err
		}
		session, err := sessionInsert(u.ID, c.Session)
		if err != nil {
			return err
		}
		if err := t.execAll(ctx, session); err != nil {
			return err
		}
		if c.Token != nil {
			if err := t.execAll(ctx, []statement{tokenInsert(*c.Token)}); err != nil {
				return err
			}
		}
		if t.hook != nil {
			// The hook gets times and attributes as they will be read.
			a, err := t.lockAccount(ctx, u.ID)
			if err != nil {
				return err
			}
			if err := t.runHook(ctx, UserCreated, a.User, c.Fields); err != nil {
				return err
			}
		}
		return t.storeEffects(ctx, c.Effects)
	})
	if err != nil {
		return nil, err
	}
	return ended, nil
}

// takeLoginIDs inserts the canonical forms of a user's login ids. Of concurrent callers
// the first to insert one gets it.
func (t *tx) takeLoginIDs(ctx context.Context, userID string, typed, canonical []string) error {
	for _, id := range typed {
		// They are stored as JSON text, where any string would be accepted.
		if _, err := bind([]any{id}); err != nil {
			return err
		}
	}
	order := make([]int, len(canonical))
	for i := range order {
		order[i] = i
	}
	// A fixed order, so that two users with the same two login ids do not wait for
	// each other.
	slices.SortFunc(order, func(i, j int) int {
		if canonical[i] < canonical[j] {
			return -1
		}
		return 1
	})
	for _, i := range order {
		n, err := t.exec(ctx, `
			INSERT INTO usher_login_ids (canonical, user_id, position) VALUES (?, ?, ?)
			ON CONFLICT (canonical) DO NOTHING`, canonical[i], userID, i)
		if err != nil {
			return err
		}
		if n == 0 {
			return store.ErrLoginIDTaken
		}
	}
	return nil
}

// Account implements [store.UserStore].
func (s *Store) Account(ctx context.Context, userID string) (store.Account, error) {
	return s.account(ctx, `SELECT `+accountColumns+` FROM usher_users u WHERE u.id = ?`, userID)
}

// AccountByLoginID implements [store.UserStore].
func (s *Store) AccountByLoginID(ctx context.Context, canonical string) (store.Account, error) {
	return s.account(ctx, `
		SELECT `+accountColumns+`
		FROM usher_login_ids l JOIN usher_users u ON u.id = l.user_id
		WHERE l.canonical = ?`, canonical)
}

// AccountByAddress implements [store.UserStore].
func (s *Store) AccountByAddress(ctx context.Context, canonical string) (store.Account, error) {
	var out store.Account
	err := s.read(ctx, "read user", func(r runner) error {
		found := 0
		err := r.query(ctx, func(row scanner) error {
			var (
				a         store.Account
				byLoginID bool
			)
			if err := row.Scan(append(accountDest(&a), &byLoginID)...); err != nil {
				return err
			}
			switch {
			case byLoginID:
				out, found = a, -1
			case found >= 0:
				out, found = a, found+1
			}
			return nil
		}, `SELECT `+accountColumns+`, 1 = 1 FROM usher_login_ids l JOIN usher_users u ON u.id = l.user_id WHERE l.canonical = ?
			UNION ALL SELECT * FROM (SELECT `+accountColumns+`, 1 = 0 FROM usher_users u
				WHERE `+r.dialect.lower("u.email")+` = ? AND u.email_verified LIMIT 2) proven`, canonical, canonical)
		switch {
		case err != nil:
			return err
		case found == 0:
			return store.ErrNotFound
		case found > 1:
			return store.ErrLoginIDTaken
		}
		return nil
	})
	if err != nil {
		return store.Account{}, err
	}
	return out, nil
}

func (s *Store) account(ctx context.Context, query, arg string) (store.Account, error) {
	var a store.Account
	err := s.read(ctx, "read user", func(r runner) error {
		return r.get(ctx, accountDest(&a), query, arg)
	})
	if err != nil {
		return store.Account{}, err
	}
	return a, nil
}

// lockAccount reads a user and locks its row until the transaction ends. Every
// transaction that changes a user, or a row that belongs to a user, calls it first, so
// that these transactions run one after another.
func (t *tx) lockAccount(ctx context.Context, userID string) (store.Account, error) {
	var a store.Account
	err := t.get(ctx, accountDest(&a), `SELECT `+accountColumns+` FROM usher_users u WHERE u.id = ? FOR UPDATE`, userID)
	return a, err
}

// UpdateUser implements [store.UserStore].
func (s *Store) UpdateUser(ctx context.Context, c store.UserUpdate) (store.User, []store.Event, error) {
	var (
		user  store.User
		ended []store.Event
	)
	if c.LoginIDs != nil && len(*c.LoginIDs) != len(c.Canonical) {
		return store.User{}, nil, errors.New("sqlstore: update user: as many canonical forms as login ids are needed")
	}
	err := s.transactWithHook(ctx, "update user", func(t *tx) error {
		before, err := t.lockAccount(ctx, c.UserID)
		if err != nil {
			return err
		}
		if c.LoginIDs != nil {
			if err := t.voidInvitations(ctx, before.User, c.Canonical, ofLoginIDs); err != nil {
				return err
			}
		}
		if c.Email != nil && c.Email.Address != before.User.Email {
			if err := t.voidInvitations(ctx, before.User, nil, ofLoginIDs, t.dialect.ofAddress()); err != nil {
				return err
			}
		}
		set, args := []string{"updated_at = ?"}, []any{c.At}
		setColumn := func(column string, value any) {
			set, args = append(set, column+" = ?"), append(args, value)
		}
		for _, f := range []struct {
			column string
			value  *string
		}{
			{"name", c.Profile.Name},
			{"given_name", c.Profile.GivenName},
			{"middle_name", c.Profile.MiddleName},
			{"family_name", c.Profile.FamilyName},
			{"phone", c.Profile.Phone},
			{"picture", c.Profile.Picture},
		} {
			if f.value != nil {
				setColumn(f.column, *f.value)
			}
		}
		if c.Roles != nil {
			setColumn("roles", asJSON{*c.Roles})
		}
		if c.Permissions != nil {
			setColumn("permissions", asJSON{*c.Permissions})
		}
		if c.Tenants != nil {
			setColumn("tenants", asJSON{*c.Tenants})
		}
		if c.Attributes != nil {
			setColumn("attributes", asJSON{*c.Attributes})
		}
		if c.Patch != nil {
			var stored map[string]json.RawMessage
			if err := t.get(ctx, []any{jsonColumn{&stored}}, `SELECT attributes FROM usher_users WHERE id = ?`, c.UserID); err != nil {
				return err
			}
			exact := map[string]any{}
			for key, value := range stored {
				exact[key] = value
			}
			attributes, err := c.Patch.Apply(before.User, exact)
			if err != nil {
				return err
			}
			setColumn("attributes", asJSON{attributes})
		}
		if c.Status != nil {
			setColumn("status", string(*c.Status))
		}
		if c.Email != nil {
			setColumn("email", c.Email.Address)
			setColumn("email_verified", c.Email.Verified)
			if p := c.Email.Password(before); p.Version != before.Password.Version {
				setColumn("password_state", string(p.State))
				setColumn("password_version", p.Version)
			}
		}
		if c.LoginIDs != nil {
			setColumn("login_ids", asJSON{*c.LoginIDs})
			if _, err := t.exec(ctx, `DELETE FROM usher_login_ids WHERE user_id = ?`, c.UserID); err != nil {
				return err
			}
			if err := t.takeLoginIDs(ctx, c.UserID, *c.LoginIDs, c.Canonical); err != nil {
				return err
			}
		}
		if err := t.setUser(ctx, c.UserID, set, args); err != nil {
			return err
		}
		a, err := t.lockAccount(ctx, c.UserID)
		if err != nil {
			return err
		}
		user = a.User
		if c.End != nil {
			if ended, err = t.endSessions(ctx, c.UserID, *c.End); err != nil {
				return err
			}
		}
		if c.DropTokens {
			if err := t.dropTokens(ctx, c.UserID); err != nil {
				return err
			}
		}
		if err := t.runHook(ctx, UserUpdated, user, nil); err != nil {
			return err
		}
		return t.storeEffects(ctx, c.Effects)
	})
	if err != nil {
		return store.User{}, nil, err
	}
	return user, ended, nil
}

// DeleteUser implements [store.UserStore].
func (s *Store) DeleteUser(ctx context.Context, d store.UserDeletion) ([]store.Event, error) {
	var ended []store.Event
	err := s.transactWithHook(ctx, "delete user", func(t *tx) error {
		a, err := t.lockAccount(ctx, d.UserID)
		if err != nil {
			return err
		}
		if d.IfSession != "" {
			var id string
			if err := t.get(ctx, []any{&id}, `SELECT id FROM usher_sessions WHERE id = ? AND user_id = ?`, d.IfSession, d.UserID); err != nil {
				return err
			}
		}
		if err := t.runHook(ctx, UserDeleted, a.User, nil); err != nil {
			return err
		}
		if ended, err = t.endSessions(ctx, d.UserID, d.End); err != nil {
			return err
		}
		if err := t.voidInvitations(ctx, a.User, nil, ofLoginIDs, t.dialect.ofAddress()); err != nil {
			return err
		}
		for _, query := range []string{
			`DELETE FROM usher_one_time_tokens WHERE user_id = ?`,
			`DELETE FROM usher_login_ids WHERE user_id = ?`,
			`DELETE FROM usher_users WHERE id = ?`,
		} {
			if _, err := t.exec(ctx, query, d.UserID); err != nil {
				return err
			}
		}
		return t.execAll(ctx, lowerLimits(d.ClearLimits, nil), effects(d.Effects))
	})
	if err != nil {
		return nil, err
	}
	return ended, nil
}
