package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/cookies"
	"github.com/usherkit/usher/handlers"
	pw "github.com/usherkit/usher/password"
	"github.com/usherkit/usher/sqlite"
)

// childFlag makes this program the server of a measurement, in a process of its own.
const childFlag = "-child"

// childSettings are what the server is told, as JSON.
type childSettings struct {
	DB    string
	Cheap bool // hash with the least cost
	Procs int  // GOMAXPROCS, with the slots for hashing as they are without; 0 leaves it
	// Storm makes it no server but the clients of one, at that address.
	Storm string
	// Burn makes it a process that hashes one password after the other.
	Burn bool
	// Collect makes it a process that only hashes, and counts what it costs.
	Collect *collectSettings
}

// child serves on a loopback address, which it prints when it is ready, until its
// standard input ends.
func child(text string, _ []string) error {
	var set childSettings
	if err := json.Unmarshal([]byte(text), &set); err != nil {
		return err
	}
	if set.Storm != "" {
		return stormClients(set.Storm)
	}
	if set.Burn {
		return burn()
	}
	if set.Collect != nil {
		return collectChild(*set.Collect)
	}
	store, err := sqlite.Open(set.DB, sqlite.Options{})
	if err != nil {
		return err
	}
	defer store.Close()
	hashing := pw.HasherConfig{}
	if set.Cheap {
		hashing = cheap
	}
	if set.Procs > 0 {
		h, err := pw.NewHasher(hashing)
		if err != nil {
			return err
		}
		hashing.Slots = h.Slots()
		runtime.GOMAXPROCS(set.Procs)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	base := "http://" + listener.Addr().String()
	service, err := newService(store, func(c *usher.Config) {
		c.Hashing, c.BaseURL, c.InsecureLoopback = hashing, base, true
		// All clients of a load test have one address.
		c.Limits.NetworkFailures, c.Limits.FreeFailures = 1_000_000, 100
	})
	if err != nil {
		return err
	}
	defer service.Close()
	jar, err := cookies.New(cookies.Config{Secret: secret, InsecureLoopback: true, Logger: quiet})
	if err != nil {
		return err
	}
	h, err := handlers.New(service, handlers.Config{Cookies: jar, Logger: quiet})
	if err != nil {
		return err
	}
	programs, err := handlers.New(service, handlers.Config{Logger: quiet})
	if err != nil {
		return err
	}
	ok := http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = rw.Write([]byte("ok"))
	})
	mux := http.NewServeMux()
	mux.Handle("/auth/", http.StripPrefix("/auth", h))
	mux.Handle("/api/auth/", http.StripPrefix("/api/auth", programs))
	mux.Handle("GET /open", ok)
	mux.Handle("GET /guarded", h.Require(ok))
	sketched := sync.OnceValue(func() http.Handler { return newSketch(service.ValidateSession).require(ok) })
	mux.HandleFunc("GET /sketch", func(rw http.ResponseWriter, r *http.Request) { sketched().ServeHTTP(rw, r) })
	watch(mux)
	server := handlers.NewServer(listener.Addr().String(), mux)
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	fmt.Println(base)

	select {
	case err := <-failed:
		return err
	case <-inputEnds():
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return server.Shutdown(ctx)
}

// inputEnds is closed when the parent has closed the standard input.
func inputEnds() <-chan struct{} {
	ended := make(chan struct{})
	go func() {
		_, _ = os.Stdin.Read(make([]byte, 1))
		close(ended)
	}()
	return ended
}

// server is a running child.
type server struct {
	base string
	pid  int
	stop func() error
}

func startServer(set childSettings) (*server, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(set)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(exe, childFlag, string(text))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &server{pid: cmd.Process.Pid, stop: func() error { in.Close(); return cmd.Wait() }}
	if _, err := fmt.Fscanln(out, &s.base); err != nil {
		return nil, fmt.Errorf("the server did not start: %w; %w", err, s.stop())
	}
	return s, nil
}
