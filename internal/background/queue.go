package background

import "context"

// queueSize is how many tasks may wait.
const queueSize = 256

// task is queued work.
type task struct {
	name string
	do   func(context.Context) error
}

// Enqueue runs do soon, in the goroutine of [Group.RunQueue], so that its duration
// does not show in the time of an answer. It is for work that the client can ask
// for again: a task is dropped, with a warning, when the queue is full, and when the
// group ends.
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
				if err := call(ctx, t.do); err != nil {
					g.log.Error("usher: background work fails", "work", t.name, "error", err)
				}
			}
		}
	})
}
