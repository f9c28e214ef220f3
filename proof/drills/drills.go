package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"

	"github.com/usherkit/usher/internal/pgtest"
)

// drill is one thing that breaks.
type drill struct {
	name, what string
	run        func(ctx context.Context, d drill) (outcome, error)
}

// of makes the run of a plan.
func of(p func() plan) func(context.Context, drill) (outcome, error) {
	return func(ctx context.Context, _ drill) (outcome, error) { return p().run(ctx) }
}

var drills = []drill{
	{"machine-killed", "one of two machines, by SIGKILL; started again after 3 s", of(machineKilled)},
	{"postgres-killed", "the server and all its processes, by SIGKILL; started again after 3 s", of(postgresKilled)},
	{"failover", "the server for good, by SIGKILL; its synchronous standby is promoted after 2 s at another address", of(failover)},
	{"latency", "150 ms, give or take 50, on each way to and from the server, for 6 s", of(poisoned("latency", map[string]any{"latency": 150, "jitter": 50}))},
	{"cut", "all connections reset, and new ones refused, for 5 s", of(cut)},
	{"black-hole", "connections stay open and nothing passes, for 6 s", of(poisoned("timeout", map[string]any{"timeout": 0}))},
	{"frozen", "the server stands still (SIGSTOP) for 6 s", of(frozen)},
	{"read-only", "the server takes no writes for 5 s", of(readOnly)},
	{"disk-full", "the server's disk is full for 5 s", of(diskFull)},
	{"pool-exhausted", "every connection of both machines waits for a lock for 7 s", of(poolExhausted)},
	{"clock-3s", "the clock of one machine is 3 s ahead all the time", of(clockOff(3 * time.Second))},
	{"clock-3s-slow", "the clock of one machine is 3 s behind all the time", of(clockOff(-3 * time.Second))},
	{"clock-10min", "a third machine starts with a clock that is 10 min ahead", of(clockWrong)},
	{"restore", "the database is replaced by a backup while the machines run", restore},
}

func machineKilled() plan {
	return plan{
		cluster: pgtest.Options{Durable: true}, lasting: 3 * time.Second,
		strike: func(w *world) error { w.machines[0].kill(); return nil },
		mend:   func(w *world) error { return w.machines[0].start() },
	}
}

func postgresKilled() plan {
	return plan{
		cluster: pgtest.Options{Durable: true}, lasting: 3 * time.Second,
		strike: func(w *world) error { return w.cluster.Kill() },
		mend:   func(w *world) error { return w.cluster.Start(w.ctx) },
	}
}

// failover has a standby that has everything that was acknowledged.
func failover() plan {
	var standby *pgtest.Cluster
	one, two := freePort(), freePort()
	return plan{
		cluster: pgtest.Options{Durable: true, Port: one}, lasting: 2 * time.Second,
		db: func(w *world) (string, error) {
			var err error
			standby, err = pgtest.Start(w.ctx, pgtest.Options{Durable: true, Port: two, From: w.cluster})
			if err != nil {
				return "", err
			}
			w.closers = append(w.closers, func() { standby.Close() })
			for _, s := range []string{"ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()"} {
				if err := execute(w.cluster.URL("postgres"), s); err != nil {
					return "", err
				}
			}
			return fmt.Sprintf("postgres://test@127.0.0.1:%d,127.0.0.1:%d/postgres?sslmode=disable&target_session_attrs=read-write", one, two), nil
		},
		strike: func(w *world) error { return w.cluster.Kill() },
		mend: func(w *world) error {
			// It waits for a standby of its own otherwise, before it acknowledges.
			if err := errors.Join(standby.Promote(), execute(standby.URL("postgres"), "ALTER SYSTEM RESET synchronous_standby_names"),
				execute(standby.URL("postgres"), "SELECT pg_reload_conf()")); err != nil {
				return err
			}
			return nil
		},
	}
}

// through puts a toxiproxy between the machines and the server.
func through(proxy **toxiproxy) (pgtest.Options, func(w *world) (string, error)) {
	port := freePort()
	return pgtest.Options{Durable: true, Port: port}, func(w *world) (string, error) {
		listen := freeAddress()
		var err error
		*proxy, err = startToxiproxy(w.ctx, w.dir, listen, fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			return "", err
		}
		w.closers = append(w.closers, (*proxy).close)
		return "postgres://test@" + listen + "/postgres?sslmode=disable", nil
	}
}

func poisoned(kind string, attributes map[string]any) func() plan {
	return func() plan {
		var proxy *toxiproxy
		cluster, db := through(&proxy)
		return plan{
			cluster: cluster, db: db, lasting: 6 * time.Second,
			strike: func(*world) error { return proxy.poison(kind, attributes) },
			mend:   func(*world) error { return proxy.cure() },
		}
	}
}

