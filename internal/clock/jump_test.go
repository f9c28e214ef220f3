package clock

import (
	"testing"
	"time"
)

func TestFB05_AJumpOfTheWallClockIsSuspectForAnHour(t *testing.T) {
	const day = 24 * time.Hour
	wall, elapsed := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC), time.Duration(0)
	d := newJumpDetector(func() time.Time { return wall }, func() time.Duration { return elapsed })
	for i, step := range []struct{ wall, elapsed, want time.Duration }{
		{5 * time.Second, 5 * time.Second, 0},
		{day, day, 0},                          // nobody looked for a day
		{20 * time.Second, 5 * time.Second, 0}, // a step of NTP
		{401 * day, 5 * time.Second, 401*day - 5*time.Second},
		{30 * time.Minute, 30 * time.Minute, 401*day - 5*time.Second},
		{30 * time.Minute, 30 * time.Minute, 0}, // the new time is accepted
		{2 * time.Hour, 0, 2 * time.Hour},
		{-2 * time.Hour, 0, 0}, // set back
		{-3 * time.Hour, time.Hour, -4 * time.Hour},
	} {
		wall, elapsed = wall.Add(step.wall), elapsed+step.elapsed
		if got := d.Jump(); got != step.want {
			t.Errorf("step %d: the clock has jumped by %s, want %s", i, got, step.want)
		}
	}
	if got := NewJumpDetector().Jump(); got != 0 {
		t.Errorf("the clock of this computer has jumped by %s", got)
	}
}
