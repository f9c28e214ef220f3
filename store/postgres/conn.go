package postgres

import (
	"cmp"
	"context"
	"crypto/tls"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
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

// warnOfTLS logs a warning for the first server on another computer to which a connection
// may be made without verified TLS: an attacker between the two could read and change
// what they send. pgx connects in the order of config and its fallbacks, and has one
// without TLS among them if sslmode is allow or prefer, its default.
func (o Options) warnOfTLS(config *pgx.ConnConfig) {
	servers := append([]*pgconn.FallbackConfig{{Host: config.Host, TLSConfig: config.TLSConfig}}, config.Fallbacks...)
	for _, s := range servers {
		if isRemote(s.Host) && !verifies(s.TLSConfig) {
			cmp.Or(o.Logger, slog.Default()).Warn(
				"postgres: connections to another computer are not protected by verified TLS: add sslmode=verify-full to the URL", "host", s.Host)
			return
		}
	}
}

// isRemote reports whether a host of a URL is neither a socket nor this computer.
func isRemote(host string) bool {
	network, _ := pgconn.NetworkAddress(host, 0)
	a, err := netip.ParseAddr(host)
	return network != "unix" && host != "localhost" && (err != nil || !a.IsLoopback())
}

// verifies reports whether TLS is used and the certificate of the server is verified.
func verifies(c *tls.Config) bool {
	return c != nil && (!c.InsecureSkipVerify || c.VerifyPeerCertificate != nil || c.VerifyConnection != nil)
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

// errReadOnly means that a server is a standby or accepts no writes.
var errReadOnly = errors.New("the server is a standby or accepts no writes: name the primary, or all servers of the cluster, in the URL")

// checkAcceptsWrites returns errReadOnly for a connection to a server that is a standby or
// accepts no writes: what it reads may be old, such as a session that has ended. Servers of
// version 14 and later report both themselves, so the check costs no round trip.
func checkAcceptsWrites(_ context.Context, conn *pgconn.PgConn) error {
	for _, setting := range []string{"in_hot_standby", "default_transaction_read_only"} {
		if conn.ParameterStatus(setting) == "on" {
			return errReadOnly
		}
	}
	return nil
}

// rejectReadOnly rejects a connection whose server has become a standby, so that the next
// one is made to the server that accepts writes.
func rejectReadOnly(ctx context.Context, conn *pgx.Conn) error {
	if checkAcceptsWrites(ctx, conn.PgConn()) != nil {
		return driver.ErrBadConn
	}
	return nil
}
