package main

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/usherkit/usher/internal/pgtest"
	"github.com/usherkit/usher/ushertest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// newApp returns the program on a database of its own.
func newApp(t *testing.T) (*ushertest.App, *pgxpool.Pool) {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), pgtest.Schema(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	st, err := openStore(t.Context(), pool)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	return ushertest.New(t, ushertest.Config{Service: config(), Store: st, Program: newServer(pool)}), pool
}

// Of 64 sign-ups with one name of a team one wins, and the others leave no user.
func TestOneTeamOfEachName(t *testing.T) {
	app, pool := newApp(t)
	var won atomic.Int32
	var all sync.WaitGroup
	for i := range 64 {
		all.Go(func() {
			client := app.Client()
			client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
			r, err := client.PostForm(app.URL+"/auth/signup", url.Values{
				"loginId": {string(rune('a'+i%26)) + string(rune('a'+i/26)) + "@example.com"}, "password": {ushertest.Password.Reveal()}, "team": {"Owls"},
			})
			if err != nil {
				t.Error(err)
				return
			}
			defer r.Body.Close()
			page, _ := io.ReadAll(r.Body)
			switch {
			case r.StatusCode == http.StatusSeeOther:
				won.Add(1)
			case !strings.Contains(string(page), "There is a team with this name."):
				t.Errorf("%s\n%s", r.Status, page)
			}
		})
	}
	all.Wait()
	var users, teams int
	if err := pool.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM usher_users), (SELECT count(*) FROM teams)`).Scan(&users, &teams); err != nil {
		t.Fatal(err)
	}
	if won.Load() != 1 || users != 1 || teams != 1 {
		t.Errorf("%d sign-ups won, %d users, %d teams", won.Load(), users, teams)
	}
}

func TestAttacks(t *testing.T) {
	app, _ := newApp(t)
	app.Attack(ushertest.Routes{Protected: []string{"GET /team"}})
}
