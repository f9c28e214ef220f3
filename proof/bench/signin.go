package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"golang.org/x/crypto/argon2"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/password"
	"github.com/usherkit/usher/store"
)

// The default hash of package password.
const (
	hashMemory = 64 << 10
	hashTime   = 3
	hashLanes  = 1
)

// signInsPerRound is how many sign-ins one round measures.
const signInsPerRound = 3

const signInIntro = `One at a time, from the request in memory to the answer with its cookies, in turn with the bare hash (Argon2id, 64 MiB, 3 passes, 1 lane), which every library with a password has to compute.

A hash needs 64 MiB and leaves them as garbage. A hash that finds such memory in the process is up to twice as fast as one that gets new pages from the kernel. To treat both alike, each sign-in and each bare hash runs the garbage collector once, within the measured time.`

func bareHash(n int) error {
	for range n {
		if len(argon2.IDKey([]byte(userPassword), []byte("sixteen bytes..."), hashTime, hashMemory, hashLanes, 32)) != 32 {
			return errors.New("the hash is not complete")
		}
	}
	return nil
}

// signInBenchmark signs in the users of a service in turn.
func signInBenchmark(name string, h http.Handler, users int) benchmark {
	next := 0
	return benchmark{name: name, run: func(n int) error {
		for range n {
			r := httptest.NewRequest("POST", issuerURL+"/signin", strings.NewReader(signInBody(next%users)))
			next++
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Sec-Fetch-Site", "same-origin")
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, r)
			if rec.Code >= 400 || len(rec.Result().Cookies()) == 0 {
				return fmt.Errorf("the sign-in answers %d: %s", rec.Code, rec.Body)
			}
		}
		return nil
	}}
}

// signIn measures a sign-in beside the hash that it contains.
func (s *suite) signIn() error {
	s.section("A sign-in", signInIntro)
	s.header("", "bare hash", "sign-in", "ratio", "ratio of CPU time")
	file, err := s.openSQLite("signin.db")
	if err != nil {
		return err
	}
	defer file.Close()
	err = s.signInOn("SQLite", 1.05, file)
	if err != nil || s.noPostgres {
		return err
	}
	server, err := s.startPostgres()
	if err != nil {
		return err
	}
	defer server.close()
	store, _, err := s.openPostgres(server, "signin")
	if err != nil {
		return err
	}
	defer store.Close()
	return s.signInOn("PostgreSQL", 1.10, store)
}

func (s *suite) signInOn(engine string, limit float64, store store.Store) error {
	const users = 50
	service, err := newService(store, users, usher.Config{Hashing: password.HasherConfig{QueueWait: time.Minute}})
	if err != nil {
		return err
	}
	defer service.Close(context.Background())
	h, err := newHandlers(service, false)
	if err != nil {
		return err
	}
	bare := &result{benchmark: withGC(benchmark{name: "bare hash", run: bareHash})}
	own := &result{benchmark: withGC(signInBenchmark("sign-in on "+engine, h, users))}
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	var wall, cpu []float64
	for round := range 4 * s.rounds {
		order := []*result{bare, own}
		if round%2 == 1 {
			order = []*result{own, bare}
		}
		for _, r := range order {
			if err := errors.Join(s.ctx.Err(), r.time(signInsPerRound)); err != nil {
				return err
			}
		}
		wall, cpu = append(wall, own.wall[round]/bare.wall[round]), append(cpu, own.cpu[round]/bare.cpu[round])
	}
	s.row(engine, nanos(median(bare.wall)), nanos(median(own.wall)), fmt.Sprintf("%.3f", median(wall)), fmt.Sprintf("%.3f", median(cpu)))
	what := fmt.Sprintf("sign-in on %s: at most %.2f of the bare hash", engine, limit)
	s.goalOfRounds(what, nanos(median(own.wall))+", hash "+nanos(median(bare.wall)), wall, "%.3f", limit, true)
	s.goalOfRounds(what+", CPU time", "", cpu, "%.3f", limit, true)
	return nil
}

// withGC runs the garbage collector after each run.
func withGC(b benchmark) benchmark {
	run := b.run
	b.run = func(n int) error {
		for range n {
			if err := run(1); err != nil {
				return err
			}
			runtime.GC()
		}
		return nil
	}
	return b
}
