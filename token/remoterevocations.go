package token

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/usherkit/usher/internal/logs"
)

// RemoteRevocationsConfig says where an issuer publishes which sessions ended
// early, and within what bounds that is fetched.
type RemoteRevocationsConfig struct {
	// URL is that of the list. It is https; see InsecureLoopback. Required.
	URL string
	// Bearer is sent with each request, in the Authorization header, to an issuer
	// that does not tell everybody. Defaults to none.
	Bearer Secret
	// Every is how often the list is fetched. Defaults to 1 second.
	Every time.Duration
	// Timeout bounds one fetch. Defaults to 5 seconds.
	Timeout time.Duration
	// MaxBytes bounds the size of the list. Defaults to 8 MiB, which is room for
	// about 100,000 sessions.
	MaxBytes int64
	// Client lends its Transport, as that of RemoteConfig does.
	Client *http.Client
	// InsecureLoopback allows http, and loopback addresses, where the URL's host is
	// localhost or a loopback address. For development. Defaults to false.
	InsecureLoopback bool
	// AllowPrivateNetworks allows addresses that are private, link-local or loopback,
	// for an issuer on the inner network. Defaults to false.
	AllowPrivateNetworks bool
	// Logger hears when fetching starts to fail and when it works again. Defaults to
	// slog.Default().
	Logger *slog.Logger
	// Now is the clock by which entries leave the list. Defaults to time.Now.
	Now func() time.Time
}

// RemoteRevocations follows the list of an issuer. While the issuer is out of
// reach the sessions that are known to have ended stay so, and what ends
// meanwhile is accepted until its token expires.
type RemoteRevocations struct {
	cfg    RemoteRevocationsConfig
	host   string
	client *http.Client
	list   *Revocations

	etag  string        // of the last good fetch
	read  chan struct{} // closed after the first good fetch
	first sync.Once

	cancel context.CancelFunc
	done   chan struct{}
}

// OpenRemoteRevocations checks the configuration and starts to fetch, without
// waiting for it. Close the result.
func OpenRemoteRevocations(cfg RemoteRevocationsConfig) (*RemoteRevocations, error) {
	cfg.Every = cmp.Or(cfg.Every, time.Second)
	cfg.Timeout = cmp.Or(cfg.Timeout, 5*time.Second)
	cfg.MaxBytes = cmp.Or(cfg.MaxBytes, 8<<20)
	cfg.Logger = logs.Guard(cmp.Or(cfg.Logger, slog.Default()))
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Every < 0 {
		return nil, errors.New("token: RemoteRevocationsConfig.Every is negative")
	}
	// Where one may fetch from, and how, is the same as for keys.
	fetching := RemoteConfig{
		URL: cfg.URL, Client: cfg.Client, Timeout: cfg.Timeout, MaxBytes: cfg.MaxBytes,
		InsecureLoopback: cfg.InsecureLoopback, AllowPrivateNetworks: cfg.AllowPrivateNetworks,
	}
	host, err := fetching.validate()
	if err != nil {
		return nil, fmt.Errorf("token: revocations: %w", err)
	}
	client, err := fetching.client(host)
	if err != nil {
		return nil, fmt.Errorf("token: revocations: %w", err)
	}
	if own, ok := client.Transport.(*http.Transport); ok && client.Transport != transportOf(cfg.Client) {
		own.DisableKeepAlives = false // one request a second
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &RemoteRevocations{
		cfg: cfg, host: host, client: client, list: NewRevocations(),
		read: make(chan struct{}), cancel: cancel, done: make(chan struct{}),
	}
	go r.run(ctx)
	return r, nil
}

func transportOf(c *http.Client) http.RoundTripper {
	if c == nil {
		return nil
	}
	return c.Transport
}

// List is the list, for a [Verifier]. It grows as the issuer's does.
func (r *RemoteRevocations) List() *Revocations { return r.list }

// Wait returns nil once the list has been fetched. A token must not be judged
// before: it waits 150 milliseconds at most, and then returns an *Error that is
// ErrUnavailable.
func (r *RemoteRevocations) Wait(ctx context.Context) error {
	select {
	case <-r.read:
		return nil
	default:
	}
	patience := time.NewTimer(maxWait)
	defer patience.Stop()
	select {
	case <-r.read:
		return nil
	case <-patience.C:
	case <-ctx.Done():
	}
	return &Error{Reason: ReasonUnavailable, err: errors.New("which sessions have ended is not known yet")}
}

// Close ends the fetching and waits for it. The list stays as it is.
func (r *RemoteRevocations) Close() {
	r.cancel()
	<-r.done
	r.client.CloseIdleConnections()
}

func (r *RemoteRevocations) run(ctx context.Context) {
	defer close(r.done)
	tick := time.NewTicker(r.cfg.Every)
	defer tick.Stop()
	failing := false
	for {
		err := r.fetch(ctx)
		if ctx.Err() != nil {
			return
		}
		if failing != (err != nil) { // one event per outage, not one per try
			failing = err != nil
			if failing {
				r.cfg.Logger.Warn("cannot fetch which sessions have ended; those that end now are accepted until their tokens expire", "host", r.host, "error", err)
			} else {
				r.cfg.Logger.Info("which sessions have ended is fetched again", "host", r.host)
			}
		}
		r.list.Prune(r.cfg.Now().Add(-maxLeeway))
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// fetch gets the list once. On an error what is known stays.
func (r *RemoteRevocations) fetch(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.cfg.URL, nil)
	if err != nil {
		return fmt.Errorf("token: fetch revocations: %w", err)
	}
	req.Header.Set("Accept", "application/json")
	if r.cfg.Bearer != "" {
		req.Header.Set("Authorization", "Bearer "+r.cfg.Bearer.Reveal())
	}
	if r.etag != "" {
		req.Header.Set("If-None-Match", r.etag)
	}
	resp, err := r.client.Do(req)
	if err != nil {
		var wrapped *url.Error // whose text repeats the whole URL
		if errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		return fmt.Errorf("token: fetch revocations: %w", err)
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusNotModified && r.etag != "":
		return nil
	case resp.StatusCode != http.StatusOK:
		return fmt.Errorf("token: fetch revocations: status %d", resp.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, r.cfg.MaxBytes+1))
	if err != nil {
		return fmt.Errorf("token: fetch revocations: %w", err)
	}
	if int64(len(body)) > r.cfg.MaxBytes {
		return fmt.Errorf("token: fetch revocations: the answer is over %d bytes", r.cfg.MaxBytes)
	}
	list, err := parseRevocations(body)
	if err != nil {
		return err
	}
	for _, one := range list {
		r.list.Add(one.SessionID, time.Unix(one.Until, 0))
	}
	r.etag = resp.Header.Get("ETag")
	r.first.Do(func() { close(r.read) })
	return nil
}
