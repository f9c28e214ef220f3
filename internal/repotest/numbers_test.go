package repotest

import (
	"path/filepath"
	"strings"
	"testing"
)

// numbers lists rows of the tables of defaults: the first cell, and the texts
// that the row must contain.
var numbers = []struct {
	what     string
	contains []string
}{
	{"password length", []string{"15 to 256", "1,024 bytes", "under 8", "under 64"}},
	{"Argon2id", []string{"65536 KiB", "t 3", "p 1", "salt 16 bytes", "tag 32 bytes", "47104/1", "19456/2", "12288/3"}},
	{"PBKDF2-HMAC-SHA-256, if configured", []string{"600,000", "not lower"}},
	{"free failures for one login id and network", []string{"| 5, then 30 seconds, doubling to 1 hour |", "100 failures in a row"}},
	{"failures of one network, all login ids", []string{"20 in 5 minutes"}},
	{"lifetime of a reset link", []string{"| 10 minutes | 24 hours |"}},
	{"lifetime of a verification link", []string{"| 24 hours | 24 hours |"}},
	{"lifetime of the code in an email", []string{"| 10 minutes"}},
	{"wrong codes", []string{"10 in a day for an account", "20 in an hour for a network"}},
	{"reset emails", []string{"3 an hour for an account", "10 requests an hour for a network"}},
	{"lifetime of a session token", []string{"| 10 minutes | 60 minutes |"}},
	{"lifetime of a session in which an operator acts as a user", []string{"| 15 minutes | 15 minutes |"}},
	{"idle timeout; absolute timeout of a session", []string{"14 days; 30 days", "always set"}},
	{"grace time after a refresh token is exchanged", []string{"| 10 seconds | 60 seconds |"}},
	{"sessions of one user", []string{"| 100 |"}},
	{"clock leeway of a verifier", []string{"| 5 seconds | 60 seconds |"}},
	{"size of a body; a token; the headers", []string{"16 KiB; 8 KiB; 32 KiB"}},
	{"JWK Set of another program", []string{"5 seconds", "256 KiB", "100 keys", "30 seconds"}},
}

// The documentation states each default, each hard limit, how a password is
// locked, and each departure from a standard.
func TestCF06_TheDocumentationSaysEachNumber(t *testing.T) {
	t.Parallel()
	for _, page := range []string{"SECURITY.md", "docs/requirements.md"} {
		checkNumbers(t, page)
	}

	all := readFile(t, "SECURITY.md")
	pages, err := filepath.Glob("docs/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatal("no documentation", err)
	}
	for _, page := range pages {
		all += readFile(t, page)
	}
	all = strings.Join(strings.Fields(all), " ")
	for _, text := range []string{
		"disable the password until a reset", "in other instances on the same store within 2 seconds",
		"accepts a session token until it expires", "At most 100 sessions for one user", "Context words",
		"Where we depart from a standard", "second factor", "composition rules", "expiry", "persistent session cookie", "RS256",
	} {
		if !strings.Contains(all, text) {
			t.Errorf("the documentation does not contain %q", text)
		}
	}
}

// checkNumbers checks the table of defaults in the page.
func checkNumbers(t *testing.T, page string) {
	t.Helper()
	rows := map[string]string{}
	for line := range strings.Lines(readFile(t, page)) {
		if cell, _, ok := strings.Cut(strings.TrimPrefix(line, "| "), " |"); ok && strings.HasPrefix(line, "| ") {
			rows[cell] = line
		}
	}
	for _, n := range numbers {
		row, ok := rows[n.what]
		if !ok {
			t.Errorf("%s has no row %q", page, n.what)
			continue
		}
		for _, text := range n.contains {
			if !strings.Contains(row, text) {
				t.Errorf("%s: the row %q does not contain %q: %s", page, n.what, text, row)
			}
		}
	}
}
