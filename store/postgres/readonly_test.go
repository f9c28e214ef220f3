package postgres_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/usherkit/usher/internal/pgtest"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/postgres"
)

// The URL names two servers, and the one in use accepts no writes any more. Its connections are
// thrown away, and writes go to the other one, without a restart.
func TestFB09_WritesFollowTheServerThatAcceptsThem(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var hosts, ports string
	var first *pgtest.Cluster
	for i := range 2 {
		c, err := pgtest.Start(ctx, pgtest.Options{})
		pgtest.Need(t, err)
		t.Cleanup(func() { c.Close() })
		if first == nil {
			first = c
		}
		hosts, ports = hosts+[]string{"", ","}[i]+c.Socket(), ports+[]string{"", ","}[i]+strconv.Itoa(c.Port())
		// Both have the tables, as after a replication.
		st, err := postgres.Open(ctx, c.URL("postgres"))
		if err != nil {
			t.Fatal(err)
		}
		st.Close()
	}
	st, err := postgres.Open(ctx, "host="+hosts+" port="+ports+" user=test dbname=postgres sslmode=disable target_session_attrs=read-write")
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	write := func() error {
		_, err := st.TakeLimits(ctx, time.Now(), []store.Limit{{Key: "k", Max: 1000, Window: time.Hour}})
		return err
	}
	if err := write(); err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{"ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()"} {
		execute(t, first.URL("postgres"), statement)
	}
	start := time.Now()
	for err = write(); err != nil; err = write() {
		if time.Since(start) > 20*time.Second {
			t.Fatalf("writes fail 20 seconds after the server became read-only: %v", err)
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Logf("writes work again after %s", time.Since(start).Round(time.Millisecond))
}

// The connection that listens is made as the pool makes its own.
func TestFB09_BeforeConnectOfThePoolIsCalledForTheListener(t *testing.T) {
	t.Parallel()
	config, err := pgxpool.ParseConfig(pgtest.Schema(t))
	if err != nil {
		t.Fatal(err)
	}
	config.MaxConns = 2
	var calls atomic.Int32
	config.BeforeConnect = func(_ context.Context, c *pgx.ConnConfig) error {
		calls.Add(1)
		c.RuntimeParams["application_name"] = "from_the_hook"
		return nil
	}
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	st, err := postgres.FromPool(t.Context(), pool)
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	listening, ended := make(chan struct{}, 1), make(chan error, 1)
	go func() { ended <- st.NotifyRevocations(ctx, func() { listening <- struct{}{} }) }()
	select {
	case <-listening:
	case err := <-ended:
		t.Fatal(err)
	}
	var n int
	if err := pool.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity WHERE application_name = 'from_the_hook' AND query LIKE 'LISTEN%'`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	if n != 1 {
		t.Errorf("%d connections of the hook listen, of %d that it made", n, calls.Load())
	}
}

// New connections are not made to a server that accepts no writes either, because what it
// reads may be old. The readiness probe fails, and says why. Then the store works again by
// itself.
func TestFB09_AReadOnlyServerIsNotRead(t *testing.T) {
	t.Parallel()
	for _, opening := range []string{"Open", "FromPool"} {
		base := pgtest.Database(t)
		var st *postgres.Store
		pool, err := pgxpool.New(t.Context(), base)
		if err != nil {
			t.Fatal(err)
		}
		defer pool.Close()
		if opening == "Open" {
			st, err = postgres.Open(t.Context(), base)
		} else {
			st, err = postgres.FromPool(t.Context(), pool)
		}
		if err != nil {
			t.Fatal(err)
		}
		defer st.Close()
		if err := st.Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
		var name string
		if err := pool.QueryRow(t.Context(), "SELECT current_database()").Scan(&name); err != nil {
			t.Fatal(err)
		}
		const closeAll = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
		execute(t, base, "ALTER DATABASE "+name+" SET default_transaction_read_only = on")
		execute(t, base, closeAll)
		for range 5 {
			_ = st.Ping(t.Context()) // the first calls find the closed connections
		}
		if err := st.Ping(t.Context()); err == nil || !strings.Contains(err.Error(), "accepts no writes") {
			t.Errorf("%s: Ping on a read-only server: %v", opening, err)
		}
		if _, err := st.Account(t.Context(), "u"); err == nil || errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: a read-only server was read: %v", opening, err)
		}
		execute(t, base, "BEGIN READ WRITE; ALTER DATABASE "+name+" SET default_transaction_read_only = off; COMMIT")
		if err := st.Ping(t.Context()); err != nil {
			t.Errorf("%s: afterwards: %v", opening, err)
		}
	}
}
