package store_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/usherkit/usher/store"
)

// Whatever clients present, with rotation on and off: a token that is invalid stays
// invalid, the state stays small, and Apply changes nothing that it was given.
func TestSE05_AnInvalidRefreshTokenStaysInvalid(t *testing.T) {
	t.Parallel()
	const grace = 10 * time.Second
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 0))
		tokens, invalid := []string{"0"}, map[string]bool{}
		s := store.SessionRecord{Session: store.Session{ExpiresAt: now.Add(time.Hour)}, Refresh: store.RefreshState{Current: []byte("0"), RotatedAt: now}}
		at := now
		for n := range 100 {
			at = at.Add([]time.Duration{0, time.Second, 4 * time.Second, grace, time.Minute}[random.IntN(5)] + time.Microsecond)
			presented := tokens[random.IntN(len(tokens))]
			in := store.RefreshSwap{
				Presented: []byte(presented), Next: []byte(fmt.Sprint("next of ", presented)), Again: []byte(fmt.Sprint("again ", n)), Now: at, Grace: grace,
			}
			if random.IntN(4) == 0 {
				in.Next = in.Presented
			}
			before := encoded(t, s)
			r := in.Apply(s, store.User{})
			if encoded(t, s) != before || r.Outcome != store.RefreshSwapped && encoded(t, r.Session) != before {
				t.Fatalf("seed %d, step %d: the session changed", seed, n)
			}
			if (r.Outcome == store.RefreshReused) != (len(r.Token) == 0) || r.Outcome != store.RefreshReused && invalid[presented] {
				t.Fatalf("seed %d, step %d: outcome %d with token %q", seed, n, r.Outcome, r.Token)
			}
			s = r.Session // after a reuse too, as if the session had not ended
			if len(s.Refresh.Current) == 0 || len(s.Refresh.Siblings) >= store.MaxRefreshTokens || len(s.Refresh.Retired) > store.MaxRefreshTokens {
				t.Fatalf("seed %d, step %d: the state is %s", seed, n, encoded(t, s))
			}
			if len(r.Token) > 0 {
				tokens = append(tokens, string(r.Token))
			}
			for _, token := range tokens {
				check := store.RefreshSwap{Presented: []byte(token), Now: at, Grace: grace}
				valid := check.Apply(s, store.User{}).Outcome != store.RefreshReused
				if valid && invalid[token] {
					t.Fatalf("seed %d, step %d: %q is valid again", seed, n, token)
				}
				invalid[token] = !valid
			}
		}
	}
}

func encoded(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
