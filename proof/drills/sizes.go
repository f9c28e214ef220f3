package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/internal/pgtest"
	"github.com/usherkit/usher/password"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/postgres"
	"github.com/usherkit/usher/store/sqlite"
)

// engine is a database to fill.
type engine struct {
	name  string
	store store.Store
	db    *sql.DB
	// series is a table i of the numbers from 1 to ?, and random a text of 32 hex
	// digits that differs in each row.
	series, random string
	// scans counts the reads of whole tables so far; nil where nobody counts.
	scans func() (int, error)
	size  func() (int64, error)
}

const sizesPassword = usher.Secret("vast otter sings low")

// sizes measures what sign-in, refresh and housekeeping cost with few users and
// with many, on both engines.
func sizes(ctx context.Context, users int) error {
	fmt.Println("| engine | users | sessions | size | filled in | sign-in, median (99 %) | of that hashing | refresh, median (99 %) | 1,000 expired sessions leave in | whole tables read |")
	fmt.Println("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
	for _, n := range []int{1000, users} {
		for _, open := range []func(context.Context) (*engine, func(), error){openPostgres, openSQLite} {
			e, done, err := open(ctx)
			if err == nil {
				err = e.measure(ctx, n)
			}
			if done != nil {
				done()
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func openPostgres(ctx context.Context) (*engine, func(), error) {
	c, err := pgtest.Start(ctx, pgtest.Options{Durable: true, Settings: []string{"shared_buffers=256MB", "max_wal_size=4GB"}})
	if err != nil {
		return nil, nil, err
	}
	store, err := postgres.Open(ctx, c.URL("postgres"), postgres.Options{})
	if err != nil {
		return nil, func() { c.Close() }, err
	}
	db := store.DB()
	return &engine{
		name: "PostgreSQL", store: store, db: db,
		series: "SELECT i FROM generate_series(1, $1::bigint) AS i", random: "md5(i::text)",
		scans: func() (n int, err error) {
			if _, err := db.Exec("SELECT pg_stat_force_next_flush()"); err != nil {
				return 0, err
			}
			time.Sleep(1200 * time.Millisecond) // the other connections report once a second
			err = db.QueryRow(`SELECT COALESCE(SUM(seq_scan), 0) FROM pg_stat_user_tables
				WHERE relname IN ('usher_users', 'usher_login_ids', 'usher_sessions')`).Scan(&n)
			return n, err
		},
		size: func() (n int64, err error) {
			err = db.QueryRow("SELECT pg_database_size(current_database())").Scan(&n)
			return n, err
		},
	}, func() { store.Close(); c.Close() }, nil
}

func openSQLite(context.Context) (*engine, func(), error) {
	dir, err := os.MkdirTemp("", "sizes")
	if err != nil {
		return nil, nil, err
	}
	file := filepath.Join(dir, "usher.db")
	store, err := sqlite.Open(file, sqlite.Options{})
	if err != nil {
		return nil, func() { os.RemoveAll(dir) }, err
	}
	return &engine{
		name: "SQLite", store: store, db: store.DB(),
		series: "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) SELECT i FROM n", random: "lower(hex(randomblob(16)))",
		size: func() (int64, error) {
			info, err := os.Stat(file)
			if err != nil {
				return 0, err
			}
			return info.Size(), nil
		},
	}, func() { store.Close(); os.RemoveAll(dir) }, nil
}

// fill makes users with five sessions each, one of which in fifty is over.
func (e *engine) fill(users int) error {
	hasher, err := password.NewHasher(hashing)
	if err != nil {
		return err
	}
	hash, err := hasher.Hash(context.Background(), sizesPassword.Reveal())
	if err != nil {
		return err
	}
	now := time.Now()
	at := func(d time.Duration) int64 { return now.Add(d).UnixMicro() }
	quoted := "'" + hash + "'" // letters, digits, $ = , and nothing else
	if strings.ContainsAny(hash, `'\`) {
		return errors.New("a hash has a quote")
	}
	day := 24 * time.Hour
	statements := []struct {
		text string
		n    int
	}{
		{fmt.Sprintf(`INSERT INTO usher_users (id, login_ids, email, email_verified, name, given_name, middle_name, family_name, phone, picture,
			roles, permissions, tenants, attributes, status, created_at, updated_at,
			password_hash, password_state, password_version, password_changed_at, password_earlier)
			SELECT 'u' || i, '["p' || i || '@example.com"]', 'p' || i || '@example.com', true, 'Person ' || i, '', '', '', '', '',
			'[]', '[]', '{}', '{}', 'enabled', %d, %d, %s, 'active', 1, %d, '[]' FROM (%s) AS x`, at(-day), at(-day), quoted, at(-day), e.series), users},
		{fmt.Sprintf(`INSERT INTO usher_login_ids (canonical, user_id, position) SELECT 'p' || i || '@example.com', 'u' || i, 0 FROM (%s) AS x`, e.series), users},
		{fmt.Sprintf(`INSERT INTO usher_sessions (id, user_id, kind, created_at, last_seen_at, idle_expires_at, expires_at, ends_at, amr, user_agent, address,
			refresh_hash, previous_hash, rotated_at)
			SELECT %[1]s, 'u' || (1 + i %% %[2]d), 'full', %[3]d, %[3]d, %[4]d, %[5]d, CASE WHEN i %% 50 = 0 THEN %[3]d ELSE %[4]d END, '["pwd"]',
			'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0', '192.0.2.1', %[7]s, %[7]s, %[3]d FROM (%[6]s) AS x`,
			e.random, users, at(-day), at(13*day), at(29*day), e.series, e.bytes()), 5 * users},
	}
	for _, s := range statements {
		if _, err := e.db.Exec(s.text, s.n); err != nil {
			return err
		}
	}
	analyze := "ANALYZE"
	if e.scans != nil {
		analyze = "VACUUM ANALYZE"
	}
	_, err = e.db.Exec(analyze)
	return err
}

// bytes are 32 bytes, as a hash has.
func (e *engine) bytes() string {
	if e.scans != nil {
		return "decode(md5(i::text) || md5(i::text), 'hex')"
	}
	return "randomblob(32)"
}

// hashing is the cheapest that is allowed: what the database costs shows then.
var hashing = password.HasherConfig{Params: password.Params{Memory: 19456, Time: 2, Threads: 1}, QueueWait: time.Minute}

func (e *engine) measure(ctx context.Context, users int) error {
	start := time.Now()
	if err := e.fill(users); err != nil {
		return fmt.Errorf("%s: fill: %w", e.name, err)
	}
	filled := time.Since(start)
	s, err := usher.New(e.store, usher.Config{
		Secret: secret, BaseURL: "https://drills.example", Mailer: noMail{}, Hashing: hashing, InsecureNoThrottle: true,
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	defer s.Close()
	before := 0
	if e.scans != nil {
		if before, err = e.scans(); err != nil {
			return err
		}
	}
	const samples = 300
	var signIns, refreshes []time.Duration
	for i := range samples {
		id := fmt.Sprintf("p%d@example.com", 1+(i*7919)%users)
		start := time.Now()
		a, err := s.SignIn(ctx, usher.SignIn{LoginID: id, Password: sizesPassword}, usher.Client{})
		if err != nil {
			return fmt.Errorf("%s: sign-in: %w", e.name, err)
		}
		signIns = append(signIns, time.Since(start))
		start = time.Now()
		if _, err := s.RefreshSession(ctx, a.Tokens.Refresh, usher.Client{}); err != nil {
			return fmt.Errorf("%s: refresh: %w", e.name, err)
		}
		refreshes = append(refreshes, time.Since(start))
	}
	scanned := "not counted"
	if e.scans != nil {
		after, err := e.scans()
		if err != nil {
			return err
		}
		scanned = fmt.Sprint(after - before)
	}
	hash, err := hashCost()
	if err != nil {
		return err
	}
	start = time.Now()
	gone, err := e.store.DeleteExpired(ctx, time.Now(), time.Time{}, 1000)
	if err != nil {
		return err
	}
	left := fmt.Sprintf("%s (%d)", millis(time.Since(start)), gone)
	size, err := e.size()
	if err != nil {
		return err
	}
	fmt.Printf("| %s | %d | %d | %d MB | %s | %s | %s | %s | %s | %s |\n", e.name, users, 5*users, size>>20, filled.Round(time.Second),
		spread(signIns), millis(hash), spread(refreshes), left, scanned)
	return nil
}

// hashCost is the median of the hash alone.
func hashCost() (time.Duration, error) {
	h, err := password.NewHasher(hashing)
	if err != nil {
		return 0, err
	}
	var all []time.Duration
	for range 50 {
		start := time.Now()
		if _, err := h.Hash(context.Background(), sizesPassword.Reveal()); err != nil {
			return 0, err
		}
		all = append(all, time.Since(start))
	}
	slices.Sort(all)
	return all[len(all)/2], nil
}

func spread(all []time.Duration) string {
	slices.Sort(all)
	return fmt.Sprintf("%s (%s)", millis(all[len(all)/2]), millis(all[len(all)*99/100]))
}

func millis(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000) }
