package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/handlers"
	"github.com/usherkit/usher/password"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/sqlite"
)

// The accounts of an instance. All but the foreign ones have the same password.
const (
	rightPassword = "vast otter sings low"
	honestUsers   = 400
	targetUsers   = 400
	attackerUsers = 10
	foreignUsers  = 40
)

// foreignHash is a bcrypt hash of cost 12, of a password that no client sends.
const foreignHash = "$2a$12$dI0kKXwRt5lgjC/e4LO9GugPrm3G4o5dOGJL5Hb5nh6utCRw3hJga"

func loginID(kind string, n int) string { return fmt.Sprintf("%s%d@example.com", kind, n) }

// counts is what an instance counts about itself.
type counts struct {
	// Events counts events by name and reason, for each kind of account.
	Events map[string]int
	// Emails counts emails for each kind of account.
	Emails map[string]int
}

// counter counts the events and emails of an instance.
type counter struct {
	mu sync.Mutex
	counts
}

// kindOf returns the kind of account that a user id or an address names.
func kindOf(name string) string {
	name, _, _ = strings.Cut(name, "@")
	return strings.TrimRight(name, "0123456789")
}

func (c *counter) event(_ context.Context, e usher.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.Events[strings.TrimSpace(kindOf(e.UserID)+" "+string(e.Name)+" "+e.Reason)]++
}

func (c *counter) Send(_ context.Context, m usher.Message) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.Emails[kindOf(m.To)+" "+string(m.Kind)]++
	return nil
}

func (c *counter) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = json.NewEncoder(w).Encode(c.counts)
}

// serve runs an instance on an SQLite file, in its own process, until its standard input
// ends. Every setting has its default, except that it trusts a proxy on the loopback
// interface to name the address of the client.
func serve(ctx context.Context, dir string) error {
	db, err := sqlite.Open(ctx, filepath.Join(dir, fileName))
	if err != nil {
		return err
	}
	defer db.Close()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	base := "http://" + listener.Addr().String()
	count := &counter{counts: counts{map[string]int{}, map[string]int{}}}
	service, err := usher.New(ctx, db, usher.Config{
		Secret: "attacks-attacks-attacks-attacks-attacks", BaseURL: base, Mailer: count, OnEvent: count.event,
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	defer service.Close(context.WithoutCancel(ctx))
	api, err := handlers.New(service, handlers.Config{
		Logger: slog.New(slog.DiscardHandler), TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
	})
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/auth/", http.StripPrefix("/auth", api))
	mux.Handle("GET /protected", api.Require(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "ok")
	})))
	mux.Handle("GET /counts", count)
	server := handlers.NewServer(listener.Addr().String(), mux)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		_ = server.Close()
	}()
	fmt.Println(base)
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

const fileName = "attacks.db"

// createUsers creates a file with the accounts, of which all but the foreign ones share a
// hash.
func createUsers(ctx context.Context, dir string) (err error) {
	db, err := sqlite.Open(ctx, filepath.Join(dir, fileName))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	hasher, err := password.NewHasher(password.HasherConfig{})
	if err != nil {
		return err
	}
	own, err := hasher.Hash(ctx, rightPassword)
	if err != nil {
		return err
	}
	foreign, err := hasher.Import(ctx, password.Foreign{Bcrypt: &password.Bcrypt{Hash: foreignHash}})
	if err != nil {
		return err
	}
	for _, group := range []struct {
		kind, hash string
		n          int
	}{{"owner", own, 1}, {"honest", own, honestUsers}, {"target", own, targetUsers}, {"attacker", own, attackerUsers}, {"foreign", foreign, foreignUsers}} {
		for i := range group.n {
			id, now := loginID(group.kind, i), time.Now().UTC().Truncate(time.Microsecond)
			_, err := db.CreateUser(ctx, store.UserCreation{
				User: usher.User{
					ID: fmt.Sprint(group.kind, i), LoginIDs: []string{id}, Email: id, EmailVerified: true,
					Status: usher.StatusEnabled, CreatedAt: now, UpdatedAt: now,
				},
				Canonical: []string{id},
				Password:  store.Password{Hash: group.hash, State: store.PasswordActive, Version: 1, ChangedAt: now},
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// instance is a process that runs serve.
type instance struct {
	base string
	cmd  *exec.Cmd
	in   io.Closer
	dir  string
}

// startInstance starts an instance and waits until it serves.
func startInstance(ctx context.Context) (*instance, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "usher-attacks-")
	if err != nil {
		return nil, err
	}
	if err := createUsers(ctx, dir); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	i := &instance{dir: dir, cmd: exec.CommandContext(ctx, self, "instance", dir)}
	i.cmd.Stderr = os.Stderr
	in, inErr := i.cmd.StdinPipe()
	out, outErr := i.cmd.StdoutPipe()
	if err := errors.Join(inErr, outErr, i.cmd.Start()); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	i.in = in
	line, err := bufio.NewReader(out).ReadString('\n')
	if i.base = strings.TrimSpace(line); err != nil {
		return nil, fmt.Errorf("the instance does not start: %w", errors.Join(err, i.stop()))
	}
	return i, nil
}

func (i *instance) stop() error {
	return errors.Join(i.in.Close(), i.cmd.Wait(), os.RemoveAll(i.dir))
}

// counts returns what the instance has counted.
func (i *instance) counts() (c counts, err error) {
	answer, err := http.Get(i.base + "/counts")
	if err != nil {
		return c, err
	}
	defer answer.Body.Close()
	return c, json.NewDecoder(answer.Body).Decode(&c)
}

// memory returns a line of /proc/PID/status in MiB: VmRSS is what is resident, VmHWM the
// peak.
func (i *instance) memory(name string) (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", i.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	_, rest, found := strings.Cut(string(text), "\n"+name+":")
	if !found {
		return 0, fmt.Errorf("/proc/%d/status has no %s", i.cmd.Process.Pid, name)
	}
	kib, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
	return kib / 1024, err
}

// resetPeak sets the peak of the memory to what is resident (proc(5), clear_refs).
func (i *instance) resetPeak() error {
	return os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", i.cmd.Process.Pid), []byte("5"), 0)
}
