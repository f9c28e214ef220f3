package sqlstore

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/usherkit/usher/store"
)

// SwapRefresh implements [store.SessionStore].
func (s *Store) SwapRefresh(ctx context.Context, in store.RefreshSwap) (store.RefreshResult, error) {
	var out store.RefreshResult
	err := s.transact(ctx, "swap refresh token", func(t *tx) error {
		a, ses, err := t.lockSession(ctx, in.SessionID)
		if err != nil {
			return err
		}
		if a.User.Status != store.StatusEnabled || !toMicros(in.Now).Before(endsAt(ses.Session)) {
			return store.ErrNotFound
		}
		out = in.Apply(ses, a.User)
		switch out.Outcome {
		case store.RefreshSwapped:
			return t.execAll(ctx, []statement{sessionUpdate(out.Session)}, effects(in.Swapped))
		case store.RefreshReused:
			if _, err := t.exec(ctx, `DELETE FROM usher_sessions WHERE id = ?`, ses.ID); err != nil {
				return err
			}
			return t.execAll(ctx, revocations([]string{ses.ID}, in.RevokedUntil, t.dialect), effects(in.Reused))
		default:
			return nil
		}
	})
	if err != nil {
		return store.RefreshResult{}, err
	}
	return out, nil
}

// lockSession locks a session and its user. All methods lock the user first.
func (t *tx) lockSession(ctx context.Context, id string) (store.Account, store.SessionRecord, error) {
	var (
		userID string
		a      store.Account
		ses    store.SessionRecord
	)
	if t.dialect == Postgres {
		// One round trip; see lockAndRemove.
		lock := statement{`SELECT u.id FROM usher_users u
			WHERE u.id = (SELECT s.user_id FROM usher_sessions s WHERE s.id = ?) FOR UPDATE`, []any{id}}
		if err := t.execAll(ctx, []statement{lock}); err != nil {
			return a, ses, err
		}
		err := t.get(ctx, append(accountDest(&a), recordDest(&ses)...), `SELECT `+accountColumns+`, `+recordColumns+`
			FROM usher_sessions s JOIN usher_users u ON u.id = s.user_id WHERE s.id = ? FOR UPDATE OF s`, id)
		return a, ses, err
	}
	if err := t.get(ctx, []any{&userID}, `SELECT user_id FROM usher_sessions WHERE id = ?`, id); err != nil {
		return store.Account{}, ses, err
	}
	a, err := t.lockAccount(ctx, userID)
	if err != nil {
		return store.Account{}, ses, err
	}
	// The lock makes sure that no other transaction exchanges its token or ends it.
	err = t.get(ctx, recordDest(&ses),
		`SELECT `+recordColumns+` FROM usher_sessions s WHERE s.id = ? FOR UPDATE`, id)
	return a, ses, err
}

// sessionUpdate writes the columns that a refresh may change.
func sessionUpdate(s store.SessionRecord) statement {
	return statement{`
		UPDATE usher_sessions SET last_seen_at = ?, idle_expires_at = ?, ends_at = ?, user_agent = ?, address = ?, tenant = ?,
			refresh_hash = ?, previous_hash = ?, rotated_at = ?, refresh_others = ?
		WHERE id = ?`, []any{
		s.LastSeenAt, s.IdleExpiresAt, endsAt(s.Session), s.UserAgent, s.Address, s.Tenant,
		s.Refresh.Current, s.Refresh.Previous, s.Refresh.RotatedAt, othersParam(s.Refresh), s.ID,
	}}
}

// refreshOthers is the JSON of the column refresh_others. An instance of an earlier
// version writes the other columns and not this one. So the content counts only if
// Current and RotatedAt are those of the row.
type refreshOthers struct {
	Current   []byte               `json:"current"`
	RotatedAt time.Time            `json:"rotatedAt"`
	Siblings  [][]byte             `json:"siblings,omitempty"`
	Retired   []store.RetiredToken `json:"retired,omitempty"`
}

// othersParam returns the parameter for the column refresh_others.
func othersParam(r store.RefreshState) any {
	if len(r.Siblings)+len(r.Retired) == 0 {
		return ""
	}
	out := refreshOthers{Current: r.Current, RotatedAt: toMicros(r.RotatedAt), Siblings: r.Siblings}
	for _, t := range r.Retired {
		out.Retired = append(out.Retired, store.RetiredToken{Hash: t.Hash, Until: toMicros(t.Until)})
	}
	return asJSON{out}
}

// othersColumn scans the column refresh_others. It must follow the other columns of the
// state.
type othersColumn struct{ to *store.RefreshState }

func (c othersColumn) Scan(src any) error {
	c.to.Siblings, c.to.Retired = nil, nil
	var text []byte
	switch v := src.(type) {
	case string:
		text = []byte(v)
	case []byte:
		text = v
	default:
		return fmt.Errorf("JSON is stored as %T", src)
	}
	if len(text) == 0 {
		return nil
	}
	var in refreshOthers
	if err := json.Unmarshal(text, &in); err != nil {
		return err
	}
	if bytes.Equal(in.Current, c.to.Current) && in.RotatedAt.Equal(c.to.RotatedAt) {
		c.to.Siblings, c.to.Retired = in.Siblings, in.Retired
	}
	return nil
}
