package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	pw "github.com/usherkit/usher/password"
)

// weather is what a storm did to a server, and to those who had nothing to do with it.
type weather struct {
	stormed
	calm, first, during []time.Duration // protected requests before, in the first second, in all of it
	base, peak          float64         // KiB
	ready               waits           // of goroutines that could run, for one of Go's places to run in
	cores               coreTime        // of its threads, for a core
}

// storm has 500 people sign in at once, with the default cost, while others go on with
// protected requests.
func (s *suite) storm() error {
	path := filepath.Join(s.dir, "storm.db")
	if err := s.prepare(path, stormSize+1, false); err != nil {
		return err
	}
	st, err := weatherOf(childSettings{DB: path})
	if err != nil {
		return err
	}
	hasher, err := pw.NewHasher(pw.HasherConfig{})
	if err != nil {
		return err
	}
	cores, slots := runtime.GOMAXPROCS(0), hasher.Slots()
	procs := cores + slots*hashLanes
	wide, err := weatherOf(childSettings{DB: path, Procs: procs})
	if err != nil {
		return err
	}
	alone, err := besideABurner(path)
	if err != nil {
		return err
	}
	bound := st.base + float64(slots*64*2+64)*1024
	s.section("500 sign-ins at once", fmt.Sprintf("500 users sign in at the same moment, with the default hash in its default of %d slots, over loopback; who gets 429 comes again when it was told, for %v. Beside them, 8 connections that each send a protected request every 5 ms. Server, people and the 8 are three processes on the same %d cores. The second column is the same server with GOMAXPROCS=%d and as many slots: a thread for each core and for each lane of each hash, so that the kernel, not Go's scheduler, divides the cores between hashes and requests.", slots, stormTime, cores, procs))
	s.line("| | default | GOMAXPROCS=%d |\n|---|---|---|\n", procs)
	for _, row := range []struct {
		name string
		get  func(weather) string
	}{
		{"signed in", func(x weather) string { return fmt.Sprint(x.SignedIn) }},
		{"429 with Retry-After", func(x weather) string { return fmt.Sprint(x.Busy) }},
		{"anything else", func(x weather) string { return fmt.Sprint(x.Other) }},
		{"the longest wait for an answer", func(x weather) string { return x.Longest.Round(time.Millisecond).String() }},
		{"resident before, at the peak", func(x weather) string { return fmt.Sprintf("%.0f MiB, %.0f MiB", x.base/1024, x.peak/1024) }},
		{"protected request before: median, p99", func(x weather) string { return spread(x.calm) }},
		{"protected request meanwhile: median, p99", func(x weather) string { return spread(x.during) }},
		{"of these, in the first second: median, p99", func(x weather) string { return spread(x.first) }},
		{"a goroutine that could run waited for its turn: p90, p99", func(x weather) string {
			return "below " + ns(float64(x.ready.percentile(0.9))) + ", below " + ns(float64(x.ready.percentile(0.99)))
		}},
		{"a thread that could run waited for a core, on average", func(x weather) string { return ns(x.cores.mean()) }},
	} {
		s.line("| %s | %s | %s |\n", row.name, row.get(st), row.get(wide))
	}
	s.fact("nobody signs in to the server, and another process on the same cores hashes one password after the other: protected requests have a median of %s and a p99 of %s", ns(float64(percentile(alone, 0.5))), ns(float64(percentile(alone, 0.99))))
	if st.LastOther != "" {
		s.fact("the last answer of another kind under 500 sign-ins: %s", st.LastOther)
	}
	s.goal("3", "under 500 sign-ins, peak memory under base + slots × 128 MiB + 64 MiB", fmt.Sprintf("%.0f MiB, the bound is %.0f MiB", st.peak/1024, bound/1024), fmt.Sprintf("%.2f", st.peak/bound), st.peak <= bound)
	for _, x := range []struct {
		name string
		weather
	}{{"", st}, {fmt.Sprintf(" (GOMAXPROCS=%d)", procs), wide}} {
		p99 := percentile(x.during, 0.99)
		s.goal("3", "under 500 sign-ins, protected requests have a p99 under 5 ms"+x.name, ns(float64(p99)), "", p99 < 5*time.Millisecond)
	}
	s.goal("3", "under 500 sign-ins, who waits too long gets 429", fmt.Sprintf("%d signed in, %d times 429, %d something else", st.SignedIn, st.Busy, st.Other), "", st.Busy > 0 && st.Other == 0)
	return nil
}

func spread(list []time.Duration) string {
	return ns(float64(percentile(list, 0.5))) + ", " + ns(float64(percentile(list, 0.99)))
}

func weatherOf(set childSettings) (w weather, err error) {
	srv, _, bearer, err := serverSignedIn(set, stormSize)
	if err != nil {
		return w, err
	}
	defer srv.stop()
	request := wireRequest(srv.base, "/guarded", "Authorization: Bearer "+bearer)
	if w.calm, err = probes(context.Background(), srv.base, request, 3*time.Second); err != nil {
		return w, err
	}
	if w.base, err = status(srv.pid, "VmRSS"); err != nil {
		return w, err
	}
	// 5 sets the peak back to what is resident now (proc(5), clear_refs).
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", srv.pid), []byte("5"), 0); err != nil {
		return w, err
	}
	ready, cores, err := srv.queues()
	if err != nil {
		return w, err
	}
	wait, err := startStorm(srv.base)
	if err != nil {
		return w, err
	}
	var probing error
	w.first, probing = probes(context.Background(), srv.base, request, time.Second)
	if probing == nil {
		var rest []time.Duration
		rest, probing = probes(context.Background(), srv.base, request, stormTime-time.Second)
		w.during = append(append(w.during, w.first...), rest...)
	}
	readyAfter, coresAfter, queueing := srv.queues()
	if w.stormed, err = wait(); err != nil {
		return w, err
	}
	if queueing != nil {
		return w, queueing
	}
	w.ready, w.cores = readyAfter.since(ready), coresAfter.since(cores)
	if probing != nil {
		return w, probing
	}
	w.peak, err = status(srv.pid, "VmHWM")
	return w, err
}

// probes sends protected requests at a steady pace.
func probes(ctx context.Context, base string, request []byte, most time.Duration) ([]time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	const connections = 8
	lists := make([][]time.Duration, connections)
	errs := make([]error, connections)
	var wg sync.WaitGroup
	for c := range connections {
		wg.Go(func() { lists[c], errs[c] = ask(ctx, base, request, 5*time.Millisecond) })
	}
	wg.Wait()
	var all []time.Duration
	for c := range connections {
		if errs[c] != nil {
			return nil, errs[c]
		}
		all = append(all, lists[c]...)
	}
	return all, nil
}
