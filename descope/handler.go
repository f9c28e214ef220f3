package descope

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/internal/route"
	"github.com/usherkit/usher/internal/visit"
	"github.com/usherkit/usher/middleware"
	"github.com/usherkit/usher/problem"
)

// Handler serves the calls of Descope's SDKs. Mount it at the paths /v1/ and /v2/, or below
// a prefix by http.StripPrefix if the base URL of the SDKs has a path. It is safe for
// concurrent use.
type Handler struct {
	service *usher.Service
	visits  *visit.Visits
	chain   *route.Chain
	cfg     Config
	// key is the hash of the management key, so that all comparisons take the same time. It
	// is nil without a key, and cfg has none.
	key *[sha256.Size]byte

	byPath   map[string]http.Handler
	notFound http.Handler
}

// New returns a Handler of a Service. An error names the setting that is wrong.
func New(service *usher.Service, cfg Config) (*Handler, error) {
	if service == nil {
		return nil, errors.New("descope: New needs a Service: usher.New makes one")
	}
	cfg, err := cfg.complete(service)
	if err != nil {
		return nil, err
	}
	h := &Handler{service: service, cfg: cfg}
	if cfg.ManagementKey != "" {
		sum := sha256.Sum256([]byte(cfg.ManagementKey.Reveal()))
		h.key, h.cfg.ManagementKey = &sum, ""
	}
	h.visits = &visit.Visits{Service: service, Cookies: cfg.Cookies, TrustedProxies: cfg.TrustedProxies, Logger: cfg.Logger}
	writers := cfg.TrustedOrigins
	own, err := url.Parse(service.BaseURL())
	if err != nil {
		return nil, fmt.Errorf("descope: the BaseURL of the Service: %w", err)
	}
	h.visits.Origins, err = middleware.NewCrossOrigin(middleware.CrossOriginConfig{
		TrustedOrigins: append(writers[:len(writers):len(writers)], own.Scheme+"://"+own.Host),
		TrustedProxies: cfg.TrustedProxies, HTTPS: own.Scheme == "https",
	})
	if err != nil {
		return nil, fmt.Errorf("descope: %w", err)
	}
	h.chain = &route.Chain{
		Visits: h.visits, Origins: cfg.TrustedOrigins, Credentials: true, Timeout: cfg.Timeout, Logger: cfg.Logger, Now: cfg.Now,
		WriteError: h.writeError,
	}
	h.buildRoutes()
	return h, nil
}

// ServeHTTP serves a call of an SDK. The events of the call have the request id of the
// header x-external-rid, unless an outer handler has chosen one.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if id := r.Header.Get("X-External-Rid"); id != "" && w.Header().Get(problem.RequestIDHeader) == "" {
		w.Header().Set(problem.RequestIDHeader, id) // problem.RequestID replaces an unsafe one
	}
	handler, ok := h.byPath[r.URL.Path]
	if !ok || r.URL.RawPath != "" { // a proxy may have read a path with other escapes otherwise
		handler = h.notFound
	}
	handler.ServeHTTP(w, r)
}
