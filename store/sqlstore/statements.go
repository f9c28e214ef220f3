package sqlstore

import (
	"context"
	"database/sql"
	"sync"
	"time"
)

// prepareWait is how long a step that is done may wait for the connection once
// more, to make its statements faster the next time.
const prepareWait = 100 * time.Millisecond

// maxStatements bounds what a pool keeps prepared. The statements of this
// package are fewer; the bound is for one whose text would vary without end.
const maxStatements = 256

// statements are the prepared statements of a pool of SQLite, which parses and
// plans anew what it is sent as text. pgx prepares by itself, and a pooler in
// front of PostgreSQL may forbid it, so there are none for that engine.
type statements struct {
	db *sql.DB
	// mu is never held while anything is asked of the database.
	mu sync.Mutex
	// By their common form.
	ready  map[string]*sql.Stmt
	wanted map[string]bool // seen within a transaction, which held the connection
	lent   int
	closed bool
}

func newStatements(db *sql.DB) *statements {
	return &statements{db: db, ready: map[string]*sql.Stmt{}, wanted: map[string]bool{}}
}

// lend returns a statement if it is prepared. The caller gives it back when it has
// run.
func (p *statements) lend(query string) *sql.Stmt {
	p.mu.Lock()
	defer p.mu.Unlock()
	stmt := p.ready[query]
	if p.closed || stmt == nil {
		return nil
	}
	p.lent++
	return stmt
}

func (p *statements) giveBack() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lent--
	p.closeUnused()
}

// want asks for a statement to be prepared by the next prepareWanted.
func (p *statements) want(query string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed && len(p.ready)+len(p.wanted) < maxStatements {
		p.wanted[query] = true
	}
}

// prepareWanted prepares what was asked for. It needs a connection, and so must
// not be called within a transaction. What cannot be prepared now goes on as
// text, and is wanted again when it is next seen.
func (p *statements) prepareWanted(ctx context.Context) {
	p.mu.Lock()
	queries := p.wanted
	if len(queries) > 0 {
		p.wanted = map[string]bool{}
	}
	p.mu.Unlock()
	for query := range queries {
		stmt, err := p.db.PrepareContext(ctx, SQLite.sql(query))
		if err != nil {
			return
		}
		if !p.keep(query, stmt) {
			_ = stmt.Close() // it has not run, so there is nothing to lose
		}
	}
}

// keep reports whether the statement is now the one that is lent for the query.
func (p *statements) keep(query string, stmt *sql.Stmt) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.ready[query] != nil {
		return false
	}
	p.ready[query] = stmt
	return true
}

// close gives all statements up, those that run as soon as the last one has. Later
// ones go to the database as text.
func (p *statements) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.closeUnused()
}

// closeUnused closes the statements once nobody uses any and nobody will. p.mu is
// held.
func (p *statements) closeUnused() {
	if !p.closed || p.lent > 0 {
		return
	}
	for query, stmt := range p.ready {
		_ = stmt.Close() // its connection may be gone already
		delete(p.ready, query)
	}
}
