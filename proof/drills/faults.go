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

// drill is one fault and what it is called in the documentation.
type drill struct {
	name, what string
	run        func(ctx context.Context) (outcome, error)
}

// runNew returns a function that runs a new scenario.
func runNew(newScenario func() scenario) func(context.Context) (outcome, error) {
	return func(ctx context.Context) (outcome, error) { return newScenario().run(ctx) }
}

var drills = []drill{
	{"instance-killed", "one of two instances gets SIGKILL and is started again after 3 s", runNew(instanceKilled)},
	{"postgres-killed", "the PostgreSQL server gets SIGKILL with all its processes and is started again after 3 s", runNew(postgresKilled)},
	{"failover", "the server gets SIGKILL; after 2 s its synchronous standby is promoted, at another address", runNew(failover)},
	{"latency", "150 ms ± 50 ms in each direction between the instances and the server, for 6 s", runNew(toxic("latency", map[string]any{"latency": 150, "jitter": 50}))},
	{"cut", "all connections to the server are reset and new ones refused, for 5 s", runNew(cut)},
	{"black-hole", "connections to the server stay open, but no data passes, for 6 s", runNew(toxic("timeout", map[string]any{"timeout": 0}))},
	{"frozen", "the server is stopped (SIGSTOP) for 6 s", runNew(frozen)},
	{"read-only", "the server refuses writes for 5 s", runNew(readOnly)},
	{"disk-full", "the server's disk is full for 5 s", runNew(diskFull)},
	{"pool-exhausted", "every connection of both instances waits for a lock for 7 s", runNew(poolExhausted)},
	{"clock-3s", "the clock of one instance is 3 s ahead", runNew(clockOff(3 * time.Second))},
	{"clock-3s-slow", "the clock of one instance is 3 s behind", runNew(clockOff(-3 * time.Second))},
	{"clock-10min", "a third instance starts with a clock that is 10 min ahead", runNew(clockWrong)},
	{"restore", "the database is replaced by an older backup while the instances run", restore},
}

func instanceKilled() scenario {
	return scenario{
		cluster: pgtest.Options{Durable: true}, duration: 3 * time.Second,
		inject: func(d *deployment) error { d.instances[0].kill(); return nil },
		repair: func(d *deployment) error { return d.instances[0].start() },
	}
}

func postgresKilled() scenario {
	return scenario{
		cluster: pgtest.Options{Durable: true}, duration: 3 * time.Second,
		inject: func(d *deployment) error { return d.cluster.Kill() },
		repair: func(d *deployment) error { return d.cluster.Start(d.ctx) },
	}
}

// failover replicates synchronously, so that the standby has every acknowledged change.
func failover() scenario {
	var standby *pgtest.Cluster
	one, two := freePort(), freePort()
	return scenario{
		cluster: pgtest.Options{Durable: true, Port: one}, duration: 2 * time.Second,
		db: func(d *deployment) (string, error) {
			var err error
			standby, err = pgtest.Start(d.ctx, pgtest.Options{Durable: true, Port: two, From: d.cluster})
			if err != nil {
				return "", err
			}
			d.cleanups = append(d.cleanups, func() { standby.Close() })
			for _, s := range []string{"ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()"} {
				if err := execute(d.cluster.URL("postgres"), s); err != nil {
					return "", err
				}
			}
			return fmt.Sprintf("postgres://test@127.0.0.1:%d,127.0.0.1:%d/postgres?sslmode=disable&target_session_attrs=read-write", one, two), nil
		},
		inject: func(d *deployment) error { return d.cluster.Kill() },
		repair: func(d *deployment) error {
			// Without the reset, the promoted server would wait for a standby of its own.
			return errors.Join(standby.Promote(), execute(standby.URL("postgres"), "ALTER SYSTEM RESET synchronous_standby_names"),
				execute(standby.URL("postgres"), "SELECT pg_reload_conf()"))
		},
	}
}

// behindToxiproxy configures a toxiproxy between the instances and the server.
func behindToxiproxy(proxy **toxiproxy) (pgtest.Options, func(d *deployment) (string, error)) {
	port := freePort()
	return pgtest.Options{Durable: true, Port: port}, func(d *deployment) (string, error) {
		listen := freeAddress()
		var err error
		*proxy, err = startToxiproxy(d.ctx, d.dir, listen, fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			return "", err
		}
		d.cleanups = append(d.cleanups, (*proxy).close)
		return "postgres://test@" + listen + "/postgres?sslmode=disable", nil
	}
}

