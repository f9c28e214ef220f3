package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/usherkit/usher/internal/pgtest"
)

// proxies runs the lifecycle of an account through nginx and haproxy, with TLS, in front
// of two instances that take turns, with and without forged client addresses.
func proxies(ctx context.Context) error {
	d := &deployment{ctx: ctx}
	defer d.close()
	for _, name := range []string{"nginx", "haproxy"} {
		if _, err := exec.LookPath(name); err != nil {
			return err
		}
		if err := d.lifecycleBehind(name, freeAddress()); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		d.close()
		*d = deployment{ctx: ctx}
	}
	return nil
}

// lifecycleBehind runs the lifecycle behind one kind of proxy.
func (d *deployment) lifecycleBehind(name, front string) error {
	flags := []string{"-proxy", "127.0.0.1/32", "-base", "https://" + front}
	if err := d.start(scenario{users: 1, cluster: pgtest.Options{}, flags: [2][]string{flags, flags}}); err != nil {
		return err
	}
	pool, cert, err := certificate(d.dir)
	if err != nil {
		return err
	}
	var backends []string
	for _, m := range d.instances {
		u, err := url.Parse(m.url)
		if err != nil {
			return err
		}
		backends = append(backends, u.Host)
	}
	config, args := nginxConfig(d.dir, front, cert, backends), []string{"-c"}
	if name == "haproxy" {
		config, args = haproxyConfig(front, cert, backends), []string{"-db", "-f"}
	}
	file := filepath.Join(d.dir, name+".cfg")
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		return err
	}
	cmd := exec.CommandContext(d.ctx, name, append(args, file)...)
	log, err := os.Create(filepath.Join(d.dir, name+".log"))
	if err != nil {
		return err
	}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return err
	}
	d.cleanups = append(d.cleanups, func() { cmd.Process.Kill(); cmd.Wait() })
	if !eventually(d.ctx, 10*time.Second, func() bool {
		c, err := net.Dial("tcp", front)
		if err == nil {
			c.Close()
		}
		return err == nil
	}) {
		text, _ := os.ReadFile(log.Name())
		return fmt.Errorf("it does not listen: %s", text)
	}
	for round, forged := range [][]string{nil, {"6.6.6.6"}, {"6.6.6.6, 127.0.0.1", "8.8.8.8"}, {"127.0.0.1"}, {"nonsense", "::1"}} {
		t, err := newBrowser("https://"+front, &tls.Config{RootCAs: pool}, forged...)
		if err != nil {
			return err
		}
		if err := t.lifecycle("/auth", fmt.Sprintf("%s%d@example.com", name, round)); err != nil {
			return fmt.Errorf("with X-Forwarded-For %q: %w", forged, err)
		}
		fmt.Printf("%-8s X-Forwarded-For %q: passed, requests by instance: %v\n", name, forged, t.served)
	}
	return nil
}

func nginxConfig(dir, front, cert string, backends []string) string {
	return fmt.Sprintf(`daemon off; pid %[1]s/nginx.pid; error_log stderr; worker_processes 1;
events { worker_connections 256; }
http {
  access_log off;
  client_body_temp_path %[1]s/b; proxy_temp_path %[1]s/p; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
  upstream instances { server %[4]s; server %[5]s; }
  server {
    listen %[2]s ssl http2; ssl_certificate %[3]s; ssl_certificate_key %[3]s; ssl_protocols TLSv1.2 TLSv1.3;
    location / {
      proxy_pass http://instances;
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
    }
  }
}
`, dir, front, cert, backends[0], backends[1])
}

func haproxyConfig(front, cert string, backends []string) string {
	return fmt.Sprintf(`defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
  option forwardfor
frontend front
  bind %s ssl crt %s alpn h2,http/1.1
  http-request set-header X-Forwarded-Proto https
  default_backend instances
backend instances
  balance roundrobin
  server one %s
  server two %s
`, front, cert, backends[0], backends[1])
}

// certificate makes a certificate for the loopback addresses, in one file with
// its key.
func certificate(dir string) (*x509.CertPool, string, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, "", err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "drills"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.ParseIP("127.0.0.1")}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, "", err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, "", err
	}
	var text strings.Builder
	err = errors.Join(pem.Encode(&text, &pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.Encode(&text, &pem.Block{Type: "PRIVATE KEY", Bytes: private}))
	file := filepath.Join(dir, "cert.pem")
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(text.String()))
	return pool, file, errors.Join(err, os.WriteFile(file, []byte(text.String()), 0o600))
}
