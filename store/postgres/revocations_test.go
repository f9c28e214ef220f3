package postgres_test

import (
	"context"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/internal/pgtest"
	"github.com/usherkit/usher/store"
)

// within is how soon the end of a session must hold on every instance.
const within = 2 * time.Second

// alive reports whether an instance accepts the session token.
func (m *instance) alive(t *testing.T, a *usher.Authentication) bool {
	t.Helper()
	_, err := m.ValidateSession(t.Context(), a.Tokens.Session)
	return err == nil
}

// goneAfter waits until every instance refuses the session token and returns how
// long the last one took. Refreshing must have ended at once.
func (f *fleet) goneAfter(a *usher.Authentication) time.Duration {
	f.t.Helper()
	start := time.Now()
	for i, m := range f.instances {
		if _, err := m.RefreshSession(f.t.Context(), a.Tokens.Refresh, f.client()); err == nil {
			f.t.Fatalf("instance %d refreshes a session that has ended", i)
		}
		for m.alive(f.t, a) {
			if time.Since(start) > within {
				f.t.Fatalf("instance %d accepts the session after %s", i, within)
			}
			time.Sleep(time.Millisecond)
		}
	}
	return time.Since(start)
}

// waysOut are all acts that end a session which is not the caller's own, or is.
func (f *fleet) waysOut() map[string]func(m *instance, id string, a *usher.Authentication) error {
	ctx := f.t.Context()
	return map[string]func(m *instance, id string, a *usher.Authentication) error{
		"sign-out": func(m *instance, _ string, a *usher.Authentication) error {
			claims, err := m.ValidateSession(ctx, a.Tokens.Session)
			if err != nil {
				return err
			}
			return m.SignOut(ctx, claims, f.client())
		},
		"sign-out everywhere": func(m *instance, id string, a *usher.Authentication) error {
			claims, err := m.ValidateSession(ctx, a.Tokens.Session)
			if err != nil {
				return err
			}
			return m.SignOutEverywhere(ctx, claims, f.client())
		},
		"disable": func(m *instance, _ string, a *usher.Authentication) error {
			return m.Operator("test").Disable(ctx, a.User.ID)
		},
		"delete": func(m *instance, _ string, a *usher.Authentication) error {
			return m.Operator("test").Delete(ctx, a.User.ID)
		},
		"password change": func(m *instance, id string, _ *usher.Authentication) error {
			_, err := m.ReplacePassword(ctx, usher.ReplacePasswordParams{LoginID: id, OldPassword: goodPassword, NewPassword: newPassword}, f.client())
			return err
		},
		"reset": func(m *instance, id string, _ *usher.Authentication) error {
			if _, err := m.VerifyEmail(ctx, nil, f.verification(id), f.client()); err != nil {
				return err
			}
			if err := m.SendPasswordReset(ctx, usher.SendPasswordResetParams{LoginID: id}, f.client()); err != nil {
				return err
			}
			token := f.mail.token(f.t, id, usher.MessageResetPassword)
			_, err := m.ResetPassword(ctx, usher.ResetPasswordParams{Token: token, NewPassword: newPassword}, f.client())
			return err
		},
	}
}

func TestSE06_TheEndOfASessionHoldsEverywhere(t *testing.T) {
	overInstances(t, func(t *testing.T, f *fleet) {
		var took []time.Duration
		for name, end := range f.waysOut() {
			for i := range f.instances {
				id, a := f.signUp()
				other, _ := f.signUp()
				bystander := f.signIn(f.at(i), other, goodPassword)
				if err := end(f.at(i), id, a); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				took = append(took, f.goneAfter(a))
				for _, m := range f.instances {
					if !m.alive(t, bystander) {
						t.Fatalf("%s ended the session of another user", name)
					}
				}
			}
		}
		slices.Sort(took)
		t.Logf("%d ends held on all %d instances after %s (median), %s (longest)",
			len(took), len(f.instances), took[len(took)/2].Round(time.Millisecond), took[len(took)-1].Round(time.Millisecond))
	})
}

