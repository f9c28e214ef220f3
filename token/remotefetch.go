package token

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// client builds the HTTP client of the one URL.
func (cfg RemoteConfig) client(host string) (*http.Client, error) {
	client := &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	var lent http.RoundTripper
	if cfg.Client != nil {
		lent = cfg.Client.Transport
	}
	transport := &http.Transport{ForceAttemptHTTP2: true}
	if lent != nil {
		own, ok := lent.(*http.Transport)
		if !ok {
			client.Transport = lent
			return client, nil
		}
		if own.TLSClientConfig != nil && own.TLSClientConfig.InsecureSkipVerify {
			return nil, errors.New("token: RemoteConfig.Client skips the verification of TLS certificates")
		}
		transport = own.Clone()
	}
	transport.DisableKeepAlives = true // one request an hour
	if !cfg.AllowPrivateNetworks {
		transport.DialContext = guardedDialer(cfg.InsecureLoopback && loopbackHost(host)).DialContext
		transport.DialTLSContext = nil
		//lint:ignore SA1019 deprecated, and still called for https where it is set
		transport.DialTLS = nil
		transport.Proxy = nil // it would be dialled in the issuer's place
	}
	client.Transport = transport
	return client, nil
}

// fetch gets the set once. On an error the known keys stay.
func (r *RemoteKeys) fetch(ctx context.Context) error {
	keys, err := r.download(ctx)
	if err != nil {
		return err
	}
	next := &remoteSet{keys: make(map[string]PublicKey, len(keys)), fetchedAt: r.cfg.Now(), generation: 1}
	for _, k := range keys {
		next.keys[k.ID] = k
	}
	if old := r.set.Load(); old != nil {
		next.generation = old.generation
		if !sameKeys(old.keys, next.keys) {
			next.generation++
		}
	}
	r.set.Store(next)
	return nil
}

func (r *RemoteKeys) download(ctx context.Context) ([]PublicKey, error) {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.cfg.URL, nil)
	if err != nil {
		return nil, fmt.Errorf("token: fetch keys: %w", err)
	}
	req.Header.Set("Accept", "application/jwk-set+json, application/json")
	resp, err := r.client.Do(req)
	if err != nil {
		var wrapped *url.Error // whose text repeats the whole URL
		if errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		return nil, fmt.Errorf("token: fetch keys: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("token: fetch keys: status %d", resp.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, r.cfg.MaxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("token: fetch keys: %w", err)
	}
	if int64(len(body)) > r.cfg.MaxBytes {
		return nil, fmt.Errorf("token: fetch keys: the answer is over %d bytes", r.cfg.MaxBytes)
	}
	return parseKeys(body, r.cfg.MaxKeys)
}

func sameKeys(a, b map[string]PublicKey) bool {
	if len(a) != len(b) {
		return false
	}
	for id, key := range a {
		if other, ok := b[id]; !ok || !equalKeys(key, other) {
			return false
		}
	}
	return true
}
