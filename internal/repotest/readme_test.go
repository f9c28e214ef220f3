package repotest

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher/internal/guidetest"
)

// block returns the first fenced block of the language in the README.
func block(t *testing.T, language string) string {
	t.Helper()
	m := regexp.MustCompile("(?s)```" + language + "\n(.*?)```").FindStringSubmatch(readFile(t, "README.md"))
	if m == nil {
		t.Fatalf("the README has no %s block", language)
	}
	return m[1]
}

// The program in the README is complete and short.
func TestReadmeProgramIsShort(t *testing.T) {
	program := strings.TrimSpace(block(t, "go"))
	if n := strings.Count(program, "\n") + 1; n > 30 {
		t.Errorf("the program has %d lines, want at most 30", n)
	}
	body := program[strings.Index(program, "func main() {"):]
	if n := strings.Count(body, "\n") + 1; n > 17 {
		t.Errorf("main has %d lines, want at most 17", n)
	}
}

// The program in the README compiles and runs in an otherwise empty module.
func TestReadmeProgramRuns(t *testing.T) {
	dir, address := startReadmeProgram(t)
	base := "http://" + address
	get := func(c *http.Cookie) int {
		r, _ := http.NewRequest("GET", base+"/dashboard", nil)
		if c != nil {
			r.AddCookie(c)
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		return answer.StatusCode
	}
	if got := get(nil); got != http.StatusUnauthorized {
		t.Fatalf("the dashboard answers %d without a session", got)
	}
	answer, err := http.Post(base+"/auth/signup", "application/json",
		strings.NewReader(`{"loginId":"bob@example.com","password":"vast otter sings low"}`))
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusCreated || len(answer.Cookies()) == 0 {
		t.Fatalf("sign-up answers %s with %d cookies", answer.Status, len(answer.Cookies()))
	}
	if got := get(answer.Cookies()[0]); got != http.StatusOK {
		t.Fatalf("the dashboard answers %d with a session", got)
	}

	visitReadmeProgram(t, base)
	if !strings.Contains(block(t, "go"), `"open http://localhost:8080/auth/signup"`) {
		t.Error("the program does not print the address to open")
	}
	checkReadmeMail(t, filepath.Join(dir, "mail"), base)
}

// startReadmeProgram builds the program of the README in an empty module and runs it.
// It returns the folder and the address.
func startReadmeProgram(t *testing.T) (dir, address string) {
	t.Helper()
	dir = newModule(t)
	_, port, _ := strings.Cut(freeAddress(t), ":")
	address = "localhost:" + port
	write(t, filepath.Join(dir, "main.go"), strings.NewReplacer(append(guidetest.Patient, "localhost:8080", address)...).Replace(block(t, "go")))
	build := exec.Command("go", "build", "-mod=mod", "-o", "app", ".")
	build.Dir = dir
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	start(t, dir, filepath.Join(dir, "app"))
	waitFor(t, "http://"+address+"/auth/password/policy")
	return dir, address
}

// newModule returns a folder with a module that requires this one, and the
// dependencies at the versions of this module.
func newModule(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	root, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "go.mod"), strings.Replace(readFile(t, "go.mod"), "module "+module, "module app", 1)+
		"\nrequire "+module+" v0.0.0\nreplace "+module+" => "+root+"\n")
	write(t, filepath.Join(dir, "go.sum"), readFile(t, "go.sum"))
	return dir
}

// checkReadmeMail checks the emails that the program wrote into dir.
func checkReadmeMail(t *testing.T, dir, base string) {
	t.Helper()
	var letters []string
	for deadline := time.Now().Add(10 * time.Second); len(letters) < 2 && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		letters, _ = filepath.Glob(filepath.Join(dir, "*verify_email*.eml"))
	}
	if len(letters) != 2 {
		t.Fatalf("the folder has %d emails that confirm an address, want 2", len(letters))
	}
	letter, err := os.ReadFile(letters[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"From: \"My app\" <no-reply@localhost>", base + "/auth/verify?token="} {
		if !strings.Contains(string(letter), want) {
			t.Errorf("the email lacks %q:\n%s", want, letter)
		}
	}
}

