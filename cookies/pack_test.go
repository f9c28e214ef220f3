package cookies

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPackRoundTrip(t *testing.T) {
	for name, values := range map[string]map[any]any{
		"empty":           {},
		"text":            {"a": "b", "": ""},
		"token":           {"s": "eyJhIjoxfQ.eyJiIjoyfQ.c2ln"},
		"empty parts":     {"s": "..", "t": "a.", "u": ".YQ."},
		"not canonical":   {"s": "eyJhIjoxfR.eyJiIjoyfQ.c2ln"},
		"padded":          {"s": "YQ==.YQ==.YQ=="},
		"line break":      {"s": "eyJh\nIjoxfQ.eyJiIjoyfQ.c2ln"},
		"four parts":      {"s": "YQ.YQ.YQ.YQ"},
		"two parts":       {"s": "YQ.YQ"},
		"standard base64": {"s": "+/+/.YQ.YQ"},
	} {
		b, err := packer{}.Serialize(values)
		if err != nil {
			t.Fatal(name, err)
		}
		var got map[any]any
		if err := (packer{}).Deserialize(b, &got); err != nil {
			t.Fatal(name, err)
		}
		if diff := cmp.Diff(values, got); diff != "" {
			t.Error(name, diff)
		}
	}
	long := strings.Repeat("eyJh", 100)
	b, err := packer{}.Serialize(map[any]any{"s": long + "." + long + "." + long})
	if err != nil || len(b) > 920 {
		t.Errorf("1,202 bytes of a token pack into %d, %v", len(b), err)
	}
	for _, bad := range []any{map[any]any{1: "a"}, map[any]any{"a": 1}, "a", nil} {
		if _, err := (packer{}).Serialize(bad); err == nil {
			t.Errorf("%v packs", bad)
		}
	}
}

// Each of these values is cut off, or has a part that does not belong to it.
func TestUnpackRefusesDamagedValues(t *testing.T) {
	for name, in := range map[string]string{
		"nothing":                     "",
		"another version":             "\x02\x01a\x00\x01x",
		"a name without its end":      "\x01\x02a",
		"a name alone":                "\x01\x01a",
		"an unknown kind":             "\x01\x01a\x02\x01x",
		"a kind alone":                "\x01\x01a\x00",
		"a length without its end":    "\x01\x01a\x00\x80",
		"one byte less than its size": "\x01\x01a\x00\x02x",
		"a token of one part":         "\x01\x01a\x01\x01x",
		"a token of two parts":        "\x01\x01a\x01\x01x\x01y",
		"one name twice":              "\x01\x01a\x00\x01x\x01a\x00\x01x",
	} {
		var values map[any]any
		if err := (packer{}).Deserialize([]byte(in), &values); err == nil || values != nil {
			t.Errorf("%s: %v, %v", name, values, err)
		}
	}
}

func FuzzPack(f *testing.F) {
	b, _ := packer{}.Serialize(map[any]any{"s": "eyJhIjoxfQ.eyJiIjoyfQ.c2ln", "t": "text"})
	f.Add(b)
	f.Add([]byte{1, 1, 'a', 0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, in []byte) {
		var values map[any]any
		if (packer{}).Deserialize(in, &values) != nil {
			if values != nil {
				t.Fatal("values beside an error")
			}
			return
		}
		out, err := packer{}.Serialize(values)
		if err != nil {
			t.Fatal(err)
		}
		var again map[any]any
		if err := (packer{}).Deserialize(out, &again); err != nil || !cmp.Equal(values, again) {
			t.Fatalf("%v, %v: %v", values, again, err)
		}
	})
}
