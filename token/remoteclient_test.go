package token_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/usherkit/usher/token"
)

func TestJK02_NetworkGuards(t *testing.T) {
	key := newKey(t, token.ES256)
	set := newKeySet(t, key.Public()).JSON()
	var hits atomic.Int64
	answer := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		hits.Add(1)
		_, _ = w.Write(set)
	})
	secure, plain := httptest.NewUnstartedServer(answer), httptest.NewServer(answer)
	secure.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) // of failed handshakes
	secure.StartTLS()
	defer secure.Close()
	defer plain.Close()
	redirect := httptest.NewTLSServer(http.RedirectHandler(secure.URL, http.StatusFound))
	defer redirect.Close()

	for _, c := range []struct {
		name string
		cfg  token.RemoteKeysConfig
		ok   bool
	}{
		{"trusted certificate, loopback not allowed", token.RemoteKeysConfig{URL: secure.URL, Client: secure.Client()}, false},
		{"trusted certificate, private networks allowed", token.RemoteKeysConfig{URL: secure.URL, Client: secure.Client(), AllowPrivateNetworks: true}, true},
		{"trusted certificate, loopback allowed", token.RemoteKeysConfig{URL: secure.URL, Client: secure.Client(), InsecureLoopback: true}, true},
		{"self-signed certificate", token.RemoteKeysConfig{URL: secure.URL, AllowPrivateNetworks: true}, false},
		{"redirect", token.RemoteKeysConfig{URL: redirect.URL, Client: redirect.Client(), AllowPrivateNetworks: true}, false},
		{"http on loopback", token.RemoteKeysConfig{URL: plain.URL, InsecureLoopback: true}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			hits.Store(0)
			c.cfg.Logger = slog.New(slog.DiscardHandler)
			r, err := token.OpenRemoteKeys(t.Context(), c.cfg)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			for range 20 { // each call waits for the first fetch
				if _, err = r.PublicKey(t.Context(), key.ID); err == nil {
					break
				}
			}
			if (err == nil) != c.ok || (hits.Load() > 0) != c.ok {
				t.Errorf("%v, %d requests served", err, hits.Load())
			}
		})
	}

	lax := secure.Client()
	lax.Transport.(*http.Transport).TLSClientConfig.InsecureSkipVerify = true
	if _, err := token.OpenRemoteKeys(t.Context(), token.RemoteKeysConfig{URL: secure.URL, Client: lax}); err == nil {
		t.Error("a client that verifies no certificate was accepted")
	}
}

func TestJK02_PrivateAddressesAreNotDialled(t *testing.T) {
	for _, host := range []string{
		"127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0", "100.64.0.1", "198.18.0.1", "224.0.0.1", "255.255.255.255",
		"::1", "fe80::1", "fc00::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "::", "ff02::1",
	} {
		var log errorLog
		r, err := token.OpenRemoteKeys(t.Context(), token.RemoteKeysConfig{URL: "https://" + net.JoinHostPort(host, "9"), Logger: slog.New(&log)})
		if err != nil {
			t.Fatal(err)
		}
		_, _ = r.PublicKey(t.Context(), "k") // waits for the fetch, which fails at once
		r.Close()
		if text := log.text.Load(); text == nil || !strings.Contains(*text, "address is not public") {
			t.Errorf("%s: %v", host, text)
		}
	}
}

// The dialers of the transport that Client provides are not used.
func TestJK02_LentDialersAreNotUsed(t *testing.T) {
	var dialled atomic.Int32
	dial := func(string, string) (net.Conn, error) { dialled.Add(1); return nil, errors.New("dialled") }
	dialContext := func(context.Context, string, string) (net.Conn, error) { return dial("", "") }
	//lint:ignore SA1019 the deprecated ones must not be used, too
	lent := &http.Transport{Dial: dial, DialContext: dialContext, DialTLS: dial, DialTLSContext: dialContext}
	var log errorLog
	r, err := token.OpenRemoteKeys(t.Context(), token.RemoteKeysConfig{
		URL: "https://127.0.0.1:9", Client: &http.Client{Transport: lent}, Logger: slog.New(&log),
	})
	if err != nil {
		t.Fatal(err)
	}
	_, _ = r.PublicKey(t.Context(), "k")
	r.Close()
	if text := log.text.Load(); dialled.Load() != 0 || text == nil || !strings.Contains(*text, "address is not public") {
		t.Errorf("dialled %d times, %v", dialled.Load(), text)
	}
}

// errorLog keeps the last error.
type errorLog struct {
	slog.Handler
	text atomic.Pointer[string]
}

func (l *errorLog) Enabled(context.Context, slog.Level) bool { return true }
func (l *errorLog) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		text := fmt.Sprint(a.Value.Any())
		l.text.Store(&text)
		return a.Key != "error"
	})
	return nil
}
