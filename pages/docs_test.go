package pages_test

import (
	"io/fs"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/usherkit/usher/pages"
	"github.com/usherkit/usher/texts"
)

// docs/pages.md names each file of the pages, and each prefix of texts that it names
// exists.
func TestDocsNameEachFileAndText(t *testing.T) {
	b, err := os.ReadFile("../docs/pages.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(b), "## Files and texts")
	if !ok {
		t.Fatal("docs/pages.md has no section on files and texts")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	named := regexp.MustCompile("`([a-z]+\\.html)`").FindAllStringSubmatch(section, -1)
	var files []string
	for _, m := range named {
		files = append(files, m[1])
	}
	slices.Sort(files)
	want, err := fs.Glob(pages.Files(), "*.html")
	if err != nil || !slices.Equal(files, want) {
		t.Errorf("docs/pages.md names %v, the files are %v", files, want)
	}
	keys := strings.Join(slices.Collect(maps.Keys(texts.Of("en"))), "\n")
	for _, m := range regexp.MustCompile("`([a-z]+\\.)`").FindAllStringSubmatch(section, -1) {
		if !strings.Contains("\n"+keys, "\n"+m[1]) {
			t.Errorf("no text begins with %s", m[1])
		}
	}
	for _, link := range regexp.MustCompile(`\(((?:\.\./|screenshots/)[^)#]+)\)|src="(screenshots/[^"]+)"`).FindAllStringSubmatch(string(b), -1) {
		if _, err := os.Stat("../docs/" + link[1] + link[2]); err != nil {
			t.Errorf("docs/pages.md links to a file that does not exist: %v", err)
		}
	}
}
