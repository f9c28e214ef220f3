//go:build !race

package usher_test

import (
	"testing"

	"github.com/usherkit/usher"
)

// A wrong code takes the same time whether the login id has three open codes, none, or no
// user.
func TestCO08_WrongCodesTakeTheSameTime(t *testing.T) {
	k := newKitOn(t, openSQLite(t), newClock(), func(c *usher.Config) {
		c.InsecureNoThrottle, c.BaseURL = true, "https://localhost"
	})
	k.importUser(ann)
	k.importUser("bob@example.com")
	for range 3 {
		k.resetEmail(ann, home)
	}
	wrong := k.wrongCode()
	var acts []func(int)
	for _, id := range []string{"nobody@example.com", ann, "bob@example.com"} {
		acts = append(acts, func(int) {
			if err := k.byCode(id, wrong, home); err != usher.ErrInvalidCode {
				t.Fatalf("%s: %v", id, err)
			}
		})
	}
	wantSameTime(t, 100, acts...)
}
