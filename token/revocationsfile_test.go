package token_test

import (
	"bytes"
	"errors"
	"fmt"
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

// followWithFile opens the list of an origin that is kept in a file.
func followWithFile(t *testing.T, cfg token.RemoteRevocationsConfig, o *origin) (r *token.RemoteRevocations, log *bytes.Buffer) {
	t.Helper()
	log = &bytes.Buffer{}
	if cfg.URL == "" {
		cfg.URL = "https://idp.test/revocations"
	}
	cfg.Client, cfg.Logger = &http.Client{Transport: o}, slog.New(slog.NewTextHandler(log, nil))
	r, err := token.OpenRemoteRevocations(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return r, log
}

// restart opens the list of the file while the issuer is down, and returns what is on it, or
// the error of Wait.
func restart(t *testing.T, cfg token.RemoteRevocationsConfig, ids ...string) (revoked string, log string, err error) {
	t.Helper()
	r, buffer := followWithFile(t, cfg, &origin{answer: down})
	err = r.Wait(t.Context())
	r.Close()
	for _, id := range ids {
		if r.List().Revoked(id) {
			revoked += id
		}
	}
	return revoked, buffer.String(), err
}

// A restart changes nothing while the issuer is down: the sessions of the last list stay
// revoked until their tokens have expired, and the list may be of any age.
func TestJK13_TheFileKeepsTheRevocationsOverARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "revoked")
		cfg := token.RemoteRevocationsConfig{File: file}
		o := &origin{answer: serve(listOf("a"))} // for ten minutes
		r, _ := followWithFile(t, cfg, o)
		time.Sleep(5 * time.Minute)
		o.set(serve(listOf("b")))
		time.Sleep(1500 * time.Millisecond)
		r.Close()
		for _, c := range []struct {
			name  string
			after time.Duration // from now
			url   string
			want  string
			known bool
		}{
			{"at once", 0, "", "ab", true},
			{"with another URL", 0, "https://other.test/revocations", "", false},
			{"with a clock that is an hour behind", -time.Hour, "", "ab", true},
			{"before the leeway of the first is over", 5*time.Minute + 50*time.Second, "", "ab", true},
			{"after the tokens of the first have expired", 6 * time.Minute, "", "b", true},
			{"after the tokens of all have expired", 12 * time.Minute, "", "", true},
			{"a year later", 365 * 24 * time.Hour, "", "", true},
		} {
			cfg := cfg
			cfg.URL, cfg.Now = c.url, func() time.Time { return time.Now().Add(c.after) }
			got, log, err := restart(t, cfg, "a", "b")
			if got != c.want || (err == nil) != c.known || err != nil && !errors.Is(err, token.ErrUnavailable) {
				t.Errorf("%s: revoked are %q, %v, want %q", c.name, got, err, c.want)
			}
			if strings.Contains(log, "cannot be used") == c.known || strings.Contains(log, "since the last fetch") != c.known {
				t.Errorf("%s: the log is %s", c.name, log)
			}
		}
		// A clock that was ahead at one start has taken nothing out of the file.
		if got, _, err := restart(t, cfg, "a", "b"); got != "ab" || err != nil {
			t.Errorf("after a start with a clock that was ahead: %q, %v", got, err)
		}
	})
}

// Without the file nothing is known after a restart. An empty list is known, and a list that
// the issuer has forgotten stays.
func TestJK13_TheIssuerAddsToTheFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := token.RemoteRevocationsConfig{File: filepath.Join(t.TempDir(), "revoked")}
		if _, log, err := restart(t, cfg); !errors.Is(err, token.ErrUnavailable) || strings.Contains(log, "the file") {
			t.Errorf("without a file: %v, the log is %s", err, log)
		}
		r, _ := followWithFile(t, cfg, &origin{answer: serve(listOf())})
		r.Close()
		if _, log, err := restart(t, cfg); err != nil {
			t.Errorf("with the file of an empty list: %v, the log is %s", err, log)
		}
		for _, id := range []string{"a", "b"} { // the second issuer is older than the first
			r, _ := followWithFile(t, cfg, &origin{answer: serve(listOf(id))})
			if !r.List().Revoked("a") || !r.List().Revoked(id) {
				t.Errorf("with the list of %s: a %t, %s %t", id, r.List().Revoked("a"), id, r.List().Revoked(id))
			}
			r.Close()
		}
		if got, _, err := restart(t, cfg, "a", "b"); got != "ab" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
	})
}