// visitReadmeProgram signs up, looks around and signs in again, as a user does
// first. Every address that the program links or redirects to must exist.
func visitReadmeProgram(t *testing.T, base string) {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar}
	// visit opens a page, or sends a form, and checks the final address and its text.
	visit := func(path string, form url.Values, wantPath string, texts ...string) {
		t.Helper()
		method, body := "GET", io.Reader(nil)
		if form != nil {
			method, body = "POST", strings.NewReader(form.Encode())
		}
		r, err := http.NewRequest(method, base+path, body)
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range map[string]string{
			"Accept": "text/html", "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "navigate",
			"Content-Type": "application/x-www-form-urlencoded",
		} {
			r.Header.Set(name, value)
		}
		answer, err := browser.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		if got := answer.Request.URL.Path; answer.StatusCode != http.StatusOK || got != wantPath {
			t.Fatalf("%s ends at %s with status %d, want %s", path, got, answer.StatusCode, wantPath)
		}
		page, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range texts {
			if !strings.Contains(string(page), text) {
				t.Errorf("%s lacks %q:\n%s", path, text, page)
			}
		}
	}
	account := url.Values{"loginId": {"ann@example.com"}, "password": {"vast otter sings low"}}
	visit("/dashboard", nil, "/auth/signin")
	visit("/auth/signup", nil, "/auth/signup", "At least 15 characters")
	visit("/auth/signup", account, "/dashboard", "hello, ann@example.com")
	visit("/dashboard", nil, "/dashboard")
	visit("/auth/account/name", url.Values{"name": {"Ann Lindqvist"}}, "/auth/account")
	visit("/dashboard", nil, "/dashboard", "hello, Ann Lindqvist")
	visit("/.well-known/change-password", nil, "/auth/account/password")
	visit("/auth/account", nil, "/auth/account")
	visit("/auth/signout", url.Values{}, "/auth/signin")
	visit("/auth/signin", account, "/dashboard")
}

// Before the first address to open, the README says how long a password must be, and by
// what the program greets.
func TestHP15_ReadmeSaysWhatANewcomerMeets(t *testing.T) {
	t.Parallel()
	intro, _, _ := strings.Cut(readFile(t, "README.md"), "go run ./example")
	_, intro, _ = strings.Cut(intro, "go run .")
	for _, want := range []string{"at least 15 characters", "greets you by the name"} {
		if !strings.Contains(intro, want) {
			t.Errorf("the README does not say %q after the program", want)
		}
	}
}

// The README's commands run its program in an empty folder, and the curl commands print what it
// shows.
func TestReadmeTranscript(t *testing.T) {
	ports, dir := guidetest.Ports(t, readFile(t, "README.md")), t.TempDir()
	write(t, filepath.Join(dir, "main.go"), strings.NewReplacer(append(ports, guidetest.Patient...)...).Replace(block(t, "go")))
	write(t, filepath.Join(dir, "go.sum"), readFile(t, "go.sum"))
	shell := guidetest.Shell{Dir: dir, Replace: append(ports, "go run .\n", "go run . &\n", "sleep 1", guidetest.AwaitReset)}
	shell.Run(t, guidetest.Blocks(t, "README.md", "sh", "console"))
}

// The table of routes in the README has exactly the routes of package handlers.
func TestReadmeHasEveryRoute(t *testing.T) {
	t.Parallel()
	code := map[string]string{}
	for _, m := range regexp.MustCompile(`\{(get|post|patch|del), "([^"]+)", (nil|[^,]+), (.*)\},`).FindAllStringSubmatch(readFile(t, "handlers/routes.go"), -1) {
		method := map[string]string{"get": "GET", "post": "POST", "patch": "PATCH", "del": "DELETE"}[m[1]]
		code[method+" "+m[2]] = fmt.Sprintf("json %t, page %t", m[3] != "nil", m[4] != "nil")
	}
	table := map[string]string{}
	for _, m := range regexp.MustCompile("\\| `([A-Z]+ /[^`]*)` \\|([^|]*)\\|([^|]*)\\|").FindAllStringSubmatch(readFile(t, "README.md"), -1) {
		table[m[1]] = fmt.Sprintf("json %t, page %t", strings.Contains(m[2], "✓"), strings.Contains(m[3], "✓"))
	}
	if len(code) < 30 || !maps.Equal(code, table) {
		t.Errorf("the routes of handlers/routes.go:\n%v\nand those of the README:\n%v", code, table)
	}
}

// start runs a program in dir until the test ends.
func start(t *testing.T, dir, program string, args ...string) {
	t.Helper()
	var log bytes.Buffer
	c := exec.Command(program, args...)
	c.Dir, c.Stdout, c.Stderr = dir, &log, &log
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Process.Signal(os.Interrupt)
		c.Wait()
		if t.Failed() {
			t.Logf("output of %s:\n%s", filepath.Base(program), log.String())
		}
	})
}

// waitFor waits until the server at url answers.
func waitFor(t *testing.T, url string) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for time.Now().Before(deadline) {
		if answer, err := http.Get(url); err == nil {
			answer.Body.Close()
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("%s does not answer", url)
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

// write writes a file, and creates its folder.
func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
