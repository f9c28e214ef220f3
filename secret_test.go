package usher_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/password"
	"github.com/usherkit/usher/store/memory"
)

// secretFileVariable names an environment variable. If it is set, this test program
// reads that secret file, prints the secret and exits.
const secretFileVariable = "USHER_TEST_SECRET_FILE"

func TestMain(m *testing.M) {
	if path := os.Getenv(secretFileVariable); path != "" {
		fmt.Print(usher.Must(usher.SecretFile(path)).Reveal())
		return
	}
	os.Exit(m.Run())
}

func TestCF01_SecretFileIsMadeOnceAndForItsOwnerOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "usher.secret")
	first, err := usher.SecretFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if raw, err := base64.RawStdEncoding.DecodeString(first.Reveal()); err != nil || len(raw) != 32 {
		t.Errorf("%d bytes, %v, want 32 in base64", len(raw), err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode is %v, %v, want 0600", info.Mode(), err)
	}
	again, err := usher.SecretFile(path)
	if err != nil || again != first {
		t.Errorf("the second reading gave another secret, or %v", err)
	}
	other, err := usher.SecretFile(filepath.Join(t.TempDir(), "usher.secret"))
	if err != nil || other == first {
		t.Errorf("two files hold one secret, or %v", err)
	}
	wantOnly(t, path)
}

// wantOnly fails unless the file is alone in its folder.
func wantOnly(t *testing.T, path string) {
	t.Helper()
	all, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(all) != 1 {
		t.Errorf("%d files in the folder, %v, want one", len(all), err)
	}
}

func TestCF01_SecretFileIsTheSameForAllWhoStartAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "usher.secret")
	const goroutines, processes = 56, 8
	secrets := make([]string, goroutines+processes)
	concurrently(len(secrets), func(i int) {
		if i < goroutines {
			s, err := usher.SecretFile(path)
			if err != nil {
				t.Error(err)
			}
			secrets[i] = s.Reveal()
			return
		}
		c := exec.Command(os.Args[0])
		c.Env = append(os.Environ(), secretFileVariable+"="+path)
		out, err := c.Output()
		if err != nil {
			t.Error(err)
		}
		secrets[i] = string(out)
	})
	for i, s := range secrets {
		if s != secrets[0] || len(s) < 32 {
			t.Fatalf("number %d read another secret than number 0", i)
		}
	}
	wantOnly(t, path)
}

// Only the owner and the group may have access to the file.
func TestCF01_ASecretFileForEverybodyIsRefused(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such modes")
	}
	path := filepath.Join(t.TempDir(), "usher.secret")
	want := usher.Must(usher.SecretFile(path))
	for mode, ok := range map[os.FileMode]bool{0o600: true, 0o400: true, 0o440: true, 0o644: false, 0o604: false, 0o602: false, 0o620: false} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		got, err := usher.SecretFile(path)
		if ok != (err == nil) || ok != (got == want) || !ok && !strings.Contains(err.Error(), "chmod 600") {
			t.Errorf("mode %o: %v", mode, err)
		}
	}
}

func TestCF01_SecretFileThatCannotServe(t *testing.T) {
	folder := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	dangling := filepath.Join(folder, "dangling")
	if err := os.Symlink(filepath.Join(folder, "nowhere"), dangling); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{
		write("empty", ""),
		write("short", "canary-canary"),
		write("blank", strings.Repeat(" \n", 40)),
		filepath.Join(folder, "missing", "usher.secret"),
		dangling,
		folder,
	} {
		s, err := usher.SecretFile(path)
		if err == nil || s != "" {
			t.Errorf("%s: no error", filepath.Base(path))
		} else if strings.Contains(err.Error(), "canary") {
			t.Errorf("the error reveals the content of the file: %v", err)
		}
	}
	if s, err := usher.SecretFile(write("spaces", "\n "+secret.Reveal()+" \n")); err != nil || s != secret {
		t.Errorf("white space around a secret: %v", err)
	}
}

func TestCF01_MustPanics(t *testing.T) {
	defer func() {
		if p := recover(); p == nil {
			t.Error("no panic")
		}
	}()
	usher.Must(usher.Secret(""), errors.New("x"))
}

