package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"strconv"
	"time"
)

// The levels of PRAGMA synchronous. With NORMAL and a write-ahead log a commit does not
// wait for the disk: a power failure can lose the last commits, but does not damage the
// file. See https://www.sqlite.org/pragma.html#pragma_synchronous
const (
	syncNormal = 1
	syncFull   = 2
)

// restoreWait is how long the connection may take to restore its level.
const restoreWait = 5 * time.Second

// beginUnsynced opens a transaction whose commit does not wait for the disk. Its data
// reaches the disk with the next commit that does. The level belongs to the
// connection, which other transactions use too: end restores the level, or discards
// the connection. Without a write-ahead log the level stays as it is.
func (s *Store) beginUnsynced(ctx context.Context) (raw *sql.Tx, end func(), err error) {
	conn, err := s.writeDB.Conn(ctx)
	if err != nil {
		return nil, nil, err
	}
	level, err := lowerSyncLevel(ctx, conn)
	end = func() {
		if level > syncNormal && setSyncLevel(conn, level) != nil {
			_ = conn.Raw(func(any) error { return driver.ErrBadConn })
		}
		_ = conn.Close() // only returns it to the pool
	}
	if err == nil {
		raw, err = conn.BeginTx(ctx, s.dialect.txOptions())
	}
	if err != nil {
		end()
		return nil, nil, err
	}
	return raw, end, nil
}

// lowerSyncLevel sets the level to NORMAL if it is higher and there is a write-ahead log.
// It returns the level before, or 0 if it changed nothing. After an error the level may
// have been set.
func lowerSyncLevel(ctx context.Context, conn *sql.Conn) (level int, err error) {
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

// setSyncLevel sets the level. It has a context of its own, because the caller's may
// have ended.
func setSyncLevel(conn *sql.Conn, level int) error {
	ctx, cancel := context.WithTimeout(context.Background(), restoreWait)
	defer cancel()
	_, err := conn.ExecContext(ctx, "PRAGMA synchronous = "+strconv.Itoa(level))
	return err
}
