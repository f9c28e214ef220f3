package password

import (
	"container/list"
	"context"
)

type queueContextKey struct{}

// queueKey names the queue in which a caller waits.
type queueKey struct{ group, client string }

// WithClient returns a context whose calls of a [Hasher] wait in the queue of a client,
// such as a network, and of a group of clients. Groups take turns, and within a group its
// clients do. So a client with many calls delays the others of its group by at most one
// computation each turn, and a group with many clients delays another group by at most
// one. Calls without a client share one queue.
func WithClient(ctx context.Context, group, client string) context.Context {
	return context.WithValue(ctx, queueContextKey{}, queueKey{group, client})
}

func queueKeyOf(ctx context.Context) queueKey {
	p, _ := ctx.Value(queueContextKey{}).(queueKey)
	return p
}

// waiter is a caller in a queue. Closing ready gives it a slot.
type waiter struct {
	queueKey
	ready chan struct{}
	entry *list.Element // in the queue of its client
}

// groupedQueue holds the waiting callers of each group. The zero value is empty.
type groupedQueue struct {
	byGroup map[string]*fairQueue
	turns   list.List // of *fairQueue that are not empty; the first has the next turn
	length  int
}

// push adds a caller.
func (q *groupedQueue) push(p queueKey) *waiter {
	g := q.byGroup[p.group]
	if g == nil {
		if q.byGroup == nil {
			q.byGroup = map[string]*fairQueue{}
		}
		g = &fairQueue{}
		g.turn = q.turns.PushBack(g)
		q.byGroup[p.group] = g
	}
	q.length++
	return g.push(p)
}

// pop removes and returns the next caller of the group that has the next turn, or nil.
func (q *groupedQueue) pop() *waiter {
	front := q.turns.Front()
	if front == nil {
		return nil
	}
	q.turns.MoveToBack(front)
	w := front.Value.(*fairQueue).next()
	q.remove(w)
	return w
}

// remove removes a caller that has not been popped.
func (q *groupedQueue) remove(w *waiter) {
	g := q.byGroup[w.group]
	g.remove(w)
	q.length--
	if g.length == 0 {
		q.turns.Remove(g.turn)
		delete(q.byGroup, w.group)
	}
}

// ahead returns how many callers are served before a new one, at most.
func (q *groupedQueue) ahead(p queueKey) int {
	own := 0
	if g := q.byGroup[p.group]; g != nil {
		own = g.ahead(p.client)
	}
	n := own
	for other, g := range q.byGroup {
		if other != p.group {
			n += min(g.length, own+1)
		}
	}
	return n
}

// fairQueue holds the waiting callers of each client of a group. The zero value is empty.
type fairQueue struct {
	byClient map[string]*clientQueue
	turns    list.List // of *clientQueue that are not empty; the first has the next turn
	length   int
	turn     *list.Element // in the groupedQueue
}

type clientQueue struct {
	waiting list.List // of *waiter
	turn    *list.Element
}

// push adds a caller.
func (q *fairQueue) push(p queueKey) *waiter {
	c := q.byClient[p.client]
	if c == nil {
		if q.byClient == nil {
			q.byClient = map[string]*clientQueue{}
		}
		c = &clientQueue{}
		c.turn = q.turns.PushBack(c)
		q.byClient[p.client] = c
	}
	w := &waiter{queueKey: p, ready: make(chan struct{})}
	w.entry = c.waiting.PushBack(w)
	q.length++
	return w
}

// next returns the first caller of the client that has the next turn, and moves that
// client to the end. The queue must not be empty.
func (q *fairQueue) next() *waiter {
	front := q.turns.Front()
	q.turns.MoveToBack(front)
	return front.Value.(*clientQueue).waiting.Front().Value.(*waiter)
}

// remove removes a caller.
func (q *fairQueue) remove(w *waiter) {
	c := q.byClient[w.client]
	c.waiting.Remove(w.entry)
	q.length--
	if c.waiting.Len() == 0 {
		q.turns.Remove(c.turn)
		delete(q.byClient, w.client)
	}
}

// ahead returns how many callers are served before a new one of the client, at most.
func (q *fairQueue) ahead(client string) int {
	own := 0
	if c := q.byClient[client]; c != nil {
		own = c.waiting.Len()
	}
	n := own
	for other, c := range q.byClient {
		if other != client {
			n += min(c.waiting.Len(), own+1)
		}
	}
	return n
}
