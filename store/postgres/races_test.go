package postgres_test

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/postgres"
	"github.com/usherkit/usher/store/sqlstore"
)

// rounds is how often the races that hash are run; -args -rounds 20 is for the
// patient.
var rounds = flag.Int("rounds", 2, "how often each race is run")

// Callers of these tests meet at one instant, on instances that share nothing but
// the database.

func TestST01_OneOfFiftySignUpsWins(t *testing.T) {
	overInstances(t, func(t *testing.T, f *fleet) {
		for round := range *rounds {
			id := fmt.Sprintf("ann%d@example.com", round)
			forms := []string{id, strings.ToUpper(id), "Ann" + id[3:]}
			errs := together(50, func(i int) error {
				_, err := f.at(i).SignUp(t.Context(), usher.SignUpParams{LoginID: forms[i%3], Password: goodPassword}, f.client())
				return err
			})
			if won := winners(t, errs, store.ErrLoginIDTaken); len(won) != 1 {
				t.Fatalf("round %d: %d sign-ups won", round, len(won))
			}
		}
		var rows int
		if err := f.at(0).store.DB().QueryRow(`SELECT COUNT(*) FROM usher_users`).Scan(&rows); err != nil || rows != *rounds {
			t.Fatalf("%d users, want %d (%v)", rows, *rounds, err)
		}
	})
}

func TestSI07_AHundredGuessesCostFiveHashesInAll(t *testing.T) {
	overInstances(t, func(t *testing.T, f *fleet) {
		for round := range *rounds {
			id, _ := f.signUp()
			client := f.client() // all guesses come from one network
			before := f.hashes()
			// The right password clears the counter, so all attempts are counted before any is
			// verified.
			f.counted = newBarrier(100)
			errs := together(100, func(i int) error {
				pw := usher.Secret(fmt.Sprintf("a wrong guess, number %d", i))
				if i == 50 {
					pw = goodPassword
				}
				_, err := f.at(i).SignIn(t.Context(), usher.SignInParams{LoginID: id, Password: pw}, client)
				return err
			})
			f.counted = nil
			if n := f.hashes() - before; n > 5 {
				t.Fatalf("round %d: %d hashes were computed", round, n)
			}
			limited := 0
			for _, err := range errs {
				var l *usher.LimitError
				switch {
				case errors.As(err, &l):
					limited++
				case err != nil && !errors.Is(err, usher.ErrInvalidCredentials):
					t.Fatal(err)
				}
			}
			if limited != 95 {
				t.Fatalf("round %d: only %d guesses were refused", round, limited)
			}
		}
	})
}

// hashes returns how many password hashes the instances computed together.
func (f *fleet) hashes() (n uint64) {
	for _, m := range f.instances {
		n += m.Hashes()
	}
	return n
}

func TestRS03_OneOfTwentyResetsWins(t *testing.T) {
	overInstances(t, func(t *testing.T, f *fleet) {
		for round := range *rounds {
			id, token := f.resetLink()
			password := func(i int) usher.Secret { return usher.Secret(fmt.Sprintf("new password, number %d", i)) }
			errs := together(20, func(i int) error {
				_, err := f.at(i).ResetPassword(t.Context(), usher.ResetPasswordParams{Token: token, NewPassword: password(i)}, f.client())
				var limit *usher.LimitError
				if errors.As(err, &limit) && limit.Limit == "password_changes" {
					return usher.ErrInvalidToken // five are hashed, and four of them find the link used
				}
				return err
			})
			won := winners(t, errs, usher.ErrInvalidToken)
			if len(won) != 1 {
				t.Fatalf("round %d: %d resets won", round, len(won))
			}
			f.signIn(f.at(round), id, password(won[0]))
		}
	})
}

