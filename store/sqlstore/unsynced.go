package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"strconv"
	"time"
)

// The levels of PRAGMA synchronous. With NORMAL and a write-ahead log a commit does
// not wait for the disk, and a loss of power can take the last ones, but nothing of
// the file: https://www.sqlite.org/pragma.html#pragma_synchronous
const (
	syncNormal = 1
	syncFull   = 2
)

// restoreWait is how long the connection may take to set its level back.
const restoreWait = 5 * time.Second

// beginUnsynced opens a transaction whose commit does not wait for the disk. What is
// committed so reaches it with the next commit that does. The level belongs to the
// connection, which others use as well: end sets it back, or throws the connection
// away. Without a write-ahead log the level is left as it is.
func (s *Store) beginUnsynced(ctx context.Context) (raw *sql.Tx, end func(), err error) {
	conn, err := s.write.Conn(ctx)
	if err != nil {
		return nil, nil, err
	}
	level, err := lower(ctx, conn)
	end = func() {
		if level > syncNormal && setLevel(conn, level) != nil {
			_ = conn.Raw(func(any) error { return driver.ErrBadConn })
		}
		_ = conn.Close() // only gives it back to the pool
	}
	if err == nil {
		raw, err = conn.BeginTx(ctx, nil)
	}
	if err != nil {
		end()
		return nil, nil, err
	}
	return raw, end, nil
}

// lower sets the level to NORMAL where that is safe and less, and returns what it
// was. After an error it may have been set.
func lower(ctx context.Context, conn *sql.Conn) (level int, err error) {
	var mode string
	const query = `SELECT synchronous, journal_mode FROM pragma_synchronous, pragma_journal_mode`
	if err := conn.QueryRowContext(ctx, query).Scan(&level, &mode); err != nil {
		return 0, err
	}
	if mode != "wal" || level <= syncNormal {
		return 0, nil
	}
	_, err = conn.ExecContext(ctx, "PRAGMA synchronous = "+strconv.Itoa(syncNormal))
	return level, err
}

// setLevel does not end with the caller's context: he may have gone.
func setLevel(conn *sql.Conn, level int) error {
	ctx, cancel := context.WithTimeout(context.Background(), restoreWait)
	defer cancel()
	_, err := conn.ExecContext(ctx, "PRAGMA synchronous = "+strconv.Itoa(level))
	return err
}
