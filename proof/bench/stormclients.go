package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	stormSize = 500
	stormTime = 10 * time.Second
)

// stormed is what became of the clients.
type stormed struct {
	SignedIn, Busy, Other int
	LastOther             string
	Longest               time.Duration // that anybody waited for an answer
}

// stormClients are 500 people who all sign in at the same moment. Who is told to
// come again does, when he was told and up to a second later, for ten seconds in all;
// who is in is done. They are a process of their own, so that what they cost is not
// taken for what the server makes others wait. The result goes to the standard output.
func stormClients(base string) error {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: stormSize}, Timeout: time.Minute}
	var (
		mu    sync.Mutex
		total stormed
		wg    sync.WaitGroup
		start = make(chan struct{})
	)
	for n := range stormSize {
		wg.Go(func() {
			<-start
			for end := time.Now().Add(stormTime); time.Now().Before(end); {
				began := time.Now()
				status, wait, text := signInOnce(client, base, n)
				mu.Lock()
				total.Longest = max(total.Longest, time.Since(began))
				switch {
				case status == http.StatusOK:
					total.SignedIn++
				case status == http.StatusTooManyRequests && wait > 0:
					total.Busy++
				default:
					total.Other++
					total.LastOther = fmt.Sprint(status, " ", text)
				}
				mu.Unlock()
				if wait == 0 {
					return
				}
				time.Sleep(wait + rand.N(time.Second))
			}
		})
	}
	close(start)
	wg.Wait()
	return json.NewEncoder(os.Stdout).Encode(total)
}

// signInOnce returns the status, and how long to wait if there is something to wait for.
func signInOnce(client *http.Client, base string, user int) (status int, wait time.Duration, text string) {
	r, err := http.NewRequest("POST", base+"/auth/signin", strings.NewReader(signInBody(user)))
	if err != nil {
		return 0, 0, err.Error()
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Requested-With", "bench")
	answer, err := client.Do(r)
	if err != nil {
		return 0, 0, err.Error()
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return 0, 0, err.Error()
	}
	if answer.StatusCode == http.StatusTooManyRequests {
		seconds, err := strconv.Atoi(answer.Header.Get("Retry-After"))
		if err == nil {
			wait = time.Duration(seconds) * time.Second
		}
	}
	return answer.StatusCode, wait, strings.TrimSpace(string(body))
}

// startStorm starts the clients in a process of their own. Calling what it returns
// waits for their end.
func startStorm(base string) (wait func() (stormed, error), err error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	settings, err := json.Marshal(childSettings{Storm: base})
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(exe, childFlag, string(settings))
	cmd.Stderr = os.Stderr
	var out strings.Builder
	cmd.Stdout = &out
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return func() (total stormed, err error) {
		if err := cmd.Wait(); err != nil {
			return total, fmt.Errorf("the storm: %w", err)
		}
		return total, json.Unmarshal([]byte(out.String()), &total)
	}, nil
}
