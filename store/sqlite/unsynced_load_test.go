package sqlite_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/sqlstore"
)

// commitWatcher records which statements every connection commits at which level, and
// makes some statements fail.
type commitWatcher struct {
	t       *testing.T
	dsn     string
	faulty  atomic.Bool
	lowered atomic.Int64
}

func (h *commitWatcher) Driver() driver.Driver { return faultyConnector{}.Driver() }

// Connect opens a connection that records its level and its statements.
func (h *commitWatcher) Connect(ctx context.Context) (driver.Conn, error) {
	var (
		f    faults
		low  bool
		what []string // since BEGIN
	)
	f.arm(func(int) error {
		switch text := f.last; {
		case text == toNormal:
			low = true // even if it fails
			h.lowered.Add(1)
		case text == "BEGIN":
			what = nil
		case text == "COMMIT" && low:
			for _, one := range what {
				if strings.Contains(one, "INTO usher_events") || strings.Contains(one, "INTO usher_users") {
					h.t.Errorf("a commit that does not wait has %s", one)
				}
			}
		default:
			what = append(what, text)
		}
		if h.faulty.Load() && rand.N(40) == 0 {
			if rand.N(3) == 0 {
				return busyError{}
			}
			return errInjected
		}
		low = low && f.last != toFull
		return nil
	})
	return faultyConnector{h.dsn, &f}.Connect(ctx)
}

// Whichever statements fail, panic or are canceled, in a pool of one connection or of
// several: only counters are committed without a sync, and every connection is restored.
func TestOnlyCountersAreCommittedWithoutSync(t *testing.T) {
	for _, conns := range []int{1, 4} {
		t.Run(fmt.Sprint(conns), func(t *testing.T) {
			h := &commitWatcher{t: t, dsn: "file:" + filepath.Join(t.TempDir(), "usher.db") +
				"?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_txlock=immediate"}
			db := sql.OpenDB(h)
			t.Cleanup(func() { db.Close() })
			db.SetMaxOpenConns(conns)
			db.SetMaxIdleConns(conns)
			s, err := sqlstore.New(t.Context(), db, sqlstore.SQLite, sqlstore.Options{Hook: rarely})
			must(t, err)

			h.faulty.Store(true)
			kept := runMixedSteps(t, s)
			h.faulty.Store(false)

			if h.lowered.Load() == 0 || len(kept) == 0 {
				t.Errorf("%d levels lowered, %d steps kept", h.lowered.Load(), len(kept))
			}
			there := map[string]bool{}
			for _, id := range column(t, db, `SELECT id FROM usher_events`) {
				there[id] = true
			}
			for _, id := range kept {
				if !there[id] {
					t.Errorf("%s was acknowledged and is lost", id)
				}
			}
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			for range conns { // all connections at the same time
				conn, err := db.Conn(ctx)
				must(t, err)
				defer conn.Close()
				var level int
				must(t, conn.QueryRowContext(ctx, "PRAGMA synchronous").Scan(&level))
				if level != 2 {
					t.Errorf("a connection stays at level %d", level)
				}
			}
		})
	}
}

// rarely is a hook that sometimes fails or panics.
func rarely(context.Context, *sql.Tx, sqlstore.Change) error {
	switch rand.N(12) {
	case 0:
		panic("injected")
	case 1, 2:
		return errInjected
	}
	return nil
}

// runMixedSteps runs steps of all kinds at the same time, some of which are canceled, and
// returns the names of those that were acknowledged.
func runMixedSteps(t *testing.T, s *sqlstore.Store) (kept []string) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second) // in case a connection is lost
	defer cancel()
	var (
		mu sync.Mutex
		wg sync.WaitGroup
	)
	for caller := range 24 {
		wg.Go(func() {
			for n := range 60 {
				id := fmt.Sprint(caller, "-", n)
				if err := step(ctx, s, id); err == nil {
					mu.Lock()
					kept = append(kept, id)
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		t.Fatal("nobody gets a connection any more")
	}
	return kept
}

// errNotKept is the error of step for a step that stores no event.
var errNotKept = errors.New("not kept")

func step(ctx context.Context, s *sqlstore.Store, id string) (err error) {
	defer func() {
		if recover() != nil {
			err = errNotKept
		}
	}()
	if rand.N(3) == 0 {
		within, cancel := context.WithTimeout(ctx, time.Duration(rand.N(3000))*time.Microsecond)
		defer cancel()
		ctx = within
	}
	keys := []string{fmt.Sprint("k", rand.N(5))}
	switch rand.N(6) {
	case 0, 1:
		_, err = s.TakeLimits(ctx, now, []store.Limit{{Key: keys[0], Max: 50}})
	case 2:
		err = s.ReleaseLimits(ctx, keys)
	case 3:
		err = s.ClearLimits(ctx, keys)
	case 4:
		return s.Record(ctx, effects(id))
	default:
		c := creation(id)
		c.Effects = effects(id)
		return errOf(s.CreateUser(ctx, c))
	}
	return errors.Join(err, errNotKept)
}
