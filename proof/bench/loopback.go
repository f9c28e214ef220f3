package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

const wireClients = 32

// loopback measures the whole server from another process.
func (s *suite) loopback() error {
	own, other := filepath.Join(s.dir, "server.db"), filepath.Join(s.dir, "sketch.db")
	if err := errors.Join(s.prepare(own, 1, true), s.prepare(other, 1, true)); err != nil {
		return err
	}
	srv, cookie, bearer, err := serverSignedIn(childSettings{DB: own, Cheap: true}, 0)
	if err != nil {
		return err
	}
	defer srv.stop()
	// Its list of ended sessions would be part of the heap that Usher's collections walk
	// through: the sketch has a process of its own.
	drawn, _, drawnBearer, err := serverSignedIn(childSettings{DB: other, Cheap: true}, 0)
	if err != nil {
		return err
	}
	defer drawn.stop()
	type row struct {
		name           string
		srv            *server
		request        []byte
		rate, cpu, p99 []float64
	}
	send := func(name string, to *server, path, header string) *row {
		return &row{name: name, srv: to, request: wireRequest(to.base, path, header)}
	}
	token, sealed, drawnToken := "Authorization: Bearer "+bearer, "Cookie: "+cookie, "Authorization: Bearer "+drawnBearer
	open := send("without auth, the token sent along", srv, "/open", token)
	guarded := send("protected, bearer", srv, "/guarded", token)
	openCookie := send("without auth, the cookie sent along", srv, "/open", sealed)
	guardedCookie := send("protected, sealed cookie", srv, "/guarded", sealed)
	openDrawn := send("another process: without auth, the token sent along", drawn, "/open", drawnToken)
	sketched := send("there: the sketch of a cache, bearer", drawn, "/sketch", drawnToken)
	rows := []*row{open, guarded, openCookie, guardedCookie, openDrawn, sketched}
	period, rounds := time.Second, 4*s.rounds
	if s.quick {
		period, rounds = 500*time.Millisecond, 6
	}
	for round := range rounds {
		for k := range rows {
			r := rows[(k+round)%len(rows)]
			before, err := serverCPU(r.srv.base)
			if err != nil {
				return err
			}
			took, elapsed, err := hammer(r.srv.base, r.request, wireClients, period)
			if err != nil {
				return fmt.Errorf("%s: %w", r.name, err)
			}
			after, err := serverCPU(r.srv.base)
			if err != nil {
				return err
			}
			n := float64(len(took))
			r.rate = append(r.rate, n/elapsed.Seconds())
			r.cpu = append(r.cpu, (after-before)/n)
			r.p99 = append(r.p99, float64(percentile(took, 0.99)))
		}
	}
	s.section("The whole server", fmt.Sprintf("%d keep-alive connections over loopback, client and server in processes of their own, %d rounds of %v for each case, interleaved. Both kinds of request are the same bytes but for the path.", wireClients, rounds, period))
	s.line("| | requests a second | spread | server's CPU each | p99 |\n|---|---|---|---|---|\n")
	for _, r := range rows {
		x := result{ns: r.rate}
		s.line("| %s | %.0f | %.0f – %.0f | %s | %s |\n", r.name, x.median(), x.least(), x.most(), ns(median(r.cpu)), ns(median(r.p99)))
	}
	against := func(base, r *row) (ratios, more []float64) {
		for k := range base.rate {
			ratios = append(ratios, r.rate[k]/base.rate[k])
			more = append(more, r.cpu[k]-base.cpu[k])
		}
		return ratios, more
	}
	for _, pair := range [][2]*row{{open, guarded}, {openCookie, guardedCookie}} {
		base, r := pair[0], pair[1]
		ratios, more := against(base, r)
		s.goalOfRounds("4", r.name+": requests a second at least 0.95 of those without auth", fmt.Sprintf("%.0f to %.0f", median(r.rate), median(base.rate)), ratios, "%.3f", 0.95, false)
		s.goalOfRounds("4", r.name+": server's own CPU at most 1 µs a request more", "", more, "%.0f ns", 1000, true)
	}
	ratios, more := against(openDrawn, sketched)
	s.fact("the sketch of a cache in the whole server, without a Vary header: %.3f of the requests a second without auth, %s of CPU a request more", median(ratios), ns(median(more)))
	return s.whereTheGuardGoes(srv, open.request, median(open.cpu), guarded.request, median(guarded.cpu))
}

