package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/usherkit/usher"
)

// point is a store of one size, and how long its calls took.
type point struct {
	*engine
	users    int
	filled   time.Duration // in how long
	onDisk   int64         // bytes
	random   *rand.Rand
	sessions []int // those that nobody has refreshed yet, in no order
	account  []float64
	start    []float64
	swap     []float64
}

func newPoint(e *engine, users int) *point {
	random := rand.New(rand.NewPCG(1, uint64(users))) // the same in each run
	return &point{engine: e, users: users, random: random, sessions: random.Perm(perUser * users)}
}

// prepare fills the store.
func (p *point) prepare(ctx context.Context) (err error) {
	began := time.Now()
	if err := p.fill(ctx, p.users); err != nil {
		return err
	}
	p.filled = time.Since(began)
	p.onDisk, err = p.size()
	return err
}

// probe measures so many calls of each kind.
func (p *point) probe(ctx context.Context, calls int) error {
	for range calls {
		user := p.random.IntN(p.users)
		began := time.Now()
		if _, err := p.store.AccountByLoginID(ctx, login(user)); err != nil {
			return err
		}
		p.account = append(p.account, float64(time.Since(began)))

		start := newSession(filledUser(user), fmt.Sprintf("probe-%d", len(p.start)))
		began = time.Now()
		if _, err := p.store.StartSession(ctx, start); err != nil {
			return err
		}
		p.start = append(p.start, float64(time.Since(began)))

		swap := newSwap(p.sessions[len(p.swap)])
		began = time.Now()
		got, err := p.store.SwapRefresh(ctx, swap)
		if err != nil {
			return err
		}
		p.swap = append(p.swap, float64(time.Since(began)))
		if got.Outcome != usher.RefreshSwapped {
			return fmt.Errorf("a refresh has the outcome %d", got.Outcome)
		}
	}
	return nil
}

func newSession(userID, id string) usher.SessionStart {
	now := time.Now().UTC().Truncate(time.Microsecond)
	return usher.SessionStart{
		Session: usher.Session{
			ID: id, UserID: userID, Kind: usher.SessionFull, AMR: []string{"pwd"}, CreatedAt: now, LastSeenAt: now, RotatedAt: now,
			IdleExpiresAt: now.Add(14 * day), ExpiresAt: now.Add(30 * day), RefreshHash: filledHash,
		},
		IfPasswordVersion: 1, Max: 100, RevokedUntil: now.Add(time.Hour),
		Effects: usher.Effects{Events: []usher.Event{newEvent(id, usher.EventSignIn, userID), newEvent(id+"-2", usher.EventSessionCreated, userID)}},
	}
}

// newSwap refreshes the n-th of the filled sessions.
func newSwap(n int) usher.RefreshSwap {
	id := filledSession(n)
	next := sha256.Sum256([]byte(id))
	now := time.Now().UTC().Truncate(time.Microsecond)
	return usher.RefreshSwap{
		SessionID: id, Presented: filledHash, Next: next[:], Now: now, Idle: 14 * day, Grace: 10 * time.Second, RevokedUntil: now.Add(time.Hour),
		Swapped: usher.Effects{Events: []usher.Event{newEvent("swap-"+id, usher.EventSessionRenewed, "")}},
	}
}

func newEvent(id string, name usher.EventName, userID string) usher.Event {
	return usher.Event{ID: id, At: time.Now().UTC().Truncate(time.Microsecond), Name: name, UserID: userID, Address: "192.0.2.1", UserAgent: "bench"}
}
