package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/usherkit/usher/proof/bench/statements"
)

// sqliteDrivers measures our own statements over three drivers, each in a process of
// its own, in turn.
func (s *suite) sqliteDrivers() error {
	names := []string{"modernc", "ncruces", "mattn"}
	rounds, calls := min(s.rounds, 6), 500
	if s.quick {
		rounds, calls = 2, 200
	}
	type key struct {
		driver, name string
		clients      int
	}
	medians, p99s, rates := map[key][]float64{}, map[key][]float64{}, map[key][]float64{}
	locked := 0
	var order []key
	for _, name := range names {
		build := exec.Command("go", "build", "-o", filepath.Join(s.dir, name), "./drivers/"+name)
		build.Env = append(os.Environ(), "CGO_ENABLED=1")
		if out, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", name, err, out)
		}
	}
	for round := range rounds {
		for k := range names {
			name := names[(k+round)%len(names)]
			cmd := exec.Command(filepath.Join(s.dir, name), filepath.Join(s.dir, fmt.Sprint(name, round, ".db")), strconv.Itoa(calls))
			cmd.Stderr = os.Stderr
			out, err := cmd.Output()
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			var results []statements.Result
			if err := json.Unmarshal(out, &results); err != nil {
				return err
			}
			for _, r := range results {
				at := key{name, r.Name, r.Clients}
				if !slices.Contains(order, key{names[0], r.Name, r.Clients}) && name == names[0] {
					order = append(order, at)
				}
				medians[at], p99s[at], rates[at] = append(medians[at], r.Median), append(p99s[at], r.P99), append(rates[at], r.PerSecond)
				locked += r.Locked
			}
		}
	}
	s.section("Drivers of SQLite", fmt.Sprintf("Our own statements over three drivers: WAL, synchronous=FULL, one connection that writes and others that read; %d rounds of %d calls, interleaved. The first is the one that package sqlite links.", rounds, calls))
	s.line("| | driver | of modernc | median | p99 | a second |\n|---|---|---|---|---|---|\n")
	for _, first := range order {
		for _, name := range names {
			at := key{name, first.name, first.clients}
			s.line("| %s, clients: %d | %s | %s | %s | %s | %.0f |\n", at.name, at.clients, name, times(median(medians[at])/median(medians[first])), ns(median(medians[at])), ns(median(p99s[at])), median(rates[at]))
		}
	}
	s.goal("5", `no "database is locked", in all of it`, strconv.Itoa(locked), "", locked == 0)
	return nil
}
