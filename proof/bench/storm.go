package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/usherkit/usher/password"
)

const (
	clientsCommand = "clients" // makes this program the clients of a storm
	stormTime      = 10 * time.Second
)

// stormClients describes the clients of a storm to their process.
type stormClients struct {
	Base  string
	Users int
}

// stormAnswers is what the clients got.
type stormAnswers struct {
	SignedIn, Busy, Other int
	Longest               time.Duration
}

// signInClients signs many users in at the same moment. A client that gets 429 tries
// again after Retry-After and up to a second more, for ten seconds in all. The clients
// have their own process, so that their work does not delay the measured requests.
func signInClients(settings string) error {
	var set stormClients
	if err := json.Unmarshal([]byte(settings), &set); err != nil {
		return err
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: set.Users}, Timeout: time.Minute}
	var mu sync.Mutex
	var total stormAnswers
	end := time.Now().Add(stormTime)
	_, err := concurrently(set.Users, 1, func(user int) error {
		for time.Now().Before(end) {
			began := time.Now()
			answer, _, err := postSignIn(client, set.Base+"/auth/signin", user)
			took := time.Since(began)
			status, wait := 0, 0
			if err == nil {
				status = answer.StatusCode
				wait, _ = strconv.Atoi(answer.Header.Get("Retry-After"))
			}
			mu.Lock()
			total.Longest = max(total.Longest, took)
			switch {
			case status == http.StatusOK:
				total.SignedIn++
			case status == http.StatusTooManyRequests && wait > 0:
				total.Busy++
			default:
				total.Other++
			}
			mu.Unlock()
			if status != http.StatusTooManyRequests || wait == 0 {
				return nil
			}
			time.Sleep(time.Duration(wait)*time.Second + rand.N(time.Second))
		}
		return nil
	})
	return errors.Join(err, json.NewEncoder(os.Stdout).Encode(total))
}

// stormResult is what a storm did to a server and to other requests.
type stormResult struct {
	stormAnswers
	before, first, during []time.Duration // protected requests: before, in the first second, in all
	base, peak            float64         // MiB resident
}

// storm measures protected requests while 500 users sign in at the same moment.
func (s *suite) storm() error {
	users := 500
	if s.quick {
		users = 50
	}
	db, err := s.newDatabase("storm.db", users+1, password.HasherConfig{})
	if err != nil {
		return err
	}
	hasher, err := password.NewHasher(password.HasherConfig{})
	if err != nil {
		return err
	}
	cores, slots := runtime.GOMAXPROCS(0), hasher.Slots()
	procs := cores + slots*hashLanes
	normal, err := s.stormOn(serverSettings{DB: db}, users)
	if err != nil {
		return err
	}
	wide, err := s.stormOn(serverSettings{DB: db, Procs: procs}, users)
	if err != nil {
		return err
	}
	s.section("A storm of sign-ins", fmt.Sprintf("%d users sign in at the same moment, with the default hash and its default limit of %d concurrent hashes. A client that gets 429 tries again after `Retry-After`, for %v. Meanwhile 8 connections send a protected request every 5 ms. The server, the %d clients and the 8 connections are three processes on the same %d cores. In the second column, `GOMAXPROCS` is the number of cores plus the threads of all concurrent hashes, so that the kernel shares the cores out between hashes and requests.", users, slots, stormTime, users, cores))
	s.header("", "default", fmt.Sprintf("GOMAXPROCS=%d", procs))
	both := func(name string, cell func(*stormResult) string) { s.row(name, cell(normal), cell(wide)) }
	both("signed in", func(r *stormResult) string { return fmt.Sprint(r.SignedIn) })
	both("429 with Retry-After", func(r *stormResult) string { return fmt.Sprint(r.Busy) })
	both("other answers", func(r *stormResult) string { return fmt.Sprint(r.Other) })
	both("longest wait for an answer", func(r *stormResult) string { return r.Longest.Round(time.Millisecond).String() })
	both("resident before, at the peak", func(r *stormResult) string { return fmt.Sprintf("%.0f MiB, %.0f MiB", r.base, r.peak) })
	both("protected request before the storm: median, p99", func(r *stormResult) string { return medianP99(r.before) })
	both("protected request during the storm: median, p99", func(r *stormResult) string { return medianP99(r.during) })
	both("protected request in its first second: median, p99", func(r *stormResult) string { return medianP99(r.first) })
	storm := fmt.Sprintf("%d sign-ins at once: ", users)
	bound := normal.base + float64(slots*2*hashMemory>>10+64)
	s.goal(storm+"peak memory at most the memory before + concurrent hashes × 128 MiB + 64 MiB", fmt.Sprintf("%.0f MiB, limit %.0f MiB", normal.peak, bound), fmt.Sprintf("%.2f", normal.peak/bound), normal.peak <= bound)
	for _, r := range []*stormResult{normal, wide} {
		name := storm + "protected requests have a p99 under 5 ms"
		if r == wide {
			name += fmt.Sprintf(" (GOMAXPROCS=%d)", procs)
		}
		p99 := percentile(r.during, 0.99)
		s.goal(name, nanos(p99), "", p99 < 5*time.Millisecond)
	}
	s.goal(storm+"those that wait too long get 429", fmt.Sprintf("%d signed in, %d times 429, %d other answers", normal.SignedIn, normal.Busy, normal.Other), "", normal.Busy > 0 && normal.Other == 0)
	return nil
}

func medianP99(list []time.Duration) string {
	return nanos(median(list)) + ", " + nanos(percentile(list, 0.99))
}

// stormOn starts a server and measures requests before and during a storm.
func (s *suite) stormOn(set serverSettings, users int) (*stormResult, error) {
	srv, err := startServer(set, users) // signs in the user after the last client's
	if err != nil {
		return nil, err
	}
	defer srv.stop()
	var r stormResult
	request := srv.request("/protected", "Authorization: Bearer "+srv.bearer)
	probe := func(period time.Duration) ([]time.Duration, error) {
		return srv.send(s.ctx, request, 8, period, 5*time.Millisecond)
	}
	if r.before, err = probe(3 * time.Second); err != nil {
		return nil, err
	}
	if r.base, err = srv.memory("VmRSS"); err != nil {
		return nil, err
	}
	// 5 resets the peak to what is resident (proc(5), clear_refs).
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", srv.pid), []byte("5"), 0); err != nil {
		return nil, err
	}
	clients, err := selfCommand(clientsCommand, stormClients{srv.base, users})
	if err != nil {
		return nil, err
	}
	var out strings.Builder
	clients.Stdout = &out
	if err := clients.Start(); err != nil {
		return nil, err
	}
	first, firstErr := probe(time.Second)
	rest, restErr := probe(stormTime - time.Second)
	if err := errors.Join(firstErr, restErr, clients.Wait()); err != nil {
		return nil, fmt.Errorf("during the storm: %w", err)
	}
	r.first, r.during = first, append(first, rest...)
	if r.peak, err = srv.memory("VmHWM"); err != nil {
		return nil, err
	}
	return &r, json.Unmarshal([]byte(out.String()), &r.stormAnswers)
}
