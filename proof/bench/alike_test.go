package main

import (
	"runtime"
	"runtime/debug"
	"testing"
)

// Each sign-in pays for one collection, also one that collects by itself.
func TestWithCollection(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	for name, run := range map[string]func(int) error{
		"one that leaves its garbage": func(int) error { return nil },
		"one that collects":           func(int) error { runtime.GC(); return nil },
	} {
		before := collections()
		if err := withCollection(job{run: run}).run(2); err != nil {
			t.Fatal(err)
		}
		if got := collections() - before; got != 2*atOnce {
			t.Errorf("%s: %d collections in %d sign-ins", name, got, 2*atOnce)
		}
	}
}
