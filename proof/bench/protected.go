package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"time"

	"github.com/usherkit/usher/cookies"
	"github.com/usherkit/usher/token"
)

const (
	usherBearer = "Usher, bearer"
	usherSealed = "Usher, sealed cookie"
	usherPlain  = "Usher, plain cookie"
	usherFirst  = "Usher, first sight of a token"
	usherOpen   = "Usher, first sight of a sealed cookie"
)

// usherJobs are a protected request with every check in force: signature, time, the
// key still in the set, issuer, audience, type, and 100,000 revocations to look in.
func (w *world) usherJobs() ([]job, error) {
	var jobs []job
	add := func(name, note string, jar *cookies.Jar, r *http.Request, cacheBytes int) error {
		v, err := w.newVerifier(cacheBytes)
		if err != nil {
			return err
		}
		h, err := w.usher(jar, v)
		if err != nil {
			return err
		}
		jobs = append(jobs, job{name: name, note: note, run: serve(h, r, false)})
		return nil
	}
	sealed, sealedRequest, err := w.withCookies(cookies.Config{Secret: secret})
	if err != nil {
		return nil, err
	}
	plain, plainRequest, err := w.withCookies(cookies.Config{Secret: secret, Plain: true})
	if err != nil {
		return nil, err
	}
	opening, openingRequest, err := w.withCookies(cookies.Config{Secret: secret, CacheBytes: -1})
	if err != nil {
		return nil, err
	}
	return jobs, errors.Join(
		add(usherBearer, "", nil, w.bearer(), 0),
		add(usherSealed, "", sealed, sealedRequest, 0),
		add(usherPlain, "", plain, plainRequest, 0),
		add(usherFirst, "the caches off", nil, w.bearer(), -1),
		add(usherOpen, "the caches off", opening, openingRequest, -1),
	)
}

// protected measures Usher, its peers and the limits, interleaved.
func (s *suite) protected() error {
	w, err := newWorld()
	if err != nil {
		return err
	}
	defer w.keyServer.Close()
	jobs, err := w.limitJobs()
	if err != nil {
		return err
	}
	own, err := w.usherJobs()
	if err != nil {
		return err
	}
	jwts, err := w.jwtPeers()
	if err != nil {
		return err
	}
	jobs = append(append(jobs, own...), jwts...)
	peers, err := sessionPeers()
	if err != nil {
		return err
	}
	for _, p := range peers {
		j, err := p.protectedJob()
		if err != nil {
			return err
		}
		jobs = append(jobs, j)
	}
	results, err := interleave(jobs, s.rounds, s.each)
	if err != nil {
		return err
	}
	byCPU(results)
	bearer, err := find(results, usherBearer)
	if err != nil {
		return err
	}
	s.section("A protected request", fmt.Sprintf("One goroutine; from the request in memory to the handler that reads `sub`. CPU time of the process, collection of garbage included, so that other work on the machine does not count. ES256 token of %d bytes; %d rounds of some %v each, interleaved.", len(w.raw), s.rounds, s.each))
	s.table(results, bearer)

	parallel := []job{}
	for _, j := range append(jobs[4:5:5], own[:3]...) {
		parallel = append(parallel, onAllCores(j))
	}
	both, err := interleave(parallel, s.rounds, s.each)
	if err != nil {
		return err
	}
	byCPU(both)
	bearerBoth, err := find(both, usherBearer)
	if err != nil {
		return err
	}
	s.section("The same on all cores", fmt.Sprintf("%d goroutines send the same token; CPU time for each request.", runtime.GOMAXPROCS(0)))
	s.table(both, bearerBoth)
	if err := errors.Join(s.judgeProtected(results), s.judgeParallel(both)); err != nil {
		return err
	}
	return s.holding(w)
}

func (s *suite) judgeProtected(results []result) error {
	get := func(name string) result {
		r, err := find(results, name)
		if err != nil {
			panic(err)
		}
		return r
	}
	sketch := get(caseSketch)
	most := 600.0 / 440 * sketch.median()
	fastest := get(peerKeyfunc)
	for _, name := range jwtPeerNames {
		if r := get(name); r.median() < fastest.median() {
			fastest = r
		}
	}
	for _, name := range []string{usherBearer, usherSealed, usherPlain} {
		r := get(name)
		s.goal("2", name+": at most 600 ns where the sketch takes 440", fmt.Sprintf("%.0f ns, the sketch %.0f ns", r.median(), sketch.median()),
			fmt.Sprintf("%.2f of 1.36", r.median()/sketch.median()), r.median() <= most)
		s.goal("2", name+": at most 3 allocations", fmt.Sprintf("%.1f", r.allocs), "", r.allocs < 3.05)
		s.goal("2", name+": 100 times faster than the fastest JWT peer ("+fastest.name+")", fmt.Sprintf("%.0f ns to %.0f ns", r.median(), fastest.median()),
			fmt.Sprintf("%.0f ×", fastest.median()/r.median()), fastest.median() >= 100*r.median())
	}
	first, verify := get(usherFirst), get(caseVerify)
	s.goal("2", "first sight of a token at most 1.3 of raw ecdsa.Verify", fmt.Sprintf("%.0f ns to %.0f ns", first.median(), verify.median()),
		fmt.Sprintf("%.2f", first.median()/verify.median()), first.median() <= 1.3*verify.median())
	s.fact("golang-jwt with keyfunc to raw ecdsa.Verify, same run: %.2f", get(peerKeyfunc).median()/verify.median())
	sealed := get(usherSealed)
	for _, name := range []string{peerKeyfunc, peerDescope, peerAuth0, peerSCS, peerAuthboss} {
		r := get(name)
		s.short = append(s.short, fmt.Sprintf("| %s | %s | %s | %.0f |", name, times(r.median()/sealed.median()), ns(r.median()), r.allocs))
	}
	return nil
}

