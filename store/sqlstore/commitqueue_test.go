package sqlstore

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/usherkit/usher/store"
)

// BenchmarkDurableWrites compares transactions that share a commit with transactions
// that commit one by one, synced (synchronous=FULL) and not (NORMAL).
func BenchmarkDurableWrites(b *testing.B) {
	for _, writers := range []int{1, 8, 32} {
		for _, mode := range []struct {
			name, synchronous string
			shared            bool
		}{
			{"shared,FULL", "FULL", true}, {"single,FULL", "FULL", false}, {"single,NORMAL", "NORMAL", false},
		} {
			for name, write := range map[string]func(s *Store, writer, n int) error{"refresh": refreshOnce, "signin": signInOnce} {
				b.Run(fmt.Sprintf("%s/%d/%s", name, writers, mode.name), func(b *testing.B) {
					s := benchStore(b, mode.synchronous, mode.shared)
					for w := range writers {
						if _, err := s.CreateUser(b.Context(), benchUser(w)); err != nil {
							b.Fatal(err)
						}
					}
					var (
						wg   sync.WaitGroup
						next atomic.Int64
					)
					b.ResetTimer()
					for w := range writers {
						wg.Go(func() {
							for n := 1; next.Add(1) <= int64(b.N); n++ {
								if err := write(s, w, n); err != nil {
									b.Error(err)
									return
								}
							}
						})
					}
					wg.Wait()
					b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "writes/s")
				})
			}
		}
	}
}

// benchStore opens a store on a new file. Without shared, it commits every
// transaction by itself.
func benchStore(b *testing.B, synchronous string, shared bool) *Store {
	db, err := sql.Open("sqlite", "file:"+filepath.Join(b.TempDir(), "usher.db")+
		"?_txlock=immediate&_pragma=foreign_keys(1)&_pragma=journal_mode(WAL)&_pragma=synchronous("+synchronous+")")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { db.Close() })
	db.SetMaxOpenConns(1)
	s, err := New(b.Context(), db, SQLite)
	if err != nil {
		b.Fatal(err)
	}
	if !shared {
		s.queue = nil
	}
	return s
}

func benchUser(w int) store.UserCreation {
	id, at := fmt.Sprint("u", w), time.Unix(1e9, 0)
	return store.UserCreation{
		User:      store.User{ID: id, LoginIDs: []string{id}, Status: store.StatusEnabled, CreatedAt: at, UpdatedAt: at},
		Canonical: []string{id},
		Password:  store.Password{State: store.PasswordActive, Hash: "h", Version: 1, ChangedAt: at},
		Session:   benchSession(id, "s"+id),
	}
}

func benchSession(userID, id string) *store.SessionRecord {
	at := time.Unix(1e9, 0)
	return &store.SessionRecord{
		Session: store.Session{
			ID: id, UserID: userID, Kind: store.SessionFull, CreatedAt: at, LastSeenAt: at,
			IdleExpiresAt: at.Add(time.Hour), ExpiresAt: at.Add(time.Hour), AMR: []string{"pwd"},
		},
		Refresh: store.RefreshState{Current: benchHash(id, 0), RotatedAt: at},
	}
}

func benchHash(id string, n int) []byte {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d", id, n))
	return sum[:]
}

func benchEvent(w, n int) store.Effects {
	return store.Effects{Events: []store.Event{{ID: fmt.Sprintf("e%d-%d", w, n), At: time.Unix(1e9, 0), Name: store.EventSignIn}}}
}

func refreshOnce(s *Store, w, n int) error {
	id := fmt.Sprint("su", w)
	r, err := s.SwapRefresh(context.Background(), store.RefreshSwap{
		SessionID: id, Presented: benchHash(id, n-1), Next: benchHash(id, n),
		Now: time.Unix(1e9, 0), Idle: time.Hour, Swapped: benchEvent(w, n),
	})
	if err == nil && r.Outcome != store.RefreshSwapped {
		return fmt.Errorf("outcome %d", r.Outcome)
	}
	return err
}

func signInOnce(s *Store, w, n int) error {
	id := fmt.Sprint("u", w)
	_, err := s.StartSession(context.Background(), store.SessionStart{
		Session: *benchSession(id, fmt.Sprintf("s%d-%d", w, n)), IfPasswordVersion: 1, Max: 5,
		End: store.SessionEnd{RevokedUntil: time.Unix(1e9, 0)}, Effects: benchEvent(w, n),
	})
	return err
}
