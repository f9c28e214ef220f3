package problem

import (
	"crypto/rand"
	"net/http"
	"regexp"
)

// RequestIDHeader is the header that carries the id of a request.
const RequestIDHeader = "X-Request-Id"

// safeID matches the ids that may be repeated in logs and answers.
var safeID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// RequestID returns the id of the request, which names it in the log and in the
// answer, and puts it into the answer's header. It is the id that an outer
// handler has put there, or else the client's, or else a random one. An id must
// have at most 64 letters, digits, dots, dashes and underscores; others are
// ignored.
func RequestID(w http.ResponseWriter, r *http.Request) string {
	header := w.Header()
	id := header.Get(RequestIDHeader)
	if safeID.MatchString(id) {
		return id
	}
	if id = r.Header.Get(RequestIDHeader); !safeID.MatchString(id) {
		id = rand.Text()
	}
	header.Set(RequestIDHeader, id)
	return id
}
