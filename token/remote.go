package token

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/usherkit/usher/internal/logs"
)

const (
	defaultMaxKeys = 100
	// maxWait bounds how long a caller with an unknown key id waits for a fetch that
	// is under way, so that the first token after a rotation is accepted.
	maxWait = 150 * time.Millisecond
)

// RemoteConfig says where the keys of an issuer are, and within what bounds they
// are fetched.
type RemoteConfig struct {
	// URL is that of the JWK Set. It is https; see InsecureLoopback. Required.
	URL string
	// Client lends its Transport, and nothing else of it is used. An *http.Transport
	// is copied and made to dial public addresses only, unless AllowPrivateNetworks;
	// with any other RoundTripper that guard is its own affair. Defaults to a
	// transport without a proxy.
	Client *http.Client
	// Refresh is how often the set is fetched. Defaults to 1 hour.
	Refresh time.Duration
	// MinRefetch is the least time between two fetches, those for an unknown key id
	// and those after a failure included. Defaults to 30 seconds.
	MinRefetch time.Duration
	// MaxStale is for how long the known keys bridge an outage of the issuer.
	// Defaults to 24 hours.
	MaxStale time.Duration
	// Timeout bounds one fetch. Defaults to 5 seconds.
	Timeout time.Duration
	// MaxBytes bounds the size of the set. Defaults to 256 KiB.
	MaxBytes int64
	// MaxKeys bounds the number of keys. Defaults to 100.
	MaxKeys int
	// InsecureLoopback allows http, and loopback addresses, where the URL's host is
	// localhost or a loopback address. For development. Defaults to false.
	InsecureLoopback bool
	// AllowPrivateNetworks allows addresses that are private, link-local or loopback,
	// for an issuer on the inner network. Defaults to false.
	AllowPrivateNetworks bool
	// Logger hears when fetching starts to fail and when it works again. Defaults to
	// slog.Default().
	Logger *slog.Logger
	// Now is the clock that ages the keys. Defaults to time.Now.
	Now func() time.Time
}

func (cfg RemoteConfig) withDefaults() RemoteConfig {
	cfg.Refresh = cmp.Or(cfg.Refresh, time.Hour)
	cfg.MinRefetch = cmp.Or(cfg.MinRefetch, 30*time.Second)
	cfg.MaxStale = cmp.Or(cfg.MaxStale, 24*time.Hour)
	cfg.Timeout = cmp.Or(cfg.Timeout, 5*time.Second)
	cfg.MaxBytes = cmp.Or(cfg.MaxBytes, 256<<10)
	cfg.MaxKeys = cmp.Or(cfg.MaxKeys, defaultMaxKeys)
	cfg.Logger = logs.Guard(cmp.Or(cfg.Logger, slog.Default()))
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return cfg
}

// validate returns the host of the URL.
func (cfg RemoteConfig) validate() (host string, err error) {
	u, err := url.Parse(cfg.URL)
	if err != nil {
		return "", errors.New("token: RemoteConfig.URL does not parse") // err would repeat it
	}
	host = u.Hostname()
	switch {
	case host == "":
		return "", errors.New("token: RemoteConfig.URL has no host")
	case u.User != nil || u.Fragment != "":
		return "", errors.New("token: RemoteConfig.URL must have neither a user nor a fragment")
	case u.Scheme == "https":
	case u.Scheme == "http" && cfg.InsecureLoopback && loopbackHost(host):
	default:
		return "", errors.New("token: RemoteConfig.URL must be https (http only to a loopback host, with InsecureLoopback)")
	}
	for name, value := range map[string]int64{
		"Refresh": int64(cfg.Refresh), "MinRefetch": int64(cfg.MinRefetch), "MaxStale": int64(cfg.MaxStale),
		"Timeout": int64(cfg.Timeout), "MaxBytes": cfg.MaxBytes, "MaxKeys": int64(cfg.MaxKeys),
	} {
		if value < 0 {
			return "", fmt.Errorf("token: RemoteConfig.%s is negative", name)
		}
	}
	return host, nil
}

func loopbackHost(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}

// RemoteKeys is the KeySource of an issuer that publishes a JWK Set. One goroutine
// fetches it: at once, then every Refresh, and, at most once in MinRefetch, when a
// token names an unknown key. Nothing in a token has a say in where it fetches from.
// The keys of the last good fetch serve until they are MaxStale old.
type RemoteKeys struct {
	cfg    RemoteConfig
	host   string
	client *http.Client
	set    atomic.Pointer[remoteSet]

	wake   chan struct{} // asks the goroutine for the flight that was begun
	cancel context.CancelFunc
	done   chan struct{}

	mu      sync.Mutex
	flight  chan struct{} // closed when the fetch under way is over; nil where there is none
	started time.Time     // of the last flight
}

