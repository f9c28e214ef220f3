// Command drills breaks what a program on Usher stands on, while people use it,
// and writes down what became of them:
//
//	go run ./proof/drills                              # all fault drills
//	go run ./proof/drills disk-full clock              # some of them
//	go run ./proof/drills -write docs/reliability.md   # all, and their table into the file
//	go run ./proof/drills proxies                      # nginx and haproxy in front of two machines
//	go run ./proof/drills -users 1000000 sizes         # costs at that size, on both engines
//
// It starts PostgreSQL servers of its own and machines as processes of their own,
// all on the loopback interface, and throws everything away afterwards. It needs
// PostgreSQL's programs, and installs toxiproxy with the go command; the disk
// drill needs root, and proxies needs nginx and haproxy.
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
	if len(os.Args) > 1 && os.Args[1] == "machine" {
		exit(serve(ctx, os.Args[2:]))
	}
	write := flag.String("write", "", "a `file` whose table of drills is replaced")
	users := flag.Int("users", 100_000, "how many `users` the drill sizes makes, each with five sessions")
	flag.Parse()
	exit(run(ctx, flag.Args(), *write, *users))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "drills:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func run(ctx context.Context, names []string, write string, users int) error {
	for name, special := range map[string]func() error{
		"proxies": func() error { return proxies(ctx) },
		"sizes":   func() error { return sizes(ctx, users) },
	} {
		if slices.Contains(names, name) {
			return special()
		}
	}
	var rows []outcome
	failed := false
	for _, d := range drills {
		if len(names) > 0 && !slices.Contains(names, d.name) {
			continue
		}
		fmt.Fprintf(os.Stderr, "%-18s ", d.name)
		start := time.Now()
		o, err := d.run(ctx, d)
		if err != nil {
			return fmt.Errorf("%s: %w", d.name, err)
		}
		o.name, o.what = d.name, d.what
		rows = append(rows, o)
		failed = failed || !o.held()
		fmt.Fprintf(os.Stderr, "%s (%s)\n", o.verdict(), time.Since(start).Round(time.Second))
		for _, l := range o.broken {
			fmt.Fprintln(os.Stderr, "    "+l)
		}
	}
	table := tableOf(rows)
	fmt.Print(table)
	if write != "" {
		if err := replaceTable(write, table); err != nil {
			return err
		}
	}
	if len(rows) == 0 {
		return fmt.Errorf("there is no drill of that name; there are %s, proxies and sizes", strings.Join(drillNames(), ", "))
	}
	if failed {
		return errors.New("not everything held")
	}
	return nil
}

func drillNames() (names []string) {
	for _, d := range drills {
		names = append(names, d.name)
	}
	return names
}
