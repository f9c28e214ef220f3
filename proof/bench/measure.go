package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"
)

// benchmark is one thing to measure.
type benchmark struct {
	name, note string
	run        func(n int) error // runs it n times
}

// result is what was measured of a benchmark. Each list has one number per round, in
// nanoseconds per run.
type result struct {
	benchmark
	wall, cpu     []float64
	allocs, bytes float64 // per run, in the last round
}

// time runs a benchmark n times and adds a round.
func (r *result) time(n int) error {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	cpu, began := cpuTime(), time.Now()
	err := r.run(n)
	wall := time.Since(began)
	cpu = cpuTime() - cpu
	runtime.ReadMemStats(&after)
	if err != nil {
		return fmt.Errorf("%s: %w", r.name, err)
	}
	r.wall, r.cpu = append(r.wall, float64(wall)/float64(n)), append(r.cpu, float64(cpu)/float64(n))
	r.allocs = float64(after.Mallocs-before.Mallocs) / float64(n)
	r.bytes = float64(after.TotalAlloc-before.TotalAlloc) / float64(n)
	return nil
}

// interleave measures benchmarks in turn, round by round, each round in another
// order, so that other work on the machine affects all of them alike.
func interleave(ctx context.Context, list []benchmark, rounds int, each time.Duration) ([]*result, error) {
	var results []*result
	var counts []int
	for _, b := range list {
		n, err := calibrate(b, each)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", b.name, err)
		}
		results, counts = append(results, &result{benchmark: b}), append(counts, n)
	}
	for round := range rounds {
		for k := range results {
			i := (k + round) % len(results)
			if err := errors.Join(ctx.Err(), results[i].time(counts[i])); err != nil {
				return nil, err
			}
		}
	}
	return results, nil
}

// calibrate returns how many runs take about that long.
func calibrate(b benchmark, each time.Duration) (int, error) {
	for n := 1; ; n *= 4 {
		began := time.Now()
		if err := b.run(n); err != nil {
			return 0, err
		}
		if took := time.Since(began); took > each/8 {
			return max(1, int(float64(n)*float64(each)/float64(took))), nil
		}
	}
}

// concurrently makes count calls in each of several goroutines and returns how long
// each call took.
func concurrently(clients, count int, call func(client int) error) ([]time.Duration, error) {
	all, errs := make([][]time.Duration, clients), make([]error, clients)
	var wg sync.WaitGroup
	for c := range clients {
		wg.Go(func() {
			for range count {
				began := time.Now()
				if errs[c] = call(c); errs[c] != nil {
					return
				}
				all[c] = append(all[c], time.Since(began))
			}
		})
	}
	wg.Wait()
	return slices.Concat(all...), errors.Join(errs...)
}

func find(results []*result, name string) *result {
	for _, r := range results {
		if r.name == name {
			return r
		}
	}
	panic("no benchmark is called " + name)
}

func median[T float64 | time.Duration](list []T) T {
	s := slices.Sorted(slices.Values(list))
	if len(s)%2 == 1 {
		return s[len(s)/2]
	}
	return (s[len(s)/2-1] + s[len(s)/2]) / 2
}

func percentile(list []time.Duration, p float64) time.Duration {
	s := slices.Sorted(slices.Values(list))
	return s[min(len(s)-1, int(float64(len(s))*p))]
}

// interval returns the 95 % confidence interval of the median, whatever the
// distribution (sign test). Fewer than six rounds give the whole range.
func interval(rounds []float64) (low, high float64) {
	sorted := slices.Sorted(slices.Values(rounds))
	n := len(sorted)
	combinations, sum, all := 1.0, 0.0, math.Exp2(float64(n))
	cut := 0
	for k := range n / 2 {
		if sum += combinations; sum/all > 0.025 {
			break
		}
		cut = k
		combinations = combinations * float64(n-k) / float64(k+1)
	}
	return sorted[cut], sorted[n-1-cut]
}

// cpuTime returns the CPU time that this process has used.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // cannot fail with these arguments
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// formatRange formats the range of a list.
func formatRange(list []float64, format func(float64) string) string {
	return format(slices.Min(list)) + " – " + format(slices.Max(list))
}
