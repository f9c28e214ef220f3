package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/sqlstore"
)

// multi are the methods that change more than one row, for a store with the users u and
// v, and the minimum number of statements that each method runs.
var multi = map[string]struct {
	least int
	call  func(ctx context.Context, s *sqlstore.Store) error
}{
	"CreateUser": {9, func(ctx context.Context, s *sqlstore.Store) error { return errOf(s.CreateUser(ctx, creation("w"))) }},
	"UpdateUser": {8, func(ctx context.Context, s *sqlstore.Store) error {
		status := store.StatusDisabled
		_, _, err := s.UpdateUser(ctx, store.UserUpdate{
			UserID: "u", At: now, Status: &status, End: &store.SessionEnd{}, DropTokens: true, Effects: effects("x"),
		})
		return err
	}},
	"UpdateUser of login ids": {9, func(ctx context.Context, s *sqlstore.Store) error {
		_, _, err := s.UpdateUser(ctx, store.UserUpdate{
			UserID: "u", At: now, LoginIDs: &[]string{"x", "y"}, Canonical: []string{"x", "y"}, DropTokens: true, Effects: effects("x"),
		})
		return err
	}},
	"DeleteUser": {8, func(ctx context.Context, s *sqlstore.Store) error {
		_, err := s.DeleteUser(ctx, store.UserDeletion{UserID: "u", Effects: effects("x")})
		return err
	}},
	"ChangePassword": {9, func(ctx context.Context, s *sqlstore.Store) error {
		_, c := reset("u")
		c.IfSession = "u-s1"
		c.Session = newSession("u-s2", "u")
		_, err := s.ChangePassword(ctx, c)
		return err
	}},
	"ResetPassword": {10, func(ctx context.Context, s *sqlstore.Store) error {
		spend, c := reset("u")
		_, err := s.ResetPassword(ctx, spend, c)
		return err
	}},
	"StartResetSession": {10, func(ctx context.Context, s *sqlstore.Store) error {
		_, err := s.StartResetSession(ctx, spending("u-claim", store.PurposeConfirmAndReset), *newSession("u-s2", "u"), store.SessionEnd{}, effects("x"))
		return err
	}},
	"VerifyEmail": {7, func(ctx context.Context, s *sqlstore.Store) error {
		_, err := s.VerifyEmail(ctx, spending("u-verify", store.PurposeVerifyEmail), effects("x"))
		return err
	}},
	"ChangeEmail": {10, func(ctx context.Context, s *sqlstore.Store) error {
		_, err := s.ChangeEmail(ctx, spending("u-change", store.PurposeChangeEmail), "u@example.test", "new-u@example.test", effects("x"))
		return err
	}},
	"DropTokens": {5, func(ctx context.Context, s *sqlstore.Store) error {
		return s.DropTokens(ctx, "u", store.PurposeChangeEmail, now, effects("x"))
	}},
	"AddOneTimeToken": {6, func(ctx context.Context, s *sqlstore.Store) error {
		return s.AddOneTimeToken(ctx, store.TokenAddition{
			Token: *newToken("another", "u", store.PurposeReset), MaxOpen: 9, Effects: effects("x"),
		})
	}},
	"StartSession": {9, func(ctx context.Context, s *sqlstore.Store) error {
		in := signIn("u", 1)
		in.EndSession = "v-s1"
		_, err := s.StartSession(ctx, in)
		return err
	}},
	"SwapRefresh": {7, func(ctx context.Context, s *sqlstore.Store) error {
		_, err := s.SwapRefresh(ctx, refresh("u-s1", "next"))
		return err
	}},
	"SwapRefresh of a stolen token": {8, func(ctx context.Context, s *sqlstore.Store) error {
		in := refresh("u-s1", "next")
		in.Presented = digest("stolen")
		_, err := s.SwapRefresh(ctx, in)
		return err
	}},
	"EndSession": {6, func(ctx context.Context, s *sqlstore.Store) error {
		return s.EndSession(ctx, "u", "u-s1", store.SessionEnd{}, effects("x"))
	}},
	"EndUserSessions": {6, func(ctx context.Context, s *sqlstore.Store) error {
		_, err := s.EndUserSessions(ctx, "u", store.SessionEnd{}, effects("x"))
		return err
	}},
	"TakeLimits": {5, func(ctx context.Context, s *sqlstore.Store) error {
		_, err := s.TakeLimits(ctx, now, []store.Limit{{Key: "k", Max: 9}, {Key: "new", Max: 9}})
		return err
	}},
	"ReleaseLimits": {4, func(ctx context.Context, s *sqlstore.Store) error {
		return s.ReleaseLimits(ctx, []string{"k", "l"})
	}},
	"ClearLimits": {4, func(ctx context.Context, s *sqlstore.Store) error { return s.ClearLimits(ctx, []string{"k", "l"}) }},
	"PutInvitation": {4, func(ctx context.Context, s *sqlstore.Store) error {
		_, err := s.PutInvitation(ctx, invitation("another@example.test"), store.Event{ID: "replaced"}, effects("x"))
		return err
	}},
	"WithdrawInvitation": {4, func(ctx context.Context, s *sqlstore.Store) error {
		return s.WithdrawInvitation(ctx, invitation("u@example.test").Hash, now, effects("x"))
	}},
	"AcceptInvitation": {6, func(ctx context.Context, s *sqlstore.Store) error {
		_, err := s.AcceptInvitation(ctx, store.InvitationAcceptance{
			Hash: invitation("u@example.test").Hash, UserID: "v", Email: "v@example.test", At: now, Effects: effects("x"),
		})
		return err
	}},
	"SavePasswordSettings": {5, func(ctx context.Context, s *sqlstore.Store) error {
		return s.SavePasswordSettings(ctx, store.PasswordSettings{Version: 1, Content: "{}"}, effects("x"))
	}},
	"SaveSigningKeys": {5, func(ctx context.Context, s *sqlstore.Store) error {
		return s.SaveSigningKeys(ctx, store.SigningKeys{Version: 1}, effects("x"))
	}},
	"FinishEmail": {5, func(ctx context.Context, s *sqlstore.Store) error { return s.FinishEmail(ctx, "up-u", effects("x")) }},
	"ClaimEmails": {3, func(ctx context.Context, s *sqlstore.Store) error {
		_, err := s.ClaimEmails(ctx, now, time.Hour, 9)
		return err
	}},
	"Record": {4, func(ctx context.Context, s *sqlstore.Store) error { return s.Record(ctx, effects("x")) }},
	"DeleteExpired": {8, func(ctx context.Context, s *sqlstore.Store) error {
		_, err := s.DeleteExpired(ctx, store.Expiry{
			Now: now.Add(100 * time.Hour), EventsBefore: now.Add(time.Hour), Max: 100,
			NamedEventsBefore: map[store.EventName]time.Time{store.EventSessionRenewed: now.Add(2 * time.Hour)},
		})
		return err
	}},
}

