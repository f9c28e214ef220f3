// Package testonly has the switches for what no program may use: a cheap hash, and no limits
// on attempts. Only tests set them. It is apart from
// [github.com/usherkit/usher/internal/testhash], which tests call, so that programs do not
// link package testing.
package testonly

import "sync/atomic"

// The costs of Argon2id that AllowCheapHash adds to the accepted ones. Memory is in KiB.
const (
	Memory  = 64
	Passes  = 1
	Threads = 1
)

var cheapHash, noThrottle atomic.Bool

// AllowCheapHash makes package password accept the costs of this package, in this process.
func AllowCheapHash() { cheapHash.Store(true) }

// CheapHashAllowed reports whether AllowCheapHash was called.
func CheapHashAllowed() bool { return cheapHash.Load() }

// AllowNoThrottle makes usher.New accept InsecureNoThrottle for every BaseURL, without a
// warning, in this process.
func AllowNoThrottle() { noThrottle.Store(true) }

// NoThrottleAllowed reports whether AllowNoThrottle was called.
func NoThrottleAllowed() bool { return noThrottle.Load() }

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
