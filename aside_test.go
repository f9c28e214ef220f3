package usher_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/memory"
)

// mute is a store that takes no audit line before its caller gives up.
type mute struct{ store.Store }

func (mute) Record(ctx context.Context, _ store.Effects) error {
	<-ctx.Done()
	return ctx.Err()
}

// What follows a decision does not keep its answer beyond the caller's deadline,
// and where there is none, not for long.
func TestAnAnswerDoesNotWaitForItsAuditLine(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := machine(t, mute{memory.New()})
		k.signUp("ann@example.com")
		for patience, most := range map[time.Duration]time.Duration{
			500 * time.Millisecond: 600 * time.Millisecond, time.Second: 1100 * time.Millisecond, time.Hour: 2100 * time.Millisecond,
		} {
			bounded, cancel := context.WithTimeout(ctx, patience)
			start := time.Now()
			_, err := k.SignIn(bounded, usher.SignIn{LoginID: "ann@example.com", Password: otherPassword}, from("203.0.113.7"))
			cancel()
			wantErr(t, err, usher.ErrInvalidCredentials)
			if took := time.Since(start); took > most {
				t.Errorf("with %s: the answer took %s", patience, took)
			}
		}
	})
}
