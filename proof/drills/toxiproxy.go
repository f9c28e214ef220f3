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

// toxiproxy is a proxy in front of the server that can disturb connections.
type toxiproxy struct {
	control string
	cmd     *exec.Cmd
}

// startToxiproxy starts a proxy from listen to target.
func startToxiproxy(ctx context.Context, dir, listen, target string) (*toxiproxy, error) {
	path, err := exec.LookPath("toxiproxy-server")
	if err != nil {
		bin := filepath.Join(os.TempDir(), "usher-drills-bin")
		path = filepath.Join(bin, "server")
		if _, err := os.Stat(path); err != nil {
			install := exec.CommandContext(ctx, "go", "install", toxiproxyModule)
			install.Dir = dir // outside any module
			install.Env = append(os.Environ(), "GOBIN="+bin, "GOFLAGS=")
			if out, err := install.CombinedOutput(); err != nil {
				return nil, missingError{fmt.Sprintf("toxiproxy cannot be installed: %v %s", err, out)}
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

// addToxic disturbs connections in both directions.
func (p *toxiproxy) addToxic(kind string, attributes map[string]any) error {
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

// reset removes all toxics.
func (p *toxiproxy) reset() error { return p.post("/reset", nil) }

// setEnabled accepts connections, or closes and refuses all.
func (p *toxiproxy) setEnabled(enabled bool) error {
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
