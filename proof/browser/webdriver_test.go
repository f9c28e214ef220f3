package browser

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/usherkit/usher/internal/guidetest"
	"github.com/usherkit/usher/internal/webtest"
)

// commands are the commands of W3C WebDriver that the tests use, by their names in
// Firefox's Marionette, and one of Chromium's.
var commands = map[string]string{
	"WebDriver:NewSession":       "POST /session",
	"WebDriver:DeleteSession":    "DELETE ",
	"WebDriver:Navigate":         "POST /url",
	"WebDriver:Back":             "POST /back",
	"WebDriver:Refresh":          "POST /refresh",
	"WebDriver:GetCurrentURL":    "GET /url",
	"WebDriver:FindElement":      "POST /element",
	"WebDriver:ElementClick":     "POST /element/{id}/click",
	"WebDriver:ElementSendKeys":  "POST /element/{id}/value",
	"WebDriver:ExecuteScript":    "POST /execute/sync",
	"WebDriver:GetCookies":       "GET /cookie",
	"WebDriver:DeleteAllCookies": "DELETE /cookie",
	"WebDriver:NewWindow":        "POST /window/new",
	"WebDriver:GetWindowHandle":  "GET /window",
	"WebDriver:SwitchToWindow":   "POST /window",
	"Chromium:GetLog":            "POST /se/log",
}

// driver runs a command and decodes its result.
type driver interface {
	run(command string, params map[string]any, result any) error
}

// webDriver is a driver over HTTP.
type webDriver struct{ session string }

func (d *webDriver) run(command string, params map[string]any, result any) error {
	method, path, _ := strings.Cut(commands[command], " ")
	if id, ok := params["id"].(string); ok {
		path = strings.ReplaceAll(path, "{id}", id)
	}
	var body io.Reader
	if method == http.MethodPost {
		if params == nil {
			params = map[string]any{}
		}
		text, err := json.Marshal(params)
		if err != nil {
			return err
		}
		body = bytes.NewReader(text)
	}
	request, err := http.NewRequest(method, d.session+path, body)
	if err != nil {
		return err
	}
	response, err := (&http.Client{Timeout: 20 * time.Second}).Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", command, answer)
	}
	return decodeValue(answer, result)
}

// marionette is a driver for Firefox, over the TCP protocol that geckodriver uses.
type marionette struct {
	net.Conn
	in *bufio.Reader
	id int
}

func (d *marionette) run(command string, params map[string]any, result any) error {
	d.id++
	text, err := json.Marshal([]any{0, d.id, command, params})
	if err != nil {
		return err
	}
	_ = d.SetDeadline(time.Now().Add(time.Minute))
	if _, err := fmt.Fprintf(d, "%d:%s", len(text), text); err != nil {
		return err
	}
	answer, err := d.read()
	if err != nil {
		return err
	}
	var parts [4]json.RawMessage // 1, the id, the error, the result
	if err := json.Unmarshal(answer, &parts); err != nil {
		return err
	}
	if string(parts[2]) != "null" {
		return fmt.Errorf("%s: %s", command, parts[2])
	}
	return decodeValue(parts[3], result)
}

// read reads a message, which is preceded by its length.
func (d *marionette) read() ([]byte, error) {
	var n int
	if _, err := fmt.Fscanf(d.in, "%d:", &n); err != nil {
		return nil, err
	}
	text := make([]byte, n)
	_, err := io.ReadFull(d.in, text)
	return text, err
}

// decodeValue decodes an answer, or its member "value" if it has one.
func decodeValue(answer []byte, result any) error {
	if result == nil {
		return nil
	}
	var wrapped struct {
		Value json.RawMessage `json:"value"`
	}
	if json.Unmarshal(answer, &wrapped) == nil && wrapped.Value != nil {
		answer = wrapped.Value
	}
	return json.Unmarshal(answer, result)
}

// engine is a browser that speaks WebDriver.
type engine struct {
	driver
	// consoleErrors returns the errors and warnings that the console has got.
	consoleErrors func() ([]string, error)
}

// engines start the browsers by their engine.
var engines = map[string]func(*testing.T) engine{"Chromium": startChromium, "Firefox": startFirefox, "WebKit": startWebKit}

func startChromium(t *testing.T) engine {
	program, chromium := find("chromedriver"), find("chromium", "chromium-browser", "google-chrome")
	if program == "" || chromium == "" {
		guidetest.Missing(t, "chromium or chromedriver is not installed")
	}
	d, _ := startDriver(t, program, nil, map[string]any{
		"acceptInsecureCerts": true, "goog:loggingPrefs": map[string]any{"browser": "ALL"},
		"goog:chromeOptions": map[string]any{
			"binary": chromium, "args": []string{"--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"},
		},
	})
	return engine{driver: d, consoleErrors: func() (all []string, err error) {
		var entries []struct{ Level, Message string }
		err = d.run("Chromium:GetLog", map[string]any{"type": "browser"}, &entries)
		for _, e := range entries {
			if e.Level == "SEVERE" || e.Level == "WARNING" {
				all = append(all, e.Message)
			}
		}
		return all, err
	}}
}

