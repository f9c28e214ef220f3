// Package watch lets the request that ends a session go on, while every other request of
// that session is canceled.
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
}

type contextKey struct{}

// Key is the key of a [Watched] in a context.
var Key any = contextKey{}

// ExemptUser stops the watch of ctx if it watches a session of that user. Call it before the
// transaction that ends them: this instance may learn of the end before the answer of the
// store arrives.
func ExemptUser(ctx context.Context, userID string) {
	if w, ok := ctx.Value(Key).(Watched); ok && w.UserID() == userID {
		w.StopWatch()
	}
}

// Exempt stops the watch of ctx if it watches that session. Call it as ExemptUser.
func Exempt(ctx context.Context, sessionID string) {
	if w, ok := ctx.Value(Key).(Watched); ok && w.SessionID() == sessionID {
		w.StopWatch()
	}
}
