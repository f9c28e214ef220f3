package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"
)

// clients send the requests of all simulated clients. Each request names the address of
// its client as a trusted proxy would.
type clients struct {
	base string
	http *http.Client
}

func newClients(base string) *clients {
	return &clients{base, &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 512}}}
}

// request is one request of a simulated client.
type request struct {
	path, address, loginID, password, device string
}

// reply is an answer. Status 0 means that there was none.
type reply struct {
	status       int
	SessionToken string `json:"sessionToken"`
	DeviceToken  string `json:"deviceToken"`
}

// send sends a POST with a JSON body.
func (c *clients) send(ctx context.Context, r request) (answer reply) {
	body := map[string]string{"loginId": r.loginID}
	if r.password != "" {
		body["password"] = r.password
	}
	if r.device != "" {
		body["deviceToken"] = r.device
	}
	text, err := json.Marshal(body)
	if err != nil {
		panic(err) // a map of strings has an encoding
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+r.path, bytes.NewReader(text))
	if err != nil {
		panic(err) // the address is that of the instance
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Forwarded-For", r.address)
	resp, err := c.http.Do(req)
	if err != nil {
		return reply{}
	}
	defer resp.Body.Close()
	if all, err := io.ReadAll(resp.Body); err == nil {
		_ = json.Unmarshal(all, &answer) // an error has none of the fields
	}
	answer.status = resp.StatusCode
	return answer
}

// signIn returns the request of a sign-in.
func signIn(address, loginID, password, device string) request {
	return request{"/auth/signin", address, loginID, password, device}
}

// requestReset returns the request of a reset email.
func requestReset(address, loginID, device string) request {
	return request{"/auth/password/reset", address, loginID, "", device}
}

// tally counts the answers to requests of one kind.
type tally struct {
	mu       sync.Mutex
	statuses map[int]int
}

func newTally() *tally { return &tally{statuses: map[int]int{}} }

func (t *tally) add(status int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.statuses[status]++
}

func (t *tally) sent() (n int) {
	for _, count := range t.statuses {
		n += count
	}
	return n
}

// passed returns how many requests got an answer below 300.
func (t *tally) passed() (n int) {
	for status, count := range t.statuses {
		if status >= 200 && status < 300 {
			n += count
		}
	}
	return n
}

// everyTick calls do in a new goroutine at a steady rate, whatever the answers, with at
// most 256 calls at the same time. It returns when ctx has ended and all calls have
// returned.
func everyTick(ctx context.Context, perSecond float64, do func(n int)) {
	var all sync.WaitGroup
	free := make(chan struct{}, 256)
	tick := time.NewTicker(time.Duration(float64(time.Second) / perSecond))
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			all.Wait()
			return
		case <-tick.C:
		}
		select {
		case free <- struct{}{}:
			all.Go(func() { do(n); <-free })
		default:
		}
	}
}

// protectedRequests sends protected requests over four connections until ctx ends, one
// every 10 ms on each, and returns how long those took that passed.
func (c *clients) protectedRequests(ctx context.Context, bearer string, answers *tally) (took []time.Duration) {
	var mu sync.Mutex
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for ctx.Err() == nil {
				req, err := http.NewRequest(http.MethodGet, c.base+"/protected", nil)
				if err != nil {
					panic(err) // the address is that of the instance
				}
				req.Header.Set("Authorization", "Bearer "+bearer)
				began := time.Now()
				status := 0
				if resp, err := c.http.Do(req); err == nil {
					_, _ = io.Copy(io.Discard, resp.Body)
					resp.Body.Close()
					status = resp.StatusCode
				}
				d := time.Since(began)
				answers.add(status)
				mu.Lock()
				took = append(took, d)
				mu.Unlock()
				time.Sleep(10 * time.Millisecond)
			}
		})
	}
	all.Wait()
	return took
}

// percentile returns the value that the given share of the list does not exceed.
func percentile(list []time.Duration, p float64) time.Duration {
	if len(list) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(list))
	return sorted[min(len(sorted)-1, int(float64(len(sorted))*p))]
}
