package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// program is a whole program that is built as its users would.
type program struct {
	name string
	// dir is where it is built, and target what is built there.
	dir, target string
}

const usherRoot = "../.." // of the module that is measured

// programs builds whole programs, states their sizes, and runs the README's.
func (s *suite) programs() error {
	readme, err := readmeProgram()
	if err != nil {
		return err
	}
	list, err := s.layOut(readme)
	if err != nil {
		return err
	}
	s.section("Programs", "Built with CGO_ENABLED=0, each with the packages that it imports and no other; stripped is `-ldflags='-s -w'`.")
	s.line("| | go build | stripped |\n|---|---|---|\n")
	for _, p := range list {
		whole, err := s.buildProgram(p)
		if err != nil {
			return err
		}
		stripped, err := s.buildProgram(p, "-ldflags=-s -w")
		if err != nil {
			return err
		}
		s.line("| %s | %.1f MiB | %.1f MiB |\n", p.name, mib(whole), mib(stripped))
	}
	return s.runReadme(readme)
}

// readmeProgram is the program on the README's first screen.
func readmeProgram() (string, error) {
	text, err := os.ReadFile(filepath.Join(usherRoot, "README.md"))
	if err != nil {
		return "", err
	}
	m := regexp.MustCompile("(?s)```go\n(package main\n.*?)```").FindSubmatch(text)
	if m == nil {
		return "", errors.New("README.md has no program")
	}
	return string(m[1]), nil
}

// layOut writes the programs into a module of their own, which needs nothing but the
// kit, so that the measured peers have no say in the versions.
func (s *suite) layOut(readme string) ([]program, error) {
	onPostgres, err := replaced(readme,
		`"github.com/usherkit/usher/sqlite"`, `"github.com/usherkit/usher/postgres"; "context"`,
		`sqlite.Open("usher.db", sqlite.Options{})`, `postgres.Open(context.Background(), "postgres://localhost/app", postgres.Options{})`)
	if err != nil {
		return nil, err
	}
	sources := map[string]string{"sqlite": readme, "postgres": onPostgres}
	for _, name := range []string{"bearer", "hello"} {
		text, err := os.ReadFile(filepath.Join("programs", name, "main.go"))
		if err != nil {
			return nil, err
		}
		sources[name] = string(text)
	}
	app := s.appDir()
	for name, text := range sources {
		if err := os.MkdirAll(filepath.Join(app, name), 0o700); err != nil {
			return nil, err
		}
		if err := os.WriteFile(filepath.Join(app, name, "main.go"), []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	return []program{
		{"README.md's program: SQLite, pages, mail", app, "./sqlite"},
		{"the same on Postgres", app, "./postgres"},
		{"a second program, bearer tokens, `middleware` alone", app, "./bearer"},
		{"./example: both engines, SMTP", usherRoot, "./example"},
		{"for comparison: net/http alone", app, "./hello"},
	}, s.appModule(app)
}

func (s *suite) appDir() string { return filepath.Join(s.dir, "app") }

// appModule makes a folder a module that needs the kit, at the versions of what the
// kit needs that it was tested with.
func (s *suite) appModule(dir string) error {
	root, err := filepath.Abs(usherRoot)
	if err != nil {
		return err
	}
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		return err
	}
	const path = "github.com/usherkit/usher"
	text, err := replaced(string(mod), "module "+path, "module app")
	if err != nil {
		return err
	}
	text += "\nrequire " + path + " v0.0.0\nreplace " + path + " => " + root + "\n"
	sum, err := os.ReadFile(filepath.Join(root, "go.sum"))
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(dir, "go.mod"), []byte(text), 0o600),
		os.WriteFile(filepath.Join(dir, "go.sum"), sum, 0o600))
}

// buildProgram builds a program and returns its size in bytes.
func (s *suite) buildProgram(p program, flags ...string) (int64, error) {
	out := s.programPath(p.target)
	args := append([]string{"build", "-o", out}, flags...)
	if p.dir != usherRoot {
		args = append(args, "-mod=mod")
	}
	build := exec.CommandContext(s.ctx, "go", append(args, p.target)...)
	build.Dir = p.dir
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := build.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("go %s: %w: %s", strings.Join(build.Args[1:], " "), err, bytes.TrimSpace(text))
	}
	info, err := os.Stat(out)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (s *suite) programPath(target string) string {
	return filepath.Join(s.dir, "program-"+filepath.Base(target))
}

// replaced replaces texts, in pairs, each of which must be there.
func replaced(text string, pairs ...string) (string, error) {
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(text, pairs[i]) {
			return "", fmt.Errorf("%q is not in the text that was to be changed", pairs[i])
		}
		text = strings.ReplaceAll(text, pairs[i], pairs[i+1])
	}
	return text, nil
}

func mib(bytes int64) float64 { return float64(bytes) / (1 << 20) }
