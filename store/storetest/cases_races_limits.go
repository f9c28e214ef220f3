package storetest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/usherkit/usher/store"
)

var raceCountCases = []testCase{
	{"a limit allows exactly Max hits", func(e *env) {
		for _, free := range []int{1, 5} {
			var (
				mu     sync.Mutex
				counts = map[int]bool{}
			)
			for i, err := range concurrently(func(i int) error {
				limits := []store.Limit{
					{Key: fmt.Sprint("shared ", free), Max: free, Window: time.Hour},
					{Key: fmt.Sprint("own ", free, i%2), Max: callers, Window: time.Hour},
				}
				if i%2 == 1 { // both orders, without a deadlock
					limits[0], limits[1] = limits[1], limits[0]
				}
				r, err := e.TakeLimits(e.ctx, t0, limits)
				if err == nil && r.Refused < 0 {
					mu.Lock()
					defer mu.Unlock()
					counts[r.Counts[i%2]] = true
				}
				return err
			}) {
				if err != nil {
					e.Fatalf("caller %d: %v", i, err)
				}
			}
			if len(counts) != free || !counts[1] || !counts[free] {
				e.Fatalf("%d hits got through with the numbers %v, want %d", len(counts), counts, free)
			}
			own := 0
			for parity := range 2 {
				r, err := e.TakeLimits(e.ctx, t0, []store.Limit{{Key: fmt.Sprint("own ", free, parity), Max: callers + 1, Window: time.Hour}})
				e.ok(err)
				own += r.Counts[0] - 1
			}
			if own != free {
				e.Fatalf("%d hits counted beside %d that got through", own, free)
			}
		}
	}},
	{"each hit is released once", func(e *env) {
		a := e.createUser("anna")
		both := []store.Limit{{Key: "a", Max: 9 * callers, Window: time.Hour}, {Key: "b", Max: 9 * callers, Window: time.Hour}}
		keys := []string{"a", "b"}
		take := func(i int) error {
			in := slices.Clone(both)
			if i%2 == 1 {
				slices.Reverse(in)
			}
			_, err := e.TakeLimits(e.ctx, t0, in)
			return err
		}
		for _, err := range concurrently(take) {
			e.ok(err)
		}
		starts := make([]store.SessionStart, callers)
		for i := range starts {
			starts[i] = sessionStart(e.newSession(a.User.ID))
			starts[i].ClearLimits, starts[i].ReleaseLimits = []string{fmt.Sprint("other ", i%2)}, []string{"b", "a"}
			starts[i].Effects = numberedEffects(i)
		}
		for i, err := range concurrently(func(i int) error {
			switch i % 4 {
			case 0:
				return e.ReleaseLimits(e.ctx, keys)
			case 1:
				_, err := e.StartSession(e.ctx, starts[i])
				return err
			case 2:
				if _, err := e.TakeLimits(e.ctx, t0, []store.Limit{{Key: "other 1", Max: callers, Window: time.Hour}}); err != nil {
					return err
				}
				_, err := e.DeleteExpired(e.ctx, store.Expiry{Now: t0, Max: callers})
				return err
			default:
				return take(i)
			}
		}) {
			if err != nil {
				e.Fatalf("caller %d: %v", i, err)
			}
		}
		want := callers - callers/2 + callers/4 + 1
		for _, l := range both {
			e.wantTaken(t0, l, want)
		}
	}},
	{"DeleteExpired keeps a cleared counter that counts again", func(e *env) {
		for i, err := range concurrently(func(i int) error {
			if i%8 == 0 {
				for range 20 {
					if _, err := e.DeleteExpired(e.ctx, store.Expiry{Now: t0.Add(time.Minute), Max: callers}); err != nil {
						return err
					}
				}
				return nil
			}
			l := store.Limit{Key: fmt.Sprint("k", i), Max: 9}
			if i%2 == 0 {
				l.Window = time.Hour
			}
			for range 5 {
				for n := range 3 {
					r, err := e.TakeLimits(e.ctx, t0, []store.Limit{l})
					if err != nil {
						return err
					}
					if len(r.Counts) != 1 || r.Counts[0] != n+1 {
						return fmt.Errorf("hit %d is counted as %v", n+1, r.Counts)
					}
				}
				if err := e.ClearLimits(e.ctx, []string{l.Key}); err != nil {
					return err
				}
			}
			return nil
		}) {
			if err != nil {
				e.Fatalf("caller %d: %v", i, err)
			}
		}
	}},
	{"one of many saves signing keys, first and later", func(e *env) {
		for version := range int64(2) {
			winner := e.oneWinner(store.ErrConflict, func(i int) error {
				k := signingKeys(version + 1)
				k.Keys[0].ID = fmt.Sprintf("key of %d", i)
				return e.SaveSigningKeys(e.ctx, k, numberedEffects(i+int(version)*callers))
			})
			got, err := e.SigningKeys(e.ctx)
			e.ok(err)
			e.wantEqual("key", got.Keys[0].ID, fmt.Sprintf("key of %d", winner))
		}
	}},
	{"each email is claimed once", func(e *env) {
		const messages = 100
		e.queueEmails(messages)
		claimed := make([][]store.QueuedEmail, callers)
		for _, err := range concurrently(func(i int) (err error) {
			for range 4 {
				more, err := e.ClaimEmails(e.ctx, t0, time.Hour, 2)
				if err != nil {
					return err
				}
				claimed[i] = append(claimed[i], more...)
			}
			return nil
		}) {
			e.ok(err)
		}
		by := map[string]int{}
		for i, mail := range claimed {
			for _, q := range mail {
				if other, twice := by[q.ID]; twice || q.Attempts != 1 {
					e.Fatalf("%s was claimed by %d and %d (try %d)", q.ID, other, i, q.Attempts)
				}
				by[q.ID] = i
			}
		}
		if len(by) != messages {
			e.Fatalf("%d messages were claimed, want %d", len(by), messages)
		}
	}},
	{"one-time tokens never exceed MaxOpen", func(e *env) {
		a := e.createUser("anna")
		const open = 3
		added := 0
		for i, err := range concurrently(func(i int) error {
			t := store.OneTimeToken{
				Hash: hash(fmt.Sprint("token of ", i)), UserID: a.User.ID, Purpose: store.PurposeReset, Email: a.User.Email,
				PasswordVersion: 1, CreatedAt: t0, ExpiresAt: t0.Add(time.Hour),
			}
			return e.AddOneTimeToken(e.ctx, store.TokenAddition{Token: t, MaxOpen: open, Effects: numberedEffects(i)})
		}) {
			if err == nil {
				added++
			} else if !errors.Is(err, store.ErrConflict) {
				e.Fatalf("caller %d: %v", i, err)
			}
		}
		if n, err := e.EmailCount(e.ctx); err != nil || n != open || added != open {
			e.Fatalf("%d tokens and %d messages, want %d (%v)", added, n, open, err)
		}
	}},
	{"each of many tokens is either added or refused", func(e *env) {
		a := e.createUser("anna")
		const open = 3
		added, events := 0, []string{}
		for i, err := range concurrently(func(i int) error {
			t := store.OneTimeToken{
				Hash: hash(fmt.Sprint("token of ", i)), UserID: a.User.ID, Purpose: store.PurposeReset, Email: a.User.Email,
				PasswordVersion: 1, CreatedAt: t0, ExpiresAt: t0.Add(time.Hour),
			}
			refused := &store.TokenRefusal{Effects: store.Effects{Events: numberedEffects(i + callers).Events}}
			return e.AddOneTimeToken(e.ctx, store.TokenAddition{Token: t, MaxOpen: open, Effects: numberedEffects(i), Refused: refused})
		}) {
			switch {
			case err == nil:
				added++
				events = append(events, numberedEffects(i).Events[0].ID)
			case errors.Is(err, store.ErrConflict):
				events = append(events, numberedEffects(i + callers).Events[0].ID)
			default:
				e.Fatalf("caller %d: %v", i, err)
			}
		}
		stored, err := e.events(store.EventQuery{Limit: 1000})
		e.ok(err)
		var ids []string
		for _, ev := range stored {
			ids = append(ids, ev.ID)
		}
		e.wantIDs("events", ids, events...)
		if n, err := e.EmailCount(e.ctx); err != nil || n != open || added != open {
			e.Fatalf("%d tokens and %d messages, want %d (%v)", added, n, open, err)
		}
	}},
	{"each expired row is removed once", func(e *env) {
		var fx store.Effects
		for i := range 4 * callers {
			fx.Events = append(fx.Events, store.Event{ID: fmt.Sprint(i), At: t0, Name: store.EventSessionRenewed})
		}
		e.ok(e.Record(e.ctx, fx))
		x := store.Expiry{Now: t0, Max: 10, NamedEventsBefore: map[store.EventName]time.Time{store.EventSessionRenewed: t0.Add(time.Second)}}
		removed := make([]int, callers)
		for i, err := range concurrently(func(i int) (err error) { removed[i], err = e.DeleteExpired(e.ctx, x); return err }) {
			if err != nil {
				e.Fatalf("caller %d: %v", i, err)
			}
		}
		total := 0
		for _, n := range removed {
			total += n
		}
		left, err := e.events(store.EventQuery{Limit: 1000})
		e.ok(err)
		if total+len(left) != len(fx.Events) {
			e.Fatalf("%d rows were removed and %d are left, of %d", total, len(left), len(fx.Events))
		}
	}},
	{"of many that select tenants with one refresh token, each gets the same successor", func(e *env) {
		tenants := []string{"acme", "globex"}
		s := e.signIn(e.inTenants("anna", tenants...).User.ID)
		results := make([]store.RefreshResult, callers)
		for i, err := range concurrently(func(i int) (err error) {
			in := refreshSwap(s, 1)
			in.Tenant, in.Reused = &tenants[i%2], numberedEffects(i)
			results[i], err = e.SwapRefresh(e.ctx, in)
			return err
		}) {
			if err != nil || results[i].Outcome == store.RefreshReused || results[i].Session.Tenant != tenants[i%2] {
				e.Fatalf("caller %d: %v, %+v", i, err, results[i])
			}
			e.wantEqual("token", results[i].Token, refreshSwap(s, 1).Next)
		}
		stored, err := e.Session(e.ctx, s.ID)
		e.ok(err)
		if stored.Tenant == "" {
			e.Fatal("no tenant is stored")
		}
		e.wantEffects()
		e.swap(refreshSwap(s, 2), 0, store.RefreshSwapped)
	}},
}