func startWebKit(t *testing.T) engine {
	program, screen := find("WebKitWebDriver"), find("Xvfb")
	if program == "" || screen == "" {
		guidetest.Missing(t, "WebKitWebDriver (webkit2gtk-driver) or Xvfb is not installed")
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(screen, "-displayfd", "3", "-screen", "0", "1100x860x24", "-nolisten", "tcp")
	cmd.ExtraFiles = []*os.File{w}
	start(t, cmd)
	w.Close()
	display, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		t.Fatalf("Xvfb: %v", err)
	}
	binaries, _ := filepath.Glob("/usr/lib/*/webkit2gtk-4.*/MiniBrowser")
	if len(binaries) == 0 {
		guidetest.Missing(t, "the browser of webkit2gtk-driver is not installed")
	}
	d, output := startDriver(t, program, []string{"DISPLAY=:" + strings.TrimSpace(display)}, map[string]any{
		"acceptInsecureCerts": true,
		"webkitgtk:browserOptions": map[string]any{
			"binary": binaries[0], "args": []string{"--automation", "--enable-write-console-messages-to-stdout=true"},
		},
	})
	return engine{driver: d, consoleErrors: func() (all []string, err error) {
		for line := range strings.Lines(output.Take()) {
			if strings.HasPrefix(line, "CONSOLE ") && (strings.Contains(line, "ERROR") || strings.Contains(line, "WARN")) {
				all = append(all, strings.TrimSpace(line))
			}
		}
		return all, nil
	}}
}

func startFirefox(t *testing.T) engine {
	program := find("firefox-esr", "firefox")
	if program == "" {
		guidetest.Missing(t, "firefox is not installed")
	}
	profile := t.TempDir()
	if err := os.WriteFile(filepath.Join(profile, "user.js"), []byte(`user_pref("marionette.port", 0);`), 0o600); err != nil {
		t.Fatal(err)
	}
	// The access to the browser's own realm is for the console.
	start(t, exec.Command(program, "--headless", "--no-remote", "--profile", profile, "--marionette", "--remote-allow-system-access"))
	var port string
	waitFor(t, "Firefox", func() bool {
		b, _ := os.ReadFile(filepath.Join(profile, "MarionetteActivePort"))
		port = strings.TrimSpace(string(b))
		return port != ""
	})
	conn, err := net.Dial("tcp", "127.0.0.1:"+port)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	d := &marionette{Conn: conn, in: bufio.NewReader(conn)}
	if _, err = d.read(); err == nil { // its greeting
		err = d.run("WebDriver:NewSession", map[string]any{"acceptInsecureCerts": true}, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	return engine{driver: d, consoleErrors: func() (all []string, err error) {
		if err := d.run("Marionette:SetContext", map[string]any{"value": "chrome"}, nil); err != nil {
			return nil, err
		}
		err = d.run("WebDriver:ExecuteScript", map[string]any{"args": []any{}, "script": `
			const all = Services.console.getMessageArray().filter((m) => m instanceof Ci.nsIScriptError && /^http/.test(m.sourceName)).map((m) => m.toString());
			Services.console.reset();
			return all;`}, &all)
		if err == nil {
			err = d.run("Marionette:SetContext", map[string]any{"value": "content"}, nil)
		}
		return all, err
	}}
}

// startDriver starts a program that speaks WebDriver over HTTP, and a browser by it. It
// returns what both print, too.
func startDriver(t *testing.T, program string, env []string, capabilities map[string]any) (*webDriver, *webtest.Log) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	l.Close()
	cmd := exec.Command(program, "--port="+port)
	cmd.Env = append(os.Environ(), env...)
	output := &webtest.Log{}
	cmd.Stdout, cmd.Stderr = output, output
	start(t, cmd)
	d := &webDriver{session: "http://127.0.0.1:" + port}
	waitFor(t, program, func() bool {
		response, err := http.Get(d.session + "/status")
		if err == nil {
			response.Body.Close()
		}
		return err == nil
	})
	var session struct{ SessionID string }
	if err := d.run("WebDriver:NewSession", map[string]any{"capabilities": map[string]any{"alwaysMatch": capabilities}}, &session); err != nil {
		t.Fatalf("%v\n%s", err, output.Take())
	}
	d.session += "/session/" + session.SessionID
	t.Cleanup(func() { _ = d.run("WebDriver:DeleteSession", nil, nil) })
	return d, output
}

// start starts a program in a process group, and ends the group with the test.
func start(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
	})
}

func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !done(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited for 30 s: %s", what)
		}
	}
}
