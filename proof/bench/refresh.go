package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
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

	rounds, count := s.refreshRounds()
	loops := []*loop{
		{name: "fsync of 4 KiB, one at a time", clients: 1, run: synced},
		{name: "bare UPDATE in SQLite, synchronous=FULL, 1 client", clients: 1, run: bare},
		{name: "Usher's refresh on SQLite, 1 client", clients: 1, run: onFile.refresh},
		{name: "bare UPDATE in SQLite, synchronous=FULL, 32 clients", clients: refreshClients, run: bare},
		{name: "Usher's refresh on SQLite, 32 clients", clients: refreshClients, run: onFile.refresh},
		{name: "Usher's refresh, store in memory, 32 clients", clients: refreshClients, run: inMemory.refresh},
	}
	if err := runLoops(loops, rounds, count); err != nil {
		return err
	}
	s.section("A refresh", fmt.Sprintf("The Service's RefreshSession: verify, swap in the store, sign two tokens. Closed loops without a pause, %d calls each client, %d rounds, interleaved.", count, rounds))
	s.loopTable(loops)
	bareOne, one, bareMany, many := loops[1], loops[2], loops[3], loops[4]
	s.goal("3", "refresh on SQLite, 32 clients: at most 2 ms more than a bare durable UPDATE at p99",
		fmt.Sprintf("%s, the bare write %s", ns(float64(many.p99())), ns(float64(bareMany.p99()))), ns(float64(many.p99()-bareMany.p99())), many.p99()-bareMany.p99() <= 2*time.Millisecond)
	s.fact("a refresh of one client alone takes %s more than a bare durable UPDATE (medians), and %s of CPU with all that SQLite does",
		ns(float64(one.median()-bareOne.median())), ns(median(one.cpu)))
	return nil
}

// refreshRounds are how many rounds of how many calls of each client.
func (s *suite) refreshRounds() (rounds, count int) {
	if s.quick {
		return 3, 10
	}
	return s.rounds, 30
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
