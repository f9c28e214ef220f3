//go:build unix

package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/usherkit/usher/store/sqlite"
)

func modes(t *testing.T, path string) map[string]fs.FileMode {
	t.Helper()
	out := map[string]fs.FileMode{}
	for _, suffix := range []string{"", "-wal", "-shm"} {
		info, err := os.Stat(path + suffix)
		must(t, err)
		out[suffix] = info.Mode().Perm()
	}
	return out
}

func TestST05_OnlyTheOwnerCanOpenTheFiles(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0)) // so that the umask removes no permissions
	path := filepath.Join(t.TempDir(), "usher.db")
	s := open(t, path)
	must(t, errOf(s.CreateUser(context.Background(), creation("u"))))
	for suffix, mode := range modes(t, path) {
		if mode != 0o600 {
			t.Errorf("usher.db%s has mode %o", suffix, mode)
		}
	}
	// Files that others can read lose those permissions, also -wal and -shm files that
	// another process left.
	for suffix := range modes(t, path) {
		must(t, os.Chmod(path+suffix, 0o666))
	}
	open(t, path)
	for suffix, mode := range modes(t, path) {
		if mode != 0o600 {
			t.Errorf("usher.db%s still has mode %o", suffix, mode)
		}
	}
}

func TestOpenRefusesPathsThatAreNoFiles(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "text"), []byte(strings.Repeat("this is no database ", 100)), 0o600))
	for path, want := range map[string]string{
		"":                                     "path is empty",
		":memory:":                             "not the path of a file",
		"file:x?mode=memory":                   "not the path of a file",
		"a\x00b":                               "zero byte",
		filepath.Join(dir, "none", "usher.db"): "folder of the database",
		filepath.Join(dir, "text", "usher.db"): "folder",
		filepath.Join(dir, "text"):             "not a database",
		dir:                                    "directory",
	} {
		s, err := sqlite.Open(t.Context(), path)
		if err == nil {
			s.Close()
			t.Errorf("%q was opened", path)
		} else if !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want it to say %q", path, err, want)
		}
	}
	if _, err := sqlite.Open(t.Context(), filepath.Join(dir, "usher.db"), sqlite.Options{Readers: -1}); err == nil {
		t.Error("a negative number of readers was taken")
	}
	if _, err := sqlite.Open(t.Context(), filepath.Join(dir, "usher.db"), sqlite.Options{}, sqlite.Options{}); err == nil {
		t.Error("two Options were taken")
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := sqlite.Open(ended, filepath.Join(dir, "usher.db")); !errors.Is(err, context.Canceled) {
		t.Errorf("with a canceled context: got %v", err)
	}
}

func TestOpenTakesAnyFileName(t *testing.T) {
	for _, name := range []string{"a?b=c&mode=memory.db", "100%.db", "a#b.db", "a b.db", "ä%20.db"} {
		path := filepath.Join(t.TempDir(), name)
		s := open(t, path)
		must(t, errOf(s.CreateUser(context.Background(), creation("u"))))
		must(t, s.Close())
		info, err := os.Stat(path)
		must(t, err)
		if info.Size() == 0 {
			t.Errorf("%q is empty: the database is elsewhere", name)
		}
	}
}

func TestCloseMovesTheLogIntoTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "usher.db")
	s := open(t, path)
	must(t, errOf(s.CreateUser(context.Background(), creation("u"))))
	must(t, s.Close())
	must(t, s.Close()) // a second Close is no error
	if _, err := os.Stat(path + "-wal"); !os.IsNotExist(err) {
		t.Fatalf("the log is still there (%v)", err)
	}
	// After Close, a copy of the file alone is complete.
	content, err := os.ReadFile(path)
	must(t, err)
	other := filepath.Join(t.TempDir(), "copy.db")
	must(t, os.WriteFile(other, content, 0o600))
	_, err = open(t, other).Account(context.Background(), "u")
	must(t, err)
}

func TestST02_WritesAreSyncedAndForeignKeysHold(t *testing.T) {
	s := openNew(t)
	for pragma, want := range map[string]string{"synchronous": "2", "journal_mode": "wal", "foreign_keys": "1", "busy_timeout": "5000"} {
		if got := column(t, s.DB(), "PRAGMA "+pragma); len(got) != 1 || got[0] != want {
			t.Errorf("%s is %q, want %s", pragma, got, want)
		}
	}
}

