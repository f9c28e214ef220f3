package strictjson_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher/internal/strictjson"
)

// FuzzObject compares Parse with encoding/json: whatever Parse accepts has the same
// value in both.
func FuzzObject(f *testing.F) {
	for _, s := range []string{
		`{}`, ` { "a" : [ 1 , "x" , { "b" : null } ] , "c" : -1.5e3 } `, `{"a":"\"}","\u0061":1}`, `{"a":1,"A":2}`,
		`{"t":{"x":{"roles":["a","b\n"],"permissions":[]}}}`, `[1]`, `null`, `{"a":[[],{}],"b":true}`, `{"":"\ud800"}`,
		`{"a":` + strings.Repeat("[", 31) + strings.Repeat("]", 31) + `}`, `{"a":` + strings.Repeat("[", 32) + strings.Repeat("]", 32) + `}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := strictjson.Parse(data)
		var want map[string]json.RawMessage
		wantErr := json.Unmarshal(data, &want)
		if err != nil {
			return // stricter, as the other tests say in what
		}
		if wantErr != nil || want == nil || len(got) != len(want) {
			t.Fatalf("%q: %d members, encoding/json has %d and %v", data, len(got), len(want), wantErr)
		}
		for _, m := range got {
			raw := want[m.Name]
			if string(raw) != string(m.Value) {
				t.Fatalf("%q: %q is %q, encoding/json has %q", data, m.Name, m.Value, raw)
			}
			if raw[0] == '"' {
				var s string
				if err := json.Unmarshal(raw, &s); err != nil {
					t.Fatal(err)
				}
				if text, ok := strictjson.AsString(m.Value); !ok || text != s {
					t.Fatalf("%q is %q, encoding/json has %q", raw, text, s)
				}
			}
			var list []*string
			isList := json.Unmarshal(raw, &list) == nil && list != nil
			for _, s := range list {
				isList = isList && s != nil
			}
			texts, ok := strictjson.AsStrings(m.Value)
			if ok != isList {
				t.Fatalf("%q: a list of strings is %v, encoding/json has %v", raw, ok, isList)
			}
			for i := range texts {
				if texts[i] != *list[i] {
					t.Fatalf("%q: element %d is %q", raw, i, texts[i])
				}
			}
			var inner map[string]json.RawMessage
			isObject := json.Unmarshal(raw, &inner) == nil && inner != nil
			members, ok := strictjson.AsObject(m.Value)
			if ok != isObject {
				t.Fatalf("%q: an object is %v, encoding/json has %v", raw, ok, isObject)
			}
			seen := map[string]json.RawMessage{}
			for _, one := range members {
				seen[one.Name] = one.Value
			}
			if !maps.EqualFunc(seen, inner, func(a, b json.RawMessage) bool { return string(a) == string(b) }) {
				t.Fatalf("%q: members %q, encoding/json has %q", raw, seen, inner)
			}
		}
	})
}

func TestParse_ManyMembers(t *testing.T) {
	var b strings.Builder
	b.WriteByte('{')
	const many = 100_000
	for n := range many {
		fmt.Fprintf(&b, `"m%d":%d,`, n, n)
	}
	began := time.Now()
	members, err := strictjson.Parse([]byte(b.String() + `"last":{}}`))
	if err != nil || len(members) != many+1 || string(members.Get("m99999")) != "99999" {
		t.Fatalf("%d members, %v", len(members), err)
	}
	if took := time.Since(began); took > 5*time.Second { // compared one by one it would be minutes
		t.Errorf("it took %v", took)
	}
	for name, twin := range map[string]string{"the same": "m7", "by case": "M7"} {
		if _, err := strictjson.Parse([]byte(b.String() + `"` + twin + `":0}`)); err == nil {
			t.Errorf("a duplicate, %s, was taken", name)
		}
	}
	depths := `"x":{` + strings.TrimSuffix(b.String()[1:], ",") + `,"m7":0}`
	if _, err := strictjson.Parse([]byte("{" + depths + "}")); err == nil {
		t.Error("a duplicate in depth was taken")
	}
}
