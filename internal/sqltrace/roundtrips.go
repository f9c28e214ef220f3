package sqltrace

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"testing"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/internal/testhash"
	"github.com/usherkit/usher/store"
)

// Counter returns how many round trips a store has made since the last call.
type Counter func() int

func newService(t *testing.T, st store.Store, change func(*usher.Config)) *usher.Service {
	t.Helper()
	cfg := usher.Config{
		Secret: "a secret of at least 32 random bytes", BaseURL: "https://app.example",
		Mailer:  usher.MailerFunc(func(context.Context, usher.Message) error { return nil }),
		Hashing: testhash.Config(),
		Logger:  slog.New(slog.DiscardHandler),
		Limits:  usher.LimitConfig{ResetRequests: 1000, ResetEmails: 100, Emails: 100},
	}
	change(&cfg)
	var s *usher.Service
	for _, cfg.NoBackground = range []bool{false, true} { // the first one makes a signing key
		var err error
		if s, err = usher.New(t.Context(), st, cfg); err == nil {
			err = s.Close(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return s
}

var home = usher.Client{Address: netip.MustParseAddr("192.0.2.1")}

// ResetRoundTrips fails the test unless a request of a reset makes the same number of
// round trips whatever account there is, also when too many links are open or too many
// emails were sent.
func ResetRoundTrips(t *testing.T, st store.Store, count Counter) {
	for name, change := range map[string]func(*usher.Config){
		"links":  func(*usher.Config) {},
		"emails": func(c *usher.Config) { c.Limits.ResetEmails = 2 },
	} {
		s := newService(t, st, change)
		ask := func(id string) (trips []int) {
			for range 6 { // three links may be open
				count()
				if err := s.SendPasswordReset(t.Context(), usher.SendPasswordResetParams{LoginID: id}, home); err != nil {
					t.Fatal(err)
				}
				trips = append(trips, count())
			}
			return trips
		}
		var want []int
		for _, round := range []string{"first", "then"} { // the first round prepares statements
			var list []usher.ImportUserParams
			for _, u := range []usher.ImportUserParams{{EmailVerified: true}, {}, {Disabled: true}} {
				u.LoginIDs = []string{fmt.Sprintf("%s-%s-%d@example.com", name, round, len(list))}
				list = append(list, u)
			}
			list = append(list, usher.ImportUserParams{LoginIDs: []string{name + "-" + round}}) // without an address
			importAll(t, s, list)
			want = ask(fmt.Sprintf("unknown-%s-%s@example.com", name, round))
			for i, u := range list {
				got := ask(u.LoginIDs[0])
				if round == "then" && !slices.Equal(got, want) {
					t.Errorf("%s, user %d: %d round trips, for an unknown login id %d", name, i, got, want)
				}
			}
		}
		t.Logf("%s: %d round trips", name, want)
	}
}

// SignUpRoundTrips fails the test unless a sign-up that is confirmed first makes the same
// number of round trips whatever account there is, also after so many requests of a reset
// that no further email is sent.
func SignUpRoundTrips(t *testing.T, st store.Store, count Counter) {
	s := newService(t, st, func(c *usher.Config) {
		c.ConfirmFirst, c.Limits.SignUps, c.Limits.ResetEmails = true, 1000, 2
	})
	want := 0
	for _, round := range []string{"first", "then"} { // the first round prepares statements
		var list []usher.ImportUserParams
		for _, u := range []usher.ImportUserParams{{EmailVerified: true}, {}, {Disabled: true}} {
			u.LoginIDs = []string{fmt.Sprintf("up-%s-%d@example.com", round, len(list))}
			list = append(list, u)
		}
		list = append(list, usher.ImportUserParams{LoginIDs: []string{"up-" + round}}) // without an address
		importAll(t, s, list)
		for i, u := range append([]usher.ImportUserParams{{LoginIDs: []string{"free-" + round + "@example.com"}}}, list...) {
			in := usher.SignUpParams{LoginID: u.LoginIDs[0], Password: "vast otter sings low"}
			if i == len(list) {
				in.Email = "other-" + round + "@example.com"
			}
			up := func() int {
				count()
				if _, err := s.SignUp(t.Context(), in, home); err != nil {
					t.Fatal(err)
				}
				return count()
			}
			if i == 0 {
				want = up()
				continue
			}
			for _, resets := range []int{0, 1, 2} {
				for range resets {
					if err := s.SendPasswordReset(t.Context(), usher.SendPasswordResetParams{LoginID: in.LoginID}, home); err != nil {
						t.Fatal(err)
					}
				}
				if got := up(); round == "then" && got != want {
					t.Errorf("user %d after %d requests of a reset: %d round trips, for a free login id %d", i, resets, got, want)
				}
			}
		}
	}
	t.Logf("%d round trips", want)
}

// SignInRoundTrips returns the round trips of a sign-in with the right password, from a
// browser that has another session, and those of a refresh.
func SignInRoundTrips(t *testing.T, st store.Store, count Counter) (signIn, refresh int) {
	s := newService(t, st, func(*usher.Config) {})
	up, err := s.SignUp(t.Context(), usher.SignUpParams{LoginID: "ann@example.com", Password: "vast otter sings low"}, home)
	if err != nil {
		t.Fatal(err)
	}
	c := home
	c.SessionID = up.Authentication.Session.ID
	for range 3 { // the first times prepare statements
		count()
		in, err := s.SignIn(t.Context(), usher.SignInParams{LoginID: "ann@example.com", Password: "vast otter sings low"}, c)
		if err != nil {
			t.Fatal(err)
		}
		signIn = count()
		c.SessionID = in.Authentication.Session.ID
		if _, err := s.RefreshSession(t.Context(), in.Authentication.Tokens.Refresh, c); err != nil {
			t.Fatal(err)
		}
		refresh = count()
	}
	return signIn, refresh
}

func importAll(t *testing.T, s *usher.Service, list []usher.ImportUserParams) {
	t.Helper()
	for _, in := range list {
		if _, err := s.Operator("test").ImportUser(t.Context(), in); err != nil {
			t.Fatal(err)
		}
	}
}
