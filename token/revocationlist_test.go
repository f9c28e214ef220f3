package token

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestSE06_TheListSaysWhoHasEnded(t *testing.T) {
	r := NewRevocations()
	if got := string(r.JSON()); got != `{"revocations":[]}` {
		t.Fatalf("an empty list is %s", got)
	}
	r.Add("at a whole second", time.Unix(1764000000, 0))
	if got := string(r.JSON()); got != `{"revocations":[{"sid":"at a whole second","until":1764000000}]}` {
		t.Errorf("the list is %s", got)
	}
	r = NewRevocations()
	until := time.Unix(1764000000, 1)
	for i := range 300 {
		r.Add(fmt.Sprintf("s%03d", 299-i), until)
	}
	text := r.JSON()
	if !strings.HasPrefix(string(text), `{"revocations":[{"sid":"s000","until":1764000001},{"sid":"s001",`) {
		t.Fatalf("the list begins %.100s", text)
	}
	list, err := parseRevocations(text)
	if err != nil || len(list) != 300 {
		t.Fatalf("%d entries were read (%v)", len(list), err)
	}
}

func TestSE06_AListThatIsNoneIsRefused(t *testing.T) {
	for _, text := range []string{
		``, `null`, `[]`, `{}`, `{"revocations":null}`, `{"revocations":{}}`, `{"revocations":[{}]}`,
		`{"revocations":[{"sid":"","until":1}]}`, `{"revocations":[{"sid":"a","until":0}]}`,
		`{"revocations":[{"sid":"a","until":"1"}]}`, `{"revocations":[]} x`, `{"revocations":[]}{}`,
		`{"revocations":[{"sid":"` + strings.Repeat("a", 257) + `","until":1}]}`, `<html>`,
	} {
		if _, err := parseRevocations([]byte(text)); err == nil {
			t.Errorf("%.60s was accepted as a list", text)
		}
	}
	if _, err := parseRevocations([]byte(`{"revocations":[{"sid":"` + strings.Repeat("a", 256) + `","until":1}]}`)); err != nil {
		t.Errorf("an id of 256 bytes: %v", err)
	}
	if _, err := parseRevocations([]byte(`{"revocations":[{"sid":"a","until":1,"new":2}],"more":3}` + "\n")); err != nil {
		t.Errorf("a list of a later version: %v", err)
	}
}

func FuzzRevocationList(f *testing.F) {
	f.Add([]byte(`{"revocations":[{"sid":"a","until":1764000000}]}`))
	f.Add([]byte(`{"revocations":[{"sid":"\ud800","until":1e3}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		list, err := parseRevocations(text)
		if err != nil {
			return
		}
		r := NewRevocations()
		for _, one := range list {
			r.Add(one.SessionID, time.Unix(one.Until, 0))
		}
		again, err := parseRevocations(r.JSON())
		if err != nil || len(again) != r.Len() {
			t.Fatalf("what was read cannot be published: %v", err)
		}
	})
}
