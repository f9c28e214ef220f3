//go:build unix

package sqlite_test

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher/store/sqlite"
)

// crashFile in the environment makes the test binary a child of
// TestST02_NothingAcknowledgedIsLost, which works on that file until it is killed.
const (
	crashFile  = "USHER_TEST_CRASH_FILE"
	crashRound = "USHER_TEST_CRASH_ROUND"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(crashFile); path != "" {
		if err := actUntilKilled(path, os.Getenv(crashRound)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// actUntilKilled signs up users and resets their passwords, from several
// goroutines, and prints each act after the store has acknowledged it.
func actUntilKilled(path, round string) error {
	s, err := sqlite.Open(context.Background(), path)
	if err != nil {
		return err
	}
	failed := make(chan error)
	for worker := range 6 {
		go func() {
			for n := 0; ; n++ {
				id := fmt.Sprintf("r%s-w%d-%d", round, worker, n)
				if _, err := s.CreateUser(context.Background(), creation(id)); err != nil {
					failed <- err
				}
				fmt.Printf("up %s\n", id)
				spend, c := reset(id)
				if _, err := s.ResetPassword(context.Background(), spend, c); err != nil {
					failed <- err
				}
				fmt.Printf("reset %s\n", id)
			}
		}()
	}
	return <-failed
}

func TestST02_NothingAcknowledgedIsLost(t *testing.T) {
	const rounds, longest = 20, 20 * time.Second
	path := filepath.Join(t.TempDir(), "usher.db")
	begun := time.Now()
	acknowledged := map[string]int{} // user id to how many of its acts
	for round := range rounds {
		if time.Since(begun) > longest {
			t.Logf("stopped after %d rounds", round)
			break
		}
		for _, line := range killedChild(t, path, round) {
			_, id, _ := strings.Cut(line, " ")
			acknowledged[id]++
		}
		checkAll(t, path, acknowledged)
		if t.Failed() {
			t.Fatalf("after round %d", round)
		}
	}
	if len(acknowledged) < rounds {
		t.Fatalf("only %d users were made", len(acknowledged))
	}
	t.Logf("%d users in %v", len(acknowledged), time.Since(begun).Round(time.Millisecond))
}

// A process that is killed while it moves the write-ahead log into the file leaves a file that is
// damaged without the log. The next Open repairs it.
func TestST02_AMoveOfTheLogThatWasCutOffIsRepaired(t *testing.T) {
	dir := t.TempDir()
	path, cut := filepath.Join(dir, "usher.db"), filepath.Join(dir, "cut.db")
	s, err := sqlite.Open(t.Context(), path)
	must(t, err)
	for n := range 20 {
		_, err := s.CreateUser(t.Context(), creation(fmt.Sprint("user-", n)))
		must(t, err)
	}
	log, err := os.ReadFile(path + "-wal")
	must(t, err)
	must(t, s.Close()) // moves all of it
	whole, err := os.ReadFile(path)
	must(t, err)
	must(t, os.WriteFile(cut, whole[:4096], 0o600)) // the first page
	must(t, os.WriteFile(cut+"-wal", log, 0o600))

	s, err = sqlite.Open(t.Context(), cut)
	must(t, err)
	defer s.Close()
	if got := column(t, s.DB(), "SELECT count(*) FROM usher_users"); len(got) != 1 || got[0] != "20" {
		t.Errorf("%s users, want 20", got)
	}
}

// killedChild runs a child for a moment, kills it, and returns the lines it printed.
func killedChild(t *testing.T, path string, round int) []string {
	t.Helper()
	self, err := os.Executable()
	must(t, err)
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), crashFile+"="+path, fmt.Sprintf("%s=%d", crashRound, round))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	var lines []string
	timer := time.AfterFunc(10*time.Second, func() { cmd.Process.Kill() }) // if it prints nothing
	for in := bufio.NewScanner(out); in.Scan(); {
		if len(lines) == 0 {
			timer.Reset(time.Duration(20+rand.IntN(250)) * time.Millisecond)
		}
		lines = append(lines, in.Text())
	}
	timer.Stop()
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.Exited() {
		t.Fatalf("the child was not killed: %v", err)
	}
	return lines
}

// checkAll opens the file as a program does after a crash, and fails the test if an act
// was lost or half done.
func checkAll(t *testing.T, path string, acknowledged map[string]int) {
	t.Helper()
	s, err := sqlite.Open(t.Context(), path)
	must(t, err)
	defer s.Close()
	if got := column(t, s.DB(), "PRAGMA integrity_check"); len(got) != 1 || got[0] != "ok" {
		t.Errorf("integrity check: %q", got)
	}
	if got := column(t, s.DB(), `SELECT "table" FROM pragma_foreign_key_check`); len(got) != 0 {
		t.Errorf("rows that refer to nothing in %q", got)
	}
	stored := storedActs(t, s.DB())
	for id, acts := range acknowledged {
		if stored[id] < acts {
			t.Errorf("%s: %d acts were acknowledged, %d are stored", id, acts, stored[id])
		}
	}
}

// storedActs returns the number of acts of each user. It fails the test if rows of an act
// are missing or left over.
func storedActs(t *testing.T, db *sql.DB) map[string]int {
	t.Helper()
	// For each user, the number of rows in each of these tables.
	places := []string{
		`SELECT id FROM usher_users WHERE password_hash = 'hash-1' AND password_version = 1`,
		`SELECT id FROM usher_users WHERE password_hash = 'hash-2' AND password_version = 2`,
		`SELECT user_id FROM usher_login_ids`,
		`SELECT user_id FROM usher_sessions WHERE id = user_id || '-s1'`,
		`SELECT substr(session_id, 1, length(session_id) - 3) FROM usher_revocations`,
		`SELECT user_id FROM usher_one_time_tokens`,
		`SELECT substr(id, 4) FROM usher_events WHERE id LIKE 'up-%'`,
		`SELECT substr(id, 4) FROM usher_outbox WHERE id LIKE 'up-%'`,
		`SELECT substr(id, 4) FROM usher_events WHERE id LIKE 're-%'`,
		`SELECT substr(id, 4) FROM usher_outbox WHERE id LIKE 're-%'`,
	}
	rows := map[string]*[10]int{}
	for i, query := range places {
		for _, id := range column(t, db, query) {
			if rows[id] == nil {
				rows[id] = new([10]int)
			}
			rows[id][i]++
		}
	}
	acts := map[string]int{}
	for id, got := range rows {
		switch *got {
		case [10]int{1, 0, 2, 1, 0, 1, 1, 1, 0, 0}:
			acts[id] = 1
		case [10]int{0, 1, 2, 0, 1, 0, 1, 1, 1, 1}:
			acts[id] = 2
		default:
			t.Errorf("%s is half done: %v", id, *got)
		}
	}
	return acts
}
