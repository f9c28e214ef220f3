package token_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usherkit/usher/internal/deadconn"
	"github.com/usherkit/usher/token"
)

// followList opens the list of an origin with this answer.
func followList(t *testing.T, change func(*token.RemoteRevocationsConfig), answer func(*http.Request) (*http.Response, error)) (*token.RemoteRevocations, *origin, *counter) {
	t.Helper()
	o, log := &origin{answer: answer}, &counter{}
	cfg := token.RemoteRevocationsConfig{
		URL: "https://idp.test/revocations", Client: &http.Client{Transport: o}, Logger: slog.New(log),
	}
	if change != nil {
		change(&cfg)
	}
	r, err := token.OpenRemoteRevocations(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return r, o, log
}

func listOf(ids ...string) []byte {
	r := token.NewRevocations()
	for _, id := range ids {
		r.Add(id, time.Now().Add(10*time.Minute))
	}
	return r.JSON()
}

func TestSE06_AListIsFollowedByTheSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, o, log := followList(t, nil, serve(listOf("a")))
		defer r.Close()
		if err := r.Wait(t.Context()); err != nil || !r.List().Revoked("a") {
			t.Fatalf("the first list was not read: %v", err)
		}
		o.set(serve(listOf("a", "b")))
		time.Sleep(1100 * time.Millisecond)
		if !r.List().Revoked("b") {
			t.Fatal("b was not read within a second")
		}
		// An outage removes nothing from the list, and is logged once.
		o.set(down)
		time.Sleep(5 * time.Minute)
		if !r.List().Revoked("a") || !r.List().Revoked("b") || log.events.Load() != 1 {
			t.Fatalf("after an outage: %d on the list, %d log events", r.List().Len(), log.events.Load())
		}
		o.set(serve(listOf("c")))
		time.Sleep(2 * time.Second)
		if !r.List().Revoked("a") || !r.List().Revoked("c") || log.events.Load() != 2 {
			t.Fatal("the list was not fetched again")
		}
		time.Sleep(12 * time.Minute) // the answer stays, and says a past instant of c
		if r.List().Revoked("a") {
			t.Fatal("the list still has a session whose tokens have all expired")
		}
	})
}

// A connection that has died without an error, as behind a firewall that has forgotten it, does
// not delay the list: after a fetch that timed out, the next one has a new connection. HTTP/2
// would wait for the old one for many minutes.
func TestSE06_ADeadConnectionIsReplaced(t *testing.T) {
	issuer := deadconn.NewServer(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(listOf("a")) })
	r, _, log := followList(t, func(c *token.RemoteRevocationsConfig) {
		c.URL, c.Client, c.AllowPrivateNetworks = issuer.URL, issuer.Client, true
		c.Every, c.Timeout = 10*time.Millisecond, 200*time.Millisecond
	}, nil)
	defer r.Close()
	issuer.Kill()
	for began := time.Now(); log.events.Load() < 2; time.Sleep(10 * time.Millisecond) {
		if time.Since(began) > 10*time.Second {
			t.Fatalf("%d connections, %d log events after 10 seconds", issuer.Dials(), log.events.Load())
		}
	}
	if issuer.Dials() < 2 {
		t.Error("the fetches did not fail")
	}
}

func TestSE06_NothingIsKnownBeforeTheFirstList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, o, _ := followList(t, nil, down)
		defer r.Close()
		start := time.Now()
		err := r.Wait(t.Context())
		if !errors.Is(err, token.ErrUnavailable) || errors.Is(err, token.ErrInvalid) || time.Since(start) > 200*time.Millisecond {
			t.Fatalf("after %s: %v", time.Since(start), err)
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if err := r.Wait(ended); !errors.Is(err, token.ErrUnavailable) {
			t.Fatal(err)
		}
		o.set(serve(listOf()))
		time.Sleep(2 * time.Second)
		if err := r.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

// An answer that is not a list leaves the list as it is.
func TestSE06_AnswersThatAreNoList(t *testing.T) {
	for name, answer := range map[string]func(*http.Request) (*http.Response, error){
		"status": func(*http.Request) (*http.Response, error) {
			return body(500, strings.NewReader(`{"revocations":[]}`)), nil
		},
		"page":        serve([]byte("<html>")),
		"no list":     serve([]byte("{}")),
		"size":        serve([]byte(`{"revocations":[],"x":"` + strings.Repeat("x", 2000) + `"}`)),
		"304 unasked": func(*http.Request) (*http.Response, error) { return body(304, strings.NewReader("")), nil },
		"redirect": func(*http.Request) (*http.Response, error) {
			resp := body(302, strings.NewReader(""))
			resp.Header.Set("Location", "https://elsewhere.test/")
			return resp, nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, _, _ := followList(t, func(c *token.RemoteRevocationsConfig) { c.MaxBytes = 1000 }, answer)
				defer r.Close()
				if err := r.Wait(t.Context()); err == nil || r.List().Len() != 0 {
					t.Fatal("it was accepted as a list")
				}
			})
		})
	}
}

