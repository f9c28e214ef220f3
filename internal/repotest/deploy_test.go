package repotest

import (
	"context"
	"debug/elf"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/handlers"
	"github.com/usherkit/usher/internal/guidetest"
	"github.com/usherkit/usher/internal/testhash"
	"github.com/usherkit/usher/mail"
	"github.com/usherkit/usher/middleware"
	"github.com/usherkit/usher/store/memory"
)

// certificates is the file of Debian, and the first in which Go looks for them.
const certificates = "/etc/ssl/certs/ca-certificates.crt"

// signUp signs a user up, with more headers, and returns the address that the program saw.
func signUp(t *testing.T, base string, header ...string) (address string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "POST", base+"/auth/signup", strings.NewReader(`{"loginId":"ann@example.com","password":"vast otter sings low"}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	var got struct{ Session struct{ Address string } }
	if err != nil || answer.StatusCode != http.StatusCreated || json.Unmarshal(text, &got) != nil {
		t.Fatalf("the sign-up answers %s %s %v", answer.Status, text, err)
	}
	return got.Session.Address
}

// The container file of docs/deploying.md makes an image of the program of the README, which
// runs without rights in a read-only file system. Its instructions are followed without
// Docker: a stage is a folder.
func TestCF07_TheContainerFileMakesAnImageThatRuns(t *testing.T) {
	guidetest.Need(t, "bash", "cp", "chown", "unshare", "setpriv")
	folder := newModule(t)
	ports := guidetest.Ports(t, "localhost:8080")
	address := strings.NewReplacer(ports...).Replace("localhost:8080")
	program := strings.Replace(block(t, "go"), `NewServer("localhost:8080"`, `NewServer(":`+strings.TrimPrefix(address, "localhost:")+`"`, 1)
	write(t, filepath.Join(folder, "main.go"), program)
	for _, b := range guidetest.Blocks(t, "docs/deploying.md", "dockerfile") {
		stages, image := map[string]string{}, ""
		var root, dir, user, entry string
		for n, line := range strings.Split(strings.TrimSpace(b.Text), "\n") {
			if line == "" {
				continue
			}
			instruction, rest, _ := strings.Cut(line, " ")
			words := strings.Fields(rest)
			fail := func(format string, args ...any) {
				t.Helper()
				t.Fatalf("%s:%d: %s: %s", b.Page, b.Line+n, line, fmt.Sprintf(format, args...))
			}
			switch instruction {
			case "FROM":
				image, dir, user, entry = words[0], "/", "", ""
				root = stage(t, image)
				if len(words) == 3 && words[1] == "AS" {
					stages[words[2]] = root
				}
				if release, ok := strings.CutPrefix(image, "golang:"); ok && !strings.Contains(readFile(t, "go.mod"), "\ngo "+release+".") {
					fail("go.mod asks for another release")
				}
			case "WORKDIR":
				dir = words[0]
				if err := os.MkdirAll(root+dir, 0o755); err != nil {
					t.Fatal(err)
				}
			case "USER":
				user = words[0]
			case "RUN":
				run := exec.Command("bash", "-e", "-o", "pipefail", "-c", regexp.MustCompile(` (/\w+)`).ReplaceAllString(rest, " "+root+"$1"))
				run.Dir, run.Env = filepath.Join(root, dir), append(os.Environ(), "GOFLAGS=-mod=mod -buildvcs=false")
				if out, err := run.CombinedOutput(); err != nil {
					fail("%v\n%s", err, out)
				}
			case "COPY":
				from, owner := folder, "0:0"
				for strings.HasPrefix(words[0], "--") {
					option, value, _ := strings.Cut(words[0], "=")
					switch option {
					case "--from":
						from = stages[value]
					case "--chown":
						owner = value
					default:
						fail("%s is not known", option)
					}
					words = words[1:]
				}
				if from == "" || len(words) != 2 {
					fail("there is no such source")
				}
				target := filepath.Join(root, dir, words[1])
				if path.IsAbs(words[1]) {
					target = root + words[1]
				}
				if err := os.MkdirAll(filepath.Dir(target+"x"), 0o755); err != nil {
					t.Fatal(err)
				}
				cp := exec.Command("cp", "-aT", filepath.Join(from, words[0]), target)
				if strings.HasSuffix(words[1], "/") {
					cp = exec.Command("cp", "-a", filepath.Join(from, words[0]), target)
				}
				if out, err := cp.CombinedOutput(); err != nil {
					fail("%v\n%s", err, out)
				}
				if os.Geteuid() == 0 {
					if out, err := exec.Command("chown", "-R", owner, target).CombinedOutput(); err != nil {
						fail("%v\n%s", err, out)
					}
				}
			case "ENTRYPOINT":
				var command []string
				if err := json.Unmarshal([]byte(rest), &command); err != nil || len(command) != 1 {
					fail("a list of one program: %v", err)
				}
				entry = command[0]
			default:
				fail("the test does not know this instruction")
			}
		}
		if image != "scratch" || user != "65534:65534" {
			t.Fatalf("the image is %s for %s", image, user)
		}
		if _, err := os.Stat(root + certificates); err != nil {
			t.Errorf("the image has no certificates: %v", err)
		}
		runImage(t, root, dir, entry)
		waitFor(t, "http://"+address+"/auth/password/policy")
		signUp(t, "http://"+address)
		if _, err := os.Stat(filepath.Join(root, dir, "usher.db")); err != nil {
			t.Error(err)
		}
	}
}

// stage returns the folder of a stage: an image of Go has the certificates of Debian.
func stage(t *testing.T, image string) string {
	t.Helper()
	root, err := os.MkdirTemp("/tmp", "stage")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(root) })
	if err := os.Chmod(root, 0o755); err != nil {
		t.Fatal(err)
	}
	if strings.HasPrefix(image, "golang:") {
		if err := os.MkdirAll(filepath.Dir(root+certificates), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(root+certificates, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// runImage runs the program of an image without the libraries of this computer, and without rights. Only
// root can do that; other users run it in the folder of its data.
func runImage(t *testing.T, root, dir, entry string) {
	t.Helper()
	f, err := elf.Open(root + entry)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if libraries, err := f.ImportedLibraries(); err != nil || len(libraries) > 0 || slices.ContainsFunc(f.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP }) {
		t.Errorf("the image lacks the libraries %q of the program (%v)", libraries, err)
	}
	var log strings.Builder
	c := exec.Command(root + entry)
	c.Dir, c.Stdout, c.Stderr, c.Env = filepath.Join(root, dir), &log, &log, []string{}
	if os.Geteuid() == 0 {
		// A mount of the folder on itself is read-only, and its data folder is mounted again.
		const script = `mount --bind "$1" "$1" && mount --bind "$1$2" "$1$2" && mount -o remount,bind,ro "$1" &&
			exec setpriv --clear-groups unshare --root="$1" --wd="$2" --setgid 65534 --setuid 65534 "$3"`
		if out, err := exec.Command("unshare", "-m", "true").CombinedOutput(); err != nil {
			t.Logf("the file system is not made read-only: %s", out)
			c.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
			c.Path, c.Dir = entry, dir
		} else {
			c = exec.Command("unshare", "-m", "bash", "-c", script, "run", root, dir, entry)
			c.Stdout, c.Stderr = &log, &log
		}
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Process.Signal(os.Interrupt)
		c.Wait()
		if t.Failed() {
			t.Logf("the program wrote:\n%s", log.String())
		}
	})
}

// The unit of docs/deploying.md has only settings that systemd knows, and the command makes a
// secret that the program accepts.
func TestCF07_TheUnitIsOneOfSystemd(t *testing.T) {
	t.Parallel()
	guidetest.Need(t, "systemd-analyze")
	dir := t.TempDir()
	replace := []string{"/etc/app/", dir + "/etc/app/", "/usr/local/bin/app", "/bin/true"}
	guidetest.Shell{Dir: dir, Replace: replace}.Run(t, guidetest.Blocks(t, "docs/deploying.md", "sh"))
	file := dir + "/etc/app/usher.secret"
	if _, err := usher.SecretFile(file); err != nil {
		t.Error(err)
	}
	for _, b := range guidetest.Blocks(t, "docs/deploying.md", "ini") {
		text := strings.NewReplacer(replace...).Replace(b.Text)
		unit := filepath.Join(dir, "app.service")
		write(t, unit, text)
		out, err := exec.Command("systemd-analyze", "verify", "--man=no", unit).CombinedOutput()
		if err != nil || strings.Contains(string(out), unit) {
			t.Errorf("%v\n%s", err, out)
		}
		if !strings.Contains(text, "LoadCredential=usher.secret:"+file+"\n") {
			t.Errorf("%s:%d: the unit has another secret than the command makes", b.Page, b.Line)
		}
	}
}

// With the lines of docs/operating.md, nginx gives the program the address of the client, and not
// the one that the client claims.
func TestCF07_TheLinesForNginx(t *testing.T) {
	nginx, err := exec.LookPath("nginx")
	if err != nil {
		nginx = "/usr/sbin/nginx" // not on the path of every user
	}
	guidetest.Need(t, nginx)
	dir, err := os.MkdirTemp("/tmp", "nginx") // a socket has a short name
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	for _, b := range guidetest.Blocks(t, "docs/operating.md", "nginx") {
		_, port, _ := strings.Cut(freeAddress(t), ":")
		base := "http://localhost:" + port
		l, err := net.Listen("unix", dir+"/http.sock")
		if err != nil {
			t.Fatal(err)
		}
		service := usher.Must(usher.New(t.Context(), memory.New(), usher.Config{
			BaseURL: base, Secret: "0123456789abcdef0123456789abcdef", Mailer: mail.Dir(t.TempDir()), Hashing: testhash.Config(), Logger: slog.New(slog.DiscardHandler),
		}))
		t.Cleanup(func() { service.Close(context.Background()) })
		h := usher.Must(handlers.New(service, handlers.Config{TrustedProxies: []netip.Prefix{middleware.UnixSocket}, Logger: slog.New(slog.DiscardHandler)}))
		mux := http.NewServeMux()
		mux.Handle("/auth/", h)
		server := handlers.NewServer("", mux)
		go server.Serve(l)
		t.Cleanup(func() { server.Close() })

		user := ""
		if os.Geteuid() == 0 {
			user = "user root;"
		}
		write(t, dir+"/nginx.conf", fmt.Sprintf(`daemon off; master_process off; %[1]s pid %[2]s/pid; error_log stderr; worker_processes 1;
events { worker_connections 64; }
http {
	access_log off;
	client_body_temp_path %[2]s/b; proxy_temp_path %[2]s/p; fastcgi_temp_path %[2]s/f; uwsgi_temp_path %[2]s/u; scgi_temp_path %[2]s/s;
	server {
		listen 127.0.0.1:%[3]s;
		%[4]s
	}
}
`, user, dir, port, strings.ReplaceAll(b.Text, "/run/app/", dir+"/")))
		start(t, dir, nginx, "-c", dir+"/nginx.conf")
		waitFor(t, base+"/auth/password/policy")
		if got := signUp(t, base, "X-Forwarded-For", "6.6.6.6"); got != "127.0.0.1" {
			t.Errorf("%s:%d: the program sees the address %q", b.Page, b.Line, got)
		}
	}
}
