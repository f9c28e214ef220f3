package main

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// grownTo are how many users the stores have.
var grownTo = []int{1000, 10_000, 100_000, 1_000_000}

// growStore fills stores of several sizes on both engines and measures the store's
// own calls in all of them in turn, so that a busy hour makes no size look slow.
func (s *suite) growStore() (err error) {
	var points []*point
	defer func() {
		for _, p := range points {
			err = errors.Join(err, p.close())
		}
	}()
	add := func(users int, e *engine, err error) error {
		if err != nil {
			return err
		}
		p := newPoint(e, users)
		points = append(points, p)
		return p.prepare(s.ctx)
	}
	sizes := slices.DeleteFunc(slices.Clone(grownTo), func(n int) bool { return n > s.users })
	if len(sizes) == 0 {
		return fmt.Errorf("-users is %d, the least is %d", s.users, grownTo[0])
	}
	for _, users := range sizes {
		e, err := s.sqliteEngine(fmt.Sprint("grown_", users))
		if err := add(users, e, err); err != nil {
			return err
		}
	}
	onPostgres := "Postgres was left out of this run: " + withoutPostgres + "."
	if !s.noPostgres {
		server, err := s.startPostgres("shared_buffers=256MB", "max_wal_size=4GB")
		if err != nil {
			return err
		}
		defer server.stop()
		for _, users := range sizes {
			e, err := s.postgresEngine(server, fmt.Sprint("grown_", users))
			if err := add(users, e, err); err != nil {
				return err
			}
		}
		onPostgres = fmt.Sprintf("PostgreSQL %s is reached over TCP on 127.0.0.1, durable, with shared_buffers=256MB.", server.version)
	}
	rounds, calls := s.probeRounds()
	for round := range rounds {
		for k := range points {
			p := points[(k+round)%len(points)]
			if err := p.probe(s.ctx, calls); err != nil {
				return fmt.Errorf("%s, %d users: %w", p.name, p.users, err)
			}
		}
	}
	s.line("The store's own calls on one goroutine, each for a user or a session anywhere among all: medians of %d calls, in %d rounds over all sizes and engines in turn. SQLite has its WAL with synchronous=FULL. %s The size is that of the file before these calls, or of the tables with their indexes.\n\n", rounds*calls, rounds, onPostgres)
	s.growthOfStore(points)
	return nil
}

// growthOfStore writes what was found at the points.
func (s *suite) growthOfStore(points []*point) {
	s.line("| | users | sessions | size in bytes | filled in | account by login id | start a session | swap a refresh token |\n|---|---|---|---|---|---|---|---|\n")
	var lines []*series
	line := func(call string, p *point) *series {
		name := call + ", " + p.name
		for _, l := range lines {
			if l.name == name {
				return l
			}
		}
		lines = append(lines, &series{name: name, dashed: p.name != "SQLite"})
		return lines[len(lines)-1]
	}
	least := map[string]*point{}
	for _, p := range points {
		s.line("| %s | %s | %s | %s | %v | %s | %s | %s |\n", p.name, thousands(p.users), thousands(perUser*p.users), thousands(int(p.onDisk)), p.filled.Round(10*time.Millisecond),
			ns(median(p.account)), ns(median(p.start)), ns(median(p.swap)))
		line("account by login id", p).add(float64(p.users), median(p.account))
		line("start a session", p).add(float64(p.users), median(p.start))
		line("swap a refresh token", p).add(float64(p.users), median(p.swap))
		if first, ok := least[p.name]; !ok {
			least[p.name] = p
		} else if p.users == points[len(points)-1].users {
			s.fact("%s with %s users and %s sessions: account by login id %s, start a session %s, swap a refresh token %s of what they cost with %s users",
				p.name, thousands(p.users), thousands(perUser*p.users), times(median(p.account)/median(first.account)),
				times(median(p.start)/median(first.start)), times(median(p.swap)/median(first.swap)), thousands(first.users))
		}
	}
	const title = "Cost of a call of the store as users grow"
	s.plots["performance-users.svg"] = plot(title+" (5 sessions each)", "users", lines)
	s.line("\n![%s](performance-users.svg)\n\n", title)
}

// probeRounds are how many rounds of how many calls of each kind a point has.
func (s *suite) probeRounds() (rounds, calls int) {
	if s.quick {
		return 5, 20
	}
	return 20, 50
}
