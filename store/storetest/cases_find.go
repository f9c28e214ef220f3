package storetest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/usherkit/usher/store"
)

// found stores a user who has only what Users looks for.
func (e *env) found(id, email, name string, at time.Time, loginIDs ...string) {
	e.Helper()
	c := store.UserCreation{
		User: store.User{
			ID: id, LoginIDs: loginIDs, Email: email, Name: name, Status: store.StatusEnabled, CreatedAt: at, UpdatedAt: at,
			Roles: strings.Fields(strings.TrimPrefix(name, "Role")),
		},
		Password: store.Password{Hash: "hash of " + id, State: store.PasswordActive, Version: 1, ChangedAt: at},
	}
	for _, l := range loginIDs {
		c.Canonical = append(c.Canonical, strings.ToLower(l))
	}
	e.create(c)
}

// walk returns the ids of all pages, and calls between after each page.
func (e *env) walk(q store.UserQuery, between func(page int)) (ids []string) {
	e.Helper()
	for n := 0; ; n++ {
		if n > 3000 {
			e.Fatal("the walk does not end")
		}
		page, err := e.Users(e.ctx, q)
		e.ok(err)
		if len(page.Accounts) > q.Limit {
			e.Fatalf("a page of %d users has %d", q.Limit, len(page.Accounts))
		}
		for _, a := range page.Accounts {
			ids = append(ids, a.User.ID)
		}
		if page.Next == nil {
			return ids
		}
		if between != nil {
			between(n)
		}
		q.After = page.Next
	}
}

// wantFound fails the case unless the walks with pages of several sizes return these
// users in this order, and Count counts them.
func (e *env) wantFound(q store.UserQuery, want string) {
	e.Helper()
	for _, q.Limit = range []int{1, 2, 3, 100} {
		if got := strings.Join(e.walk(q, nil), " "); got != want {
			e.Fatalf("%+v: got %q, want %q", q, got, want)
		}
	}
	q.Count = true
	page, err := e.Users(e.ctx, q)
	e.ok(err)
	if n := len(strings.Fields(want)); page.Count != n || page.More {
		e.Fatalf("%+v: counted %d, more: %v, want %d", q, page.Count, page.More, n)
	}
}

