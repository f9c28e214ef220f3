// Package browser tests the pages in browsers. In Chromium: the lifecycle of an account with and
// without JavaScript and by keyboard alone, and each page and state in light and dark,
// at 1100 and 320 pixels, with axe. That needs chromium, node, and in this folder
//
//	npm ci --ignore-scripts
//
// In Chromium, Firefox and WebKit: sign-up, sign-in, sign-out, the end of a session and a
// new password, over http and https. That needs the Debian packages chromium-driver,
// firefox-esr, webkit2gtk-driver and xvfb.
//
// Screenshots go into the folder out. With
//
//	go test ./proof/browser -update
//
// those of the documentation go into docs/screenshots. They need the fonts of fonts.conf:
// fonts-inter and fonts-noto-core. With the environment variable
// BROWSER_ONLY only the tests run whose name contains its value.
package browser

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher/internal/guidetest"
)

var update = flag.Bool("update", false, "write docs/screenshots")

// find returns the path of the first program that is installed, or "".
func find(names ...string) string {
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// tools returns the path of Chromium. Without it, node or playwright-core the test is skipped.
func tools(t *testing.T) (chromium string) {
	t.Helper()
	chromium = find("chromium", "chromium-browser", "google-chrome")
	if chromium == "" {
		guidetest.Missing(t, "chromium is not installed")
	}
	guidetest.Need(t, "node")
	if _, err := os.Stat("node_modules/playwright-core"); err != nil {
		guidetest.Missing(t, "run npm ci --ignore-scripts in proof/browser first")
	}
	return chromium
}

// result is a line that run.mjs prints for each of its tests.
type result struct {
	Name   string `json:"name"`
	Error  string `json:"error"`
	Millis int    `json:"millis"`
}

func TestPagesInChromium(t *testing.T) {
	chromium := tools(t)
	urls := map[string]string{"example": startExample(t), "readme": startReadme(t)}
	for name, s := range sites {
		urls[name] = serve(t, s)
	}
	out, err := filepath.Abs("out")
	if err != nil {
		t.Fatal(err)
	}
	settings := map[string]any{"chromium": chromium, "out": out, "sites": urls}
	if *update {
		if font, _ := exec.Command("fc-match", "-f", "%{family}", "Inter").Output(); !strings.Contains(string(font), "Inter") {
			t.Fatal("the screenshots need their fonts: install fonts-inter and fonts-noto-core")
		}
		if settings["docs"], err = filepath.Abs("../../docs/screenshots"); err != nil {
			t.Fatal(err)
		}
	}
	run(t, settings)
}

// run starts run.mjs and reports each of its results as a subtest.
func run(t *testing.T, settings map[string]any) {
	t.Helper()
	ctx := t.Context()
	if end, ok := t.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, end.Add(-30*time.Second)) // so that the results are reported
		defer cancel()
	}
	arg, err := json.Marshal(settings)
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"run.mjs", string(arg)}
	if only := os.Getenv("BROWSER_ONLY"); only != "" {
		args = append(args, only)
	}
	cmd := exec.CommandContext(ctx, "node", args...)
	cmd.Stderr = os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	n := 0
	for lines := bufio.NewScanner(stdout); lines.Scan(); n++ {
		var r result
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Errorf("run.mjs: %s", lines.Text())
			continue
		}
		t.Run(cmp.Or(r.Name, "?"), func(t *testing.T) {
			t.Logf("%d ms", r.Millis)
			if r.Error != "" {
				t.Error(r.Error)
			}
		})
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("run.mjs: %v", err)
	}
	if n == 0 {
		t.Error("run.mjs ran nothing")
	}
}
