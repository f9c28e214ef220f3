package postgres_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib"
)

// cluster is a server of its own for the tests of this package.
var cluster struct {
	dsn     string // of its database, without a schema
	missing string // why there is none
	schemas atomic.Int64
}

func TestMain(m *testing.M) { os.Exit(withCluster(m.Run)) }

func withCluster(run func() int) int {
	for _, name := range []string{"initdb", "pg_ctl"} {
		if _, err := exec.LookPath(name); err != nil {
			cluster.missing = "PostgreSQL's " + name + " is not on the PATH"
			return run()
		}
	}
	// A short name: the path of a Unix socket has at most 107 bytes.
	dir, err := os.MkdirTemp("", "pg")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	attr := serverAccount(dir)
	data := filepath.Join(dir, "data")
	command := func(name string, args ...string) error {
		cmd := exec.Command(name, args...)
		cmd.Env = append(os.Environ(), "HOME="+dir)
		cmd.SysProcAttr = attr
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w\n%s", name, err, out)
		}
		return nil
	}
	if err := command("initdb", "-D", data, "-U", "test", "-A", "trust", "-N", "--no-locale", "-E", "UTF8"); err != nil {
		panic(err)
	}
	options := "-k " + dir + " -c listen_addresses= -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_connections=200"
	if err := command("pg_ctl", "-D", data, "-w", "-l", filepath.Join(dir, "log"), "-o", options, "start"); err != nil {
		panic(err)
	}
	defer command("pg_ctl", "-D", data, "-m", "immediate", "stop")
	cluster.dsn = "host=" + dir + " user=test dbname=postgres sslmode=disable"
	return run()
}

// serverAccount is under which account the server runs: it refuses to be root.
func serverAccount(dir string) *syscall.SysProcAttr {
	if os.Geteuid() != 0 {
		return nil
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		panic(err)
	}
	uid, err1 := strconv.ParseUint(nobody.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(nobody.Gid, 10, 32)
	if err1 != nil || err2 != nil {
		panic("nobody has no number")
	}
	if err := os.Chown(dir, int(uid), int(gid)); err != nil {
		panic(err)
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
}

// newSchema returns a data source name whose tables nobody else has.
func newSchema(t testing.TB) string {
	t.Helper()
	if cluster.missing != "" {
		if os.Getenv("CI") == "true" {
			t.Fatal(cluster.missing)
		}
		t.Skip(cluster.missing)
	}
	name := fmt.Sprintf("s%d", cluster.schemas.Add(1))
	db, err := sql.Open("pgx", cluster.dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(context.Background(), "CREATE SCHEMA "+name); err != nil {
		t.Fatal(err)
	}
	return cluster.dsn + " search_path=" + name
}
