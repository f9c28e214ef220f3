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
	"strings"
	"testing"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/password"
)

// secretFileVariable makes this test program one that reads a secret file,
// prints what it holds and ends.
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
	together(len(secrets), func(i int) {
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
			t.Errorf("the error tells what is in the file: %v", err)
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

// No type of the package tells a secret, whatever prints it.
func TestCF02_SecretsDoNotPrint(t *testing.T) {
	k := newKit(t, func(c *usher.Config) {
		c.OldSecrets = []usher.Secret{secret2}
		c.Hashing.Peppers = []password.Pepper{{ID: "p1", Key: []byte("pepper-pepper-pepper-pepper-pepper")}}
	})
	a := k.signUpVerified("ann@example.com")
	link := k.resetToken("ann@example.com", usher.MessageResetPassword)
	mail := k.lastMail(usher.MessageResetPassword)
	pw := usher.Secret(goodPassword)
	values := []any{
		k.cfg, &k.cfg, k.cfg.Sessions, k.cfg.Limits, k.cfg.Hashing, k.cfg.Password, k.Service,
		a, *a, a.Tokens, a.Session, a.User, link, mail, &mail,
		usher.Client{Device: a.Device},
		usher.SignUp{LoginID: "a", Password: pw},
		usher.SignIn{LoginID: "a", Password: pw},
		usher.UpdatePassword{NewPassword: pw, CurrentPassword: pw},
		usher.ReplacePassword{OldPassword: pw, NewPassword: pw},
		usher.ResetPassword{Token: link, NewPassword: pw},
		usher.ResetSession{Token: link},
		usher.ChangeEmail{CurrentPassword: pw},
		usher.UserImport{Password: pw},
		[]usher.UserImport{{Password: pw}},
		map[string]usher.SignUp{"x": {Password: pw}},
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
						t.Errorf("%T with %s tells canary %d: %.200s", v, how, i, text)
					}
				}
			}
		}
	}
}

// printed is v in every way that a program might print it.
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

// forms are the spellings of a secret that printing may give it.
func forms(s string) []string {
	return []string{
		s, hex.EncodeToString([]byte(s)), strings.ToUpper(hex.EncodeToString([]byte(s))),
		base64.StdEncoding.EncodeToString([]byte(s)),
		strings.Trim(fmt.Sprint([]byte(s)), "[]"),
		strings.TrimPrefix(strings.TrimSuffix(fmt.Sprintf("%#v", []byte(s)), "}"), "[]byte{"),
	}
}

// The errors of a Service wrap what a program may ask for.
func TestCF01_SecretFileErrorsWrap(t *testing.T) {
	_, err := usher.SecretFile(filepath.Join(t.TempDir(), "missing", "usher.secret"))
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v, want one that is fs.ErrNotExist", err)
	}
}
