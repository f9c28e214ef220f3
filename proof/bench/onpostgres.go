package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	pw "github.com/usherkit/usher/password"
	"github.com/usherkit/usher/postgres"
)

const (
	usherPostgres = "Usher on Postgres"
	titlePostgres = "A sign-in and a refresh on Postgres"
	goalPostgres  = "sign-in on Postgres at most 1.10 of the bare hash"
)

// onPostgres measures a sign-in beside the bare hash, and a refresh beside a bare
// durable UPDATE, on a server behind the loopback interface.
func (s *suite) onPostgres() error {
	if s.noPostgres {
		s.section(titlePostgres, "Left out of this run: "+withoutPostgres+".")
		s.leftOut("3", goalPostgres, withoutPostgres)
		return nil
	}
	server, err := s.startPostgres()
	if err != nil {
		return err
	}
	defer server.stop()
	if err := s.pgSignIn(server); err != nil {
		return err
	}
	if err := s.pgRefresh(server); err != nil {
		return err
	}
	return server.stop()
}

// storeOn opens a store in an empty database of that name, and returns its URL too.
func (s *suite) storeOn(server *pgServer, name string) (*postgres.Store, string, error) {
	url, err := server.database(s.ctx, name)
	if err != nil {
		return nil, "", err
	}
	store, err := postgres.Open(s.ctx, url, postgres.Options{})
	return store, url, err
}

func (s *suite) pgSignIn(server *pgServer) error {
	const users = 50
	store, _, err := s.storeOn(server, "signin")
	if err != nil {
		return err
	}
	defer store.Close()
	service, handler, err := newHandlers(store, users, pw.HasherConfig{QueueWait: time.Minute}, nil)
	if err != nil {
		return err
	}
	defer service.Close()
	s.section(titlePostgres, fmt.Sprintf("PostgreSQL %s over TCP on 127.0.0.1, with %s=on. Sign-ins as they are measured on SQLite, and collected alike.",
		server.version, strings.Join(pgDurable, "=on, ")))
	signIn := signInJob(usherPostgres, "throttling, session, audit, durable", handler, usherSignIn(users))
	if err := s.besideTheHash(goalPostgres, 1.10, signIn); err != nil {
		return err
	}
	return s.hashAfterServer(store)
}

func (s *suite) pgRefresh(server *pgServer) error {
	store, url, err := s.storeOn(server, "refresh")
	if err != nil {
		return err
	}
	defer store.Close()
	usher, err := newRefreshers(store)
	if err != nil {
		return err
	}
	defer usher.service.Close()
	conns := store.DB().Stats().MaxOpenConnections
	bare, closeBare, err := bareUpdate(s.ctx, url, conns)
	if err != nil {
		return err
	}
	defer closeBare()

	rounds, count := s.refreshRounds()
	loops := []*loop{
		{name: "bare UPDATE in Postgres, 1 client", clients: 1, run: bare},
		{name: "Usher's refresh on Postgres, 1 client", clients: 1, run: usher.refresh},
		{name: "bare UPDATE in Postgres, 32 clients", clients: refreshClients, run: bare},
		{name: "Usher's refresh on Postgres, 32 clients", clients: refreshClients, run: usher.refresh},
	}
	if err := runLoops(loops, rounds, count); err != nil {
		return err
	}
	s.line("\nRefreshes as on SQLite: closed loops without a pause, %d calls each client, %d rounds, interleaved. The bare UPDATE writes one row by its key through a pool of %d connections, as large as Usher's. CPU is this program's, without the server's.\n\n", count, rounds, conns)
	s.loopTable(loops)
	for i, who := range []string{"of one client alone", "with 32 clients"} {
		bare, own := loops[2*i], loops[2*i+1]
		s.fact("a refresh on Postgres %s takes %s more than a bare durable UPDATE there (medians), and %s more at p99",
			who, ns(float64(own.median()-bare.median())), ns(float64(own.p99()-bare.p99())))
	}
	return nil
}

// bareUpdate is one UPDATE of one row, in a table of its own, through a pool of so
// many connections.
func bareUpdate(ctx context.Context, url string, conns int) (func(int) error, func() error, error) {
	db, err := sql.Open("pgx", url)
	if err != nil {
		return nil, nil, err
	}
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	_, err = db.ExecContext(ctx, `CREATE TABLE bare (id BIGINT PRIMARY KEY, v BYTEA NOT NULL)`)
	for n := 0; err == nil && n < refreshClients; n++ {
		_, err = db.ExecContext(ctx, `INSERT INTO bare VALUES ($1, $2)`, n, make([]byte, 300))
	}
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	return func(client int) error {
		value := make([]byte, 300)
		rand.Read(value)
		res, err := db.ExecContext(ctx, `UPDATE bare SET v = $1 WHERE id = $2`, value, client)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n != 1 {
			return errors.Join(err, fmt.Errorf("%d rows were written", n))
		}
		return nil
	}, db.Close, nil
}
