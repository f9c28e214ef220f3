// Command bench measures what Usher costs beside other libraries, and writes the
// tables of docs/performance.md:
//
//	cd proof/bench && go run .                          # everything; the part storm alone takes about 15 minutes
//	cd proof/bench && go run . -quick                   # short rounds and small numbers; writes nothing
//	cd proof/bench && go run . -only protected,refresh  # some parts; writes nothing
//	cd proof/bench && go run . -only storm -into storm  # writes this part into the block "storm"
//	cd proof/bench && go run . -no-postgres             # on a machine without PostgreSQL
//
// The parts, in order:
//
//	protected   a protected request beside other libraries, the first sight of a token, the cache under a flood
//	signin      a sign-in beside the password hash it contains, on SQLite and PostgreSQL
//	refresh     a refresh beside a bare durable write, on SQLite and PostgreSQL
//	server      the whole server, with and without authentication
//	storm       protected requests while 500 users sign in at once
//	lanes       the lanes and the slots of the password hash
//	growth      store calls as users and revocations grow
//	retention   the size of the audit table at a thousand refreshes a second
//
// The bench is a module of its own, so that the measured libraries never become
// dependencies of a program that uses Usher. If a measurement fails, the command
// ends with an error and writes nothing. PostgreSQL servers are started for the run
// and removed; they need initdb and pg_ctl.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

// part is a group of measurements that -only can select.
type part struct {
	name string
	run  func(*suite) error
}

var parts = []part{
	{"protected", (*suite).protected},
	{"signin", (*suite).signIn},
	{"refresh", (*suite).refresh},
	{"server", (*suite).wholeServer},
	{"storm", (*suite).storm},
	{"lanes", (*suite).lanes},
	{"growth", (*suite).growth},
	{"retention", (*suite).retention},
}

func main() {
	if len(os.Args) == 3 {
		switch os.Args[1] { // this program started again by itself
		case serverCommand:
			exit(serve(os.Args[2]))
		case hashCommand:
			exit(hashOnly(os.Args[2]))
		case clientsCommand:
			exit(signInClients(os.Args[2]))
		}
	}
	var s suite
	selected, page, err := s.options(flag.CommandLine, os.Args[1:])
	if err != nil {
		exit(err)
	}
	exit(run(&s, selected, page))
}

// options reads the command line. It returns the parts to run, and the file to write.
func (s *suite) options(flags *flag.FlagSet, args []string) ([]part, string, error) {
	var (
		quick = flags.Bool("quick", false, "short rounds and small numbers; writes nothing")
		only  = flags.String("only", "", "the `parts` to run, separated by commas; writes nothing")
		page  = flags.String("page", "../../docs/performance.md", "the `file` whose tables are replaced")
		into  = flags.String("into", "", "the `block` of the file whose text is replaced; with -only, nothing is written without it (default measured)")
	)
	flags.IntVar(&s.users, "users", 1_000_000, "the largest number of `users` in the store")
	flags.IntVar(&s.flood, "flood", 1_000_000, "how many `sessions` the cache sees once each")
	flags.BoolVar(&s.noPostgres, "no-postgres", false, "leave out what needs a PostgreSQL server; the page says so")
	if err := flags.Parse(args); err != nil {
		return nil, "", err
	}
	if flags.NArg() > 0 {
		return nil, "", fmt.Errorf("unexpected argument %q; -only selects parts", flags.Arg(0))
	}
	selected, err := selectParts(*only)
	if err != nil {
		return nil, "", err
	}
	s.rounds, s.each = 6, 150*time.Millisecond
	if *quick {
		s.quick, s.rounds, s.each, s.flood, s.users = true, 2, 20*time.Millisecond, 30_000, 10_000
	}
	if *quick || *only != "" && *into == "" {
		*page = ""
	}
	s.block = cmp.Or(*into, "measured")
	return selected, *page, nil
}

// selectParts returns the parts named in a comma-separated list, or all parts.
func selectParts(only string) ([]part, error) {
	if only == "" {
		return parts, nil
	}
	wanted := strings.Split(only, ",")
	var selected []part
	var names []string
	for _, p := range parts {
		names = append(names, p.name)
		if slices.Contains(wanted, p.name) {
			selected = append(selected, p)
		}
	}
	for _, name := range wanted {
		if !slices.Contains(names, name) {
			return nil, fmt.Errorf("-only: unknown part %q; the parts are %s", name, strings.Join(names, ", "))
		}
	}
	return selected, nil
}

// run measures the parts and writes the results into the page, or to standard output
// if page is empty.
func run(s *suite, selected []part, page string) (err error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	s.ctx = ctx
	if s.dir, err = os.MkdirTemp("", "usher-bench-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(s.dir)) }()
	s.loadBefore = loadAverage()
	fmt.Fprintf(os.Stderr, "Measuring on %s; load average %s.\n", machineName(), s.loadBefore)
	for _, p := range selected {
		began := time.Now()
		if err := p.run(s); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		fmt.Fprintf(os.Stderr, "(%s took %v)\n", p.name, time.Since(began).Round(time.Second))
	}
	if page == "" {
		fmt.Println(s.report())
		return nil
	}
	return s.write(page)
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}
