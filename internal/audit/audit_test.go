package audit_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher/internal/audit"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/memory"
)

func TestStoreSampled_StoresOnceAMinuteForEachKey(t *testing.T) {
	ctx, st := t.Context(), memory.New()
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	heard := 0
	l := audit.NewLog(st, func(context.Context, store.Event) { heard++ }, slog.New(slog.DiscardHandler), func() time.Time { return now })
	refuse := func(key string) {
		l.StoreSampled(ctx, key, l.NewEvent(store.EventThrottled, "", "", "network", audit.Client{}))
	}
	for range 100 {
		refuse("a")
		refuse("b")
	}
	now = now.Add(time.Minute)
	refuse("a")
	page, err := st.Events(ctx, store.EventQuery{})
	if err != nil {
		t.Fatal(err)
	}
	if len(page.Events) != 3 || heard != 201 {
		t.Errorf("%d events stored and %d heard, want 3 and 201", len(page.Events), heard)
	}
}

func TestStore_SurvivesAStoreAndAHookThatFail(t *testing.T) {
	st := memory.New()
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	l := audit.NewLog(st, func(context.Context, store.Event) { panic("hook") }, slog.New(slog.NewTextHandler(&log, nil)), time.Now)
	l.Store(t.Context(), l.NewEvent(store.EventSignIn, "u", "s", "", audit.Client{}))
	for _, want := range []string{"could not be stored", "Config.OnEvent failed"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %q:\n%s", want, &log)
		}
	}
}

func TestStore_StoresAfterTheClientHungUp(t *testing.T) {
	st := memory.New()
	l := audit.NewLog(st, nil, slog.New(slog.DiscardHandler), time.Now)
	gone, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("the client hung up"))
	l.Store(gone, l.NewEvent(store.EventSignIn, "u", "s", "", audit.Client{}))
	if page, err := st.Events(t.Context(), store.EventQuery{}); err != nil || len(page.Events) != 1 {
		t.Errorf("%d events are stored: %v", len(page.Events), err)
	}
}

func TestNewEvent_CleansWhatTheClientChose(t *testing.T) {
	l := audit.NewLog(memory.New(), nil, slog.New(slog.DiscardHandler), time.Now)
	e := l.NewEvent(store.EventSignIn, "u", "s", "why", audit.Client{
		Address: netip.MustParseAddr("192.0.2.1"), UserAgent: "a\r\nb" + strings.Repeat("x", 300), RequestID: strings.Repeat("r", 100), Actor: "ops:ann",
	})
	if e.ID == "" || e.Address != "192.0.2.1" || !strings.HasPrefix(e.UserAgent, "abx") || len(e.UserAgent) > 256 || len(e.RequestID) != 64 || e.Actor != "ops:ann" {
		t.Errorf("the event is %+v", e)
	}
}

// After the clock was set back, the events of the time that comes again are stored too.
func TestLM06_AClockThatWasSetBackHidesNoEvents(t *testing.T) {
	ctx, st := t.Context(), &counted{EventStore: memory.New()}
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	l := audit.NewLog(st, nil, slog.New(slog.DiscardHandler), func() time.Time { return now })
	refuse := func() {
		l.StoreSampled(ctx, "a", l.NewEvent(store.EventThrottled, "", "", "network", audit.Client{}))
	}
	for _, step := range []time.Duration{0, 24 * time.Hour, -24 * time.Hour, time.Minute, time.Second} {
		now = now.Add(step)
		refuse()
	}
	if st.n != 4 {
		t.Errorf("%d rows, want 4", st.n)
	}
}

// An attacker with more networks than the sample remembers gets no more rows than it
// remembers, in any order of its networks.
func TestLM06_AFloodOfKeysIsBounded(t *testing.T) {
	ctx, st := t.Context(), &counted{EventStore: memory.New()}
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	l := audit.NewLog(st, nil, slog.New(slog.DiscardHandler), func() time.Time { return now })
	refuse := func(key int) {
		l.StoreSampled(ctx, strconv.Itoa(key), l.NewEvent(store.EventThrottled, "", "", "network", audit.Client{}))
	}
	for range 3 {
		for key := range 10_001 {
			refuse(key)
		}
	}
	if st.n != 10_000 {
		t.Errorf("%d rows in one minute, want 10,000", st.n)
	}
	st.n, now = 0, now.Add(59*time.Second)
	refuse(0)
	if st.n != 0 {
		t.Error("a key was forgotten within its minute")
	}
	now = now.Add(time.Second)
	refuse(0)
	if refuse(20_000); st.n != 2 {
		t.Errorf("%d rows in the next minute, want 2", st.n)
	}
}

// counted counts the events that are stored.
type counted struct {
	store.EventStore
	n int
}

func (c *counted) Record(ctx context.Context, e store.Effects) error {
	c.n += len(e.Events)
	return nil
}
