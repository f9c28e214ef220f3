package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/usherkit/usher/store"
)

// callers is how many goroutines call a method at the same time.
const callers = 64

// concurrently calls f in that many goroutines, which all begin at the same moment.
func concurrently(f func(i int) error) []error {
	errs := make([]error, callers)
	begin := make(chan struct{})
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			<-begin
			errs[i] = f(i)
		})
	}
	close(begin)
	wg.Wait()
	return errs
}

// oneWinner fails the case unless f returns nil to one caller and loser to all others.
// It returns the number of that one caller.
func (e *env) oneWinner(loser error, f func(i int) error) int {
	e.Helper()
	winner := -1
	for i, err := range concurrently(f) {
		switch {
		case err == nil && winner < 0:
			winner = i
		case err == nil:
			e.Fatalf("both %d and %d won", winner, i)
		case !errors.Is(err, loser):
			e.Fatalf("caller %d got %v, want %v", i, err, loser)
		}
	}
	if winner < 0 {
		e.Fatal("nobody won")
	}
	return winner
}

// numberedEffects returns effects whose ids contain the number of the caller.
func numberedEffects(i int) store.Effects {
	return store.Effects{
		Events: []store.Event{{ID: fmt.Sprintf("event of %d", i), At: t0, Name: store.EventSignIn}},
		Emails: []store.QueuedEmail{{ID: fmt.Sprintf("mail of %d", i), CreatedAt: t0, NotBefore: t0}},
	}
}

// resetSession returns a reset session for caller i. It does not record its id in the
// env, which only one goroutine may use.
func resetSession(userID string, i int) store.SessionRecord {
	return store.SessionRecord{
		Session: store.Session{
			ID: fmt.Sprintf("reset-%d", i), UserID: userID, Kind: store.SessionReset, CreatedAt: t0, LastSeenAt: t0,
			IdleExpiresAt: t0.Add(time.Hour), ExpiresAt: t0.Add(time.Hour),
		},
		Refresh: store.RefreshState{Current: hash("r"), RotatedAt: t0},
	}
}

