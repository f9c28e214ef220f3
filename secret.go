package usher

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/usherkit/usher/internal/seal"
	"github.com/usherkit/usher/password"
	"github.com/usherkit/usher/token"
)

// SecretFile returns the secret in the file at path, without white space at its
// ends. If there is no such file, it creates one with 32 random bytes in base64 and
// mode 0600. An attacker who can read the file can open everything that the Service
// seals: keep it apart from the database and its backups.
//
// Errors: those of package os, wrapped; one for a file with fewer than 32 bytes or with
// one character repeated; and, except on Windows, one for a file that others than its
// owner can write, or that users outside its group can read.
func SecretFile(path string) (Secret, error) {
	secret, err := readSecretFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return newSecretFile(path)
	}
	return secret, err
}

// readSecretFile returns the secret in an existing file.
func readSecretFile(path string) (Secret, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("usher: secret file: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", fmt.Errorf("usher: secret file: %w", err)
	}
	if mode := info.Mode().Perm(); runtime.GOOS != "windows" && mode&0o027 != 0 {
		return "", fmt.Errorf("usher: secret file %s has the mode %04o: only its owner may write it, and only its owner and group read it (chmod 600)", path, mode)
	}
	b, err := io.ReadAll(f)
	if err != nil {
		return "", fmt.Errorf("usher: secret file: %w", err)
	}
	s := strings.TrimSpace(string(b))
	if err := seal.CheckSecret(s); err != nil {
		return "", fmt.Errorf("usher: secret file %s %w", path, err)
	}
	return Secret(s), nil
}

// newSecretFile writes a complete file under another name and links it to path, so
// that processes that start at the same time all read the same secret.
func newSecretFile(path string) (Secret, error) {
	raw := make([]byte, 32)
	rand.Read(raw)
	text := base64.RawStdEncoding.EncodeToString(raw)
	temp := path + "." + rand.Text()
	f, err := os.OpenFile(temp, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return "", fmt.Errorf("usher: secret file: %w", err)
	}
	defer os.Remove(temp)
	_, err = f.WriteString(text + "\n")
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return "", fmt.Errorf("usher: secret file: %w", err)
	}
	if err := os.Link(temp, path); errors.Is(err, fs.ErrExist) {
		return readSecretFile(path)
	} else if err != nil {
		return "", fmt.Errorf("usher: secret file: %w", err)
	}
	// If the name were lost in a crash, everything sealed since would be lost too.
	if err := syncFolder(filepath.Dir(path)); err != nil {
		return "", fmt.Errorf("usher: secret file: %w", err)
	}
	return Secret(text), nil
}

// syncFolder makes new names in a folder durable. On Windows they already are.
func syncFolder(path string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Format prints only the BaseURL, for every verb, because a Mailer or a hook in the
// Config may hold secrets.
func (c Config) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "usher.Config{"+c.BaseURL+"}")
}

// Format prints only the BaseURL, for every verb, because fmt would print the
// secrets in unexported fields.
func (s *Service) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "usher.Service{"+s.cfg.BaseURL+"}")
}

// Must returns v, or panics if err is not nil. It is for the start of a program,
// where a wrong setting should end it.
func Must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// checkSecrets refuses secrets that are missing, too short, not random or used
// twice. The error names the setting and never the value.
func checkSecrets(secret Secret, old []Secret, peppers []password.Pepper) error {
	if secret == "" {
		return errors.New("usher: Config.Secret is missing: at least 32 random bytes; usher.SecretFile makes one")
	}
	names := map[string]string{}
	check := func(name, value string) error {
		if err := seal.CheckSecret(value); err != nil {
			return fmt.Errorf("usher: %s %w", name, err)
		}
		if other, ok := names[value]; ok {
			return fmt.Errorf("usher: %s and %s are the same: one key, one use", other, name)
		}
		names[value] = name
		return nil
	}
	if err := check("Config.Secret", secret.Reveal()); err != nil {
		return err
	}
	for i, s := range old {
		if err := check(fmt.Sprintf("Config.OldSecrets[%d]", i), s.Reveal()); err != nil {
			return err
		}
	}
	for i, p := range peppers {
		if err := check(fmt.Sprintf("Config.Hashing.Peppers[%d].Key", i), string(p.Key)); err != nil {
			return err
		}
	}
	return nil
}

// Secret is a string that prints as "[redacted]". See [token.Secret].
type Secret = token.Secret
