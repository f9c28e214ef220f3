package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"runtime/metrics"
	"runtime/pprof"
	"sync"
	"time"
)

// watch adds what a child tells about itself: its CPU time, a profile of it, and how
// long its goroutines waited for a place to run.
func watch(mux *http.ServeMux) {
	mux.HandleFunc("GET /cpu", func(rw http.ResponseWriter, _ *http.Request) { fmt.Fprint(rw, cpuTime().Nanoseconds()) })
	mux.HandleFunc("GET /waits", func(rw http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(rw).Encode(readWaits()) })
	var (
		mu   sync.Mutex
		text bytes.Buffer
	)
	mux.HandleFunc("GET /profile/start", func(rw http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		text.Reset()
		if err := pprof.StartCPUProfile(&text); err != nil {
			http.Error(rw, err.Error(), http.StatusConflict)
		}
	})
	mux.HandleFunc("GET /profile/stop", func(rw http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		pprof.StopCPUProfile()
		_, _ = rw.Write(text.Bytes())
	})
}

// waits is a histogram: Counts[i] waits were below Below[i] seconds.
type waits struct {
	Below  []float64
	Counts []uint64
}

// longest stands for a bucket without an end, which JSON has no number for.
const longest = 3600

func readWaits() waits {
	sample := []metrics.Sample{{Name: "/sched/latencies:seconds"}}
	metrics.Read(sample)
	h := sample[0].Value.Float64Histogram()
	w := waits{Counts: h.Counts}
	for _, b := range h.Buckets[1:] {
		w.Below = append(w.Below, math.Min(b, longest))
	}
	return w
}

// since is what was added after earlier.
func (w waits) since(earlier waits) waits {
	out := waits{Below: w.Below, Counts: make([]uint64, len(w.Counts))}
	for i := range w.Counts {
		out.Counts[i] = w.Counts[i] - earlier.Counts[i]
	}
	return out
}

// percentile is the end of the bucket in which it lies.
func (w waits) percentile(p float64) time.Duration {
	var all, sum uint64
	for _, n := range w.Counts {
		all += n
	}
	for i, n := range w.Counts {
		if sum += n; float64(sum) >= p*float64(all) && sum > 0 {
			return time.Duration(w.Below[i] * float64(time.Second))
		}
	}
	return 0
}

func (s *server) waits() (w waits, err error) {
	answer, err := http.Get(s.base + "/waits")
	if err != nil {
		return w, err
	}
	defer answer.Body.Close()
	return w, json.NewDecoder(answer.Body).Decode(&w)
}

// coreTime is for how long the threads of a process were ready while the kernel gave
// their core to others, and how often they had one (proc(5), schedstat).
type coreTime struct {
	waited time.Duration
	turns  int64
}

func (c coreTime) since(earlier coreTime) coreTime {
	return coreTime{c.waited - earlier.waited, c.turns - earlier.turns}
}

func (c coreTime) mean() float64 { return float64(c.waited) / float64(max(c.turns, 1)) }

// queues is what goroutines and threads have waited so far.
func (s *server) queues() (waits, coreTime, error) {
	ready, err := s.waits()
	if err != nil {
		return waits{}, coreTime{}, err
	}
	cores, err := coreTimeOf(s.pid)
	return ready, cores, err
}

func coreTimeOf(pid int) (c coreTime, err error) {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil || len(tasks) == 0 {
		return c, errors.Join(err, errors.New("the kernel does not tell how long threads wait"))
	}
	for _, task := range tasks {
		text, err := os.ReadFile(task)
		if errors.Is(err, os.ErrNotExist) {
			continue // it has just ended
		}
		if err != nil {
			return c, err
		}
		var ran, waited, turns int64
		if _, err := fmt.Sscan(string(text), &ran, &waited, &turns); err != nil {
			return c, fmt.Errorf("%s holds %q: %w", task, text, err)
		}
		c.waited, c.turns = c.waited+time.Duration(waited), c.turns+turns
	}
	return c, nil
}
