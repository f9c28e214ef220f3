package token_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usherkit/usher/internal/signing"
	"github.com/usherkit/usher/token"
)

type remote struct {
	*origin
	*token.RemoteKeys
	log counter
}

func openRemote(t *testing.T, answer func(*http.Request) (*http.Response, error)) *remote {
	t.Helper()
	r := &remote{origin: &origin{answer: answer}}
	var err error
	r.RemoteKeys, err = token.OpenRemoteKeys(t.Context(), token.RemoteKeysConfig{
		URL: "https://idp.test/keys", Client: &http.Client{Transport: r.origin}, Logger: slog.New(&r.log),
		Refresh: time.Hour, // so that the other fetches can be counted
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

// trusting returns a verifier that trusts an issuer with these keys, on the real clock.
func trusting(t *testing.T, keys token.KeySource) *token.Verifier {
	t.Helper()
	v, err := token.NewVerifier(token.VerifierConfig{Issuers: []token.Issuer{{URL: testIssuer, Audiences: []string{testAudience}, Keys: keys}}})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func session(t *testing.T, k *signing.Key, life time.Duration) string {
	t.Helper()
	return sign(t, k, signing.Claims{
		Type: token.TypeSession, Issuer: testIssuer, Audience: []string{testAudience}, Subject: "u1", SessionID: "s1", ID: "j1",
		IssuedAt: time.Now(), ExpiresAt: time.Now().Add(life),
	})
}

func TestJK01_OnlyHTTPSFromConfiguration(t *testing.T) {
	for _, c := range []struct {
		url      string
		loopback bool
		ok       bool
	}{
		{"https://idp.test/keys", false, true},
		{"http://idp.test/keys", false, false},
		{"http://idp.test/keys", true, false},
		{"http://127.0.0.1:1/keys", false, false},
		{"http://127.0.0.1:1/keys", true, true},
		{"http://[::1]:1/keys", true, true},
		{"http://localhost:1/keys", true, true},
		{"http://localhost.evil.test/keys", true, false},
		{"http://192.0.2.1:1/keys", true, false},
		{"http://127.0.0.1.evil.test/keys", true, false},
		{"", false, false}, {"idp.test/keys", false, false}, {"file:///etc/passwd", true, false}, {"ftp://idp.test/", true, false},
		{"https:///keys", false, false}, {"https://user:pass@idp.test/keys", false, false}, {"https://idp.test/#x", false, false}, {"https://%zz/", false, false},
	} {
		r, err := token.OpenRemoteKeys(t.Context(), token.RemoteKeysConfig{URL: c.url, InsecureLoopback: c.loopback, Client: &http.Client{Transport: &origin{answer: down}}, Logger: slog.New(slog.DiscardHandler)})
		if (err == nil) != c.ok {
			t.Errorf("%q with InsecureLoopback %v: %v", c.url, c.loopback, err)
		}
		if err == nil {
			r.Close()
		} else if strings.Contains(err.Error(), "pass") {
			t.Errorf("the error repeats the password: %v", err)
		}
	}
	for _, cfg := range []token.RemoteKeysConfig{{Refresh: -1}, {MinRefetch: -1}, {MaxStale: -1}, {Timeout: -1}, {MaxBytes: -1}, {MaxKeys: -1}} {
		cfg.URL = "https://idp.test/keys"
		if _, err := token.OpenRemoteKeys(t.Context(), cfg); err == nil {
			t.Errorf("%+v was accepted", cfg)
		}
	}
}

func TestJK02_BadAnswersKeepTheOldKeys(t *testing.T) {
	padded := `{"keys":[]}` + strings.Repeat(" ", 256<<10) // whole within the limit, and longer
	many := `{"keys":[` + strings.Repeat("{},", 100) + `{}]}`
	for name, bad := range map[string]func(*http.Request) (*http.Response, error){
		"redirect": func(*http.Request) (*http.Response, error) {
			r := body(302, strings.NewReader(""))
			r.Header.Set("Location", "http://169.254.169.254/")
			return r, nil
		},
		"endless stream": func(*http.Request) (*http.Response, error) { return body(200, endless{}), nil },
		"hanging": func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		},
		"down":          down,
		"error page":    func(*http.Request) (*http.Response, error) { return body(500, strings.NewReader(`{"keys":[]}`)), nil },
		"no set":        func(*http.Request) (*http.Response, error) { return body(200, strings.NewReader(`<html>`)), nil },
		"too long":      func(*http.Request) (*http.Response, error) { return body(200, strings.NewReader(padded)), nil },
		"too many keys": func(*http.Request) (*http.Response, error) { return body(200, strings.NewReader(many)), nil },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				key := newKey(t, token.ES256)
				good := serve(newKeySet(t, key.Public()).JSON())
				r := openRemote(t, good)
				synctest.Wait()
				v := trusting(t, r)
				r.set(bad)
				time.Sleep(2 * time.Hour)
				synctest.Wait()
				if n := r.log.events.Load(); n != 1 {
					t.Errorf("%d log events, want 1", n)
				}
				if _, err := v.ValidateSession(t.Context(), token.Secret(session(t, key, time.Minute))); err != nil {
					t.Errorf("a good token: %v", err)
				}
				if n := r.fetches.Load(); n < 50 || n > 125 {
					t.Errorf("%d fetches in an hour of failures", n)
				}
				r.set(good)
				time.Sleep(time.Minute)
				synctest.Wait()
				if n := r.log.events.Load(); n != 2 {
					t.Errorf("%d log events after the end of the outage, want 2", n)
				}
				r.Close()
			})
		})
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestJK03_UnknownKidsCostNeitherFetchesNorTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key := newKey(t, token.ES256)
		set := newKeySet(t, key.Public()).JSON()
		slow := func(r *http.Request) (*http.Response, error) {
			time.Sleep(time.Second) // longer than any caller waits
			return serve(set)(r)
		}
		r := openRemote(t, slow)
		v := trusting(t, r)
		time.Sleep(time.Minute)
		before := r.fetches.Load()
		good := session(t, key, time.Hour)

		var wg sync.WaitGroup
		for i := range 1000 {
			unknown := *newKey(t, token.EdDSA)
			unknown.ID = fmt.Sprintf("random-%d", i)
			raw := session(t, &unknown, time.Hour)
			wg.Go(func() {
				began := time.Now()
				if _, err := v.ValidateSession(t.Context(), token.Secret(raw)); !errors.Is(err, token.ErrInvalid) {
					t.Errorf("random kid: %v", err)
				}
				if took := time.Since(began); took > 200*time.Millisecond {
					t.Errorf("random kid answered after %v", took)
				}
			})
			wg.Go(func() {
				began := time.Now()
				if _, err := v.ValidateSession(t.Context(), token.Secret(good)); err != nil || time.Since(began) > 50*time.Millisecond {
					t.Errorf("a good token meanwhile: %v after %v", err, time.Since(began))
				}
			})
		}
		wg.Wait()
		if n := r.fetches.Load() - before; n > 1 {
			t.Errorf("%d fetches", n)
		}
		time.Sleep(2 * time.Second) // the refetch is over, the next is not allowed yet
		began := time.Now()
		unknown := newKey(t, token.ES256)
		if _, err := v.ValidateSession(t.Context(), token.Secret(session(t, unknown, time.Hour))); !errors.Is(err, token.ErrInvalid) || time.Since(began) != 0 {
			t.Errorf("not refused at once: %v after %v", err, time.Since(began))
		}
		r.Close()
	})
}

