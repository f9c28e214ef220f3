package main

import (
	"database/sql"
	"errors"
	"fmt"
	"net"

	"github.com/usherkit/usher/internal/pgtest"
	"github.com/usherkit/usher/store/postgres"
)

// postgresServer is a temporary server on 127.0.0.1.
type postgresServer struct {
	address, version string
	close            func() error
}

// startPostgres starts a server with durable writes and further settings
// ("name=value").
func (s *suite) startPostgres(settings ...string) (*postgresServer, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	cluster, err := pgtest.Start(s.ctx, pgtest.Options{Durable: true, Port: port, Settings: settings})
	if err != nil {
		return nil, fmt.Errorf("PostgreSQL does not start (-no-postgres leaves it out): %w", err)
	}
	server := &postgresServer{address: fmt.Sprint("127.0.0.1:", port), close: cluster.Close}
	db, err := sql.Open("pgx", server.url("postgres"))
	if err != nil {
		return nil, errors.Join(err, server.close())
	}
	defer db.Close()
	if err := db.QueryRowContext(s.ctx, "SHOW server_version").Scan(&server.version); err != nil {
		return nil, errors.Join(err, server.close())
	}
	return server, nil
}

func (p *postgresServer) url(database string) string {
	return "postgres://test@" + p.address + "/" + database + "?sslmode=disable"
}

// openPostgres opens a store in a new database and returns the URL of the database.
func (s *suite) openPostgres(server *postgresServer, name string) (*postgres.Store, string, error) {
	db, err := sql.Open("pgx", server.url("postgres"))
	if err != nil {
		return nil, "", err
	}
	defer db.Close()
	if _, err := db.ExecContext(s.ctx, "CREATE DATABASE "+name); err != nil {
		return nil, "", err
	}
	store, err := postgres.Open(s.ctx, server.url(name))
	return store, server.url(name), err
}

// freePort returns a TCP port of this machine that is not in use.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