// No type of the package prints a secret, whichever function formats it.
func TestCF02_SecretsDoNotPrint(t *testing.T) {
	k := newKit(t, func(c *usher.Config) {
		c.OldSecrets = []usher.Secret{secret2}
		c.Hashing.Peppers = []password.Pepper{{ID: "p1", Key: []byte("pepper-pepper-pepper-pepper-pepper")}}
	})
	a := k.signUpVerified("ann@example.com")
	link := k.resetToken("ann@example.com", usher.MessageResetPassword)
	mail := k.lastEmail(usher.MessageResetPassword)
	pw := usher.Secret(goodPassword)
	values := []any{
		k.cfg, &k.cfg, k.cfg.Sessions, k.cfg.Limits, k.cfg.Hashing, k.cfg.Password, k.Service,
		a, *a, a.Tokens, a.Session, a.User, link, mail, &mail,
		usher.Client{Device: a.Device},
		usher.SignUpParams{LoginID: "a", Password: pw},
		usher.SignInParams{LoginID: "a", Password: pw},
		usher.UpdatePasswordParams{NewPassword: pw, CurrentPassword: pw},
		usher.ReplacePasswordParams{OldPassword: pw, NewPassword: pw},
		usher.ResetPasswordParams{Token: link, NewPassword: pw},
		usher.ResetSession{Token: link, RefreshToken: link},
		usher.ChangeEmailParams{CurrentPassword: pw},
		usher.ImportUserParams{Password: pw},
		[]usher.ImportUserParams{{Password: pw}},
		map[string]usher.SignUpParams{"x": {Password: pw}},
	}
	canaries := []string{
		secret.Reveal(), secret2.Reveal(), "pepper-pepper-pepper-pepper-pepper", goodPassword,
		a.Tokens.Session.Reveal(), a.Tokens.Refresh.Reveal(), a.Device.Reveal(), link.Reveal(),
	}
	for _, v := range values {
		for how, text := range printed(v) {
			for i, c := range canaries {
				for _, form := range forms(c) {
					if strings.Contains(text, form) {
						t.Errorf("%T with %s reveals canary %d: %.200s", v, how, i, text)
					}
				}
			}
		}
	}
}

// printed returns v in every way that a program might print it.
func printed(v any) map[string]string {
	all := map[string]string{}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%o", "%b", "%U", "%e", "%t"} {
		all[verb] = fmt.Sprintf(verb, v)
	}
	b, err := json.Marshal(v)
	all["encoding/json"] = fmt.Sprint(string(b), err)
	var text, js bytes.Buffer
	slog.New(slog.NewTextHandler(&text, nil)).Info("x", "v", v)
	slog.New(slog.NewJSONHandler(&js, nil)).Info("x", "v", v)
	all["slog text"], all["slog JSON"] = text.String(), js.String()
	return all
}

// forms returns the encodings in which a printed secret may appear.
func forms(s string) []string {
	return []string{
		s, hex.EncodeToString([]byte(s)), strings.ToUpper(hex.EncodeToString([]byte(s))),
		base64.StdEncoding.EncodeToString([]byte(s)),
		strings.Trim(fmt.Sprint([]byte(s)), "[]"),
		strings.TrimPrefix(strings.TrimSuffix(fmt.Sprintf("%#v", []byte(s)), "}"), "[]byte{"),
	}
}

// The errors of SecretFile wrap those that a program may check for.
func TestCF01_SecretFileErrorsWrap(t *testing.T) {
	_, err := usher.SecretFile(filepath.Join(t.TempDir(), "missing", "usher.secret"))
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v, want one that is fs.ErrNotExist", err)
	}
}

// withSecrets returns a change that sets the secret and the old secrets.
func withSecrets(now usher.Secret, old ...usher.Secret) func(*usher.Config) {
	return func(c *usher.Config) { c.Secret, c.OldSecrets = now, old }
}

// Tokens, links and emails made under the old secret stay valid after a change of
// the secret.
func TestOldSecretsStillOpen(t *testing.T) {
	t.Parallel()
	before := newKit(t)
	a := before.signUpVerified(ann)
	b := usher.Must(before.RefreshSession(ctx, a.Tokens.Refresh, home))
	if err := before.Close(ctx); err != nil {
		t.Fatal(err)
	}
	before.requestReset(ann, home) // stays in the outbox: no instance sends

	k := newKitOn(t, before.store, before.clock, withSecrets(secret2, secret))
	if events := usher.Must(k.Operator("test").Events(ctx, usher.EventQuery{Name: usher.EventKeysRotated, Limit: 1})).Events; events[0].Reason != "new_secret" {
		t.Fatalf("the event is %+v", events[0])
	}
	if !k.isLive(a) || !k.isLive(b) {
		t.Fatal("session tokens")
	}
	again := usher.Must(k.RefreshSession(ctx, a.Tokens.Refresh, home))
	if again.Tokens.Refresh != b.Tokens.Refresh {
		t.Fatal("the repetition of a refresh gave another successor")
	}
	c := usher.Must(k.RefreshSession(ctx, b.Tokens.Refresh, home))
	if raw := tokenIn(t, k.lastEmail(usher.MessageResetPassword)); errOf(k.ResetLink(ctx, raw, home)) != nil {
		t.Fatal("the email in the outbox")
	}
	client := home
	client.Device = a.Device
	k.events.reset()
	k.signIn(ann, goodPassword, client)
	k.wantEvents("authn_login_success session_created")

	// The start sealed the keys under the new secret, so the old one can be removed.
	k.Close(ctx)
	last := newKitOn(t, before.store, before.clock, withSecrets(secret2))
	if !last.isLive(c) {
		t.Fatal("without the old secret")
	}
	usher.Must(last.RefreshSession(ctx, c.Tokens.Refresh, home))
}

