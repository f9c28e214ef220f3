package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/storetest"
)

const refreshClients = 32

// refresh measures RefreshSession with 32 clients, each with a session of its own,
// beside what a durable write costs without any of Usher.
func (s *suite) refresh() error {
	file, err := s.openSQLite("refresh.db")
	if err != nil {
		return err
	}
	defer file.Close()
	onFile, err := newRefreshers(file)
	if err != nil {
		return err
	}
	defer onFile.service.Close()
	inMemory, err := newRefreshers(storetest.NewMemory())
	if err != nil {
		return err
	}
	defer inMemory.service.Close()
	bare, closeBare, err := s.bareCommit()
	if err != nil {
		return err
	}
	defer closeBare()
	synced, err := s.bareSync()
	if err != nil {
		return err
	}

	count, rounds := 30, s.rounds
	if s.quick {
		count, rounds = 10, 3
	}
	type row struct {
		name    string
		clients int
		run     func(client int) error
		all     []time.Duration
		rate    []float64
		cpu     []float64
	}
	rows := []*row{
		{name: "fsync of 4 KiB, one at a time", clients: 1, run: synced},
		{name: "bare UPDATE in SQLite, synchronous=FULL, 1 client", clients: 1, run: bare},
		{name: "Usher's refresh on SQLite, 1 client", clients: 1, run: onFile.refresh},
		{name: "bare UPDATE in SQLite, synchronous=FULL, 32 clients", clients: refreshClients, run: bare},
		{name: "Usher's refresh on SQLite, 32 clients", clients: refreshClients, run: onFile.refresh},
		{name: "Usher's refresh, store in memory, 32 clients", clients: refreshClients, run: inMemory.refresh},
	}
	for range rounds {
		for _, r := range rows {
			before, began := cpuTime(), time.Now()
			took, err := manyClients(r.clients, count, r.run)
			if err != nil {
				return fmt.Errorf("%s: %w", r.name, err)
			}
			n := float64(r.clients * count)
			r.rate = append(r.rate, n/time.Since(began).Seconds())
			r.cpu = append(r.cpu, float64((cpuTime()-before).Nanoseconds())/n)
			r.all = append(r.all, took...)
		}
	}
	s.section("A refresh", fmt.Sprintf("The Service's RefreshSession: verify, swap in the store, sign two tokens. Closed loops without a pause, %d calls each client, %d rounds, interleaved.", count, rounds))
	s.line("| | median | p99 | a second | CPU each |\n|---|---|---|---|---|\n")
	for _, r := range rows {
		s.line("| %s | %s | %s | %.0f | %s |\n", r.name, ns(float64(percentile(r.all, 0.5))), ns(float64(percentile(r.all, 0.99))), median(r.rate), ns(median(r.cpu)))
	}
	own := percentile(rows[4].all, 0.99) - percentile(rows[3].all, 0.99)
	s.goal("3", "refresh on SQLite, 32 clients: at most 2 ms more than a bare durable UPDATE at p99",
		fmt.Sprintf("%s, the bare write %s", ns(float64(percentile(rows[4].all, 0.99))), ns(float64(percentile(rows[3].all, 0.99)))), ns(float64(own)), own <= 2*time.Millisecond)
	s.fact("a refresh of one client alone takes %s more than a bare durable UPDATE (medians), and %s of CPU with all that SQLite does",
		ns(float64(percentile(rows[2].all, 0.5)-percentile(rows[1].all, 0.5))), ns(median(rows[2].cpu)))
	return nil
}

// refreshers are 32 sessions, each with its newest refresh token.
type refreshers struct {
	service *usher.Service
	tokens  []usher.Secret
}

func newRefreshers(store usher.Store) (*refreshers, error) {
	hash, err := hashOnce(cheap)
	if err != nil {
		return nil, err
	}
	if err := seed(store, refreshClients, hash); err != nil {
		return nil, err
	}
	service, err := newService(store, func(c *usher.Config) { c.Hashing, c.InsecureNoThrottle = cheap, true })
	if err != nil {
		return nil, err
	}
	r := &refreshers{service: service}
	for n := range refreshClients {
		a, err := service.SignIn(context.Background(), usher.SignIn{LoginID: login(n), Password: password}, usher.Client{})
		if err != nil {
			return nil, err
		}
		r.tokens = append(r.tokens, a.Tokens.Refresh)
	}
	return r, nil
}

func (r *refreshers) refresh(client int) error {
	a, err := r.service.RefreshSession(context.Background(), r.tokens[client], usher.Client{UserAgent: "bench"})
	if err != nil {
		return err
	}
	if a.Tokens.Refresh == r.tokens[client] {
		return errors.New("the refresh token is the same")
	}
	r.tokens[client] = a.Tokens.Refresh
	return nil
}

// manyClients runs count calls in each of so many goroutines and returns how long
// each took.
func manyClients(clients, count int, run func(client int) error) ([]time.Duration, error) {
	all := make([][]time.Duration, clients)
	errs := make([]error, clients)
	var wg sync.WaitGroup
	for c := range clients {
		wg.Go(func() {
			for range count {
				began := time.Now()
				if errs[c] = run(c); errs[c] != nil {
					return
				}
				all[c] = append(all[c], time.Since(began))
			}
		})
	}
	wg.Wait()
	return slices.Concat(all...), errors.Join(errs...)
}

// bareCommit is one UPDATE of one row, in a table of its own, with the settings of
// package sqlite.
func (s *suite) bareCommit() (func(int) error, func() error, error) {
	db, err := sql.Open("sqlite", "file:"+filepath.Join(s.dir, "bare.db")+"?_txlock=immediate&_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)")
	if err != nil {
		return nil, nil, err
	}
	db.SetMaxOpenConns(1)
	if _, err := db.Exec(`CREATE TABLE t (id INTEGER PRIMARY KEY, v BLOB NOT NULL)`); err != nil {
		return nil, nil, err
	}
	for n := range refreshClients {
		if _, err := db.Exec(`INSERT INTO t VALUES (?, ?)`, n, make([]byte, 300)); err != nil {
			return nil, nil, err
		}
	}
	return func(client int) error {
		value := make([]byte, 300)
		rand.Read(value) // SQLite writes nothing where nothing changes
		res, err := db.Exec(`UPDATE t SET v = ? WHERE id = ?`, value, client)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n != 1 {
			return fmt.Errorf("%d rows were written: %w", n, err)
		}
		return nil
	}, db.Close, nil
}

// bareSync is a write of a page and an fsync, without SQLite.
func (s *suite) bareSync() (func(int) error, error) {
	f, err := os.Create(filepath.Join(s.dir, "sync"))
	if err != nil {
		return nil, err
	}
	page := make([]byte, 4096)
	return func(int) error {
		if _, err := f.WriteAt(page, 0); err != nil {
			return err
		}
		return f.Sync()
	}, nil
}
