package repotest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// numbers lists rows of the table of defaults in SECURITY.md: the first cell,
// and the texts that the row must contain.
var numbers = []struct {
	what string
	says []string
}{
	{"password length", []string{"15 to 256", "1,024 bytes", "under 8", "under 64"}},
	{"Argon2id", []string{"65536 KiB", "t 3", "p 4", "salt 16 bytes", "tag 32 bytes", "47104/1", "19456/2", "12288/3"}},
	{"PBKDF2-HMAC-SHA-256, if asked for", []string{"600,000", "not lower"}},
	{"free failures for one login id and network", []string{"| 5, then 30 seconds, doubling to 1 hour |", "100 failures in a row"}},
	{"failures of one network, all login ids", []string{"20 in 5 minutes"}},
	{"life of a reset link", []string{"| 10 minutes | 24 hours |"}},
	{"life of a verification link", []string{"| 24 hours | 24 hours |"}},
	{"reset mails", []string{"3 an hour for an account", "10 requests an hour for a network"}},
	{"life of a session token", []string{"| 10 minutes | 60 minutes |"}},
	{"a session without activity; in all", []string{"14 days; 30 days", "1 hour; 24 hours", "always set"}},
	{"grace for a refresh token that was exchanged", []string{"| 10 seconds | 60 seconds |"}},
	{"sessions of one user", []string{"| 100 |"}},
	{"difference of clocks that a verifier allows", []string{"| 5 seconds | 60 seconds |"}},
	{"size of a body; a token; the headers", []string{"16 KiB; 8 KiB; 32 KiB"}},
	{"JWK Set of another program", []string{"5 seconds", "256 KiB", "100 keys", "30 seconds"}},
}

// The documentation states each default, each hard limit, how a password is
// locked, and each departure from a standard.
func TestCF06_TheDocumentationSaysEachNumber(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("SECURITY.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]string{}
	for line := range strings.Lines(string(b)) {
		if cell, _, ok := strings.Cut(strings.TrimPrefix(line, "| "), " |"); ok && strings.HasPrefix(line, "| ") {
			rows[cell] = line
		}
	}
	for _, n := range numbers {
		row, ok := rows[n.what]
		if !ok {
			t.Errorf("SECURITY.md has no row %q", n.what)
			continue
		}
		for _, say := range n.says {
			if !strings.Contains(row, say) {
				t.Errorf("the row %q does not contain %q: %s", n.what, say, row)
			}
		}
	}

	all := string(b)
	pages, err := filepath.Glob("docs/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatal("no documentation", err)
	}
	for _, page := range pages {
		b, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		all += string(b)
	}
	all = strings.Join(strings.Fields(all), " ")
	for _, say := range []string{
		"disable the password until a reset", "in other processes on the same store within about a second",
		"accepts a session token until it expires", "At most 100 sessions for one user", "Context words",
		"Where we depart from a standard", "second factor", "composition rules", "expiry", "persistent session cookie", "RS256",
	} {
		if !strings.Contains(all, say) {
			t.Errorf("the documentation does not contain %q", say)
		}
	}
}
