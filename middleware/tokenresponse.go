package middleware

import (
	"io"
	"net/http"

	"github.com/usherkit/usher/internal/nostore"
)

// serveRefreshed calls next. If this Middleware has added cookies to the response, no cache
// may store it, whatever next does to its headers, also if it panics and an outer handler
// answers.
func serveRefreshed(next http.Handler, w http.ResponseWriter, r *http.Request, cookies bool) {
	if !cookies {
		next.ServeHTTP(w, r)
		return
	}
	t := &tokenResponse{ResponseWriter: w}
	defer t.protect()
	next.ServeHTTP(t, r)
}

// tokenResponse is a response with new tokens in its cookies. When its header is
// written, it has Cache-Control: no-store, or private if the handler has set that, and no
// field that rules the caches of CDNs. A handler may have deleted the header, as
// http.FileServer does for its errors.
type tokenResponse struct {
	http.ResponseWriter
	written bool
}

// Unwrap is for [http.ResponseController].
func (t *tokenResponse) Unwrap() http.ResponseWriter { return t.ResponseWriter }

// protect corrects the header unless it has been written.
func (t *tokenResponse) protect() {
	if t.written {
		return
	}
	t.written = true
	if h := t.Header(); h["Set-Cookie"] != nil {
		nostore.Protect(h)
	}
}

// WriteHeader implements [http.ResponseWriter].
func (t *tokenResponse) WriteHeader(status int) {
	if status >= http.StatusOK { // the others are followed by the header
		t.protect()
	}
	t.ResponseWriter.WriteHeader(status)
}

// Write implements [http.ResponseWriter].
func (t *tokenResponse) Write(b []byte) (int, error) {
	t.protect()
	return t.ResponseWriter.Write(b)
}

// ReadFrom implements [io.ReaderFrom], so that the server can send a file.
func (t *tokenResponse) ReadFrom(r io.Reader) (int64, error) {
	t.protect()
	return io.Copy(t.ResponseWriter, r)
}

// Flush implements [http.Flusher].
func (t *tokenResponse) Flush() { _ = t.FlushError() }

// FlushError is for [http.ResponseController].
func (t *tokenResponse) FlushError() error {
	t.protect()
	return http.NewResponseController(t.ResponseWriter).Flush()
}