func toxic(kind string, attributes map[string]any) func() scenario {
	return func() scenario {
		var proxy *toxiproxy
		cluster, db := behindToxiproxy(&proxy)
		return scenario{
			cluster: cluster, db: db, duration: 6 * time.Second,
			inject: func(*deployment) error { return proxy.addToxic(kind, attributes) },
			repair: func(*deployment) error { return proxy.reset() },
		}
	}
}

func cut() scenario {
	var proxy *toxiproxy
	cluster, db := behindToxiproxy(&proxy)
	return scenario{
		cluster: cluster, db: db, duration: 5 * time.Second,
		inject: func(*deployment) error { return proxy.setEnabled(false) },
		repair: func(*deployment) error { return proxy.setEnabled(true) },
	}
}

func frozen() scenario {
	return scenario{
		cluster: pgtest.Options{Durable: true}, duration: 6 * time.Second,
		inject: func(d *deployment) error { return d.cluster.Freeze() },
		repair: func(d *deployment) error { return d.cluster.Thaw() },
	}
}

func readOnly() scenario {
	set := func(d *deployment, statement string) error {
		url := d.cluster.URL("postgres", "default_transaction_read_only", "off")
		return errors.Join(execute(url, statement), execute(url, "SELECT pg_reload_conf()"))
	}
	return scenario{
		cluster: pgtest.Options{Durable: true}, duration: 5 * time.Second,
		inject: func(d *deployment) error { return set(d, "ALTER SYSTEM SET default_transaction_read_only = on") },
		repair: func(d *deployment) error { return set(d, "ALTER SYSTEM RESET default_transaction_read_only") },
	}
}

// diskFull puts the server's data on a small disk and fills it.
func diskFull() scenario {
	dir, err := os.MkdirTemp("", "disk")
	if err == nil && os.Geteuid() != 0 {
		err = missingError{"it needs root, to mount a small disk"}
	}
	if err == nil {
		if out, mountErr := exec.Command("mount", "-t", "tmpfs", "-o", "size=160m", "tmpfs", dir).CombinedOutput(); mountErr != nil {
			err = missingError{"a small disk cannot be mounted: " + strings.TrimSpace(string(out))}
		}
	}
	ballast := filepath.Join(dir, "ballast")
	return scenario{
		cluster:  pgtest.Options{Durable: true, Data: filepath.Join(dir, "data"), Settings: []string{"max_wal_size=48MB", "min_wal_size=32MB"}},
		duration: 5 * time.Second,
		db: func(d *deployment) (string, error) {
			d.cleanups = append([]func(){func() { syscall.Unmount(dir, 0); os.Remove(dir) }}, d.cleanups...)
			return d.cluster.URL("postgres"), err
		},
		inject: func(d *deployment) error {
			// dd fails when the disk is full.
			_ = exec.Command("dd", "if=/dev/zero", "of="+ballast, "bs=64k").Run()
			return nil
		},
		repair: func(d *deployment) error {
			if err := os.Remove(ballast); err != nil {
				return err
			}
			if execute(d.cluster.URL("postgres"), "SELECT 1") == nil {
				return nil
			}
			return d.cluster.Start(d.ctx) // the server has stopped
		},
	}
}

func poolExhausted() scenario {
	var lock *sql.DB
	var held *sql.Tx
	return scenario{
		cluster: pgtest.Options{Durable: true}, users: 30, duration: 7 * time.Second,
		inject: func(d *deployment) (err error) {
			if lock, err = sql.Open("pgx", d.cluster.URL("postgres")); err != nil {
				return err
			}
			if held, err = lock.Begin(); err != nil {
				return err
			}
			_, err = held.Exec("LOCK TABLE usher_users, usher_sessions IN ACCESS EXCLUSIVE MODE")
			return err
		},
		repair: func(*deployment) error { return errors.Join(held.Rollback(), lock.Close()) },
	}
}

func clockOff(by time.Duration) func() scenario {
	return func() scenario {
		return scenario{
			cluster: pgtest.Options{Durable: true}, duration: 8 * time.Second,
			flags: [2][]string{nil, {"-ahead", by.String()}},
		}
	}
}

// clockWrong checks that an instance refuses to start if its clock would make it refuse
// the tokens of the others.
func clockWrong() scenario {
	return scenario{
		cluster: pgtest.Options{Durable: true}, duration: time.Second,
		check: func(d *deployment, o *outcome) error {
			m, err := startInstance(freeAddress(), d.cluster.URL("postgres"), filepath.Join(d.dir, "wrong.log"), "-ahead", "10m")
			if err == nil {
				m.kill()
				o.violations = append(o.violations, "an instance with a wrong clock serves")
				return nil
			}
			if !strings.Contains(err.Error(), "clock") {
				return err
			}
			o.note = "The instance does not start and logs the reason. An instance whose clock changes later reports itself as not ready within a minute."
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