// fill stores the users u and v, and one row of each kind.
func fill(t *testing.T, s *sqlstore.Store) {
	t.Helper()
	ctx := context.Background()
	for _, id := range []string{"u", "v"} {
		c := creation(id)
		c.User.EmailVerified = id == "v"
		if _, err := s.CreateUser(ctx, c); err != nil {
			t.Fatal(err)
		}
	}
	for id, purpose := range map[string]store.Purpose{
		"u-claim": store.PurposeConfirmAndReset, "u-verify": store.PurposeVerifyEmail, "u-change": store.PurposeChangeEmail,
	} {
		if err := s.AddOneTimeToken(ctx, store.TokenAddition{Token: *newToken(id, "u", purpose), MaxOpen: 9}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.PutInvitation(ctx, invitation("u@example.test"), store.Event{}, store.Effects{}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.TakeLimits(ctx, now, []store.Limit{{Key: "k", Max: 9}, {Key: "l", Max: 9, Window: time.Minute}}); err != nil {
		t.Fatal(err)
	}
}

func TestFB02_AStepThatFailsAnywhereLeavesNoTrace(t *testing.T) {
	for name, m := range multi {
		t.Run(name, func(t *testing.T) {
			ctx := context.Background()
			var f faults
			s, db := openFaulty(t, &f, nil)
			fill(t, s)
			before := dump(t, db)
			for n := 1; ; n++ {
				f.arm(failAt(n))
				err := m.call(ctx, s)
				f.arm(nil)
				if err == nil {
					if n <= m.least {
						t.Fatalf("%d statements are fewer than the %d that this step needs", n-1, m.least)
					}
					break
				}
				if !errors.Is(err, errInjected) {
					t.Fatalf("statement %d: got %v", n, err)
				}
				if after := dump(t, db); after != before {
					t.Fatalf("statement %d failed and left a trace:\n%s\nbefore:\n%s", n, after, before)
				}
			}
			if dump(t, db) == before {
				t.Fatal("the step changed nothing though it worked")
			}
		})
	}
}

func TestST02_ABusyDatabaseIsTriedAgain(t *testing.T) {
	ctx := context.Background()
	var f faults
	s, db := openFaulty(t, &f, nil)
	fill(t, s)
	left := 2
	f.arm(func(n int) error {
		if n%4 == 0 && left > 0 { // during an attempt, twice
			left--
			return busyError{}
		}
		return nil
	})
	spend, c := reset("u")
	if _, err := s.ResetPassword(ctx, spend, c); err != nil {
		t.Fatal(err)
	}
	if left != 0 {
		t.Fatal("the database was never busy")
	}
	if got := column(t, db, `SELECT id FROM usher_events WHERE id LIKE 're-%'`); len(got) != 1 {
		t.Fatalf("events %q, want one", got)
	}
	// A database that stays busy is an error in the end, but none of package store.
	f.arm(func(int) error { return busyError{} })
	err := s.Record(ctx, effects("never"))
	f.arm(nil)
	if !errors.As(err, new(busyError)) {
		t.Fatalf("got %v", err)
	}
	// The attempts end with the context.
	f.arm(func(int) error { return busyError{} })
	short, cancel := context.WithTimeout(ctx, time.Millisecond)
	defer cancel()
	err = s.Record(short, effects("never"))
	f.arm(nil)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got %v", err)
	}
}

func TestST02_TheHookIsPartOfTheTransaction(t *testing.T) {
	ctx := context.Background()
	refuse := false
	kinds := map[string]sqlstore.ChangeKind{
		"CreateUser": sqlstore.UserCreated, "UpdateUser": sqlstore.UserUpdated, "VerifyEmail": sqlstore.UserUpdated,
		"ChangeEmail": sqlstore.UserUpdated, "ChangePassword": sqlstore.PasswordChanged,
		"ResetPassword": sqlstore.PasswordChanged, "StartResetSession": sqlstore.PasswordChanged,
		"DeleteUser": sqlstore.UserDeleted,
	}
	for name, kind := range kinds {
		t.Run(name, func(t *testing.T) {
			refuse = false
			s, db := openFaulty(t, &faults{}, func(ctx context.Context, tx *sql.Tx, c sqlstore.Change) error {
				if c.User.ID != c.UserID || len(c.User.LoginIDs) != 2 {
					t.Errorf("change %+v", c)
				}
				if _, err := tx.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS mine (kind TEXT, user_id TEXT)`); err != nil {
					return err
				}
				// The hook can insert rows that refer to the user's row.
				res, err := tx.ExecContext(ctx, `INSERT INTO mine SELECT ?, id FROM usher_users WHERE id = ?`, string(c.Kind), c.UserID)
				if err != nil {
					return err
				}
				if n, err := res.RowsAffected(); n != 1 || err != nil {
					t.Errorf("%s: no user %q to refer to (%v)", c.Kind, c.UserID, err)
				}
				if refuse {
					return errInjected
				}
				return nil
			})
			fill(t, s)
			before := dump(t, db)
			refuse = true
			if err := multi[name].call(ctx, s); !errors.Is(err, errInjected) {
				t.Fatalf("got %v", err)
			}
			if after := dump(t, db); after != before {
				t.Fatalf("a refused step left a trace:\n%s", after)
			}
			refuse = false
			if err := multi[name].call(ctx, s); err != nil {
				t.Fatal(err)
			}
			if got := column(t, db, `SELECT kind FROM mine WHERE rowid > 2`); len(got) != 1 || got[0] != string(kind) {
				t.Fatalf("the hook's rows are %q, want one of %s", got, kind)
			}
		})
	}
}

// A statement of the hook rolls back the whole transaction, and the hook ignores its error.
// Then nothing of the step is stored.
func TestST02_AHookThatIgnoresARollbackStoresNothing(t *testing.T) {
	s, db := openFaulty(t, &faults{}, func(ctx context.Context, tx *sql.Tx, c sqlstore.Change) error {
		if _, err := tx.ExecContext(ctx, `INSERT OR ROLLBACK INTO mine (id) VALUES (1), (1)`); err == nil {
			t.Error("the statement of the hook has not failed")
		}
		return nil
	})
	if _, err := db.Exec(`CREATE TABLE mine (id INTEGER PRIMARY KEY)`); err != nil {
		t.Fatal(err)
	}
	before, c := dump(t, db), creation("u")
	c.Effects = effects("u")
	if err := errOf(s.CreateUser(t.Context(), c)); err == nil || !strings.Contains(err.Error(), "rolled back") {
		t.Errorf("got %v", err)
	}
	if after := dump(t, db); after != before {
		t.Errorf("the step left a trace:\n%s", after)
	}
	if err := s.Record(t.Context(), effects("v")); err != nil {
		t.Errorf("the next step: %v", err)
	}
}
