package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// bound is how long an answer may take, and reach how soon the end of a session
// must hold everywhere.
const (
	bound = 5*time.Second + 500*time.Millisecond // the deadline, and the way there on a busy machine
	reach = 2 * time.Second
	grace = 10 * time.Second
)

// crowd is people who use the machines and remember what they were told.
type crowd struct {
	machines []string
	people   []*person
	client   *http.Client

	mu      sync.Mutex
	out     outcome
	lastBad time.Time // of the last request without an answer, or 503

	good, unavailable atomic.Int64
	slowest           atomic.Int64
}

// person is one of them. Nothing of it is used by two at once.
type person struct {
	c        *crowd
	n        int
	id       string
	password []string // the one that was acknowledged, and one that may have been set
	session  string
	refresh  string
	doubtful time.Time // since when the last refresh has had no answer
	ended    []ended
	at       int // the machine that is asked next
}

// ended is a session that was acknowledged to have ended.
type ended struct {
	session, refresh string
	at               time.Time
}

func newCrowd(n int, machines ...string) *crowd {
	c := &crowd{machines: machines, client: &http.Client{
		Timeout: 20 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 100},
	}}
	for i := range n {
		c.people = append(c.people, &person{c: c, n: i, id: fmt.Sprintf("p%d@example.com", i), at: i})
	}
	return c
}

// broke notes a promise that did not hold. Only the first few are kept in words.
func (c *crowd) broke(counter *int, format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if counter != nil {
		*counter++
	}
	if len(c.out.broken) < 10 {
		c.out.broken = append(c.out.broken, fmt.Sprintf(format, args...))
	}
}

// reply is an answer. Status 0 is none.
type reply struct {
	status       int
	SessionToken string `json:"sessionToken"`
	RefreshToken string `json:"refreshToken"`
	Code         string `json:"code"`
}

// unknown reports whether nothing is known of what became of the request.
func (r reply) unknown() bool { return r.status == 0 || r.status >= 500 || r.status == 429 }

// ask sends one request, to one machine after the other, without sticking to any.
func (p *person) ask(method, path, bearer string, body map[string]string) reply {
	p.at++
	return p.askAt(p.c.machines[p.at%len(p.c.machines)], method, path, bearer, body)
}

