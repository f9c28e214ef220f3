package main

import (
	"os"
	"testing"
	"time"
)

func TestWaitsOfASpanOfTime(t *testing.T) {
	before := waits{Below: []float64{0.001, 0.01, 0.1}, Counts: []uint64{5, 0, 7}}
	after := waits{Below: before.Below, Counts: []uint64{95, 9, 8}}
	w := after.since(before)
	for p, want := range map[float64]time.Duration{0.5: time.Millisecond, 0.95: 10 * time.Millisecond, 1: 100 * time.Millisecond} {
		if got := w.percentile(p); got != want {
			t.Errorf("percentile %v is %v, want %v", p, got, want)
		}
	}
	if got := (waits{Below: []float64{1}, Counts: []uint64{0}}).percentile(0.99); got != 0 {
		t.Errorf("of nothing: %v", got)
	}
}

func TestThreadsOfAProcessAreFound(t *testing.T) {
	c, err := coreTimeOf(os.Getpid())
	if err != nil || c.turns == 0 {
		t.Errorf("%+v, %v", c, err)
	}
	if _, err := coreTimeOf(1 << 30); err == nil {
		t.Error("a process that does not exist has waited")
	}
}

func TestSharesOfAProfile(t *testing.T) {
	const text = `File: bench
Type: cpu
Showing nodes accounting for 5818ms, 100% of 5818ms total
      flat  flat%   sum%        cum   cum%
    2024ms 34.79% 34.79%     2024ms 25.00%  internal/runtime/syscall/linux.Syscall6
         0     0% 34.79%      424ms 7.29%  main.child.(*Middleware).Require.func9 (inline)
`
	costs, err := shares(text, 1000)
	if err != nil || len(costs) != 2 || costs["internal/runtime/syscall/linux.Syscall6"] != 250 || costs["main.child.(*Middleware).Require.func9"] != 72.9 {
		t.Errorf("%v, %v", costs, err)
	}
	if _, err := shares("nothing", 1000); err == nil {
		t.Error("no profile is no error")
	}
}
