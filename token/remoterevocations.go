package token

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/usherkit/usher/internal/logs"
)

// RemoteRevocationsConfig configures RemoteRevocations.
type RemoteRevocationsConfig struct {
	// URL is the address of the list. It must be https; see InsecureLoopback.
	// Required.
	URL string
	// Bearer is sent as a bearer token with each request, to an issuer that does not
	// publish the list to everyone. Defaults to none.
	Bearer Secret
	// Every is how often the list is fetched. Defaults to 1 second.
	Every time.Duration
	// Timeout bounds one fetch. Defaults to 5 seconds.
	Timeout time.Duration
	// MaxBytes bounds the size of the list. Over it, sessions cannot be validated: Wait
	// fails with ErrUnavailable, because an ended session could be among those that were
	// not read. Defaults to 8 MiB, enough for about 100,000 sessions that ended within
	// the lifetime of a session token.
	MaxBytes int64
	// File is the path of a file that keeps the list, so that a program that restarts while
	// the issuer is down can validate sessions. It has the URL and the list as of the last
	// good fetch, and is written after each fetch that brought something new. The pause
	// after a write is at least nine times as long as the write. The file may be of any age,
	// like the list of a running program. A session stays on the list until its last token
	// has expired. A session that was revoked after the last fetch is accepted until its
	// token expires. A list of another URL is not used. A process that can write the file
	// can make revoked sessions valid again. So the file is created with access for its
	// owner only. It is not used if other users may write it, or if its owner is neither the
	// user of this program nor root. Several processes with the same URL may share it.
	// Defaults to none.
	File string
	// Client provides the Transport, as in [RemoteKeysConfig]. Defaults to a transport without
	// a proxy.
	Client *http.Client
	// InsecureLoopback allows http and loopback addresses if the host of URL is
	// localhost or a loopback address. For development. Defaults to false.
	InsecureLoopback bool
	// AllowPrivateNetworks allows private, link-local and loopback addresses, for an
	// issuer in the same network. Defaults to false.
	AllowPrivateNetworks bool
	// Logger gets one record when fetching starts to fail and one when it works
	// again. Defaults to slog.Default().
	Logger *slog.Logger
	// Now is the clock by which entries leave the list. Defaults to time.Now.
	Now func() time.Time
}

// RemoteRevocations follows the list of revoked sessions that an issuer publishes.
// While the issuer is down, the known sessions stay revoked, and a session that is
// revoked in the meantime is accepted until its token expires; the same holds after a
// restart, with RemoteRevocationsConfig.File. Each 30 seconds, and
// after entries were dropped because their time has passed, it reads the whole list, so
// that a clock that was wrong for a while loses no entry for good.
type RemoteRevocations struct {
	cfg       RemoteRevocationsConfig
	transport http.RoundTripper
	list      *Revocations
	log       outageLog

	etag        string        // of the last good fetch; empty if the next one must be a full one
	fullAt      time.Time     // of the last full fetch
	tooLong     atomic.Bool   // the last answer was over MaxBytes
	fetched     chan struct{} // closed after the first good fetch, or after the file was read
	fetchedOnce sync.Once
	file        revocationsFile

	cancel context.CancelFunc
	done   chan struct{}
}

// OpenRemoteRevocations fetches the list and starts to follow it in the background
// until Close is called. ctx bounds the first fetch only. An issuer that is down is
// not an error: Wait fails until a fetch works, unless RemoteRevocationsConfig.File has a
// list that can be used. The error is about the configuration, or is that of ctx.
func OpenRemoteRevocations(ctx context.Context, cfg RemoteRevocationsConfig) (*RemoteRevocations, error) {
	for name, value := range map[string]int64{"Every": int64(cfg.Every), "Timeout": int64(cfg.Timeout), "MaxBytes": cfg.MaxBytes} {
		if value < 0 {
			return nil, fmt.Errorf("token: RemoteRevocationsConfig.%s is negative", name)
		}
	}
	cfg.Every = cmp.Or(cfg.Every, time.Second)
	cfg.Timeout = cmp.Or(cfg.Timeout, 5*time.Second)
	cfg.MaxBytes = min(cmp.Or(cfg.MaxBytes, 8<<20), noLimit)
	cfg.Logger = logs.Guard(cmp.Or(cfg.Logger, slog.Default()))
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	source := remoteSource{"RemoteRevocationsConfig", cfg.URL, cfg.Client, cfg.InsecureLoopback, cfg.AllowPrivateNetworks}
	transport, host, err := source.newTransport(true)
	if err != nil {
		return nil, err
	}
	r := &RemoteRevocations{
		cfg: cfg, transport: transport, list: NewRevocations(), fetched: make(chan struct{}), done: make(chan struct{}),
		log: outageLog{
			logger: cfg.Logger, host: host,
			end: "the list of revoked sessions is fetched again",
		},
		file: revocationsFile{
			due: make(chan struct{}, 1),
			log: outageLog{logger: cfg.Logger, host: host, end: "the file of revoked sessions is written again"},
		},
	}
	r.readFile()
	r.refresh(ctx)
	if err := ctx.Err(); err != nil {
		r.closeConnections()
		return nil, fmt.Errorf("token: open remote revocations: %w", err)
	}
	ctx, r.cancel = context.WithCancel(context.Background())
	go r.run(ctx)
	return r, nil
}

