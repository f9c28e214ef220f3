package token_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usherkit/usher/token"
)

// openWithFile opens remote keys that are kept in a file, and a verifier of them.
func openWithFile(t *testing.T, cfg token.RemoteKeysConfig, answer func(*http.Request) (*http.Response, error)) (r *token.RemoteKeys, log *bytes.Buffer) {
	t.Helper()
	log = &bytes.Buffer{}
	if cfg.URL == "" {
		cfg.URL = "https://idp.test/keys"
	}
	cfg.Client, cfg.Logger = &http.Client{Transport: &origin{answer: answer}}, slog.New(slog.NewTextHandler(log, nil))
	r, err := token.OpenRemoteKeys(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r, log
}

// While no keys are known the pauses between fetches are short, so that a verifier that
// starts before its issuer works soon after the issuer does. Otherwise they are not.
func TestJK10_ShortPausesUntilTheFirstKeys(t *testing.T) {
	for _, outage := range []time.Duration{time.Second, 10 * time.Second, time.Hour, 20 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			key := newKey(t, token.ES256)
			good := serve(newKeySet(t, key.Public()).JSON())
			r := openRemote(t, down)
			v := trusting(t, r)
			wait := func() (took time.Duration) {
				for begun := time.Now(); ; time.Sleep(10 * time.Millisecond) {
					if _, err := v.ValidateSession(t.Context(), token.Secret(session(t, key, time.Hour))); err == nil {
						return time.Since(begun)
					}
				}
			}
			time.Sleep(outage)
			if n, most := r.fetches.Load(), int64(outage/(5*time.Second)+outage/time.Hour+8); n > most {
				t.Errorf("%d fetches in an outage of %s, want at most %d", n, outage, most)
			}
			r.set(good)
			if took := wait(); took > min(outage, 5*time.Second)+10*time.Millisecond {
				t.Errorf("after an outage of %s the keys were known after %s", outage, took)
			}
			before := r.fetches.Load()
			r.set(down)
			for range 60 {
				_, _ = r.PublicKey(t.Context(), "unknown")
				time.Sleep(time.Second)
			}
			if n := r.fetches.Load() - before; n > 2 {
				t.Errorf("with known keys %d fetches in a minute", n)
			}
			time.Sleep(25 * time.Hour) // the keys grow too old
			r.set(good)
			if took := wait(); took > 5*time.Second {
				t.Errorf("after the keys grew too old, they were known after %s", took)
			}
			r.Close()
		})
	}
}

// The log says what an outage means: known keys stay in use, or nothing can be verified.
func TestJK10_TheLogSaysWhetherKeysAreKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key := newKey(t, token.ES256)
		o := &origin{answer: down}
		var log bytes.Buffer
		r, err := token.OpenRemoteKeys(t.Context(), token.RemoteKeysConfig{
			URL: "https://idp.test/keys", Client: &http.Client{Transport: o}, Logger: slog.New(slog.NewTextHandler(&log, nil)),
		})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		for _, c := range []struct {
			after  time.Duration
			answer func(*http.Request) (*http.Response, error)
			want   string
		}{
			{0, down, "no keys are known; sessions cannot be validated"},
			{time.Minute, serve(newKeySet(t, key.Public()).JSON()), "fetched again"},
			{2 * time.Hour, down, "the last good ones stay in use"},
			{25 * time.Hour, down, "no keys are known; sessions cannot be validated"},
		} {
			o.set(c.answer)
			time.Sleep(c.after)
			synctest.Wait()
			lines := strings.Split(strings.TrimSpace(log.String()), "\n")
			if len(lines) != 1 || !strings.Contains(lines[0], c.want) {
				t.Errorf("after %s, want one line with %q:\n%s", c.after, c.want, log.String())
			}
			log.Reset()
		}
	})
}

// The last good set survives a restart while the issuer is down, for as long as it would
// without a restart.
func TestJK11_TheFileKeepsTheKeysOverARestart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keys.json")
	now := time.Now()
	cfg := token.RemoteKeysConfig{File: file, Now: func() time.Time { return now }}
	key := newKey(t, token.ES256)
	set := newKeySet(t, key.Public()).JSON()
	cfg.MaxBytes = int64(len(set)) // the file has a URL and a time besides
	first, _ := openWithFile(t, cfg, serve(set))
	first.Close()
	for _, c := range []struct {
		name  string
		after time.Duration
		url   string
		want  error
	}{
		{"at once", 0, "", nil},
		{"a day later", 24*time.Hour - time.Second, "", nil},
		{"more than MaxStale later", 24 * time.Hour, "", token.ErrNoKeys},
		{"with another URL", time.Hour, "https://other.test/keys", token.ErrNoKeys},
		{"with a clock that is a minute behind", -time.Minute, "", nil},
		{"with a clock that is further behind", -time.Minute - 1, "", token.ErrNoKeys},
	} {
		cfg := cfg
		cfg.URL, cfg.Now = c.url, func() time.Time { return now.Add(c.after) }
		r, log := openWithFile(t, cfg, down)
		got, err := r.PublicKey(t.Context(), key.ID)
		if !errors.Is(err, c.want) || err == nil && got.Algorithm != token.ES256 {
			t.Errorf("%s: %v, %v", c.name, got, err)
		}
		if _, err := trusting(t, r).ValidateSession(t.Context(), token.Secret(session(t, key, time.Minute))); (err == nil) != (c.want == nil) {
			t.Errorf("%s: a session: %v", c.name, err)
		}
		if warned := strings.Contains(log.String(), "cannot be used"); warned != (c.want != nil) {
			t.Errorf("%s: the log is %s", c.name, log)
		}
		r.Close()
	}
	// The age counts from the fetch, also after a restart.
	at := now.Add(23 * time.Hour)
	cfg.Now = func() time.Time { return at }
	r, _ := openWithFile(t, cfg, down)
	at = now.Add(24 * time.Hour)
	if _, err := r.PublicKey(t.Context(), key.ID); !errors.Is(err, token.ErrNoKeys) {
		t.Errorf("a restart made the keys younger: %v", err)
	}
}