// The file replaces the old one as a whole, and is used only if no other user can have
// written it.
func TestJK13_TheFileIsSafe(t *testing.T) {
	folder := t.TempDir()
	cfg := token.RemoteRevocationsConfig{File: filepath.Join(folder, "revoked"), Bearer: "PRIVATE", MaxBytes: 1000}
	r, _ := followWithFile(t, cfg, &origin{answer: serve(bytes.Replace(listOf("a"), []byte("{"), []byte(`{"note":"PRIVATE",`), 1))})
	r.Close()
	text, err := os.ReadFile(cfg.File)
	if err != nil || bytes.Contains(text, []byte("PRIVATE")) || !bytes.Contains(text, []byte(`"sid":"a"`)) {
		t.Fatalf("the file is %s, %v", text, err)
	}
	if info, err := os.Stat(cfg.File); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the mode is %v, %v", info.Mode(), err)
	}
	if names, err := os.ReadDir(folder); err != nil || len(names) != 1 {
		t.Errorf("the folder has %v, %v", names, err)
	}
	cases := map[string]func() error{
		"others can write it": func() error { return os.Chmod(cfg.File, 0o622) },
		"half of it":          func() error { return os.WriteFile(cfg.File, text[:len(text)/2], 0o600) },
		"empty":               func() error { return os.WriteFile(cfg.File, nil, 0o600) },
		"two lists":           func() error { return os.WriteFile(cfg.File, append([]byte(`{"revocations":[],`), text[1:]...), 0o600) },
		"an entry without until": func() error {
			return os.WriteFile(cfg.File, bytes.Replace(text, []byte(`"until"`), []byte(`"UNTIL"`), 1), 0o600)
		},
		"no URL": func() error {
			return os.WriteFile(cfg.File, bytes.Replace(text, []byte(`"url"`), []byte(`"x"`), 1), 0o600)
		},
		"longer than the limit": func() error {
			return os.WriteFile(cfg.File, bytes.Replace(text, []byte("{"), []byte("{"+strings.Repeat(" ", 6100)), 1), 0o600)
		},
		"a folder": func() error { return errors.Join(os.Remove(cfg.File), os.Mkdir(cfg.File, 0o700)) },
	}
	if os.Geteuid() == 0 { // only root can give a file away
		cases["another user owns it"] = func() error { return os.Chown(cfg.File, 65534, -1) }
	}
	for name, spoil := range cases {
		if err := errors.Join(os.RemoveAll(cfg.File), os.WriteFile(cfg.File, text, 0o600), spoil()); err != nil {
			t.Fatal(err)
		}
		if got, log, err := restart(t, cfg, "a"); got != "" || !errors.Is(err, token.ErrUnavailable) || !strings.Contains(log, "cannot be used") {
			t.Errorf("%s: revoked are %q, %v, the log is %s", name, got, err, log)
		}
		r, log := followWithFile(t, cfg, &origin{answer: serve(listOf("b"))})
		r.Close()
		got, _, err := restart(t, cfg, "a", "b")
		if written := name != "a folder"; written != (got == "b" && err == nil) || written == strings.Contains(log.String(), "cannot be written") {
			t.Errorf("%s: after a fetch revoked are %q, %v, the log is %s", name, got, err, log)
		}
	}
}