// The first token after a rotation is accepted, and random key ids cause at most
// one fetch per interval.
func TestJK03_FirstTokenAfterARotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old, next := newKey(t, token.ES256), newKey(t, token.ES256)
		r := openRemote(t, serve(newKeySet(t, old.Public()).JSON()))
		v := trusting(t, r)
		if _, err := v.ValidateSession(t.Context(), token.Secret(session(t, old, time.Hour))); err != nil {
			t.Fatalf("the first token of all: %v", err) // it waits for the first fetch
		}
		time.Sleep(time.Minute)
		r.set(func(req *http.Request) (*http.Response, error) {
			time.Sleep(100 * time.Millisecond)
			return serve(newKeySet(t, old.Public(), next.Public()).JSON())(req)
		})
		raw := session(t, next, time.Hour)
		var wg sync.WaitGroup
		for range 64 {
			wg.Go(func() {
				if _, err := v.ValidateSession(t.Context(), token.Secret(raw)); err != nil {
					t.Errorf("after the rotation: %v", err)
				}
			})
		}
		wg.Wait()
		if n := r.fetches.Load(); n != 2 || r.Generation() == 0 {
			t.Errorf("%d fetches, want 2; generation %d", n, r.Generation())
		}
		before := r.fetches.Load()
		for range 600 { // ten minutes of a random kid every second
			_, _ = r.PublicKey(t.Context(), "random")
			time.Sleep(time.Second)
		}
		if n := r.fetches.Load() - before; n > 21 {
			t.Errorf("%d fetches in ten minutes", n)
		}
		r.Close()
	})
}

