package password

import (
	"container/list"
	"context"
)

type clientKey struct{}

// WithClient returns a context whose calls of a [Hasher] wait in the queue of a client,
// such as a network. Clients take turns, so one with many calls delays the others by
// at most one computation each turn. Calls without a client share one queue.
func WithClient(ctx context.Context, client string) context.Context {
	return context.WithValue(ctx, clientKey{}, client)
}

func clientOf(ctx context.Context) string {
	client, _ := ctx.Value(clientKey{}).(string)
	return client
}

// waiter is a caller in a queue. Closing ready gives it a slot.
type waiter struct {
	client string
	ready  chan struct{}
	place  *list.Element
}

// fairQueue holds the waiting callers of each client. The zero value is empty.
type fairQueue struct {
	byClient map[string]*clientQueue
	turns    list.List // of *clientQueue that are not empty; the first has the next turn
	length   int
}

type clientQueue struct {
	client  string
	waiting list.List // of *waiter
	turn    *list.Element
}

// push adds a caller.
func (q *fairQueue) push(client string) *waiter {
	c := q.byClient[client]
	if c == nil {
		if q.byClient == nil {
			q.byClient = map[string]*clientQueue{}
		}
		c = &clientQueue{client: client}
		c.turn = q.turns.PushBack(c)
		q.byClient[client] = c
	}
	w := &waiter{client: client, ready: make(chan struct{})}
	w.place = c.waiting.PushBack(w)
	q.length++
	return w
}

// pop removes and returns the first caller of the client that has the next turn, or nil.
func (q *fairQueue) pop() *waiter {
	front := q.turns.Front()
	if front == nil {
		return nil
	}
	c := front.Value.(*clientQueue)
	w := c.waiting.Front().Value.(*waiter)
	q.turns.MoveToBack(front)
	q.remove(w)
	return w
}

// remove removes a caller that has not been popped.
func (q *fairQueue) remove(w *waiter) {
	c := q.byClient[w.client]
	c.waiting.Remove(w.place)
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
