package sqlite_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/usherkit/usher/internal/sqltrace"
	"github.com/usherkit/usher/store"
)

// Input never becomes part of the text of a statement: it is a parameter.
func TestST03_NothingGivenIsPartOfAStatement(t *testing.T) {
	const mark = "mark'); DROP TABLE usher_users;--"
	ctx := context.Background()
	var f faults
	s, db := openFaulty(t, &f, nil)
	c := creation(mark)
	c.User.Name, c.User.Roles, c.User.Attributes = mark, []string{mark}, map[string]any{mark: mark}
	must(t, errOf(s.CreateUser(ctx, c)))
	roles := []string{mark}
	_, _, err := s.UpdateUser(ctx, store.UserUpdate{UserID: mark, At: now, Roles: &roles, Profile: store.Profile{Name: &roles[0]}})
	must(t, err)
	_, err = s.Users(ctx, store.UserQuery{Search: mark, Role: mark, Status: mark, Limit: 1, After: &store.UserPosition{Term: mark, ID: mark}})
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

// statements runs every method once with all options, and returns the statements that
// were sent to the database.
func statements(t *testing.T) ([]string, func(query string) []string) {
	t.Helper()
	ctx := context.Background()
	var f faults
	s, db := openFaulty(t, &f, nil)
	f.texts = nil // without the migrations
	for name, m := range multi {
		fill(t, s)
		if err := m.call(ctx, s); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, table := range []string{
			"usher_one_time_tokens", "usher_invitations", "usher_sessions", "usher_login_ids", "usher_users", "usher_outbox",
			"usher_events", "usher_limits", "usher_signing_keys", "usher_revocations", "usher_password_settings",
		} {
			if _, err := db.ExecContext(ctx, "DELETE FROM "+table); err != nil {
				t.Fatal(err)
			}
			delete(f.texts, "DELETE FROM "+table)
		}
	}
	fill(t, s)
	const cursor = "AAAAAAAAAAEAAAAAAAAAAQ"
	for _, q := range []store.EventQuery{
		{}, {UserID: "u"}, {Name: "n"}, {Before: now}, {UserID: "u", Before: now}, {Name: "n", Before: now},
		{UserID: "u", Name: "n", Before: now}, {Cursor: cursor}, {UserID: "u", Cursor: cursor}, {Name: "n", Cursor: cursor},
	} {
		_, err := s.Events(ctx, q)
		must(t, err)
	}
	for _, q := range sqltrace.UserQueries() {
		q.Count = true
		_, err := s.Users(ctx, q)
		must(t, err)
	}
	_, err := s.Invitation(ctx, invitation("u@example.test").Hash, now)
	must(t, err)
	_, err = s.InvitationOf(ctx, "u@example.test", now)
	must(t, err)
	_, err = s.Invitations(ctx, "", 9, now)
	must(t, err)
	_, err = s.Account(ctx, "u")
	must(t, err)
	_, err = s.AccountByLoginID(ctx, "u")
	must(t, err)
	_, err = s.AccountByAddress(ctx, "u@example.test")
	must(t, err)
	_, err = s.Session(ctx, "u-s1")
	must(t, err)
	_, err = s.UserSessions(ctx, "u", now)
	must(t, err)
	_, err = s.OneTimeToken(ctx, digest("u-reset"), now)
	must(t, err)
	_, err = s.Revocations(ctx, 0)
	must(t, err)
	_, err = s.SigningKeys(ctx)
	must(t, err)
	_, err = s.SignIns(ctx, []string{"u"}, 9)
	must(t, err)
	_, err = s.PasswordSettings(ctx)
	must(t, err)
	_, err = s.EmailCount(ctx)
	must(t, err)
	must(t, s.RetryEmail(ctx, "up-u", now))
	must(t, s.ReleaseEmail(ctx, "up-u", now))

	var texts []string
	for text := range f.texts {
		if text != "BEGIN" && text != "COMMIT" {
			texts = append(texts, text)
		}
	}
	slices.Sort(texts)
	plan := func(query string) []string {
		args := make([]any, strings.Count(query, "?"))
		for i := range args {
			args[i] = 1
		}
		rows, err := db.QueryContext(ctx, "EXPLAIN QUERY PLAN "+query, args...)
		if err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		defer rows.Close()
		var out []string
		for rows.Next() {
			var id, parent, unused int
			var detail string
			must(t, rows.Scan(&id, &parent, &unused, &detail))
			out = append(out, detail)
		}
		must(t, rows.Err())
		return out
	}
	return texts, plan
}

func TestLM04_NoStatementReadsAWholeTable(t *testing.T) {
	texts, plan := statements(t)
	if len(texts) < 50 {
		t.Fatalf("only %d statements were seen", len(texts))
	}
	// These queries want all rows, or the table has one row.
	mayScan := []string{"SELECT COUNT(*) FROM usher_outbox", "FROM usher_signing_keys"}
	for _, query := range texts {
		if slices.ContainsFunc(mayScan, func(s string) bool { return strings.Contains(query, s) }) {
			continue
		}
		steps := plan(query)
		if signIns := strings.Contains(query, "'session_created'"); signIns && (!strings.Contains(strings.Join(steps, "\n"), "INDEX usher_events_sign_ins") || strings.Contains(strings.Join(steps, "\n"), "TEMP B-TREE")) {
			t.Errorf("the sign-ins of a user are not read from their index: %s\n\t%s", steps, query)
		}
		for _, step := range steps {
			// The newest events are read from the end of an index, up to a limit.
			latest := strings.HasPrefix(step, "SCAN usher_events USING INDEX usher_events_at") && strings.Contains(query, "LIMIT")
			if strings.HasPrefix(step, "SCAN usher_") && !latest || strings.HasPrefix(step, "SCAN u ") || strings.HasPrefix(step, "SCAN t ") {
				t.Errorf("%s\n\t%s", step, query)
			}
		}
	}
}
