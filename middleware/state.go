package middleware

import (
	"net/http"
	"slices"
)

// requestState holds what a protected request needs, in one allocation: the copy of
// the request, its context and the Vary header. If the program keeps the context, it
// keeps all of these few hundred bytes.
type requestState struct {
	request http.Request
	context sessionContext
	vary    [1]string
}

// withSession returns a copy of the request whose context holds the session.
func (s *requestState) withSession(r *http.Request, session session) *http.Request {
	s.context = sessionContext{r.Context(), session}
	s.request = *r.WithContext(&s.context)
	return &s.request
}

// addVary adds names to the Vary header, so that no cache serves the response of
// one user to another.
func (s *requestState) addVary(h http.Header, names string) {
	have := h["Vary"]
	switch {
	case len(have) == 0:
		s.vary[0] = names
		h["Vary"] = s.vary[:]
	case !slices.Contains(have, names):
		h["Vary"] = append(have, names)
	}
}
