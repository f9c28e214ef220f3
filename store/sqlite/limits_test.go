package sqlite_test

import (
	"context"
	"testing"
	"time"

	"github.com/usherkit/usher/store"
)

func TestLM04_ManyMadeUpKeysNeitherFillTheMemoryNorFlushACounter(t *testing.T) {
	rows := 1_000_000
	if raceDetector {
		// Its own memory hides what is measured here, and it makes the
		// million rows take minutes.
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
	for i := range 20 { // it still counts for everyone else
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
	for range 3 { // small steps, each short
		n, err := s.DeleteExpired(ctx, now.Add(2*time.Minute), time.Time{}, 1000)
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
