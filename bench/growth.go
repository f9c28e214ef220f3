package main

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/sqlite"
	"github.com/usherkit/usher/token"
)

// growth measures how the cost of one call changes as there is more of everything.
func (s *suite) growth() error {
	s.section("As the work grows", "One goroutine; each point is a median.")
	if err := s.growStore(); err != nil {
		return err
	}
	if err := s.growRevocations(); err != nil {
		return err
	}
	return s.growToken()
}

const perUser = 5 // sessions of a user in the grown file

// growStore fills one file in steps and measures the store's own calls at each.
func (s *suite) growStore() error {
	path := filepath.Join(s.dir, "grown.db")
	store, err := sqlite.Open(path, sqlite.Options{})
	if err != nil {
		return err
	}
	defer func() { store.Close() }()
	var account, start, swap series
	account.name, start.name, swap.name = "account by login id", "start a session", "swap a refresh token"
	s.line("| users | sessions | account by login id | start a session | swap a refresh token |\n|---|---|---|---|---|\n")
	at := 0
	for _, users := range []int{1000, 10_000, 100_000, 1_000_000} {
		if users > s.users {
			s.fact("the store was grown to %d users and %d sessions in this run; beyond it nothing was measured", at, at*perUser)
			break
		}
		if err := fill(store.DB(), at, users); err != nil {
			return fmt.Errorf("%d users: %w", users, err)
		}
		at = users
		times, err := s.probeStore(store, users)
		if err != nil {
			return err
		}
		s.line("| %d | %d | %s | %s | %s |\n", users, users*perUser, ns(times[0]), ns(times[1]), ns(times[2]))
		x := float64(users)
		account.add(x, times[0])
		start.add(x, times[1])
		swap.add(x, times[2])
	}
	s.plots["performance-users.svg"] = plot("Cost of a store call on SQLite as users grow (5 sessions each)", "users", []series{account, start, swap})
	s.line("\n![Cost of a store call on SQLite as users grow](performance-users.svg)\n\n")
	return nil
}

// fill adds the users from a to b, with their sessions.
func fill(db *sql.DB, a, b int) error {
	now := time.Now().UnixMicro()
	later := time.Now().Add(14 * 24 * time.Hour).UnixMicro()
	const batch = 20_000
	for ; a < b; a += batch {
		tx, err := db.Begin()
		if err != nil {
			return err
		}
		defer tx.Rollback()
		user, err := tx.Prepare(`INSERT INTO usher_users VALUES (?, ?, ?, 1, '', '', '', '', '', '', '["editor"]', '[]', '{}', '{}', 'enabled', ?, ?, 'x', 'active', 1, ?, '[]')`)
		if err != nil {
			return err
		}
		loginID, err := tx.Prepare(`INSERT INTO usher_login_ids VALUES (?, ?, 0)`)
		if err != nil {
			return err
		}
		session, err := tx.Prepare(`INSERT INTO usher_sessions VALUES (?, ?, 'full', ?, ?, ?, ?, ?, '["pwd"]', 'bench', '192.0.2.1', ?, x'', ?)`)
		if err != nil {
			return err
		}
		for n := a; n < min(a+batch, b); n++ {
			id := fmt.Sprint("user-", n)
			if _, err := user.Exec(id, `["`+login(n)+`"]`, login(n), now, now, now); err != nil {
				return err
			}
			if _, err := loginID.Exec(login(n), id); err != nil {
				return err
			}
			for k := range perUser {
				sid := fmt.Sprintf("%d-%d", n, k)
				hash := sha256.Sum256([]byte(sid))
				if _, err := session.Exec(sid, id, now, now, later, later, later, hash[:], now); err != nil {
					return err
				}
			}
		}
		if err := tx.Commit(); err != nil {
			return err
		}
	}
	return nil
}

