package sqlite_test

import (
	"context"
	"database/sql"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/sqlstore"
)

const (
	toNormal = "PRAGMA synchronous = 1"
	toFull   = "PRAGMA synchronous = 2"
)

// watch records statements from now on. Those for which fail returns an error fail.
func watch(f *faults, fail func(text string) error) *[]string {
	var seen []string
	f.arm(func(int) error {
		seen = append(seen, f.last)
		if fail != nil {
			return fail(f.last)
		}
		return nil
	})
	return &seen
}

func level(t *testing.T, db *sql.DB) (level int) {
	t.Helper()
	must(t, db.QueryRow("PRAGMA synchronous").Scan(&level))
	return level
}

var oneLimit = []store.Limit{{Key: "k", Max: 99}}

func takeOne(t *testing.T, s *sqlstore.Store, want int) {
	t.Helper()
	r, err := s.TakeLimits(context.Background(), now, oneLimit)
	must(t, err)
	if len(r.Counts) != 1 || r.Counts[0] != want {
		t.Fatalf("counted %v, want %d", r.Counts, want)
	}
}

func TestOnlyCountersDoNotWaitForTheDisk(t *testing.T) {
	var f faults
	s, db := openFaulty(t, &f, nil)
	for name, count := range map[string]func() error{
		"TakeLimits": func() error {
			_, err := s.TakeLimits(context.Background(), now, oneLimit)
			return err
		},
		"ReleaseLimits": func() error { return s.ReleaseLimits(context.Background(), []string{"k"}) },
		"ClearLimits":   func() error { return s.ClearLimits(context.Background(), []string{"k"}) },
	} {
		seen := watch(&f, nil)
		must(t, count())
		f.arm(nil)
		order := []int{slices.Index(*seen, toNormal), slices.Index(*seen, "BEGIN"), slices.Index(*seen, "COMMIT"), slices.Index(*seen, toFull)}
		if order[0] < 0 || !slices.IsSorted(order) {
			t.Errorf("%s: %q", name, *seen)
		}
		if level(t, db) != 2 {
			t.Errorf("%s leaves the level at %d", name, level(t, db))
		}
	}
	for name, m := range multi {
		if strings.HasSuffix(name, "Limits") {
			continue
		}
		t.Run(name, func(t *testing.T) {
			s, _ := openFaulty(t, &f, nil)
			fill(t, s)
			seen := watch(&f, nil)
			must(t, m.call(context.Background(), s))
			f.arm(nil)
			if slices.Contains(*seen, toNormal) {
				t.Errorf("%q", *seen)
			}
		})
	}
}

// Whichever change of the level fails, the next transaction has FULL.
func TestAConnectionWhoseLevelCannotBeRestoredIsDiscarded(t *testing.T) {
	for _, at := range []string{toNormal, "BEGIN", "COMMIT", toFull} {
		t.Run(at, func(t *testing.T) {
			var f faults
			s, db := openFaulty(t, &f, nil)
			takeOne(t, s, 1)
			want := 1
			watch(&f, func(text string) error {
				if text == at {
					return errInjected
				}
				return nil
			})
			_, err := s.TakeLimits(context.Background(), now, oneLimit)
			f.arm(nil)
			if at == toFull { // then the count is stored, and the caller gets no error
				must(t, err)
				want++
			} else if err == nil {
				t.Error("no error")
			}
			if got := level(t, db); got != 2 {
				t.Fatalf("the next one finds the level at %d", got)
			}
			takeOne(t, s, want+1)
		})
	}
}

// A step that needs a sync does not run in a transaction without one.
func TestDurableStepsAreSyncedWhenACounterLeads(t *testing.T) {
	var f faults
	s, _ := openFaulty(t, &f, nil)
	c := hold(t, s, &f)
	var seen []string
	c.after = func(int) error { seen = append(seen, f.last); return nil }
	for range 2 { // counters come first, and one of them is the leader
		c.add(context.Background(), func(ctx context.Context) {
			if _, err := s.TakeLimits(ctx, now, oneLimit); err != nil {
				t.Error(err)
			}
		})
	}
	c.add(context.Background(), func(ctx context.Context) {
		if err := s.Record(ctx, effects("kept")); err != nil {
			t.Error(err)
		}
	})
	close(c.open)
	c.first.Wait()
	c.waiting.Wait()
	f.arm(nil)
	if slices.Contains(seen, toNormal) {
		t.Errorf("%q", seen)
	}
	if n := strings.Count(strings.Join(seen, "\n"), "COMMIT"); n != 1 {
		t.Errorf("%d transactions, want one for the three of them: %q", n, seen)
	}
}

