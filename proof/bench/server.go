package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/handlers"
	"github.com/usherkit/usher/store/sqlite"
)

// serverCommand makes this program the measured server.
const serverCommand = "server"

// serverSettings are passed to the server as JSON.
type serverSettings struct {
	DB    string
	Cheap bool // hash with cheapHashing
	hashSettings
}

// serve is the measured server, in its own process. It prints its address and serves
// until its standard input ends.
func serve(settings string) error {
	var set serverSettings
	if err := json.Unmarshal([]byte(settings), &set); err != nil {
		return err
	}
	store, err := sqlite.Open(context.Background(), set.DB)
	if err != nil {
		return err
	}
	defer store.Close()
	hashing := set.config()
	if set.Cheap {
		hashing = cheapHashing
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	base := "http://" + listener.Addr().String()
	service, err := newService(store, 0, usher.Config{Hashing: hashing, BaseURL: base})
	if err != nil {
		return err
	}
	defer service.Close(context.Background())
	browser, err := newHandlers(service, true)
	if err != nil {
		return err
	}
	api, err := handlers.New(service, handlers.Config{Logger: quiet})
	if err != nil {
		return err
	}
	ok := http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = rw.Write([]byte("ok"))
	})
	mux := http.NewServeMux()
	mux.Handle("/auth/", http.StripPrefix("/auth", browser))
	mux.Handle("/api/auth/", http.StripPrefix("/api/auth", api))
	mux.Handle("GET /open", ok)
	mux.Handle("GET /protected", browser.Require(ok))
	mux.HandleFunc("GET /cpu", func(rw http.ResponseWriter, _ *http.Request) { fmt.Fprint(rw, int64(cpuTime())) })
	server := handlers.NewServer(listener.Addr().String(), mux)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = server.Shutdown(ctx)
	}()
	fmt.Println(base)
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// server is a running server process, and the credentials of one of its users.
type server struct {
	base, cookie, bearer string
	pid                  int
	stop                 func() error
}

// startServer starts a server process and signs a user in.
func startServer(set serverSettings, user int) (*server, error) {
	cmd, err := selfCommand(serverCommand, set)
	if err != nil {
		return nil, err
	}
	in, inErr := cmd.StdinPipe()
	out, outErr := cmd.StdoutPipe()
	if err := errors.Join(inErr, outErr, cmd.Start()); err != nil {
		return nil, err
	}
	s := &server{pid: cmd.Process.Pid, stop: func() error { return errors.Join(in.Close(), cmd.Wait()) }}
	if _, err := fmt.Fscanln(out, &s.base); err != nil {
		return nil, fmt.Errorf("the server does not start: %w", errors.Join(err, s.stop()))
	}
	if err := s.signIn(user); err != nil {
		return nil, errors.Join(err, s.stop())
	}
	return s, nil
}

// selfCommand returns this program as a command, with settings as JSON.
func selfCommand(command string, settings any) (*exec.Cmd, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(settings)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(program, command, string(text))
	cmd.Stderr = os.Stderr
	return cmd, nil
}

// signIn fetches a session cookie and a bearer token of the same user.
func (s *server) signIn(user int) error {
	answer, _, err := postSignIn(http.DefaultClient, s.base+"/auth/signin", user)
	if err != nil {
		return err
	}
	for _, c := range answer.Cookies() {
		if c.Name == "session" {
			s.cookie = c.Name + "=" + c.Value
		}
	}
	_, body, err := postSignIn(http.DefaultClient, s.base+"/api/auth/signin", user)
	if err != nil {
		return err
	}
	var tokens struct {
		SessionToken string `json:"sessionToken"`
	}
	if err := json.Unmarshal(body, &tokens); err != nil || s.cookie == "" || tokens.SessionToken == "" {
		return fmt.Errorf("the sign-in gives no session cookie or no token: %s: %w", body, err)
	}
	s.bearer = tokens.SessionToken
	return nil
}

// postSignIn sends a sign-in and returns the answer with its body.
func postSignIn(client *http.Client, url string, user int) (*http.Response, []byte, error) {
	r, err := http.NewRequest("POST", url, strings.NewReader(signInBody(user)))
	if err != nil {
		return nil, nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Requested-With", "bench")
	answer, err := client.Do(r)
	if err != nil {
		return nil, nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return answer, body, err
}

// cpu returns the CPU time that the server has used, in nanoseconds.
func (s *server) cpu() (float64, error) {
	answer, err := http.Get(s.base + "/cpu")
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return 0, err
	}
	return strconv.ParseFloat(string(text), 64)
}

// memory returns a line of /proc/PID/status in MiB: VmRSS is what is resident, VmHWM
// the peak.
func (s *server) memory(name string) (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.pid))
	if err != nil {
		return 0, err
	}
	_, rest, found := strings.Cut(string(text), "\n"+name+":")
	if !found {
		return 0, fmt.Errorf("/proc/%d/status has no %s", s.pid, name)
	}
	kib, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
	return kib / 1024, err
}
