package main

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/usherkit/usher/cookies"
	"github.com/usherkit/usher/middleware"
)

const (
	usherBearer      = "Usher, bearer token"
	usherSealed      = "Usher, sealed cookie"
	usherPlain       = "Usher, plain cookie"
	usherFirstBearer = "Usher, first sight of a token"
	usherFirstSealed = "Usher, first sight of a sealed cookie"
)

// referenceLimit is how much more than the reference cache a request may cost: 600 ns
// where the reference cache takes 440 ns.
const referenceLimit = 600.0 / 440

// usherBenchmarks are protected requests with all checks: signature, times, issuer,
// audience, type, key still in the set, and a list of 100,000 revocations.
func (f *fixture) usherBenchmarks() ([]benchmark, error) {
	var list []benchmark
	add := func(name, note string, jar *cookies.Jar, r *http.Request, cacheBytes int) error {
		v, err := f.verifier(cacheBytes)
		if err != nil {
			return err
		}
		cfg := middleware.Config{Validator: v, Logger: quiet}
		if jar != nil {
			cfg.Cookies = jar
		}
		m, err := middleware.New(cfg)
		if err != nil {
			return err
		}
		subject := func(r *http.Request) string { return middleware.Subject(r.Context()) }
		h := m.Require(protectedHandler(subject, userID))
		list = append(list, benchmark{name: name, note: note, run: serveRepeatedly(h, r, false)})
		return nil
	}
	sealed, withSealed, err := f.withCookies(cookies.Config{})
	if err != nil {
		return nil, err
	}
	plain, withPlain, err := f.withCookies(cookies.Config{Plain: true})
	if err != nil {
		return nil, err
	}
	uncached, withUncached, err := f.withCookies(cookies.Config{CacheBytes: -1})
	if err != nil {
		return nil, err
	}
	err = errors.Join(
		add(usherBearer, "", nil, f.bearer(), 0),
		add(usherSealed, "", sealed, withSealed, 0),
		add(usherPlain, "", plain, withPlain, 0),
		add(usherFirstBearer, "caches off", nil, f.bearer(), -1),
		add(usherFirstSealed, "caches off", uncached, withUncached, -1),
	)
	return list, err
}

// protected measures Usher, other libraries and lower bounds in turn.
func (s *suite) protected() error {
	f, err := newFixture()
	if err != nil {
		return err
	}
	defer f.keyServer.Close()
	bounds, err := f.lowerBounds()
	if err != nil {
		return err
	}
	own, err := f.usherBenchmarks()
	if err != nil {
		return err
	}
	jwts, err := f.jwtPeers()
	if err != nil {
		return err
	}
	session, err := sessionPeer()
	if err != nil {
		return err
	}
	all := append(append(append(bounds, own...), jwts...), session)
	results, err := interleave(s.ctx, all, s.rounds, s.each)
	if err != nil {
		return err
	}
	bearer := find(results, usherBearer)
	s.section("A protected request", fmt.Sprintf("One goroutine, from the request in memory to the handler that reads the subject. CPU time of the process with garbage collection, which other work on the machine does not change. ES256 token of %d bytes, %d rounds of %v for each row, in turn.", len(f.raw), s.rounds, s.each))
	s.header("", "of Usher's with a bearer token", "median", "least – most", "allocations", "bytes", "")
	for _, r := range results {
		s.row(r.name, times(median(r.cpu)/median(bearer.cpu)), nanos(median(r.cpu)), formatRange(r.cpu, nanos), fmt.Sprintf("%.0f", r.allocs), fmt.Sprintf("%.0f", r.bytes), r.note)
	}
	s.judgeProtected(results, jwts)
	return s.floodCache(f)
}

func (s *suite) judgeProtected(results []*result, jwts []benchmark) {
	cost := func(name string) float64 { return median(find(results, name).cpu) }
	fastest := peerKeyfunc
	for _, peer := range jwts {
		if cost(peer.name) < cost(fastest) {
			fastest = peer.name
		}
	}
	for _, name := range []string{usherBearer, usherSealed, usherPlain} {
		r := find(results, name)
		s.goal(name+": at most 1.36 of the reference cache", fmt.Sprintf("%.0f ns, reference %.0f ns", cost(name), cost(caseReference)),
			fmt.Sprintf("%.2f", cost(name)/cost(caseReference)), cost(name) <= referenceLimit*cost(caseReference))
		s.goal(name+": at most 3 allocations", fmt.Sprintf("%.0f", r.allocs), "", r.allocs < 3.05)
		s.goal(name+": 100 times faster than the fastest JWT library ("+fastest+")", fmt.Sprintf("%.0f ns, %s", cost(name), nanos(cost(fastest))),
			times(cost(fastest)/cost(name)), cost(fastest) >= 100*cost(name))
	}
	first, verify := cost(usherFirstBearer), cost(caseVerify)
	s.goal("first sight of a token: at most 1.3 of `ecdsa.Verify`", nanos(first)+", `ecdsa.Verify` "+nanos(verify),
		fmt.Sprintf("%.2f", first/verify), first <= 1.3*verify)
	s.note("golang-jwt with keyfunc takes %.2f of `ecdsa.Verify`", cost(peerKeyfunc)/verify)
	for _, name := range []string{peerKeyfunc, peerDescope, peerAuth0, peerSCS} {
		s.summary = append(s.summary, fmt.Sprintf("| %s | %s | %s | %.0f |", name, times(cost(name)/cost(usherSealed)), nanos(cost(name)), find(results, name).allocs))
	}
}
