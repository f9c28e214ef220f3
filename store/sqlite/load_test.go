package sqlite_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/usherkit/usher/store"
)

// Two stores on one file act as two processes, which share no pool.
func TestMixedLoadNeverFindsTheDatabaseLocked(t *testing.T) {
	const clients, duration = 64, 3 * time.Second
	path := filepath.Join(t.TempDir(), "usher.db")
	stores := []store.Store{open(t, path), open(t, path)}
	ctx := context.Background()
	deadline := time.Now().Add(duration)
	var (
		wg    sync.WaitGroup
		calls atomic.Int64
	)
	for client := range clients {
		wg.Go(func() {
			s := stores[client%2]
			for n := 0; time.Now().Before(deadline); n++ {
				if err := journey(ctx, s, fmt.Sprintf("u%d-%d", client, n)); err != nil {
					t.Errorf("client %d: %v", client, err)
					return
				}
				calls.Add(1)
			}
		})
	}
	wg.Wait()
	if calls.Load() < clients {
		t.Fatalf("only %d journeys in %v", calls.Load(), duration)
	}
	t.Logf("%d journeys of 8 calls in %v", calls.Load(), duration)
}

// journey makes the calls of one user, and of the background work of a Service.
func journey(ctx context.Context, s store.Store, id string) error {
	if _, err := s.CreateUser(ctx, creation(id)); err != nil {
		return err
	}
	if _, err := s.TakeLimits(ctx, now, []store.Limit{{Key: id, Max: 5, Window: time.Minute}, {Key: "all", Max: 1 << 30}}); err != nil {
		return err
	}
	if _, err := s.AccountByLoginID(ctx, id); err != nil {
		return err
	}
	if _, err := s.StartSession(ctx, signIn(id, 1)); err != nil {
		return err
	}
	if r, err := s.SwapRefresh(ctx, refresh(id+"-in1", id+"-next")); err != nil || r.Outcome != store.RefreshSwapped {
		return fmt.Errorf("refresh: outcome %d, %w", r.Outcome, err)
	}
	if _, err := s.Revocations(ctx, 1<<40); err != nil {
		return err
	}
	mail, err := s.ClaimEmails(ctx, now, time.Hour, 2)
	if err != nil {
		return err
	}
	for _, q := range mail {
		if err := s.FinishEmail(ctx, q.ID, store.Effects{}); err != nil {
			return err
		}
	}
	spend, c := reset(id)
	_, err = s.ResetPassword(ctx, spend, c)
	return err
}
