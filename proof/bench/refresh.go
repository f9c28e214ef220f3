package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/store"
)

const (
	refreshClients = 32
	sqlitePragmas  = "?_txlock=immediate&_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)"
)

// load is a number of clients that each call again as soon as they have an answer.
type load struct {
	name    string
	clients int
	call    func(client int) error

	took []time.Duration // every call
	rate []float64       // calls per second, by round
	cpu  []float64       // CPU time of this process per call, by round
}

func (l *load) p99() time.Duration { return percentile(l.took, 0.99) }

func (l *load) runRound(count int) error {
	before, began := cpuTime(), time.Now()
	took, err := concurrently(l.clients, count, l.call)
	if err != nil {
		return fmt.Errorf("%s: %w", l.name, err)
	}
	calls := float64(len(took))
	l.rate = append(l.rate, calls/time.Since(began).Seconds())
	l.cpu = append(l.cpu, float64(cpuTime()-before)/calls)
	l.took = append(l.took, took...)
	return nil
}

// refresh measures RefreshSession, each client with its own session, beside an UPDATE
// of one row with the same durability.
func (s *suite) refresh() error {
	file, err := s.openSQLite("refresh.db")
	if err != nil {
		return err
	}
	defer file.Close()
	bare, err := bareUpdate(s.ctx, "sqlite", "file:"+filepath.Join(s.dir, "bare.db")+sqlitePragmas, 1)
	if err != nil {
		return err
	}
	defer bare.db.Close()
	rounds, count := s.rounds, 30
	if s.quick {
		count = 10
	}
	s.section("A refresh", fmt.Sprintf("`Service.RefreshSession` verifies the refresh token, exchanges it in the store and signs two new tokens. The bare UPDATE writes one row by its key, on a table of its own, with the same durability and number of connections. %d calls per client without a pause, %d rounds, in turn. CPU is this program's, without the PostgreSQL server's.", count, rounds))
	s.header("", "median", "p99", "calls per second", "CPU per call")
	onSQLite, err := s.refreshOn("SQLite", file, bare, rounds, count)
	if err != nil {
		return err
	}
	bareMany, ownMany := onSQLite[2], onSQLite[3]
	s.goal("refresh on SQLite, 32 clients: p99 at most 2 ms above a bare durable UPDATE",
		nanos(ownMany.p99())+", UPDATE "+nanos(bareMany.p99()), nanos(ownMany.p99()-bareMany.p99()), ownMany.p99()-bareMany.p99() <= 2*time.Millisecond)
	if s.noPostgres {
		return nil
	}
	server, err := s.startPostgres()
	if err != nil {
		return err
	}
	defer server.close()
	store, url, err := s.openPostgres(server, "refresh")
	if err != nil {
		return err
	}
	defer store.Close()
	onServer, err := bareUpdate(s.ctx, "pgx", url, store.DB().Stats().MaxOpenConnections)
	if err != nil {
		return err
	}
	defer onServer.db.Close()
	_, err = s.refreshOn("PostgreSQL", store, onServer, rounds, count)
	return err
}

func (s *suite) refreshOn(engine string, store store.Store, bare *bareTable, rounds, count int) ([]*load, error) {
	service, err := newService(store, refreshClients, usher.Config{BaseURL: "https://localhost", Hashing: cheapHashing, InsecureNoThrottle: true})
	if err != nil {
		return nil, err
	}
	defer service.Close(context.Background())
	tokens := make([]usher.Secret, refreshClients)
	for n := range tokens {
		a, err := service.SignIn(s.ctx, usher.SignInParams{LoginID: login(n), Password: userPassword}, usher.Client{})
		if err != nil {
			return nil, err
		}
		tokens[n] = a.Authentication.Tokens.Refresh
	}
	refresh := func(client int) error {
		a, err := service.RefreshSession(s.ctx, tokens[client], usher.Client{UserAgent: "bench"})
		if err != nil {
			return err
		}
		if a.Tokens.Refresh == tokens[client] {
			return errors.New("the refresh token is the same")
		}
		tokens[client] = a.Tokens.Refresh
		return nil
	}
	loads := []*load{
		{name: "bare UPDATE, " + engine + ", 1 client", clients: 1, call: bare.update},
		{name: "refresh, " + engine + ", 1 client", clients: 1, call: refresh},
		{name: "bare UPDATE, " + engine + ", 32 clients", clients: refreshClients, call: bare.update},
		{name: "refresh, " + engine + ", 32 clients", clients: refreshClients, call: refresh},
	}
	for range rounds {
		for _, l := range loads {
			if err := errors.Join(s.ctx.Err(), l.runRound(count)); err != nil {
				return nil, err
			}
		}
	}
	for _, l := range loads {
		s.row(l.name, nanos(median(l.took)), nanos(l.p99()), fmt.Sprintf("%.0f", median(l.rate)), nanos(median(l.cpu)))
	}
	return loads, nil
}

// bareTable is a table with one row per client, without any of Usher.
type bareTable struct {
	db        *sql.DB
	statement string
}

func bareUpdate(ctx context.Context, driver, source string, conns int) (*bareTable, error) {
	db, err := sql.Open(driver, source)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	t := &bareTable{db, "UPDATE bare SET v = ? WHERE id = ?"}
	if driver == "pgx" {
		t.statement = "UPDATE bare SET v = $1 WHERE id = $2"
	}
	_, err = db.ExecContext(ctx, "CREATE TABLE bare (id BIGINT PRIMARY KEY, v TEXT NOT NULL)")
	for n := 0; err == nil && n < refreshClients; n++ {
		_, err = db.ExecContext(ctx, fmt.Sprintf("INSERT INTO bare VALUES (%d, '')", n))
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return t, nil
}

func (t *bareTable) update(client int) error {
	value := strings.Repeat(rand.Text(), 12) // 312 bytes; SQLite writes nothing if nothing changes
	changed, err := t.db.Exec(t.statement, value, client)
	if err != nil {
		return err
	}
	if n, err := changed.RowsAffected(); err != nil || n != 1 {
		return errors.Join(err, fmt.Errorf("%d rows were written", n))
	}
	return nil
}
