package sqltrace

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/sqlstore"
)

var record = flag.Bool("record-sql", false, "record the statements of the present version of the store")

// traces is the folder of the recorded traces, seen from the packages of the engines.
const traces = "../sqlstore/testdata"

// Engine opens databases of one engine.
type Engine struct {
	Dialect sqlstore.Dialect
	// Begin is the statement that begins a transaction.
	Begin string
	// Empty returns the connector of a new, empty database.
	Empty func(t *testing.T) driver.Connector
}

func (e Engine) schema(t *testing.T) int {
	t.Helper()
	files, err := fs.Glob(sqlstore.Migrations(e.Dialect), "*.sql")
	if err != nil {
		t.Fatal(err)
	}
	return len(files)
}

func (e Engine) path(schema int) string {
	return filepath.Join(traces, fmt.Sprintf("%s-schema-%04d.json", e.Dialect, schema))
}

// open creates the tables of the present version and opens them.
func (e Engine) open(t *testing.T, db *sql.DB) store.Store {
	t.Helper()
	t.Cleanup(func() { db.Close() })
	st, err := sqlstore.New(t.Context(), db, e.Dialect)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// TestRecordedVersions replays what earlier versions of the store sent to their databases,
// on the tables of the present version: alone, where every result must be the recorded
// one, and beside calls of the present version.
//
// Run it with -record-sql before the first migration of a new version, so that the new
// version is tested against the one before.
func TestRecordedVersions(t *testing.T, e Engine) {
	schema := e.schema(t)
	if *record {
		e.record(t, schema)
	}
	if _, err := os.Stat(e.path(schema - 1)); err != nil {
		if _, err := os.Stat(e.path(schema)); err != nil {
			t.Fatalf("no trace of the version before migration %d: run this test there, with -record-sql", schema)
		}
	}
	files, err := filepath.Glob(filepath.Join(traces, string(e.Dialect)+"-schema-*.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		trace, err := Read(file)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		t.Run(fmt.Sprintf("schema %d alone", trace.Schema), func(t *testing.T) { e.replayAlone(t, trace) })
		t.Run(fmt.Sprintf("schema %d beside the present version", trace.Schema), func(t *testing.T) { e.replayBeside(t, trace) })
	}
}

func (e Engine) record(t *testing.T, schema int) {
	t.Helper()
	r := &Recorder{Connector: e.Empty(t), Begin: e.Begin}
	st := e.open(t, r.OpenDB())
	r.Take()
	err := Shared(t.Context(), st, Name)
	trace := Trace{Schema: schema, Shared: r.Take()}
	if err == nil {
		err = Alone(t.Context(), st)
		trace.Alone = r.Take()
	}
	if err == nil {
		err = trace.Write(e.path(schema))
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (e Engine) replayAlone(t *testing.T, trace Trace) {
	db := sql.OpenDB(e.Empty(t))
	db.SetMaxOpenConns(1)
	e.open(t, db)
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, steps := range [][]Step{trace.Shared, trace.Alone} {
		if err := Replay(t.Context(), conn, steps, 0, true); err != nil {
			t.Fatal(err)
		}
	}
}

// replayBeside runs some instances of the recorded version and some of the present one on
// the same tables.
func (e Engine) replayBeside(t *testing.T, trace Trace) {
	const instances = 3
	const rounds = 20
	connector := e.Empty(t)
	ctx := context.WithoutCancel(t.Context())
	var work sync.WaitGroup
	for i := range instances {
		present := sql.OpenDB(connector)
		present.SetMaxOpenConns(1)
		st := e.open(t, present)
		earlier := sql.OpenDB(connector)
		t.Cleanup(func() { earlier.Close() })
		work.Go(func() {
			for round := range rounds {
				if err := Shared(ctx, st, fmt.Sprintf("present%d-%d", i, round)); err != nil {
					t.Errorf("the present version: %v", err)
				}
			}
		})
		work.Go(func() {
			conn, err := earlier.Conn(ctx)
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			for round := range rounds {
				if err := Replay(ctx, conn, trace.Shared, 1+i*rounds+round, false); err != nil {
					t.Errorf("schema %d: %v", trace.Schema, err)
					return
				}
			}
		})
	}
	work.Wait()
}
