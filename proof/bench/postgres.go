package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"

	"github.com/usherkit/usher/internal/pgtest"
)

// pgServer is a Postgres server that is thrown away. It listens on 127.0.0.1, and
// what it acknowledges is on the disk, as in production.
type pgServer struct {
	address string
	version string
	stop    func() error
}

// pgDurable are the settings without which it would not be so; all are defaults.
var pgDurable = []string{"fsync", "synchronous_commit", "full_page_writes"}

const withoutPostgres = "-no-postgres was asked for"

// startPostgres starts a server with further settings, each "name=value".
func (s *suite) startPostgres(settings ...string) (*pgServer, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	cluster, err := pgtest.Start(s.ctx, pgtest.Options{Durable: true, Port: port, Settings: settings})
	if err != nil {
		return nil, fmt.Errorf("no Postgres server could be started (-no-postgres leaves out what needs one): %w", err)
	}
	server := &pgServer{address: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), stop: s.undo.add(cluster.Close)}
	if err := server.inspect(s.ctx); err != nil {
		return nil, errors.Join(err, server.stop())
	}
	return server, nil
}

// inspect makes sure that the server is a durable one.
func (p *pgServer) inspect(ctx context.Context) error {
	db, err := sql.Open("pgx", p.url("postgres"))
	if err != nil {
		return err
	}
	defer db.Close()
	for _, name := range pgDurable {
		var value string
		if err := db.QueryRowContext(ctx, "SHOW "+name).Scan(&value); err != nil {
			return err
		}
		if value != "on" {
			return fmt.Errorf("the Postgres server has %s=%s", name, value)
		}
	}
	return db.QueryRowContext(ctx, "SHOW server_version").Scan(&p.version)
}

// database makes an empty database and returns its URL.
func (p *pgServer) database(ctx context.Context, name string) (string, error) {
	db, err := sql.Open("pgx", p.url("postgres"))
	if err != nil {
		return "", err
	}
	defer db.Close()
	_, err = db.ExecContext(ctx, "CREATE DATABASE "+name)
	return p.url(name), err
}

func (p *pgServer) url(database string) string {
	u := url.URL{Scheme: "postgres", User: url.User("test"), Host: p.address, Path: "/" + database, RawQuery: "sslmode=disable"}
	return u.String()
}

// freePort is a port of this machine that nobody listens on.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