var raceCases = []testCase{
	{"of many new users with one id, one is created", func(e *env) {
		creations := make([]store.UserCreation, callers)
		for i := range creations {
			creations[i] = e.newCreation(fmt.Sprintf("user-%d", i))
			creations[i].User.ID = "chosen"
		}
		e.oneWinner(store.ErrConflict, func(i int) error {
			_, err := e.CreateUser(e.ctx, creations[i])
			return err
		})
	}},
	{"one of many gets a login id, in any spelling", func(e *env) {
		const address = "winner@example.test"
		winner := e.oneWinner(store.ErrLoginIDTaken, func(i int) error {
			typed := address[:i%10] + strings.ToUpper(address[i%10:i%10+8]) + address[i%10+8:]
			s := resetSession(fmt.Sprintf("user-%d", i), i)
			_, err := e.CreateUser(e.ctx, store.UserCreation{
				User:      store.User{ID: s.UserID, LoginIDs: []string{typed, fmt.Sprint("own-", i)}, Status: store.StatusEnabled},
				Canonical: []string{strings.ToLower(typed), fmt.Sprint("own-", i)},
				Session:   &s,
				Effects:   numberedEffects(i),
			})
			return err
		})
		a, err := e.AccountByLoginID(e.ctx, address)
		e.ok(err)
		e.wantEqual("user", a.User.ID, fmt.Sprintf("user-%d", winner))
		e.wantEffects(numberedEffects(winner))
		for i := range callers {
			_, err1 := e.Account(e.ctx, fmt.Sprintf("user-%d", i))
			_, err2 := e.AccountByLoginID(e.ctx, fmt.Sprint("own-", i))
			_, err3 := e.Session(e.ctx, fmt.Sprintf("reset-%d", i))
			for _, err := range []error{err1, err2, err3} {
				if won := i == winner; won != (err == nil) {
					e.Fatalf("caller %d: %v, the winner is %d", i, err, winner)
				}
			}
		}
	}},
	{"one of many changes a password", func(e *env) {
		a := e.createUser("anna")
		winner := e.oneWinner(store.ErrConflict, func(i int) error {
			c := passwordChange(a, fmt.Sprint("hash of ", i))
			c.Effects = numberedEffects(i)
			_, err := e.ChangePassword(e.ctx, c)
			return err
		})
		got, err := e.Account(e.ctx, a.User.ID)
		e.ok(err)
		e.wantEqual("password", []any{got.Password.Hash, got.Password.Version}, []any{fmt.Sprint("hash of ", winner), 2})
		e.wantEffects(numberedEffects(winner))
	}},
	{"one of many ends a session or changes the password by it", func(e *env) {
		a := e.createUser("anna")
		s := e.signIn(a.User.ID)
		winner := e.oneWinner(store.ErrNotFound, func(i int) error {
			if i%2 == 0 {
				return e.EndSession(e.ctx, a.User.ID, s.ID, store.SessionEnd{RevokedUntil: t0}, numberedEffects(i))
			}
			c := passwordChange(a, fmt.Sprint("hash of ", i))
			c.End, c.IfSession, c.Effects = &store.SessionEnd{RevokedUntil: t0}, s.ID, numberedEffects(i)
			_, err := e.ChangePassword(e.ctx, c)
			if errors.Is(err, store.ErrConflict) { // another change was faster
				return store.ErrNotFound
			}
			return err
		})
		got, err := e.Account(e.ctx, a.User.ID)
		e.ok(err)
		want := a.Password.Hash
		if winner%2 == 1 {
			want = fmt.Sprint("hash of ", winner)
		}
		e.wantEqual("hash", got.Password.Hash, want)
		e.wantEffects(numberedEffects(winner))
	}},
	{"one of many resets a password with a token", func(e *env) {
		a := e.createUser("anna")
		tok := e.openToken(a, store.PurposeReset)
		winner := e.oneWinner(store.ErrNotFound, func(i int) error {
			c := passwordChange(a, fmt.Sprint("hash of ", i))
			c.Effects = numberedEffects(i)
			_, err := e.ResetPassword(e.ctx, tokenSpend(tok), c)
			return err
		})
		got, err := e.Account(e.ctx, a.User.ID)
		e.ok(err)
		e.wantEqual("hash", got.Password.Hash, fmt.Sprint("hash of ", winner))
		e.wantEffects(numberedEffects(winner))
	}},
	{"one of many starts a reset session with a token", func(e *env) {
		a := e.createUser("anna")
		tok := e.openToken(a, store.PurposeConfirmAndReset)
		winner := e.oneWinner(store.ErrNotFound, func(i int) error {
			_, err := e.StartResetSession(e.ctx, tokenSpend(tok), resetSession(a.User.ID, i), store.SessionEnd{}, numberedEffects(i))
			return err
		})
		e.wantLive(fmt.Sprintf("reset-%d", winner))
		e.wantEffects(numberedEffects(winner))
	}},
	{"one of many verifies an address with a token", func(e *env) {
		tok := e.openToken(e.createUser("anna"), store.PurposeVerifyEmail)
		e.wantEffects(numberedEffects(e.oneWinner(store.ErrNotFound, func(i int) error {
			_, err := e.VerifyEmail(e.ctx, tokenSpend(tok), numberedEffects(i))
			return err
		})))
	}},
	{"one of many changes an address with a token", func(e *env) {
		tok := e.openToken(e.createUser("anna"), store.PurposeChangeEmail)
		e.wantEffects(numberedEffects(e.oneWinner(store.ErrNotFound, func(i int) error {
			_, err := e.ChangeEmail(e.ctx, tokenSpend(tok), "anna@example.test", "new@example.test", numberedEffects(i))
			return err
		})))
	}},
	{"one of many users changes to an address", func(e *env) {
		tokens := make([]store.OneTimeToken, callers)
		for i := range tokens {
			tokens[i] = e.openToken(e.createUser(fmt.Sprint("u", i)), store.PurposeChangeEmail)
		}
		winner := e.oneWinner(store.ErrLoginIDTaken, func(i int) error {
			_, err := e.ChangeEmail(e.ctx, tokenSpend(tokens[i]), fmt.Sprintf("u%d@example.test", i), "new@example.test", numberedEffects(i))
			return err
		})
		a, err := e.AccountByLoginID(e.ctx, "new@example.test")
		e.ok(err)
		e.wantEqual("user", a.User.ID, tokens[winner].UserID)
		e.wantEffects(numberedEffects(winner))
	}},
	{"one of many swaps a refresh token, and the others replay it", func(e *env) {
		s := e.signIn(e.createUser("anna").User.ID)
		results := make([]store.RefreshResult, callers)
		for i, err := range concurrently(func(i int) (err error) {
			in := refreshSwap(s, 1)
			in.Next, in.Swapped, in.Reused = hash(fmt.Sprint("next of ", i)), numberedEffects(i), numberedEffects(i+callers)
			results[i], err = e.SwapRefresh(e.ctx, in)
			return err
		}) {
			if err != nil {
				e.Fatalf("caller %d: %v", i, err)
			}
		}
		winner := -1
		for i, r := range results {
			switch {
			case r.Outcome == store.RefreshSwapped && winner < 0:
				winner = i
			case r.Outcome != store.RefreshReplayed:
				e.Fatalf("caller %d: outcome %d beside the winner %d", i, r.Outcome, winner)
			}
		}
		if winner < 0 {
			e.Fatal("nobody won")
		}
		for i, r := range results {
			e.wantEqual(fmt.Sprint("successor that caller saw: ", i), r.Session.Refresh.Current, hash(fmt.Sprint("next of ", winner)))
		}
		e.wantEffects(numberedEffects(winner))
	}},
	{"one of many gives an exchanged token a further child, and the others replay it", func(e *env) {
		s := e.signIn(e.createUser("anna").User.ID)
		e.swap(refreshSwap(s, 1), 0, store.RefreshSwapped)
		results := make([]store.RefreshResult, callers)
		for i, err := range concurrently(func(i int) (err error) {
			in := refreshSwap(s, 1)
			in.Now, in.Again, in.Swapped = in.Now.Add(time.Minute), hash(fmt.Sprint("child of ", i)), numberedEffects(i)
			results[i], err = e.SwapRefresh(e.ctx, in)
			return err
		}) {
			if err != nil {
				e.Fatalf("caller %d: %v", i, err)
			}
		}
		winner := slices.IndexFunc(results, func(r store.RefreshResult) bool { return r.Outcome == store.RefreshSwapped })
		for i, r := range results {
			if i != winner && r.Outcome != store.RefreshReplayed {
				e.Fatalf("caller %d: outcome %d beside the winner %d", i, r.Outcome, winner)
			}
			e.wantEqual(fmt.Sprint("token of caller ", i), r.Token, hash(fmt.Sprint("child of ", winner)))
		}
		e.wantEffects(numberedEffects(winner))
	}},
	{"of two children that many present one has children of its own", func(e *env) {
		s := e.signIn(e.createUser("anna").User.ID)
		children := e.manyChildren(s, 2)
		results := make([]store.RefreshResult, callers)
		errs := concurrently(func(i int) (err error) {
			in := refreshSwap(s, 1)
			in.Presented, in.Next = children[i%2], hash(fmt.Sprint("child of child ", i%2))
			in.Now, in.Swapped, in.Reused = in.Now.Add(time.Minute), numberedEffects(i), numberedEffects(i)
			results[i], err = e.SwapRefresh(e.ctx, in)
			return err
		})
		first, reuse := -1, -1
		for i, r := range results {
			switch r.Outcome {
			case store.RefreshSwapped:
				if first >= 0 {
					e.Fatalf("%d and %d were exchanged", first, i)
				}
				first = i
			case store.RefreshReused:
				if reuse >= 0 {
					e.Fatalf("%d and %d ended the session", reuse, i)
				}
				reuse = i
			case store.RefreshReplayed:
			default:
				e.wantErr(errs[i], store.ErrNotFound)
			}
		}
		if first < 0 || reuse < 0 || first%2 == reuse%2 {
			e.Fatalf("%d was exchanged, %d ended the session", first, reuse)
		}
		for i, r := range results {
			if r.Outcome == store.RefreshReplayed && i%2 != first%2 {
				e.Fatalf("both branches go on: %d and %d", first, i)
			}
		}
		e.wantEnded(refreshSwap(s, 1).RevokedUntil, s.ID)
		e.wantEffects(numberedEffects(first), numberedEffects(reuse))
	}},
	{"no session starts after a concurrent change of the password", func(e *env) {
		a := e.createUser("anna")
		fresh := make([]string, callers)
		for i, err := range concurrently(func(i int) error {
			if i == callers/2 {
				c := passwordChange(a, "hash-2")
				c.End = &store.SessionEnd{RevokedUntil: t0}
				_, err := e.ChangePassword(e.ctx, c)
				return err
			}
			s := resetSession(a.User.ID, i)
			s.Kind = store.SessionFull
			fresh[i] = s.ID
			_, err := e.StartSession(e.ctx, store.SessionStart{Session: s, IfPasswordVersion: 1, Max: 1000})
			if errors.Is(err, store.ErrConflict) {
				return nil
			}
			return err
		}) {
			if err != nil {
				e.Fatalf("caller %d: %v", i, err)
			}
		}
		live, err := e.UserSessions(e.ctx, a.User.ID, t0)
		e.ok(err)
		e.wantEqual("sessions of the password before", live, nil)
	}},
	{"no session survives when all end during a refresh", func(e *env) {
		a := e.createUser("anna")
		for round := range 4 {
			sessions := make([]store.SessionRecord, callers)
			for i := range sessions {
				sessions[i] = resetSession(a.User.ID, i)
				sessions[i].ID = fmt.Sprintf("full-%d-%d", round, i)
				sessions[i].Kind, sessions[i].Refresh.Current = store.SessionFull, hash(sessions[i].ID+" refresh 1")
				_, err := e.StartSession(e.ctx, store.SessionStart{Session: sessions[i], IfPasswordVersion: 1, Max: 1000})
				e.ok(err)
			}
			for i, err := range concurrently(func(i int) error {
				if i == callers/2 {
					_, err := e.EndUserSessions(e.ctx, a.User.ID, store.SessionEnd{RevokedUntil: t0}, store.Effects{})
					return err
				}
				_, err := e.SwapRefresh(e.ctx, refreshSwap(sessions[i], 1))
				if errors.Is(err, store.ErrNotFound) {
					return nil
				}
				return err
			}) {
				if err != nil {
					e.Fatalf("caller %d: %v", i, err)
				}
			}
			live, err := e.UserSessions(e.ctx, a.User.ID, t0)
			e.ok(err)
			e.wantEqual("sessions", live, nil)
		}
		rs, err := e.Revocations(e.ctx, 0)
		e.ok(err)
		if len(rs) != 4*callers {
			e.Fatalf("%d revocations, want one for each of %d sessions", len(rs), 4*callers)
		}
	}},
	{"sessions never exceed Max", func(e *env) {
		a := e.createUser("anna")
		for _, err := range concurrently(func(i int) error {
			s := resetSession(a.User.ID, i)
			s.Kind = store.SessionFull
			_, err := e.StartSession(e.ctx, store.SessionStart{Session: s, IfPasswordVersion: 1, Max: 5})
			return err
		}) {
			e.ok(err)
		}
		live, err := e.UserSessions(e.ctx, a.User.ID, t0)
		e.ok(err)
		if len(live) != 5 {
			e.Fatalf("%d sessions live, want 5", len(live))
		}
	}},
}