// remoteSet is the outcome of a good fetch. It is never changed.
type remoteSet struct {
	keys       map[string]PublicKey
	fetchedAt  time.Time
	generation uint64
}

// OpenRemoteKeys checks the configuration and starts the first fetch without
// waiting for it. An issuer that is down is no error: until it is up, nothing
// verifies. Close the result.
func OpenRemoteKeys(cfg RemoteConfig) (*RemoteKeys, error) {
	cfg = cfg.withDefaults()
	host, err := cfg.validate()
	if err != nil {
		return nil, err
	}
	client, err := cfg.client(host)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &RemoteKeys{
		cfg: cfg, host: host, client: client,
		wake: make(chan struct{}, 1), cancel: cancel, done: make(chan struct{}),
	}
	r.refetch()
	go r.run(ctx)
	return r, nil
}

// Close ends the fetching and waits for the goroutine. The keys serve on until
// they are MaxStale old.
func (r *RemoteKeys) Close() {
	r.cancel()
	<-r.done
}

// PublicKey implements KeySource. It answers from memory, but for a key id that is
// unknown while a fetch is under way or allowed: then it waits for that, for 150
// milliseconds at most.
func (r *RemoteKeys) PublicKey(ctx context.Context, kid string) (PublicKey, error) {
	key, err := r.lookup(kid)
	if err == nil {
		return key, nil
	}
	flight := r.refetch()
	if flight == nil {
		return PublicKey{}, err
	}
	patience := time.NewTimer(maxWait)
	defer patience.Stop()
	select {
	case <-flight:
	case <-patience.C:
	case <-r.done:
	case <-ctx.Done():
		return PublicKey{}, ctx.Err()
	}
	return r.lookup(kid)
}

// Generation changes when the keys do. It is zero while there are none, or only
// such as are too old.
func (r *RemoteKeys) Generation() uint64 {
	if set := r.fresh(); set != nil {
		return set.generation
	}
	return 0
}

func (r *RemoteKeys) lookup(kid string) (PublicKey, error) {
	set := r.fresh()
	if set == nil {
		return PublicKey{}, ErrNoKeys
	}
	key, ok := set.keys[kid]
	if !ok {
		return PublicKey{}, ErrUnknownKey
	}
	return key, nil
}

func (r *RemoteKeys) fresh() *remoteSet {
	set := r.set.Load()
	if set == nil || r.cfg.Now().Sub(set.fetchedAt) >= r.cfg.MaxStale {
		return nil
	}
	return set
}

// refetch joins the fetch under way, or begins one if the last began long enough
// ago. The result is closed when it is over; it is nil where there is none to wait for.
func (r *RemoteKeys) refetch() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.flight != nil {
		return r.flight
	}
	if !r.started.IsZero() && time.Since(r.started) < r.cfg.MinRefetch {
		return nil
	}
	r.begin()
	r.wake <- struct{}{} // has room: one flight, one wake
	return r.flight
}

func (r *RemoteKeys) begin() {
	r.flight = make(chan struct{})
	r.started = time.Now()
}

// run is the only goroutine that fetches.
func (r *RemoteKeys) run(ctx context.Context) {
	defer close(r.done)
	timer := time.NewTimer(r.cfg.Refresh)
	defer timer.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.wake:
		case <-timer.C:
			r.mu.Lock()
			if r.flight == nil {
				r.begin()
			} else {
				<-r.wake // a caller began one just now: this is it
			}
			r.mu.Unlock()
		}
		err := r.fetch(ctx)
		closed := ctx.Err() != nil // then the error is Close's own
		r.mu.Lock()
		close(r.flight)
		r.flight = nil
		r.mu.Unlock()

		next := r.cfg.Refresh
		if err != nil {
			next = min(next, r.cfg.MinRefetch)
		}
		timer.Reset(next)
		if !closed && failing != (err != nil) { // one event per outage, not one per try
			failing = err != nil
			r.report(err)
		}
	}
}

func (r *RemoteKeys) report(err error) {
	if err != nil {
		r.cfg.Logger.Warn("cannot fetch the issuer's keys; the known ones serve on", "host", r.host, "error", err)
		return
	}
	r.cfg.Logger.Info("the issuer's keys are fetched again", "host", r.host)
}
