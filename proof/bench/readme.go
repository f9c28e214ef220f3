package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// readmeAddress is what the README's program listens on.
const readmeAddress = "localhost:8080"

// runReadme runs the README's program: how long until it is ready, what it holds.
func (s *suite) runReadme(source string) error {
	port, err := freePort()
	if err != nil {
		return err
	}
	source, err = replaced(source, readmeAddress, "localhost:"+strconv.Itoa(port))
	if err != nil {
		return err
	}
	p := program{"README.md's program", s.appDir(), "./readme"}
	source = strings.TrimSpace(source) + "\n"
	dir := filepath.Join(s.appDir(), "readme")
	if err := errors.Join(os.MkdirAll(dir, 0o700), os.WriteFile(filepath.Join(dir, "main.go"), []byte(source), 0o600)); err != nil {
		return err
	}
	if _, err := s.buildProgram(p); err != nil {
		return err
	}
	base := "http://127.0.0.1:" + strconv.Itoa(port)
	return s.measureReadme(s.programPath(p.target), dir, base)
}

func (s *suite) measureReadme(exe, dir, base string) error {
	// The first start makes the file, the secret, the keys; then somebody signs up.
	run, first, err := s.startReadme(exe, dir, base)
	if err != nil {
		return err
	}
	if err := errors.Join(credentials(base, "signup", http.StatusCreated), run.stop()); err != nil {
		return err
	}
	var ready []float64
	for range 11 {
		run, took, err := s.startReadme(exe, dir, base)
		if err != nil {
			return err
		}
		ready = append(ready, float64(took))
		if err := run.stop(); err != nil {
			return err
		}
	}
	if run, _, err = s.startReadme(exe, dir, base); err != nil {
		return err
	}
	defer run.stop()
	time.Sleep(3 * time.Second) // idle: the background work has run
	idle, err := status(run.pid, "VmRSS")
	if err != nil {
		return err
	}
	anonymous, err := status(run.pid, "RssAnon")
	if err != nil {
		return err
	}
	// It is the file of before, and the program is whole.
	if err := credentials(base, "signin", http.StatusOK); err != nil {
		return err
	}
	s.goal("4", "README.md's program: start to ready under 200 ms on an existing SQLite file", ns(median(ready)), "", median(ready) < 200e6)
	s.fact("the first start of README.md's program, which makes the file, the secret and the keys, takes %s until it is ready", ns(float64(first)))
	s.goal("4", "README.md's program: idle memory under 30 MiB", fmt.Sprintf("%.1f MiB resident before the first sign-in, %.1f MiB of it its own and the rest mapped from its file", idle/1024, anonymous/1024), "", idle < 30*1024)
	return run.stop()
}

// running is a program that runs until it is stopped.
type running struct {
	pid  int
	stop func() error
}

// startReadme starts the program in a folder, and returns how long it took until it
// answered a request.
func (s *suite) startReadme(exe, dir, base string) (*running, time.Duration, error) {
	var log bytes.Buffer
	cmd := exec.Command(exe)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &log, &log
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return nil, 0, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	r := &running{pid: cmd.Process.Pid, stop: s.undo.add(func() error {
		if err := cmd.Process.Signal(os.Interrupt); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return err
		}
		<-ended
		return nil
	})}
	for time.Since(began) < 20*time.Second {
		if answers(s.ctx, base+"/auth/password/policy") {
			return r, time.Since(began), nil
		}
		time.Sleep(time.Millisecond)
	}
	err := r.stop()
	return nil, 0, errors.Join(fmt.Errorf("README.md's program does not answer; it said: %s", log.String()), err)
}

func answers(ctx context.Context, url string) bool {
	r, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		return false
	}
	r.Close = true // the next program has the same address
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return false
	}
	answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}

// credentials signs up or in, and checks the answer.
func credentials(base, route string, want int) error {
	body := `{"loginId":"` + loginID + `","password":"` + password + `"}`
	r, err := http.NewRequest("POST", base+"/auth/"+route, strings.NewReader(body))
	if err != nil {
		return err
	}
	r.Close = true
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Requested-With", "bench")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	answer.Body.Close()
	if answer.StatusCode != want {
		return fmt.Errorf("%s answers %s", route, answer.Status)
	}
	return nil
}
