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
)

// stormClients describes the clients of a storm to their process.
type stormClients struct {
	Base  string
	Users int
	Time  time.Duration
}

// stormAnswers is what the clients got.
type stormAnswers struct {
	SignedIn, Busy, Other int
	Longest               time.Duration
}

// signInClients signs many users in at the same moment. A client that gets 429 tries
// again after Retry-After and up to a second more, for Time in all. The clients
// have their own process, so that their work does not delay the measured requests.
func signInClients(settings string) error {
	var set stormClients
	if err := json.Unmarshal([]byte(settings), &set); err != nil {
		return err
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: set.Users}, Timeout: time.Minute}
	var mu sync.Mutex
	var total stormAnswers
	end := time.Now().Add(set.Time)
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

// stormResult is what storms did to servers and to other requests.
type stormResult struct {
	stormAnswers
	p50, p99   []float64 // of the protected requests of each round
	base, peak float64   // MiB resident
	seconds    float64   // of all storms
}

// variant is one server in a comparison of storms. Its requests are measured while users
// sign in, or beside a process that only hashes.
type variant struct {
	name  string
	set   serverSettings
	floor bool
	stormResult
}

// compareStorms measures the variants in turn, round by round.
func (s *suite) compareStorms(users, rounds int, list []*variant) error {
	period := 10 * time.Second
	if s.quick {
		period = 3 * time.Second
	}
	for round := range rounds {
		for k := range list {
			v := list[(k+round)%len(list)]
			if err := s.stormOn(v, users, period); err != nil {
				return fmt.Errorf("%s: %w", v.name, err)
			}
			fmt.Fprintf(os.Stderr, "  round %d, %s: median %s, p99 %s\n", round, v.name, nanos(v.p50[len(v.p50)-1]), nanos(v.p99[len(v.p99)-1]))
		}
	}
	return nil
}

// stormOn starts a server and measures its requests for a period.
func (s *suite) stormOn(v *variant, users int, period time.Duration) error {
	srv, err := startServer(v.set, users) // signs in the user after the last client's
	if err != nil {
		return err
	}
	defer srv.stop()
	request := srv.request("/protected", "Authorization: Bearer "+srv.bearer)
	probe := func(period time.Duration) ([]time.Duration, error) {
		return srv.send(s.ctx, request, 8, period, 5*time.Millisecond)
	}
	if _, err := probe(time.Second); err != nil { // warms up
		return err
	}
	base, err := srv.memory("VmRSS")
	if err != nil {
		return err
	}
	// 5 resets the peak to what is resident (proc(5), clear_refs).
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", srv.pid), []byte("5"), 0); err != nil {
		return err
	}
	beside, err := selfCommand(clientsCommand, stormClients{srv.base, users, period})
	if v.floor {
		beside, err = selfCommand(hashCommand, v.set.hashSettings)
	}
	if err != nil {
		return err
	}
	var out strings.Builder
	beside.Stdout = &out
	in, err := beside.StdinPipe()
	if err := errors.Join(err, beside.Start()); err != nil {
		return err
	}
	took, err := probe(period)
	if err := errors.Join(err, in.Close(), beside.Wait()); err != nil {
		return fmt.Errorf("during the storm: %w", err)
	}
	peak, err := srv.memory("VmHWM")
	if err != nil {
		return err
	}
	v.p50, v.p99 = append(v.p50, float64(median(took))), append(v.p99, float64(percentile(took, 0.99)))
	v.base, v.peak = max(v.base, base), max(v.peak, peak)
	if v.floor {
		return nil
	}
	var answers stormAnswers
	if err := json.Unmarshal([]byte(out.String()), &answers); err != nil {
		return err
	}
	v.SignedIn += answers.SignedIn
	v.Busy += answers.Busy
	v.seconds += period.Seconds()
	v.Other += answers.Other
	v.Longest = max(v.Longest, answers.Longest)
	return nil
}

// stormUsers returns how many users sign in at once.
func (s *suite) stormUsers() int {
	if s.quick {
		return 50
	}
	return 500
}

// storm measures protected requests while 500 users sign in at the same moment, beside
// the floor of the same run.
func (s *suite) storm() error {
	users := s.stormUsers()
	db, err := s.newDatabase("storm.db", users+1, password.HasherConfig{})
	if err != nil {
		return err
	}
	hasher, err := password.NewHasher(password.HasherConfig{})
	if err != nil {
		return err
	}
	slots := hasher.Slots()
	normal := &variant{name: "storm", set: serverSettings{DB: db}}
	floor := &variant{name: "floor", set: serverSettings{DB: db}, floor: true}
	if err := s.compareStorms(users, 3*s.rounds, []*variant{normal, floor}); err != nil {
		return err
	}
	s.section("A storm of sign-ins", fmt.Sprintf("%d users sign in at the same moment, with the default hash and its default limit of %d concurrent hashes. A client that gets 429 tries again after `Retry-After`, for 10 s. Meanwhile 8 connections send a protected request every 5 ms. The server, the %d clients and the 8 connections are three processes on the same %d cores. The floor is a server to which no user signs in, beside another process that keeps as many concurrent hashes running and does nothing else. %d rounds in turn; median of the rounds, and their range.", users, slots, users, runtime.NumCPU(), len(normal.p99)))
	s.header("", "storm", "floor")
	both := func(name string, cell func(*variant) string) { s.row(name, cell(normal), cell(floor)) }
	both("protected request: median", func(v *variant) string { return nanos(median(v.p50)) })
	both("protected request: p99", func(v *variant) string {
		return nanos(median(v.p99)) + " (" + formatRange(v.p99, nanos[float64]) + ")"
	})
	s.row("signed in, each round", fmt.Sprint(normal.SignedIn/len(normal.p99)), "")
	s.row("429 with Retry-After, each round", fmt.Sprint(normal.Busy/len(normal.p99)), "")
	s.row("other answers", fmt.Sprint(normal.Other), "")
	s.row("longest wait for an answer", normal.Longest.Round(time.Millisecond).String(), "")
	both("resident before, at the peak", func(v *variant) string { return fmt.Sprintf("%.0f MiB, %.0f MiB", v.base, v.peak) })
	what := fmt.Sprintf("%d sign-ins at once: ", users)
	bound := normal.base + float64(slots*2*hashMemory>>10+64)
	s.goal(what+"peak memory at most the memory before + concurrent hashes × 128 MiB + 64 MiB", fmt.Sprintf("%.0f MiB, limit %.0f MiB", normal.peak, bound), fmt.Sprintf("%.2f", normal.peak/bound), normal.peak <= bound)
	s.goalOfRounds(what+"p99 of protected requests at most 1.5 of the floor", nanos(median(normal.p99))+", floor "+nanos(median(floor.p99)), normal.ratios(floor), "%.2f", 1.5, true)
	s.goal(what+"those that wait too long get 429", fmt.Sprintf("%d signed in, %d times 429, %d other answers", normal.SignedIn, normal.Busy, normal.Other), "", normal.Busy > 0 && normal.Other == 0)
	return nil
}

// ratios returns the p99 of each round as a multiple of that of another variant.
func (v *variant) ratios(of *variant) []float64 {
	ratios := make([]float64, len(v.p99))
	for round := range v.p99 {
		ratios[round] = v.p99[round] / of.p99[round]
	}
	return ratios
}
