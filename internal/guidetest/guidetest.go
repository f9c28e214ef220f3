// Package guidetest runs the blocks of the documentation. A test names the page and the kind
// of block by constants, so that internal/repotest finds the blocks that no test takes.
package guidetest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Block is a fenced block of a page.
type Block struct {
	Page string // the path below the root of the repository
	Line int    // the line of the page where the text begins
	Info string // what follows the fence: a language, and a name if the page has several kinds
	File string // the Go file that the block quotes, from a comment above it
	Text string
}

// Root returns the root of the repository.
func Root() string { return root }

// root is found when the test starts, because "go test" starts it in the folder of its
// package. A program that was built with -trimpath has no paths of source files.
var root = findRoot()

// findRoot returns the folder above the current one that has the go.mod of this repository, or
// "" outside of it. The modules below it have their own.
func findRoot() string {
	dir, err := os.Getwd()
	for err == nil {
		text, readErr := os.ReadFile(filepath.Join(dir, "go.mod"))
		if readErr == nil && strings.HasPrefix(string(text), "module github.com/usherkit/usher\n") {
			return dir
		}
		if dir == filepath.Dir(dir) {
			break
		}
		dir = filepath.Dir(dir)
	}
	return ""
}

// Read returns the text of a file below the root of the repository.
func Read(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(Root(), path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var fence = regexp.MustCompile("(?ms)^[ \t]*(?:<!-- (\\S+\\.go) -->\n[ \t]*)?```([^`\n]*)\n(.*?)^[ \t]*```[ \t]*$")

// All returns all blocks of a page.
func All(t testing.TB, page string) (all []Block) {
	t.Helper()
	text := Read(t, page)
	for _, m := range fence.FindAllStringSubmatchIndex(text, -1) {
		b := Block{Page: page, Line: 1 + strings.Count(text[:m[6]], "\n"), Info: text[m[4]:m[5]], Text: text[m[6]:m[7]]}
		if m[2] >= 0 {
			b.File = text[m[2]:m[3]]
		}
		all = append(all, b)
	}
	return all
}

// Blocks returns the blocks of a page that have one of the info strings, in the order of the
// page. A kind without a block fails the test.
func Blocks(t testing.TB, page string, infos ...string) (found []Block) {
	t.Helper()
	missing := slices.Clone(infos)
	for _, b := range All(t, page) {
		if slices.Contains(infos, b.Info) {
			found = append(found, b)
			missing = slices.DeleteFunc(missing, func(info string) bool { return info == b.Info })
		}
	}
	if len(missing) > 0 {
		t.Fatalf("%s has no block of the kinds %q", page, missing)
	}
	return found
}

// Need calls Missing if a program is not installed.
func Need(t testing.TB, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			Missing(t, p+" is not installed")
		}
	}
}

// Missing skips the test because something that it needs is not there. In CI the test fails.
func Missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// Shell is a shell in which the blocks of a guide run.
type Shell struct {
	Dir     string   // the folder in which it begins
	Env     []string // variables beside those of the test, such as "NAME=value"
	Replace []string // pairs of an old and a new text, such as those of Ports
}

// prelude adapts the shell of a test to the commands of a guide. "go mod init" makes a module
// that takes Usher from this repository. curl waits for a program that is still starting.
// "await COMMAND" takes the place of a pause: it repeats the command until it succeeds, for at most a
// minute.
const prelude = `
go() {
  command go "$@" || return
  [ "$1 $2" != "mod init" ] || command go mod edit -replace "github.com/usherkit/usher=$USHER_ROOT"
}
curl() {
  local code
  for _ in $(seq 300); do
    code=0; command curl "$@" || code=$?
    [ $code = 7 ] || return $code
    sleep 0.2
  done
  return $code
}
await() {
  for _ in $(seq 300); do
    ! eval "$1" >/dev/null 2>&1 || return 0
    sleep 0.2
  done
  return 1
}
`

// Patient is an old and a new text for the program of a guide. With it, the program accepts that a
// request on a busy computer takes longer than the default of handlers.Config.Timeout.
var Patient = []string{"handlers.Config{", "handlers.Config{Timeout: 60e9, "}

// AwaitReset takes the place of a pause in which a reader waits for the email of a reset.
const AwaitReset = "await 'ls mail/*reset*.eml'"

// step is a command with the output that the page shows.
type step struct {
	page          string
	line          int
	command, want string
	silent        bool // the page does not say what it prints
}

