package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/usherkit/usher/internal/pgtest"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/postgres"
)

// deadlocks counts the statements that the server canceled because of a deadlock.
type deadlocks struct{ atomic.Int64 }

func (d *deadlocks) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return ctx
}

func (d *deadlocks) TraceQueryEnd(_ context.Context, _ *pgx.Conn, data pgx.TraceQueryEndData) {
	var refused *pgconn.PgError
	if errors.As(data.Err, &refused) && refused.Code == "40P01" {
		d.Add(1)
	}
}

// Two users who sign in with each other's session, each with as many sessions as allowed,
// lock each other's rows. A retry would hide a deadlock, so this test counts them.
func TestST06_UsersWhoSwapABrowserDoNotDeadlock(t *testing.T) {
	config, err := pgx.ParseConfig(pgtest.With(t, pgtest.Schema(t), "deadlock_timeout", "5ms"))
	if err != nil {
		t.Fatal(err)
	}
	var seen deadlocks
	config.Tracer = &seen
	db := stdlib.OpenDB(*config)
	defer db.Close()
	db.SetMaxOpenConns(16)
	st, err := postgres.New(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	start := func(user, id, previous string) error {
		_, err := st.StartSession(t.Context(), store.SessionStart{
			Session: store.SessionRecord{Session: store.Session{
				ID: id, UserID: user, Kind: store.SessionFull, CreatedAt: now, IdleExpiresAt: now.Add(time.Hour), ExpiresAt: now.Add(time.Hour),
			}},
			IfPasswordVersion: 1, Max: 1, EndSession: previous,
			End: store.SessionEnd{RevokedUntil: now, Event: store.Event{Name: store.EventSessionEnded, At: now}},
		})
		return err
	}
	var pairs sync.WaitGroup
	for pair := range 8 {
		users := []string{fmt.Sprint("a", pair), fmt.Sprint("b", pair)}
		for _, u := range users {
			if _, err := st.CreateUser(t.Context(), store.UserCreation{
				User: store.User{ID: u, Status: store.StatusEnabled}, Password: store.Password{Version: 1},
			}); err != nil {
				t.Fatal(err)
			}
			if err := start(u, u+" 0", ""); err != nil {
				t.Fatal(err)
			}
		}
		pairs.Go(func() {
			for round := range 25 {
				for _, err := range together(2, func(i int) error {
					return start(users[i], fmt.Sprint(users[i], " ", round+1), fmt.Sprint(users[1-i], " ", round))
				}) {
					if err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	pairs.Wait()
	if n := seen.Load(); n > 0 {
		t.Errorf("the server ended %d deadlocks", n)
	}
}
