//go:build ignore

// Command generate writes common.txt.gz from source.txt.gz, both in the folder
// that is its argument. README.md in the same folder says what goes in, and
// where the source is from. The result depends on nothing else, so that two
// runs give the same bytes.
package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

const (
	minLength = 8  // the lowest minimum that a policy may have
	longest   = 32 // people do not repeat further
	long      = 15 // the minimum where the password is the only factor
)

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: generate FOLDER")
	}
	folder := os.Args[1]
	ranked, err := read(filepath.Join(folder, "source.txt.gz"))
	if err != nil {
		log.Fatal(err)
	}
	l := list{}
	for _, rule := range []func(list, []string){
		ranks, repeats, suffixes, pairs, numbers, letters, walks, phrases,
	} {
		rule(l, ranked)
	}
	if err := l.write(filepath.Join(folder, "common.txt.gz")); err != nil {
		log.Fatal(err)
	}
}

func read(name string) ([]string, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	var lines []string
	s := bufio.NewScanner(r)
	for s.Scan() {
		lines = append(lines, s.Text())
	}
	return lines, s.Err()
}

// list is a set of passwords in the form in which they are compared.
type list map[string]bool

func (l list) add(pw string) {
	pw = norm.NFC.String(cases.Fold().String(norm.NFC.String(pw)))
	if n := utf8.RuneCountInString(pw); n >= minLength && n <= 64 {
		l[pw] = true
	}
}

func (l list) write(name string) error {
	lines := make([]string, 0, len(l))
	longOnes := 0
	for pw := range l {
		lines = append(lines, pw)
		if utf8.RuneCountInString(pw) >= long {
			longOnes++
		}
	}
	slices.Sort(lines)
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return err
	}
	if _, err := w.Write([]byte(strings.Join(lines, "\n") + "\n")); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	fmt.Printf("%d passwords, %d of them with %d characters and more\n", len(lines), longOnes, long)
	return os.WriteFile(name, out.Bytes(), 0o644)
}

// ranks is the source itself.
func ranks(l list, ranked []string) {
	for _, pw := range ranked {
		l.add(pw)
	}
}

// repeats is what people do when a password is "too short": the 1,000 most
// common ones twice and more, until they have 8 and until they have 15
// characters, also with a space or a dash between.
func repeats(l list, ranked []string) {
	for _, pw := range ranked[:1000] {
		if len(pw) < 4 || len(pw) >= long {
			continue
		}
		for _, between := range []string{"", " ", "-"} {
			for _, want := range []int{minLength, long} {
				s := pw + between + pw
				for len(s) < want {
					s += between + pw
				}
				l.add(s)
			}
		}
	}
}

// suffixes is the other thing they do: the 300 most common passwords with a
// run of digits, a year or punctuation after or before.
func suffixes(l list, ranked []string) {
	var ends []string
	for n := 1; n <= 10; n++ {
		ends = append(ends, "1234567890"[:n], "1234567890"[:n]+"!")
	}
	ends = append(ends, "!", "!!", "!!!", "123123", "321", "111", "007", "12", "69", "99", "00", "01", "@123", "123456789012345")
	for year := 1960; year <= 2035; year++ {
		ends = append(ends, fmt.Sprint(year), fmt.Sprint(year, "!"))
	}
	for _, pw := range ranked[:300] {
		if len(pw) < 4 {
			continue
		}
		for _, end := range ends {
			if len(pw)+len(end) >= long {
				l.add(pw + end)
				l.add(end + pw)
			}
		}
	}
	// The shorter lengths matter only where the minimum is lower; the first
	// hundred are enough there.
	for _, pw := range ranked[:100] {
		for _, end := range ends {
			l.add(pw + end)
		}
	}
}

// pairs is two of the 100 most common passwords that are words, one after the
// other.
func pairs(l list, ranked []string) {
	var words []string
	for _, pw := range ranked {
		if len(pw) >= 5 && strings.Trim(pw, "abcdefghijklmnopqrstuvwxyz") == "" {
			words = append(words, pw)
		}
		if len(words) == 100 {
			break
		}
	}
	for _, a := range words {
		for _, b := range words {
			if len(a)+len(b) >= long {
				l.add(a + b)
			}
		}
	}
}

// numbers is counting up and down from every digit, doubled and tripled digits
// and one digit alone.
func numbers(l list, _ []string) {
	up := strings.Repeat("0123456789", 5)
	down := strings.Repeat("9876543210", 5)
	for start := range 10 {
		for n := minLength; n <= longest; n++ {
			l.add(up[start : start+n])
			l.add(down[start : start+n])
			l.add(strings.Repeat(up[start:start+1], n))
			l.add(mirror(up[start : start+(n+1)/2]))
		}
	}
	// Without the zero: 123456789123456789.
	for n := minLength; n <= longest; n++ {
		l.add(strings.Repeat("123456789", 4)[:n])
		l.add(strings.Repeat("12345", 7)[:n])
		l.add(strings.Repeat("123456", 6)[:n])
		l.add(strings.Repeat("1234567", 5)[:n])
		l.add(strings.Repeat("12345678", 4)[:n])
	}
	for _, times := range []int{2, 3, 4} {
		var s strings.Builder
		for _, d := range "1234567890" {
			s.WriteString(strings.Repeat(string(d), times))
			l.add(s.String())
		}
	}
}

