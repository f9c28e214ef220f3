package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/usherkit/usher"
)

const mixedClients = 64

// mixed keeps 64 clients busy on one SQLite file, half of them through another set of
// connections, as another process would have. Whatever fails is an error of the store:
// "database is locked", for one.
func (s *suite) mixed() error {
	period := time.Minute
	if s.quick {
		period = 5 * time.Second
	}
	var services []*usher.Service
	for n := range 2 {
		store, err := s.openSQLite("mixed.db")
		if err != nil {
			return err
		}
		defer store.Close()
		if n == 0 {
			hash, err := hashOnce(cheap)
			if err != nil {
				return err
			}
			if err := seed(store, mixedClients, hash); err != nil {
				return err
			}
		}
		service, err := newService(store, func(c *usher.Config) {
			c.Hashing, c.InsecureNoThrottle = cheap, true
			c.Hashing.QueueWait = time.Minute // a full queue is none of the store's errors
		})
		if err != nil {
			return err
		}
		defer service.Close()
		services = append(services, service)
	}
	ctx, cancel := context.WithTimeout(context.Background(), period)
	defer cancel()
	var (
		mu    sync.Mutex
		took  = map[string][]time.Duration{}
		fault error
		wg    sync.WaitGroup
	)
	for client := range mixedClients {
		wg.Go(func() {
			err := visit(ctx, services[client%2], client, func(act string, d time.Duration) {
				mu.Lock()
				took[act] = append(took[act], d)
				mu.Unlock()
			})
			if err != nil {
				mu.Lock()
				fault = err
				mu.Unlock()
				cancel()
			}
		})
	}
	wg.Wait()
	s.section("64 clients on one SQLite file", fmt.Sprintf("Closed loops without a pause for %v: a sign-in (with the cheapest hash that is allowed), then 10 refreshes, each with a look at the account and the list of devices, then a sign-out. Half of the clients use another set of connections to the same file, as another process would.", period))
	s.line("| | calls | a second | median | p99 |\n|---|---|---|---|---|\n")
	total := 0
	for _, act := range []string{"sign-in", "refresh", "account", "devices", "sign-out"} {
		list := took[act]
		if len(list) == 0 {
			return fmt.Errorf("no client came to its %s: %w", act, fault)
		}
		total += len(list)
		s.line("| %s | %d | %.0f | %s | %s |\n", act, len(list), float64(len(list))/period.Seconds(), ns(float64(percentile(list, 0.5))), ns(float64(percentile(list, 0.99))))
	}
	said := "none"
	if fault != nil {
		said = fault.Error()
	}
	s.goal("5", fmt.Sprintf("no \"database is locked\" nor another error under 64 mixed clients for %v", period), fmt.Sprintf("%d calls, errors: %s", total, said), "", fault == nil)
	return nil
}

// visit is what one client does until ctx ends.
func visit(ctx context.Context, service *usher.Service, user int, done func(act string, d time.Duration)) error {
	timed := func(act string, do func() error) error {
		began := time.Now()
		if err := do(); err != nil {
			return fmt.Errorf("%s: %w", act, err)
		}
		done(act, time.Since(began))
		return nil
	}
	bg := context.Background() // what has begun is not broken off at the end of the period
	for ctx.Err() == nil {
		var a *usher.Authentication
		err := timed("sign-in", func() (err error) {
			a, err = service.SignIn(bg, usher.SignIn{LoginID: login(user), Password: password}, usher.Client{})
			return err
		})
		if err != nil {
			return err
		}
		claims, err := service.ValidateSession(bg, a.Tokens.Session.Reveal())
		if err != nil {
			return err
		}
		for range 10 {
			for _, act := range []struct {
				name string
				do   func() error
			}{
				{"refresh", func() (err error) {
					a, err = service.RefreshSession(bg, a.Tokens.Refresh, usher.Client{})
					return err
				}},
				{"account", func() error { _, _, err := service.Me(bg, claims); return err }},
				{"devices", func() error { _, err := service.Sessions(bg, claims); return err }},
			} {
				if err := timed(act.name, act.do); err != nil {
					return err
				}
			}
		}
		if err := timed("sign-out", func() error { return service.SignOut(bg, claims, usher.Client{}) }); err != nil {
			return err
		}
	}
	return nil
}
