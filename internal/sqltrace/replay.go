package sqltrace

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// Trace is what one version of a store did.
type Trace struct {
	// Schema is the number of the last migration that this version has.
	Schema int
	// Shared are the steps of [Shared], Alone those of [Alone].
	Shared, Alone []Step
}

// Read reads a trace from a file.
func Read(path string) (t Trace, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return t, err
	}
	return t, json.Unmarshal(text, &t)
}

// Write writes a trace to a file, one step a line.
func (t Trace) Write(path string) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	fmt.Fprintf(&b, "{\"Schema\": %d", t.Schema)
	for _, part := range []struct {
		name  string
		steps []Step
	}{{"Shared", t.Shared}, {"Alone", t.Alone}} {
		fmt.Fprintf(&b, ",\n%q: [", part.name)
		for i, s := range part.steps {
			b.WriteString([]string{"", ","}[min(i, 1)])
			if err := e.Encode(s); err != nil { // ends with a line break
				return err
			}
		}
		b.WriteString("]")
	}
	b.WriteString("}\n")
	return os.WriteFile(path, b.Bytes(), 0o644)
}

// Replay runs recorded steps on a connection, as replica number n: each replica has
// users, sessions and tokens of its own. With compare, it fails if a result differs from
// the recorded one, which needs replica 0 and empty tables.
func Replay(ctx context.Context, conn *sql.Conn, steps []Step, n int, compare bool) error {
	for i, s := range steps {
		args := make([]any, len(s.Args))
		for j, a := range s.Args {
			args[j] = a.replica(n).v
		}
		rows, affected, err := run(ctx, conn, s, args)
		if err != nil {
			_, rollback := conn.ExecContext(ctx, "ROLLBACK") // others wait for its locks
			return fmt.Errorf("step %d: %s: %w (rollback: %v)", i, s.Text, err, rollback)
		}
		if !compare {
			continue
		}
		if affected != s.Affected || !slices.EqualFunc(rows, s.Rows, equalRow) {
			return fmt.Errorf("step %d: %s %v: %d rows changed and %v returned; recorded are %d and %v", i, s.Text, args, affected, rows, s.Affected, s.Rows)
		}
	}
	return nil
}

func run(ctx context.Context, conn *sql.Conn, s Step, args []any) (all [][]value, affected int64, err error) {
	if !s.Query {
		res, err := conn.ExecContext(ctx, s.Text, args...)
		if err != nil || s.Affected == 0 { // the engines disagree on BEGIN and PRAGMA
			return nil, 0, err
		}
		affected, err = res.RowsAffected()
		return nil, affected, err
	}
	rows, err := conn.QueryContext(ctx, s.Text, args...)
	if err != nil {
		return nil, 0, err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return nil, 0, err
	}
	for rows.Next() {
		row, dest := make([]value, len(columns)), make([]any, len(columns))
		for i := range row {
			dest[i] = &row[i].v
		}
		if err := rows.Scan(dest...); err != nil {
			return nil, 0, err
		}
		all = append(all, row)
	}
	return all, 0, rows.Err()
}

func equalRow(a, b []value) bool {
	return slices.EqualFunc(a, b, func(a, b value) bool { return a.String() == b.String() })
}

// value is an argument or a column. As text it has its type before a colon.
type value struct{ v any }

func (v value) String() string {
	switch x := v.v.(type) {
	case nil:
		return "null:"
	case []byte:
		return "bytes:" + hex.EncodeToString(x)
	case string:
		return "text:" + x
	case bool:
		return "bool:" + strconv.FormatBool(x)
	case int64:
		return "int:" + strconv.FormatInt(x, 10)
	default:
		return fmt.Sprintf("%T:%v", x, x)
	}
}

// MarshalText implements encoding.TextMarshaler.
func (v value) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (v *value) UnmarshalText(text []byte) (err error) {
	kind, x, _ := strings.Cut(string(text), ":")
	switch kind {
	case "null":
		v.v = nil
	case "bytes":
		v.v, err = hex.DecodeString(x)
	case "text":
		v.v = x
	case "bool":
		v.v, err = strconv.ParseBool(x)
	case "int":
		v.v, err = strconv.ParseInt(x, 10, 64)
	default:
		err = fmt.Errorf("sqltrace: unknown kind of value %q", kind)
	}
	return err
}

// replica returns the value as replica n uses it.
func (v value) replica(n int) value {
	switch x := v.v.(type) {
	case string:
		if n > 0 {
			return value{strings.ReplaceAll(x, Name, Name+strconv.Itoa(n))}
		}
	case []byte:
		if len(x) > 0 {
			x = bytes.Clone(x)
			x[0] ^= byte(n)
			return value{x}
		}
	}
	return v
}