// letters is the alphabet from every letter, both ways, one letter alone, and
// the usual mixtures with digits.
func letters(l list, _ []string) {
	const abc = "abcdefghijklmnopqrstuvwxyz"
	up, down := abc+abc, reverse(abc+abc)
	for start := range 26 {
		for n := minLength; n <= 26; n++ {
			l.add(up[start : start+n])
			l.add(down[start : start+n])
		}
		for n := minLength; n <= longest; n++ {
			l.add(strings.Repeat(abc[start:start+1], n))
		}
	}
	for n := 1; n <= 10; n++ {
		l.add(abc[:n] + "1234567890"[:n])
		l.add("1234567890"[:n] + abc[:n])
	}
	for _, s := range []string{"abc123", "a1b2c3d4e5f6g7h8i9j0", "1a2b3c4d5e6f7g8h9i0j", "aabbccddeeffgghhiijj"} {
		for n := minLength; n <= longest; n++ {
			l.add(strings.Repeat(s, 8)[:n])
		}
	}
}

// walks is fingers over the keyboard: along the rows, there and back, row
// after row, and down the columns, on the common layouts.
func walks(l list, _ []string) {
	layouts := [][]string{
		{"1234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm"},
		{"1234567890", "qwertzuiop", "asdfghjkl", "yxcvbnm"},
		{"1234567890", "azertyuiop", "qsdfghjklm", "wxcvbn"},
		{"1234567890", "йцукенгшщзхъ", "фывапролджэ", "ячсмитьбю"},
	}
	for _, rows := range layouts {
		for i, row := range rows {
			l.lengths(strings.Repeat(row, 4))
			l.lengths(mirror(row))
			l.lengths(strings.Repeat(mirror(row), 2))
			l.lengths(strings.Repeat(reverse(row), 4))
			for j := range rows {
				l.lengths(row + rows[j])
				l.lengths(reverse(row) + reverse(rows[j]))
				l.lengths(row + reverse(rows[j]))
			}
			l.lengths(strings.Join(rows[i:], ""))
		}
		columns(l, rows)
	}
}

// columns is 1qaz2wsx3edc and its relatives.
func columns(l list, rows []string) {
	keys := make([][]rune, len(rows))
	for i, row := range rows {
		keys[i] = []rune(row)
	}
	for depth := 2; depth <= len(keys); depth++ {
		for first := range len(keys) - depth + 1 {
			var down, up, snake []string
			for c := range keys[first] {
				var col strings.Builder
				for _, row := range keys[first : first+depth] {
					if c < len(row) {
						col.WriteRune(row[c])
					}
				}
				s := col.String()
				down = append(down, s)
				up = append(up, reverse(s))
				if c%2 == 0 {
					snake = append(snake, s)
				} else {
					snake = append(snake, reverse(s))
				}
			}
			for _, cols := range [][]string{down, up, snake} {
				for start := range cols {
					l.lengths(strings.Join(cols[start:], ""))
				}
				slices.Reverse(cols)
				l.lengths(strings.Join(cols, ""))
				for i, col := range cols {
					l.lengths(strings.Repeat(col, 6))
					if i > 0 {
						l.lengths(strings.Repeat(cols[i-1]+col, 4))
					}
				}
			}
		}
	}
}

// lengths adds every beginning of s.
func (l list) lengths(s string) {
	runes := []rune(s)
	for n := minLength; n <= min(len(runes), longest); n++ {
		l.add(string(runes[:n]))
	}
}

// phrases is sayings and placeholders that are passwords everywhere, as they
// are written, without spaces, and with dashes.
func phrases(l list, _ []string) {
	for _, s := range []string{
		"change me please", "change this password", "correcthorsebatterystaple", "default password",
		"enter your password", "forgot my password", "hello my name is", "hello world hello world",
		"how are you today", "i am the best ever", "i dont know my password", "i forgot my password",
		"i hate passwords", "i love you baby", "i love you forever", "i love you so much", "i love you very much",
		"jesus is my savior", "keep calm and carry on", "let me in please", "let me in right now",
		"live long and prosper", "live laugh love", "lorem ipsum dolor", "lorem ipsum dolor sit amet",
		"may the force be with you", "money money money", "my password is password", "my secret password",
		"my super secret password", "never gonna give you up", "new password please", "no password needed",
		"open sesame open sesame", "password is password", "password password password", "please change me now",
		"please let me in", "super secret password", "the cake is a lie", "the quick brown fox",
		"the quick brown fox jumps over the lazy dog", "this is a password", "this is my password",
		"this is not a password", "this is the password", "to be or not to be", "twinkle twinkle little star",
		"what is my password", "what is the password", "winter is coming", "you shall not pass",
		"administrator", "administrator password", "example password", "temporary password", "welcome to the jungle",
		"welcome welcome", "test test test test", "secret secret secret", "admin admin admin",
	} {
		l.add(strings.ReplaceAll(s, " ", ""))
		l.add(s)
		l.add(strings.ReplaceAll(s, " ", "-"))
		l.add(strings.ReplaceAll(s, " ", "_"))
		for _, end := range []string{"1", "!", "123", "1234"} {
			l.add(strings.ReplaceAll(s, " ", "") + end)
		}
	}
}

func mirror(s string) string { return s + reverse(s) }

func reverse(s string) string {
	runes := []rune(s)
	slices.Reverse(runes)
	return string(runes)
}
