package pgtest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

// Pooler is a PgBouncer in the mode "transaction".
type Pooler struct {
	dir string
	cmd *exec.Cmd
}

// poolerPort is part of the name of the Unix socket.
const poolerPort = 6432

// StartPooler starts a PgBouncer in front of the server, with that many connections to
// each database. The caller must close it. It returns [ErrMissing] if PgBouncer is not
// installed.
func StartPooler(ctx context.Context, c *Cluster, connections int) (*Pooler, error) {
	path, err := exec.LookPath("pgbouncer")
	if err != nil {
		if path, err = exec.LookPath("/usr/sbin/pgbouncer"); err != nil {
			return nil, fmt.Errorf("%w; nor is pgbouncer", ErrMissing)
		}
	}
	dir, err := os.MkdirTemp("", "pb")
	if err != nil {
		return nil, err
	}
	p := &Pooler{dir: dir}
	config, users := filepath.Join(dir, "ini"), filepath.Join(dir, "users")
	text := fmt.Sprintf(`[databases]
* = host=%s port=%d
[pgbouncer]
listen_addr =
listen_port = %d
unix_socket_dir = %s
auth_type = trust
auth_file = %s
pool_mode = transaction
default_pool_size = %d
max_client_conn = 500
`, c.Socket(), c.Port(), poolerPort, dir, users, connections)
	err = errors.Join(os.WriteFile(config, []byte(text), 0o644), os.WriteFile(users, []byte("\"test\" \"\"\n"), 0o644), c.account.own(dir))
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	p.cmd = exec.Command(path, "-q", config)
	c.account.become(p.cmd)
	if err := p.cmd.Start(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	socket := filepath.Join(dir, ".s.PGSQL."+strconv.Itoa(poolerPort))
	for ctx.Err() == nil {
		if conn, err := net.Dial("unix", socket); err == nil {
			return p, conn.Close()
		}
		time.Sleep(10 * time.Millisecond)
	}
	return nil, errors.Join(ctx.Err(), p.Close())
}

// URL returns the URL of a database through the pooler.
func (p *Pooler) URL(database string) string {
	q := url.Values{"host": {p.dir}, "port": {strconv.Itoa(poolerPort)}, "user": {"test"}, "sslmode": {"disable"}}
	return "postgres:///" + database + "?" + q.Encode()
}

// Close stops the pooler.
func (p *Pooler) Close() error {
	err := p.cmd.Process.Kill()
	_ = p.cmd.Wait() // it was killed
	return errors.Join(err, os.RemoveAll(p.dir))
}
