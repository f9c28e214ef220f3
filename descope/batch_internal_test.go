package descope

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/usherkit/usher"
)

// A batch keeps time for its answer.
func TestDM11_ABatchEndsBeforeItsDeadline(t *testing.T) {
	t.Parallel()
	for left, ok := range map[time.Duration]bool{time.Minute: true, batchReserve / 2: false, -time.Second: false} {
		ctx, cancel := context.WithTimeout(t.Context(), left)
		defer cancel()
		err := timeLeft(ctx)
		if (err == nil) != ok || err != nil && (!errors.Is(err, usher.ErrUnavailable) || !stopsBatch(ctx, err)) {
			t.Errorf("with %v left: %v", left, err)
		}
	}
	if err := timeLeft(t.Context()); err != nil {
		t.Error(err)
	}
}
