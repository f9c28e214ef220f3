package postgres

import (
	"context"
	"database/sql/driver"

	"github.com/jackc/pgx/v5"
)

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
	err := conn.QueryRow(ctx, "SELECT pg_backend_pid()", pgx.QueryExecModeSimpleProtocol).Scan(&pid)
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
