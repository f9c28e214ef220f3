package sqlstore

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// statement changes rows, and nobody reads what it returns.
type statement struct {
	query string
	args  []any
}

// all runs statements of which none depends on what another does. PostgreSQL gets
// them as one, because each is a journey to the server.
func (t *tx) all(ctx context.Context, lists ...[]statement) error {
	list := slices.Concat(lists...)
	if t.dialect == Postgres && len(list) > 1 {
		list = []statement{joined(list)}
	}
	for _, s := range list {
		if _, err := t.exec(ctx, s.query, s.args...); err != nil {
			return err
		}
	}
	return nil
}

// joined makes all but the last a part of the last one's WITH, where PostgreSQL runs
// what changes rows whether or not it is asked for the result.
func joined(list []statement) statement {
	var (
		parts []string
		out   statement
	)
	last := len(list) - 1
	for i, s := range list[:last] {
		parts = append(parts, fmt.Sprintf("part%d AS (%s)", i, s.query))
		out.args = append(out.args, s.args...)
	}
	final := list[last]
	// What begins with a WITH of its own stands in parentheses as a part, but not at the end.
	if rest, found := strings.CutPrefix(strings.TrimSpace(final.query), "WITH "); found {
		final.query = ", " + rest
	} else {
		final.query = " " + final.query
	}
	out.query = "WITH " + strings.Join(parts, ", ") + final.query
	out.args = append(out.args, final.args...)
	return out
}
