package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"time"

	pw "github.com/usherkit/usher/password"
)

// The ways to have the memory of hashes collected.
const (
	collectLeft    = "left to itself (GOGC=100)"
	collectEach    = "a collection after each hash"
	collectLimited = "a memory limit of 128 MiB above what is alive"
	collectUsher   = "package password: in proportion to the heap"
)

var collectWays = []string{collectLeft, collectEach, collectLimited, collectUsher}

// collectSettings are what a process that hashes is told.
type collectSettings struct {
	Way    string
	Live   int // MiB of objects with pointers that the program has beside
	Hashes int
}

// collected is what such a process found.
type collected struct {
	Wall, CPU, Slowest time.Duration // a hash
	Cycles             uint32
	Base, Peak         float64 // KiB resident
}

// node is what a program's heap is full of: small and with pointers.
type node struct {
	next *node
	_    [7]uint64
}

// collectChild hashes one password after the other and prints what it cost.
func collectChild(set collectSettings) error {
	var heap []*node
	for n := range set.Live << 20 / 64 {
		one := &node{}
		if n > 0 {
			one.next = heap[n/2]
		}
		heap = append(heap, one)
	}
	hash := func() error {
		if len(argon(password)) != 32 {
			return errMismatch
		}
		return nil
	}
	switch set.Way {
	case collectEach:
		bare := hash
		hash = func() error { err := bare(); runtime.GC(); return err }
	case collectLimited:
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		debug.SetMemoryLimit(int64(m.HeapAlloc) + 128<<20)
	case collectUsher:
		h, err := pw.NewHasher(pw.HasherConfig{})
		if err != nil {
			return err
		}
		hash = func() error { _, err := h.Hash(context.Background(), password); return err }
	}
	runtime.GC()
	var out collected
	var err error
	if out.Base, err = status(os.Getpid(), "VmRSS"); err != nil {
		return err
	}
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		return err
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	cpu, began := cpuTime(), time.Now()
	for range set.Hashes {
		one := time.Now()
		if err := hash(); err != nil {
			return err
		}
		out.Slowest = max(out.Slowest, time.Since(one))
	}
	n := time.Duration(set.Hashes)
	out.Wall, out.CPU = time.Since(began)/n, (cpuTime()-cpu)/n
	runtime.ReadMemStats(&after)
	out.Cycles = after.NumGC - before.NumGC
	if out.Peak, err = status(os.Getpid(), "VmHWM"); err != nil {
		return err
	}
	runtime.KeepAlive(heap)
	return json.NewEncoder(os.Stdout).Encode(out)
}

func collectOnce(set collectSettings) (out collected, err error) {
	exe, err := os.Executable()
	if err != nil {
		return out, err
	}
	text, err := json.Marshal(childSettings{Collect: &set})
	if err != nil {
		return out, err
	}
	cmd := exec.Command(exe, childFlag, string(text))
	cmd.Stderr = os.Stderr
	printed, err := cmd.Output()
	if err != nil {
		return out, fmt.Errorf("%s: %w", set.Way, err)
	}
	return out, json.Unmarshal(printed, &out)
}

// collector measures what it costs to collect the 64 MiB that each hash leaves, in a
// small program and in one with a GiB of its own.
func (s *suite) collector() error {
	hashes, rounds := 20, 3
	if s.quick {
		hashes, rounds = 6, 1
	}
	s.section("The memory of hashes", fmt.Sprintf("x/crypto allocates 64 MiB anew for each hash. %d hashes one after the other, each way in processes of its own, %d rounds, interleaved; medians. Beside them the program has a heap of small objects with pointers, which is what a collection walks through.", hashes, rounds))
	s.line("| heap of the program | way | a hash | CPU of a hash | the slowest | collections | resident above the program's |\n|---|---|---|---|---|---|---|\n")
	ratios := map[int][2]float64{}
	for _, live := range []int{0, 1024} {
		found := make([][]collected, len(collectWays))
		for range rounds {
			for i, way := range collectWays {
				one, err := collectOnce(collectSettings{Way: way, Live: live, Hashes: hashes})
				if err != nil {
					return err
				}
				found[i] = append(found[i], one)
			}
		}
		of := func(i int, get func(collected) float64) float64 {
			var list []float64
			for _, one := range found[i] {
				list = append(list, get(one))
			}
			return median(list)
		}
		for i, way := range collectWays {
			s.line("| %d MiB | %s | %s | %s | %s | %.0f | %.0f MiB |\n", live, way,
				ns(of(i, func(c collected) float64 { return float64(c.Wall) })),
				ns(of(i, func(c collected) float64 { return float64(c.CPU) })),
				ns(of(i, func(c collected) float64 { return float64(c.Slowest) })),
				of(i, func(c collected) float64 { return float64(c.Cycles) }),
				of(i, func(c collected) float64 { return (c.Peak - c.Base) / 1024 }))
		}
		cpu := func(c collected) float64 { return float64(c.CPU) }
		ratios[live] = [2]float64{of(3, cpu) / of(0, cpu), of(1, cpu) / of(0, cpu)}
	}
	for _, live := range []int{0, 1024} {
		s.fact("with %d MiB of the program's own, a hash costs %.2f of the CPU that it takes with the collector left to itself; with a collection after each it would be %.2f", live, ratios[live][0], ratios[live][1])
	}
	return nil
}
