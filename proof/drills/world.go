package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/usherkit/usher/internal/pgtest"
)

// world is a server, machines on it, and people.
type world struct {
	ctx      context.Context
	dir      string
	cluster  *pgtest.Cluster
	machines []*machine
	crowd    *crowd
	closers  []func()
}

// plan says what a world is like and what happens to it.
type plan struct {
	cluster pgtest.Options
	people  int                                    // defaults to 12
	db      func(w *world) (url string, err error) // defaults to the cluster's socket
	flags   [2][]string                            // further flags of the two machines
	// strike breaks something, and mend puts it right; between them people go on
	// for so long.
	strike, mend func(w *world) error
	lasting      time.Duration
	// after looks at what else must hold, and may add a note.
	after func(w *world, o *outcome) error
}

// errMissing says why a drill cannot run on this machine.
type errMissing struct{ why string }

func (e errMissing) Error() string { return e.why }

// run plays a plan.
func (p plan) run(ctx context.Context) (o outcome, err error) {
	w := &world{ctx: ctx}
	defer w.close()
	var missing errMissing
	if err := w.begin(p); errors.As(err, &missing) || errors.Is(err, pgtest.ErrMissing) {
		return outcome{missing: err.Error()}, nil
	} else if err != nil {
		return outcome{}, err
	}
	living, stop := context.WithCancel(ctx)
	defer stop()
	lived := make(chan struct{})
	go func() { w.crowd.each(func(q *person) { q.live(living) }); close(lived) }()
	wait(ctx, 2*time.Second)
	if bad := w.crowd.unavailable.Load(); bad > 0 {
		return o, fmt.Errorf("%d requests failed before anything was broken", bad)
	}
	if err := p.strike(w); err != nil {
		return o, fmt.Errorf("strike: %w", err)
	}
	wait(ctx, p.lasting)
	if err := p.mend(w); err != nil {
		return o, fmt.Errorf("mend: %w", err)
	}
	mended := time.Now()
	wait(ctx, 5*time.Second)
	stop()
	<-lived
	w.crowd.each(func(q *person) { q.settle(true) })

	o = w.crowd.out
	o.good, o.unavailable = w.crowd.good.Load(), w.crowd.unavailable.Load()
	o.slowest = time.Duration(w.crowd.slowest.Load())
	if w.crowd.lastBad.After(mended) {
		o.recovered = w.crowd.lastBad.Sub(mended)
	}
	if p.after != nil {
		if err := p.after(w, &o); err != nil {
			return o, err
		}
	}
	return o, ctx.Err()
}

// begin starts the server, the machines, and signs the people up.
func (w *world) begin(p plan) (err error) {
	if w.dir, err = os.MkdirTemp("", "drill"); err != nil {
		return err
	}
	w.closers = append(w.closers, func() {
		if os.Getenv("KEEP") == "" {
			os.RemoveAll(w.dir)
		}
	})
	if w.cluster, err = pgtest.Start(w.ctx, p.cluster); err != nil {
		return err
	}
	w.closers = append(w.closers, func() { w.cluster.Close() })
	url := w.cluster.URL("postgres")
	if p.db != nil {
		if url, err = p.db(w); err != nil {
			return err
		}
	}
	var addresses []string
	for i, flags := range p.flags {
		m, err := startMachine(freeAddress(), url, filepath.Join(w.dir, fmt.Sprintf("machine%d.log", i)), flags...)
		if err != nil {
			return err
		}
		w.machines = append(w.machines, m)
		w.closers = append(w.closers, m.kill)
		addresses = append(addresses, m.url)
	}
	if p.people == 0 {
		p.people = 12
	}
	w.crowd = newCrowd(p.people, addresses...)
	for _, m := range w.machines {
		if err := ready(w.ctx, m.url); err != nil {
			return err
		}
	}
	for _, q := range w.crowd.people {
		if err := q.signUp(); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) close() {
	for i := len(w.closers) - 1; i >= 0; i-- {
		w.closers[i]()
	}
}

// ready waits until a machine answers that it should serve.
func ready(ctx context.Context, url string) error {
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline) && ctx.Err() == nil; time.Sleep(20 * time.Millisecond) {
		resp, err := http.Get(url + "/ready")
		if err != nil {
			continue
		}
		resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			return nil
		}
	}
	return fmt.Errorf("%s is not ready after 20 s", url)
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// freeAddress is a loopback address that nobody listens on.
func freeAddress() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func freePort() int {
	_, port, err := net.SplitHostPort(freeAddress())
	if err != nil {
		panic(err)
	}
	var n int
	fmt.Sscan(port, &n)
	return n
}
