package sqlstore

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/usherkit/usher/store"
)

const tokenColumns = `t.hash, t.code_hash, t.user_id, t.purpose, t.email, t.new_email, t.password_version, t.created_at, t.expires_at`

// tokenStillValid is the condition for a token besides its expiry: its user is enabled,
// and still has the address and the password that the token was made for.
const tokenStillValid = `EXISTS (SELECT 1 FROM usher_users u
	WHERE u.id = t.user_id AND u.status = 'enabled'
	AND u.email = t.email AND u.password_version = t.password_version)`

func tokenDest(t *store.OneTimeToken) []any {
	return []any{
		bytesColumn{&t.Hash}, bytesColumn{&t.CodeHash}, &t.UserID, &t.Purpose, &t.Email, &t.NewEmail, &t.PasswordVersion,
		timeColumn{&t.CreatedAt}, timeColumn{&t.ExpiresAt},
	}
}

func tokenInsert(o store.OneTimeToken) statement {
	return statement{`
		INSERT INTO usher_one_time_tokens (hash, code_hash, user_id, purpose, email, new_email, password_version, created_at, expires_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		[]any{o.Hash, o.CodeHash, o.UserID, string(o.Purpose), o.Email, o.NewEmail, o.PasswordVersion, o.CreatedAt, o.ExpiresAt}}
}

// AddOneTimeToken implements [store.OneTimeTokenStore].
func (s *Store) AddOneTimeToken(ctx context.Context, add store.TokenAddition) error {
	o, refused := add.Token, false
	err := s.transact(ctx, "add one-time token", func(t *tx) error {
		a, err := t.lockAccount(ctx, o.UserID)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		refused = err != nil || a.User.Status != store.StatusEnabled || a.User.Email != o.Email ||
			a.Password.Version != o.PasswordVersion || !o.CreatedAt.Before(o.ExpiresAt)
		replaced, full, err := t.replacedTokens(ctx, add)
		if err != nil {
			return err
		}
		if refused = refused || full; !refused {
			return t.execAll(ctx, replaced, []statement{tokenInsert(o)}, effects(add.Effects), refusalLimits(add, false))
		}
		if add.Refused == nil {
			return store.ErrConflict
		}
		// As many statements as for a token that is not refused.
		list := []statement{tokenInsert(o).withoutEffect()}
		for _, q := range add.Emails {
			list = append(list, emailInsert(q).withoutEffect())
		}
		return t.execAll(ctx, list, effects(add.Refused.Effects), refusalLimits(add, true))
	})
	if err == nil && refused {
		err = store.ErrConflict
	}
	return err
}

// refusalLimits returns the statement that lowers the limits of a refusal. If the token
// was not refused, it lowers none.
func refusalLimits(add store.TokenAddition, refused bool) []statement {
	if add.Refused == nil {
		return nil
	}
	keys := slices.Clone(add.Refused.ReleaseLimits)
	for i := range keys {
		if !refused {
			keys[i] = "none " + keys[i]
		}
	}
	return lowerLimits(nil, keys)
}

// replacedTokens returns the statements that remove the tokens that a new one replaces,
// and whether there is no room for it.
func (t *tx) replacedTokens(ctx context.Context, add store.TokenAddition) (list []statement, full bool, err error) {
	o := add.Token
	open, err := readColumn[[]byte](ctx, t.runner, `
		SELECT t.hash FROM usher_one_time_tokens t
		WHERE t.user_id = ? AND t.purpose = ? AND t.new_email = ? AND t.expires_at > ? AND `+tokenStillValid+`
		ORDER BY t.created_at, t.hash`, o.UserID, string(o.Purpose), o.NewEmail, o.CreatedAt)
	over := max(0, len(open)+1-add.MaxOpen)
	if err != nil || over > 0 && !add.DropOldest {
		return nil, true, err
	}
	if o.NewEmail != "" {
		list = append(list, statement{`
			DELETE FROM usher_one_time_tokens WHERE user_id = ? AND purpose = ? AND new_email <> ?`,
			[]any{o.UserID, string(o.Purpose), o.NewEmail}})
	}
	for _, hash := range open[:min(over, len(open))] {
		list = append(list, statement{`DELETE FROM usher_one_time_tokens WHERE hash = ?`, []any{hash}})
	}
	return list, false, nil
}

// OneTimeToken implements [store.OneTimeTokenStore].
func (s *Store) OneTimeToken(ctx context.Context, hash []byte, now time.Time) (store.OneTimeToken, error) {
	var out store.OneTimeToken
	err := s.read(ctx, "read one-time token", func(r runner) error {
		return r.get(ctx, tokenDest(&out), `
			SELECT `+tokenColumns+` FROM usher_one_time_tokens t
			WHERE t.hash = ? AND t.expires_at > ? AND `+tokenStillValid, hash, now)
	})
	if err != nil {
		return store.OneTimeToken{}, err
	}
	return out, nil
}

// UserTokens implements [store.OneTimeTokenStore].
func (s *Store) UserTokens(ctx context.Context, userID string, purposes []store.Purpose, now time.Time) ([]store.OneTimeToken, error) {
	var out []store.OneTimeToken
	if len(purposes) == 0 {
		return nil, nil
	}
	args := []any{userID}
	for _, p := range purposes {
		args = append(args, string(p))
	}
	err := s.read(ctx, "read one-time tokens", func(r runner) error {
		out = nil
		return r.query(ctx, func(row scanner) error {
			var t store.OneTimeToken
			if err := row.Scan(tokenDest(&t)...); err != nil {
				return err
			}
			out = append(out, t)
			return nil
		}, `
			SELECT `+tokenColumns+` FROM usher_one_time_tokens t
			WHERE t.user_id = ? AND t.purpose IN (`+placeholders(len(purposes))+`) AND t.expires_at > ? AND `+tokenStillValid+`
			ORDER BY t.created_at DESC, t.hash DESC`, append(args, now)...)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// DropTokens implements [store.OneTimeTokenStore].
func (s *Store) DropTokens(ctx context.Context, userID string, p store.Purpose, now time.Time, fx store.Effects) error {
	return s.transact(ctx, "drop one-time tokens", func(t *tx) error {
		if _, err := t.lockAccount(ctx, userID); err != nil {
			return err
		}
		n, err := t.exec(ctx, `
			DELETE FROM usher_one_time_tokens AS t
			WHERE t.user_id = ? AND t.purpose = ? AND t.expires_at > ? AND `+tokenStillValid, userID, string(p), now)
		if err != nil {
			return err
		}
		if n == 0 {
			return store.ErrNotFound
		}
		return t.storeEffects(ctx, fx)
	})
}

// spend removes a valid token of one of the purposes, and returns it with its user,
// whose row stays locked. Of concurrent callers one wins.
func (t *tx) spend(ctx context.Context, in store.TokenSpend) (store.Account, store.OneTimeToken, error) {
	var (
		userID string
		out    store.OneTimeToken
	)
	if len(in.Purposes) == 0 {
		return store.Account{}, out, store.ErrNotFound
	}
	if err := t.get(ctx, []any{&userID},
		`SELECT user_id FROM usher_one_time_tokens WHERE hash = ?`, in.Hash); err != nil {
		return store.Account{}, out, err
	}
	a, err := t.lockAccount(ctx, userID)
	if err != nil {
		return store.Account{}, out, err
	}
	args := []any{in.Hash, in.Now}
	for _, p := range in.Purposes {
		args = append(args, string(p))
	}
	err = t.get(ctx, tokenDest(&out), `
		DELETE FROM usher_one_time_tokens AS t
		WHERE t.hash = ? AND t.expires_at > ? AND t.purpose IN (`+placeholders(len(in.Purposes))+`) AND `+tokenStillValid+`
		RETURNING hash, code_hash, user_id, purpose, email, new_email, password_version, created_at, expires_at`, args...)
	return a, out, err
}

// placeholders returns n parameters for a list.
func placeholders(n int) string { return strings.TrimSuffix(strings.Repeat("?, ", n), ", ") }

// dropTokens removes a user's tokens and the reset sessions that came from them. It
// writes no revocations, because the Service always reads a reset session from the
// store.
func (t *tx) dropTokens(ctx context.Context, userID string) error {
	if _, err := t.exec(ctx, `DELETE FROM usher_one_time_tokens WHERE user_id = ?`, userID); err != nil {
		return err
	}
	_, err := t.exec(ctx, `DELETE FROM usher_sessions WHERE user_id = ? AND kind = 'reset'`, userID)
	return err
}

// ResetPassword implements [store.OneTimeTokenStore].
func (s *Store) ResetPassword(ctx context.Context, spend store.TokenSpend, c store.PasswordChange) ([]store.Event, error) {
	var ended []store.Event
	err := s.transactWithHook(ctx, "reset password", func(t *tx) error {
		if c.Replaces.ID != "" {
			if _, err := t.lockAccountAndOwner(ctx, c.UserID, c.Replaces.ID); err != nil {
				return err
			}
		}
		a, o, err := t.spend(ctx, spend)
		if err != nil {
			return err
		}
		if o.UserID != c.UserID {
			return store.ErrNotFound
		}
		ended, err = t.changePassword(ctx, a, c)
		return err
	})
	if err != nil {
		return nil, err
	}
	return ended, nil
}

// StartResetSession implements [store.OneTimeTokenStore].
func (s *Store) StartResetSession(ctx context.Context, spend store.TokenSpend, ses store.SessionRecord, end store.SessionEnd, fx store.Effects) ([]store.Event, error) {
	var ended []store.Event
	err := s.transactWithHook(ctx, "start reset session", func(t *tx) error {
		ended = nil
		a, o, err := t.spend(ctx, spend)
		if err != nil {
			return err
		}
		if o.Purpose == store.PurposeConfirmAndReset {
			if _, ended, err = t.claim(ctx, a, store.UserClaim{At: spend.Now, End: end, Invitation: spend.Invitation}); err != nil {
				return err
			}
		} else if spend.Invitation != nil {
			a.User.UpdatedAt = toMicros(spend.Now)
			if err := t.grantAndSet(ctx, &a.User, spend.Invitation, spend.Now, []string{"updated_at = ?"}, []any{a.User.UpdatedAt}); err != nil {
				return err
			}
			if err := t.runHook(ctx, UserUpdated, a.User, nil); err != nil {
				return err
			}
		}
		session, err := sessionInsert(o.UserID, &ses)
		if err != nil {
			return err
		}
		return t.execAll(ctx, session, effects(fx))
	})
	if err != nil {
		return nil, err
	}
	return ended, nil
}

// VerifyEmail implements [store.OneTimeTokenStore].
func (s *Store) VerifyEmail(ctx context.Context, spend store.TokenSpend, fx store.Effects) (store.User, error) {
	spend.Purposes = []store.Purpose{store.PurposeVerifyEmail}
	var out store.User
	err := s.transactWithHook(ctx, "verify email", func(t *tx) error {
		a, _, err := t.spend(ctx, spend)
		if err != nil {
			return err
		}
		out = a.User
		out.EmailVerified, out.UpdatedAt = true, toMicros(spend.Now)
		if err := t.grantAndSet(ctx, &out, spend.Invitation, spend.Now,
			[]string{"email_verified = ?", "updated_at = ?"}, []any{true, out.UpdatedAt}); err != nil {
			return err
		}
		if err := t.runHook(ctx, UserUpdated, out, nil); err != nil {
			return err
		}
		return t.storeEffects(ctx, fx)
	})
	if err != nil {
		return store.User{}, err
	}
	return out, nil
}

// ChangeEmail implements [store.OneTimeTokenStore].
func (s *Store) ChangeEmail(ctx context.Context, spend store.TokenSpend, oldCanonical, newCanonical string, fx store.Effects) (store.User, error) {
	spend.Purposes = []store.Purpose{store.PurposeChangeEmail}
	var out store.User
	err := s.transactWithHook(ctx, "change email", func(t *tx) error {
		a, o, err := t.spend(ctx, spend)
		if err != nil {
			return err
		}
		if err := t.voidInvitations(ctx, a.User, []string{newCanonical}, ofLoginIDs, t.dialect.ofAddress()); err != nil {
			return err
		}
		out = a.User
		out.Email, out.EmailVerified, out.UpdatedAt = o.NewEmail, true, toMicros(spend.Now)
		if out.LoginIDs, err = t.renameLoginID(ctx, out, oldCanonical, newCanonical); err != nil {
			return err
		}
		if err := t.grantAndSet(ctx, &out, spend.Invitation, spend.Now,
			[]string{"email = ?", "email_verified = ?", "updated_at = ?", "login_ids = ?"},
			[]any{out.Email, true, out.UpdatedAt, asJSON{out.LoginIDs}}); err != nil {
			return err
		}
		if err := t.dropTokens(ctx, out.ID); err != nil {
			return err
		}
		if err := t.runHook(ctx, UserUpdated, out, nil); err != nil {
			return err
		}
		return t.storeEffects(ctx, fx)
	})
	if err != nil {
		return store.User{}, err
	}
	return out, nil
}

// renameLoginID replaces the login id old, if u has it, by u.Email, and returns the login
// ids as typed.
func (t *tx) renameLoginID(ctx context.Context, u store.User, old, next string) ([]string, error) {
	canonical, err := readColumn[string](ctx, t.runner,
		`SELECT canonical FROM usher_login_ids WHERE user_id = ? ORDER BY position`, u.ID)
	if err != nil {
		return nil, err
	}
	i := slices.Index(canonical, old)
	if i < 0 {
		return u.LoginIDs, nil
	}
	typed := slices.Clone(u.LoginIDs)
	also := slices.Index(canonical, next)
	typed[i], canonical[i] = u.Email, next
	if also >= 0 && also != i {
		// The user has the new address as a login id already: keep only one.
		typed, canonical = slices.Delete(typed, also, also+1), slices.Delete(canonical, also, also+1)
	}
	if _, err := t.exec(ctx, `DELETE FROM usher_login_ids WHERE user_id = ?`, u.ID); err != nil {
		return nil, err
	}
	return typed, t.takeLoginIDs(ctx, u.ID, typed, canonical)
}
