//go:build !linux

package sqlite_test

import (
	"runtime"
	"testing"
)

// residentMiB is about how much memory the process occupies.
func residentMiB(t *testing.T) int {
	t.Helper()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.Sys >> 20)
}