// The last second that time.Time can hold, and those that it cannot, are not in the past. A
// MaxBytes that means no limit is one.
func TestSE06_ARevocationWithTheLargestTimeCounts(t *testing.T) {
	for _, until := range []string{"253402300799", "253402300800", "9223371974719179007", "9223371974719179008", "9223372036854775807"} {
		r, _, _ := followList(t, func(c *token.RemoteRevocationsConfig) { c.MaxBytes = math.MaxInt64 },
			serve([]byte(`{"revocations":[{"sid":"a","until":`+until+`}]}`)))
		if err := r.Wait(t.Context()); err != nil || !r.List().Revoked("a") || !bytes.Contains(r.List().JSON(), []byte(`"until":253402300799`)) {
			t.Errorf("until %s: %s, %v", until, r.List().JSON(), err)
		}
		r.Close()
	}
}

func TestSE06_TheListIsAskedForAsAgreed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := make(chan *http.Request, 40)
		r, _, log := followList(t, func(c *token.RemoteRevocationsConfig) { c.Bearer = "key-of-this-program" },
			func(q *http.Request) (*http.Response, error) {
				seen <- q
				if q.Header.Get("If-None-Match") == `"1"` {
					return body(304, strings.NewReader("")), nil
				}
				resp := body(200, strings.NewReader(string(listOf("a"))))
				resp.Header.Set("ETag", `"1"`)
				return resp, nil
			})
		time.Sleep(33500 * time.Millisecond)
		r.Close()
		for i := range 34 {
			q := <-seen
			want := `"1"`
			if i == 0 || i == 31 { // the first one, and the one after 30 seconds
				want = ""
			}
			if q.Header.Get("Authorization") != "Bearer key-of-this-program" || q.Header.Get("If-None-Match") != want {
				t.Errorf("request %d has %v", i, q.Header)
			}
		}
		if !r.List().Revoked("a") || log.events.Load() != 0 {
			t.Errorf("an answer of 304 emptied the list, or counted as a failure %d times", log.events.Load())
		}
	})
}

// A token is accepted for the leeway after it expires, so its session stays on the
// list for as long.
func TestSE06_AnEntryStaysForTheLeeway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, o, _ := followList(t, nil, serve(listOf("a"))) // for ten minutes
		defer r.Close()
		o.set(down)
		time.Sleep(10*time.Minute + 59*time.Second)
		if !r.List().Revoked("a") {
			t.Error("the entry left before the leeway was over")
		}
		time.Sleep(3 * time.Second)
		if r.List().Revoked("a") {
			t.Error("the entry stays")
		}
	})
}

// The context of OpenRemoteRevocations bounds the first fetch only.
func TestOpenRemoteRevocations_Context(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &origin{answer: serve(listOf("a"))}
		cfg := token.RemoteRevocationsConfig{URL: "https://idp.test/revocations", Client: &http.Client{Transport: o}, Logger: slog.New(slog.DiscardHandler)}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		r, err := token.OpenRemoteRevocations(ctx, cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		time.Sleep(time.Minute)
		if n := o.fetches.Load(); n < 59 {
			t.Errorf("%d fetches in a minute", n)
		}
		o.set(func(req *http.Request) (*http.Response, error) {
			<-req.Context().Done()
			return nil, req.Context().Err()
		})
		ctx, cancel = context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := token.OpenRemoteRevocations(ctx, cfg); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a first fetch that hangs: %v", err)
		}
	})
}

