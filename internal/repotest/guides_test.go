package repotest

import (
	"maps"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/usherkit/usher/internal/guidetest"
)

// The commands of docs/start.md are those of the README, whose program it takes.
func TestCF07_TheGuideStartsAsTheReadmeDoes(t *testing.T) {
	t.Parallel()
	readme := guidetest.Blocks(t, "README.md", "sh")
	for _, b := range guidetest.Blocks(t, "docs/start.md", "sh") {
		if b.Text != readme[0].Text {
			t.Errorf("%s:%d: other commands than those of the README", b.Page, b.Line)
		}
	}
}

// The routes of docs/start.md compile where it says: below the dashboard of the program of the
// README, with one import more.
func TestCF07_TheRoutesOfTheGuideFitIntoTheProgram(t *testing.T) {
	t.Parallel()
	dir := newModule(t)
	const dashboard = "\tfmt.Println(\"open "
	program := block(t, "go")
	for _, b := range guidetest.All(t, "docs/start.md") {
		if b.Info == "go" {
			program = strings.Replace(program, dashboard, b.Text+dashboard, 1)
		}
	}
	program = strings.Replace(program, "\t\"github.com/usherkit/usher/pages\"\n", "\t\"github.com/usherkit/usher/middleware\"\n\t\"github.com/usherkit/usher/pages\"\n", 1)
	write(t, filepath.Join(dir, "main.go"), program)
	vet := exec.Command("go", "vet", "-mod=mod", ".")
	vet.Dir = dir
	if out, err := vet.CombinedOutput(); err != nil || !strings.Contains(program, "GET /orders") {
		t.Errorf("%v\n%s", err, out)
	}
}

// What a clone can run runs in every pass of .ci/run, in a fresh copy.
func TestCF07_TheCommandsForACloneRunInCI(t *testing.T) {
	t.Parallel()
	inCI := map[string]string{"go run ./example": "\n  go run ./example -addr ", "go test ./...": "\nrun_tests \"$work/copy\" ./...\n"}
	for _, b := range guidetest.Blocks(t, "README.md", "sh clone") {
		for line := range strings.Lines(b.Text) {
			command, _, _ := strings.Cut(line, "#")
			if step := inCI[strings.TrimSpace(command)]; step == "" || !strings.Contains(readFile(t, ".ci/run"), step) {
				t.Errorf("%s:%d: .ci/run does not run %q", b.Page, b.Line, command)
			}
		}
	}
}

// The command that records the SQL of a version would write files, so it only lists its tests.
func TestCF07_TheCommandThatRecordsHasTestsAndItsFlag(t *testing.T) {
	t.Parallel()
	for _, b := range guidetest.Blocks(t, "docs/decisions.md", "sh") {
		args, ok := strings.CutPrefix(strings.TrimSpace(b.Text), "go test ")
		if !ok {
			t.Fatalf("%s:%d: %q is another command", b.Page, b.Line, b.Text)
		}
		logRoot()
		out, err := exec.Command("go", append(append([]string{"test"}, strings.Fields(args)...), "-list", "ST07")...).CombinedOutput()
		if err != nil || strings.Count(string(out), "TestST07") < 2 {
			t.Errorf("%v\n%s", err, out)
		}
	}
}

// The commands of the go command in the text and in tables name folders and tests that exist.
func TestCF07_CommandsInTheTextNameWhatExists(t *testing.T) {
	t.Parallel()
	tests, _ := moduleTests(t)
	n := 0
	for _, page := range pages(t) {
		for _, m := range regexp.MustCompile("`(?:cd (\\S+) && )?go (?:test|run) ([^`…]+)`").FindAllStringSubmatch(readFile(t, page), -1) {
			n++
			args := strings.Fields(m[2])
			for i, arg := range args {
				if path, ok := strings.CutPrefix(strings.TrimSuffix(arg, "/..."), "./"); ok || arg == "." {
					if found, err := filepath.Glob(filepath.Join(m[1], path, "*.go")); err != nil || len(found) == 0 && !strings.HasSuffix(arg, "...") {
						t.Errorf("%s: %s: no package %s", page, m[0], arg)
					}
				}
				if arg == "-run" && regexp.MustCompile(`^\w+$`).MatchString(args[i+1]) && !slices.ContainsFunc(slices.Collect(maps.Keys(tests)), func(test string) bool { return strings.Contains(test, args[i+1]) }) {
					t.Errorf("%s: %s: no test %s", page, m[0], args[i+1])
				}
			}
		}
	}
	if n < 10 {
		t.Errorf("the text has %d commands", n)
	}
}
