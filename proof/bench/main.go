// Command bench measures Usher beside its peers, and writes what it found into
// docs/performance.md.
//
//	cd proof/bench && go run .                 # everything; a quarter of an hour
//	cd proof/bench && go run . -quick          # short rounds, small numbers, for a look
//	cd proof/bench && go run . -only protected,refresh
//	cd proof/bench && go run . -no-postgres    # where there is no Postgres
//
// The parts, in their order:
//
//	protected   a protected request, beside peers and limits; the cache in a flood
//	signin      a sign-in on SQLite, beside peers and the bare hash
//	collector   what collecting the memory of hashes costs
//	refresh     a refresh on SQLite, beside a bare durable write
//	postgres    a sign-in and a refresh on Postgres, beside the same two
//	profiles    where the time and the memory of these go
//	loopback    the whole server from another process
//	storm       500 sign-ins at once, and what others notice of it
//	programs    how big programs are, how fast they start, what they hold when idle
//	drivers     our statements over three drivers of SQLite
//	mixed       64 clients on one SQLite file for a minute
//	growth      the store's calls as users, revocations and permissions grow
//
// It is a module of its own, so that no peer enters the build of a program that
// uses Usher. A measurement that cannot be made is an error, and nothing is written
// then. postgres and growth start Postgres servers of their own, which need initdb
// and pg_ctl on the machine; without them -no-postgres leaves out what needs them,
// and the page says so.
package main

import (
	"errors"
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
		noPg  = flag.Bool("no-postgres", false, "leave out what needs a Postgres server; the page says so")
		page  = flag.String("page", "../../docs/performance.md", "the page to write into")
	)
	flag.Parse()
	if flag.NArg() > 0 {
		exit(fmt.Errorf("%q is no flag; the parts are chosen by -only", flag.Arg(0)))
	}
	wanted, err := chosen(*only)
	if err != nil {
		exit(err)
	}
	s := &suite{rounds: 6, each: 150 * time.Millisecond, flood: *flood, users: *users, noPostgres: *noPg, plots: map[string]string{}}
	if *quick {
		s.quick, s.rounds, s.each, s.flood, s.users = true, 4, 30*time.Millisecond, 30_000, 10_000
	}
	whole := *only == "" && !*quick
	exit(run(s, wanted, whole, *page))
}

// chosen are the parts that a list with commas names, or all.
func chosen(only string) ([]part, error) {
	if only == "" {
		return parts, nil
	}
	var names []string
	for _, p := range parts {
		names = append(names, p.name)
	}
	named := strings.Split(only, ",")
	for _, name := range named {
		if !slices.Contains(names, name) {
			return nil, fmt.Errorf("-only: there is no part %q; the parts are %s", name, strings.Join(names, ", "))
		}
	}
	var wanted []part
	for _, p := range parts {
		if slices.Contains(named, p.name) {
			wanted = append(wanted, p)
		}
	}
	return wanted, nil
}

// run measures the parts, and writes the page if that is the whole of it.
func run(s *suite, wanted []part, whole bool, page string) (err error) {
	defer func() { err = errors.Join(err, s.undo.all()) }()
	s.ctx = s.undo.onSignal()
	if s.dir, err = os.MkdirTemp("", "usher-bench-"); err != nil {
		return err
	}
	s.undo.add(func() error { return os.RemoveAll(s.dir) })
	fmt.Fprintf(os.Stderr, "Measuring on %s; load %s.\n", machine(), loadBefore)
	for _, p := range wanted {
		began := time.Now()
		if err := p.run(s); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		fmt.Fprintf(os.Stderr, "(%s took %v)\n", p.name, time.Since(began).Round(time.Second))
	}
	if !whole {
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

type part struct {
	name string
	run  func(*suite) error
}

// parts are what is measured, in this order.
var parts = []part{
	{"protected", (*suite).protected},
	{"signin", (*suite).signIn},
	{"collector", (*suite).collector},
	{"refresh", (*suite).refresh},
	{"postgres", (*suite).onPostgres},
	{"profiles", (*suite).profiles},
	{"loopback", (*suite).loopback},
	{"storm", (*suite).storm},
	{"programs", (*suite).programs},
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