// A list over MaxBytes refuses every session, and a restart does not let them in again.
func TestJK13_TheFileOfAListThatGrewTooLongIsRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := token.RemoteRevocationsConfig{File: filepath.Join(t.TempDir(), "revoked"), MaxBytes: int64(len(listOf("a")))}
		o := &origin{answer: serve(listOf("a"))}
		r, log := followWithFile(t, cfg, o)
		o.set(serve(listOf("a", "b")))
		time.Sleep(1500 * time.Millisecond)
		r.Close()
		if _, _, err := restart(t, cfg); !errors.Is(err, token.ErrUnavailable) {
			t.Errorf("after a restart: %v", err)
		}
		if strings.Contains(log.String(), "cannot be written") {
			t.Errorf("the log is %s", log)
		}
		r, _ = followWithFile(t, cfg, &origin{answer: serve(listOf("b"))})
		r.Close()
		if got, _, err := restart(t, cfg, "a", "b"); got != "b" || err != nil {
			t.Errorf("after a list within MaxBytes: %q, %v", got, err)
		}
	})
}

// The file is written when a fetch brings something new, and otherwise left alone.
func TestJK13_TheFileIsWrittenForNewRevocations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := token.RemoteRevocationsConfig{File: filepath.Join(t.TempDir(), "revoked")}
		tagged := func() func(*http.Request) (*http.Response, error) {
			list := listOf("a")
			return func(q *http.Request) (*http.Response, error) {
				if q.Header.Get("If-None-Match") == string(list) {
					return body(304, strings.NewReader("")), nil
				}
				resp := body(200, bytes.NewReader(list))
				resp.Header.Set("ETag", string(list))
				return resp, nil
			}
		}
		o := &origin{answer: tagged()}
		r, _ := followWithFile(t, cfg, o)
		defer r.Close()
		stat := func() os.FileInfo {
			t.Helper()
			time.Sleep(2100 * time.Millisecond)
			synctest.Wait()
			info, err := os.Stat(cfg.File)
			if err != nil {
				t.Fatal(err)
			}
			return info
		}
		first := stat()
		time.Sleep(5 * time.Minute)
		if now := stat(); !os.SameFile(first, now) {
			t.Error("the file was written although the list is the same")
		}
		o.set(tagged()) // the same session, for longer
		if now := stat(); os.SameFile(first, now) {
			t.Error("the file was not written although a session is revoked for longer")
		}
		// Another process that has an older list replaces the file.
		if err := os.WriteFile(cfg.File, []byte(`{"revocations":[{"sid":"z","until":4102444800},{"sid":"old","until":1}],"url":"https://idp.test/revocations"}`), 0o600); err != nil {
			t.Fatal(err)
		}
		_ = stat()
		if got, _, err := restart(t, cfg, "a", "z"); got != "az" || err != nil {
			t.Errorf("after another process has replaced the file: %q, %v", got, err)
		}
		if text, err := os.ReadFile(cfg.File); err != nil || bytes.Contains(text, []byte("old")) {
			t.Errorf("the file keeps a session whose tokens have expired: %s, %v", text, err)
		}
	})
}

// Any number of processes may share the file: it is a whole list at any time, and has what
// each of them has fetched.
func TestJK13_SixtyFourProcessesShareTheFile(t *testing.T) {
	const processes = 64
	folder := t.TempDir()
	cfg := token.RemoteRevocationsConfig{File: filepath.Join(folder, "revoked"), Every: 50 * time.Millisecond}
	r, _ := followWithFile(t, cfg, &origin{answer: serve(listOf("first"))})
	r.Close()
	var ids []string
	stop := make(chan struct{})
	var all, reader sync.WaitGroup
	reader.Go(func() {
		for {
			if got, log, err := restart(t, cfg, "first"); got != "first" || err != nil {
				t.Errorf("while others write: %q, %v, %s", got, err, log)
			}
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
			}
		}
	})
	done := func() bool {
		got, _, err := restart(t, cfg, ids...)
		return err == nil && got == strings.Join(ids, "")
	}
	var opened []*token.RemoteRevocations
	for i := range processes {
		ids = append(ids, fmt.Sprintf("s%d.", i))
		r, _ := followWithFile(t, cfg, &origin{answer: serve(listOf(ids[i]))})
		opened = append(opened, r)
	}
	for deadline := time.Now().Add(30 * time.Second); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			got, log, err := restart(t, cfg, ids...)
			t.Fatalf("the file has %q, %v, %s", got, err, log)
		}
	}
	close(stop)
	reader.Wait()
	for _, r := range opened {
		all.Go(r.Close)
	}
	all.Wait()
	if names, err := os.ReadDir(folder); err != nil || len(names) != 1 {
		t.Errorf("the folder has %v, %v", names, err)
	}
}

