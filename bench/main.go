// Command bench measures Usher beside its peers, and writes what it found into
// docs/performance.md.
//
//	cd bench && go run .            # everything; some minutes
//	cd bench && go run . -quick     # short rounds, small numbers, for a look
//	cd bench && go run . -only protected,refresh
//
// It is a module of its own, so that no peer enters the build of a program that
// uses Usher. A measurement that cannot be made is an error, and nothing is written
// then.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

func main() {
	if len(os.Args) > 2 && os.Args[1] == childFlag {
		exit(child(os.Args[2], os.Args[3:]))
	}
	var (
		quick = flag.Bool("quick", false, "short rounds and small numbers; writes nothing")
		only  = flag.String("only", "", "the parts to run, with commas between; writes nothing")
		users = flag.Int("users", 1_000_000, "how far the store is grown, with five sessions for each user")
		flood = flag.Int("flood", 1_000_000, "how many sessions pass through the cache once")
		page  = flag.String("page", "../docs/performance.md", "the page to write into")
	)
	flag.Parse()
	s := &suite{rounds: 6, each: 150 * time.Millisecond, flood: *flood, users: *users, plots: map[string]string{}}
	if *quick {
		s.quick, s.rounds, s.each, s.flood, s.users = true, 6, 30*time.Millisecond, 30_000, 10_000
	}
	exit(run(s, *only, *page))
}

func run(s *suite, only, page string) (err error) {
	if s.dir, err = os.MkdirTemp("", "usher-bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(s.dir)
	wanted := strings.FieldsFunc(only, func(r rune) bool { return r == ',' })
	for _, p := range parts {
		if len(wanted) > 0 && !slices.Contains(wanted, p.name) {
			continue
		}
		if err := p.run(s); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	if s.quick || only != "" {
		fmt.Println(s.report())
		return nil
	}
	for name, svg := range s.plots {
		if err := os.WriteFile(filepath.Join(filepath.Dir(page), name), []byte(svg), 0o644); err != nil {
			return err
		}
	}
	return s.write(page)
}

// parts are what is measured, in this order.
var parts = []struct {
	name string
	run  func(*suite) error
}{
	{"protected", (*suite).protected},
	{"signin", (*suite).signIn},
	{"collector", (*suite).collector},
	{"refresh", (*suite).refresh},
	{"profiles", (*suite).profiles},
	{"loopback", (*suite).loopback},
	{"storm", (*suite).storm},
	{"drivers", (*suite).sqliteDrivers},
	{"mixed", (*suite).mixed},
	{"growth", (*suite).growth},
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}
