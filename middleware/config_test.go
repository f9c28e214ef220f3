package middleware_test

import (
	"log/slog"
	"net/http"
	"net/netip"
	"os/exec"
	"strings"
	"testing"

	"github.com/usherkit/usher/middleware"
)

func TestConfigErrorsNameTheField(t *testing.T) {
	w := newWorld(t)
	for field, change := range map[string]func(*middleware.Config){
		"Config.Validator":  func(c *middleware.Config) { c.Validator = nil },
		"Config.Refresher":  func(c *middleware.Config) { c.Refresher, c.Cookies = &refresher{}, nil },
		"Config.Realm":      func(c *middleware.Config) { c.Realm = "a\"b" },
		"TrustedOrigins[0]": func(c *middleware.Config) { c.TrustedOrigins = []string{"null"} },
		"Config.OnRefusal": func(c *middleware.Config) {
			c.SignInPath = "/signin"
			c.OnRefusal = middleware.WriteRefusal
		},
	} {
		cfg := w.config()
		change(&cfg)
		if _, err := middleware.New(cfg); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: %v", field, err)
		}
	}
	for realm, ok := range map[string]bool{"a b": true, "~": true, "\x1f": false, "\x7f": false, "é": false, `a\b`: false, `"`: false} {
		cfg := w.config()
		cfg.Realm = realm
		if _, err := middleware.New(cfg); (err == nil) != ok || err != nil && !strings.Contains(err.Error(), "Config.Realm") {
			t.Errorf("realm %q: %v", realm, err)
		}
	}
	for prefix, ok := range map[netip.Prefix]bool{
		netip.MustParsePrefix("10.0.0.0/8"):    true,
		netip.MustParsePrefix("::1/128"):       true,
		netip.MustParsePrefix("0.0.0.0/0"):     false,
		netip.MustParsePrefix("::/0"):          false,
		netip.MustParsePrefix("::ffff:0:0/96"): false,
		// With two or a few of these, every address would be trusted.
		netip.MustParsePrefix("0.0.0.0/1"):   false,
		netip.MustParsePrefix("128.0.0.0/1"): false,
		netip.MustParsePrefix("8.0.0.0/7"):   false,
		netip.MustParsePrefix("2000::/3"):    false,
		netip.MustParsePrefix("2400::/15"):   false,
		netip.MustParsePrefix("2400::/16"):   true,
		netip.MustParsePrefix("fc00::/7"):    true, // private networks
		netip.MustParsePrefix("fe80::/10"):   true, // of one link
		netip.MustParsePrefix("fc00::/6"):    false,
		{}:                                   false,
	} {
		cfg := w.config()
		cfg.TrustedProxies = []netip.Prefix{prefix}
		if _, err := middleware.New(cfg); (err == nil) != ok || err != nil && !strings.Contains(err.Error(), "TrustedProxies[0]") {
			t.Errorf("%s: %v", prefix, err)
		}
	}
	for path, ok := range map[string]bool{
		"/signin": true, "https://auth.example.com/signin": true, "http://localhost:8080/signin": true,
		"//evil.test": false, "http://auth.example.com/": false, "signin": false, "javascript:1": false, "https://u@h/": false,
		"https:/signin": false, "https:signin": false, "http://192.0.2.1/signin": false, "http://127.0.0.1/signin": true, "/%zz": false,
	} {
		cfg := w.config()
		cfg.SignInPath = path
		if _, err := middleware.New(cfg); (err == nil) != ok || err != nil && !strings.Contains(err.Error(), "Config.SignInPath") {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// A Config with only a Validator is complete.
func TestConfigDefaults(t *testing.T) {
	w := newWorld(t)
	defer slog.SetDefault(slog.Default())
	slog.SetDefault(slog.New(slog.DiscardHandler))
	m, err := middleware.New(middleware.Config{Validator: w})
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range []http.Handler{m.Require(whoami), m.RequireVerifiedEmail(whoami)} {
		if got := do(h, request("GET", "/", bearer("a.b.c"))); got.Code != 401 {
			t.Fatal(got.Code)
		}
	}
}

// A program that only validates sessions links no SQL and no cookie library.
func TestImportsStdlibTokenAndLoggingOnly(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	direct, err := exec.Command("go", "list", "-f", "{{join .Imports \"\\n\"}}", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range strings.Fields(string(out)) {
		for _, bad := range []string{"gorilla", "sql", "pgx", "alice", "usher/cookies", "usher/handlers"} {
			if strings.Contains(p, bad) || p == "github.com/usherkit/usher" {
				t.Errorf("links %s", p)
			}
		}
	}
	for _, p := range strings.Fields(string(direct)) {
		ours, _ := strings.CutPrefix(p, "github.com/usherkit/usher/")
		if strings.Contains(p, ".") && ours != "token" && ours != "problem" && ours != "internal/ipaddr" && ours != "internal/logs" && ours != "internal/nostore" && ours != "internal/watch" {
			t.Errorf("imports %s", p)
		}
		if p == "database/sql" {
			t.Errorf("imports %s", p)
		}
	}
}
