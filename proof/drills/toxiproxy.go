package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

const toxiproxyModule = "github.com/Shopify/toxiproxy/v2/cmd/server@v2.5.0"

// toxiproxy is a proxy before the server that can be told to be bad.
type toxiproxy struct {
	control string
	cmd     *exec.Cmd
}

// startToxiproxy starts one on listen that leads to target.
func startToxiproxy(ctx context.Context, dir, listen, target string) (*toxiproxy, error) {
	path, err := exec.LookPath("toxiproxy-server")
	if err != nil {
		bin := filepath.Join(os.TempDir(), "usher-drills-bin")
		path = filepath.Join(bin, "server")
		if _, err := os.Stat(path); err != nil {
			install := exec.CommandContext(ctx, "go", "install", toxiproxyModule)
			install.Dir = dir // outside of any module
			install.Env = append(os.Environ(), "GOBIN="+bin, "GOFLAGS=")
			if out, err := install.CombinedOutput(); err != nil {
				return nil, errMissing{fmt.Sprintf("toxiproxy cannot be installed: %v %s", err, out)}
			}
		}
	}
	address := freeAddress()
	host, port := address[:len("127.0.0.1")], address[len("127.0.0.1:"):]
	p := &toxiproxy{control: "http://" + address, cmd: exec.Command(path, "-host", host, "-port", port)}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		err := p.post("/proxies", map[string]any{"name": "db", "listen": listen, "upstream": target, "enabled": true})
		if err == nil {
			return p, nil
		}
		if time.Now().After(deadline) {
			p.close()
			return nil, err
		}
	}
}

// poison makes connections bad in one way, in both directions.
func (p *toxiproxy) poison(kind string, attributes map[string]any) error {
	for _, stream := range []string{"upstream", "downstream"} {
		err := p.post("/proxies/db/toxics", map[string]any{
			"name": kind + "_" + stream, "type": kind, "stream": stream, "attributes": attributes,
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// cure makes everything good again.
func (p *toxiproxy) cure() error { return p.post("/reset", nil) }

// open says whether there are any connections at all.
func (p *toxiproxy) open(enabled bool) error {
	return p.post("/proxies/db", map[string]any{"enabled": enabled})
}

func (p *toxiproxy) post(path string, body any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	resp, err := http.Post(p.control+path, "application/json", bytes.NewReader(text))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if answer, _ := io.ReadAll(resp.Body); resp.StatusCode >= 300 {
		return fmt.Errorf("toxiproxy: %s: %d %s", path, resp.StatusCode, answer)
	}
	return nil
}

func (p *toxiproxy) close() {
	p.cmd.Process.Kill()
	p.cmd.Wait()
}
