package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/usherkit/usher/store/sqlstore"
)

// errPooler says that nothing can be listened for, because a pooler hands out
// connections by transaction.
var errPooler = errors.New("postgres: a pooler stands before the server and carries no notifications: set Options.ListenURL")

// NotifyRevocations implements [usher.RevocationNotifier] by LISTEN, on a
// connection of its own. It ends with ctx or with the connection, and at once
// where a pooler would make it wait for ever.
func (s *Store) NotifyRevocations(ctx context.Context, wake func()) error {
	conn, err := pgx.ConnectConfig(ctx, s.listen.Copy())
	if err != nil {
		return fmt.Errorf("postgres: listen: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if between, err := pooled(ctx, conn); err != nil {
		return fmt.Errorf("postgres: listen: %w", err)
	} else if between {
		return errPooler
	}
	if _, err := conn.Exec(ctx, "LISTEN "+sqlstore.NotifyChannel); err != nil {
		return fmt.Errorf("postgres: listen: %w", err)
	}
	wake() // for what came while nobody listened
	for {
		if _, err := conn.WaitForNotification(ctx); err != nil {
			return fmt.Errorf("postgres: listen: %w", err)
		}
		wake()
	}
}
