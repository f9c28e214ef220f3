// Package clock notices that the wall clock of a computer was set.
package clock

import (
	"sync"
	"time"
)

const (
	// maxDrift is by how much the wall clock may gain or lose between two looks. NTP
	// corrects smaller differences by steps.
	maxDrift = time.Minute
	// suspicion is how long the wall clock is not relied on after it has jumped. An
	// operator has that time to correct it. A computer that was asleep jumps as well.
	suspicion = time.Hour
)

// JumpDetector compares the wall clock with the monotonic clock. It is safe for
// concurrent use.
type JumpDetector struct {
	wall    func() time.Time
	elapsed func() time.Duration

	mu           sync.Mutex
	lastWall     time.Time
	lastElapsed  time.Duration
	jump         time.Duration
	suspectUntil time.Duration // on the monotonic clock
}

// NewJumpDetector returns a JumpDetector of the computer's clocks, which trusts the
// present time.
func NewJumpDetector() *JumpDetector {
	start := time.Now()
	return newJumpDetector(func() time.Time { return time.Now().Round(0) }, func() time.Duration { return time.Since(start) })
}

func newJumpDetector(wall func() time.Time, elapsed func() time.Duration) *JumpDetector {
	return &JumpDetector{wall: wall, elapsed: elapsed, lastWall: wall(), lastElapsed: elapsed()}
}

// Jump returns by how much the wall clock has jumped in the last hour, or zero if it
// has not. It compares with the previous call, so call it often.
func (d *JumpDetector) Jump() time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	wall, elapsed := d.wall(), d.elapsed()
	gained := wall.Sub(d.lastWall) - (elapsed - d.lastElapsed)
	d.lastWall, d.lastElapsed = wall, elapsed
	if gained.Abs() > maxDrift {
		d.jump += gained
		d.suspectUntil = elapsed + suspicion
	}
	if elapsed >= d.suspectUntil || d.jump.Abs() <= maxDrift { // accepted, or set back
		d.jump = 0
	}
	return d.jump
}
