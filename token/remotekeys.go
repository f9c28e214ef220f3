package token

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/MicahParks/keyfunc/v3"
	"golang.org/x/sync/singleflight"
	"golang.org/x/time/rate"

	"github.com/usherkit/usher/internal/logs"
)

const (
	defaultMaxKeys = 100
	// maxWait bounds how long a caller with an unknown key id waits for a fetch, so
	// that the first token after a rotation is accepted.
	maxWait = 150 * time.Millisecond
	// minPause and maxPause bound the pauses between fetches while no keys are known.
	minPause, maxPause = 250 * time.Millisecond, 5 * time.Second
	// fileInterval is how often the file is written while the keys stay the same.
	fileInterval = time.Hour
)

// RemoteKeysConfig configures RemoteKeys.
type RemoteKeysConfig struct {
	// URL is the address of the JWK Set. It must be https; see InsecureLoopback.
	// Required.
	URL string
	// Client provides the Transport; its other fields are ignored. An
	// *http.Transport is copied and made to dial public addresses only, unless
	// AllowPrivateNetworks is set; any other RoundTripper must guard itself. Defaults
	// to a transport without a proxy.
	Client *http.Client
	// Refresh is how often the set is fetched. A key that the issuer removes, because an
	// attacker may have its private half, is accepted for that long. Defaults to 1 minute.
	Refresh time.Duration
	// MinRefetch is the minimum time between two fetches that are caused by unknown
	// key ids or by failures, besides those of Refresh. One more may follow such a fetch at
	// once, if a token with an unknown key id has arrived since the fetch began. Defaults to 30
	// seconds. While there are no keys that can be used, the pauses are shorter: 250
	// milliseconds, doubling to 5 seconds.
	MinRefetch time.Duration
	// MaxStale is how long the last good set is used while fetching fails, counted
	// from its fetch. Defaults to 24 hours.
	MaxStale time.Duration
	// File is the path of a file that keeps the last good set, so that a program that
	// restarts while the issuer is down can verify tokens. It has the public keys, the URL
	// and the time of a fetch at most an hour before the last one. A set of another URL, or
	// one that is MaxStale old, is not used. A process that can write the file can forge
	// tokens. So the file is created with access for its owner only. It is not used if
	// other users may write it, or if its owner is neither the user of this program nor
	// root. Defaults to none.
	File string
	// Timeout bounds one fetch. Defaults to 5 seconds.
	Timeout time.Duration
	// MaxBytes bounds the size of the set. Defaults to 256 KiB.
	MaxBytes int64
	// MaxKeys bounds the number of keys. Defaults to 100.
	MaxKeys int
	// InsecureLoopback allows http and loopback addresses if the host of URL is
	// localhost or a loopback address. For development. Defaults to false.
	InsecureLoopback bool
	// AllowPrivateNetworks allows private, link-local and loopback addresses, for an
	// issuer in the same network. Defaults to false.
	AllowPrivateNetworks bool
	// Logger gets one record when fetching starts to fail and one when it works
	// again. Defaults to slog.Default().
	Logger *slog.Logger
	// Now is the clock that measures MaxStale. Defaults to time.Now.
	Now func() time.Time
}

func (cfg RemoteKeysConfig) complete() (RemoteKeysConfig, error) {
	for name, value := range map[string]int64{
		"Refresh": int64(cfg.Refresh), "MinRefetch": int64(cfg.MinRefetch), "MaxStale": int64(cfg.MaxStale),
		"Timeout": int64(cfg.Timeout), "MaxBytes": cfg.MaxBytes, "MaxKeys": int64(cfg.MaxKeys),
	} {
		if value < 0 {
			return cfg, fmt.Errorf("token: RemoteKeysConfig.%s is negative", name)
		}
	}
	cfg.Refresh = cmp.Or(cfg.Refresh, time.Minute)
	cfg.MinRefetch = cmp.Or(cfg.MinRefetch, 30*time.Second)
	cfg.MaxStale = cmp.Or(cfg.MaxStale, 24*time.Hour)
	cfg.Timeout = cmp.Or(cfg.Timeout, 5*time.Second)
	cfg.MaxBytes = min(cmp.Or(cfg.MaxBytes, 256<<10), noLimit)
	cfg.MaxKeys = cmp.Or(cfg.MaxKeys, defaultMaxKeys)
	cfg.Logger = logs.Guard(cmp.Or(cfg.Logger, slog.Default()))
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return cfg, nil
}

