package middleware

import (
	"context"
	"net/http"

	"github.com/usherkit/usher/problem"
)

var requestIDKey = &contextKey{"request id"}

// RequestID gives each request an id, in the X-Request-Id header of the response
// and in the context of the request. A valid id in the request's own header is
// used, which lets a proxy choose it; otherwise the id is random. The responses
// and logs of Usher contain the same id.
//
// Put it outside of all other handlers, around the program's own routes and
// Usher's:
//
//	http.ListenAndServe(":8080", middleware.RequestID(mux))
func RequestID(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := problem.RequestID(w, r)
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), requestIDKey, id)))
	})
}

// RequestIDFromContext returns the id that [RequestID] gave the request, or "" if
// the request did not pass through it.
func RequestIDFromContext(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey).(string)
	return id
}
