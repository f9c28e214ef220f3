package token_test

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usherkit/usher/token"
)

// An attacker has a private key, and the issuer has removed it.
func TestJK12_ARemovedKeyIsForgottenWithinAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stolen, next := newKey(t, token.ES256), newKey(t, token.ES256)
		o := &origin{answer: serve(newKeySet(t, stolen.Public()).JSON())}
		r := openWith(t, o, token.RemoteKeysConfig{})
		v := trusting(t, r)
		forged := token.Secret(session(t, stolen, 10*time.Hour))
		for range 2 { // the second is in the cache
			if _, err := v.ValidateSession(t.Context(), forged); err != nil {
				t.Fatal(err)
			}
		}
		o.set(serve(newKeySet(t, next.Public()).JSON()))
		time.Sleep(61 * time.Second)
		synctest.Wait()
		if _, err := v.ValidateSession(t.Context(), forged); !errors.Is(err, token.ErrInvalid) {
			t.Errorf("a minute after the key was removed: %v", err)
		}
		r.Close()
	})
}

// A shared cache between the verifier and the issuer answers with what it has, unless the
// request says that it must ask the issuer.
func TestJK12_CachesBeforeTheIssuerAreAskedToRevalidate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old, next := newKey(t, token.ES256), newKey(t, token.ES256)
		cached := func(fresh, stale []byte) func(*http.Request) (*http.Response, error) {
			return func(req *http.Request) (*http.Response, error) {
				if req.Header.Get("Cache-Control") == "no-cache" {
					return serve(fresh)(req)
				}
				return serve(stale)(req)
			}
		}
		keys := newKeySet(t, old.Public()).JSON()
		o := &origin{answer: cached(keys, keys)}
		r := openWith(t, o, token.RemoteKeysConfig{})
		v := trusting(t, r)
		o.set(cached(newKeySet(t, next.Public()).JSON(), keys))
		if _, err := v.ValidateSession(t.Context(), token.Secret(session(t, next, time.Hour))); err != nil {
			t.Errorf("the first token of a new key: %v", err)
		}
		if _, err := v.ValidateSession(t.Context(), token.Secret(session(t, old, time.Hour))); !errors.Is(err, token.ErrInvalid) {
			t.Errorf("a token of the removed key: %v", err)
		}
		r.Close()

		fresh, stale := []byte(`{"revocations":[{"sid":"s1","until":4102444800}]}`), []byte(`{"revocations":[]}`)
		list, err := token.OpenRemoteRevocations(t.Context(), token.RemoteRevocationsConfig{
			URL: "https://idp.test/revocations", Client: &http.Client{Transport: &origin{answer: cached(fresh, stale)}},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer list.Close()
		if !list.List().Revoked("s1") {
			t.Error("the list of revoked sessions is that of the cache")
		}
	})
}

// The regular fetches are more frequent than MinRefetch allows the others to be. They
// must not keep a new key waiting.
func TestJK03_ARegularFetchDelaysNoNewKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old, next := newKey(t, token.ES256), newKey(t, token.ES256)
		o := &origin{answer: serve(newKeySet(t, old.Public()).JSON())}
		r := openWith(t, o, token.RemoteKeysConfig{})
		v := trusting(t, r)
		time.Sleep(time.Minute + time.Second) // a second after a regular fetch
		synctest.Wait()
		o.set(serve(newKeySet(t, next.Public()).JSON()))
		if _, err := v.ValidateSession(t.Context(), token.Secret(session(t, next, time.Hour))); err != nil {
			t.Errorf("the first token of a new key: %v", err)
		}
		r.Close()
	})
}

func TestJK11_TheFileIsWrittenForNewKeysAndOnceAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "keys.json")
		old, next := newKey(t, token.ES256), newKey(t, token.ES256)
		o := &origin{answer: serve(newKeySet(t, old.Public()).JSON())}
		r := openWith(t, o, token.RemoteKeysConfig{File: file})
		began := time.Now()
		written := func() time.Duration {
			t.Helper()
			synctest.Wait()
			text, err := os.ReadFile(file)
			var content struct{ FetchedAt time.Time }
			if err != nil || json.Unmarshal(text, &content) != nil {
				t.Fatalf("%v: %s", err, text)
			}
			return content.FetchedAt.Sub(began)
		}
		time.Sleep(55 * time.Minute)
		if at := written(); at != 0 {
			t.Errorf("the same keys were written again after %s", at)
		}
		time.Sleep(10 * time.Minute)
		if at := written(); at < time.Hour || at > 62*time.Minute {
			t.Errorf("the file of an hour ago is of %s", at)
		}
		o.set(serve(newKeySet(t, next.Public()).JSON()))
		time.Sleep(61 * time.Second)
		synctest.Wait()
		text, err := os.ReadFile(file)
		if err != nil || !strings.Contains(string(text), next.ID) {
			t.Errorf("new keys are not in the file: %v", err)
		}
		r.Close()
	})
}

func openWith(t *testing.T, o *origin, cfg token.RemoteKeysConfig) *token.RemoteKeys {
	t.Helper()
	cfg.URL, cfg.Client, cfg.Logger = "https://idp.test/keys", &http.Client{Transport: o}, slog.New(slog.DiscardHandler)
	r, err := token.OpenRemoteKeys(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

// A token of a new key arrives during a fetch that began before the rotation. Another fetch
// follows that one, and unknown key ids cause at most these two in 30 seconds.
func TestJK03_AFetchThatBeganBeforeTheRotationIsFollowedByAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old, next := newKey(t, token.ES256), newKey(t, token.ES256)
		slow := func(set []byte) func(*http.Request) (*http.Response, error) {
			return func(r *http.Request) (*http.Response, error) {
				time.Sleep(50 * time.Millisecond)
				return serve(set)(r)
			}
		}
		r := openRemote(t, slow(newKeySet(t, old.Public()).JSON()))
		v := trusting(t, r)
		time.Sleep(time.Minute)
		raw, fetches := session(t, next, time.Hour), r.fetches.Load()
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = r.PublicKey(t.Context(), "random") })
		time.Sleep(20 * time.Millisecond) // the fetch that runs answers without the new key
		r.set(slow(newKeySet(t, old.Public(), next.Public()).JSON()))
		for range 64 {
			wg.Go(func() {
				if _, err := v.ValidateSession(t.Context(), token.Secret(raw)); err != nil {
					t.Errorf("a token of the new key: %v", err)
				}
			})
		}
		wg.Wait()
		if n := r.fetches.Load() - fetches; n != 2 {
			t.Errorf("%d fetches, want 2", n)
		}
		fetches = r.fetches.Load()
		for range 6000 { // two minutes
			wg.Go(func() { _, _ = r.PublicKey(t.Context(), "random") })
			time.Sleep(20 * time.Millisecond)
		}
		wg.Wait()
		if n := r.fetches.Load() - fetches; n > 10 {
			t.Errorf("%d fetches in two minutes of random key ids", n)
		}
		r.Close()
	})
}
