package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/usherkit/usher/store"
)

var (
	_ store.Clock    = (*Store)(nil)
	_ store.Notifier = (*Store)(nil)
)

// Time implements [store.Clock] with the clock of the server.
func (s *Store) Time(ctx context.Context) (time.Time, error) {
	var at time.Time
	if err := s.db.QueryRowContext(ctx, `SELECT clock_timestamp()`).Scan(&at); err != nil {
		return time.Time{}, fmt.Errorf("postgres: time: %w", err)
	}
	return at, nil
}
