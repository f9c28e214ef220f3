package usher_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/password"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/memory"
	"github.com/usherkit/usher/token"
)

// newConfig returns the smallest valid Config, with a logger that writes to log.
func newConfig(log io.Writer) usher.Config {
	return usher.Config{
		Secret:  secret,
		BaseURL: "https://app.example",
		Mailer:  newMailbox(),
		Logger:  slog.New(slog.NewTextHandler(log, nil)),
	}
}

// wantConfigError fails unless New refuses the changed Config with an error
// that names the setting.
func wantConfigError(t *testing.T, setting string, change func(*usher.Config)) {
	t.Helper()
	c := newConfig(io.Discard)
	change(&c)
	s, err := usher.New(ctx, memory.New(), c)
	if err == nil {
		s.Close(ctx)
		t.Fatalf("New took it, want an error that names %s", setting)
	}
	if !strings.Contains(err.Error(), "Config."+setting) {
		t.Fatalf("the error is %q, want one that names Config.%s", err, setting)
	}
}

func TestCF01_NoSecretNoStart(t *testing.T) {
	for _, value := range []usher.Secret{"", "changeme", "0123456789abcdef", secret[:31], usher.Secret(strings.Repeat("a", 64))} {
		wantConfigError(t, "Secret", func(c *usher.Config) { c.Secret = value })
		c := newConfig(io.Discard)
		c.Secret = value
		_, err := usher.New(ctx, memory.New(), c)
		if value != "" && strings.Contains(err.Error(), value.Reveal()) {
			t.Errorf("the error reveals the secret: %v", err)
		}
	}
	wantConfigError(t, "OldSecrets[1]", func(c *usher.Config) { c.OldSecrets = []usher.Secret{secret2, "changeme"} })
}

func TestJK09_OneKeyOneUse(t *testing.T) {
	pepper := func(key string) password.HasherConfig {
		return password.HasherConfig{Peppers: []password.Pepper{{ID: "p1", Key: []byte(key)}}}
	}
	wantConfigError(t, "Hashing.Peppers[0].Key", func(c *usher.Config) { c.Hashing = pepper(secret.Reveal()) })
	wantConfigError(t, "Hashing.Peppers[0].Key", func(c *usher.Config) {
		c.OldSecrets = []usher.Secret{secret2}
		c.Hashing = pepper(secret2.Reveal())
	})
	wantConfigError(t, "Hashing.Peppers[0].Key", func(c *usher.Config) { c.Hashing = pepper(secret2.Reveal()[:31]) })
	wantConfigError(t, "OldSecrets[0]", func(c *usher.Config) { c.OldSecrets = []usher.Secret{secret} })
}