// steps returns the commands of blocks. In a block "console" a command begins with "$ " and
// continues after a backslash. The lines below it are its output, in which … stands for any
// text of a line. Every other block is one command without output.
func steps(t testing.TB, blocks []Block) (all []step) {
	t.Helper()
	for _, b := range blocks {
		if !strings.HasPrefix(b.Info, "console") {
			all = append(all, step{page: b.Page, line: b.Line, command: b.Text, silent: true})
			continue
		}
		goesOn, n := false, 0
		for line := range strings.Lines(b.Text) {
			command, begins := strings.CutPrefix(line, "$ ")
			switch {
			case begins:
				all = append(all, step{page: b.Page, line: b.Line + n, command: command})
			case n == 0:
				t.Fatalf("%s:%d: the block begins with no command", b.Page, b.Line)
			case goesOn:
				all[len(all)-1].command += line
			default:
				all[len(all)-1].want += line
			}
			goesOn = (begins || goesOn) && strings.HasSuffix(line, "\\\n")
			n++
		}
	}
	return all
}

// background is the end of a command that runs beside the next ones.
var background = regexp.MustCompile(`(?m)([^&]) ?&$`)

// Run runs the commands of blocks in one bash, and ends what they have started. It fails the
// test for a command that fails, and for one that does not print what the page says.
func (s Shell) Run(t testing.TB, blocks []Block) {
	t.Helper()
	Need(t, "bash", "curl")
	const mark = "=====next====="
	log := filepath.Join(t.TempDir(), "log")
	script, all, replace := prelude, steps(t, blocks), strings.NewReplacer(s.Replace...)
	for i, step := range all {
		all[i].command, all[i].want = replace.Replace(step.command), replace.Replace(step.want)
		command := background.ReplaceAllString(strings.TrimSuffix(all[i].command, "\n"), "$1 >>"+log+" 2>&1 &")
		script += command + "\nprintf '\\n%s\\n' " + mark + "\n"
	}
	out, err := os.CreateTemp(t.TempDir(), "output") // a pipe would wait for programs in the background
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	bash := exec.Command("bash", "-e", "-o", "pipefail", "-c", script)
	bash.Dir, bash.Stdout, bash.Stderr = s.Dir, out, out
	bash.Env = append(os.Environ(), "USHER_ROOT="+Root(), "GOPROXY=off", "GONOSUMDB=*", "GOFLAGS=-buildvcs=false")
	bash.Env = append(bash.Env, s.Env...)
	bash.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := bash.Start(); err != nil {
		t.Fatal(err)
	}
	defer syscall.Kill(-bash.Process.Pid, syscall.SIGKILL)
	failed := bash.Wait()
	text, err := os.ReadFile(out.Name())
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Split(string(text), mark+"\n")
	if failed != nil {
		log, _ := os.ReadFile(log)
		t.Logf("the programs in the background:\n%s", log)
	}
	for i, step := range all {
		if i >= len(got)-1 {
			t.Fatalf("%s:%d: %v\n$ %s%s", step.page, step.line, failed, step.command, got[len(got)-1])
		}
		if !step.silent && !matches(got[i], step.want) {
			t.Errorf("%s:%d:\n$ %sgot  %s\nwant %s", step.page, step.line, step.command, strings.TrimSpace(got[i]), strings.TrimSpace(step.want))
		}
	}
	if failed != nil {
		t.Errorf("the shell: %v", failed)
	}
}

// matches reports whether an output is what a page shows.
func matches(got, want string) bool {
	pattern := strings.ReplaceAll(regexp.QuoteMeta(strings.TrimSpace(want)), "…", ".*")
	return regexp.MustCompile("^" + pattern + "$").MatchString(strings.TrimSpace(got))
}

var port = regexp.MustCompile(`\b(?:localhost|127\.0\.0\.1):(\d{4})\b`)

// Ports finds a free port for each loopback port that the texts name, so that programs of
// guides can run at the same time. It returns pairs of an old and a new text.
func Ports(t testing.TB, texts ...string) (pairs []string) {
	t.Helper()
	seen := map[string]bool{}
	for _, text := range texts {
		for _, m := range port.FindAllStringSubmatch(text, -1) {
			if seen[m[1]] {
				continue
			}
			seen[m[1]] = true
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			_, free, _ := net.SplitHostPort(l.Addr().String())
			for _, host := range []string{"localhost:", "127.0.0.1:"} {
				pairs = append(pairs, host+m[1], host+free)
			}
		}
	}
	return pairs
}

// Copy copies a folder of the repository into an empty one, which it returns. It replaces the
// pairs of texts in Go files, and makes each go.mod refer to this repository.
func Copy(t testing.TB, folder string, replace []string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(Root(), folder))); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") && d.Name() != "go.mod" {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		changed := strings.NewReplacer(replace...).Replace(string(text))
		if d.Name() == "go.mod" {
			changed = regexp.MustCompile(`=> \.\.\S*`).ReplaceAllString(changed, "=> "+Root())
		}
		return os.WriteFile(path, []byte(changed), 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// Until waits until done returns true. It fails the test after 20 seconds.
func Until(t testing.TB, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(fmt.Sprint("waited 20 seconds: ", what))
		}
	}
}
