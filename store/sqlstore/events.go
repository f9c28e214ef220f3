package sqlstore

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"slices"
	"time"

	"github.com/usherkit/usher/store"
)

// storeEffects stores the effects of a transaction.
func (t *tx) storeEffects(ctx context.Context, fx store.Effects) error {
	return t.execAll(ctx, effects(fx))
}

// effects returns the statements that store effects.
func effects(fx store.Effects) []statement {
	var list []statement
	for _, q := range fx.Emails {
		list = append(list, emailInsert(q))
	}
	if len(fx.Events) > 0 {
		list = append(list, eventsInsert(fx.Events))
	}
	return list
}

// eventsInsert writes all events in one statement.
func eventsInsert(events []store.Event) statement {
	var args []any
	for _, e := range events {
		args = append(args, e.ID, e.At, string(e.Name), e.UserID, e.SessionID, e.Address, e.UserAgent, e.RequestID, e.Reason, e.Actor)
	}
	return statement{`
		INSERT INTO usher_events (id, at, name, user_id, session_id, address, user_agent, request_id, reason, actor)
		VALUES ` + valueRows("(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", len(events)), args}
}

// Record implements [store.EventStore].
func (s *Store) Record(ctx context.Context, fx store.Effects) error {
	return s.transact(ctx, "record", func(t *tx) error { return t.storeEffects(ctx, fx) })
}

const (
	defaultEvents = 100
	maxEvents     = 1000
)

// Events implements [store.EventStore].
func (s *Store) Events(ctx context.Context, q store.EventQuery) (store.EventPage, error) {
	limit := min(q.Limit, maxEvents)
	if limit <= 0 {
		limit = defaultEvents
	}
	where, args, err := eventConditions(q)
	if err != nil {
		return store.EventPage{}, err
	}
	var page store.EventPage
	var last eventPosition
	err = s.read(ctx, "read events", func(r runner) error {
		return r.query(ctx, func(row scanner) error {
			var e store.Event
			var seq int64
			if err := row.Scan(&seq, &e.ID, timeColumn{&e.At}, &e.Name, &e.UserID, &e.SessionID,
				&e.Address, &e.UserAgent, &e.RequestID, &e.Reason, &e.Actor); err != nil {
				return err
			}
			if len(page.Events) == limit {
				page.Next = last.cursor()
				return nil
			}
			page.Events, last = append(page.Events, e), eventPosition{e.At, seq}
			return nil
		}, `SELECT seq, id, at, name, user_id, session_id, address, user_agent, request_id, reason, actor
			FROM usher_events`+where+` ORDER BY at DESC, seq DESC LIMIT ?`,
			append(args, limit+1)...) // one more shows whether a page follows
	})
	if err != nil {
		return store.EventPage{}, err
	}
	return page, nil
}

// signInsQuery reads the end of the index usher_events_sign_ins.
const signInsQuery = `SELECT e.id, e.at, e.name, e.user_id, e.session_id, e.address, e.user_agent, e.request_id, e.reason, e.actor,
		COALESCE(s.tenant, '')
	FROM usher_events e LEFT JOIN usher_sessions s ON s.id = e.session_id
	WHERE e.user_id = ? AND e.name = 'session_created' AND e.reason NOT IN ('update', 'impersonated')
	ORDER BY e.at DESC, e.seq DESC LIMIT ?`

// SignIns implements [store.EventStore].
func (s *Store) SignIns(ctx context.Context, userIDs []string, limit int) ([]store.SignIn, error) {
	var out []store.SignIn
	err := s.read(ctx, "read sign-ins", func(r runner) error {
		for _, id := range userIDs {
			err := r.query(ctx, func(row scanner) error {
				var one store.SignIn
				if err := row.Scan(&one.ID, timeColumn{&one.At}, &one.Name, &one.UserID, &one.SessionID,
					&one.Address, &one.UserAgent, &one.RequestID, &one.Reason, &one.Actor, &one.Tenant); err != nil {
					return err
				}
				out = append(out, one)
				return nil
			}, signInsQuery, id, limit)
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(out, func(a, b store.SignIn) int { return b.At.Compare(a.At) })
	return out, nil
}

// eventConditions returns the WHERE clause of a query and its arguments.
func eventConditions(q store.EventQuery) (string, []any, error) {
	where, args := "", []any{}
	addCondition := func(condition string, values ...any) {
		if where == "" {
			where = " WHERE " + condition
		} else {
			where += " AND " + condition
		}
		args = append(args, values...)
	}
	if q.UserID != "" {
		addCondition("user_id = ?", q.UserID)
	}
	if q.Name != "" {
		addCondition("name = ?", string(q.Name))
	}
	if !q.Before.IsZero() {
		addCondition("at < ?", q.Before)
	}
	if q.Cursor != "" {
		after, err := parseEventCursor(q.Cursor)
		if err != nil {
			return "", nil, err
		}
		addCondition("(at, seq) < (?, ?)", after.at, after.seq)
	}
	return where, args, nil
}

// eventPosition is the place of an event in the order in which events are read.
type eventPosition struct {
	at  time.Time
	seq int64
}

func (p eventPosition) cursor() string {
	b := binary.BigEndian.AppendUint64(nil, uint64(p.at.UnixMicro()))
	return base64.RawURLEncoding.EncodeToString(binary.BigEndian.AppendUint64(b, uint64(p.seq)))
}

func parseEventCursor(cursor string) (eventPosition, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil || len(b) != 16 {
		return eventPosition{}, store.ErrBadCursor
	}
	at, seq := int64(binary.BigEndian.Uint64(b)), int64(binary.BigEndian.Uint64(b[8:]))
	return eventPosition{time.UnixMicro(at).UTC(), seq}, nil
}
