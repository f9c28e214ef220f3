// Package watch lets the request that ends a session go on, while every other request of
// that session is canceled.
package watch

import "context"

// Watched is the context of a request that is canceled when its session ends.
type Watched interface {
	// SessionID is the id of the session of the request.
	SessionID() string
	// StopWatch ends the watch, so that the end of the session does not cancel the
	// context.
	StopWatch()
}

type contextKey struct{}

// Key is the key of a [Watched] in a context.
var Key any = contextKey{}

// Exempt stops the watch of ctx if it watches that session. Call it before the session
// is revoked.
func Exempt(ctx context.Context, sessionID string) {
	if w, ok := ctx.Value(Key).(Watched); ok && w.SessionID() == sessionID {
		w.StopWatch()
	}
}
