package logs

import (
	"context"
	"log/slog"
)

// Guard returns a logger that writes to l's handler, and recovers if the handler
// panics: a defect in the program's logging must not fail a request. It does not
// protect against a handler that blocks, because a handler that may block should
// write through a buffer of its own.
func Guard(l *slog.Logger) *slog.Logger {
	if _, guarded := l.Handler().(guard); guarded {
		return l
	}
	return slog.New(guard{l.Handler()})
}

// guard is a handler that recovers from the panics of next.
type guard struct{ next slog.Handler }

func (g guard) Enabled(ctx context.Context, level slog.Level) bool {
	return g.next.Enabled(ctx, level)
}

func (g guard) WithAttrs(attrs []slog.Attr) slog.Handler { return guard{g.next.WithAttrs(attrs)} }

func (g guard) WithGroup(name string) slog.Handler { return guard{g.next.WithGroup(name)} }

// Handle writes the record even if ctx is canceled: the end of a request is often
// what the record reports.
func (g guard) Handle(ctx context.Context, r slog.Record) error {
	defer func() { _ = recover() }() // there is nowhere to report it
	return g.next.Handle(context.WithoutCancel(ctx), r)
}
