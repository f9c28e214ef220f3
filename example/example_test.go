package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// binary builds the example once.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "example")
	out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput()
	if err != nil {
		return "", &buildError{err, out}
	}
	return path, nil
})

type buildError struct {
	err error
	out []byte
}

func (e *buildError) Error() string { return e.err.Error() + "\n" + string(e.out) }

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := binary(); err == nil {
		os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// process is a running example.
type process struct {
	*exec.Cmd
	t       *testing.T
	dir     string
	url     string
	mu      sync.Mutex
	written bytes.Buffer
}

func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.written.Write(b)
}

func (p *process) output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.written.String()
}

// start starts the example in dir and waits for the line that says it is ready.
func start(t *testing.T, dir string, args ...string) *process {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, dir: dir, Cmd: exec.Command(path, append([]string{"-addr", "127.0.0.1:0"}, args...)...)}
	p.Dir, p.Stdout, p.Stderr = dir, p, p
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Process.Kill()
		p.Wait()
		if t.Failed() {
			t.Logf("the example wrote:\n%s", p.output())
		}
	})
	ready := regexp.MustCompile(`(?m)^usher is ready at (http://\S+)$`)
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if m := ready.FindStringSubmatch(p.output()); m != nil {
			p.url = m[1]
			return p
		}
	}
	t.Fatal("the example is not ready within 20 s")
	return nil
}

// stop sends SIGTERM, and fails the test unless the program exits without an error.
func (p *process) stop() {
	p.t.Helper()
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
	if err := p.Wait(); err != nil {
		p.t.Fatalf("after SIGTERM: %v", err)
	}
}

// get returns the status of a GET with that bearer token; 0 without an answer.
func (p *process) get(path, bearer string) int {
	p.t.Helper()
	r, err := http.NewRequest("GET", p.url+path, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	if bearer != "" {
		r.Header.Set("Authorization", "Bearer "+bearer)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0
	}
	answer.Body.Close()
	return answer.StatusCode
}

// freeAddress returns a loopback address with a free port.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// post sends JSON and returns status and answer.
func (p *process) post(path, body string) (int, map[string]any) {
	p.t.Helper()
	answer, err := http.Post(p.url+path, "application/json", strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(text, &m); err != nil {
		p.t.Fatalf("%s answers %q", path, text)
	}
	return answer.StatusCode, m
}

const ann = `{"loginId":"ann@example.com","password":"vast otter sings low"}`

// What was acknowledged survives a restart, and so does the secret: tokens of the
// first run are valid in the second.
func TestStopsCleanlyAndGoesOn(t *testing.T) {
	dir := t.TempDir()
	address := freeAddress(t)
	p := start(t, dir, "-addr", address)
	status, session := p.post("/api/auth/signup", ann)
	if status != http.StatusCreated {
		t.Fatalf("sign-up answers %d", status)
	}
	p.stop()
	for _, f := range []string{"usher.db", "usher.secret"} {
		info, err := os.Stat(filepath.Join(dir, f))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", f, info.Mode().Perm())
		}
	}

	p = start(t, dir, "-addr", address)
	if got := p.get("/api/me", session["sessionToken"].(string)); got != http.StatusOK {
		t.Errorf("the session token of the first run: %d", got)
	}
	if status, _ := p.post("/api/auth/signin", ann); status != http.StatusOK {
		t.Errorf("sign-in after the restart: %d", status)
	}
	p.stop()
}

// A second program imports middleware alone, holds no users, and validates the
// sessions of the first by its JWK Set.
func TestSecondProgram(t *testing.T) {
	p := start(t, t.TempDir())
	_, session := p.post("/api/auth/signup", ann)
	raw := session["sessionToken"].(string)

	dir, address := t.TempDir(), freeAddress(t)
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	mod, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	sum, err := os.ReadFile("../go.sum")
	if err != nil {
		t.Fatal(err)
	}
	const module = "github.com/usherkit/usher"
	for name, text := range map[string]string{
		"main.go": secondProgram,
		"go.sum":  string(sum),
		"go.mod": strings.Replace(string(mod), "module "+module, "module second", 1) +
			"\nrequire " + module + " v0.0.0\nreplace " + module + " => " + root + "\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "second")
	build := exec.Command("go", "build", "-mod=mod", "-o", path, ".")
	build.Dir = dir
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	linked, err := exec.Command("go", "version", "-m", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, no := range []string{"modernc.org/sqlite", "jackc/pgx", "gorilla", "go-mail"} {
		if strings.Contains(string(linked), no) {
			t.Errorf("the second program links %s", no)
		}
	}

	second := exec.Command(path, address, p.url)
	second.Stdout, second.Stderr = p, p
	if err := second.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { second.Process.Kill(); second.Wait() })
	first := p.url
	p.url = "http://" + address
	for deadline := time.Now().Add(20 * time.Second); p.get("/", raw) != http.StatusOK; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the second program does not accept the session within 20 s")
		}
	}
	if got := p.get("/", ""); got != http.StatusUnauthorized {
		t.Errorf("without a session: %d", got)
	}
	if got := p.get("/", session["refreshToken"].(string)); got != http.StatusUnauthorized {
		t.Errorf("with a refresh token: %d", got)
	}
	p.url = first
}

const secondProgram = `package main

import (
	"context"
	"fmt"
	"net/http"
	"os"

	"github.com/usherkit/usher/middleware"
)

func main() {
	sessions, err := middleware.OpenRemote(context.Background(), middleware.RemoteConfig{Issuer: os.Args[2], InsecureLoopback: true})
	if err != nil {
		panic(err)
	}
	m, err := middleware.New(middleware.Config{Validator: sessions})
	if err != nil {
		panic(err)
	}
	http.Handle("/", m.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "hello,", middleware.Subject(r.Context()))
	})))
	panic(http.ListenAndServe(os.Args[1], nil))
}
`

func TestRefusesToStart(t *testing.T) {
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	short := filepath.Join(t.TempDir(), "short")
	if err := os.WriteFile(short, []byte("changeme"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"http for other hosts":  {[]string{"-addr", "0.0.0.0:0"}, "http is accepted for localhost and loopback addresses only"},
		"short secret":          {[]string{"-secret-file", short}, "must have at least 32"},
		"password minimum":      {[]string{"-password-min", "7"}, "less than 8"},
		"unknown store":         {[]string{"-db", "mysql://x"}, "-db: must be sqlite:FILE or postgres://"},
		"unknown mail":          {[]string{"-mail", "pigeon:loft"}, "-mail: "},
		"redirect over http":    {[]string{"-redirect", "http://app.example"}, "https"},
		"trusted proxy":         {[]string{"-trusted-proxy", "everyone"}, "must be a network"},
		"stray argument":        {[]string{"serve"}, "unexpected argument"},
		"database out of reach": {[]string{"-db", "postgres://127.0.0.1:1/x?connect_timeout=1"}, "-db: "},
		"folder does not exist": {[]string{"-db", "sqlite:/nowhere/usher.db"}, "-db: "},
		"unknown flag":          {[]string{"-nothing", "k"}, "not defined"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(path, append([]string{"-addr", "127.0.0.1:0"}, c.args...)...)
			cmd.Dir = t.TempDir()
			out, err := cmd.CombinedOutput()
			if err == nil {
				t.Fatal("it started")
			}
			if !strings.Contains(string(out), c.want) {
				t.Fatalf("it wrote %q, want something with %q", out, c.want)
			}
		})
	}
}
