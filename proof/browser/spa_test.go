package browser

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/usherkit/usher/internal/guidetest"
)

// A user signs up, out and in, and sets a password by an emailed link, on pages with the scripts
// of docs/spa.md beside the program that it starts.
func TestCF07_TheGuideToSinglePageApps(t *testing.T) {
	chromium := tools(t)
	ports := guidetest.Ports(t, "localhost:8080 localhost:5173")
	replace := strings.NewReplacer(ports...)
	dir := guidetest.Copy(t, "example/programs", append(ports, guidetest.Patient...))
	var scripts []string
	for _, b := range guidetest.Blocks(t, "docs/spa.md", "js") {
		scripts = append(scripts, replace.Replace(b.Text))
	}
	settings, err := json.Marshal(map[string]any{
		"app": replace.Replace("http://localhost:5173"), "api": replace.Replace("http://localhost:8080"),
		"scripts": scripts, "mail": filepath.Join(dir, "mail"), "browser": chromium,
	})
	if err != nil {
		t.Fatal(err)
	}
	script, err := filepath.Abs("spa.mjs")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "settings.json"), settings, 0o600); err != nil {
		t.Fatal(err)
	}
	shell := guidetest.Shell{Dir: dir, Replace: append(ports, "go run ./spa\n", "go run ./spa &\n")}
	visit := guidetest.Block{Page: "docs/spa.md", Line: 1, Text: "node " + script + ` "$(cat settings.json)"`}
	shell.Run(t, append(guidetest.Blocks(t, "docs/spa.md", "sh"), visit))
}