// A list that changes with each fetch does not keep a processor or a slow disk busy, and the
// file has all of it in the end.
func TestJK13_APauseFollowsASlowWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := token.RemoteRevocationsConfig{File: filepath.Join(t.TempDir(), "revoked")}
		cfg.Now = func() time.Time { time.Sleep(300 * time.Millisecond); return time.Now() } // a write asks once
		var ids []string
		r, _ := followWithFile(t, cfg, &origin{answer: func(q *http.Request) (*http.Response, error) {
			ids = append(ids, fmt.Sprintf("s%d.", len(ids)))
			return serve(listOf(ids...))(q)
		}})
		writes, last := 0, 0
		for range 600 {
			time.Sleep(100 * time.Millisecond)
			if text, err := os.ReadFile(cfg.File); err == nil && len(text) != last {
				writes, last = writes+1, len(text)
			}
		}
		if writes < 10 || writes > 21 {
			t.Errorf("%d writes of 300 milliseconds in a minute, want 10 to 21", writes)
		}
		closed := time.Now()
		r.Close()
		if d := time.Since(closed); d > time.Second {
			t.Errorf("Close takes %s", d)
		}
		cfg.Now = nil
		if got, _, err := restart(t, cfg, ids...); got != strings.Join(ids, "") || err != nil {
			t.Errorf("after Close the file has %q, %v", got, err)
		}
	})
}

// Two processes with different issuers and the same file do not replace it in turn for ever.
func TestJK13_ProcessesOfTwoIssuersDoNotReplaceTheFileInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := token.RemoteRevocationsConfig{File: filepath.Join(t.TempDir(), "revoked"), URL: "https://a.test/revocations"}
		b := a
		b.URL = "https://b.test/revocations"
		ra, log := followWithFile(t, a, &origin{answer: serve(listOf("a"))})
		time.Sleep(1500 * time.Millisecond)
		rb, _ := followWithFile(t, b, &origin{answer: serve(listOf("b"))})
		time.Sleep(3 * time.Second)
		first, err := os.Stat(a.File)
		if err != nil {
			t.Fatal(err)
		}
		for range 60 {
			time.Sleep(time.Second)
			if info, err := os.Stat(a.File); err != nil || !os.SameFile(first, info) || !info.ModTime().Equal(first.ModTime()) {
				t.Fatalf("the file was replaced again: %v", err)
			}
		}
		ra.Close()
		rb.Close()
		if got, _, err := restart(t, b, "b"); got != "b" || err != nil {
			t.Errorf("the last to start has %q, %v", got, err)
		}
		if n := strings.Count(log.String(), "another URL"); n != 1 {
			t.Errorf("the first says so %d times: %s", n, log)
		}
	})
}

// An issuer whose list is over MaxBytes does not remove the file of another one, which would
// write it again each second.
func TestJK13_AListThatIsTooLongRemovesNoFileOfAnotherIssuer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := token.RemoteRevocationsConfig{File: filepath.Join(t.TempDir(), "revoked"), URL: "https://a.test/revocations", MaxBytes: int64(len(listOf("a")))}
		b := a
		b.URL = "https://b.test/revocations"
		rb, _ := followWithFile(t, b, &origin{answer: serve(listOf("b"))})
		time.Sleep(1500 * time.Millisecond)
		first, err := os.Stat(a.File)
		if err != nil {
			t.Fatal(err)
		}
		ra, _ := followWithFile(t, a, &origin{answer: serve(listOf("a", "longer"))})
		time.Sleep(time.Minute)
		if info, err := os.Stat(a.File); err != nil || !info.ModTime().Equal(first.ModTime()) {
			t.Errorf("the file was replaced: %v", err)
		}
		ra.Close()
		rb.Close()
		if got, _, err := restart(t, b, "b"); got != "b" || err != nil {
			t.Errorf("the other issuer has %q, %v", got, err)
		}
	})
}