// serverSignedIn is a running server, and the credentials of one of its users.
func serverSignedIn(set childSettings, user int) (srv *server, cookie, bearer string, err error) {
	if srv, err = startServer(set); err != nil {
		return nil, "", "", err
	}
	if cookie, bearer, err = signInOver(srv.base, user); err != nil {
		return nil, "", "", errors.Join(err, srv.stop())
	}
	return srv, cookie, bearer, nil
}

// prepare makes a file with users, so that no server has to.
func (s *suite) prepare(path string, users int, isCheap bool) error {
	store, err := s.openSQLite(filepath.Base(path))
	if err != nil {
		return err
	}
	hashing := cheap
	if !isCheap {
		hashing.Params.Memory, hashing.Params.Time, hashing.Params.Threads = hashMemory, hashTime, hashLanes
	}
	hash, err := hashOnce(hashing)
	if err != nil {
		return err
	}
	return errors.Join(seed(store, users, hash), store.Close())
}

// signInOver returns a session cookie and a bearer token of the same user.
func signInOver(base string, user int) (cookie, bearer string, err error) {
	send := func(path string) (*http.Response, error) {
		r, err := http.NewRequest("POST", base+path, strings.NewReader(signInBody(user)))
		if err != nil {
			return nil, err
		}
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("X-Requested-With", "bench")
		answer, err := http.DefaultClient.Do(r)
		if err == nil && answer.StatusCode != http.StatusOK {
			text, _ := io.ReadAll(answer.Body)
			return nil, fmt.Errorf("%s answers %d: %s", path, answer.StatusCode, text)
		}
		return answer, err
	}
	answer, err := send("/auth/signin")
	if err != nil {
		return "", "", err
	}
	answer.Body.Close()
	for _, c := range answer.Cookies() {
		if c.Name == "session" {
			cookie = c.Name + "=" + c.Value
		}
	}
	if answer, err = send("/api/auth/signin"); err != nil {
		return "", "", err
	}
	defer answer.Body.Close()
	var body struct {
		SessionToken string `json:"sessionToken"`
	}
	if err := json.NewDecoder(answer.Body).Decode(&body); err != nil {
		return "", "", err
	}
	if cookie == "" || body.SessionToken == "" {
		return "", "", errors.New("the sign-in gave no cookie or no token")
	}
	return cookie, body.SessionToken, nil
}

// hammer sends one request over many connections for a while. Every answer must be 200.
func hammer(base string, request []byte, clients int, period time.Duration) ([]time.Duration, time.Duration, error) {
	ctx, cancel := context.WithTimeout(context.Background(), period)
	defer cancel()
	all := make([][]time.Duration, clients)
	errs := make([]error, clients)
	var wg sync.WaitGroup
	began := time.Now()
	for c := range clients {
		wg.Go(func() { all[c], errs[c] = ask(ctx, base, request, 0) })
	}
	wg.Wait()
	elapsed := time.Since(began)
	var took []time.Duration
	for _, list := range all {
		took = append(took, list...)
	}
	return took, elapsed, errors.Join(errs...)
}

// ask sends a request over one connection until ctx ends, with a pause in between.
func ask(ctx context.Context, base string, request []byte, pause time.Duration) ([]time.Duration, error) {
	w, err := dial(base)
	if err != nil {
		return nil, err
	}
	defer w.conn.Close()
	var took []time.Duration
	for ctx.Err() == nil {
		began := time.Now()
		status, err := w.ask(request)
		if err != nil {
			return nil, err
		}
		if status != http.StatusOK {
			return nil, fmt.Errorf("the answer is %d", status)
		}
		took = append(took, time.Since(began))
		if pause > 0 {
			time.Sleep(pause)
		}
	}
	return took, nil
}

func serverCPU(base string) (float64, error) {
	answer, err := http.Get(base + "/cpu")
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return 0, err
	}
	return strconv.ParseFloat(string(text), 64)
}

// status reads a number of KiB from what the kernel knows of a process.
func status(pid int, name string) (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			return strconv.ParseFloat(strings.Fields(rest)[0], 64)
		}
	}
	return 0, fmt.Errorf("the kernel does not tell %s", name)
}
