package logs_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"strings"
	"testing"

	"github.com/usherkit/usher/internal/logs"
)

func TestGuard_KeepsAttributesGroupsAndLevel(t *testing.T) {
	var b bytes.Buffer
	log := logs.Guard(logs.Guard(slog.New(slog.NewTextHandler(&b, nil))))
	log.Debug("not this")
	log.With("a", 1).WithGroup("g").Info("this", "b", 2)
	if got := b.String(); strings.Contains(got, "not this") || !strings.Contains(got, "msg=this a=1 g.b=2") {
		t.Errorf("the log has %q", got)
	}
}

// handlerFunc is a handler without attributes and groups.
type handlerFunc func(context.Context, slog.Record) error

func (handlerFunc) Enabled(context.Context, slog.Level) bool          { return true }
func (f handlerFunc) WithAttrs([]slog.Attr) slog.Handler              { return f }
func (f handlerFunc) WithGroup(string) slog.Handler                   { return f }
func (f handlerFunc) Handle(ctx context.Context, r slog.Record) error { return f(ctx, r) }

func TestGuard_HandlerThatPanicsOrFails(t *testing.T) {
	var written []string
	log := logs.Guard(slog.New(handlerFunc(func(ctx context.Context, r slog.Record) error {
		switch r.Message {
		case "panics":
			panic("handler")
		case "fails":
			return errors.New("disk full")
		}
		written = append(written, r.Message)
		return ctx.Err()
	})))
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, message := range []string{"first", "panics", "fails", "last"} {
		log.InfoContext(canceled, message)
	}
	if got := strings.Join(written, " "); got != "first last" {
		t.Errorf("written: %q", got)
	}
}

func TestGuard_WritesAfterTheRequest(t *testing.T) {
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	logs.Guard(slog.New(handlerFunc(func(ctx context.Context, _ slog.Record) error {
		if ctx.Err() != nil {
			t.Error("the handler's context is canceled")
		}
		return nil
	}))).InfoContext(canceled, "the client has gone")
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
