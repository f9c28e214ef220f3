// Command drills breaks the parts that a program on Usher depends on, under load,
// and reports what the clients got:
//
//	go run ./proof/drills                              # all faults, 5 minutes
//	go run ./proof/drills disk-full restore            # some of them
//	go run ./proof/drills -write docs/reliability.md   # all, and writes their table into the file
//	go run ./proof/drills proxies                      # nginx and haproxy in front of two instances
//
// It starts temporary PostgreSQL servers, and instances as processes of their own, on
// the loopback interface. It needs PostgreSQL's programs and installs toxiproxy with
// the go command. The drill disk-full needs root, and proxies needs nginx and haproxy.
// With the environment variable KEEP=1 the logs of the instances stay in the temporary
// folder.
package main

import (
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

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if len(os.Args) > 1 && os.Args[1] == "instance" { // this program started again by itself
		exit(serve(ctx, os.Args[2:]))
	}
	names, write, err := options(flag.CommandLine, os.Args[1:])
	if err != nil {
		exit(err)
	}
	if slices.Contains(names, "proxies") {
		exit(proxies(ctx))
	}
	exit(run(ctx, names, write))
}

// options reads the command line. It returns the names of drills, and the file to write.
func options(flags *flag.FlagSet, args []string) (names []string, write string, err error) {
	flags.StringVar(&write, "write", "", "the `file` whose table of drills is replaced")
	if err := flags.Parse(args); err != nil {
		return nil, "", err
	}
	for _, name := range flags.Args() {
		if name != "proxies" && !slices.Contains(drillNames(), name) {
			return nil, "", fmt.Errorf("unknown drill %q; the drills are %s and proxies", name, strings.Join(drillNames(), ", "))
		}
	}
	return flags.Args(), write, nil
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "drills:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// run runs the named drills, or all of them, and prints their table.
func run(ctx context.Context, names []string, write string) error {
	var outcomes []outcome
	failed := false
	for _, d := range drills {
		if len(names) > 0 && !slices.Contains(names, d.name) {
			continue
		}
		fmt.Fprintf(os.Stderr, "%-18s ", d.name)
		start := time.Now()
		o, err := d.run(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", d.name, err)
		}
		o.name, o.what = d.name, d.what
		outcomes = append(outcomes, o)
		failed = failed || len(o.violations) > 0
		fmt.Fprintf(os.Stderr, "%s (%s)\n", o.verdict(), time.Since(start).Round(time.Second))
		for _, v := range o.violations {
			fmt.Fprintln(os.Stderr, "    "+v)
		}
	}
	table := tableOf(outcomes)
	fmt.Print(table)
	if write != "" {
		if err := replaceTable(write, table); err != nil {
			return err
		}
	}
	if failed {
		return errors.New("a drill failed")
	}
	return nil
}

func drillNames() (names []string) {
	for _, d := range drills {
		names = append(names, d.name)
	}
	return names
}
