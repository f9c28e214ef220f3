// Package cheaphash lets package password accept a cost that no program may use. It is
// apart from [github.com/usherkit/usher/internal/testhash], which tests call, so that
// programs do not link package testing.
package cheaphash

import "sync/atomic"

// The costs of Argon2id that Allow adds to the accepted ones. Memory is in KiB.
const (
	Memory  = 64
	Passes  = 1
	Threads = 1
)

var allowed atomic.Bool

// Allow makes package password accept the costs of this package, in this process.
func Allow() { allowed.Store(true) }

// Allowed reports whether Allow was called.
func Allowed() bool { return allowed.Load() }

var hold atomic.Pointer[chan struct{}]

// Hold makes each computation at the costs of this package wait, in its slot, until release
// is called.
func Hold() (release func()) {
	released := make(chan struct{})
	hold.Store(&released)
	return func() {
		hold.Store(nil)
		close(released)
	}
}

// Wait returns once no Hold is in force.
func Wait() {
	if released := hold.Load(); released != nil {
		<-*released
	}
}
