package sqlstore

import (
	"context"
	"database/sql"
	"sync"
	"time"
)

// prepareWait is how long a finished step may wait for the connection to prepare the
// statements of later steps.
const prepareWait = 100 * time.Millisecond

// maxStatements bounds the statements that a pool keeps prepared. This package has
// fewer; the bound protects against a statement whose text varies without end.
const maxStatements = 256

// statements are the prepared statements of an SQLite pool. SQLite parses and plans a
// text each time it runs. There are none for PostgreSQL: pgx prepares statements
// itself, and a pooler in front of the server may forbid them.
type statements struct {
	db *sql.DB
	// mu is never held during a call of the database.
	mu sync.Mutex
	// The key is the statement in its common form.
	ready     map[string]*sql.Stmt
	requested map[string]bool // seen within a transaction, which holds the connection
	inUse     int
	closed    bool
}

func newStatements(db *sql.DB) *statements {
	return &statements{db: db, ready: map[string]*sql.Stmt{}, requested: map[string]bool{}}
}

// acquire returns a statement, or nil if it is not prepared. The caller must call
// release when the statement has run.
func (p *statements) acquire(query string) *sql.Stmt {
	p.mu.Lock()
	defer p.mu.Unlock()
	stmt := p.ready[query]
	if p.closed || stmt == nil {
		return nil
	}
	p.inUse++
	return stmt
}

func (p *statements) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.inUse--
	p.closeUnused()
}

// request makes the next prepareRequested prepare a statement.
func (p *statements) request(query string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed && len(p.ready)+len(p.requested) < maxStatements {
		p.requested[query] = true
	}
}

// prepareRequested prepares the requested statements. It needs a connection, so it
// must not be called within a transaction. A statement that cannot be prepared is sent
// as text and requested again the next time.
func (p *statements) prepareRequested(ctx context.Context) {
	p.mu.Lock()
	queries := p.requested
	if len(queries) > 0 {
		p.requested = map[string]bool{}
	}
	p.mu.Unlock()
	for query := range queries {
		stmt, err := p.db.PrepareContext(ctx, SQLite.sql(query))
		if err != nil {
			return
		}
		if !p.keep(query, stmt) {
			_ = stmt.Close() // it has not run, so there is no result to lose
		}
	}
}

// keep stores a prepared statement. It returns false if the statement is not needed.
func (p *statements) keep(query string, stmt *sql.Stmt) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.ready[query] != nil {
		return false
	}
	p.ready[query] = stmt
	return true
}

// close closes all statements as soon as none of them runs. Later statements are sent
// as text.
func (p *statements) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.closeUnused()
}

// closeUnused closes the statements if p is closed and none is in use. The caller
// holds p.mu.
func (p *statements) closeUnused() {
	if !p.closed || p.inUse > 0 {
		return
	}
	for query, stmt := range p.ready {
		_ = stmt.Close() // its connection may be closed already
		delete(p.ready, query)
	}
}
