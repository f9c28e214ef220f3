// Package statements runs the statements of a sign-in, a refresh and a look-up over
// one driver of SQLite. Each driver has a program of its own, for two of them take
// the same name in database/sql.
package statements

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/sqlstore"
)

// Result is one measurement, times in nanoseconds.
type Result struct {
	Name        string
	Clients     int
	Median, P99 float64
	PerSecond   float64
	Locked      int
}

// Open opens a pool of so many connections; a writer begins its transactions with
// the lock.
type Open func(path string, conns int, writer bool) (*sql.DB, error)

// Main measures and prints the results as JSON: PROGRAM FILE CALLS.
func Main(open Open) {
	err := errors.New("usage: PROGRAM FILE CALLS")
	if len(os.Args) == 3 {
		var calls int
		if calls, err = strconv.Atoi(os.Args[2]); err == nil {
			err = measure(open, os.Args[1], calls)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

const users = 32

func measure(open Open, path string, calls int) error {
	write, err := open(path, 1, true)
	if err != nil {
		return err
	}
	defer write.Close()
	var mode string
	var sync int
	if err := errors.Join(write.QueryRow("PRAGMA journal_mode").Scan(&mode), write.QueryRow("PRAGMA synchronous").Scan(&sync)); err != nil {
		return err
	}
	if mode != "wal" || sync != 2 {
		return fmt.Errorf("the driver did not take the settings: journal_mode %s, synchronous %d", mode, sync)
	}
	read, err := open(path, max(4, runtime.NumCPU()), false)
	if err != nil {
		return err
	}
	defer read.Close()
	store, err := sqlstore.New(write, sqlstore.SQLite, sqlstore.Options{ReadDB: read})
	if err != nil {
		return err
	}
	b := &bench{store: store, tokens: make([][]byte, users)}
	if err := b.seed(); err != nil {
		return err
	}
	var results []Result
	for _, c := range []struct {
		name    string
		clients int
		do      func(client int) error
	}{
		{"account by login id", 1, b.account}, {"account by login id", users, b.account},
		{"refresh: swap the token", 1, b.refresh}, {"refresh: swap the token", users, b.refresh},
		{"sign-in: take limits, start session", 1, b.signIn}, {"sign-in: take limits, start session", users, b.signIn},
	} {
		r, err := run(c.name, c.clients, max(4, calls/c.clients), c.do)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		results = append(results, r)
	}
	return json.NewEncoder(os.Stdout).Encode(results)
}

func run(name string, clients, calls int, do func(client int) error) (Result, error) {
	r := Result{Name: name, Clients: clients}
	all, errs, locked := make([][]time.Duration, clients), make([]error, clients), make([]int, clients)
	var wg sync.WaitGroup
	began := time.Now()
	for c := range clients {
		wg.Go(func() {
			for range calls {
				start := time.Now()
				err := do(c)
				if err != nil && strings.Contains(err.Error(), "locked") {
					locked[c]++
				} else if err != nil {
					errs[c] = err
					return
				}
				all[c] = append(all[c], time.Since(start))
			}
		})
	}
	wg.Wait()
	took := slices.Sorted(slices.Values(slices.Concat(all...)))
	if err := errors.Join(errs...); err != nil {
		return r, err
	}
	r.Median, r.P99 = float64(took[len(took)/2]), float64(took[len(took)*99/100])
	r.PerSecond = float64(len(took)) / time.Since(began).Seconds()
	for _, n := range locked {
		r.Locked += n
	}
	return r, nil
}

type bench struct {
	store  *sqlstore.Store
	tokens [][]byte // hash of each user's refresh token
	mu     sync.Mutex
	next   int
}

func now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

func id(kind string, n int) string { return fmt.Sprintf("%s-%d", kind, n) }

func login(n int) string { return fmt.Sprintf("user-%d@example.com", n) }

func (b *bench) unique() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.next++
	return b.next
}

func session(sid string, user int, hash []byte) usher.Session {
	at := now()
	return usher.Session{
		ID: sid, UserID: id("user", user), Kind: usher.SessionFull, AMR: []string{"pwd"}, CreatedAt: at, LastSeenAt: at, RotatedAt: at,
		IdleExpiresAt: at.Add(14 * 24 * time.Hour), ExpiresAt: at.Add(30 * 24 * time.Hour), UserAgent: "bench", Address: "192.0.2.1", RefreshHash: hash,
	}
}

func hashOf(text string) []byte {
	h := sha256.Sum256([]byte(text))
	return h[:]
}

func (b *bench) seed() error {
	for n := range users {
		at := now()
		b.tokens[n] = hashOf(id("token", n))
		first := session(id("session", n), n, b.tokens[n])
		err := b.store.CreateUser(context.Background(), usher.UserCreation{
			User:      usher.User{ID: id("user", n), LoginIDs: []string{login(n)}, Email: login(n), Status: usher.StatusEnabled, CreatedAt: at, UpdatedAt: at},
			Canonical: []string{login(n)},
			Password:  usher.Password{Hash: "$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHRzYWx0c2FsdA$c2FsdHNhbHRzYWx0c2FsdHNhbHRzYWx0c2FsdHNhbHQ", State: usher.PasswordActive, Version: 1, ChangedAt: at},
			Session:   &first,
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) account(client int) error {
	_, err := b.store.AccountByLoginID(context.Background(), login(client))
	return err
}

func (b *bench) event(name usher.EventName, user int) usher.Event {
	return usher.Event{ID: id("event", b.unique()), At: now(), Name: name, UserID: id("user", user), Address: "192.0.2.1", UserAgent: "bench"}
}

func (b *bench) signIn(client int) error {
	ctx := context.Background()
	if err := b.account(client); err != nil {
		return err
	}
	own, network, lock := id("own", client), id("network", client), id("lock", client)
	r, err := b.store.TakeLimits(ctx, now(), []usher.Limit{
		{Key: own, Max: 5, Window: 24 * time.Hour, Backoff: 30 * time.Second, MaxBackoff: time.Hour},
		{Key: network, Max: 20, Window: 5 * time.Minute}, {Key: lock, Max: 100, Window: 24 * time.Hour},
	})
	if err != nil {
		return err
	}
	if r.Refused >= 0 {
		return errors.New("refused by a limit")
	}
	sid := id("new", b.unique())
	_, err = b.store.StartSession(ctx, usher.SessionStart{
		Session: session(sid, client, hashOf(sid)), IfPasswordVersion: 1, Max: 100, RevokedUntil: now().Add(time.Hour),
		ClearLimits: []string{own, lock}, GiveBack: []string{network},
		Effects: usher.Effects{Events: []usher.Event{b.event(usher.EventSignIn, client), b.event(usher.EventSessionCreated, client)}},
	})
	return err
}

func (b *bench) refresh(client int) error {
	next := hashOf(id("next", b.unique()))
	r, err := b.store.SwapRefresh(context.Background(), usher.RefreshSwap{
		SessionID: id("session", client), Presented: b.tokens[client], Next: next, Now: now(), Idle: 14 * 24 * time.Hour, Grace: 10 * time.Second,
		RevokedUntil: now().Add(time.Hour), Swapped: usher.Effects{Events: []usher.Event{b.event(usher.EventSessionRenewed, client)}},
	})
	if err != nil {
		return err
	}
	if r.Outcome != usher.RefreshSwapped {
		return fmt.Errorf("outcome %d", r.Outcome)
	}
	b.tokens[client] = next
	return nil
}
