package postgres_test

import (
	"bytes"
	"database/sql"
	"errors"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/handlers"
	"github.com/usherkit/usher/internal/guidetest"
	"github.com/usherkit/usher/internal/pgtest"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/postgres"
	"github.com/usherkit/usher/store/sqlite"
	"github.com/usherkit/usher/ushertest"
)

// Passwords, and hashes of them by other systems.
const (
	otters     = "zwölf Otter 12"
	bcryptHash = "$2b$06$nVqIZaa/leXCvVnxxQlJh.VlQA8P2L52VlzQRbH1qhn0PJF754s0m"                                // Python bcrypt 3.2.2
	argon2Hash = "$argon2id$v=19$m=16384,t=2,p=1$c29tZXNhbHRzYWx0$bOZi8OsIJ3qi3sq3xEfSCICNx60aVRUjMjh26crrh4I" // the reference command
	supabase   = "mytestpassword"
	fbscrypt   = "$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk=ou9tdYTGyYm8kuR6Dt0Bp0kDuAYoXrK16mbZO4yGwAn3oLspjnN0/c41v8xZnO1n14J3MjKj1b2g6AUCAlFwMw==$C0sHCg9ek77hsg==$zKVTMvnWVw5BBOZNUdnsalx4c4c7y/w7IS5p6Ut2+CfEFFlz37J9huyQfov4iizN8dbjvEJlM5tQaJP84+hfTw==" // tests of Supabase Auth
)

// imported imports lines into a new Service.
func imported(t *testing.T, lines []byte, users int) *usher.Service {
	t.Helper()
	service := ushertest.New(t, ushertest.Config{}).Service
	result, err := service.Operator("test").Import(t.Context(), usher.ImportParams{
		Users: bytes.NewReader(lines), OnFailure: func(f usher.ImportFailure) { t.Error(f) },
	})
	if err != nil || result.Imported != users {
		t.Fatalf("%+v, %v\n%s", result, err, lines)
	}
	return service
}

// signsIn fails the test unless the user signs in with the password of the other system.
func signsIn(t *testing.T, s *usher.Service, loginID, password string, verified bool) usher.User {
	t.Helper()
	got, err := s.SignIn(t.Context(), usher.SignInParams{LoginID: loginID, Password: usher.Secret(password)}, usher.Client{})
	if err != nil {
		t.Fatalf("%s: %v", loginID, err)
	}
	if got.Authentication.User.EmailVerified != verified {
		t.Errorf("%s is verified: %t", loginID, !verified)
	}
	return got.Authentication.User
}

// linesOf runs a statement of the guide with psql, as the guide does, on tables that the other statements
// make.
func linesOf(t *testing.T, statement, tables string) []byte {
	t.Helper()
	guidetest.Need(t, "psql")
	url, dir := pgtest.Database(t), t.TempDir()
	for file, text := range map[string]string{"tables.sql": tables, "lines.sql": statement} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{{"-v", "ON_ERROR_STOP=1", "-f", "tables.sql"}, {"-v", "ON_ERROR_STOP=1", "-At", "-f", "lines.sql"}} {
		psql := exec.Command("psql", append([]string{url, "-X"}, args...)...)
		psql.Dir = dir
		var stderr bytes.Buffer
		psql.Stderr = &stderr
		lines, err := psql.Output()
		if err != nil {
			t.Fatalf("%v\n%s", err, &stderr)
		}
		if args[2] == "-At" {
			return lines
		}
	}
	return nil
}

// The statement of docs/users.md makes lines of a table of another program, and its users sign in
// with their passwords.
func TestCF07_TheStatementForATableMakesLines(t *testing.T) {
	t.Parallel()
	for _, b := range guidetest.Blocks(t, "docs/users.md", "sql table") {
		s := imported(t, linesOf(t, b.Text, `CREATE TABLE users (email text, confirmed boolean, password text);
			INSERT INTO users VALUES ('ann@example.com', true, '`+bcryptHash+`'), ('bob@example.com', false, '`+bcryptHash+`'), ('eve@example.com', false, '')`), 2)
		signsIn(t, s, "ann@example.com", otters, true)
		signsIn(t, s, "bob@example.com", otters, false)
	}
}

