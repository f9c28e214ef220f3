package pgtest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Options describe the server to start. The zero Options start a fast one that loses
// everything in a crash.
type Options struct {
	// Durable writes every change to the disk before it is acknowledged, as servers in
	// production do. Defaults to false.
	Durable bool
	// Port makes the server listen on 127.0.0.1, too. Defaults to 0: only on a
	// Unix socket.
	Port int
	// Settings are further settings, each "name=value". Defaults to none.
	Settings []string
	// Data is the folder for the data. It must not exist yet, and its parent is given to
	// the account of the server. Defaults to a temporary folder.
	Data string
	// From makes the server a standby of another server. Defaults to nil: a new, empty
	// server.
	From *Cluster
}

// Cluster is a server with its data.
type Cluster struct {
	opts      Options
	dir, data string
	port      int
	account   *account
}

// ErrMissing means that PostgreSQL's programs are not installed.
var ErrMissing = errors.New("pgtest: PostgreSQL's initdb and pg_ctl are neither on the PATH nor in /usr/lib/postgresql/*/bin")

// Start creates a cluster and starts its server. The caller must close it. It returns
// [ErrMissing] if PostgreSQL's programs are not installed.
func Start(ctx context.Context, o Options) (*Cluster, error) {
	if _, err := program("initdb"); err != nil {
		return nil, err
	}
	// A short name: the path of a Unix socket has at most 107 bytes.
	dir, err := os.MkdirTemp("", "pg")
	if err != nil {
		return nil, err
	}
	c := &Cluster{opts: o, dir: dir, data: o.Data, port: o.Port}
	if c.data == "" {
		c.data = filepath.Join(dir, "data")
	}
	if c.port == 0 {
		c.port = 5432
	}
	if err := c.create(ctx); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if err := c.Start(ctx); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return c, nil
}

// create creates the data of the server.
func (c *Cluster) create(ctx context.Context) (err error) {
	if c.account, err = serverAccount(); err != nil {
		return err
	}
	for _, dir := range []string{c.dir, filepath.Dir(c.data)} {
		if err := c.account.own(dir); err != nil {
			return err
		}
	}
	if c.opts.From != nil {
		return c.run(ctx, "pg_basebackup", "-D", c.data, "-h", c.opts.From.dir, "-p", strconv.Itoa(c.opts.From.port),
			"-U", "test", "-R", "-X", "stream", "-c", "fast", "--no-sync")
	}
	return c.run(ctx, "initdb", "-D", c.data, "-U", "test", "-A", "trust", "-N", "--no-locale", "-E", "UTF8")
}

// Start starts the server again after [Cluster.Stop] or [Cluster.Kill], and
// waits until it answers.
func (c *Cluster) Start(ctx context.Context) error {
	listen := "listen_addresses="
	if c.opts.Port != 0 {
		listen = "listen_addresses=127.0.0.1"
	}
	settings := []string{listen, "max_connections=200", "port=" + strconv.Itoa(c.port)}
	if !c.opts.Durable {
		settings = append(settings, "fsync=off", "synchronous_commit=off", "full_page_writes=off")
	}
	options := "-k " + c.dir
	for _, s := range slices.Concat(settings, c.opts.Settings) {
		options += " -c " + s
	}
	var err error
	// The shared memory of a killed server is in use for another moment.
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		err = c.run(ctx, "pg_ctl", "-D", c.data, "-w", "-t", "60", "-l", c.Log(), "-o", options, "start")
		if err == nil || ctx.Err() != nil {
			return err
		}
	}
	return err
}

// Stop stops the server. mode is a mode of pg_ctl: smart, fast or immediate.
func (c *Cluster) Stop(mode string) error {
	return c.run(context.Background(), "pg_ctl", "-D", c.data, "-w", "-m", mode, "stop")
}

// Promote makes a standby accept writes.
func (c *Cluster) Promote() error {
	return c.run(context.Background(), "pg_ctl", "-D", c.data, "-w", "promote")
}

// Kill sends SIGKILL to all processes of the server.
func (c *Cluster) Kill() error {
	pid, err := c.pid()
	if err != nil {
		return err
	}
	children := childrenOf(pid)
	for _, p := range append([]int{pid}, children...) {
		if err := syscall.Kill(p, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			return err
		}
	}
	return nil
}