func (s *suite) judgeParallel(results []result) error {
	sketch, err := find(results, caseSketch)
	if err != nil {
		return err
	}
	for _, r := range results {
		if r.name != caseSketch {
			s.goal("2", r.name+", all cores: at most 1.36 of the sketch there", fmt.Sprintf("%.0f ns, the sketch %.0f ns", r.median(), sketch.median()),
				fmt.Sprintf("%.2f", r.median()/sketch.median()), r.median() <= 600.0/440*sketch.median())
		}
	}
	return nil
}

// holding floods the cache: the working set must still be found, the memory must
// stay bounded.
func (s *suite) holding(w *world) error {
	floodKey, err := token.SharedSecret("flood", token.Secret(strings.Repeat("f", 32)))
	if err != nil {
		return err
	}
	const floodIssuer = "https://flood.example.com"
	cfg := token.VerifierConfig{
		Issuers: []token.Issuer{
			{URL: issuerURL, Audiences: []string{audience}, Keys: w.keys},
			{URL: floodIssuer, Audiences: []string{audience}, Keys: floodKey, Algorithms: []token.Algorithm{token.HS256}},
		},
		Revocations: w.revocations,
	}
	verifier, err := token.NewVerifier(cfg)
	if err != nil {
		return err
	}
	calm, err := token.NewVerifier(cfg) // which sees no flood
	if err != nil {
		return err
	}
	// A working set of 2,000 sessions that are seen again and again.
	ctx := context.Background()
	working := make([]string, 2000)
	held := make([]*token.Claims, len(working))
	for n := range working {
		p, err := w.issue(fmt.Sprint("working-", n), 10)
		if err != nil {
			return err
		}
		working[n] = p.Session.Reveal()
		for range 2 {
			if held[n], err = verifier.ValidateSession(ctx, working[n]); err != nil {
				return err
			}
			if _, err := calm.ValidateSession(ctx, working[n]); err != nil {
				return err
			}
		}
	}
	inTurn := func(v *token.Verifier) func(n int) error {
		next := 0
		return func(n int) error {
			for range n {
				if _, err := v.ValidateSession(ctx, working[next%len(working)]); err != nil {
					return err
				}
				next += 7
			}
			return nil
		}
	}
	var mem runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&mem)
	heap := mem.HeapAlloc
	flood, err := newFlood(floodIssuer)
	if err != nil {
		return err
	}
	began := time.Now()
	for n := range s.flood {
		raw := flood.token(n)
		if _, err := verifier.ValidateSession(ctx, raw); err != nil {
			return fmt.Errorf("flood: %w", err)
		}
		if n%4 == 0 { // and a forged one
			if _, err := verifier.ValidateSession(ctx, raw[:len(raw)-8]+"AAAAAAAA"); err == nil {
				return errors.New("a forged token was accepted")
			}
		}
	}
	took := time.Since(began)
	runtime.GC()
	runtime.ReadMemStats(&mem)
	grown := float64(int64(mem.HeapAlloc)-int64(heap)) / (1 << 20)
	kept := 0
	for n, raw := range working {
		if c, err := verifier.ValidateSession(ctx, raw); err != nil {
			return err
		} else if c == held[n] {
			kept++
		}
	}
	hits, err := interleave([]job{{name: "calm", run: inTurn(calm)}, {name: "flooded", run: inTurn(verifier)}}, s.rounds, s.each)
	if err != nil {
		return err
	}
	byCPU(hits)
	before, after := hits[0], hits[1]
	s.section("After a flood", fmt.Sprintf("2,000 working sessions, then %d sessions that are each seen once and %d forged tokens (%v), 100,000 revocations in the list, default cache of 32 MiB.", s.flood, s.flood/4, took.Round(time.Second)))
	s.line("| | a verifier that saw no flood | after the flood |\n|---|---|---|\n| validate a session of the working set, in turn | %.0f ns | %.0f ns |\n| of 2,000 still in the cache | 2,000 | %d |\n| heap that the flood left behind | | %.1f MiB |\n", before.median(), after.median(), kept, grown)
	s.goal("2", "the working set stays in the cache through the flood", fmt.Sprintf("%d of %d", kept, len(working)), "", kept == len(working))
	s.goal("2", "a hit costs as much after it", fmt.Sprintf("%.0f ns to %.0f ns", before.median(), after.median()), fmt.Sprintf("%.2f", after.median()/before.median()), after.median() <= 1.5*before.median())
	s.goal("2", "the flood does not grow the cache over its 32 MiB", fmt.Sprintf("%.1f MiB", grown), "", grown <= 32)
	if s.flood < 1_000_000 {
		s.fact("the flood was cut to %d sessions in this run (the goal names 1,000,000)", s.flood)
	}
	return nil
}
