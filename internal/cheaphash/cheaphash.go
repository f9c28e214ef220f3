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
