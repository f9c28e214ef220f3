// Package deadconn is a server for tests of clients whose connection dies without an error, as
// behind a firewall that has forgotten it.
package deadconn

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
)

// Server is an HTTP/2 server with a client whose connections can die.
type Server struct {
	URL string
	// Client trusts the certificate of the server.
	Client *http.Client

	dials atomic.Int64
	dead  atomic.Int64 // the connections up to this one are dead
}

// NewServer starts a server with the handler. It ends with the test.
func NewServer(t testing.TB, handler http.HandlerFunc) *Server {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 {
			t.Error("the request is not HTTP/2")
		}
		handler(w, r)
	}))
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	transport := s.Client().Transport.(*http.Transport).Clone()
	d := &Server{URL: s.URL, Client: &http.Client{Transport: transport}}
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, address)
		return conn{c, d, d.dials.Add(1)}, err
	}
	return d
}

// Kill makes all connections so far lose what the client writes. New connections work.
func (s *Server) Kill() { s.dead.Store(s.dials.Load()) }

// Dials returns the number of connections that the client has opened.
func (s *Server) Dials() int64 { return s.dials.Load() }

type conn struct {
	net.Conn
	server *Server
	number int64
}

func (c conn) Write(b []byte) (int, error) {
	if c.number <= c.server.dead.Load() {
		return len(b), nil
	}
	return c.Conn.Write(b)
}