// The error for each wrong setting names the setting.
func TestConfigNamesTheWrongSetting(t *testing.T) {
	for _, c := range []struct {
		setting string
		change  func(*usher.Config)
	}{
		{"BaseURL", func(c *usher.Config) { c.BaseURL = "" }},
		{"BaseURL", func(c *usher.Config) { c.BaseURL = "app.example" }},
		{"BaseURL", func(c *usher.Config) { c.BaseURL = "ftp://app.example" }},
		{"BaseURL", func(c *usher.Config) { c.BaseURL = "https://user:pass@app.example" }},
		{"BaseURL", func(c *usher.Config) { c.BaseURL = "https://app.example?x=1" }},
		{"Issuer", func(c *usher.Config) { c.Issuer = "two words" }},
		{"Issuer", func(c *usher.Config) { c.Issuer = "shop\x00" }},
		{"Issuer", func(c *usher.Config) { c.Issuer = "shop\u202e" }},
		{"Issuer", func(c *usher.Config) { c.Issuer = "shop\xff" }},
		{"Issuer", func(c *usher.Config) { c.Issuer = strings.Repeat("x", 256) }},
		{"Issuer", func(c *usher.Config) { c.Issuer = "8080:app" }},
		{"Issuer", func(c *usher.Config) { c.Issuer = "://app.example" }},
		{"Issuer", func(c *usher.Config) { c.Issuer = "https://app.example/?x" }},
		{"Issuer", func(c *usher.Config) { c.Issuer = "https://app.example/#x" }},
		{"Issuer", func(c *usher.Config) { c.Issuer = "https://user@app.example/" }},
		{"Name", func(c *usher.Config) { c.Name = "My\napp" }},
		{"Name", func(c *usher.Config) { c.Name = "My\u2028app" }},
		{"Name", func(c *usher.Config) { c.Name = "My \xff" }},
		{"Name", func(c *usher.Config) { c.Name = strings.Repeat("ä", 101) }},
		{"PagesPath", func(c *usher.Config) { c.PagesPath = "auth" }},
		{"PagesPath", func(c *usher.Config) { c.PagesPath = "/auth?x" }},
		{"PagesPath", func(c *usher.Config) { c.PagesPath = "//auth" }},
		{"PagesPath", func(c *usher.Config) { c.PagesPath = "/auth/../x" }},
		{"PagesPath", func(c *usher.Config) { c.PagesPath = "/100%" }},
		{"BaseURL", func(c *usher.Config) { c.BaseURL = "https://app.example/a//b" }},
		{"BaseURL", func(c *usher.Config) { c.BaseURL = "https://app.example/../x" }},
		{"Audience", func(c *usher.Config) { c.Audience = []string{""} }},
		{"Redirects[1]", func(c *usher.Config) { c.Redirects = []string{"https://a.example/", "//b.example"} }},
		{"Redirects[0]", func(c *usher.Config) { c.Redirects = []string{"http://a.example/"} }},
		{"Mailer", func(c *usher.Config) { c.Mailer = nil }},
		{"Hashing", func(c *usher.Config) { c.Hashing.Slots = -1 }},
		{"Sessions.TokenLifetime", func(c *usher.Config) { c.Sessions.TokenLifetime = 61 * time.Minute }},
		{"Sessions.Idle", func(c *usher.Config) { c.Sessions.Idle = -time.Minute }},
		{"Sessions.Absolute", func(c *usher.Config) { c.Sessions.Absolute = time.Second }},
		{"Sessions.Grace", func(c *usher.Config) { c.Sessions.Grace = 61 * time.Second }},
		{"Sessions.Recent", func(c *usher.Config) { c.Sessions.Recent = 25 * time.Hour }},
		{"Sessions.Max", func(c *usher.Config) { c.Sessions.Max = -1 }},
		{"ResetLifetime", func(c *usher.Config) { c.ResetLifetime = 25 * time.Hour }},
		{"VerifyLifetime", func(c *usher.Config) { c.VerifyLifetime = 25 * time.Hour }},
		{"EventRetention", func(c *usher.Config) { c.EventRetention = time.Minute }},
		{"EventRetentionByName", func(c *usher.Config) {
			c.EventRetentionByName = map[usher.EventName]time.Duration{usher.EventSignIn: 401 * 24 * time.Hour}
		}},
		{"EventRetentionByName", func(c *usher.Config) {
			c.EventRetentionByName = map[usher.EventName]time.Duration{usher.EventSessionRenewed: time.Second}
		}},
		{"Algorithm", func(c *usher.Config) { c.Algorithm = "HS256" }},
		{"Limits.FreeFailures", func(c *usher.Config) { c.Limits.FreeFailures = 101 }},
		{"Limits.Wait", func(c *usher.Config) { c.Limits.Wait = 2 * time.Hour }},
		{"Limits.MaxWait", func(c *usher.Config) { c.Limits.MaxWait = 25 * time.Hour }},
		{"Limits.NetworkFailures", func(c *usher.Config) { c.Limits.NetworkFailures = -1 }},
		{"Limits.NetworkAttempts", func(c *usher.Config) { c.Limits.NetworkAttempts = -1 }},
		{"Limits.NetworkWindow", func(c *usher.Config) { c.Limits.NetworkWindow = time.Millisecond }},
		{"Limits.SignUps", func(c *usher.Config) { c.Limits.SignUps = -1 }},
		{"Limits.ResetEmails", func(c *usher.Config) { c.Limits.ResetEmails = 101 }},
		{"Limits.ResetRequests", func(c *usher.Config) { c.Limits.ResetRequests = -1 }},
		{"Limits.Emails", func(c *usher.Config) { c.Limits.Emails = 1001 }},
		{"Limits.OutboxSize", func(c *usher.Config) { c.Limits.OutboxSize = -1 }},
	} {
		wantConfigError(t, c.setting, c.change)
	}
	if _, err := usher.New(ctx, nil, newConfig(io.Discard)); err == nil {
		t.Error("New took no store")
	}
}

