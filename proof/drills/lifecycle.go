package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"time"
)

// clientAddress is the client's address in the lifecycle. No proxy has it.
const clientAddress = "127.0.0.2"

// browser behaves like a browser in its use of cookies, origin and TLS.
type browser struct {
	base   string
	client *http.Client
	forged []string // values of X-Forwarded-For that it sends
	served map[string]int
}

func newBrowser(base string, config *tls.Config, forged ...string) (*browser, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(clientAddress)}, Timeout: 5 * time.Second}
	return &browser{base: base, forged: forged, served: map[string]int{}, client: &http.Client{
		Jar: jar, Timeout: 20 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{TLSClientConfig: config, DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, address)
		}},
	}}, nil
}

// request sends a request as a page of the same site would, and checks the status.
func (t *browser) request(method, path string, body any, want int) (map[string]any, *http.Response, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return nil, nil, err
	}
	req, err := http.NewRequest(method, t.base+path, bytes.NewReader(text))
	if err != nil {
		return nil, nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Origin", t.base)
	req.Header.Set("Accept", "application/json, text/html;q=0.9")
	for _, f := range t.forged {
		req.Header.Add("X-Forwarded-For", f)
	}
	resp, err := t.client.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, nil, err
	}
	t.served[resp.Header.Get(instanceHeader)]++
	if resp.StatusCode != want {
		return nil, nil, fmt.Errorf("%s %s: %d, want %d: %.300s", method, path, resp.StatusCode, want, answer)
	}
	for _, c := range resp.Cookies() {
		if !c.Secure || !c.HttpOnly || !strings.HasPrefix(c.Name, "__Host-") {
			return nil, nil, fmt.Errorf("%s %s: cookie %s is not a secure one", method, path, c.Name)
		}
	}
	var object map[string]any
	_ = json.Unmarshal(answer, &object) // some answers are plain text
	return object, resp, nil
}

// lifecycle signs up, refreshes, changes passwords, signs out and in, each request on
// another instance than the one before. The routes are mounted at prefix.
func (t *browser) lifecycle(prefix, loginID string) error {
	steps := []struct {
		method, path string
		body         map[string]string
		want         int
	}{
		{"GET", "/api/me", nil, 401},
		{"POST", prefix + "/signup", map[string]string{"loginId": loginID, "password": "vast otter sings low"}, 201},
		{"GET", "/api/me", nil, 200},
		{"GET", prefix + "/me", nil, 200},
		{"POST", prefix + "/session/refresh", nil, 200},
		{"GET", "/api/me", nil, 200},
		{"GET", prefix + "/sessions", nil, 200},
		{"POST", prefix + "/password/update", map[string]string{"newPassword": "calm heron reads maps"}, 200},
		{"GET", "/api/me", nil, 200},
		{"POST", prefix + "/session/refresh", nil, 200},
		{"POST", prefix + "/signout", nil, 200},
		{"GET", prefix + "/me", nil, 401},
		{"POST", prefix + "/signin", map[string]string{"loginId": loginID, "password": "vast otter sings low"}, 401},
		{"POST", prefix + "/signin", map[string]string{"loginId": loginID, "password": "calm heron reads maps"}, 200},
		{"POST", prefix + "/password/replace", map[string]string{"loginId": loginID, "oldPassword": "calm heron reads maps", "newPassword": "brisk walrus bakes pie"}, 200},
		{"GET", prefix + "/me", nil, 200},
		{"POST", prefix + "/signout/all", nil, 200},
		{"GET", prefix + "/me", nil, 401},
	}
	for _, s := range steps {
		answer, _, err := t.request(s.method, s.path, s.body, s.want)
		if err != nil {
			return err
		}
		if list, ok := answer["sessions"].([]any); ok {
			if err := addressIs(list, clientAddress); err != nil {
				return err
			}
		}
	}
	_, resp, err := t.request("GET", "/page", nil, http.StatusSeeOther)
	if err != nil {
		return err
	}
	if to := resp.Header.Get("Location"); !strings.HasPrefix(to, "/auth/signin") && !strings.HasPrefix(to, t.base+"/") {
		return fmt.Errorf("a browser is sent to %q", to)
	}
	if hsts := resp.Header.Get("Strict-Transport-Security"); hsts != "" && !strings.HasPrefix(t.base, "https://") {
		return fmt.Errorf("HSTS over plain http: %q", hsts)
	}
	if len(t.served) < 2 {
		return fmt.Errorf("all requests were answered by one instance: %v", t.served)
	}
	return nil
}

// addressIs checks the client's address in a list of sessions.
func addressIs(sessions []any, want string) error {
	for _, s := range sessions {
		if one, ok := s.(map[string]any); !ok || one["address"] != want {
			return fmt.Errorf("a session has the client %v, want the address %s", s, want)
		}
	}
	if len(sessions) == 0 {
		return fmt.Errorf("no session is listed")
	}
	return nil
}
