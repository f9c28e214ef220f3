package background

import "context"

// queueSize is how many tasks may wait.
const queueSize = 256

// task is queued work.
type task struct {
	name string
	do   func(context.Context) error
}

// Enqueue queues do for the goroutine of [Group.RunQueue], so that its duration does
// not change the response time of a request. Use it only for work that the client can
// request again: a task is dropped when the queue is full, with a warning, and when
// the group ends.
func (g *Group) Enqueue(name string, do func(context.Context) error) {
	select {
	case g.tasks <- task{name, do}:
	default:
		g.log.Warn("usher: queued work dropped, the queue is full", "work", name)
	}
}

// RunQueue starts the goroutine that runs the queued tasks, one after the other.
func (g *Group) RunQueue() {
	g.Go(func(ctx context.Context) {
		for {
			select {
			case <-ctx.Done():
				return
			case t := <-g.tasks:
				if err := runOnce(ctx, t.do); err != nil {
					g.log.Error("usher: background work fails", "work", t.name, "error", err)
				}
			}
		}
	})
}