// RemoteKeys is the KeySource of an issuer that publishes a JWK Set. It fetches the set
// every Refresh, and when a token names an unknown key, but never from an address that a
// token names. It is safe for concurrent use.
type RemoteKeys struct {
	cfg RemoteKeysConfig
	set atomic.Pointer[remoteSet]

	ctx       context.Context // ends when Close is called
	cancel    context.CancelFunc
	opened    chan struct{}   // closed when keyfunc is set
	keyfunc   keyfunc.Keyfunc // decides when to fetch, through checkedTransport
	transport http.RoundTripper
	fetches   singleflight.Group
	limiter   *rate.Limiter // of the fetches for unknown key ids and after failures
	followUps *rate.Limiter // of the fetches that follow one of those at once
	asked     atomic.Pointer[askedKey]
	pause     atomic.Int64 // a time.Duration: how long to wait after a failure
	log       outageLog    // used by one flight at a time
	writtenAt time.Time    // of the last set for File; used by one flight at a time

	toWrite chan fetchedSet // has the set that waits for being written to File
	filed   chan struct{}   // closed when nothing is written any more
	fileLog outageLog       // used by the goroutine of keepFile
}

// askedKey is an unknown key id that a caller asked for.
type askedKey struct {
	id string
	at time.Time
}

// remoteSet is the outcome of a good fetch. It never changes.
type remoteSet struct {
	keys       map[string]PublicKey
	began      time.Time // when the fetch began; zero for a set from the file
	fetchedAt  time.Time
	generation uint64
}

func newRemoteSet(keys []PublicKey, fetchedAt time.Time) *remoteSet {
	s := &remoteSet{keys: make(map[string]PublicKey, len(keys)), fetchedAt: fetchedAt, generation: 1}
	for _, k := range keys {
		s.keys[k.ID] = k
	}
	return s
}

// OpenRemoteKeys fetches the set and starts to refresh it in the background until
// Close is called. ctx bounds the first fetch only. An issuer that is down is not an
// error: tokens fail with ErrUnavailable until a fetch works, unless
// RemoteKeysConfig.File has keys that can be used. The error is about the
// configuration, or is that of ctx.
func OpenRemoteKeys(ctx context.Context, cfg RemoteKeysConfig) (*RemoteKeys, error) {
	cfg, err := cfg.complete()
	if err != nil {
		return nil, err
	}
	source := remoteSource{"RemoteKeysConfig", cfg.URL, cfg.Client, cfg.InsecureLoopback, cfg.AllowPrivateNetworks}
	transport, host, err := source.newTransport(false)
	if err != nil {
		return nil, err
	}
	r := &RemoteKeys{
		cfg: cfg, transport: transport, opened: make(chan struct{}),
		toWrite: make(chan fetchedSet, 1), filed: make(chan struct{}),
		limiter: rate.NewLimiter(rate.Every(cfg.MinRefetch), 1), followUps: rate.NewLimiter(rate.Every(cfg.MinRefetch), 1),
		log:     outageLog{logger: cfg.Logger, host: host, end: "the issuer's keys are fetched again"},
		fileLog: outageLog{logger: cfg.Logger, host: host, end: "the file of the issuer's keys is written again"},
	}
	r.readFile()
	r.ctx, r.cancel = context.WithCancel(context.Background())
	r.keepFile()
	stop := context.AfterFunc(ctx, r.cancel)
	r.keyfunc, err = keyfunc.NewDefaultOverrideCtx(r.ctx, []string{cfg.URL}, keyfunc.Override{
		Client:                  &http.Client{Transport: checkedTransport{r}},
		HTTPTimeout:             cfg.Timeout,
		RateLimitWaitMax:        cfg.Timeout, // of the wait for the limiter and the fetch together
		RefreshInterval:         cfg.Refresh,
		RefreshUnknownKID:       r.limiter,
		RefreshErrorHandlerFunc: func(string) func(context.Context, error) { return r.retry },
	})
	close(r.opened)
	if !stop() {
		err = ctx.Err()
	}
	if err != nil {
		r.cancel()
		return nil, fmt.Errorf("token: open remote keys: %w", err)
	}
	return r, nil
}

// Close ends the fetching, and waits for the file to be written. The keys remain usable until
// they are MaxStale old.
func (r *RemoteKeys) Close() {
	r.cancel()
	<-r.filed
}

// PublicKey implements KeySource. It answers from memory if the key id is known.
// Otherwise it waits up to 150 milliseconds for a fetch, if the last one is long enough
// ago; see RemoteKeysConfig.MinRefetch.
func (r *RemoteKeys) PublicKey(ctx context.Context, kid string) (PublicKey, error) {
	key, err := r.lookup(kid)
	if err == nil {
		return key, nil
	}
	// keyfunc would fetch in the goroutine of one caller, without a limit on the time,
	// and refuse the others. Here all callers share one fetch and wait up to maxWait.
	r.asked.Store(&askedKey{kid, time.Now()})
	fetched := r.fetches.DoChan("refetch", r.refetch)
	timeout := time.NewTimer(maxWait)
	defer timeout.Stop()
	select {
	case <-fetched:
	case <-timeout.C:
	case <-ctx.Done():
		return PublicKey{}, ctx.Err()
	}
	return r.lookup(kid)
}