// The file has public members only, replaces the old one as a whole, and is used only if
// nobody else can have written it.
func TestJK11_TheFileIsSafe(t *testing.T) {
	folder := t.TempDir()
	cfg := token.RemoteKeysConfig{File: filepath.Join(folder, "keys.json")}
	key := newKey(t, token.EdDSA)
	set := strings.Replace(string(newKeySet(t, key.Public()).JSON()), `{"keys":[`,
		`{"note":"PRIVATE","keys":[{"kty":"OKP","kid":"other","crv":"Ed25519","x":"AA","d":"PRIVATE","alg":"EdDSA"},`, 1)
	for range 2 {
		r, _ := openWithFile(t, cfg, serve([]byte(set)))
		r.Close()
	}
	text, err := os.ReadFile(cfg.File)
	if err != nil || bytes.Contains(text, []byte("PRIVATE")) || bytes.Contains(text, []byte(`"d"`)) || !bytes.Contains(text, []byte(key.ID)) {
		t.Errorf("the file is %s, %v", text, err)
	}
	if info, err := os.Stat(cfg.File); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the mode is %v, %v", info.Mode(), err)
	}
	if names, err := os.ReadDir(folder); err != nil || len(names) != 1 {
		t.Errorf("the folder has %v, %v", names, err)
	}
	for name, spoil := range map[string]func() error{
		"others can write it": func() error { return os.Chmod(cfg.File, 0o622) },
		"half of it":          func() error { return os.WriteFile(cfg.File, text[:len(text)/2], 0o600) },
		"empty":               func() error { return os.WriteFile(cfg.File, nil, 0o600) },
		"two sets":            func() error { return os.WriteFile(cfg.File, append([]byte(`{"keys":[],`), text[1:]...), 0o600) },
	} {
		if err := errors.Join(os.WriteFile(cfg.File, text, 0o600), os.Chmod(cfg.File, 0o600), spoil()); err != nil {
			t.Fatal(err)
		}
		r, log := openWithFile(t, cfg, down)
		if _, err := r.PublicKey(t.Context(), key.ID); !errors.Is(err, token.ErrNoKeys) || !strings.Contains(log.String(), "cannot be used") {
			t.Errorf("%s: %v, the log is %s", name, err, log)
		}
		r.Close()
	}
	if os.Geteuid() == 0 { // only root can give a file away
		if err := errors.Join(os.WriteFile(cfg.File, text, 0o600), os.Chmod(cfg.File, 0o644), os.Chown(cfg.File, 65534, -1)); err != nil {
			t.Fatal(err)
		}
		r, log := openWithFile(t, cfg, down)
		if _, err := r.PublicKey(t.Context(), key.ID); !errors.Is(err, token.ErrNoKeys) || !strings.Contains(log.String(), "another user") {
			t.Errorf("another user owns it: %v, the log is %s", err, log)
		}
		r.Close()
	}
	// A file that cannot be written is a warning, and changes nothing else.
	cfg.File = filepath.Join(folder, "missing", "keys.json")
	r, log := openWithFile(t, cfg, serve([]byte(set)))
	r.Close() // waits for the attempt
	if _, err := r.PublicKey(t.Context(), key.ID); err != nil || !strings.Contains(log.String(), "cannot be written") {
		t.Errorf("%v, the log is %s", err, log)
	}
}

// A disk that hangs delays neither the start nor the next fetch: the log hangs here in its place,
// because it reports that the file cannot be written.
func TestJK11_ADiskThatHangsDelaysNoFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newKey(t, token.ES256), newKey(t, token.ES256)
		hangs := make(chan struct{})
		o := &origin{answer: serve(newKeySet(t, a.Public()).JSON())}
		r, err := token.OpenRemoteKeys(t.Context(), token.RemoteKeysConfig{
			URL: "https://idp.test/keys", Client: &http.Client{Transport: o}, File: filepath.Join(t.TempDir(), "missing", "keys"),
			Logger: slog.New(hangingHandler{slog.DiscardHandler, hangs}),
		})
		if err != nil {
			t.Fatal(err)
		}
		o.set(serve(newKeySet(t, b.Public()).JSON()))
		time.Sleep(2 * time.Minute)
		if _, err := r.PublicKey(t.Context(), b.ID); err != nil {
			t.Errorf("the next key: %v", err)
		}
		if _, err := r.PublicKey(t.Context(), a.ID); !errors.Is(err, token.ErrUnknownKey) {
			t.Errorf("the removed key: %v", err)
		}
		close(hangs)
		r.Close()
	})
}

// hangingHandler writes nothing until its channel is closed.
type hangingHandler struct {
	slog.Handler
	hangs chan struct{}
}

func (h hangingHandler) Enabled(context.Context, slog.Level) bool { return true }

func (h hangingHandler) Handle(context.Context, slog.Record) error { <-h.hangs; return nil }
