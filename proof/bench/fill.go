package main

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/usherkit/usher/store"
)

const (
	sessionsPerUser = 5
	usersPerCommit  = 100_000
	day             = 24 * time.Hour
)

// filledStore is a store with many users, and how long its calls took. The functions
// return SQL where the two engines differ.
type filledStore struct {
	engine string
	store  store.Store
	db     *sql.DB
	close  func() error

	series                func(from, to int) string      // a table x of the numbers i
	padded                func(expression string) string // a number with 22 digits
	bytes                 func(hex string) string
	beforeFill, afterFill []string
	measureSize           func() (int, error)

	users, size              int
	took                     time.Duration // for filling it
	order                    []int         // the sessions in random order
	account, start, exchange []time.Duration
}

func (s *suite) sqliteToFill(name string) (*filledStore, error) {
	store, err := s.openSQLite(name + ".db")
	if err != nil {
		return nil, err
	}
	return &filledStore{
		engine: "SQLite", store: store, db: store.DB(), close: store.Close,
		series: func(from, to int) string {
			return fmt.Sprintf("(WITH RECURSIVE n (i) AS (SELECT %d UNION ALL SELECT i + 1 FROM n WHERE i < %d) SELECT i FROM n) AS x", from, to)
		},
		padded: func(expression string) string { return "printf('%022d', " + expression + ")" },
		bytes:  func(hex string) string { return "x'" + hex + "'" },
		// With the default cache of 2 MB, each random row of an index would read and
		// write a page of its own.
		beforeFill: []string{"PRAGMA cache_size = -1000000"},
		afterFill:  []string{"PRAGMA cache_size = -2000", "PRAGMA wal_checkpoint(TRUNCATE)"},
		measureSize: func() (int, error) {
			info, err := os.Stat(filepath.Join(s.dir, name+".db"))
			if err != nil {
				return 0, err
			}
			return int(info.Size()), nil
		},
	}, nil
}

func (s *suite) postgresToFill(server *postgresServer, name string) (*filledStore, error) {
	store, _, err := s.openPostgres(server, name)
	if err != nil {
		return nil, err
	}
	return &filledStore{
		engine: "PostgreSQL", store: store, db: store.DB(), close: store.Close,
		series:    func(from, to int) string { return fmt.Sprintf("generate_series(%d::bigint, %d) AS x (i)", from, to) },
		padded:    func(expression string) string { return "lpad((" + expression + ")::text, 22, '0')" },
		bytes:     func(hex string) string { return `'\x` + hex + `'::bytea` },
		afterFill: []string{"VACUUM ANALYZE", "CHECKPOINT"},
		measureSize: func() (n int, err error) {
			err = store.DB().QueryRowContext(s.ctx, `SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relkind = 'r' AND relname LIKE 'usher\_%'`).Scan(&n)
			return n, err
		},
	}, nil
}

// scattered is a permutation of the numbers, so that neighbors lie apart in an index,
// as random ids do. It is the same in SQL and in Go.
const scattered = "(%s * 2654435761) %% 4294967296"

func filledSession(n int) string { return fmt.Sprintf("%022d", n*2654435761%4294967296) }

func filledUser(n int) string { return "u" + filledSession(n) }

// filledHash is the hash of the refresh token of every filled session.
var filledHash = make([]byte, 32)

// fill creates users with five sessions each, by SQL.
func (f *filledStore) fill(ctx context.Context, users int) (err error) {
	began := time.Now()
	f.users, f.order = users, rand.Perm(sessionsPerUser*users)
	statements := f.beforeFill
	for from := 0; from < users; from += usersPerCommit {
		statements = append(statements, f.fillStatements(from, min(from+usersPerCommit, users))...)
	}
	for _, text := range append(statements, f.afterFill...) {
		if _, err := f.db.ExecContext(ctx, text); err != nil {
			return err
		}
	}
	f.took = time.Since(began)
	f.size, err = f.measureSize()
	return err
}

func (f *filledStore) fillStatements(from, to int) []string {
	now := time.Now()
	id := func(number string) string { return f.padded(fmt.Sprintf(scattered, number)) }
	user := "'u' || " + id("i")
	owner := "'u' || " + id(fmt.Sprintf("(%d + i %% %d)", from, to-from))
	// The sessions began within the last eleven days.
	began := fmt.Sprintf("(%d - (%s) %% 1000000 * 1000000)", now.UnixMicro(), fmt.Sprintf(scattered, "i"))
	after := func(d time.Duration) string { return fmt.Sprintf("%s + %d", began, d.Microseconds()) }
	return []string{
		fmt.Sprintf(`INSERT INTO usher_users (id, login_ids, email, email_verified, name, given_name, middle_name, family_name, phone, picture,
			roles, permissions, tenants, attributes, status, created_at, updated_at,
			password_hash, password_state, password_version, password_changed_at, password_earlier)
			SELECT %s, '["user-' || i || '@example.com"]', 'user-' || i || '@example.com', true, 'Person ' || i, '', '', '', '', '',
			'["editor"]', '["write"]', '{}', '{}', 'enabled', %[2]d, %[2]d, '%[3]s', 'active', 1, %[2]d, '[]' FROM %[4]s`,
			user, now.Add(-30*day).UnixMicro(), strings.Repeat("h", 97), f.series(from, to-1)),
		fmt.Sprintf(`INSERT INTO usher_login_ids (canonical, user_id, position) SELECT 'user-' || i || '@example.com', %s, 0 FROM %s`, user, f.series(from, to-1)),
		fmt.Sprintf(`INSERT INTO usher_sessions (id, user_id, kind, created_at, last_seen_at, idle_expires_at, expires_at, ends_at, amr, user_agent, address,
			refresh_hash, previous_hash, rotated_at)
			SELECT %[1]s, %[2]s, 'full', %[3]s, %[3]s, %[4]s, %[5]s, %[4]s, '["pwd"]',
			'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0', '192.0.2.1', %[6]s, %[7]s, %[3]s FROM %[8]s`,
			id("i"), owner, began, after(14*day), after(30*day), f.bytes(strings.Repeat("00", len(filledHash))), f.bytes(strings.Repeat("01", len(filledHash))),
			f.series(sessionsPerUser*from, sessionsPerUser*to-1)),
	}
}
