package handlers

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/usherkit/usher/internal/locale"
)

// Every text of the pages is read by something.
func TestEveryTextIsRead(t *testing.T) {
	var source strings.Builder
	for _, pattern := range []string{"*.go", "pages/*", "../internal/locale/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			source.Write(b)
		}
	}
	code := source.String()
	// The beginnings of keys whose end is known while the program runs.
	made := []string{"field.", "invalid.", "policy.", "problem.", "password.rule.", "notice.", "month.", "verify.", "signin.problem.", "signup.problem.", "mail."}
	for key := range locale.ShippedTexts("en") {
		name, _, _ := strings.Cut(key, "#")
		page, part, _ := strings.Cut(name, ".")
		read := strings.Contains(code, `"`+name+`"`) || (part == "title" || part == "lead") && strings.Contains(code, `"`+page+`"`) ||
			strings.HasSuffix(name, ".bare") && strings.Contains(code, `"`+strings.TrimSuffix(name, ".bare")+`"`)
		for _, begin := range made {
			read = read || strings.HasPrefix(name, begin)
		}
		if !read {
			t.Errorf("nothing reads %s", name)
		}
	}
	for _, code := range []string{"reset", "sent_again", "password_changed", "name_changed", "email_sent", "email_cancelled", "verify_sent", "session_ended"} {
		if !locale.Default().For().Has("notice." + code) {
			t.Errorf("no text for the notice %s", code)
		}
	}
}
