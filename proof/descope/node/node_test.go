// Package node runs Descope's SDK for Node against package descope. It needs node, and in
// this folder
//
//	npm ci --ignore-scripts
package node

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher/internal/guidetest"
	"github.com/usherkit/usher/internal/pgtest"
	"github.com/usherkit/usher/proof/descope/calls"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func need(t *testing.T) {
	t.Helper()
	guidetest.Need(t, "node")
	if _, err := os.Stat("node_modules/@descope/node-sdk"); err != nil {
		guidetest.Missing(t, "run npm ci --ignore-scripts in proof/descope/node first")
	}
}

// The calls of the SDK, unmodified, for users and for the management.
func TestDM12_DE25_DE26_TheSDKForNode(t *testing.T) {
	need(t)
	calls.Modes(t, func(t *testing.T, m calls.Mode) {
		w := calls.NewWorld(t, m)
		// The script asks here for the newest emailed link that begins with an address.
		links := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(rw, w.Link(r.URL.Query().Get("begins")).String())
		}))
		t.Cleanup(links.Close)
		run(t, map[string]any{
			"url": w.URL, "project": calls.Project, "key": calls.ManagementKey, "links": links.URL, "cookies": m.Cookies, "keep": m.Keep,
		})
	})
}

// The line of the guide makes a client of the SDK that calls the base URL.
func TestDE32_CF07_TheGuideRunsWithTheSDKForNode(t *testing.T) {
	need(t)
	called := make(chan string, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case called <- r.URL.Path:
		default:
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, "{}")
	}))
	defer server.Close()
	for _, b := range guidetest.Blocks(t, "docs/from-descope.md", "js") {
		script := "import DescopeClient from '@descope/node-sdk';\n" + strings.ReplaceAll(b.Text, "https://auth.example.com", server.URL) +
			"await descopeClient.password.signIn('ann@example.com', 'vast otter sings low');\n"
		if out, err := exec.CommandContext(t.Context(), "node", "--input-type=module", "-e", script).CombinedOutput(); err != nil {
			t.Fatalf("%s:%d: %v\n%s", b.Page, b.Line, err, out)
		}
		if got := <-called; got != "/v1/auth/password/signin" {
			t.Errorf("%s:%d: the client calls %s", b.Page, b.Line, got)
		}
	}
}

// run starts run.mjs, which prints a line for each of its tests, and reports each as a
// subtest.
func run(t *testing.T, settings map[string]any) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	arg, err := json.Marshal(settings)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, "node", "run.mjs", string(arg))
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	n := 0
	for lines := bufio.NewScanner(stdout); lines.Scan(); n++ {
		var r struct{ Name, Error string }
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Errorf("run.mjs: %s", lines.Text())
			continue
		}
		t.Run(cmp.Or(r.Name, "?"), func(t *testing.T) {
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
