package storetest

import (
	"time"

	"github.com/usherkit/usher/store"
)

// wantTaken fails the case unless the limit allows a hit and counts it as the n-th.
func (e *env) wantTaken(now time.Time, l store.Limit, n int) {
	e.Helper()
	got, err := e.TakeLimits(e.ctx, now, []store.Limit{l})
	e.ok(err)
	if got.Refused != -1 || len(got.Counts) != 1 || got.Counts[0] != n {
		e.Fatalf("got %+v, want hit %d", got, n)
	}
}

// wantRefused fails the case unless the limit at index refuses a hit, for the given wait.
func (e *env) wantRefused(now time.Time, index int, wait time.Duration, limits ...store.Limit) {
	e.Helper()
	got, err := e.TakeLimits(e.ctx, now, limits)
	e.ok(err)
	if got.Refused != index || got.RetryAfter != wait || got.Counts != nil {
		e.Fatalf("got %+v, want limit %d to refuse for %v", got, index, wait)
	}
}

var limitCases = []testCase{
	{"allows Max hits and refuses until the window ends", func(e *env) {
		l := store.Limit{Key: "k", Max: 3, Window: time.Minute}
		for n := range 3 {
			e.wantTaken(t0.Add(time.Duration(n)*time.Second), l, n+1)
		}
		e.wantRefused(t0.Add(10*time.Second), 0, 50*time.Second, l)
		e.wantRefused(t0.Add(59*time.Second), 0, time.Second, l)
		e.wantTaken(t0.Add(time.Minute), l, 1)
	}},
	{"the window starts with the first hit and does not slide", func(e *env) {
		l := store.Limit{Key: "k", Max: 2, Window: time.Minute}
		e.wantTaken(t0, l, 1)
		e.wantTaken(t0.Add(59*time.Second), l, 2)
		e.wantTaken(t0.Add(61*time.Second), l, 1)
	}},
	{"a clock that ran ahead makes no wait longer", func(e *env) {
		ahead := t0.Add(365 * 24 * time.Hour)
		window := store.Limit{Key: "window", Max: 2, Window: time.Minute}
		backoff := store.Limit{Key: "backoff", Max: 1, Window: 24 * time.Hour, Backoff: 30 * time.Second}
		for n, now := range []time.Time{ahead, t0} {
			e.wantTaken(now, window, n+1)
		}
		e.wantRefused(t0.Add(10*time.Second), 0, 50*time.Second, window)
		e.wantTaken(t0.Add(time.Minute), window, 1)
		e.wantTaken(ahead, backoff, 1)
		e.wantRefused(t0, 0, 30*time.Second, backoff)
	}},
	{"a window of zero never ends", func(e *env) {
		l := store.Limit{Key: "k", Max: 1}
		e.wantTaken(t0, l, 1)
		e.wantRefused(t0.Add(10000*time.Hour), 0, time.Hour, l)
	}},
	{"backoff doubles the wait after each hit beyond Max, up to MaxBackoff", func(e *env) {
		l := store.Limit{Key: "k", Max: 2, Window: 24 * time.Hour, Backoff: 30 * time.Second, MaxBackoff: 100 * time.Second}
		e.wantTaken(t0, l, 1)
		e.wantTaken(t0, l, 2)
		now := t0
		for i, wait := range []time.Duration{30, 60, 100, 100} {
			wait *= time.Second
			e.wantRefused(now, 0, wait, l)
			e.wantRefused(now.Add(wait-time.Second), 0, time.Second, l)
			now = now.Add(wait)
			e.wantTaken(now, l, 3+i)
		}
	}},
	{"without MaxBackoff the wait doubles on", func(e *env) {
		l := store.Limit{Key: "k", Max: 1, Backoff: 10 * time.Hour}
		e.wantTaken(t0, l, 1)
		now := t0
		for i, hours := range []time.Duration{10, 20, 40, 80} {
			e.wantRefused(now, 0, hours*time.Hour, l)
			now = now.Add(hours * time.Hour)
			e.wantTaken(now, l, 2+i)
		}
	}},
	{"a wait that has doubled often still refuses", func(e *env) {
		l := store.Limit{Key: "k", Max: 1, Backoff: 24 * time.Hour}
		e.wantTaken(t0, l, 1)
		now := t0
		for n := range 40 {
			got, err := e.TakeLimits(e.ctx, now, []store.Limit{l})
			e.ok(err)
			if got.Refused != 0 || got.RetryAfter < 24*time.Hour {
				e.Fatalf("after %d hits beyond Max: %+v", n, got)
			}
			now = now.Add(got.RetryAfter + time.Microsecond) // stores round the time down
			e.wantTaken(now, l, n+2)
		}
	}},
	{"a wait of the backoff ends with the window", func(e *env) {
		l := store.Limit{Key: "k", Max: 1, Window: 90 * time.Second, Backoff: time.Minute}
		e.wantTaken(t0, l, 1)
		e.wantRefused(t0, 0, time.Minute, l)
		e.wantTaken(t0.Add(time.Minute), l, 2)
		e.wantRefused(t0.Add(time.Minute), 0, 90*time.Second, l)
		e.wantTaken(t0.Add(time.Minute+90*time.Second), l, 1)
	}},
	{"a Max of zero allows nothing, or delays the second hit", func(e *env) {
		e.wantRefused(t0, 0, time.Minute, store.Limit{Key: "a", Window: time.Minute})
		e.wantRefused(t0, 0, time.Hour, store.Limit{Key: "b"})
		l := store.Limit{Key: "c", Window: time.Hour, Backoff: time.Second}
		e.wantTaken(t0, l, 1)
		e.wantRefused(t0, 0, 2*time.Second, l)
	}},
	{"a limit that is named twice counts twice", func(e *env) {
		l := store.Limit{Key: "k", Max: 3, Window: time.Minute}
		got, err := e.TakeLimits(e.ctx, t0, []store.Limit{l, l})
		e.ok(err)
		e.wantEqual("counts", got, store.LimitResult{Refused: -1, Counts: []int{1, 2}})
		e.wantRefused(t0, 1, time.Minute, l, l)
		e.wantTaken(t0, l, 3)
	}},
	{"a limit that loses its window does not expire", func(e *env) {
		e.wantTaken(t0, store.Limit{Key: "k", Max: 9, Window: time.Minute}, 1)
		l := store.Limit{Key: "k", Max: 9}
		e.wantTaken(t0, l, 2)
		_, err := e.DeleteExpired(e.ctx, store.Expiry{Now: t0.Add(time.Hour), Max: 100})
		e.ok(err)
		e.wantTaken(t0.Add(time.Hour), l, 3)
	}},
	{"with backoff the window restarts with every hit", func(e *env) {
		l := store.Limit{Key: "k", Max: 9, Window: time.Minute, Backoff: time.Second, MaxBackoff: time.Second}
		e.wantTaken(t0, l, 1)
		e.wantTaken(t0.Add(50*time.Second), l, 2)
		e.wantTaken(t0.Add(100*time.Second), l, 3)
		e.wantTaken(t0.Add(160*time.Second), l, 1)
	}},
	{"counts on all limits or on none, and returns the longest wait", func(e *env) {
		a := store.Limit{Key: "a", Max: 5, Window: time.Minute}
		b := store.Limit{Key: "b", Max: 1, Window: time.Minute}
		c := store.Limit{Key: "c", Max: 1, Window: time.Hour}
		got, err := e.TakeLimits(e.ctx, t0, []store.Limit{a, b, c})
		e.ok(err)
		e.wantEqual("counts", got, store.LimitResult{Refused: -1, Counts: []int{1, 1, 1}})
		e.wantRefused(t0, 2, time.Hour, a, b, c)
		e.wantRefused(t0, 0, time.Hour, c, b, a)
		e.wantRefused(t0, 1, time.Minute, a, b)
		e.wantTaken(t0, a, 2)
		e.wantTaken(t0, store.Limit{Key: "d", Max: 1, Window: time.Hour}, 1)
		e.wantRefused(t0, 1, time.Hour, a, c, store.Limit{Key: "d", Max: 1, Window: time.Hour}) // the first of two
	}},
	{"compares keys exactly", func(e *env) {
		for _, key := range []string{"k", "K", "k ", " k", "%", "_", "é", "e\u0301"} {
			e.wantTaken(t0, store.Limit{Key: key, Max: 1, Window: time.Minute}, 1)
		}
	}},
	{"allows everything without limits", func(e *env) {
		got, err := e.TakeLimits(e.ctx, t0, nil)
		e.ok(err)
		if got.Refused != -1 {
			e.Fatalf("got %+v", got)
		}
	}},
	{"a released hit did not happen", func(e *env) {
		l := store.Limit{Key: "k", Max: 2, Window: time.Minute}
		e.ok(e.ReleaseLimits(e.ctx, []string{"k", "unknown"}))
		e.wantTaken(t0, l, 1)
		e.wantTaken(t0, l, 2)
		e.ok(e.ReleaseLimits(e.ctx, []string{"k", "unknown"}))
		e.wantTaken(t0, l, 2)
		e.wantRefused(t0, 0, time.Minute, l)
		for range 5 {
			e.ok(e.ReleaseLimits(e.ctx, []string{"k"}))
		}
		// The counter is 0, so the next hit starts the window.
		e.wantTaken(t0.Add(30*time.Second), l, 1)
		e.wantTaken(t0.Add(61*time.Second), l, 2)
	}},
	{"a cleared counter starts again", func(e *env) {
		l, other := store.Limit{Key: "k", Max: 1}, store.Limit{Key: "other", Max: 1}
		e.wantTaken(t0, l, 1)
		e.wantTaken(t0, other, 1)
		e.ok(e.ClearLimits(e.ctx, []string{"k", "unknown"}))
		e.wantTaken(t0, l, 1)
		e.wantRefused(t0, 0, time.Hour, other)
		e.ok(e.ClearLimits(e.ctx, nil))
	}},
}