// pollOnly is a store that sends no notifications.
type pollOnly struct{ store.Store }

func TestSE06_WithoutNotificationsThePollFindsIt(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 1)
	s, err := usher.New(context.Background(), pollOnly{f.at(0).store}, usher.Config{Secret: secret, BaseURL: "https://app.example", Mailer: f.mail})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(context.Background()) })
	f.instances = append(f.instances, &instance{s, f.at(0).store})
	var took []time.Duration
	for range 5 {
		_, a := f.signUp()
		if err := f.at(0).Operator("test").SignOutUser(t.Context(), a.User.ID); err != nil {
			t.Fatal(err)
		}
		took = append(took, f.goneAfter(a))
	}
	t.Logf("by polling alone: longest %s", slices.Max(took).Round(time.Millisecond))
}

// listeners ends the connections that wait for notifications, and returns how
// many there were.
func (f *fleet) endListeners() (n int) {
	f.t.Helper()
	err := f.at(0).store.DB().QueryRow(`SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query LIKE 'LISTEN usher%'`).Scan(&n)
	if err != nil {
		f.t.Fatal(err)
	}
	return n
}

func TestSE06_ALostConnectionMissesNothing(t *testing.T) {
	f := newFleet(t, 3)
	for range 3 {
		for f.endListeners() < 1 {
			time.Sleep(10 * time.Millisecond) // the first clients connect
		}
		_, a := f.signUp()
		if err := f.at(0).Operator("test").SignOutUser(t.Context(), a.User.ID); err != nil {
			t.Fatal(err)
		}
		f.goneAfter(a)
	}
}

func TestSE06_AnInstanceThatStartsKnowsTheEndedSessions(t *testing.T) {
	f := newFleet(t, 1)
	_, a := f.signUp()
	if err := f.at(0).Operator("test").SignOutUser(t.Context(), a.User.ID); err != nil {
		t.Fatal(err)
	}
	if f.add().alive(t, a) {
		t.Fatal("an instance that was not there accepts the session")
	}
}

// A step that began earlier becomes visible later, below ids that were read.
func TestSE06_AStepThatCommitsLateIsFound(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 2)
	_, late := f.signUp()
	_, early := f.signUp()
	tx, err := f.at(0).store.DB().BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if _, err := tx.Exec(`INSERT INTO usher_revocations (session_id, revoked_until) VALUES ($1, $2)`,
		late.Session.ID, time.Now().Add(time.Hour).UnixMicro()); err != nil {
		t.Fatal(err)
	}
	if err := f.at(0).Operator("test").SignOutUser(t.Context(), early.User.ID); err != nil {
		t.Fatal(err)
	}
	f.goneAfter(early)
	time.Sleep(1500 * time.Millisecond) // every instance has read the later id
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(within); f.at(1).alive(t, late); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the revocation with the lower id was never read")
		}
	}
}

// The server stands still: validating asks nothing of it.
func TestSE06_ValidationReadsNoDatabase(t *testing.T) {
	if os.Getenv("USHER_TEST_POSTGRES") != "" {
		t.Skip("only a server of the tests' own may be stopped")
	}
	f := newFleet(t, 2)
	_, a := f.signUp()
	_, b := f.signUp()
	if err := f.at(0).Operator("test").SignOutUser(t.Context(), b.User.ID); err != nil {
		t.Fatal(err)
	}
	f.goneAfter(b)
	c := pgtest.Shared(t)
	if err := c.Freeze(); err != nil {
		t.Fatal(err)
	}
	defer c.Thaw()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	start := time.Now()
	for i := range 10_000 {
		if _, err := f.at(i).ValidateSession(ctx, a.Tokens.Session); err != nil {
			t.Fatal(err)
		}
		if f.at(i).alive(t, b) {
			t.Fatal("a session came back to life")
		}
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Fatalf("10,000 validations took %s", took)
	}
	if err := f.at(0).store.DB().PingContext(ctx); err == nil {
		t.Fatal("the server answers: this proves nothing")
	}
}
