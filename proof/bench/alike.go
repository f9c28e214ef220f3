package main

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// atOnce is how many sign-ins are measured as one.
const atOnce = 3

// alike says on the page what [signInsAlike] does.
const alike = "Each hash takes 64 MiB and leaves them behind. A hash that finds such memory still with the process is up to twice as fast as one that gets it page by page from the kernel, and which of them finds it depends on when the collector ran and what lay in between, not on the library. So for every case alike the collector is not left to its own pace, by which memory goes back to the kernel; it runs once after each sign-in, within the time that is measured, unless the sign-in has run it: each case pays for its own garbage, once. (Usher runs it after each hash.)"

// signInsAlike interleaves cases that hash passwords, under the same terms: each pays
// for one collection a sign-in, and finds the memory of the one before.
func signInsAlike(jobs []job, rounds int) ([]result, error) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	collected := make([]job, len(jobs))
	for i, j := range jobs {
		collected[i] = withCollection(j)
	}
	results, err := interleave(collected, rounds, time.Nanosecond)
	for i := range results {
		results[i].divide(atOnce)
	}
	return results, err
}

// withCollection runs a job several times, and sees to one collection each time.
func withCollection(j job) job {
	run := j.run
	j.run = func(n int) error {
		for range atOnce * n {
			before := collections()
			if err := run(1); err != nil {
				return err
			}
			if collections() == before {
				runtime.GC()
			}
		}
		return nil
	}
	return j
}

// collections is how many there were so far.
func collections() uint64 {
	sample := []metrics.Sample{{Name: "/gc/cycles/total:gc-cycles"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