// Every token has the issuer of the setting, which need not be the public URL. A verifier of
// another program needs the name and the key set alone: it finds the key by kid, and tells
// session and refresh tokens apart by drn.
func TestTV07_TheIssuerIsASetting(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"": "https://app.example", "https://auth.example/v1/apps/P2abc": "https://auth.example/v1/apps/P2abc", "P2abc": "P2abc",
	} {
		k := newKit(t, func(c *usher.Config) { c.Issuer = given })
		a := k.signUpVerified(ann)
		reset := usher.Must(k.VerifyReset(ctx, k.resetToken(ann, usher.MessageResetPassword), home))
		set, err := keyfunc.NewJWKSetJSON(k.JWKS())
		if err != nil {
			t.Fatal(err)
		}
		for raw, drn := range map[usher.Secret]string{a.Tokens.Session: "DS", a.Tokens.Refresh: "DSR", reset.Token: "DS"} {
			parsed, err := jwt.Parse(raw.Reveal(), set.Keyfunc, jwt.WithIssuer(want), jwt.WithTimeFunc(k.clock.now))
			if err != nil {
				t.Fatalf("%q: %v", given, err)
			}
			if got := parsed.Claims.(jwt.MapClaims)["drn"]; got != drn || parsed.Header["kid"] == nil {
				t.Errorf("%q: drn is %v, want %s; the header is %v", given, got, drn, parsed.Header)
			}
		}
		claims, err := k.ValidateSession(ctx, a.Tokens.Session)
		if err != nil || claims.Issuer != want || !slices.Equal(claims.Audience, []string{want}) || k.Issuer() != want {
			t.Errorf("%q: %+v, %v", given, claims, err)
		}
		if _, err := k.RefreshSession(ctx, a.Tokens.Refresh, home); err != nil {
			t.Errorf("%q: %v", given, err)
		}
		other := newKitOn(t, k.store, k.clock, func(c *usher.Config) { c.Issuer = "another" })
		_, err = other.ValidateSession(ctx, a.Tokens.Session)
		wantErr(t, err, token.ErrInvalid)
	}
}

