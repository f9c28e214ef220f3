package background

import (
	"context"
	"time"
)

const (
	detachedTimeout = 2 * time.Second
	detachedMinimum = 100 * time.Millisecond
)

// Detach returns a context for work that must not stop when the client closes its
// connection, such as writing to the audit table. It ends after 2 seconds or at the
// deadline of ctx, but not before 100 milliseconds have passed.
func Detach(ctx context.Context) (context.Context, context.CancelFunc) {
	timeout := detachedTimeout
	if deadline, ok := ctx.Deadline(); ok {
		timeout = min(timeout, max(time.Until(deadline), detachedMinimum))
	}
	return context.WithTimeout(context.WithoutCancel(ctx), timeout)
}

// Uncanceled returns ctx with its deadline but without its cancellation. It is for steps
// that belong together: a client that closes its connection must not end the work between
// two of them.
func Uncanceled(ctx context.Context) (context.Context, context.CancelFunc) {
	whole := context.WithoutCancel(ctx)
	if deadline, ok := ctx.Deadline(); ok {
		return context.WithDeadline(whole, deadline)
	}
	return context.WithCancel(whole)
}
