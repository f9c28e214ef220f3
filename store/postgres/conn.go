package postgres

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

const urlForm = "a URL such as postgres://user@host/database, or keywords and values such as host=/run/postgresql dbname=app"

// parseURL parses the URL of a server. Its errors say what is expected, and have no
// password.
func parseURL(url string) (*pgx.ConnConfig, error) {
	url = strings.TrimSpace(url)
	scheme, _, isURL := strings.Cut(url, "://")
	switch {
	case url == "" && !slices.ContainsFunc([]string{"PGHOST", "PGDATABASE", "PGSERVICE"}, func(name string) bool { return os.Getenv(name) != "" }):
		return nil, errors.New("the URL is empty, and the environment names no server (PGHOST, PGDATABASE): give " + urlForm)
	case strings.HasPrefix(url, `"`), strings.HasPrefix(url, "'"):
		return nil, errors.New("the URL begins with quotes: remove them, and give " + urlForm)
	case isURL && scheme != "postgres" && scheme != "postgresql" && !strings.ContainsAny(scheme, "= "):
		return nil, fmt.Errorf("the URL has the scheme %q, which is not that of PostgreSQL: give %s", scheme, urlForm)
	}
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("%w; give %s", err, urlForm) // pgx leaves the password out
	}
	return config, nil
}

// behindPooler connects once and reports whether a pooler is between the program and
// the server.
func behindPooler(ctx context.Context, config *pgx.ConnConfig) (bool, error) {
	conn, err := pgx.ConnectConfig(ctx, config.Copy())
	if err != nil {
		return false, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return usesPooler(ctx, conn)
}

// usesPooler reports whether a pooler is behind the connection. Through a pooler, the process
// id of the server is not the one that was sent when the connection was opened.
func usesPooler(ctx context.Context, conn *pgx.Conn) (bool, error) {
	var pid uint32
	err := conn.QueryRow(ctx, "SELECT pg_backend_pid()", pgx.QueryExecModeExec).Scan(&pid)
	return pid != conn.PgConn().PID(), err
}

// rejectStandby rejects a connection whose server has become a standby. Servers of
// version 14 and later report that themselves, so the check costs no round trip.
func rejectStandby(_ context.Context, conn *pgx.Conn) error {
	if conn.PgConn().ParameterStatus("in_hot_standby") == "on" {
		return driver.ErrBadConn
	}
	return nil
}
