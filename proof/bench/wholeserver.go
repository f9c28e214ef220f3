package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/usherkit/usher/password"
)

// newDatabase makes a SQLite file with users and returns its path.
func (s *suite) newDatabase(name string, users int, hashing password.HasherConfig) (string, error) {
	store, err := s.openSQLite(name)
	if err != nil {
		return "", err
	}
	return filepath.Join(s.dir, name), errors.Join(addUsers(store, users, hashing), store.Close())
}

// wholeServer measures requests to a server in another process.
func (s *suite) wholeServer() error {
	db, err := s.newDatabase("server.db", 1, cheapHashing)
	if err != nil {
		return err
	}
	srv, err := startServer(serverSettings{DB: db, Cheap: true}, 0)
	if err != nil {
		return err
	}
	defer srv.stop()
	type row struct {
		name           string
		request        []byte
		rate, cpu, p99 []float64
	}
	bearer, cookie := "Authorization: Bearer "+srv.bearer, "Cookie: "+srv.cookie
	rows := []*row{
		{name: "no authentication, request with the token", request: srv.request("/open", bearer)},
		{name: "protected, bearer token", request: srv.request("/protected", bearer)},
		{name: "no authentication, request with the cookie", request: srv.request("/open", cookie)},
		{name: "protected, sealed cookie", request: srv.request("/protected", cookie)},
	}
	const clients = 32
	period, rounds := time.Second, 4*s.rounds
	if s.quick {
		period = 300 * time.Millisecond
	}
	for round := range rounds {
		for k := range rows {
			r := rows[(k+round)%len(rows)]
			before, err := srv.cpu()
			if err != nil {
				return err
			}
			began := time.Now()
			took, err := srv.send(s.ctx, r.request, clients, period, 0)
			if err != nil {
				return fmt.Errorf("%s: %w", r.name, err)
			}
			elapsed := time.Since(began)
			after, err := srv.cpu()
			if err != nil {
				return err
			}
			n := float64(len(took))
			r.rate, r.cpu = append(r.rate, n/elapsed.Seconds()), append(r.cpu, (after-before)/n)
			r.p99 = append(r.p99, float64(percentile(took, 0.99)))
		}
	}
	s.section("The whole server", fmt.Sprintf("%d keep-alive connections over loopback, client and server in their own processes, %d rounds of %v for each row, in turn. With and without authentication, the requests differ only in the path.", clients, rounds, period))
	s.header("", "requests per second", "least – most", "server's CPU per request", "p99")
	plain := func(x float64) string { return fmt.Sprintf("%.0f", x) }
	for _, r := range rows {
		s.row(r.name, plain(median(r.rate)), formatRange(r.rate, plain), nanos(median(r.cpu)), nanos(median(r.p99)))
	}
	for _, pair := range [][2]*row{{rows[0], rows[1]}, {rows[2], rows[3]}} {
		open, protected := pair[0], pair[1]
		var ratios, more []float64
		for k := range open.rate {
			ratios, more = append(ratios, protected.rate[k]/open.rate[k]), append(more, protected.cpu[k]-open.cpu[k])
		}
		s.goalOfRounds(protected.name+": at least 0.95 of the requests per second without authentication", plain(median(protected.rate))+", without "+plain(median(open.rate)), ratios, "%.3f", 0.95, false)
		s.goalOfRounds(protected.name+": at most 1 µs more CPU per request in the server", "", more, "%.0f ns", 1000, true)
	}
	return nil
}

// request returns the bytes of a GET request.
func (s *server) request(path, header string) []byte {
	return []byte("GET " + path + " HTTP/1.1\r\nHost: " + strings.TrimPrefix(s.base, "http://") + "\r\nUser-Agent: bench\r\n" + header + "\r\n\r\n")
}

// send sends the same request over several connections for a period, with a pause
// after each answer, and returns how long each answer took.
func (s *server) send(ctx context.Context, request []byte, connections int, period, pause time.Duration) ([]time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, period)
	defer cancel()
	var mu sync.Mutex
	var all []time.Duration
	_, err := concurrently(connections, 1, func(int) error {
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.base, "http://"))
		if err != nil {
			return err
		}
		defer conn.Close()
		in := bufio.NewReaderSize(conn, 4096)
		var took []time.Duration
		for ctx.Err() == nil {
			began := time.Now()
			if err := roundTrip(conn, in, request); err != nil {
				return err
			}
			took = append(took, time.Since(began))
			time.Sleep(pause)
		}
		mu.Lock()
		defer mu.Unlock()
		all = append(all, took...)
		return nil
	})
	return all, err
}

// roundTrip sends a request and reads the answer, which must be 200. It does less than
// net/http's client, because client and server share the cores.
func roundTrip(conn net.Conn, in *bufio.Reader, request []byte) error {
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return err
	}
	if _, err := conn.Write(request); err != nil {
		return err
	}
	line, err := in.ReadSlice('\n')
	if err != nil {
		return err
	}
	if want := "HTTP/1.1 200"; !bytes.HasPrefix(line, []byte(want)) {
		return fmt.Errorf("the answer begins with %q, want %q", line, want)
	}
	length := 0
	for {
		if line, err = in.ReadSlice('\n'); err != nil {
			return err
		}
		if len(line) == 2 { // the empty line before the body
			_, err = io.CopyN(io.Discard, in, int64(length))
			return err
		}
		if rest, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(rest))); err != nil {
				return err
			}
		}
	}
}
