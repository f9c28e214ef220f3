//go:build unix

package token_test

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/usherkit/usher/token"
)

// A pipe in the place of a file is refused like any other file that is not regular, and no
// program waits for its other end.
func TestJK13_APipeInPlaceOfTheFileHangsNothing(t *testing.T) {
	folder := t.TempDir()
	keys, list := filepath.Join(folder, "keys"), filepath.Join(folder, "revoked")
	for _, path := range []string{keys, list} {
		if err := syscall.Mkfifo(path, 0o600); err != nil {
			t.Skip(err)
		}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		k, log := openWithFile(t, token.RemoteKeysConfig{File: keys}, down)
		k.Close()
		if !strings.Contains(log.String(), "cannot be used") {
			t.Errorf("keys: the log is %s", log)
		}
		if _, log, err := restart(t, token.RemoteRevocationsConfig{File: list}); err == nil || !strings.Contains(log, "cannot be used") {
			t.Errorf("revocations: %v, the log is %s", err, log)
		}
	}()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatal("the start waits for the other end of a pipe")
	}
}