// resetLink signs up a user, confirms the address, and requests a reset. It returns the
// token of the emailed link.
func (f *fleet) resetLink() (id string, token usher.Secret) {
	f.t.Helper()
	id, _ = f.signUp()
	if _, err := f.at(1).VerifyEmail(f.t.Context(), nil, f.verification(id), f.client()); err != nil {
		f.t.Fatal(err)
	}
	if err := f.at(1).SendPasswordReset(f.t.Context(), usher.SendPasswordResetParams{LoginID: id}, f.client()); err != nil {
		f.t.Fatal(err)
	}
	return id, f.mail.token(f.t, id, usher.MessageResetPassword)
}

// The connection dies between spending the token and the end of the step: the
// token stays valid, and so does the password.
func TestST02_ATokenAndItsEffectAreOne(t *testing.T) {
	f := newFleet(t, 2)
	var armed atomic.Bool
	dying := f.addOn(postgres.Options{Hook: func(ctx context.Context, tx *sql.Tx, c sqlstore.Change) error {
		if c.Kind == sqlstore.PasswordChanged && armed.Swap(false) {
			_, err := tx.ExecContext(ctx, `SELECT pg_terminate_backend(pg_backend_pid())`)
			return err
		}
		return nil
	}})
	id, token := f.resetLink()
	armed.Store(true)
	if _, err := dying.ResetPassword(t.Context(), usher.ResetPasswordParams{Token: token, NewPassword: newPassword}, f.client()); !errors.Is(err, usher.ErrUnavailable) {
		t.Fatalf("a step that died in the middle: %v", err)
	}
	f.signIn(f.at(0), id, goodPassword)
	if _, err := dying.ResetPassword(t.Context(), usher.ResetPasswordParams{Token: token, NewPassword: newPassword}, f.client()); err != nil {
		t.Fatalf("the token was spent without its effect: %v", err)
	}
	f.signIn(f.at(1), id, newPassword)
}

func TestUP05_OneOfTenReplacesWins(t *testing.T) {
	overInstances(t, func(t *testing.T, f *fleet) {
		for round := range *rounds {
			id, _ := f.signUp()
			password := func(i int) usher.Secret { return usher.Secret(fmt.Sprintf("new password, number %d", i)) }
			errs := together(10, func(i int) error {
				_, err := f.at(i).ReplacePassword(t.Context(),
					usher.ReplacePasswordParams{LoginID: id, OldPassword: goodPassword, NewPassword: password(i)}, f.client())
				return err
			})
			won := winners(t, errs, usher.ErrInvalidCredentials, store.ErrConflict)
			if len(won) != 1 {
				t.Fatalf("round %d: %d replaces won", round, len(won))
			}
			f.signIn(f.at(round), id, password(won[0]))
		}
	})
}

func TestSE05_ReuseOnAnotherInstanceEndsTheSession(t *testing.T) {
	overInstances(t, func(t *testing.T, f *fleet) {
		for range 5 {
			_, first := f.signUp()
			second, err := f.at(0).RefreshSession(t.Context(), first.Tokens.Refresh, f.client())
			if err != nil {
				t.Fatal(err)
			}
			again, err := f.at(1).RefreshSession(t.Context(), first.Tokens.Refresh, f.client())
			if err != nil || again.Tokens.Refresh != second.Tokens.Refresh {
				t.Fatalf("within the grace time another instance gives another successor (%v)", err)
			}
			f.ahead.Add(int64(11 * time.Second))
			if _, err := f.at(0).RefreshSession(t.Context(), second.Tokens.Refresh, f.client()); err != nil {
				t.Fatal(err)
			}
			if _, err := f.at(1).RefreshSession(t.Context(), first.Tokens.Refresh, f.client()); !errors.Is(err, usher.ErrInvalidSession) {
				t.Fatalf("an old refresh token: %v", err)
			}
			if _, err := f.at(0).RefreshSession(t.Context(), second.Tokens.Refresh, f.client()); !errors.Is(err, usher.ErrInvalidSession) {
				t.Fatalf("its successor: %v", err)
			}
		}
	})
}

