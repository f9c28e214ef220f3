package main

import (
	"bufio"
	"context"
	crand "crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/cookies"
	"github.com/usherkit/usher/handlers"
	"github.com/usherkit/usher/middleware"
	"github.com/usherkit/usher/pages"
	"github.com/usherkit/usher/password"
	"github.com/usherkit/usher/store/postgres"
)

// secret is shared by all instances of a drill. They listen on loopback addresses only.
const secret = usher.Secret("drills-drills-drills-drills-drills")

// serve runs one instance, in its own process so that a drill can kill it.
func serve(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("instance", flag.ExitOnError)
	addr := f.String("addr", "", "")
	db := f.String("db", "", "")
	ahead := f.Duration("ahead", 0, "")
	base := f.String("base", "https://localhost", "")
	proxy := f.String("proxy", "", "")
	if err := f.Parse(args); err != nil {
		return err
	}
	var store *postgres.Store
	var err error
	// The database may be unavailable when an instance starts.
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(200 * time.Millisecond) {
		open, cancel := context.WithTimeout(ctx, 5*time.Second)
		store, err = postgres.Open(open, *db, postgres.Options{MaxConns: 8})
		cancel()
		if err == nil {
			break
		}
		if time.Now().After(deadline) || ctx.Err() != nil {
			return err
		}
	}
	defer store.Close()
	service, err := usher.New(context.Background(), store, usher.Config{
		Secret: secret, BaseURL: *base, Mailer: noMail{},
		Hashing:            password.HasherConfig{Params: password.Params{Memory: 19456, Time: 2, Threads: 1}, QueueWait: 4 * time.Second},
		InsecureNoThrottle: true,
		Now:                func() time.Time { return time.Now().Add(*ahead) },
	})
	if err != nil {
		return err
	}
	defer service.Close(context.Background())
	mux, err := routes(service, *proxy)
	if err != nil {
		return err
	}
	server := handlers.NewServer(*addr, mux)
	go func() {
		<-ctx.Done()
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		server.Shutdown(last)
	}()
	fmt.Println("ready")
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// routes mounts the routes for browsers and for other clients, a protected page, a
// protected JSON route, and a readiness check.
func routes(service *usher.Service, proxy string) (http.Handler, error) {
	var trusted []netip.Prefix
	if proxy != "" {
		p, err := netip.ParsePrefix(proxy)
		if err != nil {
			return nil, err
		}
		trusted = append(trusted, p)
	}
	jar, err := cookies.New(cookies.Config{Secret: secret})
	if err != nil {
		return nil, err
	}
	browser, err := handlers.New(service, handlers.Config{Cookies: jar, TrustedProxies: trusted})
	if err != nil {
		return nil, err
	}
	api, err := handlers.New(service, handlers.Config{TrustedProxies: trusted})
	if err != nil {
		return nil, err
	}
	withPages, err := handlers.New(service, handlers.Config{
		Cookies: jar, TrustedProxies: trusted, Pages: &pages.Config{},
	})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /page", withPages.Require(http.NotFoundHandler()))
	mux.Handle("/auth/", http.StripPrefix("/auth", browser))
	mux.Handle("/api/auth/", http.StripPrefix("/api/auth", api))
	mux.Handle("GET /api/me", browser.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		claims, _ := middleware.Claims(r.Context())
		io.WriteString(w, claims.SessionID)
	})))
	mux.HandleFunc("GET /ready", func(w http.ResponseWriter, r *http.Request) {
		if err := service.Ping(r.Context()); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		}
	})
	name := crand.Text()[:6]
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(instanceHeader, name)
		mux.ServeHTTP(w, r)
	}), nil
}

// instanceHeader names the instance that answered.
const instanceHeader = "X-Instance"

// noMail discards all email.
type noMail struct{}

func (noMail) Send(context.Context, usher.Message) error { return nil }

// instance is a process that runs serve.
type instance struct {
	args []string
	url  string
	cmd  *exec.Cmd
	log  *os.File
}

// startInstance starts an instance and waits until it serves.
func startInstance(addr, db, log string, more ...string) (*instance, error) {
	i := &instance{url: "http://" + addr, args: append([]string{"instance", "-addr", addr, "-db", db}, more...)}
	var err error
	if i.log, err = os.OpenFile(log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600); err != nil {
		return nil, err
	}
	return i, i.start()
}

func (i *instance) start() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	i.cmd = exec.Command(self, i.args...)
	i.cmd.Stderr = i.log
	out, err := i.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := i.cmd.Start(); err != nil {
		return err
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		err = errors.Join(err, i.cmd.Wait())
		text, _ := os.ReadFile(i.log.Name())
		lines := strings.Split(strings.TrimSpace(string(text)), "\n")
		return fmt.Errorf("the instance did not start (%q): %w: %s", line, err, lines[len(lines)-1])
	}
	return nil
}

// kill sends SIGKILL and waits for the end of the process.
func (i *instance) kill() {
	if i.cmd.Process != nil {
		i.cmd.Process.Kill()
		i.cmd.Wait()
	}
}

// hasLogged reports whether the instance has logged a text.
func (i *instance) hasLogged(text string) bool {
	all, err := os.ReadFile(i.log.Name())
	if err != nil {
		slog.Error("cannot read the log of an instance", "error", err)
	}
	return strings.Contains(string(all), text)
}
