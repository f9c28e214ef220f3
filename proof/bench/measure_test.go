package main

import (
	"errors"
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher/internal/guidetest"
)

// The commands of docs/performance.md run for minutes, so only their options are read here.
func TestCF07_TheCommandsOfTheGuide(t *testing.T) {
	for _, b := range guidetest.Blocks(t, "docs/performance.md", "sh") {
		for line := range strings.Lines(b.Text) {
			command, _, _ := strings.Cut(line, "#")
			args, ok := strings.CutPrefix(command, "cd proof/bench && go run .")
			if !ok {
				t.Errorf("%s:%d: %s is another program", b.Page, b.Line, command)
			}
			var s suite
			flags := flag.NewFlagSet("bench", flag.ContinueOnError)
			_, page, err := s.options(flags, strings.Fields(args))
			if err != nil {
				t.Errorf("%s:%d: %s: %v", b.Page, b.Line, command, err)
			}
			writes := !strings.Contains(line, "writes nothing")
			if _, err := os.Stat(page); writes && err != nil || !writes && page != "" {
				t.Errorf("%s:%d: %s writes %q", b.Page, b.Line, line, page)
			}
		}
	}
}

// The ranks are those of published tables of the sign test.
func TestInterval(t *testing.T) {
	for _, c := range []struct{ rounds, low, high int }{
		{1, 1, 1}, {5, 1, 5}, {6, 1, 6}, {9, 2, 8}, {12, 3, 10}, {24, 7, 18}, {72, 28, 45},
	} {
		var rounds []float64
		for n := range c.rounds {
			rounds = append(rounds, float64(c.rounds-n))
		}
		if low, high := interval(rounds); int(low) != c.low || int(high) != c.high {
			t.Errorf("%d rounds: %v to %v, want %d to %d", c.rounds, low, high, c.low, c.high)
		}
	}
}

func TestInterleave(t *testing.T) {
	calls := map[string]int{}
	counted := func(name string) benchmark {
		return benchmark{name: name, run: func(n int) error {
			time.Sleep(time.Duration(n) * time.Millisecond)
			calls[name] += n
			return nil
		}}
	}
	results, err := interleave(t.Context(), []benchmark{counted("a"), counted("b")}, 3, 2*time.Millisecond)
	if err != nil || len(results) != 2 || len(find(results, "b").wall) != 3 || calls["a"] < 4 || calls["b"] < 4 {
		t.Errorf("%v, %v, %v", results, calls, err)
	}
	failure := errors.New("refused")
	if _, err := interleave(t.Context(), []benchmark{{run: func(int) error { return failure }}}, 1, 1); !errors.Is(err, failure) {
		t.Errorf("the error of a benchmark is lost: %v", err)
	}
}

func TestSelectParts(t *testing.T) {
	if all, err := selectParts(""); err != nil || len(all) != len(parts) {
		t.Fatalf("without -only %d of %d parts run: %v", len(all), len(parts), err)
	}
	if some, err := selectParts("growth,signin"); err != nil || len(some) != 2 || some[0].name != "signin" || some[1].name != "growth" {
		t.Fatalf("two parts, in order, are %v: %v", some, err)
	}
	if _, err := selectParts("signin,sign-in"); err == nil {
		t.Fatal("an unknown part is accepted")
	}
}
