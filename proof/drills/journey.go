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

// clientAddress is where the journey's requests come from. It is no proxy's.
const clientAddress = "127.0.0.2"

// traveller is a browser, as far as cookies, origin and TLS go.
type traveller struct {
	base   string
	client *http.Client
	forged []string // what it claims in X-Forwarded-For
	served map[string]int
}

func newTraveller(base string, config *tls.Config, forged ...string) (*traveller, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(clientAddress)}, Timeout: 5 * time.Second}
	return &traveller{base: base, forged: forged, served: map[string]int{}, client: &http.Client{
		Jar: jar, Timeout: 20 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{TLSClientConfig: config, DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, address)
		}},
	}}, nil
}

// ask sends a request as the site's own page would.
func (t *traveller) ask(method, path string, body any, want int) (map[string]any, *http.Response, error) {
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
	t.served[resp.Header.Get(machineHeader)]++
	if resp.StatusCode != want {
		return nil, nil, fmt.Errorf("%s %s: %d, want %d: %.300s", method, path, resp.StatusCode, want, answer)
	}
	for _, c := range resp.Cookies() {
		if !c.Secure || !c.HttpOnly || !strings.HasPrefix(c.Name, "__Host-") {
			return nil, nil, fmt.Errorf("%s %s: cookie %s is not a secure one", method, path, c.Name)
		}
	}
	var object map[string]any
	_ = json.Unmarshal(answer, &object) // some answers are texts
	return object, resp, nil
}

// journey is the whole life of an account, each request of it on another machine
// than the one before. prefix is where the routes are mounted.
func (t *traveller) journey(prefix, loginID string) error {
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
		answer, _, err := t.ask(s.method, s.path, s.body, s.want)
		if err != nil {
			return err
		}
		if list, ok := answer["sessions"].([]any); ok {
			if err := addressIs(list, clientAddress); err != nil {
				return err
			}
		}
	}
	_, resp, err := t.ask("GET", "/page", nil, http.StatusSeeOther)
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
		return fmt.Errorf("all requests met one machine: %v", t.served)
	}
	return nil
}

// addressIs fails unless a session was noted with that address of its client.
func addressIs(sessions []any, want string) error {
	for _, s := range sessions {
		if one, ok := s.(map[string]any); !ok || one["address"] != want {
			return fmt.Errorf("the client's address is noted as %v, want %s", s, want)
		}
	}
	if len(sessions) == 0 {
		return fmt.Errorf("no session is listed")
	}
	return nil
}
