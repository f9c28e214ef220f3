package handlers

import (
	"net/http"
	"time"
)

// NewServer returns a server with limits for slow clients: 5 seconds for the
// headers of a request, 15 for all of it, 30 until it is answered, and a minute
// between two requests. Headers have at most 32 KiB.
func NewServer(addr string, h http.Handler) *http.Server {
	return &http.Server{
		Addr:              addr,
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    32 << 10,
	}
}