func cut() plan {
	var proxy *toxiproxy
	cluster, db := through(&proxy)
	return plan{
		cluster: cluster, db: db, lasting: 5 * time.Second,
		strike: func(*world) error { return proxy.open(false) },
		mend:   func(*world) error { return proxy.open(true) },
	}
}

func frozen() plan {
	return plan{
		cluster: pgtest.Options{Durable: true}, lasting: 6 * time.Second,
		strike: func(w *world) error { return w.cluster.Freeze() },
		mend:   func(w *world) error { return w.cluster.Thaw() },
	}
}

func readOnly() plan {
	set := func(w *world, statement string) error {
		url := w.cluster.URL("postgres", "default_transaction_read_only", "off")
		return errors.Join(execute(url, statement), execute(url, "SELECT pg_reload_conf()"))
	}
	return plan{
		cluster: pgtest.Options{Durable: true}, lasting: 5 * time.Second,
		strike: func(w *world) error { return set(w, "ALTER SYSTEM SET default_transaction_read_only = on") },
		mend:   func(w *world) error { return set(w, "ALTER SYSTEM RESET default_transaction_read_only") },
	}
}

// diskFull gives the server a small disk of its own.
func diskFull() plan {
	dir, err := os.MkdirTemp("", "disk")
	if err == nil && os.Geteuid() != 0 {
		err = errMissing{"it needs root, to mount a small disk"}
	}
	if err == nil {
		if out, mountErr := exec.Command("mount", "-t", "tmpfs", "-o", "size=160m", "tmpfs", dir).CombinedOutput(); mountErr != nil {
			err = errMissing{"a small disk cannot be mounted: " + strings.TrimSpace(string(out))}
		}
	}
	ballast := filepath.Join(dir, "ballast")
	return plan{
		cluster: pgtest.Options{Durable: true, Data: filepath.Join(dir, "data"), Settings: []string{"max_wal_size=48MB", "min_wal_size=32MB"}},
		lasting: 5 * time.Second,
		db: func(w *world) (string, error) {
			w.closers = append([]func(){func() { syscall.Unmount(dir, 0); os.Remove(dir) }}, w.closers...)
			return w.cluster.URL("postgres"), err
		},
		strike: func(w *world) error {
			// A file that is read once more than it fits: dd ends when nothing is left.
			_ = exec.Command("dd", "if=/dev/zero", "of="+ballast, "bs=64k").Run()
			return nil
		},
		mend: func(w *world) error {
			if err := os.Remove(ballast); err != nil {
				return err
			}
			if execute(w.cluster.URL("postgres"), "SELECT 1") == nil {
				return nil
			}
			return w.cluster.Start(w.ctx) // the server gave up, and somebody starts it
		},
	}
}

func poolExhausted() plan {
	var lock *sql.DB
	var held *sql.Tx
	return plan{
		cluster: pgtest.Options{Durable: true}, people: 30, lasting: 7 * time.Second,
		strike: func(w *world) (err error) {
			if lock, err = sql.Open("pgx", w.cluster.URL("postgres")); err != nil {
				return err
			}
			if held, err = lock.Begin(); err != nil {
				return err
			}
			_, err = held.Exec("LOCK TABLE usher_users, usher_sessions IN ACCESS EXCLUSIVE MODE")
			return err
		},
		mend: func(*world) error { return errors.Join(held.Rollback(), lock.Close()) },
	}
}

func clockOff(by time.Duration) func() plan {
	return func() plan {
		return plan{
			cluster: pgtest.Options{Durable: true}, lasting: 8 * time.Second,
			flags:  [2][]string{nil, {"-ahead", by.String()}},
			strike: func(*world) error { return nil },
			mend:   func(*world) error { return nil },
		}
	}
}

// clockWrong: a machine that would refuse what the others sign must not serve.
func clockWrong() plan {
	return plan{
		cluster: pgtest.Options{Durable: true}, lasting: time.Second,
		strike: func(*world) error { return nil },
		mend:   func(*world) error { return nil },
		after: func(w *world, o *outcome) error {
			m, err := startMachine(freeAddress(), w.cluster.URL("postgres"), filepath.Join(w.dir, "wrong.log"), "-ahead", "10m")
			if err == nil {
				m.kill()
				o.broken = append(o.broken, "a machine with a wrong clock serves")
				return nil
			}
			if !strings.Contains(err.Error(), "clock") {
				return err
			}
			o.note = "It does not start, and says why. One whose clock goes wrong later reports itself as not ready within a minute."
			return nil
		},
	}
}

func execute(url, statement string) error {
	db, err := sql.Open("pgx", url)
	if err != nil {
		return err
	}
	defer db.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_, err = db.ExecContext(ctx, statement)
	return err
}