func (p *person) askAt(machine, method, path, bearer string, body map[string]string) (r reply) {
	text, err := json.Marshal(body)
	if err != nil {
		panic(err) // texts only
	}
	req, err := http.NewRequest(method, machine+path, bytes.NewReader(text))
	if err != nil {
		panic(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	start := time.Now()
	resp, err := p.c.client.Do(req)
	took := time.Since(start)
	if err == nil {
		defer resp.Body.Close()
		r.status = resp.StatusCode
		answer, readErr := io.ReadAll(resp.Body)
		if readErr != nil {
			r.status = 0
		}
		_ = json.Unmarshal(answer, &r) // /api/me answers with a text
	}
	p.c.measure(r, took, path)
	return r
}

func (c *crowd) measure(r reply, took time.Duration, path string) {
	for old := c.slowest.Load(); int64(took) > old && !c.slowest.CompareAndSwap(old, int64(took)); old = c.slowest.Load() {
	}
	if took > bound {
		c.broke(nil, "%s took %s", path, took.Round(time.Millisecond))
	}
	if r.unknown() && r.status != http.StatusTooManyRequests { // which is an answer: come back later
		c.unavailable.Add(1)
		c.mu.Lock()
		c.lastBad = time.Now()
		c.mu.Unlock()
		return
	}
	c.good.Add(1)
}

// signUp must work: it is done before anything is broken.
func (p *person) signUp() error {
	pw := fmt.Sprintf("first password of person %d", p.n)
	r := p.ask("POST", "/api/auth/signup", "", map[string]string{"loginId": p.id, "password": pw})
	if r.status != http.StatusCreated {
		return fmt.Errorf("sign-up of %s: %d %s", p.id, r.status, r.Code)
	}
	p.password, p.session, p.refresh = []string{pw}, r.SessionToken, r.RefreshToken
	return nil
}

// live is the life of one person until ctx ends.
func (p *person) live(ctx context.Context) {
	for ctx.Err() == nil {
		switch d := rand.IntN(100); {
		case p.refresh == "":
			p.signIn()
		case !p.doubtful.IsZero() || d < 40:
			p.renew()
		case d < 70:
			p.look()
		case d < 78:
			p.guess()
		case d < 86:
			p.lookBack()
		case d < 94:
			p.signOut()
		default:
			p.replace()
		}
		time.Sleep(time.Duration(20+rand.IntN(40)) * time.Millisecond)
	}
}

func (p *person) signIn() {
	for i, pw := range p.password {
		r := p.ask("POST", "/api/auth/signin", "", map[string]string{"loginId": p.id, "password": pw})
		switch {
		case r.unknown():
			return
		case r.status == http.StatusOK:
			p.password, p.session, p.refresh = []string{pw}, r.SessionToken, r.RefreshToken
			return
		case i == len(p.password)-1:
			p.c.broke(&p.c.out.lost, "%s cannot sign in: %d %s", p.id, r.status, r.Code)
		}
	}
}

// renew refreshes. An answer that was lost is asked for again with the same
// token, as a good client does.
func (p *person) renew() {
	r := p.ask("POST", "/api/auth/session/refresh", "", map[string]string{"refreshToken": p.refresh})
	switch {
	case r.unknown():
		if p.doubtful.IsZero() {
			p.doubtful = time.Now()
		}
	case r.status == http.StatusOK:
		p.session, p.refresh, p.doubtful = r.SessionToken, r.RefreshToken, time.Time{}
	default:
		waited := ""
		if !p.doubtful.IsZero() {
			waited = fmt.Sprintf(", %s after an answer that was lost", time.Since(p.doubtful).Round(time.Millisecond))
		}
		p.c.broke(&p.c.out.thrown, "%s was signed out by %d %s%s", p.id, r.status, r.Code, waited)
		p.session, p.refresh, p.doubtful = "", "", time.Time{}
	}
}

// look validates the session.
func (p *person) look() {
	if r := p.ask("GET", "/api/me", p.session, nil); !r.unknown() && r.status != http.StatusOK {
		p.c.broke(&p.c.out.thrown, "the session of %s was refused: %d", p.id, r.status)
	}
}

// guess tries a wrong password.
func (p *person) guess() {
	r := p.ask("POST", "/api/auth/signin", "", map[string]string{"loginId": p.id, "password": "not the password at all"})
	if r.status < 300 && r.status != 0 {
		p.c.broke(&p.c.out.letIn, "%s was let in by a wrong password", p.id)
	}
}

// lookBack tries sessions that have ended.
func (p *person) lookBack() {
	if len(p.ended) == 0 {
		return
	}
	e := p.ended[rand.IntN(len(p.ended))]
	asked := time.Now()
	if r := p.ask("GET", "/api/me", e.session, nil); r.status == http.StatusOK && asked.Sub(e.at) > reach {
		p.c.broke(&p.c.out.letIn, "a session of %s was accepted %s after its end", p.id, asked.Sub(e.at).Round(time.Millisecond))
	}
	if r := p.ask("POST", "/api/auth/session/refresh", "", map[string]string{"refreshToken": e.refresh}); r.status == http.StatusOK {
		p.c.broke(&p.c.out.letIn, "an ended session of %s was refreshed", p.id)
	}
}

func (p *person) signOut() {
	r := p.ask("POST", "/api/auth/signout", p.session, map[string]string{"refreshToken": p.refresh})
	switch {
	case r.status == http.StatusOK:
		p.end(p.session, p.refresh)
	case !r.unknown():
		p.c.broke(&p.c.out.thrown, "%s could not sign out: %d %s", p.id, r.status, r.Code)
	}
	// Whatever became of it, a browser has forgotten the tokens.
	p.session, p.refresh, p.doubtful = "", "", time.Time{}
}

func (p *person) end(session, refresh string) {
	p.ended = append(p.ended, ended{session, refresh, time.Now()})
	if len(p.ended) > 20 {
		p.ended = p.ended[1:]
	}
}

// replace changes the password, which ends all sessions but the new one.
func (p *person) replace() {
	if len(p.password) > 1 {
		p.refresh = "" // find out first which one it is
		return
	}
	next := fmt.Sprintf("password %d of person %d", rand.Int64(), p.n)
	r := p.ask("POST", "/api/auth/password/replace", "",
		map[string]string{"loginId": p.id, "oldPassword": p.password[0], "newPassword": next})
	switch {
	case r.status == http.StatusOK:
		p.end(p.session, p.refresh)
		p.password, p.session, p.refresh, p.doubtful = []string{next}, r.SessionToken, r.RefreshToken, time.Time{}
	case r.unknown():
		p.password = []string{p.password[0], next}
		p.session, p.refresh, p.doubtful = "", "", time.Time{}
	default:
		p.c.broke(&p.c.out.lost, "%s cannot replace the password: %d %s", p.id, r.status, r.Code)
	}
}

// settle checks at the end, on every machine, that all that was acknowledged is
// there and that nothing else is.
func (p *person) settle(sure bool) {
	if p.refresh != "" {
		p.renew()
		if sure && !p.doubtful.IsZero() {
			p.c.broke(nil, "%s gets no answer", p.id)
		}
	}
	p.lookBack()
	had := len(p.password)
	p.signIn()
	if sure && (p.refresh == "" || had > 1 && len(p.password) > 1) {
		p.c.broke(nil, "%s cannot sign in", p.id)
	}
	for _, m := range p.c.machines {
		if r := p.askAt(m, "GET", "/api/me", p.session, nil); r.status != http.StatusOK {
			p.c.broke(&p.c.out.thrown, "%s refuses a good session: %d", m, r.status)
		}
		for _, e := range p.ended {
			if r := p.askAt(m, "GET", "/api/me", e.session, nil); r.status == http.StatusOK && time.Since(e.at) > reach {
				p.c.broke(&p.c.out.letIn, "%s accepts a session that has ended", m)
			}
		}
	}
}

// each runs do for everybody at once.
func (c *crowd) each(do func(p *person)) {
	var all sync.WaitGroup
	for _, p := range c.people {
		all.Go(func() { do(p) })
	}
	all.Wait()
}
