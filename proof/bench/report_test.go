package main

import "testing"

// The ranks are those of the tables of the sign test.
func TestInterval(t *testing.T) {
	for _, c := range []struct{ rounds, low, high int }{
		{1, 1, 1}, {5, 1, 5}, {6, 1, 6}, {9, 2, 8}, {12, 3, 10}, {24, 7, 18}, {72, 28, 45},
	} {
		var rounds []float64
		for n := range c.rounds {
			rounds = append(rounds, float64(c.rounds-n)) // in no order that helps
		}
		if low, high := interval(rounds); int(low) != c.low || int(high) != c.high {
			t.Errorf("of %d rounds: %v to %v, want %d to %d", c.rounds, low, high, c.low, c.high)
		}
	}
}
