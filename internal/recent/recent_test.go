package recent_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/usherkit/usher/internal/recent"
)

func TestACountEndsAfterOneToTwoWindows(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	c := recent.New(time.Hour, 100)
	c.Add(start, "a", 1)
	c.Add(start.Add(50*time.Minute), "a", 200)
	c.Add(start.Add(55*time.Minute), "b", 200)
	c.Add(start.Add(55*time.Minute), "b", 200)
	for _, want := range []struct {
		after time.Duration
		key   string
		count int
	}{
		{59 * time.Minute, "a", 201},
		{59 * time.Minute, "b", 255},
		{59 * time.Minute, "c", 0},
		{61 * time.Minute, "a", 201},
		{118 * time.Minute, "a", 201},
		{122 * time.Minute, "a", 0},
		{122 * time.Minute, "b", 0},
	} {
		if got := c.Count(start.Add(want.after), want.key); got != want.count {
			t.Errorf("after %v: %s has %d, want %d", want.after, want.key, got, want.count)
		}
	}
}

func TestAllCountsEndAfterAnIdleTime(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	c := recent.New(time.Hour, 100)
	c.Add(start, "a", 1)
	if got := c.Count(start.Add(3*time.Hour), "a"); got != 0 {
		t.Errorf("a has %d", got)
	}
	c.Add(start.Add(72*time.Hour), "a", 1) // by a clock that is then set back
	if got := c.Count(start.Add(4*time.Hour), "a"); got != 0 {
		t.Errorf("after the clock was set back, a has %d", got)
	}
}

// A flood of made-up keys does not use up the memory.
func TestTheKeysAreBounded(t *testing.T) {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	c := recent.New(time.Hour, 100)
	for i := range 1000 {
		c.Add(at, strconv.Itoa(i), 1)
	}
	kept := 0
	for i := range 1000 {
		kept += c.Count(at, strconv.Itoa(i))
	}
	if kept < 100 || kept > 200 {
		t.Errorf("%d keys are kept, want 100 to 200", kept)
	}
}
