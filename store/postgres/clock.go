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

// Time implements [store.Clock] with the clock of the server. It reads a number, because the
// text of a time depends on the DateStyle of the connection.
func (s *Store) Time(ctx context.Context) (time.Time, error) {
	var micros int64
	if err := s.db.QueryRowContext(ctx, `SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint`).Scan(&micros); err != nil {
		return time.Time{}, fmt.Errorf("postgres: time: %w", err)
	}
	return time.UnixMicro(micros), nil
}
