package postgres_test

import (
	"database/sql"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/usherkit/usher/internal/pgtest"
	"github.com/usherkit/usher/store/sqlite"
)

// The two engines have a folder of migrations each. What they make must be the
// same except for the names of types.
func TestST04_BothEnginesHaveTheSameTables(t *testing.T) {
	pg := open(t, pgtest.Schema(t))
	lite, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "usher.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer lite.Close()

	columnsOfBoth := [2][]string{
		lines(t, pg.DB(), `SELECT table_name || '.' || column_name FROM information_schema.columns
			WHERE table_schema = current_schema()`),
		lines(t, lite.DB(), `SELECT t.name || '.' || c.name FROM sqlite_schema t, pragma_table_info(t.name) c
			WHERE t.type = 'table' AND t.name LIKE 'usher%'`),
	}
	indexesOfBoth := [2][]string{
		lines(t, pg.DB(), `SELECT indexname FROM pg_indexes WHERE schemaname = current_schema() AND indexname NOT LIKE '%_pkey'`),
		lines(t, lite.DB(), `SELECT name FROM sqlite_schema WHERE type = 'index' AND name LIKE 'usher%'`),
	}
	for what, both := range map[string][2][]string{"columns": columnsOfBoth, "indexes": indexesOfBoth} {
		if !slices.Equal(both[0], both[1]) || len(both[0]) == 0 {
			t.Errorf("%s: Postgres has\n%s\nand SQLite\n%s", what, strings.Join(both[0], " "), strings.Join(both[1], " "))
		}
	}
}

// documented finds a row of the table of docs/users.md.
var documented = regexp.MustCompile("(?m)^\\| `(usher_\\w+)` \\| (.*) \\|$")

func TestAD10_TheDocumentedColumnsExistOnBothEngines(t *testing.T) {
	page, err := os.ReadFile("../../docs/users.md")
	if err != nil {
		t.Fatal(err)
	}
	pg := open(t, pgtest.Schema(t))
	lite, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "usher.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer lite.Close()
	tables := documented.FindAllStringSubmatch(string(page), -1)
	if len(tables) != 3 {
		t.Fatalf("%d tables are documented", len(tables))
	}
	for _, m := range tables {
		columns := strings.NewReplacer("`", "").Replace(m[2])
		for _, db := range []*sql.DB{pg.DB(), lite.DB()} {
			if _, err := db.Exec(`SELECT ` + columns + ` FROM ` + m[1]); err != nil {
				t.Errorf("%s: %v", m[1], err)
			}
		}
	}
}

// lines reads a list of texts, in the order of their bytes.
func lines(t *testing.T, db *sql.DB, query string) (out []string) {
	t.Helper()
	rows, err := db.Query(query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			t.Fatal(err)
		}
		out = append(out, s)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	slices.Sort(out)
	return out
}
