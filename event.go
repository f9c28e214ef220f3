package usher

import "context"

// An EventHook hears of every event after what it tells of is stored. It is
// called in the request's goroutine: be quick, or hand over. A panic in it is
// caught and logged.
type EventHook func(ctx context.Context, e Event)