func TestWrongSecretNamesTheSetting(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	cfg := k.cfg
	cfg.Secret = secret2
	_, err := usher.New(ctx, k.store, cfg)
	if err == nil || !strings.Contains(err.Error(), "Config.OldSecrets") {
		t.Fatalf("the error is %v", err)
	}
	if strings.Contains(err.Error(), secret.Reveal()) || strings.Contains(err.Error(), secret2.Reveal()) {
		t.Fatal("the error holds a secret")
	}
}

// During a change of the secret, instances list the secrets in different order: each
// reads what the other sealed, and they do not keep sealing the keys again.
func TestSecretsInDifferentOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := memory.New()
		k := newInstance(t, store, withSecrets(secret, secret2))
		other := newInstance(t, store, withSecrets(secret2, secret))
		version := usher.Must(store.SigningKeys(ctx)).Version
		a := k.signUpVerified(ann)
		for _, order := range [][]*kit{{k, other}, {other, k}} {
			b := usher.Must(order[0].RefreshSession(ctx, a.Tokens.Refresh, home))
			time.Sleep(5 * time.Second) // the bubble's clock
			again := usher.Must(order[1].RefreshSession(ctx, a.Tokens.Refresh, home))
			if again.Tokens.Refresh != b.Tokens.Refresh || !order[0].isLive(again) {
				t.Fatal("the repetition of a refresh gave another successor on the other instance")
			}
			a = again
		}
		client := home
		client.Device = a.Device
		time.Sleep(10 * time.Minute)
		if got := usher.Must(store.SigningKeys(ctx)).Version; got != version {
			t.Fatalf("the keys were sealed anew %d times", got-version)
		}
	})
}

// An instance that does not have the newest secret loses no email, however often it
// claims one.
func TestEmailUnderAnUnknownSecretIsLeftToOtherInstances(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := memory.New()
		old := newInstance(t, store, withSecrets(secret))
		k := newInstance(t, store, withSecrets(secret2, secret))
		k.Close(ctx) // it queued the email, and the other instance sends it
		k.signUp(ann)
		time.Sleep(3 * time.Minute) // the bubble's clock
		old.Close(ctx)
		k = newInstance(t, store, withSecrets(secret2, secret))
		time.Sleep(5 * time.Minute)
		if got := kinds(k.inbox()); got != "verify_email" || len(old.inbox()) != 0 {
			t.Fatalf("emails are %q", got)
		}
		if n := k.events.count(usher.EventEmailGivenUp) + old.events.count(usher.EventEmailGivenUp); n != 0 {
			t.Fatal("given up")
		}
	})
}

// A refresh token whose successor was sealed under an unknown secret does not count
// as theft, and the session goes on.
func TestSuccessorUnderAnUnknownSecret(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	a := k.signUpVerified(ann)
	next := newKitOn(t, k.store, k.clock, withSecrets(secret2, secret))
	b := usher.Must(next.RefreshSession(ctx, a.Tokens.Refresh, home))
	_, err := k.RefreshSession(ctx, a.Tokens.Refresh, home)
	wantErr(t, err, usher.ErrUnavailable)
	if !next.isLive(b) {
		t.Fatal("the session ended")
	}
}

// The secrets of the cookies are the same on every instance, and none is a secret of
// the Config.
func TestJK09_CookieSecretsAreDerived(t *testing.T) {
	t.Parallel()
	only := func(s *kit, n int) []usher.Secret {
		t.Helper()
		got := s.CookieSecrets()
		if len(got) != n {
			t.Fatalf("%d secrets, want %d", len(got), n)
		}
		for _, one := range got {
			if len(one) != 32 || one == secret || one == secret2 {
				t.Errorf("a secret has %d bytes", len(one))
			}
		}
		return got
	}
	before, after := only(newKit(t), 1), only(newKit(t, withSecrets(secret2, secret)), 2)
	if after[0] == after[1] || after[1] != before[0] {
		t.Error("the newest secret does not come first")
	}
}
