package tokencache

// segment is a queue of entries, threaded through them.
type segment[V any] struct {
	oldest, newest *Entry[V]
	bytes, most    int
}

func (g *segment[V]) push(e *Entry[V]) {
	e.segment, e.earlier, e.later = g, g.newest, nil
	if g.newest != nil {
		g.newest.later = e
	} else {
		g.oldest = e
	}
	g.newest = e
	g.bytes += e.bytes
}

func (g *segment[V]) pull(e *Entry[V]) {
	if e.earlier != nil {
		e.earlier.later = e.later
	} else {
		g.oldest = e.later
	}
	if e.later != nil {
		e.later.earlier = e.earlier
	} else {
		g.newest = e.earlier
	}
	e.segment, e.earlier, e.later = nil, nil, nil
	g.bytes -= e.bytes
}
