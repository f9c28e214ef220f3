package handlers

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

const (
	// maxBody is the most of a body in bytes.
	maxBody = 16 << 10
	// maxDepth is how deep a body may nest.
	maxDepth = 32
	// foldDepth is how deep the names of members are known, so that one in
	// another letter case is a trick and not a name of its own.
	foldDepth = 2
)

// decode reads the body of a request: one JSON object, of which unknown members
// are ignored.
func decode(w http.ResponseWriter, r *http.Request) (object, error) {
	return decodeBody(w, r, false)
}

// decodeOptional is decode for a route that asks for nothing: there need not be
// a body.
func decodeOptional(w http.ResponseWriter, r *http.Request) (object, error) {
	return decodeBody(w, r, true)
}

func decodeBody(w http.ResponseWriter, r *http.Request, optional bool) (object, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if optional && err == nil && len(body) == 0 {
		return newObject(nil), nil
	}
	if !isJSON(r.Header) {
		return object{}, errMediaType
	}
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return object{}, errTooLarge
	case err != nil:
		return object{}, badBody("The body could not be read.")
	}
	members, err := parse(body)
	return newObject(members), err
}

// isJSON reports whether the headers announce JSON in UTF-8 (RFC 8259), not
// compressed. No form can send that, so that no page of another site can without
// a preflight.
func isJSON(h http.Header) bool {
	if len(h["Content-Type"]) != 1 || len(h["Content-Encoding"]) > 0 {
		return false
	}
	mediaType, params, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil || mediaType != "application/json" {
		return false
	}
	charset, given := params["charset"]
	return !given || strings.EqualFold(charset, "utf-8")
}

// parse returns the members of the one object in body; null is an empty one. It
// refuses everything that some parser reads otherwise than another: members
// that are there twice, bytes that are not UTF-8, escapes of half a character.
// encoding/json would put U+FFFD in the place of the latter two, and different
// passwords would be one.
func parse(body []byte) (map[string]json.RawMessage, error) {
	switch {
	case !utf8.Valid(body):
		return nil, badBody("The body is not valid UTF-8.")
	case !json.Valid(body):
		return nil, badBody("The body is not one JSON object.")
	case hasLoneSurrogate(body):
		return nil, badBody("The body has half of a surrogate pair.")
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if err := checkMembers(d, 1); err != nil {
		return nil, err
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil {
		return nil, badBody("The body is not one JSON object.")
	}
	return members, nil
}

// checkMembers reads one value from d, which is known to be valid JSON, and
// refuses members that are there twice and values that nest too deep.
func checkMembers(d *json.Decoder, depth int) error {
	t, err := d.Token()
	if err != nil {
		return badBody("The body is not one JSON object.")
	}
	open, nested := t.(json.Delim)
	if !nested {
		return nil
	}
	if depth > maxDepth {
		return badBody("The body nests too deep.")
	}
	seen := map[string]bool{}
	for d.More() {
		if open == '{' {
			name, err := d.Token()
			if err != nil {
				return badBody("The body is not one JSON object.")
			}
			key, _ := name.(string)
			if depth <= foldDepth {
				key = strings.ToLower(strings.ToUpper(key))
			}
			if seen[key] {
				return badBody("The body has a member twice.")
			}
			seen[key] = true
		}
		if err := checkMembers(d, depth+1); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil {
		return badBody("The body is not one JSON object.")
	}
	return nil
}

// hasLoneSurrogate reports whether body, which is valid JSON, has an escape of
// half a surrogate pair. Valid JSON has backslashes in strings only, each before
// the character or the four digits that belong to it.
func hasLoneSurrogate(body []byte) bool {
	for i := 0; i < len(body); i++ {
		if body[i] != '\\' {
			continue
		}
		r, size := escaped(body[i:])
		if utf16.IsSurrogate(r) {
			low, more := escaped(body[i+size:])
			if utf16.DecodeRune(r, low) == utf8.RuneError {
				return true
			}
			size += more
		}
		i += size - 1
	}
	return false
}

// escaped returns the code unit of an escape \uXXXX at the start of b, or -1,
// and how long the escape is.
func escaped(b []byte) (unit rune, size int) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return -1, 2
	}
	n, err := strconv.ParseUint(string(b[2:6]), 16, 16)
	if err != nil {
		return -1, 2
	}
	return rune(n), 6
}