func TestRemoteRevocationsConfigErrors(t *testing.T) {
	for want, cfg := range map[string]token.RemoteRevocationsConfig{
		"https":    {URL: "http://idp.test/revocations"},
		"host":     {},
		"Every":    {URL: "https://idp.test/", Every: -1},
		"MaxBytes": {URL: "https://idp.test/", MaxBytes: -1},
	} {
		r, err := token.OpenRemoteRevocations(t.Context(), cfg)
		if err == nil {
			r.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	if s := fmt.Sprintf("%+v", token.RemoteRevocationsConfig{Bearer: "hunter2"}); strings.Contains(s, "hunter2") {
		t.Error("the configuration prints its secret")
	}
}

// A clock that was ahead for a while has emptied the list. The issuer's list is the
// same, so that it would answer 304 for ever.
func TestSE06_AClockThatWasWrongLosesNoEntry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ahead atomic.Int64
		list := listOf("a")
		r, _, _ := followList(t, func(c *token.RemoteRevocationsConfig) {
			c.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
		}, func(q *http.Request) (*http.Response, error) {
			if q.Header.Get("If-None-Match") == `"1"` {
				return body(304, strings.NewReader("")), nil
			}
			resp := body(200, strings.NewReader(string(list)))
			resp.Header.Set("ETag", `"1"`)
			return resp, nil
		})
		defer r.Close()
		ahead.Store(int64(2 * time.Hour))
		time.Sleep(1500 * time.Millisecond)
		if r.List().Revoked("a") {
			t.Fatal("the clock had no effect")
		}
		ahead.Store(0)
		time.Sleep(1500 * time.Millisecond)
		if !r.List().Revoked("a") {
			t.Error("the entry is lost")
		}
	})
}

// A list that is too long could have any session, so no session is validated.
func TestSE06_AListThatIsTooLongRefusesEverySession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, o, log := followList(t, func(c *token.RemoteRevocationsConfig) { c.MaxBytes = int64(len(listOf("a"))) }, serve(listOf("a")))
		defer r.Close()
		if err := r.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		var many []string
		for i := range 100 {
			many = append(many, fmt.Sprint("session ", i))
		}
		o.set(serve(listOf(many...)))
		time.Sleep(1500 * time.Millisecond)
		if err := r.Wait(t.Context()); !errors.Is(err, token.ErrUnavailable) || log.events.Load() != 1 {
			t.Errorf("with a list over MaxBytes: %v, %d log events", err, log.events.Load())
		}
		o.set(down) // an outage does not open it again
		time.Sleep(1500 * time.Millisecond)
		if err := r.Wait(t.Context()); !errors.Is(err, token.ErrUnavailable) {
			t.Errorf("in an outage after that: %v", err)
		}
		o.set(serve(listOf("b")))
		time.Sleep(1500 * time.Millisecond)
		if err := r.Wait(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// Two readers could take different lists, and the last one would hide ended sessions.
func TestSE06_AListThatReadersReadDifferentlyIsNoList(t *testing.T) {
	for name, text := range map[string]string{
		"two lists":             `{"revocations":[{"sid":"s1","until":4102444800}],"revocations":[]}`,
		"in another case":       `{"revocations":[{"sid":"s1","until":4102444800}],"Revocations":[]}`,
		"in another case alone": `{"REVOCATIONS":[]}`,
		"two ids":               `{"revocations":[{"sid":"s1","sid":"s2","until":4102444800}]}`,
		"an id in another case": `{"revocations":[{"SID":"s2","until":4102444800}]}`,
		"not UTF-8":             "{\"revocations\":[{\"sid\":\"s\xff\",\"until\":4102444800}]}",
	} {
		o := &origin{answer: serve([]byte(text))}
		r, err := token.OpenRemoteRevocations(t.Context(), token.RemoteRevocationsConfig{
			URL: "https://idp.test/revocations", Client: &http.Client{Transport: o}, Logger: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Wait(t.Context()); !errors.Is(err, token.ErrUnavailable) {
			t.Errorf("%s: %v, want an unknown list", name, err)
		}
		r.Close()
	}
}
