package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"sync"
	"syscall"
)

// undo is what must be taken back before the command ends, however it ends: servers
// that would outlive it, and folders.
type undo struct {
	mu    sync.Mutex
	steps []func() error
}

// add takes a step and returns it, for whoever takes it earlier: it is taken once.
func (u *undo) add(step func() error) func() error {
	step = sync.OnceValue(step)
	u.mu.Lock()
	defer u.mu.Unlock()
	u.steps = append(u.steps, step)
	return step
}

// all takes the steps that are left, the newest first. Who calls it while another
// does waits for it.
func (u *undo) all() error {
	u.mu.Lock()
	steps := slices.Clone(u.steps)
	u.mu.Unlock()
	var errs []error
	for _, step := range slices.Backward(steps) {
		errs = append(errs, step())
	}
	return errors.Join(errs...)
}

// onSignal undoes and ends the command when it is told to end. The context ends then.
func (u *undo) onSignal() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		s := <-signals
		cancel()
		fmt.Fprintln(os.Stderr, "bench:", errors.Join(fmt.Errorf("ended by %v", s), u.all()))
		os.Exit(1)
	}()
	return ctx
}