var usersCases = []testCase{
	{"newest first, whole accounts", func(e *env) {
		e.wantFound(store.UserQuery{}, "")
		e.found("a", "a@x.test", "A", t0, "a@x.test")
		e.found("b", "", "", t0.Add(time.Second))
		e.found("c", "c@x.test", "C", t0, "C@x.test", "carl")
		e.wantFound(store.UserQuery{}, "b c a")
		page, err := e.Users(e.ctx, store.UserQuery{Limit: 9})
		e.ok(err)
		for _, a := range page.Accounts {
			want, err := e.Account(e.ctx, a.User.ID)
			e.ok(err)
			e.wantEqual("account", a, want)
		}
	}},
	{"by the beginning of a login id, an address or a name", func(e *env) {
		e.found("a", "anna@x.test", "Anna Ost", t0, "anna@x.test")
		e.found("b", "Anne@x.test", "Übel", t0, "bert")
		e.found("c", "c@x.test", "ann%", t0, "an_n", "zoe")
		e.found("d", "z@x.test", "an", t0, "d")
		e.found("e", "", "anna ost", t0, "e")
		for search, want := range map[string]string{
			"an":      "d c a e b", // an, an_n, anna ost (a and e), anne@x.test
			"ann":     "c a e b",
			"anna":    "a e",
			"anna@":   "a",
			"ann%":    "c",
			"a%":      "",
			"an_":     "c",
			"%":       "",
			"bert":    "b",
			"Ü":       "b",
			"ü":       "",
			"zoe":     "c",
			"z":       "d c",
			"zoe!":    "",
			"'":       "",
			"a' OR 1": "",
		} {
			e.wantFound(store.UserQuery{Search: search}, want)
		}
	}},
	{"users of one term, of several terms and of the same term", func(e *env) {
		var want []string
		for i := range 30 {
			id := fmt.Sprintf("u%02d", i)
			e.found(id, []string{"same@x.test", ""}[i%2], "Same", t0, []string{"same", "same@x.test", id + "@x.test"}[min(i, 2)])
			want = append(want, id)
		}
		e.found("z", "z@x.test", "zoe", t0, "z0", "z1", "z2", "z3")
		e.wantFound(store.UserQuery{Search: "same"}, strings.Join(want, " "))
		e.wantFound(store.UserQuery{Search: "z"}, "z")
	}},
	{"of one status, one role, and since a time", func(e *env) {
		e.found("a", "x1", "Role admin staff", t0, "a")
		e.found("b", "x2", "Role staff", t0.Add(time.Second), "b")
		e.found("c", "x3", "Role", t0.Add(2*time.Second), "c")
		status, roles := store.StatusDisabled, []string{"staff", "staff", "Admin", "%", strings.Repeat("r", store.MaxRoleLength), strings.Repeat("q", 9999)}
		_, _, err := e.UpdateUser(e.ctx, store.UserUpdate{UserID: "c", Status: &status, Roles: &roles, At: t0})
		e.ok(err)
		since := func(n time.Duration) time.Time { return t0.Add(n * time.Second) }
		for _, c := range []struct {
			q    store.UserQuery
			want string
		}{
			{store.UserQuery{Status: store.StatusEnabled}, "b a"},
			{store.UserQuery{Status: store.StatusDisabled}, "c"},
			{store.UserQuery{Status: "other"}, ""},
			{store.UserQuery{Role: "staff"}, "c b a"},
			{store.UserQuery{Role: "admin"}, "a"},
			{store.UserQuery{Role: "Admin"}, "c"},
			{store.UserQuery{Role: strings.Repeat("r", store.MaxRoleLength)}, "c"},
			{store.UserQuery{Role: "staf"}, ""},
			{store.UserQuery{CreatedSince: since(1)}, "c b"},
			{store.UserQuery{CreatedSince: since(3)}, ""},
			{store.UserQuery{Role: "staff", Status: store.StatusEnabled}, "b a"},
			{store.UserQuery{Role: "staff", CreatedSince: since(1)}, "c b"},
			{store.UserQuery{Status: store.StatusEnabled, CreatedSince: since(1)}, "b"},
			{store.UserQuery{Search: "x", Role: "staff"}, "a b c"},
			{store.UserQuery{Search: "x", Status: store.StatusEnabled}, "a b"},
			{store.UserQuery{Search: "x", CreatedSince: since(1)}, "b c"},
			{store.UserQuery{Search: "x", CreatedSince: since(1), Role: "staff", Status: store.StatusEnabled}, "b"},
		} {
			e.wantFound(c.q, c.want)
		}
		roles = []string{"new"}
		_, _, err = e.UpdateUser(e.ctx, store.UserUpdate{UserID: "c", Roles: &roles, At: t0})
		e.ok(err)
		_, err = e.DeleteUser(e.ctx, store.UserDeletion{UserID: "b"})
		e.ok(err)
		e.wantFound(store.UserQuery{Role: "staff"}, "a")
		e.wantFound(store.UserQuery{Role: "new"}, "c")
	}},
	{"every user once while others come, change and go", func(e *env) {
		const users = 300
		var want []string
		for i := range users {
			id := fmt.Sprintf("u%03d", i)
			e.found(id, id+"@x.test", "x"+id, t0, "x"+id)
			if i%10 != 0 {
				want = append(want, id)
			}
		}
		for _, q := range []store.UserQuery{{}, {Status: store.StatusEnabled}, {Search: "x"}} {
			q.Limit = 7
			got := e.walk(q, func(page int) {
				id := fmt.Sprintf("new%d-%d", e.next(), page)
				e.found(id, id+"@x.test", "x"+id, t0.Add(time.Duration(page-20)*time.Second), "x"+id)
				_, _, err := e.UpdateUser(e.ctx, store.UserUpdate{UserID: id, Profile: store.Profile{Name: ptr("other")}, At: t0})
				e.ok(err)
				if gone := fmt.Sprintf("u%03d", page*10); page*10 < users && q.Search == "" {
					_, _ = e.DeleteUser(e.ctx, store.UserDeletion{UserID: gone})
				}
			})
			got = slices.DeleteFunc(got, func(id string) bool { return !slices.Contains(want, id) })
			e.wantIDs(fmt.Sprintf("%+v", q), got, want...)
		}
	}},
	{"lists users of every time", func(e *env) {
		for id, at := range map[string]time.Time{
			"first": time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC), "last": time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC),
		} {
			e.found(id, "", "", at, id)
		}
		for _, q := range []store.UserQuery{{Limit: 1}, {Limit: 1, Status: store.StatusEnabled}} {
			e.wantIDs(fmt.Sprintf("%+v", q), e.walk(q, nil), "last", "first")
		}
	}},
	{"counts to a limit", func(e *env) {
		for i := range 30 {
			e.found(fmt.Sprint("u", i), "x", "x", t0)
		}
		page, err := e.Users(e.ctx, store.UserQuery{Limit: 1, Count: true, Search: "x"})
		e.ok(err)
		if page.Count != 30 || page.More || len(page.Accounts) != 1 {
			e.Fatalf("got %d, %v", page.Count, page.More)
		}
		if page, err = e.Users(e.ctx, store.UserQuery{Limit: 1, Count: true, After: page.Next, Search: "x"}); err != nil || page.Count != 30 {
			e.Fatalf("the second page counts %d: %v", page.Count, err)
		}
	}},
}

var loginIDRaceCases = []testCase{
	{"one of many users gets a login id", func(e *env) {
		for i := range callers {
			e.found(fmt.Sprint("u", i), "", "", t0, fmt.Sprint("old", i))
		}
		winner := e.oneWinner(store.ErrLoginIDTaken, func(i int) error {
			_, _, err := e.UpdateUser(e.ctx, store.UserUpdate{
				UserID: fmt.Sprint("u", i), At: t0, LoginIDs: &[]string{fmt.Sprint("own", i), "Wanted"}, Canonical: []string{fmt.Sprint("own", i), "wanted"},
				Effects: numberedEffects(i),
			})
			return err
		})
		a, err := e.AccountByLoginID(e.ctx, "wanted")
		e.ok(err)
		e.wantEqual("user", a.User.ID, fmt.Sprint("u", winner))
		e.wantEffects(numberedEffects(winner))
		for i := range callers {
			_, err := e.AccountByLoginID(e.ctx, fmt.Sprint("old", i))
			if i == winner {
				e.wantErr(err, store.ErrNotFound)
			} else {
				e.ok(err)
			}
		}
	}},
}
