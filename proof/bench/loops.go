package main

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// loop is a closed loop: clients that call again as soon as they have an answer.
type loop struct {
	name    string
	clients int
	run     func(client int) error

	took []time.Duration // every call
	rate []float64       // calls a second, per round
	cpu  []float64       // of this process for each call, per round
}

func (l *loop) median() time.Duration { return percentile(l.took, 0.5) }
func (l *loop) p99() time.Duration    { return percentile(l.took, 0.99) }

// runLoops runs the loops in turn, so many rounds of count calls for each client.
func runLoops(loops []*loop, rounds, count int) error {
	for range rounds {
		for _, l := range loops {
			before, began := cpuTime(), time.Now()
			took, err := manyClients(l.clients, count, l.run)
			if err != nil {
				return fmt.Errorf("%s: %w", l.name, err)
			}
			n := float64(l.clients * count)
			l.rate = append(l.rate, n/time.Since(began).Seconds())
			l.cpu = append(l.cpu, float64((cpuTime()-before).Nanoseconds())/n)
			l.took = append(l.took, took...)
		}
	}
	return nil
}

// manyClients runs count calls in each of so many goroutines and returns how long
// each took.
func manyClients(clients, count int, run func(client int) error) ([]time.Duration, error) {
	all := make([][]time.Duration, clients)
	errs := make([]error, clients)
	var wg sync.WaitGroup
	for c := range clients {
		wg.Go(func() {
			for range count {
				began := time.Now()
				if errs[c] = run(c); errs[c] != nil {
					return
				}
				all[c] = append(all[c], time.Since(began))
			}
		})
	}
	wg.Wait()
	return slices.Concat(all...), errors.Join(errs...)
}

// loopTable writes what the loops came to.
func (s *suite) loopTable(loops []*loop) {
	s.line("| | median | p99 | a second | CPU each |\n|---|---|---|---|---|\n")
	for _, l := range loops {
		s.line("| %s | %s | %s | %.0f | %s |\n", l.name, ns(float64(l.median())), ns(float64(l.p99())), median(l.rate), ns(median(l.cpu)))
	}
}
