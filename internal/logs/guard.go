package logs

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"
)

const (
	// patience is how long a caller waits for one line to be written. A sink that
	// works takes a thousandth of it.
	patience = 250 * time.Millisecond
	// maxPending is how many lines a sink may hold back; further ones are lost.
	maxPending = 256
)

// Guard returns a logger that writes what l writes, and whose caller goes on when
// l's handler fails, panics or hangs: nobody is let in or kept out for the log's
// sake. While a line is late others are handed over without waiting, in any
// order, and when too many are, the next ones are lost, and counted.
func Guard(l *slog.Logger) *slog.Logger {
	if _, guarded := l.Handler().(*guard); guarded {
		return l
	}
	return slog.New(&guard{l.Handler(), new(state)})
}

// guard is a handler that does not wait for another one.
type guard struct {
	next slog.Handler
	*state
}

// state is what the handlers of one sink share.
type state struct {
	pending atomic.Int64 // lines that were handed over and are not written yet
	late    atomic.Int64 // those of them that nobody waits for any more
	lost    atomic.Int64
}

func (g *guard) Enabled(ctx context.Context, level slog.Level) bool {
	return g.next.Enabled(ctx, level)
}

func (g *guard) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &guard{g.next.WithAttrs(attrs), g.state}
}

func (g *guard) WithGroup(name string) slog.Handler { return &guard{g.next.WithGroup(name), g.state} }

// Handle hands the line over, and waits for it as long as the sink keeps up.
func (g *guard) Handle(ctx context.Context, r slog.Record) error {
	if g.pending.Add(1) > maxPending {
		g.pending.Add(-1)
		g.lost.Add(1)
		return nil
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer g.pending.Add(-1)
		g.write(context.WithoutCancel(ctx), r.Clone())
	}()
	if g.late.Load() > 0 {
		return nil
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		g.late.Add(1)
		go func() {
			<-done
			g.late.Add(-1)
		}()
	}
	return nil
}

// write writes one line, and then says how many were lost before it. There is
// nobody to tell of a failure.
func (g *guard) write(ctx context.Context, r slog.Record) {
	defer func() { _ = recover() }()
	_ = g.next.Handle(ctx, r)
	if n := g.lost.Swap(0); n > 0 {
		said := slog.NewRecord(time.Now(), slog.LevelWarn, "usher: log lines were lost, because the log did not take them", 0)
		said.AddAttrs(slog.Int64("lines", n))
		_ = g.next.Handle(ctx, said)
	}
}
