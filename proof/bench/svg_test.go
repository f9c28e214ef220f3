package main

import (
	"slices"
	"testing"
)

func TestApart(t *testing.T) {
	places := []float64{100, 300, 101, 99, 200}
	moved := apart(places, 16)
	sorted := slices.Sorted(slices.Values(moved))
	for i := 1; i < len(sorted); i++ {
		if sorted[i]-sorted[i-1] < 15.9 {
			t.Errorf("%.1f and %.1f are too near", sorted[i-1], sorted[i])
		}
	}
	if moved[1] != 300 || moved[4] != 200 {
		t.Errorf("places that were apart have moved: %v", moved)
	}
	if !(moved[3] < moved[0] && moved[0] < moved[2]) {
		t.Errorf("the order has changed: %v", moved)
	}
}

func TestThousands(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 123456: "123,456", 1000000: "1,000,000"} {
		if got := thousands(n); got != want {
			t.Errorf("%d is %s, want %s", n, got, want)
		}
	}
}
