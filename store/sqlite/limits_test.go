package sqlite_test

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/usherkit/usher/store"
)

func TestLM04_ManyMadeUpKeysNeitherFillTheMemoryNorFlushACounter(t *testing.T) {
	rows := 1_000_000
	if raceDetector {
		// The race detector's own memory hides what this test measures, and a million
		// rows take minutes with it.
		rows = 10_000
	}
	ctx := context.Background()
	s := openNew(t)
	attacked := store.Limit{Key: "the attacked account", Max: 5, Window: time.Hour}
	for range 5 {
		_, err := s.TakeLimits(ctx, now, []store.Limit{attacked})
		must(t, err)
	}
	before := residentMiB(t)
	_, err := s.DB().ExecContext(ctx, `
		WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
		INSERT INTO usher_limits (name, hits, since, expires_at) SELECT 'made up ' || i, 1, ?, ? FROM n`,
		rows, now.UnixMicro(), now.Add(time.Minute).UnixMicro())
	must(t, err)
	for i := range 20 { // other keys are still counted
		r, err := s.TakeLimits(ctx, now, []store.Limit{{Key: string(rune('a' + i)), Max: 1}, {Key: "shared", Max: 100}})
		must(t, err)
		if r.Refused >= 0 {
			t.Fatalf("refused: %+v", r)
		}
	}
	r, err := s.TakeLimits(ctx, now.Add(time.Minute), []store.Limit{attacked})
	must(t, err)
	if r.Refused != 0 || r.RetryAfter != 59*time.Minute {
		t.Fatalf("the attacked account's counter was lost: %+v", r)
	}
	for range 3 { // in small transactions
		n, err := s.DeleteExpired(ctx, store.Expiry{Now: now.Add(2 * time.Minute), Max: 1000})
		must(t, err)
		if n != 1000 {
			t.Fatalf("%d rows went, want 1000", n)
		}
	}
	r, err = s.TakeLimits(ctx, now.Add(2*time.Minute), []store.Limit{attacked})
	must(t, err)
	if r.Refused != 0 {
		t.Fatalf("the attacked account's counter went with the made-up ones: %+v", r)
	}
	if grown := residentMiB(t) - before; grown >= 64 && !raceDetector {
		t.Fatalf("the process grew by %d MiB", grown)
	}
}

// residentMiB returns the resident memory of the process: exact on Linux, elsewhere what
// the Go runtime has obtained.
func residentMiB(t *testing.T) int {
	t.Helper()
	if runtime.GOOS != "linux" {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int(m.Sys >> 20)
	}
	statm, err := os.ReadFile("/proc/self/statm")
	must(t, err)
	var total, resident int
	_, err = fmt.Sscan(string(statm), &total, &resident)
	must(t, err)
	return resident * os.Getpagesize() >> 20
}
