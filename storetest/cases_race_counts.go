package storetest

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/usherkit/usher"
)

var raceCountCases = []testCase{
	{"a limit lets through exactly what is free", func(e *env) {
		for _, free := range []int{1, 5} {
			var (
				mu     sync.Mutex
				counts = map[int]bool{}
			)
			for i, err := range atOnce(func(i int) error {
				limits := []usher.Limit{
					{Key: fmt.Sprint("shared ", free), Max: free, Window: time.Hour},
					{Key: fmt.Sprint("own ", free, i%2), Max: callers, Window: time.Hour},
				}
				if i%2 == 1 { // in either order, without a deadlock
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
				r, err := e.TakeLimits(e.ctx, t0, []usher.Limit{{Key: fmt.Sprint("own ", free, parity), Max: callers + 1, Window: time.Hour}})
				e.ok(err)
				own += r.Counts[0] - 1
			}
			if own != free {
				e.Fatalf("%d hits counted beside %d that got through", own, free)
			}
		}
	}},
	{"one of many saves signing keys, the first and later ones", func(e *env) {
		for version := range int64(2) {
			winner := e.oneWinner(usher.ErrConflict, func(i int) error {
				k := keys(version + 1)
				k.Keys[0].ID = fmt.Sprintf("key of %d", i)
				return e.SaveSigningKeys(e.ctx, k, numbered(i+int(version)*callers))
			})
			got, err := e.SigningKeys(e.ctx)
			e.ok(err)
			e.same("key", got.Keys[0].ID, fmt.Sprintf("key of %d", winner))
		}
	}},
	{"each message is claimed by one", func(e *env) {
		const messages = 100
		e.queue(messages)
		claimed := make([][]usher.QueuedMail, callers)
		for _, err := range atOnce(func(i int) (err error) {
			for range 4 {
				more, err := e.ClaimMail(e.ctx, t0, time.Hour, 2)
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
				if other, twice := by[q.ID]; twice || q.Tries != 1 {
					e.Fatalf("%s was claimed by %d and %d (try %d)", q.ID, other, i, q.Tries)
				}
				by[q.ID] = i
			}
		}
		if len(by) != messages {
			e.Fatalf("%d messages were claimed, want %d", len(by), messages)
		}
	}},
	{"no more one-time tokens are open than allowed", func(e *env) {
		a := e.user("anna")
		const open = 3
		added := 0
		for i, err := range atOnce(func(i int) error {
			t := usher.OneTimeToken{
				Hash: hash(fmt.Sprint("token of ", i)), UserID: a.User.ID, Purpose: usher.PurposeReset, Email: a.User.Email,
				PasswordVersion: 1, CreatedAt: t0, ExpiresAt: t0.Add(time.Hour),
			}
			return e.AddOneTimeToken(e.ctx, usher.TokenAddition{Token: t, MaxOpen: open, Effects: numbered(i)})
		}) {
			if err == nil {
				added++
			} else if !errors.Is(err, usher.ErrConflict) {
				e.Fatalf("caller %d: %v", i, err)
			}
		}
		if n, err := e.MailCount(e.ctx); err != nil || n != open || added != open {
			e.Fatalf("%d tokens and %d messages, want %d (%v)", added, n, open, err)
		}
	}},
}
