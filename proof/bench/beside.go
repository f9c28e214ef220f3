package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/usherkit/usher"
)

// besideTheHash judges a sign-in by the bare hash next to it, in rounds of these two
// alone: with other cases in between, the two lie seconds apart.
func (s *suite) besideTheHash(what string, limit float64, signIn job) error {
	rounds := 4 * s.rounds
	results, err := signInsAlike([]job{bareJob(), signIn}, rounds)
	if err != nil {
		return err
	}
	bare, own := results[0], results[1]
	var clock, cpu []float64
	for i := range rounds {
		clock = append(clock, own.ns[i]/bare.ns[i])
		cpu = append(cpu, own.cpu[i]/bare.cpu[i])
	}
	s.line("\nThe bare hash and %s alone, %d rounds of %d in turn: %s and %s.\n", signIn.name, rounds, atOnce, ns(bare.median()), ns(own.median()))
	s.goalOfRounds("3", what, fmt.Sprintf("%s to %s", ns(own.median()), ns(bare.median())), clock, "%.3f", limit, true)
	s.goalOfRounds("3", what+", in CPU time of the process", "", cpu, "%.3f", limit, true)
	return nil
}

// hashAfterSync tells what a durable write does to the hash that comes after it.
func (s *suite) hashAfterSync() error {
	f, err := os.Create(filepath.Join(s.dir, "beside"))
	if err != nil {
		return err
	}
	defer f.Close()
	page := make([]byte, 4096)
	return s.hashAfter("a bare fsync of 4 KiB", func() error {
		if _, err := f.WriteAt(page, 0); err != nil {
			return err
		}
		return f.Sync()
	})
}

// hashAfterServer tells the same of steps on a server on the same cores: of the least
// that can be asked of it, and of what a sign-in does last before its hash.
func (s *suite) hashAfterServer(store usher.Store) error {
	ask := func() error { return store.Ping(s.ctx) }
	if err := s.hashAfter("a SELECT of one number from that Postgres server", ask); err != nil {
		return err
	}
	counter := []usher.Limit{{Key: "beside", Max: 1 << 30}}
	return s.hashAfter("a counter taken there", func() error {
		_, err := store.TakeLimits(s.ctx, time.Now(), counter)
		return err
	})
}

// hashes are bare ones under the same circumstances.
type hashes struct {
	step, hash, waited []float64 // before it, of it, and how long its threads waited for a core
}

// hashAfter times bare hashes, every second one right after a step, whose own time is
// not in that of the hash.
func (s *suite) hashAfter(name string, step func() error) error {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	var alone, after hashes
	for range 4 * s.rounds * atOnce {
		if err := alone.add(func() error { return nil }); err != nil {
			return err
		}
		if err := after.add(step); err != nil {
			return err
		}
	}
	s.fact("%s takes %s after a hash; the hash that comes next takes %s, in which its threads wait %s for a core, and one with nothing before it %s and %s (medians of %d)",
		name, ns(median(after.step)), ns(median(after.hash)), ns(median(after.waited)), ns(median(alone.hash)), ns(median(alone.waited)), len(after.hash))
	return nil
}

func (h *hashes) add(step func() error) error {
	runtime.GC()
	began := time.Now()
	if err := step(); err != nil {
		return err
	}
	h.step = append(h.step, float64(time.Since(began)))
	before, err := coreTimeOf(os.Getpid())
	if err != nil {
		return err
	}
	began = time.Now()
	if len(argon(password)) != 32 {
		return errors.New("no hash")
	}
	h.hash = append(h.hash, float64(time.Since(began)))
	now, err := coreTimeOf(os.Getpid())
	h.waited = append(h.waited, float64(now.since(before).waited))
	return err
}
