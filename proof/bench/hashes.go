package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/usherkit/usher/password"
)

// hashCommand makes this program a process that only hashes.
const hashCommand = "hash"

// hashSettings are the settings of a Hasher that are compared. Zero means the default.
type hashSettings struct {
	Lanes uint8
	Slots int
}

func (h hashSettings) config() password.HasherConfig {
	return password.HasherConfig{Params: password.Params{Threads: h.Lanes}, Slots: h.Slots}
}

// hashOnly keeps all slots of a Hasher busy until standard input ends.
func hashOnly(settings string) error {
	var set hashSettings
	if err := json.Unmarshal([]byte(settings), &set); err != nil {
		return err
	}
	h, err := password.NewHasher(set.config())
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	var all errgroup.Group
	for range h.Slots() {
		all.Go(func() error {
			for {
				if _, err := h.Hash(ctx, userPassword); err != nil {
					return err
				}
			}
		})
	}
	if err := all.Wait(); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// lanes compares the lanes of a hash, and how many hashes run at once: what they cost, and
// what they do to other requests during a storm of sign-ins.
func (s *suite) lanes() error {
	users, cores := s.stormUsers(), runtime.GOMAXPROCS(0)
	floor := &variant{name: "floor", floor: true}
	all := []*variant{floor}
	for _, set := range []hashSettings{{4, (cores + 3) / 4}, {2, (cores + 1) / 2}, {1, cores}, {1, max(1, cores/2)}} {
		db, err := s.newDatabase(fmt.Sprintf("lanes-%d-%d.db", set.Lanes, set.Slots), users+1, set.config())
		if err != nil {
			return err
		}
		all = append(all, &variant{
			name: fmt.Sprintf("lanes %d, slots %d", set.Lanes, set.Slots), set: serverSettings{DB: db, hashSettings: set},
		})
	}
	floor.set = all[len(all)-1].set
	alone, full := make([][]float64, len(all)), make([][]float64, len(all))
	cpu := make([][]float64, len(all))
	for range 2 * s.rounds {
		for i, v := range all[1:] {
			one, used, err := timeHashes(s.ctx, v.set.hashSettings, 1)
			if err != nil {
				return err
			}
			many, _, err := timeHashes(s.ctx, v.set.hashSettings, v.set.Slots)
			if err != nil {
				return err
			}
			alone[i], cpu[i], full[i] = append(alone[i], one), append(cpu[i], used), append(full[i], 1e9/many)
		}
	}
	if _, err := s.compareStorms(users, max(2, s.rounds/2), all); err != nil {
		return err
	}
	s.section("The lanes of a hash", fmt.Sprintf("Argon2id with 64 MiB and 3 passes. A slot is one hash that runs at the same time as others. The storm and its floor are those of the section above, with the settings of the last row, which are the defaults; %d rounds in turn; medians.", len(floor.p99)))
	s.header("lanes", "slots", "one hash alone", "its CPU time", "hashes a second, all slots busy", "storm: signed in a second", "protected request in a storm: median", "p99", "of the floor")
	for i, v := range all[1:] {
		s.row(fmt.Sprint(v.set.Lanes), fmt.Sprint(v.set.Slots), nanos(median(alone[i])), nanos(median(cpu[i])), fmt.Sprintf("%.1f", median(full[i])),
			fmt.Sprintf("%.1f", float64(v.SignedIn)/v.seconds), nanos(median(v.p50)), nanos(median(v.p99)), fmt.Sprintf("%.2f", median(v.ratios(floor))))
	}
	s.row("floor", "", "", "", "", "", nanos(median(floor.p50)), nanos(median(floor.p99)), "")
	return nil
}

// timeHashes makes three hashes in each of several goroutines and returns how long one took,
// as a share of the elapsed time, and its CPU time, both in nanoseconds.
func timeHashes(ctx context.Context, set hashSettings, goroutines int) (wall, cpu float64, err error) {
	h, err := password.NewHasher(set.config())
	if err != nil {
		return 0, 0, err
	}
	const each = 3
	used, began := cpuTime(), time.Now()
	_, err = concurrently(goroutines, each, func(int) error {
		_, err := h.Hash(ctx, userPassword)
		return err
	})
	n := float64(goroutines * each)
	return float64(time.Since(began)) / n, float64(cpuTime()-used) / n, err
}