// A damaged file is refused with its path and what to do, and is left as it is.
func TestST08_ADamagedFileIsRefusedWithWhatToDo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "usher.db")
	s := open(t, path)
	must(t, errOf(s.CreateUser(context.Background(), creation("u"))))
	must(t, s.Close())
	good, err := os.ReadFile(path)
	must(t, err)
	zeros := make([]byte, 8192)
	for name, damaged := range map[string][]byte{
		"text":                  []byte("not a database"),
		"zeros":                 zeros,
		"half of it":            good[:len(good)/2],
		"its first page alone":  good[:4096],
		"without its header":    append(make([]byte, 100), good[100:]...),
		"its schema in pieces":  append(append([]byte{}, good[:100]...), append(make([]byte, 3996), good[4096:]...)...),
		"an SQLCipher database": append([]byte{0x8f, 0x21}, good[2:]...),
	} {
		must(t, os.WriteFile(path, damaged, 0o644))
		must(t, os.Chmod(path, 0o644))
		s, err := sqlite.Open(t.Context(), path)
		if err == nil {
			s.Close()
			t.Errorf("%s: was opened", name)
			continue
		}
		for _, want := range []string{path, "not a database or is damaged", "restore a backup"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: the error lacks %q: %v", name, want, err)
			}
		}
		if after, err := os.ReadFile(path); err != nil || string(after) != string(damaged) {
			t.Errorf("%s: the file was changed (%v)", name, err)
		}
		if info, err := os.Stat(path); name == "text" && (err != nil || info.Mode().Perm() != 0o644) {
			t.Errorf("%s: the mode of a file of another program was changed", name)
		}
	}
}

// Texts in another encoding have another order, so that lists of users would miss some.
func TestST08_AnotherEncodingIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "usher.db")
	db, err := sql.Open("sqlite", path)
	must(t, err)
	_, err = db.Exec("PRAGMA encoding = 'UTF-16le'; CREATE TABLE mine (name TEXT)")
	must(t, errors.Join(err, db.Close()))
	s, err := sqlite.Open(t.Context(), path)
	if err == nil {
		s.Close()
	}
	if err == nil || !strings.Contains(err.Error(), "UTF-16le") || !strings.Contains(err.Error(), "UTF-8") {
		t.Errorf("got %v", err)
	}
}

// The URL of another database is refused, and its password is not repeated.
func TestST08_AURLIsNoPath(t *testing.T) {
	for url, want := range map[string]string{
		"postgres://user:s3cret@host/db": "postgres.Open",
		"mysql://user:s3cret@host/db":    "path of a file",
		"sqlite:///var/lib/app.db":       "path of a file",
		"  ":                             "path is empty",
	} {
		if s, err := sqlite.Open(t.Context(), url); err == nil {
			s.Close()
			t.Errorf("%q was opened", url)
		} else if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%q: got %v, want it to say %q", url, err, want)
		}
	}
}

// A process that opens a store twice keeps its locks. Without them, another process that reads
// the file and closes it deletes the log that both stores write to.
func TestST02_ASecondOpenKeepsTheLocksOfTheFirst(t *testing.T) {
	const sharedFirst, sharedSize = 1<<30 + 2, 510 // see "os_unix.c" of SQLite
	if path := os.Getenv("USHER_TEST_LOCKED_FILE"); path != "" {
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		must(t, err)
		lock := syscall.Flock_t{Type: syscall.F_WRLCK, Start: sharedFirst, Len: sharedSize}
		must(t, syscall.FcntlFlock(f.Fd(), syscall.F_GETLK, &lock))
		if lock.Type == syscall.F_UNLCK {
			t.Error("another process may lock the file")
		}
		return
	}
	path := filepath.Join(t.TempDir(), "usher.db")
	s := open(t, path)
	must(t, errOf(s.CreateUser(t.Context(), creation("u"))))
	open(t, path)
	other := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	other.Env = append(os.Environ(), "USHER_TEST_LOCKED_FILE="+path)
	if out, err := other.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}
