package sqlstore

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

func newFile(t *testing.T) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(t.TempDir(), "usher.db")+"?_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { db.Close() })
	return db
}

// later returns the migrations of this version and of later ones, each with the last
// migration of the oldest version that can run on it.
func later(t *testing.T, usableFrom ...int64) []migration {
	t.Helper()
	files, err := readMigrations(Migrations(SQLite))
	if err != nil {
		t.Fatal(err)
	}
	present := int64(len(files))
	for i, from := range usableFrom {
		n := present + int64(i) + 1
		files = append(files, migration{
			version: n, usableFrom: present + from, name: fmt.Sprintf("%04d_later.sql", n), checksum: "x",
			text: fmt.Sprintf("ALTER TABLE usher_sessions ADD COLUMN later%d TEXT NOT NULL DEFAULT ''", n),
		})
	}
	return files
}

func TestST07_AnOlderProgramStartsOnTablesThatItCanUse(t *testing.T) {
	for name, c := range map[string]struct {
		usableFrom []int64
		want       string
	}{
		"one migration more":                      {[]int64{0}, ""},
		"two, which are one version":              {[]int64{0, 0}, ""},
		"two versions more":                       {[]int64{0, 1}, "newer than this program"},
		"the contraction of the version after it": {[]int64{1}, "newer than this program"},
	} {
		t.Run(name, func(t *testing.T) {
			db, files := newFile(t), later(t, c.usableFrom...)
			for range 2 { // the new version, then this one, in turn
				if err := migrateWith(t.Context(), db, SQLite, files); err != nil {
					t.Fatal(err)
				}
				s, err := New(t.Context(), db, SQLite)
				if c.want == "" {
					if err != nil {
						t.Fatal(err)
					}
					if err := s.Ping(t.Context()); err != nil {
						t.Fatal(err)
					}
				} else if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Fatalf("got %v, want it to say %q", err, c.want)
				}
			}
		})
	}
}

// Tables that were made before the oldest usable version was recorded get the column.
func TestST07_TheTableOfMigrationsIsExtended(t *testing.T) {
	db := newFile(t)
	if _, err := db.Exec(`CREATE TABLE usher_migrations (version BIGINT PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, applied_at BIGINT NOT NULL)`); err != nil {
		t.Fatal(err)
	}
	for _, m := range later(t)[:strictMigrations] {
		if _, err := db.Exec(m.text); err != nil {
			t.Fatal(err)
		}
		if _, err := db.Exec(`INSERT INTO usher_migrations VALUES (?, ?, ?, ?)`, m.version, m.name, m.checksum, time.Now().UnixMicro()); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if _, err := New(t.Context(), db, SQLite); err != nil {
			t.Fatal(err)
		}
	}
	if err := migrateWith(t.Context(), db, SQLite, later(t, 0)); err != nil {
		t.Fatal(err)
	}
	if _, err := New(t.Context(), db, SQLite); err != nil {
		t.Fatal(err)
	}
}

func TestST07_AMigrationIsUsableByTheVersionBefore(t *testing.T) {
	files := fstest.MapFS{}
	add := func(name, text string) { files[name] = &fstest.MapFile{Data: []byte(text)} }
	add("0001_a.sql", "-- usable-from: 1\nSELECT 1")
	add("0002_b.sql", "SELECT 2")
	add("0003_c.sql", "SELECT 3")
	add("0004_d.sql", "SELECT 4")
	add("0005_e.sql", "-- usable-from: 3\nSELECT 5")
	list, err := readMigrations(files)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []int64{1, 2, 3, 3, 3} {
		if got := list[i].usableFrom; got != want {
			t.Errorf("%s is usable from %d, want %d", list[i].name, got, want)
		}
	}
	for _, bad := range []string{"6", "x", ""} {
		add("0005_e.sql", "-- usable-from: "+bad+"\nSELECT 5")
		if _, err := readMigrations(files); err == nil {
			t.Errorf("usable-from %q was read", bad)
		}
	}
	for _, m := range later(t)[strictMigrations:] {
		if m.usableFrom >= m.version {
			t.Errorf("%s leaves no version before it usable", m.name)
		}
	}
}
