package browser

import (
	"bufio"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher/internal/guidetest"
)

// startExample builds and starts the example program and returns its URL. Chromium
// accepts Secure cookies from localhost over plain HTTP.
func startExample(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	program := filepath.Join(dir, "example")
	if out, err := exec.Command("go", "build", "-o", program, "../../example").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return startProgram(t, "usher is ready at ", dir, program, "-addr", "localhost:0")
}

// startReadme builds the program of the README in a module of its own, starts it and
// returns its URL.
func startReadme(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	readme := read(t, filepath.Join(root, "README.md"))
	code := regexp.MustCompile("(?s)```go\n(.*?)```").FindStringSubmatch(readme)
	if code == nil {
		t.Fatal("the README has no program")
	}
	l, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	l.Close()
	const module = "github.com/usherkit/usher"
	dir := t.TempDir()
	for name, text := range map[string]string{
		"main.go": strings.NewReplacer(append(guidetest.Patient, "localhost:8080", "localhost:"+port)...).Replace(code[1]),
		"go.mod": strings.Replace(read(t, filepath.Join(root, "go.mod")), "module "+module, "module app", 1) +
			"\nrequire " + module + " v0.0.0\nreplace " + module + " => " + root + "\n",
		"go.sum": read(t, filepath.Join(root, "go.sum")),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	build := exec.Command("go", "build", "-mod=mod", "-o", "app", ".")
	build.Dir = dir
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return strings.TrimSuffix(startProgram(t, "open ", dir, filepath.Join(dir, "app")), "/auth/signup")
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// startProgram runs a program in dir until the test ends. It returns the URL that the
// program prints after ready.
func startProgram(t *testing.T, ready, dir, program string, args ...string) string {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Dir = dir
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
	})
	urls := make(chan string, 1)
	go func() {
		for lines := bufio.NewScanner(stdout); lines.Scan(); { // to the end, so that the pipe does not fill
			if url, ok := strings.CutPrefix(lines.Text(), ready); ok {
				urls <- url
			}
		}
	}()
	select {
	case url := <-urls:
		return url
	case <-time.After(20 * time.Second):
		t.Fatalf("%s is not ready within 20 s", filepath.Base(program))
		return ""
	}
}
