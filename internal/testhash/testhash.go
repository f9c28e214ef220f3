// Package testhash configures the hash for tests that are about something else. At the
// lowest cost that package password accepts, most of their time would go into Argon2id.
package testhash

import (
	"sync"
	"testing"
	"time"

	"github.com/usherkit/usher/internal/testonly"
	"github.com/usherkit/usher/password"
)

// Config returns a configuration whose hashes cost about 50 microseconds of CPU time. It
// panics outside of "go test".
func Config() password.HasherConfig {
	if !testing.Testing() {
		panic("testhash: the hash for tests is used outside of a test")
	}
	testonly.AllowCheapHash()
	return password.HasherConfig{
		Params:    password.Params{Memory: testonly.Memory, Time: testonly.Passes, Threads: testonly.Threads},
		QueueWait: time.Hour, // a busy machine refuses no test
	}
}

// Hold makes the hashes of Config wait, each in its slot, until release is called. It holds
// those of the whole process, so a test that calls it is not parallel.
func Hold(t *testing.T) (release func()) {
	t.Helper()
	release = sync.OnceFunc(testonly.Hold())
	t.Cleanup(release)
	return release
}
