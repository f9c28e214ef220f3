package atomicfile_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/usherkit/usher/internal/atomicfile"
)

type failing struct{}

func (failing) WriteTo(w io.Writer) (int64, error) {
	n, _ := io.WriteString(w, "half")
	return int64(n), errors.New("the disk is full")
}

func TestWrite_KeepsTheOldFileIfItFails(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	for _, text := range []string{"one", "two"} {
		if err := atomicfile.Write(path, bytes.NewBufferString(text)); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != text {
			t.Fatalf("%q, %v, want %q", got, err, text)
		}
	}
	if err := atomicfile.Write(path, failing{}); err == nil {
		t.Error("no error")
	}
	all, err := os.ReadDir(dir)
	if got, _ := os.ReadFile(path); err != nil || len(all) != 1 || string(got) != "two" {
		t.Errorf("the folder has %v, the file %q", all, got)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}
