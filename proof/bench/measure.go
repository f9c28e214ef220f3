package main

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"
)

// job is one thing to measure. Run does it n times.
type job struct {
	name string
	run  func(n int) error
	note string
}

// result is what was measured of a job: one number a round.
type result struct {
	job
	ns     []float64 // a run, per round
	cpu    []float64 // of the whole process
	allocs float64
	bytes  float64
}

func (r result) median() float64 { return median(r.ns) }
func (r result) least() float64  { return slices.Min(r.ns) }
func (r result) most() float64   { return slices.Max(r.ns) }

// byCPU takes the CPU time of the process in the place of the time on the clock, so
// that what else runs on the machine does not count. For work that waits for nothing
// the two are the same on an idle machine.
func byCPU(results []result) {
	for i := range results {
		results[i].ns, results[i].cpu = results[i].cpu, results[i].ns
	}
}

// divide is for a run that was really n of them.
func (r *result) divide(n float64) {
	for i := range r.ns {
		r.ns[i] /= n
		r.cpu[i] /= n
	}
	r.allocs /= n
	r.bytes /= n
}

func median(list []float64) float64 {
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

// interleave measures the jobs in turn, round by round, so that what else the
// machine does hits all of them alike. Each round begins with another job.
func interleave(jobs []job, rounds int, each time.Duration) ([]result, error) {
	results := make([]result, len(jobs))
	counts := make([]int, len(jobs))
	for i, j := range jobs {
		results[i].job = j
		n, err := calibrate(j, each)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", j.name, err)
		}
		counts[i] = n
	}
	var before, after runtime.MemStats
	for round := range rounds {
		for k := range jobs {
			i := (k + round) % len(jobs)
			runtime.GC()
			runtime.ReadMemStats(&before)
			cpu, began := cpuTime(), time.Now()
			err := jobs[i].run(counts[i])
			took := time.Since(began)
			cpu = cpuTime() - cpu
			runtime.ReadMemStats(&after)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", jobs[i].name, err)
			}
			n := float64(counts[i])
			results[i].ns = append(results[i].ns, float64(took.Nanoseconds())/n)
			results[i].cpu = append(results[i].cpu, float64(cpu.Nanoseconds())/n)
			results[i].allocs = float64(after.Mallocs-before.Mallocs) / n
			results[i].bytes = float64(after.TotalAlloc-before.TotalAlloc) / n
		}
	}
	return results, nil
}

// calibrate returns how many runs take about that long.
func calibrate(j job, each time.Duration) (int, error) {
	for n := 1; ; n *= 4 {
		began := time.Now()
		if err := j.run(n); err != nil {
			return 0, err
		}
		if took := time.Since(began); took > each/8 {
			return max(1, int(float64(n)*float64(each)/float64(took))), nil
		}
	}
}

// onAllCores runs a job on every core at once; the time of a run is then that of
// the whole machine.
func onAllCores(j job) job {
	run := j.run
	return job{name: j.name, note: j.note, run: func(n int) error {
		cores := runtime.GOMAXPROCS(0)
		errs := make([]error, cores)
		var wg sync.WaitGroup
		for c := range cores {
			wg.Go(func() { errs[c] = run((n + cores - 1) / cores) })
		}
		wg.Wait()
		for _, err := range errs {
			if err != nil {
				return err
			}
		}
		return nil
	}}
}

func find(results []result, name string) (result, error) {
	for _, r := range results {
		if r.name == name {
			return r, nil
		}
	}
	return result{}, fmt.Errorf("there is no measurement called %q", name)
}
