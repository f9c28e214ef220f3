// Package background runs periodic and queued work beside the requests of a
// program, recovers from its panics, and ends it in order.
package background

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"
)

const (
	// callTimeout bounds one run of periodic or queued work.
	callTimeout = 10 * time.Second
	// wakePause is how long work that was woken is not woken again.
	wakePause = 100 * time.Millisecond
)

// Group is a set of goroutines that end together. It is safe for concurrent use.
type Group struct {
	log   *slog.Logger
	ctx   context.Context
	stop  context.CancelFunc
	work  sync.WaitGroup
	tasks chan task
}

// NewGroup returns a Group that runs nothing yet. Its failures go to log.
func NewGroup(log *slog.Logger) *Group {
	g := &Group{log: log, tasks: make(chan task, queueSize)}
	g.ctx, g.stop = context.WithCancel(context.Background())
	return g
}

// Close ends the context of everything in the group and waits until all of it has
// returned, or until ctx ends; then it returns the error of ctx.
func (g *Group) Close(ctx context.Context) error {
	g.stop()
	done := make(chan struct{})
	go func() {
		g.work.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Go runs do in a goroutine of its own. Its context ends with the group.
func (g *Group) Go(do func(ctx context.Context)) {
	g.work.Go(func() { do(g.ctx) })
}

// Every runs do at intervals until the group ends. A failure is logged once, and
// again only after do has succeeded in between. The name identifies the work in the
// log.
func (g *Group) Every(name string, interval time.Duration, do func(context.Context) error) {
	g.EveryOrWoken(name, interval, nil, do)
}

// EveryOrWoken is Every for work that also runs when a value arrives on wake. It then
// ignores wake for wakePause.
func (g *Group) EveryOrWoken(name string, interval time.Duration, wake <-chan struct{}, do func(context.Context) error) {
	g.Go(func(ctx context.Context) {
		tick := time.NewTicker(interval)
		defer tick.Stop()
		var pause <-chan time.Time
		failing := false
		for {
			woken := wake
			if pause != nil {
				woken = nil
			}
			select {
			case <-ctx.Done():
				return
			case <-pause:
				pause = nil
				continue
			case <-tick.C:
			case <-woken:
				pause = time.After(wakePause)
			}
			err := runOnce(ctx, do)
			switch {
			case err != nil && ctx.Err() == nil && !failing:
				g.log.Error("usher: background work fails", "work", name, "error", err)
				failing = true
			case err == nil && failing:
				g.log.Info("usher: background work succeeds again", "work", name)
				failing = false
			}
		}
	})
}

// runOnce runs do once, for at most callTimeout.
func runOnce(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return Guard(func() error { return do(ctx) })
}

// Guard runs do and returns its panic as an error that holds the stack. It is for
// code of the program that runs inside this module: stores, mailers and hooks.
func Guard(do func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("usher: panic: %v\n%s", p, debug.Stack())
		}
	}()
	return do()
}
