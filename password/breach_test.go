package password_test

import (
	"bytes"
	"context"
	"crypto/sha1"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usherkit/usher/internal/deadconn"
	"github.com/usherkit/usher/password"
)

const leakedPassword = "vast otter sings low"

// rangeServer answers with the line of the leaked password and padding, and
// records its requests in asked.
func rangeServer(t *testing.T, asked *[]string) *httptest.Server {
	digits := fmt.Sprintf("%X", sha1.Sum([]byte(leakedPassword)))
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		*asked = append(*asked, r.Method+" "+r.URL.RequestURI()+" "+r.Header.Get("Add-Padding")+string(body))
		fmt.Fprintf(w, "0018A45C4D1DEF81644B54AB7F969B88D65:3\r\n%s:7\r\n%s:0\r\n",
			digits[5:], strings.Repeat("A", 35))
	}))
	t.Cleanup(s.Close)
	return s
}

func TestPW10_OnlyFiveHexDigitsLeave(t *testing.T) {
	var asked []string
	s := rangeServer(t, &asked)
	policy := password.Policy{
		Breached:      &password.RangeClient{URL: s.URL},
		OnBreachError: func(err error) { t.Error(err) },
	}
	if err := policy.Check(t.Context(), leakedPassword); !hasCode(err, password.CodeBreached) {
		t.Errorf("leaked: %v", err)
	}
	digits := fmt.Sprintf("%X", sha1.Sum([]byte(leakedPassword)))
	if len(asked) != 1 || asked[0] != "GET /range/"+digits[:5]+" true" {
		t.Errorf("the server saw %q", asked)
	}
	if err := policy.Check(t.Context(), "vast otter sings high"); err != nil {
		t.Errorf("not leaked: %v", err)
	}
	// Passwords that break another rule are not looked up.
	before := len(asked)
	if err := policy.Check(t.Context(), "passwordpassword"); !hasCode(err, password.CodeCommon) {
		t.Error(err)
	}
	if len(asked) != before {
		t.Errorf("the server saw %q", asked[before:])
	}
}

func TestPW10_PaddingIsNoHit(t *testing.T) {
	digits := fmt.Sprintf("%X", sha1.Sum([]byte(leakedPassword)))
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "%s:0\n", digits[5:])
	}))
	defer s.Close()
	leaked, err := (&password.RangeClient{URL: s.URL}).Breached(t.Context(), sha1.Sum([]byte(leakedPassword)))
	if leaked || err != nil {
		t.Errorf("%v, %v", leaked, err)
	}
}

// hangingChecker returns only when its context ends.
type hangingChecker struct{}

func (hangingChecker) Breached(ctx context.Context, _ [sha1.Size]byte) (bool, error) {
	<-ctx.Done()
	return false, ctx.Err()
}

func TestPW10_AHangingServerDecidesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var reported []error
		policy := password.Policy{Breached: hangingChecker{}, OnBreachError: func(err error) { reported = append(reported, err) }}
		start := time.Now()
		if err := policy.Check(t.Context(), leakedPassword); err != nil {
			t.Error(err)
		}
		if d := time.Since(start); d != time.Second {
			t.Errorf("decided after %v", d)
		}
		var e *password.BreachError
		if len(reported) != 1 || !errors.As(reported[0], &e) || !errors.Is(reported[0], context.DeadlineExceeded) {
			t.Errorf("reported %v", reported)
		}
		// A canceled check returns the error of its context.
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if err := policy.Check(ctx, leakedPassword); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("canceled: %v", err)
		}
		if len(reported) != 1 {
			t.Errorf("reported %v", reported)
		}
	})
}

func TestPW10_RangeClientGivesUp(t *testing.T) {
	stop := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-stop:
		case <-r.Context().Done():
		}
	}))
	defer s.Close()
	defer close(stop)
	_, err := (&password.RangeClient{URL: s.URL, Timeout: 20 * time.Millisecond}).Breached(t.Context(), [sha1.Size]byte{})
	if !errors.Is(err, context.DeadlineExceeded) || strings.Contains(err.Error(), "/range/") {
		t.Errorf("got %v", err)
	}
}

// A connection of HTTP/2 that has died without an error does not fail the look-ups of many
// minutes.
func TestPW10_ADeadConnectionIsReplaced(t *testing.T) {
	s := deadconn.NewServer(t, func(http.ResponseWriter, *http.Request) {})
	c := &password.RangeClient{URL: s.URL, Client: s.Client, Timeout: 10 * time.Second}
	if _, err := c.Breached(t.Context(), sha1.Sum(nil)); err != nil {
		t.Fatal(err)
	}
	s.Kill()
	c.Timeout = 50 * time.Millisecond
	if _, err := c.Breached(t.Context(), sha1.Sum(nil)); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("the look-up on the dead connection: %v", err)
	}
	c.Timeout = time.Second
	var err error
	for range 5 {
		time.Sleep(20 * time.Millisecond) // a look-up that failed holds its connection for a moment
		if _, err = c.Breached(t.Context(), sha1.Sum(nil)); err == nil {
			return
		}
	}
	t.Errorf("five look-ups later: %v", err)
}

func TestPW10_FailuresAreLoud(t *testing.T) {
	digits := fmt.Sprintf("%X", sha1.Sum([]byte(leakedPassword)))
	answers := map[string]http.HandlerFunc{
		"status":   func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTooManyRequests) },
		"redirect": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) },
		"endless":  func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, strings.Repeat("0:0\n", 1<<19)) },
		"count":    func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, digits[5:]+":many\n") },
	}
	for name, answer := range answers {
		s := httptest.NewServer(answer)
		leaked, err := (&password.RangeClient{URL: s.URL}).Breached(t.Context(), sha1.Sum([]byte(leakedPassword)))
		if leaked || err == nil || strings.Contains(err.Error(), digits[:5]) {
			t.Errorf("%s: %v, %v", name, leaked, err)
		}
		s.Close()
	}
	offline := &http.Client{Transport: noNetwork{}}
	for u, ok := range map[string]bool{
		"": false, "http://passwords.example": false, "ftp://passwords.example": false, "ftp://localhost": false, "https://": false, "http://": false, "://": false,
		"https://passwords.example": true, "https://127.0.0.1": true, "http://localhost:8080": true, "http://127.0.0.1": true, "http://[::1]": true, "http://192.0.2.1": false,
	} {
		_, err := (&password.RangeClient{URL: u, Client: offline}).Breached(t.Context(), [sha1.Size]byte{})
		if errors.Is(err, errNoNetwork) != ok || !ok && !strings.Contains(fmt.Sprint(err), "RangeClient.URL") {
			t.Errorf("URL %q: %v", u, err)
		}
	}
}

var errNoNetwork = errors.New("there is no network")

// noNetwork answers no request.
type noNetwork struct{}

func (noNetwork) RoundTrip(*http.Request) (*http.Response, error) { return nil, errNoNetwork }

func TestPW10_FailuresAreLoggedByDefault(t *testing.T) {
	var out bytes.Buffer
	previous := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&out, nil)))
	defer slog.SetDefault(previous)
	policy := password.Policy{Breached: &password.RangeClient{URL: "http://passwords.example"}}
	if err := policy.Check(t.Context(), leakedPassword); err != nil {
		t.Error(err)
	}
	if n := strings.Count(out.String(), "level=WARN"); n != 1 || strings.Contains(out.String(), "otter") {
		t.Errorf("log %q", &out)
	}
}
