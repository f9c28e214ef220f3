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

// stormRound has the figures of one server in one round.
type stormRound struct {
	stormAnswers
	p50, p99   float64 // of the protected requests, in nanoseconds
	base, peak float64 // MiB resident
	seconds    float64
}

// variant is one server in a comparison of storms. Its requests are measured while users
// sign in, or beside a process that only hashes.
type variant struct {
	name  string
	set   serverSettings
	floor bool

	stormAnswers
	p50, p99            []float64 // of each round
	base, peak, seconds float64
}

// add adds a round to what was measured of the variant.
func (v *variant) add(r stormRound) {
	v.p50, v.p99 = append(v.p50, r.p50), append(v.p99, r.p99)
	v.base, v.peak, v.seconds = max(v.base, r.base), max(v.peak, r.peak), v.seconds+r.seconds
	v.SignedIn, v.Busy, v.Other = v.SignedIn+r.SignedIn, v.Busy+r.Busy, v.Other+r.Other
	v.Longest = max(v.Longest, r.Longest)
}

// mostStolen is the share of the processors' time that other virtual machines may take in a
// round. With more, a request waits for them, and not for the server.
const mostStolen = 0.01

// compareStorms measures the variants in turn, round by round. A round in which other virtual
// machines took more than mostStolen is measured again. It returns the number of rounds that were
// measured again, and fails if there were more than 2*rounds of them.
func (s *suite) compareStorms(users, rounds int, list []*variant) (repeated int, err error) {
	period := 10 * time.Second
	if s.quick {
		period = 3 * time.Second
	}
	for done := 0; done < rounds; {
		measured, most := make([]stormRound, len(list)), 0.0
		for k := range list {
			i := (k + done) % len(list)
			before, err := processorTimes()
			if err != nil {
				return 0, err
			}
			if measured[i], err = s.stormOn(list[i], users, period); err != nil {
				return 0, fmt.Errorf("%s: %w", list[i].name, err)
			}
			after, err := processorTimes()
			if err != nil {
				return 0, err
			}
			stolen := (after.stolen - before.stolen) / (after.all - before.all)
			most = max(most, stolen)
			fmt.Fprintf(os.Stderr, "  round %d, %s: median %s, p99 %s; stolen %.1f %%\n", done, list[i].name, nanos(measured[i].p50), nanos(measured[i].p99), 100*stolen)
		}
		if most > mostStolen {
			if repeated++; repeated > 2*rounds {
				return 0, fmt.Errorf("other virtual machines took more than %.0f %% of the processors in %d rounds", 100*mostStolen, repeated)
			}
			continue
		}
		for i, v := range list {
			v.add(measured[i])
		}
		done++
	}
	return repeated, nil
}

// processorTime is the time of all processors since the start of the machine, in ticks.
type processorTime struct{ stolen, all float64 }

// processorTimes reads /proc/stat (proc(5)).
func processorTimes() (t processorTime, err error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return t, err
	}
	line, _, _ := strings.Cut(string(text), "\n")
	fields := strings.Fields(line)
	if len(fields) < 9 {
		return t, fmt.Errorf("/proc/stat begins with %q", line)
	}
	for i, field := range fields[1:9] { // the rest is part of these
		ticks, err := strconv.ParseFloat(field, 64)
		if err != nil {
			return t, err
		}
		if t.all += ticks; i == 7 {
			t.stolen = ticks
		}
	}
	return t, nil
}

// stormOn starts a server and measures its requests for a period.
func (s *suite) stormOn(v *variant, users int, period time.Duration) (round stormRound, err error) {
	srv, err := startServer(v.set, users) // signs in the user after the last client's
	if err != nil {
		return round, err
	}
	defer srv.stop()
	request := srv.request("/protected", "Authorization: Bearer "+srv.bearer)
	probe := func(period time.Duration) ([]time.Duration, error) {
		return srv.send(s.ctx, request, 8, period, 5*time.Millisecond)
	}
	if _, err := probe(time.Second); err != nil { // warms up
		return round, err
	}
	if round.base, err = srv.memory("VmRSS"); err != nil {
		return round, err
	}
	// 5 resets the peak to what is resident (proc(5), clear_refs).
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", srv.pid), []byte("5"), 0); err != nil {
		return round, err
	}
	beside, err := selfCommand(clientsCommand, stormClients{srv.base, users, period})
	if v.floor {
		beside, err = selfCommand(hashCommand, v.set.hashSettings)
	}
	if err != nil {
		return round, err
	}
	var out strings.Builder
	beside.Stdout = &out
	in, err := beside.StdinPipe()
	if err := errors.Join(err, beside.Start()); err != nil {
		return round, err
	}
	took, err := probe(period)
	if err := errors.Join(err, in.Close(), beside.Wait()); err != nil {
		return round, fmt.Errorf("during the storm: %w", err)
	}
	if round.peak, err = srv.memory("VmHWM"); err != nil {
		return round, err
	}
	round.p50, round.p99 = float64(median(took)), float64(percentile(took, 0.99))
	if v.floor {
		return round, nil
	}
	round.seconds = period.Seconds()
	return round, json.Unmarshal([]byte(out.String()), &round.stormAnswers)
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
	// The p99 of a storm varies from round to round more than other results do.
	repeated, err := s.compareStorms(users, 5*s.rounds, []*variant{normal, floor})
	if err != nil {
		return err
	}
	s.section("A storm of sign-ins", fmt.Sprintf("%d users sign in at the same moment, with the default hash and its default limit of %d concurrent hashes. A client that gets 429 tries again after `Retry-After`, for 10 s. Meanwhile 8 connections send a protected request every 5 ms. The server, the %d clients and the 8 connections are three processes on the same %d cores. The floor is a server to which no user signs in, beside another process that keeps as many concurrent hashes running and does nothing else. %d rounds in turn; median of the rounds, and their range. Rounds that were measured again, because other virtual machines took more than %.0f %% of the processors: %d.", users, slots, users, runtime.NumCPU(), len(normal.p99), 100*mostStolen, repeated))
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