// Without a write-ahead log, a commit without a sync could damage the file.
func TestWithoutAWriteAheadLogEveryCommitWaits(t *testing.T) {
	var f faults
	write := sql.OpenDB(faultyConnector{"file:" + filepath.Join(t.TempDir(), "usher.db") + "?_pragma=journal_mode(DELETE)&_txlock=immediate", &f})
	t.Cleanup(func() { write.Close() })
	write.SetMaxOpenConns(1)
	s, err := sqlstore.New(t.Context(), write, sqlstore.SQLite)
	must(t, err)
	seen := watch(&f, nil)
	takeOne(t, s, 1)
	f.arm(nil)
	if slices.Contains(*seen, toNormal) || level(t, write) != 2 {
		t.Errorf("level %d after %q", level(t, write), *seen)
	}
}

// The level that a program has chosen does not change.
func TestTheProgramsOwnLevelStays(t *testing.T) {
	for _, own := range []struct {
		level string
		want  int
	}{{"OFF", 0}, {"NORMAL", 1}, {"EXTRA", 3}} {
		t.Run(own.level, func(t *testing.T) {
			db, err := sql.Open("sqlite", "file:"+filepath.Join(t.TempDir(), "usher.db")+
				"?_pragma=journal_mode(WAL)&_txlock=immediate&_pragma=synchronous("+own.level+")")
			must(t, err)
			t.Cleanup(func() { db.Close() })
			db.SetMaxOpenConns(1)
			s, err := sqlstore.New(t.Context(), db, sqlstore.SQLite)
			must(t, err)
			takeOne(t, s, 1)
			if got := level(t, db); got != own.want {
				t.Errorf("the level is %d, want %d", got, own.want)
			}
		})
	}
}

func TestAClearedCounterIsDeletedAsExpired(t *testing.T) {
	s := openNew(t)
	ctx := context.Background()
	_, err := s.TakeLimits(ctx, now, []store.Limit{{Key: "cleared", Max: 5}, {Key: "given back", Max: 5}, {Key: "kept", Max: 5}})
	must(t, err)
	must(t, s.ReleaseLimits(ctx, []string{"given back"}))
	must(t, s.ClearLimits(ctx, []string{"cleared", "given back"}))
	n, err := s.DeleteExpired(ctx, store.Expiry{Now: now, Max: 100})
	must(t, err)
	var left string
	must(t, s.DB().QueryRowContext(ctx, `SELECT group_concat(name) FROM usher_limits`).Scan(&left))
	if n != 2 || left != "kept" {
		t.Errorf("%d rows went, %q is left", n, left)
	}
}

// After a refusal, the next one needs only a read.
func TestAfterARefusalTheNextOneLocksNothing(t *testing.T) {
	var f faults
	s, _ := openFaulty(t, &f, nil)
	one := []store.Limit{{Key: "k", Max: 1, Window: time.Hour}}
	statements := func(at time.Time) []string {
		seen := watch(&f, nil)
		r, err := s.TakeLimits(context.Background(), at, one)
		f.arm(nil)
		must(t, err)
		if r.Refused < 0 && len(*seen) == 0 {
			t.Fatal("nothing was seen")
		}
		return *seen
	}
	statements(now) // takes the only hit
	if first := statements(now); !slices.Contains(first, "BEGIN") {
		t.Errorf("the first refusal was expected: %q", first)
	}
	if second := statements(now.Add(30 * time.Second)); slices.Contains(second, "BEGIN") || len(second) != 1 {
		t.Errorf("the second refusal takes more than a look: %q", second)
	}
	if later := statements(now.Add(10 * time.Minute)); !slices.Contains(later, "BEGIN") {
		t.Errorf("long after, there is still a look: %q", later)
	}
}

// A step that arrives after the level was lowered waits for the next transaction.
func TestAStepThatArrivesTooLateHasATransactionOfItsOwn(t *testing.T) {
	var f faults
	s, _ := openFaulty(t, &f, nil)
	takeOne(t, s, 1)
	entered, open := make(chan struct{}), make(chan struct{})
	blocked := false
	seen := watch(&f, func(text string) error {
		if text == "BEGIN" && !blocked {
			blocked = true
			close(entered)
			<-open
		}
		return nil
	})
	c := &crowd{}
	c.first.Go(func() {
		if _, err := s.TakeLimits(context.Background(), now, oneLimit); err != nil {
			t.Error(err)
		}
	})
	<-entered
	c.add(context.Background(), func(ctx context.Context) {
		if err := s.Record(ctx, effects("kept")); err != nil {
			t.Error(err)
		}
	})
	close(open)
	c.first.Wait()
	c.waiting.Wait()
	f.arm(nil)
	restored := slices.Index(*seen, toFull)
	kept := slices.IndexFunc(*seen, func(text string) bool { return strings.Contains(text, "INTO usher_events") })
	if restored < 0 || kept < restored {
		t.Errorf("%q", *seen)
	}
}