// Freeze suspends all processes of the server (SIGSTOP), as if its computer hung.
func (c *Cluster) Freeze() error { return c.signal(syscall.SIGSTOP) }

// Thaw continues the processes after [Cluster.Freeze].
func (c *Cluster) Thaw() error { return c.signal(syscall.SIGCONT) }

func (c *Cluster) signal(s syscall.Signal) error {
	pid, err := c.pid()
	if err != nil {
		return err
	}
	for _, p := range append([]int{pid}, childrenOf(pid)...) {
		if err := syscall.Kill(p, s); err != nil && !errors.Is(err, syscall.ESRCH) {
			return err
		}
	}
	return nil
}

// pid returns the process id of the server's first process.
func (c *Cluster) pid() (int, error) {
	text, err := os.ReadFile(filepath.Join(c.data, "postmaster.pid"))
	if err != nil {
		return 0, err
	}
	first, _, _ := strings.Cut(string(text), "\n")
	return strconv.Atoi(strings.TrimSpace(first))
}

func childrenOf(pid int) []int {
	out, err := exec.Command("pgrep", "-P", strconv.Itoa(pid)).Output()
	if err != nil {
		return nil // they end by themselves without their parent
	}
	var all []int
	for line := range strings.FieldsSeq(string(out)) {
		if n, err := strconv.Atoi(line); err == nil {
			all = append(all, n)
		}
	}
	return all
}

// Close stops the server and removes its data.
func (c *Cluster) Close() error {
	_ = c.Stop("immediate") // the server may be dead already
	return errors.Join(os.RemoveAll(c.data), os.RemoveAll(c.dir))
}

// Log returns the path of the server's log.
func (c *Cluster) Log() string { return filepath.Join(c.dir, "log") }

// Socket returns the folder of the server's Unix socket.
func (c *Cluster) Socket() string { return c.dir }

// Port returns the server's port, which is part of the name of its Unix socket.
func (c *Cluster) Port() int { return c.port }

// URL returns the URL of a database over the server's Unix socket. params are names
// and values of further parameters, in turn.
func (c *Cluster) URL(database string, params ...string) string {
	q := url.Values{"host": {c.dir}, "port": {strconv.Itoa(c.port)}, "user": {"test"}, "sslmode": {"disable"}}
	for i := 0; i+1 < len(params); i += 2 {
		q.Set(params[i], params[i+1])
	}
	return "postgres:///" + database + "?" + q.Encode()
}

// run runs one of PostgreSQL's programs under the server's account.
func (c *Cluster) run(ctx context.Context, name string, args ...string) error {
	path, err := program(name)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir = c.dir
	cmd.Env = append(os.Environ(), "HOME="+c.dir)
	c.account.become(cmd)
	if out, err := cmd.CombinedOutput(); err != nil {
		log, _ := os.ReadFile(c.Log())
		return fmt.Errorf("pgtest: %s: %w\n%s\n%s", name, err, out, log)
	}
	return nil
}

// program returns the path of one of PostgreSQL's programs. Debian installs them
// outside of the PATH.
func program(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	if err != nil || len(found) == 0 {
		return "", ErrMissing
	}
	return found[len(found)-1], nil
}

// Dump writes a backup of a database into a file.
func (c *Cluster) Dump(ctx context.Context, database, file string) error {
	inside := filepath.Join(c.dir, "dump")
	if err := c.run(ctx, "pg_dump", "-h", c.dir, "-p", strconv.Itoa(c.port), "-U", "test", "-Fc", "-f", inside, database); err != nil {
		return err
	}
	return os.Rename(inside, file)
}

// Restore replaces a database by the backup in a file, and removes the file.
func (c *Cluster) Restore(ctx context.Context, database, file string) error {
	inside := filepath.Join(c.dir, "dump")
	if err := os.Rename(file, inside); err != nil {
		return err
	}
	return c.run(ctx, "pg_restore", "-h", c.dir, "-p", strconv.Itoa(c.port), "-U", "test", "-d", database,
		"--clean", "--if-exists", "--single-transaction", inside)
}
