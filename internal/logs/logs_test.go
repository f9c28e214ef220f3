package logs_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usherkit/usher/internal/logs"
)

// sink is a handler that does what it is told, and keeps the lines.
type sink struct {
	mu    sync.Mutex
	lines []string
	do    func(n int) error
	n     int
}

func (*sink) Enabled(context.Context, slog.Level) bool { return true }
func (s *sink) WithAttrs([]slog.Attr) slog.Handler     { return s }
func (s *sink) WithGroup(string) slog.Handler          { return s }

func (s *sink) Handle(_ context.Context, r slog.Record) error {
	s.mu.Lock()
	n := s.n
	s.n++
	s.mu.Unlock()
	if s.do != nil {
		if err := s.do(n); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	line := r.Message
	r.Attrs(func(a slog.Attr) bool { line += " " + a.String(); return true })
	s.lines = append(s.lines, line)
	return nil
}

func (s *sink) said() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.lines...)
}

func TestGuardWritesInOrderAndAtOnce(t *testing.T) {
	s := &sink{}
	log := logs.Guard(logs.Guard(slog.New(s)))
	for _, text := range []string{"a", "b", "c"} {
		log.Info(text, "x", 1)
		if said := s.said(); said[len(said)-1] != text+" x=1" {
			t.Fatalf("the log has %q", said)
		}
	}
}

func TestGuardKeepsAttributesGroupsAndLevel(t *testing.T) {
	var b bytes.Buffer
	log := logs.Guard(slog.New(slog.NewTextHandler(&b, nil)))
	log.Debug("not this")
	log.With("a", 1).WithGroup("g").Info("this", "b", 2)
	if got := b.String(); strings.Contains(got, "not this") || !strings.Contains(got, "msg=this a=1 g.b=2") {
		t.Errorf("the log has %q", got)
	}
}

func TestGuardOutlivesASinkThatPanics(t *testing.T) {
	s := &sink{do: func(n int) error {
		if n == 0 {
			panic("sink")
		}
		return nil
	}}
	log := logs.Guard(slog.New(s))
	log.Info("a")
	log.Info("b")
	if said := strings.Join(s.said(), " "); said != "b" {
		t.Errorf("the log has %q", said)
	}
}

// A sink that hangs costs one line's patience in all; what it holds back comes
// later, what it cannot hold is counted.
func TestGuardWaitsOnceForASinkThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		s := &sink{do: func(int) error { <-hang; return nil }}
		log := logs.Guard(slog.New(s))
		began := time.Now()
		for range 1000 {
			log.Info("line")
		}
		if took := time.Since(began); took > 250*time.Millisecond {
			t.Errorf("1,000 lines took %s", took)
		}
		close(hang)
		synctest.Wait()
		log.Info("and on")
		said := strings.Join(s.said(), ",")
		if n := strings.Count(said, "line,"); n != 256 {
			t.Errorf("%d lines were written, want 256", n)
		}
		if !strings.Contains(said, "lines were lost, because the log did not take them lines=744") || !strings.HasSuffix(said, ",and on") {
			t.Errorf("the log ends with %q", said[max(0, len(said)-200):])
		}
	})
}

func TestNetwork(t *testing.T) {
	for address, want := range map[string]string{
		"203.0.113.77": "203.0.113.0/24", "::ffff:203.0.113.77": "203.0.113.0/24", "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64",
		"fe80::1%eth0": "fe80::/64",
	} {
		if got := logs.Network(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s is %s, want %s", address, got, want)
		}
	}
	if got := logs.Network(netip.Addr{}); got != "unknown" {
		t.Errorf("no address is %s", got)
	}
}

func TestHash(t *testing.T) {
	// The first 8 bytes of SHA-256("abc"), FIPS 180-4's example.
	if got := logs.Hash("abc"); got != "ba7816bf8f01cfea" {
		t.Errorf("the hash of abc is %s", got)
	}
}

func TestRequestID(t *testing.T) {
	for _, bad := range []string{"", " ", "a b", "a\n", "\na", "ä", "{}", strings.Repeat("a", 65), strings.Repeat("a", 1<<20), "a\u2028"} {
		if got := logs.RequestID(bad, "next"); got != "next" {
			t.Errorf("%.20q gives %.20q", bad, got)
		}
	}
	if got := logs.RequestID("A-z_0.9", "next"); got != "A-z_0.9" {
		t.Errorf("a good one gives %q", got)
	}
	if got := logs.RequestID("\r"); got != "" {
		t.Errorf("none gives %q", got)
	}
}