// The statement of docs/users.md makes lines of the table of Supabase.
func TestCF07_TheStatementForSupabaseMakesLines(t *testing.T) {
	t.Parallel()
	for _, b := range guidetest.Blocks(t, "docs/users.md", "sql supabase") {
		s := imported(t, linesOf(t, b.Text, `CREATE SCHEMA auth;
			CREATE TABLE auth.users (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), email varchar(255), phone text, encrypted_password varchar(255), email_confirmed_at timestamptz,
				raw_user_meta_data jsonb, created_at timestamptz, banned_until timestamptz, deleted_at timestamptz, is_anonymous boolean NOT NULL DEFAULT false);
			INSERT INTO auth.users (id, email, encrypted_password, email_confirmed_at, raw_user_meta_data, created_at)
				VALUES ('7d9f3c52-5a86-4c6e-9a51-0f6a1f4dc1b0', 'ann@example.com', '`+bcryptHash+`', now(), '{"name": "Ann"}', '2024-02-03 04:05:06.123456+00');
			INSERT INTO auth.users (email, encrypted_password, created_at) VALUES ('bob@example.com', '`+argon2Hash+`', now()), ('cy@example.com', '`+fbscrypt+`', now()), ('dan@example.com', '', now());
			INSERT INTO auth.users (email, phone, encrypted_password, created_at) VALUES (NULL, '4915112345678', '`+bcryptHash+`', now());
			INSERT INTO auth.users (email, encrypted_password, created_at, banned_until) VALUES ('eve@example.com', '`+bcryptHash+`', now(), now() + interval '1 day');
			INSERT INTO auth.users (email, created_at, deleted_at) VALUES ('gone@example.com', now(), now());
			INSERT INTO auth.users (created_at, is_anonymous) VALUES (now(), true)`), 6)
		ann := signsIn(t, s, "ann@example.com", otters, true)
		if want := time.Date(2024, 2, 3, 4, 5, 6, 123456000, time.UTC); ann.ID != "7d9f3c52-5a86-4c6e-9a51-0f6a1f4dc1b0" || ann.Name != "Ann" || !ann.CreatedAt.Equal(want) {
			t.Errorf("%+v", ann)
		}
		signsIn(t, s, "bob@example.com", otters, false)
		signsIn(t, s, "cy@example.com", supabase, false)
		signsIn(t, s, "4915112345678", otters, false)
		if _, err := s.SignIn(t.Context(), usher.SignInParams{LoginID: "eve@example.com", Password: otters}, usher.Client{}); err == nil {
			t.Error("a banned user signs in")
		}
	}
}

