// Package strictjson reads JSON objects of which all readers have the same view: JSON
// Web Tokens and JWK Sets from untrusted clients.
package strictjson

import (
	"encoding/json"
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxDepth is the maximum depth of nested arrays and objects.
const maxDepth = 32

// Object is a JSON object: its members in order, without duplicate names.
type Object []Member

// Member is one member of an Object.
type Member struct {
	Name  string
	Value json.RawMessage
}

// Get returns the value of the member with exactly this name, or nil.
func (o Object) Get(name string) json.RawMessage {
	for i := range o {
		if o[i].Name == name {
			return o[i].Value
		}
	}
	return nil
}

// Parse reads one JSON object. It refuses invalid UTF-8, data after the object, nesting
// deeper than 32, and duplicate member names, because readers differ in which of two
// members they use (RFC 8725 §2.4, RFC 7519 §4). At the top level, names that differ
// only in case are duplicates.
//
// The values are parts of data, which must not change later.
func Parse(data []byte) (Object, error) {
	if !utf8.Valid(data) {
		return nil, errors.New("JSON is not UTF-8")
	}
	if !json.Valid(data) {
		return nil, errors.New("not a JSON object")
	}
	r := newReader(data)
	if r.text[r.at] != '{' {
		return nil, errors.New("not a JSON object")
	}
	members := make(Object, 0, usualMembers)
	err := r.object(1, sameIgnoringCase, func(name string, from int) {
		members = append(members, Member{name, data[from:r.at:r.at]})
	})
	return members, err
}

// AsObject reads the value of a member of a parsed object, if it is an object.
func AsObject(raw json.RawMessage) (Object, bool) {
	if len(raw) == 0 || raw[0] != '{' {
		return nil, false
	}
	var members Object
	r := newReader(raw)
	err := r.object(1, sameExactly, func(name string, from int) {
		members = append(members, Member{name, raw[from:r.at:r.at]})
	})
	return members, err == nil
}

// AsString reads a value, if it is a string.
func AsString(raw json.RawMessage) (string, bool) {
	if len(raw) == 0 || raw[0] != '"' {
		return "", false
	}
	return unquote(string(raw)), true
}

// AsStrings reads a value, if it is an array of strings only.
func AsStrings(raw json.RawMessage) ([]string, bool) {
	if len(raw) == 0 || raw[0] != '[' {
		return nil, false
	}
	list, ok := []string{}, true
	r := newReader(raw)
	err := r.array(1, func(from int) {
		if r.text[from] != '"' {
			ok = false
			return
		}
		list = append(list, unquote(r.text[from:r.at]))
	})
	if err != nil || !ok {
		return nil, false
	}
	return list, true
}

// unquote returns the value of a valid JSON string.
func unquote(quoted string) string {
	if strings.IndexByte(quoted, '\\') < 0 {
		return quoted[1 : len(quoted)-1]
	}
	var s string
	_ = json.Unmarshal([]byte(quoted), &s) // valid already
	return s
}

// reader walks JSON that is known to be valid, so that it only needs to recognize
// quotes, brackets and commas. encoding/json would build a map of copies for each
// object, in twice the time.
type reader struct {
	text string
	at   int
}

func newReader(data []byte) *reader {
	r := &reader{text: string(data)}
	r.space()
	return r
}

var (
	errDeep = errors.New("JSON is nested too deep")
	// ErrTwice is the error of Parse for a duplicate member name.
	ErrTwice = errors.New("duplicate member name")
)

// object reads an object. It calls each with every name and the position at which its
// value begins; the value ends at r.at.
func (r *reader) object(depth int, same sameness, each func(name string, from int)) error {
	if depth > maxDepth {
		return errDeep
	}
	seen := names{same: same}
	r.at++
	for r.space(); r.text[r.at] != '}'; r.space() {
		from := r.at
		r.string()
		name := unquote(r.text[from:r.at])
		if !seen.add(name) {
			return ErrTwice
		}
		r.space()
		r.at++ // the colon
		r.space()
		from = r.at
		if err := r.value(depth + 1); err != nil {
			return err
		}
		if each != nil {
			each(name, from)
		}
		r.comma()
	}
	r.at++
	return nil
}

// array reads an array. It calls each with the position at which every element begins;
// the element ends at r.at.
func (r *reader) array(depth int, each func(from int)) error {
	if depth > maxDepth {
		return errDeep
	}
	r.at++
	for r.space(); r.text[r.at] != ']'; r.space() {
		from := r.at
		if err := r.value(depth + 1); err != nil {
			return err
		}
		if each != nil {
			each(from)
		}
		r.comma()
	}
	r.at++
	return nil
}

func (r *reader) value(depth int) error {
	switch r.text[r.at] {
	case '{':
		return r.object(depth, sameExactly, nil)
	case '[':
		return r.array(depth, nil)
	case '"':
		r.string()
	default: // a number, true, false or null
		for r.at < len(r.text) && strings.IndexByte(",]} \t\r\n", r.text[r.at]) < 0 {
			r.at++
		}
	}
	return nil
}

func (r *reader) string() {
	for r.at++; r.text[r.at] != '"'; r.at++ {
		if r.text[r.at] == '\\' {
			r.at++
		}
	}
	r.at++
}

func (r *reader) space() {
	for r.at < len(r.text) {
		switch r.text[r.at] {
		case ' ', '\t', '\r', '\n':
			r.at++
		default:
			return
		}
	}
}

// comma skips the comma after a member or an element, if there is one.
func (r *reader) comma() {
	r.space()
	if r.text[r.at] == ',' {
		r.at++
	}
}

// sameness is the rule by which two names are equal.
type sameness bool

const (
	sameExactly      sameness = false
	sameIgnoringCase sameness = true
)

// usualMembers is how many names are compared one by one. More names go into a map,
// because otherwise the time for an object would grow with the square of its size.
const usualMembers = 24

// names are the member names of one object.
type names struct {
	same sameness
	few  []string
	many map[string]struct{}
}

// add reports whether the name is new.
func (n *names) add(name string) bool {
	if n.many == nil && len(n.few) < usualMembers {
		for _, old := range n.few {
			if old == name || bool(n.same) && strings.EqualFold(old, name) {
				return false
			}
		}
		n.few = append(n.few, name)
		return true
	}
	if n.many == nil {
		n.many = make(map[string]struct{}, 2*usualMembers)
		for _, old := range n.few {
			n.many[n.key(old)] = struct{}{}
		}
	}
	key := n.key(name)
	if _, twice := n.many[key]; twice {
		return false
	}
	n.many[key] = struct{}{}
	return true
}

func (n *names) key(name string) string {
	if n.same == sameIgnoringCase {
		return Fold(name)
	}
	return name
}

// Fold returns the same text for all names that encoding/json matches to the same struct
// field. Unlike strings.ToLower it also folds the Kelvin sign to k and the long s to s.
func Fold(name string) string {
	return strings.Map(func(r rune) rune {
		for {
			next := unicode.SimpleFold(r)
			if next <= r {
				return next
			}
			r = next
		}
	}, name)
}
