package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/store"
)

// growth measures calls as the number of users and of revocations grows.
func (s *suite) growth() error {
	if err := s.growStores(); err != nil {
		return err
	}
	return s.growRevocations()
}

// growStores fills stores of several sizes and measures calls on all of them in turn.
func (s *suite) growStores() (err error) {
	var stores []*filledStore
	defer func() {
		for _, f := range stores {
			err = errors.Join(err, f.close())
		}
	}()
	engines := []func(name string) (*filledStore, error){s.sqliteToFill}
	version := "left out (-no-postgres)"
	if !s.noPostgres {
		server, err := s.startPostgres("shared_buffers=256MB", "max_wal_size=4GB")
		if err != nil {
			return err
		}
		defer server.close() // after the stores
		engines = append(engines, func(name string) (*filledStore, error) { return s.postgresToFill(server, name) })
		version = server.version + " over TCP on 127.0.0.1, durable, with shared_buffers=256MB"
	}
	for _, open := range engines {
		for users := 1000; users <= s.users; users *= 10 {
			f, err := open(fmt.Sprint("grown_", users))
			if err != nil {
				return err
			}
			stores = append(stores, f)
			if err := f.fill(s.ctx, users); err != nil {
				return fmt.Errorf("%s, %d users: %w", f.engine, users, err)
			}
		}
	}
	rounds, calls := 20, 50
	if s.quick {
		rounds, calls = 5, 20
	}
	for round := range rounds {
		for k := range stores {
			f := stores[(k+round)%len(stores)]
			if err := f.measure(s.ctx, calls); err != nil {
				return fmt.Errorf("%s, %d users: %w", f.engine, f.users, err)
			}
		}
	}
	s.section("As users grow", fmt.Sprintf("Calls of the store by one goroutine, each for a random user or session: medians of %d calls in %d rounds, in turn over all sizes and engines. SQLite has a WAL and synchronous=FULL; PostgreSQL: %s. Size is the file, or the tables with their indexes, before the calls.", rounds*calls, rounds, version))
	s.header("", "users", "sessions", "size in bytes", "filled in", "account by login id", "start a session", "exchange a refresh token")
	smallest := stores[0]
	for _, f := range stores {
		s.row(f.engine, thousands(f.users), thousands(sessionsPerUser*f.users), thousands(f.size), f.took.Round(10*time.Millisecond).String(),
			nanos(median(f.account)), nanos(median(f.start)), nanos(median(f.exchange)))
		if f.engine != smallest.engine {
			smallest = f
		}
		if f.users*10 > s.users {
			s.note("%s with %s users and %s sessions: account by login id %s, start a session %s, exchange a refresh token %s of the time with %s users",
				f.engine, thousands(f.users), thousands(sessionsPerUser*f.users), ratio(f.account, smallest.account),
				ratio(f.start, smallest.start), ratio(f.exchange, smallest.exchange), thousands(smallest.users))
		}
	}
	return nil
}

func ratio(took, base []time.Duration) string {
	return times(float64(median(took)) / float64(median(base)))
}

// measure calls the store and records how long each call takes.
func (f *filledStore) measure(ctx context.Context, calls int) error {
	for range calls {
		user := rand.IntN(f.users)
		began := time.Now()
		if _, err := f.store.AccountByLoginID(ctx, login(user)); err != nil {
			return err
		}
		f.account = append(f.account, time.Since(began))

		start := newSession(filledUser(user), fmt.Sprintf("new-%d", len(f.start)))
		began = time.Now()
		if _, err := f.store.StartSession(ctx, start); err != nil {
			return err
		}
		f.start = append(f.start, time.Since(began))

		swap := newExchange(filledSession(f.order[len(f.exchange)]))
		began = time.Now()
		got, err := f.store.SwapRefresh(ctx, swap)
		if err != nil {
			return err
		}
		f.exchange = append(f.exchange, time.Since(began))
		if got.Outcome != store.RefreshSwapped {
			return fmt.Errorf("the outcome of an exchange is %d", got.Outcome)
		}
	}
	return nil
}

func newSession(userID, id string) store.SessionStart {
	now := time.Now().UTC().Truncate(time.Microsecond)
	return store.SessionStart{
		Session: store.SessionRecord{
			Session: usher.Session{
				ID: id, UserID: userID, Kind: store.SessionFull, AMR: []string{"pwd"}, CreatedAt: now, LastSeenAt: now,
				IdleExpiresAt: now.Add(14 * day), ExpiresAt: now.Add(30 * day),
			},
			Refresh: store.RefreshState{Current: filledHash, RotatedAt: now},
		},
		IfPasswordVersion: 1, Max: 100, End: store.SessionEnd{RevokedUntil: now.Add(time.Hour)},
		Effects: store.Effects{Events: []usher.Event{newEvent(id, usher.EventSignIn, userID), newEvent(id+"-2", usher.EventSessionCreated, userID)}},
	}
}

// newExchange exchanges the refresh token of a filled session.
func newExchange(sessionID string) store.RefreshSwap {
	next := sha256.Sum256([]byte(sessionID))
	now := time.Now().UTC().Truncate(time.Microsecond)
	return store.RefreshSwap{
		SessionID: sessionID, Presented: filledHash, Next: next[:], Now: now, Idle: 14 * day, Grace: 10 * time.Second, RevokedUntil: now.Add(time.Hour),
		Swapped: store.Effects{Events: []usher.Event{newEvent("exchange-"+sessionID, usher.EventSessionRenewed, "")}},
	}
}

func newEvent(id string, name usher.EventName, userID string) usher.Event {
	return usher.Event{ID: id, At: time.Now().UTC().Truncate(time.Microsecond), Name: name, UserID: userID, Address: "192.0.2.1", UserAgent: "bench"}
}

// growRevocations measures validations as the list of revoked sessions grows.
func (s *suite) growRevocations() error {
	f, err := newFixture()
	if err != nil {
		return err
	}
	defer f.keyServer.Close()
	s.section("As revocations grow", "One goroutine, CPU time, medians.")
	s.header("revocations in the list", "validate a cached token")
	for _, n := range []int{0, 1000, 10_000, 100_000} {
		f.revocations = revocations(n)
		v, err := f.verifier(0)
		if err != nil {
			return err
		}
		results, err := interleave(s.ctx, []benchmark{validateInTurn(v, []string{f.raw})}, s.rounds, s.each/2)
		if err != nil {
			return err
		}
		s.row(thousands(n), nanos(median(results[0].cpu)))
	}
	return nil
}