// Answers are lost, and the requests are repeated on several instances at one instant.
// Then two clients present two of the answers.
func TestSE13_OfTwoAnswersOnManyInstancesOneServes(t *testing.T) {
	overInstances(t, func(t *testing.T, f *fleet) {
		for range 5 {
			_, a := f.signUp()
			var answers [2]usher.Secret
			for n := range answers {
				got := make([]usher.Secret, 64)
				winners(t, together(len(got), func(i int) error {
					b, err := f.at(i).RefreshSession(t.Context(), a.Tokens.Refresh, f.client())
					if err == nil {
						got[i] = b.Tokens.Refresh
					}
					return err
				})) // all callers
				for _, raw := range got {
					if raw != got[0] {
						t.Fatal("callers hold different tokens")
					}
				}
				answers[n] = got[0]
				f.ahead.Add(int64(11 * time.Second))
			}
			var served [2]atomic.Int32
			errs := together(64, func(i int) error {
				_, err := f.at(i/2).RefreshSession(t.Context(), answers[i%2], f.client())
				if err == nil {
					served[i%2].Add(1)
				}
				return err
			})
			winners(t, errs, usher.ErrInvalidSession)
			if first, second := served[0].Load(), served[1].Load(); (first == 0) == (second == 0) {
				t.Fatalf("%d and %d callers were served", first, second)
			}
			for _, raw := range append(answers[:], a.Tokens.Refresh) {
				if _, err := f.at(0).RefreshSession(t.Context(), raw, f.client()); !errors.Is(err, usher.ErrInvalidSession) {
					t.Fatalf("the session goes on: %v", err)
				}
			}
		}
	})
}

func TestUP08_ConfirmationsOnManyInstancesKeepTheSession(t *testing.T) {
	overInstances(t, func(t *testing.T, f *fleet) {
		_, a := f.signUp()
		claims, err := f.at(0).ValidateSession(t.Context(), a.Tokens.Session)
		if err != nil {
			t.Fatal(err)
		}
		refresh := a.Tokens.Refresh
		for range 2 {
			got := make([]usher.Secret, 64)
			errs := together(64, func(i int) error {
				if i%2 == 0 {
					b, err := f.at(i/2).RefreshSession(t.Context(), refresh, f.client())
					if err == nil {
						got[i] = b.Tokens.Refresh
					}
					return err
				}
				in := usher.ReauthenticateParams{Password: goodPassword, RefreshToken: refresh}
				b, err := f.at(i/2).Reauthenticate(t.Context(), claims, in, f.client())
				if err == nil {
					got[i] = b.Authentication.Tokens.Refresh
				}
				return err
			})
			winners(t, errs) // all callers
			for i, r := range got {
				b, err := f.at(i).RefreshSession(t.Context(), r, f.client())
				if err != nil {
					t.Fatalf("the token of caller %d: %v", i, err)
				}
				refresh = b.Tokens.Refresh
			}
		}
	})
}

func TestSE08_TwentyRefreshesKeepOneSession(t *testing.T) {
	overInstances(t, func(t *testing.T, f *fleet) {
		_, a := f.signUp()
		for round := range 25 {
			got := make([]usher.Secret, 20)
			errs := together(20, func(i int) error {
				b, err := f.at(i).RefreshSession(t.Context(), a.Tokens.Refresh, f.client())
				if err == nil {
					got[i] = b.Tokens.Refresh
				}
				return err
			})
			winners(t, errs) // all callers
			for i, r := range got {
				if r != got[0] {
					t.Fatalf("round %d: the session was forked: callers 0 and %d hold different tokens", round, i)
				}
			}
			b, err := f.at(round).RefreshSession(t.Context(), got[0], f.client())
			if err != nil {
				t.Fatalf("round %d: the token that is left does not work: %v", round, err)
			}
			a = b
		}
	})
}
