// Package watch keeps the request that ends a session from being canceled with the other
// requests of that session.
package watch

import "context"

// Watched is the context of a request that is canceled when its session ends.
type Watched interface {
	// SessionID and UserID are the ids of the session of the request and of its user.
	SessionID() string
	UserID() string
	// StopWatch ends the watch, so that the end of the session does not cancel the
	// context.
	StopWatch()
	// Parent is the context that this one is made of.
	Parent() context.Context
}

type contextKey struct{}

// Key is the key of a [Watched] in a context.
var Key any = contextKey{}

// StopUserWatches stops every watch of ctx that watches a session of that user. Call it before
// the transaction that ends them: the notification of the end may arrive before the
// answer of the store.
func StopUserWatches(ctx context.Context, userID string) {
	stop(ctx, func(w Watched) bool { return w.UserID() == userID })
}

// StopSessionWatches stops every watch of ctx that watches that session. Call it as
// StopUserWatches.
func StopSessionWatches(ctx context.Context, sessionID string) {
	stop(ctx, func(w Watched) bool { return w.SessionID() == sessionID })
}

// stop stops the watches of ctx for which meant is true. There are several if the
// request has passed several Middlewares.
func stop(ctx context.Context, meant func(Watched) bool) {
	for {
		w, ok := ctx.Value(Key).(Watched)
		if !ok {
			return
		}
		if meant(w) {
			w.StopWatch()
		}
		ctx = w.Parent()
	}
}
