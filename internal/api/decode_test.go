package api

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/usherkit/usher/internal/route"
)

// FuzzDecode compares the strict parser with encoding/json, which must read every
// accepted body as the same object, without replacing characters.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{
		`{}`, `null`, `{"a":"\ud83d\ude00"}`, `{"a":"\ud800"}`, `{"a":"\\ud800"}`, `{"a":1,"A":2}`, `{"a":{"b":{"c":1,"C":2}}}`, `{"a":[{"b":1,"b":2}]}`,
		`{"a":1e400}`, `{"\u0061":1,"a":2}`, "{\"a\":\"\xff\"}", `{"a":"\ud800\ud800"}`, `[]`, `{}{}`, `{"a":"\`, strings.Repeat(`{"a":`, 40) + "1" + strings.Repeat("}", 40),
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		members, err := parse(body)
		if err != nil {
			if route.AsInputError(err) == nil {
				t.Errorf("the error names no input: %v", err)
			}
			return
		}
		var plain map[string]any
		if err := json.Unmarshal(body, &plain); err != nil && !strings.Contains(err.Error(), "float64") {
			t.Fatalf("encoding/json refuses it: %v", err)
		}
		o := newObject(members)
		seen := map[string]bool{}
		for name, raw := range members {
			if folded := strings.ToLower(name); seen[folded] {
				t.Errorf("%q is there twice", name)
			} else {
				seen[folded] = true
			}
			text := o.text(name)
			if !utf8.ValidString(text) || strings.Count(text, "\ufffd") > strings.Count(string(raw), "\ufffd")+strings.Count(strings.ToLower(string(raw)), `\ufffd`) {
				t.Errorf("%s became %q", raw, text)
			}
			o.object(name)
		}
	})
}
