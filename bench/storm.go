package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const stormSize = 500

// stormed is what one storm did.
type stormed struct {
	signedIn, busy, other int64
	lastOther             string
	took                  time.Duration
	calm, during          []time.Duration
	base, peak            float64 // KiB
}

// storm sends 500 sign-ins at once, of 500 users, with the default cost, while others
// go on with protected requests.
func (s *suite) storm() error {
	path := filepath.Join(s.dir, "storm.db")
	if err := s.prepare(path, stormSize+1, false); err != nil {
		return err
	}
	st, err := stormOnce(childSettings{DB: path})
	if err != nil {
		return err
	}
	const procs = 16
	wide, err := stormOnce(childSettings{DB: path, Procs: procs})
	if err != nil {
		return err
	}
	slots := runtime.GOMAXPROCS(0)
	bound := st.base + float64(slots*64*2+64)*1024
	s.section("500 sign-ins at once", fmt.Sprintf("500 users, the default hash, %d slots, over loopback; beside them 8 connections that each send a protected request every 5 ms. The second column is the same server with GOMAXPROCS=%d and as many slots: the kernel, not Go's scheduler, then divides the cores between hashes and requests.", slots, procs))
	s.line("| | default | GOMAXPROCS=%d |\n|---|---|---|\n", procs)
	for _, row := range []struct {
		name string
		get  func(stormed) string
	}{
		{"signed in", func(x stormed) string { return fmt.Sprint(x.signedIn) }},
		{"429 with Retry-After", func(x stormed) string { return fmt.Sprint(x.busy) }},
		{"anything else", func(x stormed) string { return fmt.Sprint(x.other) }},
		{"until the last answer", func(x stormed) string { return x.took.Round(time.Millisecond).String() }},
		{"resident before, at the peak", func(x stormed) string { return fmt.Sprintf("%.0f MiB, %.0f MiB", x.base/1024, x.peak/1024) }},
		{"protected request before: median, p99", func(x stormed) string { return spread(x.calm) }},
		{"protected request meanwhile: median, p99", func(x stormed) string { return spread(x.during) }},
	} {
		s.line("| %s | %s | %s |\n", row.name, row.get(st), row.get(wide))
	}
	if st.lastOther != "" {
		s.fact("the last answer of another kind under 500 sign-ins: %s", strings.TrimSpace(st.lastOther))
	}
	s.goal("3", "under 500 sign-ins, peak memory under base + slots × 128 MiB + 64 MiB", fmt.Sprintf("%.0f MiB, the bound is %.0f MiB", st.peak/1024, bound/1024), fmt.Sprintf("%.2f", st.peak/bound), st.peak <= bound)
	p99 := percentile(st.during, 0.99)
	s.goal("3", "under 500 sign-ins, protected requests have a p99 under 5 ms", ns(float64(p99)), "", p99 < 5*time.Millisecond)
	s.fact("with GOMAXPROCS=%d that p99 is %s", procs, ns(float64(percentile(wide.during, 0.99))))
	s.goal("3", "under 500 sign-ins, who waits too long gets 429", fmt.Sprintf("%d signed in, %d got 429, %d something else", st.signedIn, st.busy, st.other), "", st.busy > 0 && st.other == 0)
	return nil
}

func spread(list []time.Duration) string {
	return ns(float64(percentile(list, 0.5))) + ", " + ns(float64(percentile(list, 0.99)))
}

func stormOnce(set childSettings) (st stormed, err error) {
	srv, err := startServer(set)
	if err != nil {
		return st, err
	}
	defer srv.stop()
	_, bearer, err := signInOver(srv.base, stormSize)
	if err != nil {
		return st, err
	}
	request := wireRequest(srv.base, "/guarded", "Authorization: Bearer "+bearer)
	calm, err := probes(context.Background(), srv.base, request, 3*time.Second)
	if err != nil {
		return st, err
	}
	base, err := status(srv.pid, "VmRSS")
	if err != nil {
		return st, err
	}
	// 5 sets the peak back to what is resident now (proc(5), clear_refs).
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", srv.pid), []byte("5"), 0); err != nil {
		return st, err
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: stormSize, MaxConnsPerHost: 0}, Timeout: time.Minute}
	var signedIn, busy, other atomic.Int64
	var lastOther atomic.Value
	var wg sync.WaitGroup
	began := time.Now()
	for n := range stormSize {
		wg.Go(func() {
			r, err := http.NewRequest("POST", srv.base+"/auth/signin", strings.NewReader(signInBody(n)))
			if err != nil {
				lastOther.Store(err.Error())
				other.Add(1)
				return
			}
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("X-Requested-With", "bench")
			answer, err := client.Do(r)
			if err != nil {
				lastOther.Store(err.Error())
				other.Add(1)
				return
			}
			text, _ := io.ReadAll(answer.Body)
			answer.Body.Close()
			switch {
			case answer.StatusCode == http.StatusOK:
				signedIn.Add(1)
			case answer.StatusCode == http.StatusTooManyRequests && answer.Header.Get("Retry-After") != "":
				busy.Add(1)
			default:
				lastOther.Store(fmt.Sprint(answer.StatusCode, " ", string(text)))
				other.Add(1)
			}
		})
	}
	over := make(chan struct{})
	go func() { wg.Wait(); close(over) }()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() { <-over; cancel() }()
	during, err := probes(ctx, srv.base, request, time.Minute)
	if err != nil {
		return st, err
	}
	<-over
	took := time.Since(began)
	peak, err := status(srv.pid, "VmHWM")
	if err != nil {
		return st, err
	}
	text, _ := lastOther.Load().(string)
	return stormed{signedIn.Load(), busy.Load(), other.Load(), text, took, calm, during, base, peak}, nil
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
