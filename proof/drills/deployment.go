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

// deployment is a PostgreSQL server, two instances on it, and their load.
type deployment struct {
	ctx       context.Context
	dir       string
	cluster   *pgtest.Cluster
	instances []*instance
	load      *load
	cleanups  []func()
}

// scenario describes a deployment and the fault that happens to it.
type scenario struct {
	cluster pgtest.Options
	users   int                                         // defaults to 12
	db      func(d *deployment) (url string, err error) // defaults to the cluster's socket
	flags   [2][]string                                 // further flags of the two instances
	// inject causes the fault, and repair ends it after duration. Nil does nothing.
	inject, repair func(d *deployment) error
	duration       time.Duration
	// check makes further checks after the load has ended. It may be nil.
	check func(d *deployment, o *outcome) error
}

// missingError says why a drill cannot run on this machine.
type missingError struct{ why string }

func (e missingError) Error() string { return e.why }

// run injects the fault under load and returns what the clients saw.
func (s scenario) run(ctx context.Context) (o outcome, err error) {
	d := &deployment{ctx: ctx}
	defer d.close()
	var missing missingError
	if err := d.start(s); errors.As(err, &missing) || errors.Is(err, pgtest.ErrMissing) {
		return outcome{missing: err.Error()}, nil
	} else if err != nil {
		return outcome{}, err
	}
	running, stop := context.WithCancel(ctx)
	defer stop()
	stopped := make(chan struct{})
	go func() { d.load.forEach(func(u *user) { u.act(running) }); close(stopped) }()
	wait(ctx, 2*time.Second)
	if failed := d.load.unavailable.Load(); failed > 0 {
		return o, fmt.Errorf("%d requests failed before the fault", failed)
	}
	if s.inject != nil {
		if err := s.inject(d); err != nil {
			return o, fmt.Errorf("inject: %w", err)
		}
	}
	wait(ctx, s.duration)
	if s.repair != nil {
		if err := s.repair(d); err != nil {
			return o, fmt.Errorf("repair: %w", err)
		}
	}
	repaired := time.Now()
	wait(ctx, 5*time.Second)
	stop()
	<-stopped
	d.load.forEach((*user).checkAtEnd)
	o = d.load.result(repaired)
	if s.check != nil {
		if err := s.check(d, &o); err != nil {
			return o, err
		}
	}
	return o, ctx.Err()
}

// start starts the server and the instances, and signs the users up.
func (d *deployment) start(s scenario) (err error) {
	if d.dir, err = os.MkdirTemp("", "drill"); err != nil {
		return err
	}
	d.cleanups = append(d.cleanups, func() {
		if os.Getenv("KEEP") == "" {
			os.RemoveAll(d.dir)
		}
	})
	if d.cluster, err = pgtest.Start(d.ctx, s.cluster); err != nil {
		return err
	}
	d.cleanups = append(d.cleanups, func() { d.cluster.Close() })
	url := d.cluster.URL("postgres")
	if s.db != nil {
		if url, err = s.db(d); err != nil {
			return err
		}
	}
	var addresses []string
	for i, flags := range s.flags {
		m, err := startInstance(freeAddress(), url, filepath.Join(d.dir, fmt.Sprintf("instance%d.log", i)), flags...)
		if err != nil {
			return err
		}
		d.instances = append(d.instances, m)
		d.cleanups = append(d.cleanups, m.kill)
		addresses = append(addresses, m.url)
	}
	if s.users == 0 {
		s.users = 12
	}
	d.load = newLoad(s.users, addresses...)
	for _, m := range d.instances {
		if err := waitUntilReady(d.ctx, m.url); err != nil {
			return err
		}
	}
	for _, u := range d.load.users {
		if err := u.signUp(); err != nil {
			return err
		}
	}
	return nil
}

func (d *deployment) close() {
	for i := len(d.cleanups) - 1; i >= 0; i-- {
		d.cleanups[i]()
	}
}

// waitUntilReady waits until an instance reports itself ready.
func waitUntilReady(ctx context.Context, url string) error {
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

// freeAddress returns a loopback address that is not in use.
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