func (s *suite) probeStore(store usher.Store, users int) ([3]float64, error) {
	ctx := context.Background()
	calls := 400
	if s.quick {
		calls = 50
	}
	var out [3]float64
	var account, start, swap []float64
	// Calls are spread over all users, as those of strangers are.
	for i := range calls {
		n := int(uint64(i+1) * 2654435761 % uint64(users))
		began := time.Now()
		if _, err := store.AccountByLoginID(ctx, login(n)); err != nil {
			return out, err
		}
		account = append(account, float64(time.Since(began)))

		now := time.Now().UTC().Truncate(time.Microsecond)
		id := fmt.Sprintf("probe-%d-%d", users, i)
		began = time.Now()
		if _, err := store.StartSession(ctx, usher.SessionStart{
			Session: usher.Session{
				ID: id, UserID: fmt.Sprint("user-", n), Kind: usher.SessionFull, AMR: []string{"pwd"}, CreatedAt: now, LastSeenAt: now, RotatedAt: now,
				IdleExpiresAt: now.Add(14 * 24 * time.Hour), ExpiresAt: now.Add(30 * 24 * time.Hour), RefreshHash: make([]byte, 32),
			},
			IfPasswordVersion: 1, Max: 100, RevokedUntil: now.Add(time.Hour),
		}); err != nil {
			return out, err
		}
		start = append(start, float64(time.Since(began)))

		next := sha256.Sum256([]byte(id))
		began = time.Now()
		if _, err := store.SwapRefresh(ctx, usher.RefreshSwap{
			SessionID: id, Presented: make([]byte, 32), Next: next[:], Now: now, Idle: 14 * 24 * time.Hour, Grace: 10 * time.Second, RevokedUntil: now.Add(time.Hour),
		}); err != nil {
			return out, err
		}
		swap = append(swap, float64(time.Since(began)))
	}
	return [3]float64{median(account), median(start), median(swap)}, nil
}

// growRevocations lengthens the list of ended sessions.
func (s *suite) growRevocations() error {
	w, err := newWorld()
	if err != nil {
		return err
	}
	defer w.keyServer.Close()
	var hit, look series
	hit.name, look.name = "validate a cached token", "look a session up in the list"
	s.line("| revocations in the list | validate a cached token | look a session up | add one |\n|---|---|---|---|\n")
	for _, n := range []int{0, 1000, 10_000, 100_000} {
		list := token.NewRevocations()
		began := time.Now()
		for k := range n {
			list.Add(fmt.Sprint("revoked-", k), time.Now().Add(time.Hour))
		}
		add := 0.0
		if n > 0 {
			add = float64(time.Since(began)) / float64(n)
		}
		w.revocations = list
		v, err := w.newVerifier(0)
		if err != nil {
			return err
		}
		results, err := interleave([]job{
			{name: "hit", run: func(n int) error {
				for range n {
					if _, err := v.ValidateSession(context.Background(), w.raw); err != nil {
						return err
					}
				}
				return nil
			}},
			{name: "look", run: func(n int) error {
				for range n {
					if list.Revoked("session-1") {
						return errors.New("revoked")
					}
				}
				return nil
			}},
		}, s.rounds, s.each/2)
		if err != nil {
			return err
		}
		s.line("| %d | %s | %s | %s |\n", n, ns(results[0].median()), ns(results[1].median()), ns(add))
		hit.add(float64(max(n, 1)), results[0].median())
		look.add(float64(max(n, 1)), results[1].median())
	}
	s.plots["performance-revocations.svg"] = plot("Cost of a validation as the list of revocations grows", "revocations", []series{hit, look})
	s.line("\n![Cost of a validation as the list of revocations grows](performance-revocations.svg)\n\n")
	return nil
}

// growToken puts more permissions into a token.
func (s *suite) growToken() error {
	w, err := newWorld()
	if err != nil {
		return err
	}
	defer w.keyServer.Close()
	cached, err := w.newVerifier(0)
	if err != nil {
		return err
	}
	var first, hit series
	first.name, hit.name = "first sight", "cached"
	s.line("| permissions | bytes of the token | first sight | cached |\n|---|---|---|---|\n")
	for _, n := range []int{1, 10, 50, 100, 200} {
		p, err := w.issue("session-1", n)
		if err != nil {
			return err
		}
		raw := p.Session.Reveal()
		results, err := interleave([]job{
			{name: "first", run: func(n int) error {
				for range n {
					if _, err := w.verifier.Verify(context.Background(), raw, token.TypeSession); err != nil {
						return err
					}
				}
				return nil
			}},
			{name: "cached", run: func(n int) error {
				for range n {
					if c, err := cached.ValidateSession(context.Background(), raw); err != nil || !strings.HasPrefix(c.SessionID, "session") {
						return errors.Join(err, errors.New("not validated"))
					}
				}
				return nil
			}},
		}, s.rounds, s.each/2)
		if err != nil {
			return err
		}
		s.line("| %d | %d | %s | %s |\n", n, len(raw), ns(results[0].median()), ns(results[1].median()))
		first.add(float64(n), results[0].median())
		hit.add(float64(n), results[1].median())
	}
	s.plots["performance-permissions.svg"] = plot("Cost of a validation as the permissions in a token grow", "permissions", []series{first, hit})
	s.line("\n![Cost of a validation as the permissions in a token grow](performance-permissions.svg)\n\n")
	return nil
}
