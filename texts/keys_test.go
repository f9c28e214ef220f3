package texts_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/usherkit/usher/texts"
)

// Every built-in text is used by a source or a template of this repository.
func TestEveryTextIsRead(t *testing.T) {
	code := sources(t)
	// Prefixes of keys that are completed at run time. Package mail tests those
	// of the emails.
	completed := []string{"field.", "invalid.", "policy.", "problem.", "password.rule.", "notice.", "month.", "verify.", "signin.problem.", "signup.problem.", "mail."}
	for key := range texts.Of("en") {
		name, _, _ := strings.Cut(key, "#")
		page, part, _ := strings.Cut(name, ".")
		quoted := func(s string) bool { return strings.Contains(code, `"`+s+`"`) }
		switch {
		case quoted(name), (part == "title" || part == "lead") && quoted(page):
		case strings.HasSuffix(name, ".bare") && quoted(strings.TrimSuffix(name, ".bare")):
		case slices.ContainsFunc(completed, func(prefix string) bool { return strings.HasPrefix(name, prefix) }):
		default:
			t.Errorf("nothing reads %s", name)
		}
	}
	for _, code := range []string{"reset", "sent_again", "password_changed", "name_changed", "email_sent", "email_cancelled", "verify_sent", "session_ended"} {
		if texts.Of("en")["notice."+code] == "" {
			t.Errorf("no text for the notice %s", code)
		}
	}
}

// sources returns the repository's Go files and templates, except tests.
func sources(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != ".." && (strings.HasPrefix(d.Name(), ".") || slices.Contains([]string{"docs", "proof", "node_modules", "testdata"}, d.Name())):
			return fs.SkipDir
		case d.IsDir(), strings.HasSuffix(path, "_test.go"), !slices.Contains([]string{".go", ".html", ".txt", ".js"}, filepath.Ext(path)):
			return nil
		}
		b, err := os.ReadFile(path)
		all.Write(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}
