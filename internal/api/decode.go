package api

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/usherkit/usher/internal/route"
	"github.com/usherkit/usher/internal/strictjson"
	"github.com/usherkit/usher/problem"
)

const (
	// maxDepth is the maximum nesting depth of a body.
	maxDepth = 32
	// foldDepth is the maximum depth of members that the routes read. Down to it, two
	// members whose names differ only in letter case are duplicates.
	foldDepth = 2
)

// decode reads the body of a request: one JSON object. Unknown members are
// ignored.
func decode(w http.ResponseWriter, r *http.Request) (object, error) {
	return decodeBody(w, r, false)
}

// decodeOptional is like decode, but the body may be empty.
func decodeOptional(w http.ResponseWriter, r *http.Request) (object, error) {
	return decodeBody(w, r, true)
}

func decodeBody(w http.ResponseWriter, r *http.Request, optional bool) (object, error) {
	body, err := route.ReadBody(w, r)
	if optional && err == nil && len(body) == 0 {
		return newObject(nil), nil
	}
	if !route.IsJSON(r.Header) {
		return object{}, route.ErrMediaType
	}
	if err != nil {
		return object{}, err
	}
	// A byte order mark may precede the text (RFC 8259 §8.1).
	members, err := parse(bytes.TrimPrefix(body, []byte("\ufeff")))
	return newObject(members), err
}

// parse returns the members of the one object in body; null is an empty object.
// It refuses everything that two parsers may read differently: members that occur
// twice, bytes that are not UTF-8, and escapes of half a character. encoding/json
// would replace the latter two by U+FFFD, and different passwords would be equal.
func parse(body []byte) (map[string]json.RawMessage, error) {
	switch {
	case !utf8.Valid(body):
		return nil, route.BadBody("The body is not valid UTF-8.")
	case !json.Valid(body):
		return nil, route.BadBody("The body is not one JSON object.")
	case strictjson.HasLoneSurrogate(body):
		return nil, route.BadBody("The body has half of a surrogate pair.")
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if err := checkMembers(d, 1, ""); err != nil {
		return nil, err
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil {
		return nil, route.BadBody("The body is not one JSON object.")
	}
	return members, nil
}

// checkMembers reads one value from d, which is known to be valid JSON, and
// refuses members that occur twice and values that nest too deep.
func checkMembers(d *json.Decoder, depth int, path string) error {
	t, err := d.Token()
	if err != nil {
		return route.BadBody("The body is not one JSON object.")
	}
	open, nested := t.(json.Delim)
	if !nested {
		return nil
	}
	if depth > maxDepth {
		return route.BadBody("The body nests too deep.")
	}
	seen := map[string]bool{}
	for d.More() {
		member := path
		if open == '{' {
			name, err := d.Token()
			if err != nil {
				return route.BadBody("The body is not one JSON object.")
			}
			key, _ := name.(string)
			if depth <= foldDepth {
				key = strings.ToLower(strings.ToUpper(key))
			}
			if depth <= foldDepth {
				member = strings.TrimPrefix(path+"."+nameOf(name), ".")
			}
			if seen[key] {
				return memberTwice(member)
			}
			seen[key] = true
		}
		if err := checkMembers(d, depth+1, member); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil {
		return route.BadBody("The body is not one JSON object.")
	}
	return nil
}

// nameOf returns the name of a member for an error. Other text of the client than a plain
// name is not repeated.
func nameOf(token json.Token) string {
	name, _ := token.(string)
	if len(name) > 32 || strings.ContainsFunc(name, func(r rune) bool {
		return r != '_' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	}) {
		return "?"
	}
	return name
}

// memberTwice returns the error for a body with a member twice.
func memberTwice(name string) error {
	const detail = "The body has a member twice."
	return &route.InputError{Code: problem.InvalidRequest, Detail: detail, Fields: []route.Field{{Name: name, Code: "invalid", Detail: "must occur once"}}}
}
