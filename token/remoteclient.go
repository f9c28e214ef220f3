package token

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
)

// remoteSource is a URL that this package fetches, with the settings for that.
type remoteSource struct {
	config               string // the name of the configuration, for errors
	url                  string
	client               *http.Client
	insecureLoopback     bool
	allowPrivateNetworks bool
}

// newTransport checks the source. It returns the host of the URL, and a transport that dials
// public addresses only, unless private networks are allowed.
func (s remoteSource) newTransport(keepAlives bool) (transport http.RoundTripper, host string, err error) {
	u, err := url.Parse(s.url)
	if err != nil {
		return nil, "", fmt.Errorf("token: %s.URL does not parse", s.config) // err would repeat it
	}
	host = u.Hostname()
	loopback := s.insecureLoopback && loopbackHost(host)
	switch {
	case host == "":
		return nil, "", fmt.Errorf("token: %s.URL has no host", s.config)
	case u.User != nil || u.Fragment != "":
		return nil, "", fmt.Errorf("token: %s.URL must have neither a user nor a fragment", s.config)
	case u.Scheme == "https" || u.Scheme == "http" && loopback:
	default:
		return nil, "", fmt.Errorf("token: %s.URL must be https (http only to a loopback host, with InsecureLoopback)", s.config)
	}
	t := &http.Transport{ForceAttemptHTTP2: true}
	if s.client != nil && s.client.Transport != nil {
		given, ok := s.client.Transport.(*http.Transport)
		if !ok {
			return s.client.Transport, host, nil
		}
		if given.TLSClientConfig != nil && given.TLSClientConfig.InsecureSkipVerify {
			return nil, "", fmt.Errorf("token: %s.Client must verify TLS certificates", s.config)
		}
		t = given.Clone()
	}
	t.DisableKeepAlives = !keepAlives
	if !s.allowPrivateNetworks {
		t.DialContext = guardedDialer(loopback).DialContext
		t.DialTLSContext = nil
		//lint:ignore SA1019 deprecated, but still called for https if it is set
		t.DialTLS = nil
		t.Proxy = nil // it would be dialed instead of the issuer
	}
	return t, host, nil
}

// noLimit is the largest limit in bytes. With one near the largest int64, sums would overflow.
const noLimit = 1 << 40

var errOverLimit = errors.New("the answer is over the limit")

// roundTrip sends a request, follows no redirect, and reads a response of at most limit
// bytes. Any status except 200 and want is an error. A cache on the way has to ask the
// issuer (RFC 9111 §5.2.1.4), so that no key and no session stays valid longer because of
// it.
func roundTrip(transport http.RoundTripper, req *http.Request, limit int64, want int) (*http.Response, []byte, error) {
	req.Header.Set("Cache-Control", "no-cache")
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK && resp.StatusCode != want {
		return nil, nil, fmt.Errorf("status %d", resp.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err == nil && int64(len(body)) > limit {
		err = fmt.Errorf("%w of %d bytes", errOverLimit, limit)
	}
	return resp, body, err
}

// outageLog logs the start and the end of an outage, and in between only that its
// consequence has changed.
type outageLog struct {
	logger *slog.Logger
	host   string
	end    string // message
	last   string // the last message of a failure, or ""
}

// report takes the outcome of each fetch, and the message in case it failed. One
// goroutine at a time may call it.
func (o *outageLog) report(err error, message string) {
	switch {
	case err == nil && o.last != "":
		o.logger.Info(o.end, "host", o.host)
		o.last = ""
	case err != nil && o.last != message:
		o.logger.Warn(message, "host", o.host, "error", err)
		o.last = message
	}
}

// failing reports whether the last outcome was a failure.
func (o *outageLog) failing() bool { return o.last != "" }

func loopbackHost(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}

var errPrivateAddress = errors.New("address is not public")

// privateRanges are the networks that net/netip has no predicate for: shared
// address space, IETF protocol assignments, benchmarking, reserved, and the IPv6
// ranges that embed an IPv4 address (RFC 6890, RFC 6052, RFC 3056).
var privateRanges = func() []netip.Prefix {
	texts := []string{
		"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "198.18.0.0/15", "240.0.0.0/4",
		"64:ff9b::/96", "64:ff9b:1::/48", "2001::/23", "2002::/16", "fec0::/10",
	}
	prefixes := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		prefixes[i] = netip.MustParsePrefix(text)
	}
	return prefixes
}()

func publicAddress(addr netip.Addr) bool {
	addr = addr.Unmap()
	if !addr.IsGlobalUnicast() || addr.IsPrivate() {
		return false
	}
	for _, prefix := range privateRanges {
		if prefix.Contains(addr) {
			return false
		}
	}
	return true
}

// guardedDialer returns a dialer that refuses private addresses. It checks the resolved
// address just before the connection, so that a name cannot pass the check with one
// address and then resolve to another.
func guardedDialer(allowLoopback bool) *net.Dialer {
	return &net.Dialer{ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(address)
		if err != nil {
			return errPrivateAddress
		}
		if publicAddress(at.Addr()) || allowLoopback && at.Addr().Unmap().IsLoopback() {
			return nil
		}
		return errPrivateAddress
	}}
}
