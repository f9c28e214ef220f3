package sqlite_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/usherkit/usher/store"
)

func FuzzStoreText(f *testing.F) {
	for _, seed := range []string{
		"anna@example.test", "", "' OR '1'='1", "a'); DROP TABLE users;--", "$$x$$ $1", "%", "_", `\`, "?1",
		"a\x00b", "\xff", "𝒳", "e\u0301", "K", "\u212a", strings.Repeat("long ", 1000),
	} {
		f.Add(seed)
	}
	s := open(f, filepath.Join(f.TempDir(), "usher.db"))
	f.Fuzz(func(t *testing.T, text string) {
		ctx := context.Background()
		c := store.UserCreation{
			User:      store.User{ID: text, LoginIDs: []string{text}, Email: text, Name: text, Roles: []string{text}, Status: store.StatusEnabled},
			Canonical: []string{text},
		}
		_, err := s.CreateUser(ctx, c)
		if keeps := utf8.ValidString(text) && !strings.Contains(text, "\x00"); !keeps {
			if err == nil {
				t.Fatalf("%q was taken", text)
			}
			if _, err := s.AccountByLoginID(ctx, text); !errors.Is(err, store.ErrNotFound) {
				t.Fatalf("%q: got %v", text, err)
			}
			return
		}
		must(t, err)
		a, err := s.AccountByLoginID(ctx, text)
		must(t, err)
		u := a.User
		for _, got := range []string{u.ID, u.LoginIDs[0], u.Email, u.Name, u.Roles[0]} {
			if got != text {
				t.Fatalf("%q came back as %q", text, got)
			}
		}
		if _, err := s.AccountByLoginID(ctx, text+"%"); !errors.Is(err, store.ErrNotFound) {
			t.Fatalf("%q with a %% was found too: %v", text, err)
		}
		_, err = s.DeleteUser(ctx, store.UserDeletion{UserID: text})
		must(t, err)
	})
}
