package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

// The load of honest users, as shares of the sign-ins that the instance can hash. Each
// honest user has an address of its own and signs in, or requests a reset, once.
const (
	honestShare = 0.2
	ownerShare  = 0.1
)

// outcome is what an attack did to an instance and to its honest users.
type outcome struct {
	attack
	attackers, signIns, resets, requests, owner, ownerResets, neighbors *tally
	capacity                                                            float64 // sign-ins a second
	resetEmails                                                         int
	ownerEmails                                                         int
	judgedGuesses                                                       int
	base, peak                                                          float64 // MiB
	calm, attacked                                                      []time.Duration
	day                                                                 string
}

// run attacks a new instance for a period.
func (a attack) run(ctx context.Context, seed uint64, overload float64, period time.Duration) (o outcome, err error) {
	o = outcome{
		attack: a, attackers: newTally(), signIns: newTally(), resets: newTally(), requests: newTally(), owner: newTally(),
		ownerResets: newTally(), neighbors: newTally(),
	}
	i, err := startInstance(ctx)
	if err != nil {
		return o, err
	}
	defer func() { err = errors.Join(err, i.stop()) }()
	c := newClients(i.base)
	known := c.send(ctx, signIn(ownerHome, loginID("owner", 0), rightPassword, ""))
	if known.SessionToken == "" || known.DeviceToken == "" {
		return o, fmt.Errorf("the owner's first sign-in answers %d", known.status)
	}
	var devices []string
	for n := range attackerUsers {
		if a.own {
			devices = append(devices, c.send(ctx, signIn(attackerAddress, loginID("attacker", n), rightPassword, "")).DeviceToken)
		}
	}
	if o.capacity, err = c.capacity(ctx, known); err != nil {
		return o, err
	}
	calm, cancel := context.WithTimeout(ctx, min(period, 3*time.Second))
	o.calm = c.protectedRequests(calm, known.SessionToken, newTally())
	cancel()
	if o.base, err = i.memory("VmRSS"); err != nil {
		return o, err
	}
	if err := i.resetPeak(); err != nil {
		return o, err
	}
	attacked, cancel := context.WithTimeout(ctx, period)
	defer cancel()
	o.attacked = o.load(attacked, c, known, devices, seed, overload)
	time.Sleep(500 * time.Millisecond) // the outbox delivers
	if o.peak, err = i.memory("VmHWM"); err != nil {
		return o, err
	}
	counted, err := i.counts()
	if err != nil {
		return o, err
	}
	o.judgedGuesses = counted.Events[a.judged]
	o.resetEmails, o.ownerEmails = counted.Emails["honest reset_password"], counted.Emails["owner reset_password"]
	if a.perDay != nil {
		o.day, err = a.perDay()
	}
	return o, errors.Join(err, ctx.Err())
}

// capacity returns how many sign-ins a second the instance can hash, from five that follow
// one another.
func (c *clients) capacity(ctx context.Context, known reply) (float64, error) {
	const n = 5
	began := time.Now()
	for range n {
		answer := c.send(ctx, signIn(ownerHome, loginID("owner", 0), rightPassword, known.DeviceToken))
		if answer.status != http.StatusOK {
			return 0, fmt.Errorf("a sign-in answers %d", answer.status)
		}
	}
	return n / time.Since(began).Seconds(), nil
}

// load attacks and sends the honest requests until ctx ends. It returns how long protected
// requests took.
func (o *outcome) load(ctx context.Context, c *clients, known reply, devices []string, seed uint64, overload float64) (took []time.Duration) {
	whole := context.WithoutCancel(ctx) // a request that was sent is answered
	r := rand.New(rand.NewPCG(seed, 0))
	var mu sync.Mutex
	next := func() request {
		mu.Lock()
		defer mu.Unlock()
		return o.next(r, devices)
	}
	ownerAt := ownerHome
	if o.ownerAt != "" {
		ownerAt = o.ownerAt
	}
	var all sync.WaitGroup
	steady := func(rate float64, t *tally, request func(n int) request) {
		all.Go(func() {
			everyTick(ctx, rate, func(n int) { t.add(c.send(whole, request(n)).status) })
		})
	}
	if o.next != nil {
		steady(overload*o.capacity, o.attackers, func(int) request { return next() })
	}
	steady(honestShare*o.capacity, o.signIns, func(n int) request {
		return signIn(honestAddress(n), loginID("honest", n), rightPassword, "")
	})
	steady(honestShare*o.capacity, o.resets, func(n int) request {
		return requestReset(honestAddress(10_000+n), loginID("honest", honestUsers/2+n), "")
	})
	steady(ownerShare*o.capacity, o.owner, func(int) request {
		return signIn(ownerAt, loginID("owner", 0), rightPassword, known.DeviceToken)
	})
	if o.neighbor != "" {
		steady(honestShare*o.capacity, o.neighbors, func(n int) request {
			return signIn(o.neighbor, loginID("honest", honestUsers/4+n), rightPassword, "")
		})
	}
	all.Go(func() { took = c.protectedRequests(ctx, known.SessionToken, o.requests) })
	all.Wait()
	o.ownerResets.add(c.send(whole, requestReset(ownerAt, loginID("owner", 0), known.DeviceToken)).status)
	return took
}
