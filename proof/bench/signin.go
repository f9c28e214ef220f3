package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/cookies"
	"github.com/usherkit/usher/handlers"
	pw "github.com/usherkit/usher/password"
	"github.com/usherkit/usher/storetest"
)

const (
	caseBare    = "bare Argon2id (64 MiB, 3 passes, 4 lanes)"
	usherSQLite = "Usher on SQLite, synchronous=FULL"
	usherMemory = "Usher, store in memory"
)

// newHandlers returns all routes of a service with the users 0 to n-1.
func newHandlers(store usher.Store, n int, hashing pw.HasherConfig, change func(*usher.Config)) (*usher.Service, http.Handler, error) {
	hash, err := hashOnce(hashing)
	if err != nil {
		return nil, nil, err
	}
	if err := seed(store, n, hash); err != nil {
		return nil, nil, err
	}
	service, err := newService(store, func(c *usher.Config) {
		c.Hashing = hashing
		if change != nil {
			change(c)
		}
	})
	if err != nil {
		return nil, nil, err
	}
	jar, err := cookies.New(cookies.Config{Secret: secret, Logger: quiet})
	if err != nil {
		return nil, nil, err
	}
	h, err := handlers.New(service, handlers.Config{Cookies: jar, Logger: quiet, Timeout: time.Minute})
	return service, h, err
}

func signInJob(name, note string, h http.Handler, request func(n int) *http.Request) job {
	var next atomic.Int64
	return job{name: name, note: note, run: func(n int) error {
		for range n {
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, request(int(next.Add(1))))
			if rec.Code >= 400 || len(rec.Result().Cookies()) == 0 {
				return fmt.Errorf("sign-in answers %d: %s", rec.Code, rec.Body)
			}
		}
		return nil
	}}
}

func usherSignIn(users int) func(n int) *http.Request {
	return func(n int) *http.Request {
		r := httptest.NewRequest("POST", issuerURL+"/signin", strings.NewReader(signInBody(n%users)))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		return r
	}
}

func bareJob() job {
	return job{name: caseBare, run: func(n int) error {
		for range n {
			if len(argon(password)) != 32 {
				return errors.New("no hash")
			}
		}
		return nil
	}}
}

// signIn measures a whole sign-in beside the hash that it contains.
func (s *suite) signIn() error {
	const users = 50
	file, err := s.openSQLite("signin.db")
	if err != nil {
		return err
	}
	defer file.Close()
	// A long queue: on a busy machine the third of three clients could else get 429.
	hashing := pw.HasherConfig{QueueWait: time.Minute}
	service, onFile, err := newHandlers(file, users, hashing, nil)
	if err != nil {
		return err
	}
	defer service.Close()
	memory, inMemory, err := newHandlers(storetest.NewMemory(), users, hashing, nil)
	if err != nil {
		return err
	}
	defer memory.Close()
	jobs := []job{
		bareJob(),
		signInJob(usherSQLite, "throttling, session, audit, durable", onFile, usherSignIn(users)),
		signInJob(usherMemory, "throttling, session, audit", inMemory, usherSignIn(users)),
	}
	peers, err := sessionPeers()
	if err != nil {
		return err
	}
	for _, p := range peers {
		jobs = append(jobs, signInJob(p.name, "one user in a map; no throttle, no audit", p.signIn, func(int) *http.Request { return p.signInRequest() }))
	}
	rounds := 2 * s.rounds
	results, err := signInsAlike(jobs, rounds)
	if err != nil {
		return err
	}
	s.section("A sign-in", fmt.Sprintf("One at a time, from the request in memory to the answer with its cookie; everybody computes the same Argon2id; %d rounds of %d sign-ins each, interleaved. %s The JWT libraries have no sign-in.", rounds, atOnce, alike))
	s.table(results, results[0])
	if err := s.besideTheHash("sign-in on SQLite at most 1.05 of the bare hash", 1.05, jobs[1]); err != nil {
		return err
	}
	if err := s.hashAfterSync(); err != nil {
		return err
	}
	return s.signInThroughput(file, onFile, users)
}

// signInThroughput keeps all cores busy, in turn with bare hashes and with sign-ins.
func (s *suite) signInThroughput(_ usher.Store, h http.Handler, users int) error {
	cores := runtime.GOMAXPROCS(0)
	period := 2 * time.Second
	rounds := s.rounds
	if s.quick {
		period, rounds = time.Second, 2
	}
	bare, signIn := bareJob(), signInJob(usherSQLite, "", h, usherSignIn(users))
	var ratios, perSecond, bareSecond []float64
	for range rounds {
		hashes, err := throughput(bare, cores, period)
		if err != nil {
			return err
		}
		signIns, err := throughput(signIn, cores+1, period) // one more than slots: none is idle while another writes
		if err != nil {
			return err
		}
		bareSecond, perSecond, ratios = append(bareSecond, hashes), append(perSecond, signIns), append(ratios, signIns/hashes)
	}
	s.line("\nWith all %d cores busy, %d rounds of %v each: bare hash %.1f a second, sign-in on SQLite %.1f a second.\n", cores, rounds, period, median(bareSecond), median(perSecond))
	s.goalOfRounds("3", "sign-ins a second at least 0.95 of bare hashes, all cores busy", fmt.Sprintf("%.1f to %.1f", median(perSecond), median(bareSecond)), ratios, "%.3f", 0.95, false)
	return nil
}

// throughput runs a job from many goroutines and returns how many a second.
func throughput(j job, clients int, period time.Duration) (float64, error) {
	ctx, cancel := context.WithTimeout(context.Background(), period)
	defer cancel()
	var done atomic.Int64
	errs := make([]error, clients)
	var wg sync.WaitGroup
	began := time.Now()
	for c := range clients {
		wg.Go(func() {
			for ctx.Err() == nil {
				if errs[c] = j.run(1); errs[c] != nil {
					return
				}
				done.Add(1)
			}
		})
	}
	wg.Wait()
	return float64(done.Load()) / time.Since(began).Seconds(), errors.Join(errs...)
}
