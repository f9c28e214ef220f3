// Package pipeline marks the SQL statements that a driver may send together with others.
package pipeline

import "context"

// Kind says how a statement may be sent.
type Kind int

const (
	// Program is a statement of the program. It is sent at once, and alone.
	Program Kind = iota
	// Own is a statement of a store. It may be sent together with those before it.
	Own
	// Deferred is a statement of a store whose result is not read. It may be sent later
	// in its transaction, together with the next statement or with COMMIT.
	Deferred
)

type key struct{}

// Mark returns a context for statements of that kind.
func Mark(ctx context.Context, k Kind) context.Context { return context.WithValue(ctx, key{}, k) }

// Of returns the kind of the statements that get the context.
func Of(ctx context.Context) Kind {
	k, _ := ctx.Value(key{}).(Kind)
	return k
}
