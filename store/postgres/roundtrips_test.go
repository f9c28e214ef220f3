package postgres_test

import (
	"context"
	"net"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/usherkit/usher/internal/pgtest"
	"github.com/usherkit/usher/internal/sqltrace"
	"github.com/usherkit/usher/store/postgres"
)

// countedConn counts the messages ReadyForQuery of a server. Each ends a round trip.
type countedConn struct {
	net.Conn
	ready *atomic.Int64
	head  []byte // of the present message: its kind and its length
	left  int    // bytes of the present message that are still to come
}

func (c *countedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	for rest := p[:n]; len(rest) > 0; {
		if c.left > 0 {
			skip := min(c.left, len(rest))
			c.left, rest = c.left-skip, rest[skip:]
			continue
		}
		c.head, rest = append(c.head, rest[0]), rest[1:]
		if len(c.head) == 5 {
			c.left = int(c.head[1])<<24 + int(c.head[2])<<16 + int(c.head[3])<<8 + int(c.head[4]) - 4
			if c.head[0] == 'Z' {
				c.ready.Add(1)
			}
			c.head = c.head[:0]
		}
	}
	return n, err
}

// openCounted opens a store on one connection whose round trips are counted.
func openCounted(t *testing.T) (*postgres.Store, sqltrace.Counter) {
	t.Helper()
	config, err := pgx.ParseConfig(pgtest.Schema(t))
	if err != nil {
		t.Fatal(err)
	}
	var ready atomic.Int64
	dial := config.DialFunc
	config.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		return &countedConn{Conn: conn, ready: &ready}, err
	}
	// The driver pings a connection that was idle for a second.
	noPing := stdlib.OptionShouldPing(func(context.Context, stdlib.ShouldPingParams) bool { return false })
	st, err := postgres.OpenConnector(t.Context(), config, noPing)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	return st, func() int { return int(ready.Swap(0)) }
}

func TestEN08_AResetMakesTheSameRoundTripsForEveryLoginID(t *testing.T) {
	st, count := openCounted(t)
	sqltrace.ResetRoundTrips(t, st, count)
}

func TestEN08_ASignUpMakesTheSameRoundTripsForEveryLoginID(t *testing.T) {
	st, count := openCounted(t)
	sqltrace.SignUpRoundTrips(t, st, count)
}

func TestST09_SignInsAndRefreshesMakeFewRoundTrips(t *testing.T) {
	st, count := openCounted(t)
	if signIn, refresh := sqltrace.SignInRoundTrips(t, st, count); signIn > 5 || refresh > 2 {
		t.Errorf("a sign-in makes %d round trips, a refresh %d", signIn, refresh)
	}
}
