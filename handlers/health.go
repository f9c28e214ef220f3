package handlers

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/usherkit/usher"
)

const (
	pingTimeout = time.Second
	// pingAge is how long Ready repeats its answer, so that many probes cost one query.
	pingAge = time.Second
)

// health is the last answer of Ready.
type health struct {
	mu  sync.Mutex
	at  time.Time
	err error
}

// Ready answers the readiness probe of a load balancer: 200 while this instance can
// validate sessions, which needs no database, and 503 with Retry-After if its clock is
// wrong by more than a minute. So an outage of the database takes no instance out of
// service. The body is {"sessions":"ok","store":"ok"}, with "unavailable" for what fails,
// so a program that wants to be stricter reads it or calls usher.Service.Ping. The answer
// is at most a second old. Mount it at a path that clients do not reach:
//
//	mux.HandleFunc("GET /ready", h.Ready)
//
// A liveness probe needs no handler of Usher: any route that answers will do.
func (h *Handlers) Ready(w http.ResponseWriter, r *http.Request) {
	sessions, store, status := "ok", "ok", http.StatusOK
	if err := h.ping(r.Context()); err != nil {
		store = "unavailable"
		if errors.Is(err, usher.ErrClock) {
			sessions, store, status = "unavailable", "ok", http.StatusServiceUnavailable
			w.Header().Set("Retry-After", "5")
		}
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, `{"sessions":"`+sessions+`","store":"`+store+"\"}\n")
}

// ping calls Ping of the Service, at most once in pingAge, and not for a client that hangs up.
func (h *Handlers) ping(ctx context.Context) error {
	h.health.mu.Lock()
	defer h.health.mu.Unlock()
	if !h.health.at.IsZero() && time.Since(h.health.at) < pingAge {
		return h.health.err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), pingTimeout)
	defer cancel()
	h.health.err = h.chain.Visits.Service.Ping(ctx)
	h.health.at = time.Now()
	return h.health.err
}
