package sqlstore

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/usherkit/usher/internal/pipeline"
)

// statement changes rows and returns none.
type statement struct {
	query string
	args  []any
}

// withoutEffect returns an insert of one row as a statement that does the same work,
// except that it inserts nothing.
func (s statement) withoutEffect() statement {
	before, row, _ := strings.Cut(s.query, "VALUES (")
	return statement{before + "SELECT " + strings.TrimSuffix(strings.TrimSpace(row), ")") + " WHERE 1 = 0", s.args}
}

// execAll runs statements that do not depend on each other. PostgreSQL gets them as
// one statement, because each one is a round trip to the server. It may get them later
// in the transaction, so their errors may be those of a later statement or of the commit.
func (t *tx) execAll(ctx context.Context, lists ...[]statement) error {
	list := slices.Concat(lists...)
	if t.dialect == Postgres {
		ctx = pipeline.Mark(ctx, pipeline.Deferred)
		if len(list) > 1 {
			list = []statement{joinStatements(list)}
		}
	}
	for _, s := range list {
		if _, err := t.exec(ctx, s.query, s.args...); err != nil {
			return err
		}
	}
	return nil
}

// joinStatements puts all statements but the last into the WITH clause of the last one.
// PostgreSQL runs a statement in a WITH clause that changes rows even if no other
// statement reads its result.
func joinStatements(list []statement) statement {
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
	// The last statement may begin with WITH itself: then its clause continues this one.
	if rest, found := strings.CutPrefix(strings.TrimSpace(final.query), "WITH "); found {
		final.query = ", " + rest
	} else {
		final.query = " " + final.query
	}
	out.query = "WITH " + strings.Join(parts, ", ") + final.query
	out.args = append(out.args, final.args...)
	return out
}