// refetch makes keyfunc fetch the set, within the limit for unknown key ids: it asks
// keyfunc for an id that no key has.
func (r *RemoteKeys) refetch() (any, error) {
	<-r.opened
	if r.ctx.Err() != nil {
		return nil, r.ctx.Err()
	}
	if r.limiter.Tokens() < 0.99 { // keyfunc would wait, and have less time for the fetch
		return nil, nil
	}
	before := r.set.Load()
	_, err := r.keyfunc.Storage().KeyRead(r.ctx, "")
	if set := r.set.Load(); set != before && r.askedSince(set) && r.followUps.Allow() {
		return nil, r.fetchAgain()
	}
	return nil, err
}

// askedSince reports whether a caller has asked for a key that the set lacks after its
// fetch began: the issuer may have published the key meanwhile.
func (r *RemoteKeys) askedSince(set *remoteSet) bool {
	asked := r.asked.Load()
	if asked == nil || !set.began.Before(asked.at) {
		return false
	}
	_, known := set.keys[asked.id]
	return !known
}

// fetchAgain fetches the set without keyfunc, whose limit has just been used up.
func (r *RemoteKeys) fetchAgain() error {
	ctx, cancel := context.WithTimeout(r.ctx, r.cfg.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.cfg.URL, nil)
	if err != nil {
		return err
	}
	answer, err := checkedTransport{r}.RoundTrip(req)
	if err != nil {
		return err
	}
	return answer.Body.Close()
}

// Generation changes when the keys do. It is zero if there are no keys, or if they
// are older than MaxStale.
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

// fresh returns the last good set, or nil if it is too old. keyfunc does not do this:
// it keeps a set for as long as the issuer is down, and has no generations.
func (r *RemoteKeys) fresh() *remoteSet {
	set := r.set.Load()
	if set == nil || r.cfg.Now().Sub(set.fetchedAt) >= r.cfg.MaxStale {
		return nil
	}
	return set
}

// checkedTransport is the transport of keyfunc's client. It checks the answer of the
// issuer and passes on the keys that can verify tokens. keyfunc does not do
// this: it limits neither the size nor the number of keys, accepts duplicate members
// and private keys, and drops the whole set for one key that it cannot read.
type checkedTransport struct{ *RemoteKeys }

// RoundTrip lets requests at the same time share one answer, so that an older answer
// never replaces a newer one.
func (r checkedTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	set, err, _ := r.fetches.Do("fetch", func() (any, error) {
		set, err := r.fetch(req)
		if r.ctx.Err() == nil { // otherwise Close ended the fetch
			r.report(err)
		}
		return set, err
	})
	if err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(bytes.NewReader(set.([]byte))), Request: req}, nil
}

// report logs the outcome of a fetch, and decides when the next one may follow.
func (r *RemoteKeys) report(err error) {
	pause, start := r.cfg.MinRefetch, "cannot fetch the issuer's keys; the last good ones stay in use"
	if err != nil && r.fresh() == nil {
		start = "cannot fetch the issuer's keys, and no keys are known; sessions cannot be validated"
		pause = min(max(2*time.Duration(r.pause.Load()), minPause), maxPause, r.cfg.MinRefetch)
	}
	r.pause.Store(int64(pause))
	if err != nil {
		r.limiter.Allow() // the next attempt follows after the pause
	}
	r.limiter.SetLimit(rate.Every(pause))
	r.log.report(err, start)
}

// fetch puts the keys of the issuer in place and returns them as a JWK Set.
func (r *RemoteKeys) fetch(req *http.Request) ([]byte, error) {
	req = req.Clone(req.Context())
	req.Header.Set("Accept", "application/jwk-set+json, application/json")
	began := time.Now()
	_, body, err := roundTrip(r.transport, req, r.cfg.MaxBytes, http.StatusOK)
	if err != nil {
		return nil, err
	}
	keys, err := parseKeys(body, r.cfg.MaxKeys)
	if err != nil {
		return nil, err
	}
	if len(keys) == 0 {
		return nil, errors.New("the set has no key that can verify tokens")
	}
	next, changed := newRemoteSet(keys, r.cfg.Now()), true
	next.began = began
	if old := r.set.Load(); old != nil {
		next.generation = old.generation
		if changed = !maps.EqualFunc(old.keys, next.keys, equalKeys); changed {
			next.generation++
		}
	}
	r.set.Store(next)
	set, err := marshalKeys(keys)
	if err == nil && (changed || next.fetchedAt.Sub(r.writtenAt) >= fileInterval) {
		r.writeLater(fetchedSet{set, next.fetchedAt})
		r.writtenAt = next.fetchedAt
	}
	return set, err
}

// retry fetches the set again after a pause. keyfunc would wait for the next Refresh.
func (r *RemoteKeys) retry(context.Context, error) {
	time.AfterFunc(time.Duration(r.pause.Load()), func() { _, _, _ = r.fetches.Do("refetch", r.refetch) })
}
