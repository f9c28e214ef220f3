// Package audit stores the events of a Service in the audit table and passes them to
// the program's hook and log.
package audit

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/netip"
	"time"

	"github.com/usherkit/usher/internal/background"
	"github.com/usherkit/usher/internal/logs"
	"github.com/usherkit/usher/store"
)

// Client describes the client that caused an event.
type Client struct {
	Address              netip.Addr
	UserAgent, RequestID string
	// Actor is the operator behind the client, or empty.
	Actor string
}

// Log stores events and notifies the program of them. It is safe for concurrent
// use.
type Log struct {
	store  store.EventStore
	hook   func(context.Context, store.Event)
	logger *slog.Logger
	now    func() time.Time
	recent recentKeys
}

// NewLog returns a Log. The hook may be nil. The time of new events comes from now.
func NewLog(events store.EventStore, hook func(context.Context, store.Event), logger *slog.Logger, now func() time.Time) *Log {
	return &Log{store: events, hook: hook, logger: logger, now: now}
}

// NewEvent returns an event that happens now. It is not stored yet.
func (l *Log) NewEvent(name store.EventName, userID, sessionID, reason string, c Client) store.Event {
	address := ""
	if c.Address.IsValid() {
		address = c.Address.String()
	}
	return store.Event{
		ID: rand.Text(), At: l.now(), Name: name, UserID: userID, SessionID: sessionID,
		Address: address, UserAgent: logs.Clean(c.UserAgent, 256), RequestID: logs.Clean(c.RequestID, 64), Reason: reason, Actor: c.Actor,
	}
}

// Notify passes stored events to the hook and to the log, at level Debug. A
// panic of the hook is logged.
func (l *Log) Notify(ctx context.Context, events ...store.Event) {
	for _, e := range events {
		l.logger.LogAttrs(ctx, slog.LevelDebug, "usher: "+string(e.Name), slog.Any("audit", e))
		if l.hook == nil {
			continue
		}
		err := background.Guard(func() error { l.hook(ctx, e); return nil })
		if err != nil {
			l.logger.Error("usher: Config.OnEvent failed", "event", e.Name, "error", err)
		}
	}
}

// Store stores events that belong to no other transaction, and calls Notify. A failure
// of the store is only logged, because it cannot change what the events report. The
// events are stored even if the client has closed its connection.
func (l *Log) Store(ctx context.Context, events ...store.Event) {
	after, cancel := background.Detach(ctx)
	defer cancel()
	if err := l.store.Record(after, store.Effects{Events: events}); err != nil {
		l.logger.Error("usher: an event could not be stored", "event", events[0].Name, "error", err)
	}
	l.Notify(ctx, events...)
}

// StoreSampled is Store for an event that a client can cause without end, such as
// a refused attempt. It stores at most one event a minute for each key, so that a
// flood of attempts does not become a flood of rows; the hook gets every event.
func (l *Log) StoreSampled(ctx context.Context, key string, e store.Event) {
	if l.recent.addIfNew(key, l.now()) {
		l.Store(ctx, e)
	} else {
		l.Notify(ctx, e)
	}
}
