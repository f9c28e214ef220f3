package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/usherkit/usher/store/sqlstore"
)

var errPooler = errors.New("postgres: the pooler in front of the server does not deliver notifications: set Options.ListenURL to the server")

// NotifyRevocations implements [store.Notifier] by LISTEN, on a connection of its own. It
// returns an error at once behind a pooler that does not deliver notifications.
func (s *Store) NotifyRevocations(ctx context.Context, wake func()) error {
	config := s.listen.Copy()
	if s.beforeListen != nil {
		if err := s.beforeListen(ctx, config); err != nil {
			return fmt.Errorf("postgres: listen: BeforeConnect: %w", err)
		}
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return fmt.Errorf("postgres: listen: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if between, err := usesPooler(ctx, conn); err != nil {
		return fmt.Errorf("postgres: listen: %w", err)
	} else if between {
		return errPooler
	}
	if _, err := conn.Exec(ctx, "LISTEN "+sqlstore.NotifyChannel); err != nil {
		return fmt.Errorf("postgres: listen: %w", err)
	}
	wake() // for revocations from before LISTEN
	for {
		if _, err := conn.WaitForNotification(ctx); err != nil {
			return fmt.Errorf("postgres: listen: %w", err)
		}
		wake()
	}
}
