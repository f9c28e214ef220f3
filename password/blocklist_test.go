package password

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestPW09_TheListIsLargeSortedAndFolded(t *testing.T) {
	lines := strings.Split(strings.TrimSuffix(string(common()), "\n"), "\n")
	var long, short int
	for _, l := range lines {
		switch n := utf8.RuneCountInString(l); {
		case n >= DefaultMinLength:
			long++
		case n >= FloorMinLength:
			short++
		default:
			t.Errorf("%q is shorter than any policy", l)
		}
		if fold(l) != l {
			t.Errorf("%q is not folded", l)
		}
		if !listed(l) {
			t.Errorf("%q is not found", l)
		}
	}
	if long < 3000 || short < 3000 {
		t.Errorf("%d of 15 characters and more, %d shorter", long, short)
	}
	if !slices.IsSorted(lines) || len(slices.Compact(slices.Clone(lines))) != len(lines) {
		t.Error("not sorted, or with duplicates")
	}
	for _, l := range []string{"", "\n", lines[0][:1], lines[0] + "\n" + lines[1], lines[len(lines)-1] + "z", "\x00", "\xff"} {
		if listed(l) {
			t.Errorf("%q is found", l)
		}
	}
}

func TestPW09_TheListIsWhatTheGeneratorMakes(t *testing.T) {
	folder := t.TempDir()
	source, err := os.ReadFile(filepath.Join("common", "source.txt.gz"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "source.txt.gz"), source, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "go", "run", filepath.Join("common", "generate.go"), folder).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	made, err := os.ReadFile(filepath.Join(folder, "common.txt.gz"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(unzip(made), common()) {
		t.Error("common.txt.gz is not what generate.go makes of source.txt.gz; run go generate")
	}
}

func TestPeriodAndRepetition(t *testing.T) {
	for s, want := range map[string]string{
		"": "", "a": "a", "aaaa": "a", "abcabcab": "abc", "abcd": "abcd", "abab": "ab", "aabaa": "aab",
	} {
		if got := period(s); got != want {
			t.Errorf("period(%q) = %q, want %q", s, got, want)
		}
	}
	for _, tt := range []struct {
		s, word string
		want    bool
	}{
		{"usher", "usher", true},
		{"usherusher", "usher", true},
		{"usherush", "usher", true},
		{"ushe", "usher", false},
		{"usherx", "usher", false},
		{"anusher", "usher", false},
		{"", "", false},
		{"x", "", false},
		{"", "usher", false},
	} {
		if got := isRepeated(tt.s, tt.word); got != tt.want {
			t.Errorf("isRepeated(%q, %q) = %v", tt.s, tt.word, got)
		}
	}
	for s, want := range map[string]bool{"acme2026!": true, "!acme": true, "acmeacme1": true, "acmes1": false, "1": false} {
		if got := isDecorated(s, "acme"); got != want {
			t.Errorf("isDecorated(%q, acme) = %v", s, got)
		}
	}
	if isDecorated("abc2026!", "abc") {
		t.Error("three letters among digits count as a word")
	}
}