func TestNewDoesNotChangeTheCallersConfig(t *testing.T) {
	c := newConfig(io.Discard)
	c.Audience, c.Redirects = []string{"a"}, []string{"https://a.example/"}
	s, err := usher.New(ctx, memory.New(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(ctx)
	if c.PagesPath != "" || c.Sessions != (usher.SessionConfig{}) || c.Limits != (usher.LimitConfig{}) || c.Algorithm != token.Algorithm("") {
		t.Errorf("defaults were written into the caller's Config: %+v", c)
	}
}

func TestCF03_PlainHTTPForLoopbackOnly(t *testing.T) {
	for _, base := range []string{"http://0.0.0.0:8080", "http://[::]:8080", "http://app.example", "http://192.0.2.1", "http://localhost.evil.test"} {
		wantConfigError(t, "BaseURL", func(c *usher.Config) { c.BaseURL = base })
	}
	for _, base := range []string{"http://127.0.0.1:8080", "http://localhost:8080", "http://[::1]:8080"} {
		var log bytes.Buffer
		c := newConfig(&log)
		c.BaseURL = base
		s, err := usher.New(ctx, memory.New(), c)
		if err != nil {
			t.Fatal(err)
		}
		s.Close(ctx)
		if n := strings.Count(log.String(), "level=WARN"); n != 1 || !strings.Contains(log.String(), "BaseURL is plain http") {
			t.Errorf("%d warnings, want one that says that BaseURL is plain http:\n%s", n, &log)
		}
	}
}

// Without limits on attempts, the host of BaseURL must be this computer.
func TestCF03_NoThrottleOnlyOnThisComputer(t *testing.T) {
	t.Parallel()
	for base, ok := range map[string]bool{
		"https://app.example": false, "https://10.0.0.1": false, "https://localhost.app.example": false,
		"http://localhost:8080": true, "https://localhost": true, "http://127.0.0.1:8080": true, "http://[::1]:8080": true,
	} {
		c := newConfig(io.Discard)
		c.BaseURL, c.InsecureNoThrottle = base, true
		s, err := usher.New(ctx, memory.New(), c)
		if (err == nil) != ok || !ok && !strings.Contains(err.Error(), "InsecureNoThrottle") {
			t.Errorf("%s: %v", base, err)
		}
		if s != nil {
			s.Close(ctx)
		}
	}
}

func TestCF03_UnsafeSettingsWarn(t *testing.T) {
	var log bytes.Buffer
	c := newConfig(&log)
	c.BaseURL, c.InsecureNoThrottle, c.ResetSignsIn, c.Sessions.KeepRefreshToken = "https://localhost", true, true, true
	c.Password.InsecureAllowCommon = true
	c.Links.ResetPassword = "myapp://reset"
	s, err := usher.New(ctx, memory.New(), c)
	if err != nil {
		t.Fatal(err)
	}
	s.Close(ctx)
	for _, name := range []string{"InsecureNoThrottle", "ResetSignsIn", "KeepRefreshToken", "InsecureAllowCommon", "Links has the scheme of an app"} {
		if n := strings.Count(log.String(), name); n != 1 {
			t.Errorf("%s is in %d lines, want 1:\n%s", name, n, &log)
		}
	}

	log.Reset()
	if s, err = usher.New(ctx, memory.New(), newConfig(&log)); err != nil {
		t.Fatal(err)
	}
	s.Close(ctx)
	if log.Len() > 0 {
		t.Errorf("the safe Config warns:\n%s", &log)
	}
}

// No source file disables the verification of certificates.
func TestCF03_NoInsecureSkipVerify(t *testing.T) {
	set := regexp.MustCompile(`InsecureSkipVerify\s*(:|=[^=])`)
	err := filepath.WalkDir(".", func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		b, err := os.ReadFile(path)
		if set.Match(b) {
			t.Errorf("%s", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// refreshedTable is a store that holds only the numbers of the events that refreshes and
// sign-ins store. Removing a row takes 0.2 ms of the bubble's clock.
type refreshedTable struct {
	store.Store
	mu     sync.Mutex
	events map[usher.EventName]*eventRows
}

// eventRows are the rows of one name: how many there are of each second, oldest first, and
// how many in all.
type eventRows struct {
	seconds []rowsOfSecond
	total   int
}

type rowsOfSecond struct {
	at int64
	n  int
}

func (r *refreshedTable) add(name usher.EventName, n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	rows := r.events[name]
	rows.seconds = append(rows.seconds, rowsOfSecond{time.Now().Unix(), n})
	rows.total += n
}

func (r *refreshedTable) count(name usher.EventName) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.events[name].total
}

func (r *refreshedTable) DeleteExpired(ctx context.Context, x store.Expiry) (int, error) {
	total := 0
	r.mu.Lock()
	for name, rows := range r.events {
		before := x.NamedEventsBefore[name]
		if before.IsZero() {
			before = x.EventsBefore
		}
		removed := 0
		for len(rows.seconds) > 0 && rows.seconds[0].at < before.Unix() && removed < x.Max {
			oldest := &rows.seconds[0]
			n := min(oldest.n, x.Max-removed)
			removed += n
			if oldest.n -= n; oldest.n == 0 {
				rows.seconds = rows.seconds[1:]
			}
		}
		rows.total -= removed
		total += removed
	}
	r.mu.Unlock()
	time.Sleep(time.Duration(total) * 200 * time.Microsecond)
	return total, ctx.Err()
}

// With a thousand refreshes a second the table holds what they store within their
// retention, and no more after four hours than after one. Other events stay.
func TestLM06_CleaningKeepsUpWithAThousandRefreshesASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		table := &refreshedTable{Store: memory.New(), events: map[usher.EventName]*eventRows{
			usher.EventSessionRenewed: {}, usher.EventSignIn: {},
		}}
		newInstance(t, table, func(c *usher.Config) {
			c.EventRetentionByName = map[usher.EventName]time.Duration{usher.EventSessionRenewed: time.Hour}
		})
		const hour, perSecond = 3600, 1000
		for second := range 4 * hour {
			table.add(usher.EventSessionRenewed, perSecond)
			table.add(usher.EventSignIn, 1)
			time.Sleep(time.Second) // the bubble's clock
			if n := table.count(usher.EventSessionRenewed); n > (hour+2*60)*perSecond {
				t.Fatalf("after %d minutes the table has %d rows of refreshes", second/60, n)
			}
		}
		if n := table.count(usher.EventSessionRenewed); n < hour*perSecond {
			t.Errorf("%d rows of refreshes are left, so some were removed too early", n)
		}
		if n := table.count(usher.EventSignIn); n != 4*hour {
			t.Errorf("%d of %d rows of sign-ins are left", n, 4*hour)
		}
	})
}

// Rows that were not removed in one run are removed in the next, which follows at once.
func TestLM06_ABacklogIsRemovedWithoutAPause(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		table := &refreshedTable{Store: memory.New(), events: map[usher.EventName]*eventRows{usher.EventSessionRenewed: {}}}
		table.add(usher.EventSessionRenewed, 1_000_000)
		time.Sleep(24 * time.Hour)
		newInstance(t, table)
		time.Sleep(5 * time.Minute) // the rows take 200 s
		if n := table.count(usher.EventSessionRenewed); n != 0 {
			t.Errorf("%d expired rows are left", n)
		}
	})
}
