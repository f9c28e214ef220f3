package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/password"
	"github.com/usherkit/usher/store/memory"
)

// simulation is a Service in this process whose clock the command sets. Its limits are the
// defaults; its hash is the cheapest that is allowed, so that a day takes seconds.
type simulation struct {
	*usher.Service
	ahead  atomic.Int64 // how far its clock is ahead, in nanoseconds
	judged atomic.Int64 // guesses that were compared with a stored hash
	emails atomic.Int64 // reset emails that were accepted for delivery
}

// newSimulation returns a simulation with a number of accounts, named as honest users.
func newSimulation(accounts int) (*simulation, error) {
	s := &simulation{}
	cheap := password.HasherConfig{Params: password.Params{Memory: 19456, Time: 2, Threads: 1}, QueueWait: time.Minute}
	var err error
	s.Service, err = usher.New(context.Background(), memory.New(), usher.Config{
		Secret: "attacks-attacks-attacks-attacks-attacks", BaseURL: "https://attacks.example",
		Mailer: usher.MailerFunc(func(context.Context, usher.Message) error { return nil }),
		Logger: slog.New(slog.DiscardHandler), Hashing: cheap,
		Now: func() time.Time { return time.Now().Add(time.Duration(s.ahead.Load())) },
		OnEvent: func(_ context.Context, e usher.Event) {
			switch {
			case e.Name == usher.EventSignInFailed && e.Reason == "wrong_password":
				s.judged.Add(1)
			case e.Name == usher.EventResetRequested && e.Reason == "":
				s.emails.Add(1)
			}
		},
	})
	if err != nil {
		return nil, err
	}
	for n := range accounts {
		// A sign-up counts for its network, so each has its own.
		_, err := s.SignUp(context.Background(), usher.SignUpParams{LoginID: loginID("honest", n), Password: rightPassword}, client(honestAddress(n)))
		if err != nil {
			return nil, err
		}
	}
	s.judged.Store(0)
	return s, nil
}

func client(address string) usher.Client {
	return usher.Client{Address: netip.MustParseAddr(address), UserAgent: "attacks"}
}

func (s *simulation) advance(d time.Duration) { s.ahead.Add(int64(d)) }

// guess sends a wrong password. It returns how long the limits make the client wait before
// the next one, or 0.
func (s *simulation) guess(account int, address string) (time.Duration, error) {
	_, err := s.SignIn(context.Background(), usher.SignInParams{LoginID: loginID("honest", account), Password: "wrong wrong wrong"}, client(address))
	var limit *usher.LimitError
	switch {
	case errors.As(err, &limit):
		return limit.RetryAfter, nil
	case errors.Is(err, usher.ErrInvalidCredentials):
		return 0, nil
	}
	return 0, fmt.Errorf("a guess: %w", err)
}

// guesses sends n guesses, several at the same time.
func (s *simulation) guesses(n int, target func(n int) (account int, address string)) error {
	var next atomic.Int64
	var all sync.WaitGroup
	errs := make([]error, 4)
	for w := range errs {
		all.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && errs[w] == nil; i = int(next.Add(1)) - 1 {
				_, errs[w] = s.guess(target(i))
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

const day = 24 * time.Hour

// botnetPerDay lets 400 addresses guess at one account, spread over a day. At noon the
// owner signs in with a known browser.
func botnetPerDay() (string, error) {
	s, err := newSimulation(1)
	if err != nil {
		return "", err
	}
	defer s.Close(context.Background())
	owner := client(ownerHome)
	const attempts = 400
	for i := range attempts {
		if i%(attempts/2) == 0 { // the owner's browser becomes known, and signs in again at noon
			result, err := s.SignIn(context.Background(), usher.SignInParams{LoginID: loginID("honest", 0), Password: rightPassword}, owner)
			if err != nil {
				return "", fmt.Errorf("the owner: %w", err)
			}
			owner.Device = result.Authentication.Device
		}
		if _, err := s.guess(0, honestAddress(i)); err != nil {
			return "", err
		}
		s.advance(day / attempts)
	}
	return fmt.Sprintf("100, and 100 after each sign-in of the owner (%d in a simulated day with one)", s.judged.Load()), nil
}

// perWindow guesses at many accounts in two windows of Limits.NetworkWindow, and returns
// how many guesses of each were judged.
func perWindow(guesses int, address func(n int) string) (first, second int64, err error) {
	const accounts = 100
	s, err := newSimulation(accounts)
	if err != nil {
		return 0, 0, err
	}
	defer s.Close(context.Background())
	target := func(n int) (int, string) { return n % accounts, address(n) }
	if err := s.guesses(guesses, target); err != nil {
		return 0, 0, err
	}
	first = s.judged.Load()
	s.advance(5*time.Minute + time.Second)
	if err := s.guesses(guesses, target); err != nil {
		return 0, 0, err
	}
	return first, s.judged.Load() - first, nil
}

func describeWindows(first, second int64) string {
	const windows = int64(day / (5 * time.Minute))
	return fmt.Sprintf("%d over all accounts (%d and %d in two simulated windows of 5 minutes, times %d)", (first+second)/2*windows, first, second, windows)
}

func ipv6PerDay() (string, error) {
	first, second, err := perWindow(400, func(n int) string { return fmt.Sprintf("%s%x::1", attackerPrefix, n*163) })
	return describeWindows(first, second), err
}

// oneAddressPerDay counts what one address may guess over many accounts, and at one.
func oneAddressPerDay() (string, error) {
	first, second, err := perWindow(100, func(int) string { return attackerAddress })
	if err != nil {
		return "", err
	}
	s, err := newSimulation(1)
	if err != nil {
		return "", err
	}
	defer s.Close(context.Background())
	for passed := time.Duration(0); passed < day; {
		wait, err := s.guess(0, attackerAddress)
		if err != nil {
			return "", err
		}
		passed += wait
		s.advance(wait)
	}
	return fmt.Sprintf("%s; %d at one account (a simulated day)", describeWindows(first, second), s.judged.Load()), nil
}

// botnetAccountsPerDay is arithmetic: the lock of each account and not a network limits a
// botnet.
func botnetAccountsPerDay() (string, error) {
	return "at most 100 for each account, and 100 after each sign-in of its owner (as above)", nil
}

// resetsPerDay requests resets of one account from ten addresses in each hour of a day.
func resetsPerDay() (string, error) {
	s, err := newSimulation(1)
	if err != nil {
		return "", err
	}
	defer s.Close(context.Background())
	for range 24 {
		for n := range 10 {
			params := usher.SendPasswordResetParams{LoginID: loginID("honest", 0)}
			if err := s.SendPasswordReset(context.Background(), params, client(honestAddress(n))); err != nil {
				return "", fmt.Errorf("a reset request: %w", err)
			}
			s.advance(time.Hour / 10)
		}
	}
	return fmt.Sprintf("no guess; %d emails to one account (a simulated day)", s.emails.Load()), nil
}
