package background

import (
	"context"
	"time"
)

const (
	detachedTimeout = 2 * time.Second
	detachedMinimum = 100 * time.Millisecond
)

// Detach returns a context for what follows a decision, such as its row in the
// audit table: it continues when the client hangs up, but ends at the deadline of
// the request, or shortly after if that is very near.
func Detach(ctx context.Context) (context.Context, context.CancelFunc) {
	timeout := detachedTimeout
	if deadline, ok := ctx.Deadline(); ok {
		timeout = min(timeout, max(time.Until(deadline), detachedMinimum))
	}
	return context.WithTimeout(context.WithoutCancel(ctx), timeout)
}
