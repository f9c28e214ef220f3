package postgres_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/internal/pgtest"
	"github.com/usherkit/usher/password"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/postgres"
	"github.com/usherkit/usher/store/sqlite"
)

type noMailer struct{}

func (noMailer) Send(context.Context, usher.Message) error {
	return errors.New("no email was asked for")
}

// newService returns an instance on the store, with the cheapest hash.
func newService(t *testing.T, st store.Store) *usher.Service {
	t.Helper()
	s, err := usher.New(t.Context(), st, usher.Config{
		Secret: "wLyp7cFmXo2Qk9vTtB4eRzN1uHsG6dJa", BaseURL: "https://app.example", NoBackground: true, Mailer: noMailer{},
		Hashing: password.HasherConfig{Params: password.Params{Memory: 12288, Time: 3, Threads: 1}, QueueWait: time.Hour},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(context.Background()) })
	return s
}

// fillUsers inserts users with one time of creation, whose ids are in another order than
// their login ids.
func fillUsers(t *testing.T, db *sql.DB, numbers string, n int) {
	t.Helper()
	for _, query := range []string{
		`INSERT INTO usher_users (id, login_ids, email, email_verified, name, given_name, middle_name, family_name, phone, picture,
			roles, permissions, tenants, attributes, status, created_at, updated_at,
			password_hash, password_state, password_version, password_changed_at, password_earlier)
		SELECT 'u' || (n * 7919 %% 100003), '["user' || n || '"]', '', 1 = 0, 'Name', '', '', '', '', '',
			'null', 'null', 'null', 'null', 'enabled', 1767225600000000, 1767225600000000, '', 'none', 1, 0, 'null' FROM ` + numbers,
		`INSERT INTO usher_login_ids (canonical, user_id, position) SELECT 'user' || n, 'u' || (n * 7919 %% 100003), 0 FROM ` + numbers,
	} {
		if _, err := db.Exec(fmt.Sprintf(query, n)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAD01_AD03_AD04_AWalkOfTenThousandUsersOnBothEngines(t *testing.T) {
	lite, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "usher.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { lite.Close() })
	pg := open(t, pgtest.Schema(t))
	for _, engine := range []struct {
		name, numbers string
		store         store.Store
		db            *sql.DB
	}{
		{"sqlite", `(WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < %d) SELECT n FROM c) numbers`, lite, lite.DB()},
		{"postgres", `generate_series(1, %d) numbers(n)`, pg, pg.DB()},
	} {
		t.Run(engine.name, func(t *testing.T) {
			fillUsers(t, engine.db, engine.numbers, store.MaxUserCount)
			service := newService(t, engine.store)
			o := service.Operator("test")
			counted := func(more bool) {
				t.Helper()
				page, err := o.Users(t.Context(), usher.UserQuery{Count: true, Limit: 1})
				if err != nil || page.Count != store.MaxUserCount || page.More != more {
					t.Errorf("the count is %d, more %t: %v", page.Count, page.More, err)
				}
			}
			counted(false)

			created := time.UnixMicro(1767225600000000) // in the middle of the walk
			stay := map[string]int{}                    // the users who exist all the time, and how often each came
			doomed := []string{}
			first, err := o.Users(t.Context(), usher.UserQuery{Limit: 1000})
			if err != nil {
				t.Fatal(err)
			}
			cursor := first.Next
			for _, bad := range []usher.UserQuery{{Cursor: cursor[:len(cursor)/2]}, {Cursor: "x"}, {Cursor: cursor, Search: "user"}, {Cursor: cursor, Role: "r"}} {
				var field *usher.FieldError
				if _, err := o.Users(t.Context(), bad); !errors.As(err, &field) || field.Field != "cursor" {
					t.Errorf("%+v: %v", bad, err)
				}
			}
			q := usher.UserQuery{Limit: 1000}
			for done := false; !done; done = q.Cursor == "" {
				page, err := o.Users(t.Context(), q)
				if err != nil {
					t.Fatal(err)
				}
				for i, u := range page.Users {
					if i%50 == 0 {
						doomed = append(doomed, u.ID)
					} else {
						stay[u.ID] = 0
					}
				}
				q.Cursor = page.Next
			}

			var others sync.WaitGroup
			ended, stop := context.WithCancel(t.Context())
			for _, change := range []func(n int) error{
				func(n int) error {
					_, err := o.ImportUser(t.Context(), usher.ImportUserParams{LoginIDs: []string{fmt.Sprint("new", n)}, CreatedAt: created})
					return err
				},
				func(n int) error {
					name := fmt.Sprint("Name ", n)
					_, err := o.UpdateUser(t.Context(), first.Users[1+n*2%49+50*(n%20)].ID, usher.UpdateUserParams{Profile: usher.Profile{Name: &name}})
					return err
				},
				func(n int) error {
					if n >= len(doomed) {
						return nil
					}
					return o.Delete(t.Context(), doomed[n*7%len(doomed)])
				},
			} {
				others.Go(func() {
					for n := 0; ended.Err() == nil && n < 190; n++ {
						if err := change(n); err != nil {
							t.Error(err)
							return
						}
					}
				})
			}
			pages := 0
			for q = (usher.UserQuery{Limit: 7}); ; pages++ {
				page, err := o.Users(t.Context(), q)
				if err != nil {
					t.Fatal(err)
				}
				for _, u := range page.Users {
					stay[u.ID]++
				}
				if q.Cursor = page.Next; q.Cursor == "" {
					break
				}
			}
			stop()
			others.Wait()
			for _, id := range doomed {
				delete(stay, id)
			}
			for id, n := range stay {
				// New users with that time of creation come once, or not at all.
				if n != 1 {
					t.Fatalf("user %s came %d times on %d pages", id, n, pages)
				}
			}
			page, err := o.Users(t.Context(), usher.UserQuery{Status: usher.StatusEnabled, Count: true})
			if err != nil || page.Count > store.MaxUserCount {
				t.Errorf("%d are counted: %v", page.Count, err)
			}
			for n := range 400 { // more than were deleted
				if _, err := o.ImportUser(t.Context(), usher.ImportUserParams{LoginIDs: []string{fmt.Sprint("later", n)}}); err != nil {
					t.Fatal(err)
				}
			}
			counted(true)
		})
	}
}

// stoppingReader calls stop when it has read to a position.
type stoppingReader struct {
	io.Reader
	left int
	stop func()
}

func (r *stoppingReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p[:min(len(p), 512)])
	if r.left -= n; r.left <= 0 && r.stop != nil {
		r.stop()
		r.stop = nil
	}
	return n, err
}

func TestAD07_AD08_AnImportOfTenThousandLinesWhileTheServerStops(t *testing.T) {
	const lines = 10_000
	// A killed server must have what it has confirmed.
	cluster, err := pgtest.Start(t.Context(), pgtest.Options{Settings: []string{"synchronous_commit=on"}})
	pgtest.Need(t, err)
	t.Cleanup(func() { cluster.Close() })
	st, err := postgres.Open(t.Context(), cluster.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	o := newService(t, st).Operator("test")
	if _, err := o.ImportUser(t.Context(), usher.ImportUserParams{LoginIDs: []string{"existing@example.com"}}); err != nil {
		t.Fatal(err)
	}

	file, half, good := bytes.NewBufferString("\ufeff"), 0, 0
	bad := map[int]string{} // the refused lines, with the field
	for n := 1; n <= lines; n++ {
		line, field := fmt.Sprintf(`{"loginIds": ["user%d@example.com"], "emailVerified": true}`, n), "-"
		switch n % 100 {
		case 10:
			line, field = fmt.Sprintf(`{"loginIds": ["USER%d@Example.com"]}`, n-1), "loginIds" // in other capitals
		case 20:
			line, field = fmt.Sprintf(`{"loginIds": ["existing@example.com", "more%d"]}`, n), "loginIds"
		case 30:
			line, field = fmt.Sprintf(`{"loginIds": ["user%d@example.com"], "hash": {"bcrypt": {"hash": "$9$what"}}}`, n), "hash"
		case 40:
			line, field = `{"loginIds": ["broken`, ""
		case 50:
			line = ""
		case 60:
			line, field = fmt.Sprintf(`{"loginIds": ["user%d@example.com"], "rolls": []}`, n), "rolls"
		}
		switch {
		case field != "-":
			bad[n] = field
		case line != "":
			good++
		}
		file.WriteString(line + "\r\n")
		if n == lines/2 {
			half = file.Len()
		}
	}
	all := file.Bytes()
	run := func(users io.Reader, from int) (usher.ImportResult, error) {
		t.Helper()
		return o.Import(t.Context(), usher.ImportParams{Users: users, FromLine: from, OnFailure: func(f usher.ImportFailure) {
			if want, ok := bad[f.Line]; !ok || f.Field != want || f.Reason == "" {
				t.Errorf("line %d is refused: field %q, %q", f.Line, f.Field, f.Reason)
			}
		}})
	}
	want := func(what string, got usher.ImportResult, err error, imported, existing int) {
		t.Helper()
		if err != nil || got != (usher.ImportResult{Imported: imported, Existing: existing, Refused: len(bad), NextLine: lines + 1}) {
			t.Fatalf("%s: %+v, %v; want %d imported, %d existing, %d refused", what, got, err, imported, existing, len(bad))
		}
	}

	first, err := run(&stoppingReader{Reader: bytes.NewReader(all), left: half, stop: func() {
		if err := cluster.Stop("immediate"); err != nil {
			t.Error(err)
		}
	}}, 0)
	if !errors.Is(err, usher.ErrUnavailable) || first.NextLine < lines/2-200 || first.NextLine > lines/2+1 {
		t.Fatalf("the server stopped at line %d: %+v, %v", lines/2, first, err)
	}
	if err := cluster.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := st.DB().Exec(`ALTER DATABASE postgres SET synchronous_commit = off`); err != nil { // it stops no more
		t.Fatal(err)
	}
	rest, err := run(bytes.NewReader(all), first.NextLine)
	// The outcome of the line of the outage was unknown.
	if rest.Existing > 1 {
		t.Errorf("%d lines before NextLine were imported again", rest.Existing)
	}
	rest.Imported, rest.Refused, rest.Existing = rest.Imported+first.Imported+rest.Existing, rest.Refused+first.Refused, 0
	want("the rest", rest, err, good, 0)
	again, err := run(bytes.NewReader(all), 0)
	want("again", again, err, 0, good)

	var ids []string
	for q := (usher.UserQuery{Limit: 1000}); ; {
		page, err := o.Users(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range page.Users {
			if u.LoginID() != "existing@example.com" {
				ids = append(ids, u.ID)
			}
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			break
		}
	}
	var deleting sync.WaitGroup
	for worker := range 8 {
		deleting.Go(func() {
			for n := worker; n < len(ids); n += 8 {
				if err := o.Delete(t.Context(), ids[n]); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	deleting.Wait()
	last, err := run(bytes.NewReader(all), 0)
	want("after all were deleted", last, err, good, 0)
	if n, err := st.EmailCount(t.Context()); n != 0 || err != nil {
		t.Errorf("%d emails: %v", n, err)
	}
}
