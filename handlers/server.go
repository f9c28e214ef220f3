package handlers

import (
	"net/http"
	"time"
)

// NewServer returns a server that does not wait for slow strangers: 5 seconds
// for the headers of a request, which are at most 32 KiB, 15 for all of it, 30
// until it is answered, and a minute between two requests.
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
