package cookies_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/gorilla/sessions"

	"github.com/usherkit/usher/cookies"
	"github.com/usherkit/usher/token"
)

func TestConfigErrorsNameTheField(t *testing.T) {
	const canary = token.Secret("canary-canary")
	long := func(s string) token.Secret { return token.Secret(strings.Repeat(s+"-", 16)) }
	for name, c := range map[string]struct {
		cfg  cookies.Config
		want string
	}{
		"CF-01 no secret":       {cookies.Config{}, "Config.Secret"},
		"CF-01 short secret":    {cookies.Config{Secret: canary}, "Config.Secret has 13 bytes"},
		"CF-01 weak secret":     {cookies.Config{Secret: token.Secret(strings.Repeat("a", 64))}, "Config.Secret is one character repeated"},
		"CF-01 weak old secret": {cookies.Config{Secret: secret, OldSecrets: []token.Secret{token.Secret(strings.Repeat("a", 64))}}, "Config.OldSecrets[0] is one"},
		"CF-01 weak hash":       {cookies.Config{KeyPairs: []cookies.KeyPair{{token.Secret(strings.Repeat("a", 64)), long("b")}}}, "KeyPairs[0].Hash is one"},
		"CF-01 weak block":      {cookies.Config{KeyPairs: []cookies.KeyPair{{long("a"), token.Secret(strings.Repeat("b", 32))}}}, "KeyPairs[0].Block is one"},
		"short old secret":      {cookies.Config{Secret: secret, OldSecrets: []token.Secret{canary}}, "Config.OldSecrets[0]"},
		"old secrets alone":     {cookies.Config{OldSecrets: []token.Secret{secret}}, "Config.Secret has 0 bytes"},
		"repeated secret":       {cookies.Config{Secret: secret, OldSecrets: []token.Secret{secret2, secret}}, "Config.OldSecrets[1]"},
		"secret and pairs":      {cookies.Config{Secret: secret, KeyPairs: []cookies.KeyPair{{long("a"), long("b")}}}, "only one"},
		"secret and store":      {cookies.Config{Secret: secret, Store: &sessions.CookieStore{}}, "only one"},
		"short hash":            {cookies.Config{KeyPairs: []cookies.KeyPair{{canary, long("b")}}}, "KeyPairs[0].Hash"},
		"no block":              {cookies.Config{KeyPairs: []cookies.KeyPair{{long("a"), ""}}}, "KeyPairs[0].Block"},
		"AES-128":               {cookies.Config{KeyPairs: []cookies.KeyPair{{long("a"), long("b")[:16]}}}, "KeyPairs[0].Block"},
		"hash is block":         {cookies.Config{KeyPairs: []cookies.KeyPair{{long("a"), long("a")}}}, "KeyPairs[0]"},
		"key of another pair":   {cookies.Config{KeyPairs: []cookies.KeyPair{{long("a"), long("b")}, {long("b"), long("c")}}}, "KeyPairs[1]"},
		"CK-03 default, domain": {cookies.Config{Secret: secret, Domain: "example.com"}, "Config.Domain"},
		"CK-03 __Host, domain":  {cookies.Config{Secret: secret, Name: "__Host-x", Domain: "example.com"}, "Config.Domain"},
		"CK-03 __host, domain":  {cookies.Config{Secret: secret, Name: "__host-x", Domain: "example.com"}, "Config.Domain"},
		"CK-03 a prefix alone":  {cookies.Config{Secret: secret, Name: "__Host-", Domain: "example.com"}, "Config.Domain"},
		"CK-03 plain __Host":    {cookies.Config{Secret: secret, Plain: true, SessionName: "__Host-x", Domain: "example.com"}, "Config.Domain"},
		"CK-02 SameSite=None":   {cookies.Config{Secret: secret, SameSite: http.SameSiteNoneMode}, "Config.SameSite"},
		"CK-02 SameSite unset":  {cookies.Config{Secret: secret, SameSite: http.SameSiteDefaultMode}, "Config.SameSite"},
		"CK-03 lax with domain": {cookies.Config{Secret: secret, Name: "__Secure-x", Domain: "example.com", SameSite: http.SameSiteLaxMode}, "Config.SameSite"},
		"CK-03 lax, no prefix":  {cookies.Config{Secret: secret, Name: "x", SameSite: http.SameSiteLaxMode}, "Config.SameSite"},
		"CK-03 lax plain":       {cookies.Config{Secret: secret, Plain: true, SameSite: http.SameSiteLaxMode}, "Config.SameSite"},
		"prefix on loopback":    {cookies.Config{Secret: secret, InsecureLoopback: true, Name: "__Secure-x"}, "Config.InsecureLoopback"},
		"bad name":              {cookies.Config{Secret: secret, Name: "a b"}, "the name"},
		"bad domain":            {cookies.Config{Secret: secret, Name: "__Secure-x", Domain: "exa mple"}, "the domain"},
		"device's name":         {cookies.Config{Secret: secret, Name: "__Host-device"}, "is used by"},
		"name of the sign-out":  {cookies.Config{Secret: secret, Name: "__Host-ended"}, "is used by"},
		"its name on loopback":  {cookies.Config{Secret: secret, Plain: true, InsecureLoopback: true, RefreshName: "ended"}, "is used by"},
		"name with plain":       {cookies.Config{Secret: secret, Plain: true, Name: "x"}, "Config.Name"},
		"DS without plain":      {cookies.Config{Secret: secret, SessionName: "x"}, "Config.SessionName"},
		"one name for both":     {cookies.Config{Secret: secret, Plain: true, SessionName: "DSR"}, "the same"},
		"cache with plain":      {cookies.Config{Secret: secret, Plain: true, CacheBytes: 1 << 20}, "Config.CacheBytes"},
		"cache with store":      {cookies.Config{Store: &sessions.CookieStore{}, CacheBytes: -1}, "Config.CacheBytes"},
		"small cache":           {cookies.Config{Secret: secret, CacheBytes: 1000}, "Config.CacheBytes"},
		"one name, other way":   {cookies.Config{Secret: secret, Plain: true, RefreshName: "DS"}, "the same"},
	} {
		_, err := cookies.New(c.cfg)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestConfigAcceptsTheLimits(t *testing.T) {
	for name, cfg := range map[string]cookies.Config{
		"the smallest cache": {Secret: secret, CacheBytes: 1 << 20},
		"lax as by default":  {Secret: secret, SameSite: http.SameSiteLaxMode},
		"strict as required": {Secret: secret, Name: "__Secure-x", Domain: "example.com", SameSite: http.SameSiteStrictMode},
	} {
		if _, err := cookies.New(cfg); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCF03_UnsafeSettingsWarn(t *testing.T) {
	for name, c := range map[string]struct {
		change   func(*cookies.Config)
		warnings int
	}{
		"default":    {nil, 0},
		"strict":     {func(c *cookies.Config) { c.SameSite = http.SameSiteStrictMode }, 0},
		"__Secure-":  {func(c *cookies.Config) { c.Name = "__Secure-x" }, 0},
		"loopback":   {func(c *cookies.Config) { c.InsecureLoopback = true }, 1},
		"no prefix":  {func(c *cookies.Config) { c.Name = "sid" }, 1},
		"domain":     {func(c *cookies.Config) { c.Name, c.Domain = "__Secure-x", "example.com" }, 1},
		"DS and DSR": {func(c *cookies.Config) { c.Plain = true }, 3},
	} {
		var log bytes.Buffer
		newJar(t, func(cfg *cookies.Config) {
			cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
			if c.change != nil {
				c.change(cfg)
			}
		})
		if got := strings.Count(log.String(), "level=WARN"); got != c.warnings || strings.Contains(log.String(), secret.Reveal()) {
			t.Errorf("%s: %d warnings, want %d: %s", name, got, c.warnings, log.String())
		}
	}
}

func TestCF02_SecretsDoNotPrint(t *testing.T) {
	cfg := cookies.Config{Secret: secret, OldSecrets: []token.Secret{secret2}, KeyPairs: []cookies.KeyPair{{Hash: secret3, Block: secret3}}}
	jar := newJar(t, nil)
	text := fmt.Sprintf("%v %+v %#v %v %+v %#v", cfg, cfg, cfg, jar, jar, *jar)
	if b, err := json.Marshal(cfg.KeyPairs); err == nil {
		text += string(b)
	}
	for _, s := range []token.Secret{secret, secret2, secret3} {
		if strings.Contains(text, s.Reveal()) || strings.Contains(text, fmt.Sprintf("%x", s.Reveal())) {
			t.Error("a secret prints")
		}
	}
}