// List returns the list, for VerifierConfig.Revocations. It grows as the issuer's
// list does.
func (r *RemoteRevocations) List() *Revocations { return r.list }

// Wait returns nil once the list is known. Call it before the Verifier. It
// waits up to 150 milliseconds, and then returns an *Error that is ErrUnavailable. It
// also returns that while the list is over MaxBytes.
func (r *RemoteRevocations) Wait(ctx context.Context) error {
	if r.tooLong.Load() {
		return &Error{Reason: ReasonUnavailable, err: errors.New("the list of revoked sessions is longer than MaxBytes")}
	}
	if r.known() {
		return nil
	}
	timeout := time.NewTimer(maxWait)
	defer timeout.Stop()
	select {
	case <-r.fetched:
		return nil
	case <-timeout.C:
	case <-ctx.Done():
	}
	return &Error{Reason: ReasonUnavailable, err: errors.New("the list of revoked sessions is not known yet")}
}

// fullInterval is how often the whole list is read even if its ETag is unchanged.
const fullInterval = 30 * time.Second

// known reports whether the list has been fetched, or read from the file.
func (r *RemoteRevocations) known() bool {
	select {
	case <-r.fetched:
		return true
	default:
		return false
	}
}

// Close ends the fetching, and waits for it to end and for the file to be written. The
// list stays as it is.
func (r *RemoteRevocations) Close() {
	r.cancel()
	<-r.done
	r.closeConnections()
}

func (r *RemoteRevocations) closeConnections() {
	(&http.Client{Transport: r.transport}).CloseIdleConnections()
}

func (r *RemoteRevocations) run(ctx context.Context) {
	defer close(r.done)
	defer r.keepFile()()
	tick := time.NewTicker(r.cfg.Every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if r.log.failing() {
				// The connection may have died without an error. HTTP/2 would use it again until
				// the operating system closes it, which takes many minutes.
				r.closeConnections()
			}
			r.refresh(ctx)
			if r.log.failing() {
				tick.Reset(r.cfg.Every) // a fetch that has just failed may still hold its connection
			}
		}
	}
}

// refresh fetches the list, logs the start and the end of an outage, and drops old
// entries.
func (r *RemoteRevocations) refresh(ctx context.Context) {
	err := r.fetch(ctx)
	if err == nil {
		r.fileIsDue()
	}
	if ctx.Err() != nil {
		return
	}
	message := "cannot fetch the list of revoked sessions; sessions revoked since the last fetch are accepted until their tokens expire"
	switch {
	case errors.Is(err, errOverLimit):
		message = "the list of revoked sessions is longer than MaxBytes; sessions cannot be validated"
		r.tooLong.Store(true)
		r.fileIsDue()
	case err == nil:
		r.tooLong.Store(false)
	case !r.known():
		message = "cannot fetch the list of revoked sessions, and none is known; sessions cannot be validated"
	}
	r.log.report(err, message)
	before := r.list.Len()
	r.list.Prune(r.cfg.Now().Add(-maxLeeway))
	if r.list.Len() < before || time.Since(r.fullAt) >= fullInterval {
		r.etag = ""
	}
}

// fetch fetches the list once. On an error the known list stays as it is.
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
	want := http.StatusOK
	if r.etag != "" {
		req.Header.Set("If-None-Match", r.etag)
		want = http.StatusNotModified
	}
	resp, body, err := roundTrip(r.transport, req, r.cfg.MaxBytes, want)
	if err != nil {
		return fmt.Errorf("token: fetch revocations: %w", err)
	}
	if resp.StatusCode == http.StatusNotModified {
		return nil
	}
	list, err := parseRevocations(body)
	if err != nil {
		return err
	}
	for _, one := range list {
		r.list.Add(one.SessionID, time.Unix(one.Until, 0))
	}
	r.file.behind.Store(true)
	r.etag, r.fullAt = resp.Header.Get("ETag"), time.Now()
	r.fetchedOnce.Do(func() { close(r.fetched) })
	return nil
}
