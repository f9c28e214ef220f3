package postgres_test

import (
	"context"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/internal/pgtest"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/postgres"
)

// pooled returns the URL of an empty database through a PgBouncer that hands out
// connections by transaction, and the URL past it.
func pooled(t *testing.T) (through, past string) {
	t.Helper()
	if os.Getenv("USHER_TEST_POSTGRES") != "" {
		t.Skip("the pooler needs a server of the tests' own")
	}
	past = pgtest.Database(t)
	u, err := url.Parse(past)
	if err != nil {
		t.Fatal(err)
	}
	pooler, err := pgtest.StartPooler(t.Context(), pgtest.Shared(t), 3)
	pgtest.Need(t, err)
	t.Cleanup(func() { pooler.Close() })
	return pooler.URL(strings.TrimPrefix(u.Path, "/")), past
}

// Everything works through a pooler, with more callers than connections, and
// statements that were prepared on none of them.
func TestInstancesBehindAPooler(t *testing.T) {
	through, past := pooled(t)
	f := &fleet{t: t, url: through, mail: &mailbox{sent: map[string]usher.Message{}}}
	f.add()
	f.addOn(postgres.Options{ListenURL: past})
	for range 5 {
		id, a := f.signUp()
		winners(t, together(20, func(i int) error {
			_, err := f.at(i).RefreshSession(t.Context(), a.Tokens.Refresh, f.client())
			return err
		}))
		f.signIn(f.at(1), id, goodPassword)
	}

	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	err := f.at(0).store.NotifyRevocations(ctx, func() {})
	if err == nil || !strings.Contains(err.Error(), "ListenURL") {
		t.Fatalf("listening through the pooler: %v", err)
	}
	heardWithin(t, f.at(1).store, f.at(0))
}

// heardWithin fails the test unless st reports that another instance ended a session.
func heardWithin(t *testing.T, st *postgres.Store, other *instance) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	woken := make(chan struct{}, 10)
	go st.NotifyRevocations(ctx, func() { woken <- struct{}{} })
	select {
	case <-woken: // the connection listens
	case <-ctx.Done():
		t.Fatal("nothing is listened for")
	}
	page, err := other.Operator("test").Events(ctx, store.EventQuery{Name: store.EventUserCreated, Limit: 1})
	if err != nil || len(page.Events) != 1 {
		t.Fatalf("%v, %v", page.Events, err)
	}
	if err := other.Operator("test").SignOutUser(ctx, page.Events[0].UserID); err != nil {
		t.Fatal(err)
	}
	select {
	case <-woken:
	case <-ctx.Done():
		t.Fatal("there was no notification")
	}
}
