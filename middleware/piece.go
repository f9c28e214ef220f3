package middleware

import (
	"net/http"
	"slices"
)

// piece is all the memory that a protected request takes, in one allocation: the
// copy of the request, the context in it, and the Vary header. They end together,
// unless somebody keeps the context; then he keeps the few hundred bytes beside it.
type piece struct {
	request http.Request
	context sessionContext
	vary    [1]string
}

// with returns a copy of the request whose context holds the session.
func (p *piece) with(r *http.Request, s session) *http.Request {
	p.context = sessionContext{r.Context(), s}
	p.request = *r.WithContext(&p.context)
	return &p.request
}

// addVary keeps a cache from giving one user's answer to another.
func (p *piece) addVary(h http.Header, names string) {
	have := h["Vary"]
	switch {
	case len(have) == 0:
		p.vary[0] = names
		h["Vary"] = p.vary[:]
	case !slices.Contains(have, names):
		h["Vary"] = append(have, names)
	}
}
