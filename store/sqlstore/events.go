package sqlstore

import (
	"context"

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
func (s *Store) Events(ctx context.Context, q store.EventQuery) ([]store.Event, error) {
	limit := q.Limit
	if limit <= 0 {
		limit = defaultEvents
	}
	where, args := "", []any{}
	also := func(condition string, arg any) {
		if where == "" {
			where = " WHERE " + condition
		} else {
			where += " AND " + condition
		}
		args = append(args, arg)
	}
	if q.UserID != "" {
		also("user_id = ?", q.UserID)
	}
	if q.Name != "" {
		also("name = ?", string(q.Name))
	}
	if !q.Before.IsZero() {
		also("at < ?", q.Before)
	}
	var out []store.Event
	err := s.read(ctx, "read events", func(r runner) error {
		return r.query(ctx, func(row scanner) error {
			var e store.Event
			if err := row.Scan(&e.ID, timeColumn{&e.At}, &e.Name, &e.UserID, &e.SessionID,
				&e.Address, &e.UserAgent, &e.RequestID, &e.Reason, &e.Actor); err != nil {
				return err
			}
			out = append(out, e)
			return nil
		}, `SELECT id, at, name, user_id, session_id, address, user_agent, request_id, reason, actor
			FROM usher_events`+where+` ORDER BY at DESC, seq DESC LIMIT ?`,
			append(args, min(limit, maxEvents))...)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}