func TestJK04_NoKeysNoEntry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key := newKey(t, token.ES256)
		r := openRemote(t, down)
		v := trusting(t, r)
		unavailable := func(when string) {
			t.Helper()
			claims, err := v.ValidateSession(t.Context(), token.Secret(session(t, key, time.Hour)))
			if claims != nil || !errors.Is(err, token.ErrUnavailable) || errors.Is(err, token.ErrInvalid) || r.Generation() != 0 {
				t.Errorf("%s: %v, %v", when, claims, err)
			}
		}
		unavailable("before the first good fetch")
		r.set(serve(newKeySet(t).JSON()))
		time.Sleep(time.Minute)
		unavailable("with a set that has no key")
		r.set(serve(newKeySet(t, key.Public()).JSON()))
		time.Sleep(time.Minute)
		synctest.Wait()
		long := session(t, key, 100*time.Hour)
		if _, err := v.ValidateSession(t.Context(), token.Secret(long)); err != nil {
			t.Fatalf("after the first good fetch: %v", err)
		}
		r.set(down)
		for range 22 {
			time.Sleep(time.Hour)
			if _, err := v.ValidateSession(t.Context(), token.Secret(long)); err != nil {
				t.Fatalf("during the outage: %v", err)
			}
		}
		_, _ = v.ValidateSession(t.Context(), token.Secret(long)) // it is in the cache when the keys grow stale
		time.Sleep(2*time.Hour + time.Minute)
		unavailable("after 24 hours")
		if _, err := v.ValidateSession(t.Context(), token.Secret(long)); !errors.Is(err, token.ErrUnavailable) {
			t.Errorf("a cached token outlived the keys: %v", err)
		}
		r.set(serve(newKeySet(t, key.Public()).JSON()))
		time.Sleep(time.Minute)
		if _, err := v.ValidateSession(t.Context(), token.Secret(long)); err != nil {
			t.Errorf("after the outage: %v", err)
		}
		r.Close()
	})
}

func TestRemoteKeys_CallersContextAndClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := openRemote(t, down)
		r.set(func(req *http.Request) (*http.Response, error) {
			<-req.Context().Done()
			return nil, req.Context().Err()
		})
		time.Sleep(30*time.Second + 1) // the next fetch hangs
		before := r.log.events.Load()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		if _, err := r.PublicKey(ctx, "k"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v, want the caller's deadline", err)
		}
		r.Close()
		r.Close()
		for range 3 {
			if _, err := r.PublicKey(t.Context(), "k"); !errors.Is(err, token.ErrNoKeys) {
				t.Errorf("after Close: %v", err)
			}
		}
		synctest.Wait()
		if n := r.log.events.Load() - before; n != 0 {
			t.Errorf("closing was reported as %d failures", n)
		}
	})
}

// The context of OpenRemoteKeys bounds the first fetch, and ends nothing later.
func TestOpenRemoteKeys_Context(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key := newKey(t, token.ES256)
		answers := serve(newKeySet(t, key.Public()).JSON())
		cfg := token.RemoteKeysConfig{URL: "https://idp.test/keys", Logger: slog.New(slog.DiscardHandler)}
		ctx, cancel := context.WithCancel(t.Context())
		o := &origin{answer: answers}
		cfg.Client = &http.Client{Transport: o}
		r, err := token.OpenRemoteKeys(ctx, cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		cancel()
		time.Sleep(3 * time.Hour)
		if n := o.fetches.Load(); n < 3 {
			t.Errorf("%d fetches in three hours", n)
		}

		ctx, cancel = context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		cfg.Client = &http.Client{Transport: &origin{answer: func(req *http.Request) (*http.Response, error) {
			<-req.Context().Done()
			return nil, req.Context().Err()
		}}}
		if _, err := token.OpenRemoteKeys(ctx, cfg); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a first fetch that hangs: %v", err)
		}
	})
}

func TestJK07_AKeyThatTheIssuerRemovedBitesAtTheNextFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old, next := newKey(t, token.ES256), newKey(t, token.ES256)
		r := openRemote(t, serve(newKeySet(t, old.Public(), next.Public()).JSON()))
		v := trusting(t, r)
		raw := session(t, old, 10*time.Hour)
		for range 2 {
			if _, err := v.ValidateSession(t.Context(), token.Secret(raw)); err != nil {
				t.Fatal(err)
			}
		}
		before := r.Generation()
		time.Sleep(65 * time.Minute)
		if _, err := v.ValidateSession(t.Context(), token.Secret(raw)); err != nil || r.Generation() != before {
			t.Errorf("the same keys again: %v, generation %d after %d", err, r.Generation(), before)
		}
		r.set(serve(newKeySet(t, next.Public()).JSON()))
		_, _ = v.ValidateSession(t.Context(), token.Secret(raw)) // it is in the cache when the key goes
		time.Sleep(58 * time.Minute)
		if _, err := v.ValidateSession(t.Context(), token.Secret(raw)); !errors.Is(err, token.ErrInvalid) {
			t.Errorf("served after the key was removed: %v", err)
		}
		r.Close()
	})
}
