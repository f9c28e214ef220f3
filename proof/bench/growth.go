package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/usherkit/usher/token"
)

// growth measures how the cost of one call changes as there is more of everything.
func (s *suite) growth() error {
	s.section("As the work grows", "One goroutine; each point is a median; CPU time where no store is called. Both axes of the pictures are logarithmic.")
	if err := s.growStore(); err != nil {
		return err
	}
	if err := s.growRevocations(); err != nil {
		return err
	}
	return s.growToken()
}

// growRevocations lengthens the list of ended sessions.
func (s *suite) growRevocations() error {
	w, err := newWorld()
	if err != nil {
		return err
	}
	defer w.keyServer.Close()
	var hit, look series
	hit.name, look.name = "validate a cached token", "look a session up in the list"
	s.line("| revocations in the list | validate a cached token | look a session up | add one |\n|---|---|---|---|\n")
	for _, n := range []int{0, 1000, 10_000, 100_000} {
		list := token.NewRevocations()
		began := time.Now()
		for k := range n {
			list.Add(fmt.Sprint("revoked-", k), time.Now().Add(time.Hour))
		}
		add := 0.0
		if n > 0 {
			add = float64(time.Since(began)) / float64(n)
		}
		w.revocations = list
		v, err := w.newVerifier(0)
		if err != nil {
			return err
		}
		results, err := interleave([]job{
			{name: "hit", run: func(n int) error {
				for range n {
					if _, err := v.ValidateSession(context.Background(), w.raw); err != nil {
						return err
					}
				}
				return nil
			}},
			{name: "look", run: func(n int) error {
				for range n {
					if list.Revoked("session-1") {
						return errors.New("revoked")
					}
				}
				return nil
			}},
		}, s.rounds, s.each/2)
		if err != nil {
			return err
		}
		byCPU(results)
		s.line("| %d | %s | %s | %s |\n", n, ns(results[0].median()), ns(results[1].median()), ns(add))
		if n > 0 { // none has no place on the axis
			hit.add(float64(n), results[0].median())
			look.add(float64(n), results[1].median())
		}
	}
	s.plots["performance-revocations.svg"] = plot("Cost of a validation as the list of revocations grows", "revocations", []*series{&hit, &look})
	s.line("\n![Cost of a validation as the list of revocations grows](performance-revocations.svg)\n\n")
	return nil
}

// growToken puts more permissions into a token.
func (s *suite) growToken() error {
	w, err := newWorld()
	if err != nil {
		return err
	}
	defer w.keyServer.Close()
	cached, err := w.newVerifier(0)
	if err != nil {
		return err
	}
	var first, hit series
	first.name, hit.name = "first sight", "cached"
	s.line("| permissions | bytes of the token | first sight | cached |\n|---|---|---|---|\n")
	for _, n := range []int{1, 10, 50, 100, 200} {
		p, err := w.issue("session-1", n)
		if err != nil {
			return err
		}
		raw := p.Session.Reveal()
		results, err := interleave([]job{
			{name: "first", run: func(n int) error {
				for range n {
					if _, err := w.verifier.Verify(context.Background(), raw, token.TypeSession); err != nil {
						return err
					}
				}
				return nil
			}},
			{name: "cached", run: func(n int) error {
				for range n {
					if c, err := cached.ValidateSession(context.Background(), raw); err != nil || !strings.HasPrefix(c.SessionID, "session") {
						return errors.Join(err, errors.New("not validated"))
					}
				}
				return nil
			}},
		}, s.rounds, s.each/2)
		if err != nil {
			return err
		}
		byCPU(results)
		s.line("| %d | %d | %s | %s |\n", n, len(raw), ns(results[0].median()), ns(results[1].median()))
		first.add(float64(n), results[0].median())
		hit.add(float64(n), results[1].median())
	}
	s.plots["performance-permissions.svg"] = plot("Cost of a validation as the permissions in a token grow", "permissions", []*series{&first, &hit})
	s.line("\n![Cost of a validation as the permissions in a token grow](performance-permissions.svg)\n\n")
	return nil
}