// The commands of docs/users.md make lines of the exports of Firebase and of Auth0.
func TestCF07_TheCommandsForExportsMakeLines(t *testing.T) {
	t.Parallel()
	guidetest.Need(t, "jq")
	blocks := guidetest.Blocks(t, "docs/users.md", "sh")
	if len(blocks) != 2 {
		t.Fatalf("%d blocks, want that of Firebase and that of Auth0", len(blocks))
	}
	// The user of the documentation of firebase-scrypt, and what else an export has.
	firebase, auth0 := t.TempDir(), t.TempDir()
	for file, text := range map[string]string{
		filepath.Join(firebase, "users.json"): `{"users": [
			{"localId": "x1", "email": "ann@example.com", "emailVerified": true, "displayName": "Ann", "createdAt": "1706933106123", "lastSignedInAt": "1706933106123",
				"passwordHash": "lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ==", "salt": "42xEC+ixf3L2lw==", "providerUserInfo": []},
			{"localId": "x2", "email": "bob@example.com", "emailVerified": false, "createdAt": "1706933106000", "disabled": true, "providerUserInfo": [{"providerId": "google.com"}]},
			{"localId": "x3", "phoneNumber": "+4915112345678", "createdAt": "1706933106000"}]}`,
		filepath.Join(auth0, "auth0-hashes.json"): `{"_id": {"$oid": "60425da93519d90068f82966"}, "email_verified": true, "email": "ann@example.com", "passwordHash": "` + bcryptHash + `", "tenant": "dev", "connection": "Username-Password-Authentication"}
			{"_id": {"$oid": "60425dc43519d90068f82973"}, "email": "bob@example.com", "passwordHash": "` + bcryptHash + `"}`,
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	lines := func(dir string, b guidetest.Block) []byte {
		guidetest.Shell{Dir: dir, Env: []string{"SIGNER_KEY=jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA=="}}.Run(t, []guidetest.Block{b})
		text, err := os.ReadFile(filepath.Join(dir, "users.jsonl"))
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	s := imported(t, lines(firebase, blocks[0]), 3)
	ann := signsIn(t, s, "ann@example.com", "user1password", true)
	if ann.ID != "x1" || ann.Name != "Ann" || ann.CreatedAt.Unix() != 1706933106 {
		t.Errorf("%+v", ann)
	}
	if bob := usher.Must(s.Operator("test").UserByLoginID(t.Context(), "bob@example.com")); bob.ID != "x2" || bob.EmailVerified || bob.Status != usher.StatusDisabled {
		t.Errorf("%+v", bob)
	}
	if phone := usher.Must(s.Operator("test").UserByLoginID(t.Context(), "+4915112345678")); phone.ID != "x3" {
		t.Errorf("%+v", phone)
	}
	s = imported(t, lines(auth0, blocks[1]), 2)
	signsIn(t, s, "ann@example.com", otters, true)
	signsIn(t, s, "bob@example.com", otters, false)
}

// After the statements of docs/operating.md no token and no link from before is accepted, and
// every user signs in again, with new keys.
func TestCF07_TheStatementsAfterARestore(t *testing.T) {
	t.Parallel()
	type withDB interface {
		store.Store
		DB() *sql.DB
	}
	for name, open := range map[string]func(t *testing.T) (withDB, error){
		"SQLite": func(t *testing.T) (withDB, error) {
			return sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "usher.db"))
		},
		"PostgreSQL": func(t *testing.T) (withDB, error) { return postgres.Open(t.Context(), pgtest.Schema(t)) },
	} {
		t.Run(name, func(t *testing.T) {
			st, err := open(t)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { st.Close() })
			app := ushertest.New(t, ushertest.Config{Store: st, Program: func(s *usher.Service) http.Handler {
				h := usher.Must(handlers.New(s, handlers.Config{}))
				mux := http.NewServeMux()
				mux.Handle("/auth/", h)
				mux.Handle("GET /page", h.RequireFunc(func(http.ResponseWriter, *http.Request) {}))
				return mux
			}})
			user := app.User("ann@example.com")
			before := app.SignedIn("ann@example.com")
			status := func(c *http.Client) int {
				answer, err := c.Get(app.URL + "/page")
				if err != nil {
					t.Fatal(err)
				}
				answer.Body.Close()
				return answer.StatusCode
			}
			if got := status(before); got != http.StatusOK {
				t.Fatalf("before the statements: %d", got)
			}
			if err := app.Service.SendPasswordReset(t.Context(), usher.SendPasswordResetParams{LoginID: "ann@example.com"}, usher.Client{}); err != nil {
				t.Fatal(err)
			}
			email := app.Mailbox.Next("ann@example.com", usher.MessageResetPassword)
			for _, b := range guidetest.Blocks(t, "docs/operating.md", "sql") {
				if _, err := st.DB().ExecContext(t.Context(), b.Text); err != nil {
					t.Fatal(err)
				}
			}
			app.Clock.Add(10 * time.Second)
			guidetest.Until(t, "the tokens of the copy are refused", func() bool { return status(before) == http.StatusUnauthorized })
			link, err := url.Parse(email.Link.Reveal())
			if err != nil {
				t.Fatal(err)
			}
			reset := usher.ResetPasswordParams{Token: usher.Secret(link.Query().Get("token")), NewPassword: "calm heron reads maps"}
			if _, err := app.Service.ResetPassword(t.Context(), reset, usher.Client{}); !errors.Is(err, usher.ErrInvalidToken) {
				t.Errorf("a link of the copy: %v", err)
			}
			after := app.SignedIn("ann@example.com")
			if got := status(after); got != http.StatusOK {
				t.Errorf("a new sign-in gets %d", got)
			}
			sessions, err := app.Service.Operator("test").Sessions(t.Context(), user.ID)
			if err != nil || len(sessions) != 1 {
				t.Errorf("the user has %d sessions (%v), want the new one alone", len(sessions), err)
			}
		})
	}
}
