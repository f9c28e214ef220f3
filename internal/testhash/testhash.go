// Package testhash configures the hash for tests that are about something else. At the
// lowest cost that package password accepts, most of their time would go into Argon2id.
package testhash

import (
	"testing"
	"time"

	"github.com/usherkit/usher/internal/cheaphash"
	"github.com/usherkit/usher/password"
)

// Config returns a configuration whose hashes cost about 50 microseconds of CPU time. It
// panics outside of "go test".
func Config() password.HasherConfig {
	if !testing.Testing() {
		panic("testhash: the hash for tests is used outside of a test")
	}
	cheaphash.Allow()
	return password.HasherConfig{
		Params:    password.Params{Memory: cheaphash.Memory, Time: cheaphash.Passes, Threads: cheaphash.Threads},
		QueueWait: time.Hour, // a busy machine refuses no test
	}
}
