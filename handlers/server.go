package handlers

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// writeTimeout is how long one write of an answer may take.
const writeTimeout = 30 * time.Second

// NewServer returns a server with limits for slow clients: 5 seconds for the headers of a
// request, 15 seconds for the whole request, and one minute between two requests. Headers
// have at most 32 KiB. A nil h means http.DefaultServeMux.
//
// An answer may take any time, as event streams and large files do, as long as the
// client reads: what the handler writes at once must be read within 30 seconds. A
// handler may set its own deadlines with http.ResponseController.
func NewServer(addr string, h http.Handler) *http.Server {
	if h == nil {
		h = http.DefaultServeMux
	}
	return &http.Server{
		Addr: addr,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			answer := newAnswer(w, r)
			defer answer.finish()
			h.ServeHTTP(answer, answer.request(r))
		}),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      writeTimeout, // for an answer that net/http writes itself
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    32 << 10,
	}
}

// answer is a ResponseWriter whose deadlines are those of NewServer.
type answer struct {
	http.ResponseWriter
	control *http.ResponseController
	// context is that of the request.
	context context.Context
	// http2 is true if a stream that has a deadline in the past is reset, even if nothing
	// is written. Then only a write may have a deadline.
	http2 bool
	// ownRead and ownWrite are true after the program has set the deadline, or has taken
	// over the connection.
	ownRead, ownWrite atomic.Bool
}

func newAnswer(w http.ResponseWriter, r *http.Request) *answer {
	a := &answer{ResponseWriter: w, control: http.NewResponseController(w), context: r.Context(), http2: r.ProtoMajor >= 2}
	a.afterWrite()
	return a
}

// request returns the request without a deadline once its body is read. With one,
// net/http would end the context of the request.
func (a *answer) request(r *http.Request) *http.Request {
	if r.Body == nil || r.Body == http.NoBody {
		a.endRead()
		return r
	}
	r = r.WithContext(r.Context())
	r.Body = &requestBody{r.Body, a}
	return r
}

// requestBody ends the deadline of an answer's request when all is read.
type requestBody struct {
	io.ReadCloser
	answer *answer
}

func (b *requestBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF { //nolint:errorlint // a reader returns io.EOF itself
		b.answer.endRead()
	}
	return n, err
}

func (a *answer) endRead() {
	if !a.ownRead.Load() {
		_ = a.control.SetReadDeadline(time.Time{}) // an error means that there is none
	}
}

func (a *answer) beforeWrite() {
	if !a.ownWrite.Load() {
		_ = a.control.SetWriteDeadline(time.Now().Add(writeTimeout))
	}
}

func (a *answer) afterWrite() {
	if a.http2 && !a.ownWrite.Load() {
		_ = a.control.SetWriteDeadline(time.Time{})
	}
}

// finish sets the deadline for what net/http writes after the handler has returned.
func (a *answer) finish() { a.beforeWrite() }

// Write and the other methods without a comment implement the interfaces of net/http.
func (a *answer) Write(p []byte) (int, error) {
	a.beforeWrite()
	defer a.afterWrite()
	return a.ResponseWriter.Write(p)
}

func (a *answer) WriteString(s string) (int, error) {
	a.beforeWrite()
	defer a.afterWrite()
	return io.WriteString(a.ResponseWriter, s)
}

func (a *answer) Flush() { _ = a.FlushError() }

func (a *answer) FlushError() error {
	a.beforeWrite()
	defer a.afterWrite()
	return a.control.Flush()
}

func (a *answer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := a.control.Hijack()
	if err == nil {
		a.ownRead.Store(true)
		a.ownWrite.Store(true)
	}
	return conn, rw, err
}

// CloseNotify is deprecated in net/http, and still required by streams of gin.
func (a *answer) CloseNotify() <-chan bool {
	closed := make(chan bool, 1)
	context.AfterFunc(a.context, func() { closed <- true })
	return closed
}

func (a *answer) SetReadDeadline(t time.Time) error {
	a.ownRead.Store(true)
	return a.control.SetReadDeadline(t)
}

func (a *answer) SetWriteDeadline(t time.Time) error {
	a.ownWrite.Store(true)
	return a.control.SetWriteDeadline(t)
}

func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }
