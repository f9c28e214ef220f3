package sqlite_test

import (
	"context"
	"strings"
	"testing"

	"github.com/usherkit/usher/store"
)

// What callers give never becomes part of a statement: it goes beside it.
func TestST03_NothingGivenIsPartOfAStatement(t *testing.T) {
	const mark = "mark'); DROP TABLE usher_users;--"
	ctx := context.Background()
	var f faults
	s, db := openFaulty(t, &f, nil)
	c := creation(mark)
	c.User.Name, c.User.Roles, c.User.Attributes = mark, []string{mark}, map[string]any{mark: mark}
	must(t, s.CreateUser(ctx, c))
	roles := []string{mark}
	_, _, err := s.UpdateUser(ctx, store.UserUpdate{UserID: mark, At: now, Roles: &roles, Profile: store.Profile{Name: &roles[0]}})
	must(t, err)
	_, err = s.TakeLimits(ctx, now, []store.Limit{{Key: mark, Max: 2}})
	must(t, err)
	_, err = s.Events(ctx, store.EventQuery{UserID: mark, Name: mark})
	must(t, err)
	_, err = s.StartSession(ctx, signIn(mark, 1))
	must(t, err)
	_, err = s.SwapRefresh(ctx, refresh(mark+"-in1", "next"))
	must(t, err)
	spend, change := reset(mark)
	spend.Purposes = append(spend.Purposes, mark)
	_, err = s.ResetPassword(ctx, spend, change)
	must(t, err)
	_, err = s.DeleteUser(ctx, store.UserDeletion{UserID: mark})
	must(t, err)

	for text := range f.texts {
		if strings.Contains(text, "mark") {
			t.Errorf("a statement was put together from what a caller gave: %s", text)
		}
	}
	if got := column(t, db, `SELECT name FROM sqlite_schema WHERE name = 'usher_users'`); len(got) != 1 {
		t.Fatal("the table is gone")
	}
}
