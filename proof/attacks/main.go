// Command attacks simulates attackers against a running instance, together with honest
// users elsewhere, and reports what the attackers and the users got:
//
//	go run ./proof/attacks                            # all attacks, 3 minutes
//	go run ./proof/attacks botnet neighbor            # some of them
//	go run ./proof/attacks -write docs/security.md    # all, and writes their table into the file
//
// Each attack has a new instance with default settings, in a process of its own on the
// loopback interface, on an SQLite file. It trusts a proxy on the loopback interface, so
// that each request can name the address of its client. The requests of the attackers come
// from a seeded generator. The guesses that the limits allow in a day are counted with a
// clock that the command sets.
package main

import (
	"context"
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
	if len(os.Args) == 3 && os.Args[1] == "instance" { // this program started again by itself
		exit(serve(ctx, os.Args[2]))
	}
	write := flag.String("write", "", "the `file` whose table of attacks is replaced")
	seed := flag.Uint64("seed", 1, "the `seed` of the attackers' requests")
	overload := flag.Float64("overload", 10, "the attackers' `requests` for each sign-in that the instance can hash")
	period := flag.Duration("period", 15*time.Second, "how long each attack lasts")
	flag.Parse()
	exit(run(ctx, flag.Args(), *write, *seed, *overload, *period))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "attacks:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// run runs the named attacks, or all of them, and prints their table.
func run(ctx context.Context, names []string, write string, seed uint64, overload float64, period time.Duration) error {
	var known []string
	for _, a := range attacks {
		known = append(known, a.name)
	}
	for _, name := range names {
		if !slices.Contains(known, name) {
			return fmt.Errorf("unknown attack %q; the attacks are %s", name, strings.Join(known, ", "))
		}
	}
	load := loadAverage()
	var outcomes []outcome
	for _, a := range attacks {
		if len(names) > 0 && !slices.Contains(names, a.name) {
			continue
		}
		fmt.Fprintf(os.Stderr, "%s\n", a.name)
		o, err := a.run(ctx, seed, overload, period)
		if err != nil {
			return fmt.Errorf("%s: %w", a.name, err)
		}
		outcomes = append(outcomes, o)
		fmt.Fprintf(os.Stderr, "    %s\n", strings.Join(o.cells(), " | "))
	}
	table := tableOf(outcomes, seed, overload, period, load)
	fmt.Print(table)
	if write != "" {
		return replaceTable(write, table)
	}
	return nil
}
