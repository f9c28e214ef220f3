package api

import (
	"testing"
	"testing/synctest"
	"time"
)

// Every client may ask for the list, and a list of a hundred thousand sessions takes tens
// of milliseconds. However often clients ask, it is made for at most a tenth of the time.
func TestLM09_AListThatTakesLongIsMadeLessOften(t *testing.T) {
	for _, takes := range []time.Duration{0, 50 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			var list revocationList
			var making time.Duration
			made, began := 0, time.Now()
			for time.Since(began) < 10*time.Second {
				body, etag := list.current(func() []byte {
					made, making = made+1, making+takes
					time.Sleep(takes) // the bubble's clock
					return []byte("{}")
				})
				if string(body) != "{}" || etag == "" {
					t.Fatalf("%q %q", body, etag)
				}
				time.Sleep(time.Millisecond)
			}
			if takes == 0 && (made < 90 || made > 101) || making > 1100*time.Millisecond {
				t.Errorf("a list that takes %s was made %d times, for %s", takes, made, making)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		var list revocationList
		slow := func() []byte { time.Sleep(time.Minute); return nil }
		list.current(slow)
		time.Sleep(time.Second)
		made := false
		if list.current(func() []byte { made = true; return nil }); !made {
			t.Error("a list is reused for longer than a second")
		}
	})
}
