package background_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usherkit/usher/internal/background"
)

// newGroup returns a group and its log.
func newGroup() (*background.Group, *bytes.Buffer) {
	var log bytes.Buffer
	return background.NewGroup(slog.New(slog.NewTextHandler(&log, nil))), &log
}

func TestEvery_LogsAFailureOnceAndItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, log := newGroup()
		runs := 0
		g.Every("count", time.Second, func(context.Context) error {
			runs++
			switch {
			case runs <= 2:
				return errors.New("broken")
			case runs == 3:
				panic("also broken")
			}
			return nil
		})
		time.Sleep(5500 * time.Millisecond)
		synctest.Wait()
		if err := g.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if runs != 5 {
			t.Errorf("%d runs in 5.5 seconds, want 5", runs)
		}
		if n := strings.Count(log.String(), "background work fails"); n != 1 {
			t.Errorf("%d lines report the failure, want 1:\n%s", n, log)
		}
		if n := strings.Count(log.String(), "succeeds again"); n != 1 {
			t.Errorf("%d lines report its end, want 1:\n%s", n, log)
		}
	})
}

func TestEvery_EndsACallThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, _ := newGroup()
		var ended atomic.Int32
		g.Every("hang", time.Second, func(ctx context.Context) error {
			<-ctx.Done()
			ended.Add(1)
			return ctx.Err()
		})
		time.Sleep(12 * time.Second)
		synctest.Wait()
		if ended.Load() != 1 {
			t.Errorf("%d calls ended after 12 seconds, want 1 by its timeout", ended.Load())
		}
		if err := g.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

func TestEveryOrWoken_IsNotWokenAgainForAMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, _ := newGroup()
		wake := make(chan struct{}, 1)
		runs := 0
		g.EveryOrWoken("wake", time.Hour, wake, func(context.Context) error { runs++; return nil })
		for range 1000 {
			select {
			case wake <- struct{}{}:
			default:
			}
			time.Sleep(time.Millisecond)
		}
		synctest.Wait()
		if runs < 5 || runs > 11 {
			t.Errorf("%d runs in a second of notifications, want about 10", runs)
		}
		if err := g.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

func TestClose_WaitsWithinTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, _ := newGroup()
		release := make(chan struct{})
		g.Go(func(context.Context) { <-release })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := g.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Close returns %v while work goes on", err)
		}
		close(release)
		if err := g.Close(t.Context()); err != nil {
			t.Errorf("Close returns %v after the work has ended", err)
		}
	})
}

func TestEnqueue_RunsInOrderAndDropsWhatIsTooMuch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, log := newGroup()
		var order []int
		for i := range 300 {
			g.Enqueue("task", func(context.Context) error { order = append(order, i); return nil })
		}
		g.RunQueue()
		synctest.Wait()
		if len(order) != 256 || order[0] != 0 || order[255] != 255 {
			t.Errorf("%d tasks ran, want the first 256 in order", len(order))
		}
		if n := strings.Count(log.String(), "the queue is full"); n != 44 {
			t.Errorf("%d lines report a dropped task, want 44", n)
		}
		if err := g.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

func TestGuard_ReturnsAPanicWithItsStack(t *testing.T) {
	err := background.Guard(func() error { panic("defect") })
	if err == nil || !strings.Contains(err.Error(), "defect") || !strings.Contains(err.Error(), "group_test.go") {
		t.Errorf("the error is %v", err)
	}
}

func TestDetach_KeepsTheDeadlineAndNotTheCancellation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for deadline, want := range map[time.Duration]time.Duration{
			time.Second: time.Second, time.Minute: 2 * time.Second, time.Millisecond: 100 * time.Millisecond,
		} {
			ctx, cancel := context.WithTimeout(t.Context(), deadline)
			detached, end := background.Detach(ctx)
			cancel()
			if detached.Err() != nil {
				t.Error("the detached context ended with the request")
			}
			if at, _ := detached.Deadline(); time.Until(at) != want {
				t.Errorf("a request with %s left gives %s, want %s", deadline, time.Until(at), want)
			}
			end()
		}
	})
}
